/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gnuplot is told. Points stand in the script as named data blocks, so that one file holds a whole set of
 * pictures; all text is literal ("noenhanced"), as names of statistics have underscores.
 */
#include "train/plot_script_impl.h"

#include <math.h>

#include "train/reporter_impl.h"

/* Colours that people with colour-blindness tell apart (Okabe and Ito, 2008). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
enum { N_COLOURS = 6, MOST_BINS = 80, FEWEST_BINS = 12 };

/* Text between single quotes, where gnuplot reads a quote written twice. */
static void add_quoted(spk_text *t, const char *s)
{
    spk_text_add(t, "'");
    for (; *s; s++) {
        if (*s == '\'') spk_text_add(t, "'");
        spk_text_addn(t, (unsigned char)*s < ' ' ? " " : s, 1);
    }
    spk_text_add(t, "'");
}

/* "loss" -> FOLDER/loss.png, with nothing in the name that a path could mean. */
static void add_output(spk_text *t, const char *folder, const char *name)
{
    char *file = spk_strf("%s.png", name);
    for (char *c = file; *c; c++)
        if (*c == '/' || (unsigned char)*c < ' ' || (c == file && *c == '.')) *c = '_';
    char *path = spk_strf("%s/%s", folder, file);
    spk_text_add(t, "set output ");
    add_quoted(t, path);
    spk_text_add(t, "\n");
    spk_free(file);
    spk_free(path);
}

static void add_setup(spk_text *t)
{
    spk_text_add(t, "set encoding utf8\n"
                    "set terminal pngcairo noenhanced size 800,500 font 'DejaVu Sans,11' linewidth 1.4\n"
                    "set style line 100 lc rgb '#dddddd' lw 0.7\n"
                    "set grid back ls 100\n"
                    "set border 3 lc rgb '#666666'\n"
                    "set tics nomirror out textcolor rgb '#333333'\n"
                    "set title font ',13' textcolor rgb '#222222'\n"
                    "set xlabel textcolor rgb '#333333'\nset ylabel textcolor rgb '#333333'\n"
                    "set key top right box lc rgb '#dddddd' opaque samplen 2 spacing 1.1 width 1\n");
}

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
                          phases++ ? ", " : "plot ", *block, with_x_marks ? 2 : 7, colours[p % N_COLOURS]);
            add_quoted(&plot, phase);
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
        add_quoted(t, title);
        spk_text_add(t, "\nset ylabel ");
        add_quoted(t, name);
        spk_text_add(t, "\n");
        add_output(t, folder, name);
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
    add_output(t, folder, "progress");
    for (int k = 0; k < 2; k++)
        add_points(t, r, panels[k].phase, panels[k].name, *block + k);
    spk_text_add(t, "set multiplot layout 2,1\nset lmargin 10\nunset title\nunset key\n");
    for (int k = 0; k < 2; k++) {
        spk_text_addf(t, "set title '%s'\nset ylabel ''\n", panels[k].label);
        spk_text_addf(t, "plot $d%d using 1:2 with linespoints pt 7 ps 0.9 lw 1.6 lc rgb '%s' notitle", *block + k,
                      colours[k]);
        if (k == 1) { /* the best epoch, marked and named */
            int64_t best;
            double eer = 0;
            spk_reporter_sort(r, panels[k].phase, panels[k].name, "min", &best, 1);
            spk_reporter_get(r, best, panels[k].phase, panels[k].name, &eer);
            spk_text_addf(
                t, ", '-' using 1:2 with points pt 6 ps 2.2 lw 1.8 lc rgb '%s' title 'best: %.2f %% in epoch %lld'",
                colours[2], eer, (long long)best);
            spk_text_addf(t, "\n%lld %.9g\ne", (long long)best, eer);
        }
        spk_text_add(t, "\nset key\n");
    }
    spk_text_add(t, "unset multiplot\nset lmargin -1\nset terminal pngcairo size 800,500\n");
    *block += 2;
    return 1;
}

/* ---- scores ---- */

/* Bins that the smaller class can fill. */
static int bins_for(const int64_t total[2])
{
    const double bins = 2 * sqrt((double)(total[0] < total[1] ? total[0] : total[1]));
    return bins < FEWEST_BINS ? FEWEST_BINS : bins > MOST_BINS ? MOST_BINS : (int)bins;
}

/* Share of each class in equal bins between the lowest and the highest score; the left edge of a bin stands first. */
static bool add_bins(spk_text *t, const spk_plot_scores *s, const int64_t total[2], int block)
{
    int64_t count[2][MOST_BINS] = {{0}};
    double low = INFINITY, high = -INFINITY, highest = 0;
    const int n_bins = bins_for(total);
    for (int64_t i = 0; i < s->n_trials; i++) {
        low = fmin(low, (double)s->scores[i]);
        high = fmax(high, (double)s->scores[i]);
    }
    if (!isfinite(low) || !isfinite(high)) return false;
    const double width = high > low ? (high - low) / n_bins : 1e-3;
    for (int64_t i = 0; i < s->n_trials; i++) {
        const double place = ((double)s->scores[i] - low) / width;
        if (place >= 0) /* NaN is nowhere */
            count[s->labels[i] != 0][place < n_bins ? (int)place : n_bins - 1]++;
    }
    spk_text_addf(t, "$d%d << end_of_data\n", block);
    for (int b = -1; b <= n_bins; b++) { /* an empty bin on both sides closes the outline */
        spk_text_addf(t, "%.9g", low + b * width);
        for (int label = 0; label < 2; label++) {
            const int64_t c = b < 0 || b == n_bins ? 0 : count[label][b];
            const double share = total[label] ? 100 * (double)c / (double)total[label] : 0;
            spk_text_addf(t, " %.6g", share);
            highest = fmax(highest, share);
        }
        spk_text_add(t, "\n");
    }
    spk_text_add(t, "end_of_data\n");
    spk_text_addf(t, "set xrange [%.9g:%.9g]\nset xtics autofreq\nset yrange [0:%.6g]\n", low - 2 * width,
                  high + 2 * width, 1.3 * highest); /* room for the legend */
    return true;
}

static int add_scores(spk_text *t, const char *folder, const spk_plot_scores *s, int *block)
{
    int64_t total[2] = {0};
    char counts[2][64];
    for (int64_t i = 0; i < s->n_trials; i++)
        total[s->labels[i] != 0]++;
    if (!add_bins(t, s, total, *block)) return 0;
    snprintf(counts[0], sizeof counts[0], "%lld different speakers", (long long)total[0]);
    snprintf(counts[1], sizeof counts[1], "%lld same speaker", (long long)total[1]);
    add_output(t, folder, "scores");
    char *title = spk_strf("Scores of %lld trials%s%s: EER %.2f %%", (long long)s->n_trials, s->what ? ", " : "",
                           s->what ? s->what : "", s->eer);
    spk_text_add(t, "set title ");
    add_quoted(t, title);
    spk_text_addf(t,
                  "\nset xlabel 'score (higher: more alike)'\nset ylabel 'share of the class (%%)'\n"
                  "set style fill transparent solid 0.35 noborder\n"
                  "set arrow 1 from %.9g, graph 0 to %.9g, graph 1 nohead dt 2 lw 1.6 lc rgb '#333333' front\n",
                  s->threshold, s->threshold);
    for (int label = 0; label < 2; label++) /* filled areas, then outlines over both */
        spk_text_addf(t, "%s$d%d using 1:%d with fillsteps lc rgb '%s' notitle, ", label ? "" : "plot ", *block,
                      label + 2, colours[label ? 0 : 1]);
    for (int label = 0; label < 2; label++)
        spk_text_addf(t, "$d%d using 1:%d with steps lw 1.4 lc rgb '%s' title '%s', ", *block, label + 2,
                      colours[label ? 0 : 1], counts[label]);
    spk_text_addf(t, "NaN with lines dt 2 lw 1.6 lc rgb '#333333' title 'threshold %.4g'\nunset arrow 1\n",
                  s->threshold);
    spk_free(title);
    ++*block;
    return 1;
}

int spk_plot_script(const char *folder, const spk_reporter *r, const spk_plot_scores *scores, spk_text *out)
{
    int block = 0, n = 0;
    add_setup(out);
    if (r && spk_reporter_last_epoch(r) > 0) {
        n += add_statistics(out, folder, r, &block);
        n += add_progress(out, folder, r, &block);
    }
    if (scores && scores->n_trials > 0) n += add_scores(out, folder, scores, &block);
    spk_text_add(out, "set output\n");
    return n;
}
