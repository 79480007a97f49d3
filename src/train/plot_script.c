/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gnuplot is told. Points stand in the script as named data blocks, so that one file holds a whole set of
 * pictures.
 */
#include "train/plot_script_impl.h"

#include <math.h>

#include "base/pictures_impl.h"
#include "train/reporter_impl.h"

/* ---- statistics over the epochs ---- */

/* The points of (phase, name) as a data block; returns how many, and widens the range of epochs. */
static int64_t add_points(spk_text *t, const spk_reporter *r, const char *phase, const char *name, int block)
{
    int64_t n = 0;
    double value;
    spk_text_addf(t, "$d%d << end_of_data\n", block);
    for (int64_t e = 1; e <= spk_reporter_last_epoch(r); e++)
        if (spk_reporter_get(r, e, phase, name, &value) && isfinite(value)) {
            spk_text_addf(t, "%lld %.9g\n", (long long)e, value);
            n++;
        }
    spk_text_add(t, "end_of_data\n");
    return n;
}

/* Whole numbers on the axis of epochs. */
static void add_epoch_axis(spk_text *t, int64_t last)
{
    int64_t step = 1;
    for (int k = 0; last / step > 12; k++)
        step = k % 3 == 1 ? step / 2 * 5 : step * 2; /* 1 2 5 10 20 50 ... */
    spk_text_addf(t, "set xlabel 'epoch'\nset xrange [%g:%g]\nset xtics %lld\n", 0.6, (double)last + 0.4,
                  (long long)step);
}

/* One curve for each phase that has the name; false: no phase has a finite value. */
static bool add_curves(spk_text *t, const spk_reporter *r, const char *name, int *block, bool with_x_marks)
{
    spk_text plot = {0};
    const char *phase;
    int phases = 0;
    for (int64_t p = 0; (phase = spk_reporter_phase_at(r, p)) != NULL; p++) {
        const int64_t n = add_points(t, r, phase, name, *block);
        if (n > 0) {
            spk_text_addf(&plot, "%s$d%d using 1:2 with linespoints pt %d ps 1.1 lw 1.6 lc rgb '%s' title ",
                          phases++ ? ", " : "plot ", *block, with_x_marks ? 2 : 7, spk_colours[p % SPK_N_COLOURS]);
            spk_gnuplot_quoted(&plot, phase);
        }
        ++*block;
    }
    if (phases) {
        spk_text_add(t, spk_text_str(&plot));
        spk_text_add(t, "\n");
    }
    spk_text_clear(&plot);
    return phases > 0;
}

static int add_statistics(spk_text *t, const char *folder, const spk_reporter *r, int *block)
{
    const char *name;
    int n = 0;
    add_epoch_axis(t, spk_reporter_last_epoch(r));
    for (int64_t i = 0; (name = spk_reporter_name_at(r, i)) != NULL; i++) {
        char *title = spk_strf("%s vs epoch", name);
        spk_text_add(t, "set title ");
        spk_gnuplot_quoted(t, title);
        spk_text_add(t, "\nset ylabel ");
        spk_gnuplot_quoted(t, name);
        spk_text_add(t, "\n");
        spk_gnuplot_output(t, folder, name);
        n += add_curves(t, r, name, block, true);
        spk_free(title);
    }
    return n;
}

static bool has_points(const spk_reporter *r, const char *phase, const char *name)
{
    double value;
    for (int64_t e = 1; e <= spk_reporter_last_epoch(r); e++)
        if (spk_reporter_get(r, e, phase, name, &value) && isfinite(value)) return true;
    return false;
}

/* Loss in training and EER in validation, one above the other on the same epochs. */
static int add_progress(spk_text *t, const char *folder, const spk_reporter *r, int *block)
{
    static const struct {
        const char *phase, *name, *label;
    } panels[] = {{"train", "loss", "training loss"}, {"valid", "eer", "EER on unseen speakers (%)"}};
    if (!has_points(r, "train", "loss") || !has_points(r, "valid", "eer")) return 0;
    spk_text_add(t, "set terminal pngcairo size 800,640\n");
    spk_gnuplot_output(t, folder, "progress");
    for (int k = 0; k < 2; k++)
        add_points(t, r, panels[k].phase, panels[k].name, *block + k);
    spk_text_add(t, "set multiplot layout 2,1\nset lmargin 10\nunset title\nunset key\n");
    for (int k = 0; k < 2; k++) {
        spk_text_addf(t, "set title '%s'\nset ylabel ''\n", panels[k].label);
        spk_text_addf(t, "plot $d%d using 1:2 with linespoints pt 7 ps 0.9 lw 1.6 lc rgb '%s' notitle", *block + k,
                      spk_colours[k]);
        if (k == 1) { /* the best epoch, marked and named */
            int64_t best;
            double eer = 0;
            spk_reporter_sort(r, panels[k].phase, panels[k].name, "min", &best, 1);
            spk_reporter_get(r, best, panels[k].phase, panels[k].name, &eer);
            spk_text_addf(
                t, ", '-' using 1:2 with points pt 6 ps 2.2 lw 1.8 lc rgb '%s' title 'best: %.2f %% in epoch %lld'",
                spk_colours[2], eer, (long long)best);
            spk_text_addf(t, "\n%lld %.9g\ne", (long long)best, eer);
        }
        spk_text_add(t, "\nset key\n");
    }
    spk_text_add(t, "unset multiplot\nset lmargin -1\nset terminal pngcairo size 800,500\n");
    *block += 2;
    return 1;
}

int spk_plot_script(const char *folder, const spk_reporter *r, const spk_plot_scores *scores, spk_text *out)
{
    int block = 0, n = 0;
    spk_gnuplot_setup(out);
    if (r && spk_reporter_last_epoch(r) > 0) {
        n += add_statistics(out, folder, r, &block);
        n += add_progress(out, folder, r, &block);
    }
    if (scores && scores->n_trials > 0) n += spk_plot_histogram(out, folder, "scores", scores, &block);
    spk_text_add(out, "set output\n");
    return n;
}
