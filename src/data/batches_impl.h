/* SPDX-License-Identifier: Apache-2.0 */
/* Batches by the lengths of utterances, as ESPnet's batch samplers make them: unsorted, sorted, folded, length, numel. */
#ifndef SPK_DATA_BATCHES_IMPL_H
#define SPK_DATA_BATCHES_IMPL_H

#include "data/epoch_plan_impl.h"
#include "spk/batching.h"

/* Of n utterances, over some shape files. */
typedef struct spk_shapes {
    int64_t n, n_files;
    int64_t **length; /* n_files rows of n: the first dimension */
    int64_t *width;   /* n_files: product of the other dimensions, equal for all utterances */
} spk_shapes;
void spk_shapes_clear(spk_shapes *s);

/* The batches in ESPnet's order, into an empty plan (without nth). batch_size: unsorted, sorted, folded.
 * SPK_E_VALUE: there would be none; batch_size above the number of utterances with drop_last; no fold_length. */
spk_status spk_batches_make(const spk_shapes *shapes, const spk_rule_options *o, int64_t batch_size, bool drop_last,
                            spk_epoch_plan *out) SPK_NODISCARD;

/* A sampler that yields these batches in another order in each pass; with iters_per_epoch m, epoch e is batches
 * (e - 1) m .. e m - 1 of the endless sequence of passes, each pass p shuffled by (seed, p). */
typedef struct spk_fixed spk_fixed;
spk_fixed *spk_fixed_new(spk_epoch_plan *batches, bool shuffle_within_batch, int64_t iters_per_epoch, uint64_t seed);
void spk_fixed_free(spk_fixed *f); /* NULL is allowed */
void spk_fixed_plan(spk_fixed *f, int64_t epoch, spk_epoch_plan *out);

#endif
