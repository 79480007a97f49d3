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

enum { ROWS = 4, WIDTH = 8 };

/* Squared distances of one row to four rows, which lie D apart: each load of `a` serves all of them. */
static void four_distances2(const float *restrict a, const float *restrict b, int64_t D, float out[ROWS])
{
    float sum[ROWS][WIDTH] = {{0}};
    int64_t d = 0;
    for (; d + WIDTH <= D; d += WIDTH)
        for (int r = 0; r < ROWS; r++)
#pragma omp simd
            for (int l = 0; l < WIDTH; l++) {
                const float diff = a[d + l] - b[r * D + d + l];
                sum[r][l] = fmaf(diff, diff, sum[r][l]);
            }
    for (int r = 0; r < ROWS; r++) {
        float rest = 0;
        for (int64_t k = d; k < D; k++)
            rest += (a[k] - b[r * D + k]) * (a[k] - b[r * D + k]);
        out[r] = ((sum[r][0] + sum[r][4]) + (sum[r][2] + sum[r][6])) +
                 ((sum[r][1] + sum[r][5]) + (sum[r][3] + sum[r][7])) + rest;
    }
}

double spk_mean_distance(const float *a, int64_t n_a, const float *b, int64_t n_b, int64_t D)
{
    double sum = 0;
    for (int64_t i = 0; i < n_a; i++) {
        int64_t j = 0;
        for (; j + ROWS <= n_b; j += ROWS) {
            float d2[ROWS];
            four_distances2(a + i * D, b + j * D, D, d2);
            for (int r = 0; r < ROWS; r++)
                sum += sqrt((double)d2[r]);
        }
        for (; j < n_b; j++)
            sum += sqrt((double)spk_distance2(a + i * D, b + j * D, D));
    }
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
