/* SPDX-License-Identifier: Apache-2.0 */
/* The two score distributions and a threshold, for gnuplot. */
#include "score/plot_impl.h"

#include <math.h>

#include "base/pictures_impl.h"

enum { MOST_BINS = 80, FEWEST_BINS = 12 };

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

int spk_plot_histogram(spk_text *t, const char *folder, const char *name, const spk_plot_scores *s, int *block)
{
    int64_t total[2] = {0};
    char counts[2][64];
    for (int64_t i = 0; i < s->n_trials; i++)
        total[s->labels[i] != 0]++;
    if (!add_bins(t, s, total, *block)) return 0;
    snprintf(counts[0], sizeof counts[0], "%lld different speakers", (long long)total[0]);
    snprintf(counts[1], sizeof counts[1], "%lld same speaker", (long long)total[1]);
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
