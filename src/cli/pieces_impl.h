/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several processes find of a list of recordings, on its way to one file. Rank r has item i where i mod size = r, and
 * keeps what it finds in FOLDER/STEM.R.part, under a number that only this run knows; rank 0 then goes through all parts
 * in the order of the list. Each rank removes its own, whatever happens; parts that a crash left are written over or not
 * looked at.
 */
#ifndef SPK_CLI_PIECES_IMPL_H
#define SPK_CLI_PIECES_IMPL_H

#include "base/base_impl.h"
#include "comm/comm_impl.h"
#include "spk/embedder.h"

/* Items come in their order, each with any number of pieces. */
typedef struct piece {
    int64_t index;  /* of the item: among the rank's own in pieces_add, among all in pieces_join */
    const char *id; /* in pieces_join */
    spk_status status;
    const char *message; /* of a failure */
    double begin, end, seconds;
    int64_t n_rows;
    const float *embedding; /* (n_rows, E) */
} piece;

typedef struct pieces pieces;

/* All ranks together: fails on all or on none. E: values of an embedding. Rank 0 has made the folder; the items, the same
 * ones everywhere, stay the caller's until pieces_join, which must be called in any case. */
spk_status pieces_open(spk_comm *comm, const char *folder, const char *stem, const spk_embed_item *items, int64_t n,
                       int64_t E, pieces **out) SPK_NODISCARD;
/* This rank's items, *n of them. */
const spk_embed_item *pieces_items(const pieces *p, int64_t *n);
void pieces_add(pieces *p, const piece *x);
/* All ranks together, each with what became of its part: fails on all or on none. The sums become those of all ranks. On
 * rank 0 fn takes the pieces of all items. Frees p. */
spk_status pieces_join(pieces *p, spk_status status, spk_embed_summary *sum,
                       spk_status (*fn)(void *user, const piece *x), void *user) SPK_NODISCARD;

#endif
