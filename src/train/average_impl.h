/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Means of snapshots. Each floating-point tensor is the mean over the snapshots, summed in double in the order of the
 * epochs; tensors of whole numbers (BatchNorm's num_batches_tracked) are the latest snapshot's, since a mean or a sum of
 * counters counts nothing. Source of the files' names: espnet2.main_funcs.average_nbest_models (which sums the counters,
 * and makes no mean at all where there are fewer epochs than n).
 */
#ifndef SPK_TRAIN_AVERAGE_IMPL_H
#define SPK_TRAIN_AVERAGE_IMPL_H

#include "base/base_impl.h"
#include "spk/trainer.h"

/* FOLDER/NAME: the mean of Nepoch.pth over n epochs (in any order). */
spk_status spk_average_write(const char *folder, const int64_t *epochs, int64_t n, const char *name);

/*
 * By each criterion that has values up to t->epoch, for each n of setup.average_nbest: PHASE.KEY.ave_Nbest.pth (of one
 * epoch a link to its snapshot), and PHASE.KEY.ave.pth, a link to the largest. `till`: the same of the running epoch, with
 * "tillEepoch." before "pth" and no link to a snapshot, which may be removed later.
 */
spk_status spk_average_best(const spk_training *t, bool till);
/* ave_last<N>.pth, the mean of the last setup.average_last epochs. */
spk_status spk_average_last(const spk_training *t);

#endif
