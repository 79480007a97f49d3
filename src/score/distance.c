/* SPDX-License-Identifier: Apache-2.0 */
/* Distances and products of rows. */
#include "score/distance_impl.h"

#include <math.h>

enum { LANES = 32 }; /* partial sums of one distance: four vectors of eight, so that additions overlap */

/* 32 partial sums, then a tree. */
float spk_distance2(const float *restrict a, const float *restrict b, int64_t D)
{
    float sum[LANES] = {0};
    float rest = 0;
    int64_t d = 0;
    for (; d + LANES <= D; d += LANES)
#pragma omp simd
        for (int l = 0; l < LANES; l++) {
            const float diff = a[d + l] - b[d + l];
            sum[l] = fmaf(diff, diff, sum[l]);
        }
    for (; d < D; d++)
        rest += (a[d] - b[d]) * (a[d] - b[d]);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            sum[l] += sum[l + half];
    return sum[0] + rest;
}

double spk_dot(const float *a, const float *b, int64_t D)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < D; d++)
        sum += (double)a[d] * (double)b[d];
    return sum;
}

double spk_mean_distance(const float *a, int64_t n_a, const float *b, int64_t n_b, int64_t D)
{
    double sum = 0;
    for (int64_t i = 0; i < n_a; i++)
        for (int64_t j = 0; j < n_b; j++)
            sum += sqrt((double)spk_distance2(a + i * D, b + j * D, D));
    return sum / (double)(n_a * n_b);
}

void spk_mean_row(const float *rows, int64_t n, int64_t D, float *mean)
{
    for (int64_t d = 0; d < D; d++) {
        double sum = 0;
        for (int64_t k = 0; k < n; k++)
            sum += (double)rows[k * D + d];
        mean[d] = (float)(sum / (double)n);
    }
}
