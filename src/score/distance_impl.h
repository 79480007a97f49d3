/* SPDX-License-Identifier: Apache-2.0 */
/* Distances and products of rows that lie in cache. */
#ifndef SPK_SCORE_DISTANCE_IMPL_H
#define SPK_SCORE_DISTANCE_IMPL_H

#include <stdint.h>

#include "spk/score.h"

/* Squared Euclidean distance in float, from the differences: near-equal vectors lose no digits. */
float spk_distance2(const float *a, const float *b, int64_t D);
/* Mean of the n_a * n_b distances between the rows of a and of b. */
double spk_mean_distance(const float *a, int64_t n_a, const float *b, int64_t n_b, int64_t D);
double spk_dot(const float *a, const float *b, int64_t D);
/* spk_score_normalize_rows and spk_score_mean_distance in double; scores are rounded at the end, as ESPnet does. */
void spk_score_normalize_rows_f64(double *rows, int64_t n, int64_t D);
spk_status spk_score_mean_distance_f64(const double *embedding, int64_t U, int64_t K, int64_t D,
                                       const spk_trial *trials, int64_t n, float *scores);
/* Mean of n rows into `mean` (D). */
void spk_mean_row(const float *rows, int64_t n, int64_t D, float *mean);

#endif
