/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of scores as scripts for gnuplot. */
#ifndef SPK_SCORE_PLOT_IMPL_H
#define SPK_SCORE_PLOT_IMPL_H

#include "base/base_impl.h"

/* The scores of one system, borrowed for the call. */
typedef struct spk_plot_scores {
    const float *scores;   /* n_trials */
    const uint8_t *labels; /* 1 target, 0 nontarget */
    int64_t n_trials;
    double threshold; /* at the EER */
    double eer;       /* percent */
    const char *what; /* for the title: "epoch 3" or the name of a trial list; NULL: none */
} spk_plot_scores;

/* Shares (%) of each class in equal bins between the lowest and the highest score; `share[1]` is that of the targets. */
enum { SPK_MOST_BINS = 80 };
typedef struct spk_plot_bins {
    int n;
    double low, width, share[2][SPK_MOST_BINS], highest;
    int64_t total[2];
} spk_plot_bins;
/* False where no score is finite. */
bool spk_plot_bins_of(const spk_plot_scores *s, spk_plot_bins *out);

/* Append the picture NAME.png in `folder`: the two distributions and the threshold. *block counts the script's data blocks.
 * Returns how many pictures were added: 0 or 1. */
int spk_plot_histogram(spk_text *t, const char *folder, const char *name, const spk_plot_scores *s, int *block);

/* One curve of a DET plot. */
typedef struct spk_plot_curve {
    const char *name;
    int64_t n; /* points: shares of nontargets accepted and of targets rejected, in [0, 1] */
    const double *fpr, *fnr;
    double eer; /* percent */
} spk_plot_curve;
/* The shares between which both axes of a DET plot run, and the percents that it has lines at. */
void spk_plot_det_range(const spk_plot_curve *curves, int n, double *least, double *most);
enum { SPK_N_DET_PERCENTS = 18 };
extern const double spk_det_percents[SPK_N_DET_PERCENTS];
/* Append det.png: the curves on axes where normal distributions are straight lines. */
int spk_plot_det(spk_text *t, const char *folder, const spk_plot_curve *curves, int n, int *block);

#endif
