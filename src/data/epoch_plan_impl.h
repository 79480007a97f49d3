/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of an epoch as lists of utterances: what every way to sample ends in. */
#ifndef SPK_DATA_EPOCH_PLAN_IMPL_H
#define SPK_DATA_EPOCH_PLAN_IMPL_H

#include "base/base_impl.h"

/* Batch b holds item[first[b]] .. item[first[b + 1] - 1]. */
typedef struct spk_epoch_plan {
    int64_t n_batches, n_items;
    int64_t largest;  /* items of the largest batch */
    int64_t *first;   /* n_batches + 1 */
    int64_t *item;    /* utterance index */
    uint32_t *nth;    /* how often it was drawn before in this epoch */
    int64_t distinct; /* utterances drawn at least once */
    /* NULL: an item is a crop. Else a chunk of one: where it begins in it, how long those of a batch are. */
    int64_t *offset;       /* n_items */
    uint32_t *crop;        /* n_items: how often the utterance's crop was drawn before; nth counts chunks */
    int64_t *chunk_length; /* n_batches; 0: whole utterances that are shorter than any chunk */
    int64_t n_left_out;    /* chunks that made no full batch */
    bool *idle;            /* n_batches, after spk_epoch_plan_share: what a batch holds stands in and does not count */
} spk_epoch_plan;

/* How a batch is divided among processes. */
typedef struct spk_share {
    int rank, n_ranks; /* 0 or 1 ranks: not at all */
    int64_t group;     /* so many items in a row stay together; at least 1 */
    int64_t least;     /* groups that a process needs to compute anything */
} spk_share;

/* One more batch. */
void spk_epoch_plan_add(spk_epoch_plan *p, const int64_t *items, int64_t n);
/* Count the draws of each of n utterances: fills nth and distinct. */
void spk_epoch_plan_count(spk_epoch_plan *p, int64_t n);
/*
 * Keep of each batch the share of one process: group g goes to process g mod n, as ESPnet deals items out, where n is
 * n_ranks, or fewer if there would not be `least` groups for each. A process without a share gets the first groups to
 * stand in (idle). n_items, distinct and the draws that nth counts stay those of the whole epoch.
 */
void spk_epoch_plan_share(spk_epoch_plan *p, const spk_share *share);
void spk_epoch_plan_clear(spk_epoch_plan *p);

#endif
