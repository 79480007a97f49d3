/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of categories that are drawn by a power of how much there is of them (ESPnet's catpow and
 * catpow_balance_dataset): with n_l the length of category l and N that of all, P(l) ~ (n_l / N)^beta. With data sets,
 * P(d) ~ (N_d / N)^beta_d and P(l | d) ~ (n_ld / N_d)^beta. The utterances of a (data set and) category follow each
 * other in a random order, again and again. A batch is full when the lengths in it are above batch_bins and it has
 * min_batch_size, or when it has max_batch_size.
 *
 * An epoch is int(int(N * scale) / mean length) draws, or as many as iters_per_epoch batches take. All draws are of
 * (seed, epoch).
 */
#ifndef SPK_DATA_CATPOW_IMPL_H
#define SPK_DATA_CATPOW_IMPL_H

#include "data/epoch_plan_impl.h"
#include "spk/batching.h"

typedef struct spk_catpow spk_catpow;

typedef struct spk_catpow_source {
    int64_t n;
    const int64_t *length, *category, *dataset; /* n each; dataset NULL: one */
} spk_catpow_source;

/* The source is copied. SPK_E_VALUE: nothing to draw. */
spk_status spk_catpow_open(const spk_catpow_source *source, const spk_rule_options *o, bool drop_last,
                           int64_t iters_per_epoch, uint64_t seed, spk_catpow **out) SPK_NODISCARD;
void spk_catpow_close(spk_catpow *c); /* NULL is allowed */
spk_status spk_catpow_plan(spk_catpow *c, int64_t epoch, spk_epoch_plan *out) SPK_NODISCARD;
/* Probability that a draw is of this data set and category; draws of a whole epoch. */
double spk_catpow_probability(const spk_catpow *c, int64_t dataset, int64_t category);
int64_t spk_catpow_draws(const spk_catpow *c);

#endif
