/* SPDX-License-Identifier: Apache-2.0 */
/* A training with log file and progress bars: what `spk train` and `spk demo` have in common. */
#ifndef SPK_CLI_TRAIN_IMPL_H
#define SPK_CLI_TRAIN_IMPL_H

#include "cli/cli_impl.h"
#include "train/run_impl.h"

typedef struct train_view {
    /* A finished epoch; both may be NULL. */
    void (*epoch_line)(void *user, int64_t epoch, const char *line);
    spk_status (*epoch_done)(spk_training *t);
    /* Everything is open, nothing is trained yet. */
    void (*opened)(const spk_run *run);
} train_view;

/* Figures behind the bar (train_figures.c): at the beginning of an epoch's batches, and after each. */
void train_figures_begin(void);
void train_figures_step(const spk_training *t, const spk_batch *batch, const spk_step *step);

/* Open, log to OUTPUT_DIR/train.log, train. Nothing is written before all that can be checked has been.
 * *usage: whether a mistake stood on the command line. */
spk_status train_with_view(spk_config *config, const train_view *view, bool *usage) SPK_NODISCARD;

#endif
