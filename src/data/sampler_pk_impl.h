/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of K utterances of one speaker, for losses that compare utterances of a batch. A speaker of n utterances makes
 * ceil(n / K) groups; in every epoch they are cut anew from a permutation of the speaker's utterances, drawn from (seed,
 * epoch, speaker). The last group is filled up from the permutation's start, so a speaker of fewer than K utterances
 * repeats them: each time is another crop. The sampler deals out groups instead of utterances.
 */
#ifndef SPK_DATA_SAMPLER_PK_IMPL_H
#define SPK_DATA_SAMPLER_PK_IMPL_H

#include "data/sampler_impl.h"

typedef struct spk_pk {
    int64_t K, n, n_speakers, n_groups;
    int64_t *member, *first;        /* utterances by speaker: member[first[c]] .. member[first[c + 1] - 1] */
    int64_t *speaker, *first_group; /* of each group; of each speaker */
    int64_t *order;                 /* scratch: a permutation of member within each speaker */
} spk_pk;

spk_pk *spk_pk_new(const int64_t *speaker, int64_t n, int64_t n_speakers, int64_t K);
void spk_pk_free(spk_pk *p);
/* Speakers that have utterances. */
int64_t spk_pk_used(const spk_pk *p);
/* A plan of groups becomes one of utterances. */
void spk_pk_expand(spk_pk *p, uint64_t seed, int64_t epoch, spk_epoch_plan *plan);

#endif
