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
/* Append det.png: the curves on axes where normal distributions are straight lines. */
int spk_plot_det(spk_text *t, const char *folder, const spk_plot_curve *curves, int n, int *block);

#endif
