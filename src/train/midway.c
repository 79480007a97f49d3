/* SPDX-License-Identifier: Apache-2.0 */
/* Between two steps: checkpoints by the clock, and what a signal leads to. */
#include "train/midway_impl.h"

#include <inttypes.h>

#include "train/checkpoint_impl.h"
#include "train/classes_impl.h"
#include "train/ranks_impl.h"
#include "train/validation_impl.h"

spk_status spk_midway_save(spk_training *t)
{
    spk_status status;
    spk_tensors state = {0};
    SPK_TRY(spk_ranks_collect(t));
    if (!spk_ranks_first(t)) return SPK_OK;
    SPK_GO(spk_classes_save(t, &state));
    SPK_GO(spk_checkpoint_write(t->setup->output_dir, t, &state));
    t->saved_s = spk_now();
done:
    spk_ranks_dismiss(t);
    spk_tensors_clear(&state);
    return status;
}

bool spk_midway_due(const spk_training *t)
{
    const double minutes = t->setup->checkpoint_interval;
    return minutes > 0 && spk_now() - t->saved_s >= 60 * minutes;
}

spk_status spk_midway(spk_training *t)
{
    SPK_TRY(spk_midway_broken_off(t, spk_validate_midway(t)));
    const bool stop = spk_ranks_stop(t), due = spk_ranks_due(t);
    if (!stop && !due) return SPK_OK;
    SPK_TRY(spk_ranks_agree(t, spk_midway_save(t)));
    if (!stop) {
        spk_info("trainer", "%" PRId64 "epoch: a checkpoint after %" PRId64 " batches", t->epoch, t->batch);
        return SPK_OK;
    }
    return spk_ranks_agree(t, spk_fail(SPK_E_INTERRUPTED,
                                       "interrupted by a signal in epoch %" PRId64 " after %" PRId64
                                       " batches: --resume goes on from there",
                                       t->epoch, t->batch));
}

spk_status spk_midway_broken_off(spk_training *t, spk_status status)
{
    if (status != SPK_E_INTERRUPTED || (!t->ranks && !spk_interrupted())) return status;
    SPK_TRY(spk_ranks_agree(t, spk_midway_save(t)));
    spk_fail(status,
             "interrupted by a signal in the validation of epoch %" PRId64 ": --resume goes on with that validation",
             t->epoch);
    return spk_ranks_agree(t, status);
}
