/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of crops or of whole utterances, as ESPnet's chunk iterator makes them: of each sample of L (a crop of T, or an
 * utterance) a length W below L is drawn from the candidates, and chunks begin every int(W * ratio) from an offset that is
 * drawn. Chunks of a length are collected; with more than so many there they are shuffled, and full batches are made of
 * them. What makes none at the end is counted. A sample that no candidate lies below is left out, or (chunk_keep_short)
 * is one chunk, in batches of such: chunk_length 0.
 */
#ifndef SPK_DATA_CHUNKS_IMPL_H
#define SPK_DATA_CHUNKS_IMPL_H

#include "data/epoch_plan_impl.h"
#include "spk/batching.h"

typedef struct spk_chunks spk_chunks;

/* What is cut: n utterances of `length` samples (borrowed; NULL: crops of T), `rate` samples a second. */
typedef struct spk_chunk_source {
    int64_t n, T, rate;
    const int64_t *length;
} spk_chunk_source;

/* The options' lists are copied. SPK_E_VALUE: no candidate lies below any sample. */
spk_status spk_chunks_open(const spk_rule_options *o, const spk_chunk_source *source, int64_t batch_size, uint64_t seed,
                           spk_chunks **out) SPK_NODISCARD;
void spk_chunks_close(spk_chunks *c); /* NULL is allowed */
/* Longest chunk of a crop. */
int64_t spk_chunks_longest(const spk_chunks *c);
/* The plan of samples (any batches, nth counted) becomes one of chunks. SPK_E_VALUE: no full batch. */
spk_status spk_chunks_expand(const spk_chunks *c, int64_t epoch, int64_t n_utterances,
                             spk_epoch_plan *plan) SPK_NODISCARD;

#endif
