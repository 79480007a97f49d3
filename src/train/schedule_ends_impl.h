/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the cycles of a rate schedule end. A sampler that loses no utterance makes more steps an epoch than ESPnet's, so a
 * published cycle length may end in the middle of a run, and the run with a rate that is high.
 */
#ifndef SPK_TRAIN_SCHEDULE_ENDS_IMPL_H
#define SPK_TRAIN_SCHEDULE_ENDS_IMPL_H

#include "optim/optim_impl.h"

/* The steps after which cycles end, rising, up to the first that is not below `limit`; at most `room` are written. Returns
 * how many there are; 0: the schedule has no cycles. */
int64_t spk_schedule_ends(const spk_scheduler *s, int64_t steps_per_epoch, int64_t limit, int64_t *ends, int64_t room);
/* Say the steps of an epoch and of the run, and the ends of cycles; warn when the run ends in a cycle's first tenth. */
void spk_schedule_say(const spk_scheduler *s, int64_t steps_per_epoch, int64_t max_epoch);

#endif
