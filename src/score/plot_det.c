/* SPDX-License-Identifier: Apache-2.0 */
/* DET curves of several systems (Martin et al., 1997), for gnuplot: both axes are the normal distribution's quantiles. */
#include <math.h>

#include "base/pictures_impl.h"
#include "score/plot_impl.h"

const double spk_det_percents[SPK_N_DET_PERCENTS] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,  2,  5,
                                                     10,   20,   40,   60,  80,  90,  95, 98, 99};

static const int point_types[] = {7, 5, 9, 13, 11, 15}; /* filled: circle, square, triangle, diamond, ... */
static const char *const dashes[] = {"1", "(12,4)", "(4,3)", "(14,3,4,3)", "(22,5)", "(8,3,3,3,3,3)"};
enum { N_POINT_TYPES = (int)(sizeof point_types / sizeof *point_types) };

static void add_tics(spk_text *t, char axis)
{
    spk_text_addf(t, "set %ctics (", axis);
    for (int i = 0; i < SPK_N_DET_PERCENTS; i++)
        spk_text_addf(t, "%s'%g' invnorm(%g)", i ? ", " : "", spk_det_percents[i], spk_det_percents[i] / 100);
    spk_text_add(t, ")\n");
}

/* Points that are in the picture, and apart from the one before. */
static void add_curve(spk_text *t, const spk_plot_curve *c, int block, double least, double most)
{
    double x = -1, y = -1;
    spk_text_addf(t, "$d%d << end_of_data\n", block);
    for (int64_t i = 0; i < c->n; i++) {
        const double fpr = fmin(fmax(c->fpr[i], least), most), fnr = fmin(fmax(c->fnr[i], least), most);
        const bool apart = fabs(log(fpr / x)) > 0.004 || fabs(log(fnr / y)) > 0.004;
        if (i > 0 && i + 1 < c->n && !apart) continue;
        spk_text_addf(t, "%.8g %.8g\n", fpr, fnr);
        x = fpr;
        y = fnr;
    }
    spk_text_add(t, "end_of_data\n");
}

void spk_plot_det_range(const spk_plot_curve *curves, int n, double *least, double *most)
{
    *least = 0.005;
    *most = 0.4;
    for (int i = 0; i < n; i++) { /* the EER lies well inside */
        const double eer = fmax(curves[i].eer / 100, 0.0008);
        *least = fmin(*least, eer / 8);
        *most = fmax(*most, fmin(2 * eer, 0.99));
    }
}

int spk_plot_det(spk_text *t, const char *folder, const spk_plot_curve *curves, int n, int *block)
{
    double least, most; /* shares: the range of both axes */
    if (n < 1) return 0;
    spk_plot_det_range(curves, n, &least, &most);
    for (int i = 0; i < n; i++)
        add_curve(t, &curves[i], *block + i, least / 4, most + (1 - most) / 2);
    spk_text_add(t, "set terminal pngcairo noenhanced size 720,720 font 'DejaVu Sans,11' linewidth 1.4\n");
    spk_gnuplot_output(t, folder, "det");
    add_tics(t, 'x');
    add_tics(t, 'y');
    spk_text_addf(t, "set xrange [invnorm(%.9g):invnorm(%.9g)]\nset yrange [invnorm(%.9g):invnorm(%.9g)]\n", least,
                  most, least, most);
    spk_text_add(t, "set title 'Detection errors'\nset xlabel 'nontargets accepted (%)'\n"
                    "set ylabel 'targets rejected (%)'\nplot ");
    for (int i = 0; i < n; i++) {
        char *title = spk_strf("%s: EER %.2f %%", curves[i].name, curves[i].eer);
        spk_text_addf(t, "$d%d using (invnorm($1)):(invnorm($2)) with lines lw 1.8 lc rgb '%s' dt %s title ",
                      *block + i, spk_colours[i % SPK_N_COLOURS], dashes[i % N_POINT_TYPES]);
        spk_gnuplot_quoted(t, title);
        spk_text_add(t, ", ");
        spk_free(title);
    }
    for (int i = 0; i < n; i++) /* where both errors are as many */
        spk_text_addf(
            t, "'+' every ::0::0 using (invnorm(%.9g)):(invnorm(%.9g)) with points pt %d ps 1.4 lc rgb '%s' notitle, ",
            fmin(fmax(curves[i].eer / 100, least), most), fmin(fmax(curves[i].eer / 100, least), most),
            point_types[i % N_POINT_TYPES], spk_colours[i % SPK_N_COLOURS]);
    spk_text_add(t, "x with lines dt 3 lw 1 lc rgb '#888888' notitle\n"
                    "set terminal pngcairo noenhanced size 800,500 font 'DejaVu Sans,11' linewidth 1.4\n");
    *block += n;
    return 1;
}
