/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of crops, as ESPnet's chunk iterator makes them: of each sample, a crop of T, a length W below T is drawn from
 * the candidates, and chunks begin every int(W * ratio) from an offset that is drawn. Chunks of a length are collected;
 * with more than so many there they are shuffled, and full batches are made of them. What makes none at the end is
 * counted.
 */
#ifndef SPK_DATA_CHUNKS_IMPL_H
#define SPK_DATA_CHUNKS_IMPL_H

#include "data/epoch_plan_impl.h"
#include "spk/batching.h"

typedef struct spk_chunks spk_chunks;

/* The options' lists are copied. SPK_E_VALUE: no candidate lies below T. */
spk_status spk_chunks_open(const spk_rule_options *o, int64_t T, int64_t batch_size, uint64_t seed,
                           spk_chunks **out) SPK_NODISCARD;
void spk_chunks_close(spk_chunks *c); /* NULL is allowed */
/* Longest chunk. */
int64_t spk_chunks_longest(const spk_chunks *c);
/* The plan of samples (any batches, nth counted) becomes one of chunks. SPK_E_VALUE: no full batch. */
spk_status spk_chunks_expand(const spk_chunks *c, int64_t epoch, int64_t n_utterances,
                             spk_epoch_plan *plan) SPK_NODISCARD;

#endif
