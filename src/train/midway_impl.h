/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens between two steps of an epoch: a checkpoint when one is due or a signal came.
 *
 * A training is written down only where no gradients wait for a step, so its state is the weights, the optimiser's, the
 * place in the epoch (batches done) and what the reporter holds of the running phase. All draws are functions of the
 * place.
 */
#ifndef SPK_TRAIN_MIDWAY_IMPL_H
#define SPK_TRAIN_MIDWAY_IMPL_H

#include "spk/trainer.h"

/* After a step. SPK_E_INTERRUPTED after a signal: the checkpoint is written. */
spk_status spk_midway(spk_training *t);
/* Write the state as it is now, in the stage that t->stage names. */
spk_status spk_midway_save(spk_training *t);
/* A validation that a signal broke off: the end of the epoch's training is written down. Returns `status`, with a
 * message that says where the run goes on; any other status is returned as it is. */
spk_status spk_midway_broken_off(spk_training *t, spk_status status);

/* The clock says so. */
bool spk_midway_due(const spk_training *t);

#endif
