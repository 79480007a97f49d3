/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of a run: images/NAME.png for each statistic over the epochs, images/progress.png (loss and EER side by
 * side), images/scores.png (the two score distributions and the threshold at the EER).
 *
 * gnuplot draws them as a child process, one for all pictures of an epoch, while training goes on. A picture appears
 * under its name whole or not at all. Nothing here fails: where gnuplot is missing or breaks, the log says so once.
 * One thread at a time.
 */
#ifndef SPK_TRAIN_PLOT_IMPL_H
#define SPK_TRAIN_PLOT_IMPL_H

#include "base/base_impl.h"
#include "score/plot_impl.h"
#include "spk/reporter.h"

typedef struct spk_plots spk_plots;

/* Pictures go to `folder` (made when the first is drawn). */
spk_plots *spk_plots_new(const char *folder);
/* Start drawing all pictures of the epochs so far; waits for the drawing before. Either argument may be NULL. */
void spk_plots_start(spk_plots *p, const spk_reporter *r, const spk_plot_scores *scores);
/* Put finished pictures in place, without waiting; cheap, may be called at every log line. */
void spk_plots_poll(spk_plots *p);
/* Wait until the pictures are in place; false where the last drawing failed or gnuplot is missing. */
bool spk_plots_wait(spk_plots *p);
/* Waits, then frees; NULL is allowed. */
void spk_plots_free(spk_plots *p);

#endif
