/* SPDX-License-Identifier: Apache-2.0 */
/* The two score distributions and a threshold, for gnuplot. */
#include "score/plot_impl.h"

#include <math.h>

#include "base/pictures_impl.h"

enum { FEWEST_BINS = 12 };

/* Bins that the smaller class can fill. */
static int bins_for(const int64_t total[2])
{
    const double bins = 2 * sqrt((double)(total[0] < total[1] ? total[0] : total[1]));
    return bins < FEWEST_BINS ? FEWEST_BINS : bins > SPK_MOST_BINS ? SPK_MOST_BINS : (int)bins;
}

bool spk_plot_bins_of(const spk_plot_scores *s, spk_plot_bins *out)
{
    int64_t count[2][SPK_MOST_BINS] = {{0}};
    double high = -INFINITY;
    *out = (spk_plot_bins){.low = INFINITY};
    for (int64_t i = 0; i < s->n_trials; i++) {
        out->total[s->labels[i] != 0]++;
        out->low = fmin(out->low, (double)s->scores[i]);
        high = fmax(high, (double)s->scores[i]);
    }
    if (!isfinite(out->low) || !isfinite(high)) return false;
    out->n = bins_for(out->total);
    out->width = high > out->low ? (high - out->low) / out->n : 1e-3;
    for (int64_t i = 0; i < s->n_trials; i++) {
        const double place = ((double)s->scores[i] - out->low) / out->width;
        if (place >= 0) /* NaN is nowhere */
            count[s->labels[i] != 0][place < out->n ? (int)place : out->n - 1]++;
    }
    for (int label = 0; label < 2; label++)
        for (int b = 0; b < out->n; b++) {
            const double total = (double)out->total[label];
            out->share[label][b] = total > 0 ? 100 * (double)count[label][b] / total : 0;
            out->highest = fmax(out->highest, out->share[label][b]);
        }
    return true;
}

/* A line for each bin, its left edge first. */
static void add_bins(spk_text *t, const spk_plot_bins *bins, int block)
{
    spk_text_addf(t, "$d%d << end_of_data\n", block);
    for (int b = -1; b <= bins->n; b++) { /* an empty bin on both sides closes the outline */
        const bool in = b >= 0 && b < bins->n;
        spk_text_addf(t, "%.9g %.6g %.6g\n", bins->low + b * bins->width, in ? bins->share[0][b] : 0,
                      in ? bins->share[1][b] : 0);
    }
    spk_text_add(t, "end_of_data\n");
    spk_text_addf(t, "set xrange [%.9g:%.9g]\nset xtics autofreq\nset yrange [0:%.6g]\n", bins->low - 2 * bins->width,
                  bins->low + (bins->n + 2) * bins->width, 1.3 * bins->highest); /* room for the legend */
}

int spk_plot_histogram(spk_text *t, const char *folder, const char *name, const spk_plot_scores *s, int *block)
{
    spk_plot_bins bins;
    char counts[2][64];
    if (!spk_plot_bins_of(s, &bins)) return 0;
    add_bins(t, &bins, *block);
    snprintf(counts[0], sizeof counts[0], "%lld different speakers", (long long)bins.total[0]);
    snprintf(counts[1], sizeof counts[1], "%lld same speaker", (long long)bins.total[1]);
    spk_gnuplot_output(t, folder, name);
    char *title = spk_strf("Scores of %lld trials%s%s: EER %.2f %%", (long long)s->n_trials, s->what ? ", " : "",
                           s->what ? s->what : "", s->eer);
    spk_text_add(t, "set title ");
    spk_gnuplot_quoted(t, title);
    spk_text_addf(t,
                  "\nset xlabel 'score (higher: more alike)'\nset ylabel 'share of the class (%%)'\n"
                  "set style fill transparent solid 0.35 noborder\n"
                  "set arrow 1 from %.9g, graph 0 to %.9g, graph 1 nohead dt 2 lw 1.6 lc rgb '#333333' front\n",
                  s->threshold, s->threshold);
    for (int label = 0; label < 2; label++) /* filled areas, then outlines over both */
        spk_text_addf(t, "%s$d%d using 1:%d with fillsteps lc rgb '%s' notitle, ", label ? "" : "plot ", *block,
                      label + 2, spk_colours[label ? 0 : 1]);
    for (int label = 0; label < 2; label++)
        spk_text_addf(t, "$d%d using 1:%d with steps lw 1.4 lc rgb '%s' title '%s', ", *block, label + 2,
                      spk_colours[label ? 0 : 1], counts[label]);
    spk_text_addf(t, "NaN with lines dt 2 lw 1.6 lc rgb '#333333' title 'threshold %.4g'\nunset arrow 1\n",
                  s->threshold);
    spk_free(title);
    ++*block;
    return 1;
}
