/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The margin of a loss over the course of a training: initial_margin until the increase starts, final_margin from where
 * it is fixed, and between them m0 + (m1 - m0) r. Source: WeSpeaker's MarginScheduler (specification W.7).
 *   linear  r = x, the share of the way
 *   exp     r = 1 - exp(x ln(1e-3 / (1 + 1e-6))): fast at first
 * A function of where the training stands, so a resumed one goes on with the right margin and nothing is stored.
 */
#ifndef SPK_MODEL_MARGIN_SCHEDULE_IMPL_H
#define SPK_MODEL_MARGIN_SCHEDULE_IMPL_H

#include "spk/config.h"
#include "spk/model.h"

typedef struct spk_margin_schedule {
    bool on, exponential;
    bool by_epoch; /* bounds are epochs, from 1; else updates, from 0 */
    double initial, final, start, fix;
} spk_margin_schedule;

/* The configuration's schedule; off where it has none. The final margin that is not given is `margin`, the loss's own;
 * NAN: the loss has none, and a schedule is an error. */
spk_status spk_margin_schedule_read(const spk_config *config, double margin, spk_margin_schedule *out);
double spk_margin_schedule_at(const spk_margin_schedule *s, const spk_step_info *info);

#endif
