/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which utterances make up the batches of an epoch. A function of (categories, options, epoch): neither the number of
 * threads nor of processes enters, and epochs may be asked for in any order (later ones go on from the last, earlier
 * ones start the sequence of passes again).
 *
 * Pass p is a random permutation of all utterances, drawn from (seed, p).
 *
 * Without iters_per_epoch, epoch e is pass e - 1.
 *   plain: N = max(floor(n / B), 1) batches cut at floor(k n / N), of B..2B-1 utterances (ESPnet's `unsorted`); with
 *     drop_last batches of exactly B, the tail left out.
 *   balanced: at most q utterances of a category in a batch, q = 1 where categories >= B, else int(B / categories) + 1.
 *     The permutation is dealt out in order; an utterance that would be one too many waits, and those who wait go first
 *     into the next batch. ESPnet loses them. When the permutation is used up and no full batch can be made any more,
 *     the incomplete one is yielded unless drop_last, or it is of one utterance (batch normalisation needs two); further
 *     incomplete ones only while they hold at least B / 4.
 *   per_speaker = K: batches of B / K groups of K utterances of one category each, one after the other, no category twice
 *     in a batch (sampler_pk_impl.h); otherwise as balanced, with groups for utterances.
 * With iters_per_epoch = m, the passes follow each other as one endless sequence, and epoch e is batches
 *   (e - 1) m .. e m - 1 of it, all of exactly B. What is left over at a pass's end goes into the next batch. No
 *   utterance is twice in a batch; one that still waits when the next pass reaches it is not queued twice.
 */
#ifndef SPK_DATA_SAMPLER_IMPL_H
#define SPK_DATA_SAMPLER_IMPL_H

#include "data/epoch_plan_impl.h"

typedef struct spk_sampler_options {
    int64_t batch_size;
    int64_t iters_per_epoch; /* 0: a pass */
    bool balanced, drop_last;
    bool all_of_rest;    /* balanced: incomplete batches at the end are yielded whatever their size, so none is left */
    int64_t per_speaker; /* 0: batches without groups */
    uint64_t seed;
} spk_sampler_options;

typedef struct spk_sampler spk_sampler;

/* category: n values in 0..n_categories-1, borrowed for the sampler's life. SPK_E_VALUE: n < batch_size; a batch can
 * never be filled within the quota; with groups, batch_size is no multiple of two or more of them, or asks for more
 * categories than there are. */
spk_status spk_sampler_open(const int64_t *category, int64_t n, int64_t n_categories,
                            const spk_sampler_options *options, spk_sampler **out) SPK_NODISCARD;
void spk_sampler_close(spk_sampler *s);
int64_t spk_sampler_quota(const spk_sampler *s);
/* Plan of epoch (from 1); clear with spk_epoch_plan_clear. No batch at all: SPK_E_VALUE. */
spk_status spk_sampler_plan(spk_sampler *s, int64_t epoch, spk_epoch_plan *out) SPK_NODISCARD;

#endif
