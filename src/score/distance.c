/* SPDX-License-Identifier: Apache-2.0 */
/* Distances and products of rows. */
#include "score/distance_impl.h"

#include <math.h>
#include <string.h>

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

enum { WIDTH = 8, CHUNK = 64 };
typedef float lanes __attribute__((vector_size(WIDTH * sizeof(float))));

static inline lanes load(const float *p)
{
    lanes x;
    memcpy(&x, p, sizeof x);
    return x;
}

static inline lanes add_square(lanes sum, lanes x, lanes y)
{
    const lanes diff = x - y;
    return sum + diff * diff;
}

static inline float total(lanes s)
{
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Squared distances of two rows to two rows, which lie D apart: eight sums stay in registers, and each load serves two. */
static inline void two_by_two(const float *a, const float *b, int64_t D, float out[4])
{
    lanes s00 = {0}, s01 = {0}, s10 = {0}, s11 = {0}, t00 = {0}, t01 = {0}, t10 = {0}, t11 = {0};
    int64_t d = 0;
    for (; d + 2 * WIDTH <= D; d += 2 * WIDTH) {
        const lanes a0 = load(a + d), a1 = load(a + D + d), b0 = load(b + d), b1 = load(b + D + d);
        const lanes c0 = load(a + d + WIDTH), c1 = load(a + D + d + WIDTH), e0 = load(b + d + WIDTH),
                    e1 = load(b + D + d + WIDTH);
        s00 = add_square(s00, a0, b0);
        s01 = add_square(s01, a0, b1);
        s10 = add_square(s10, a1, b0);
        s11 = add_square(s11, a1, b1);
        t00 = add_square(t00, c0, e0);
        t01 = add_square(t01, c0, e1);
        t10 = add_square(t10, c1, e0);
        t11 = add_square(t11, c1, e1);
    }
    out[0] = total(s00 + t00);
    out[1] = total(s01 + t01);
    out[2] = total(s10 + t10);
    out[3] = total(s11 + t11);
    for (; d < D; d++) {
        out[0] += (a[d] - b[d]) * (a[d] - b[d]);
        out[1] += (a[d] - b[D + d]) * (a[d] - b[D + d]);
        out[2] += (a[D + d] - b[d]) * (a[D + d] - b[d]);
        out[3] += (a[D + d] - b[D + d]) * (a[D + d] - b[D + d]);
    }
}

/* The sum of the distances of two rows to n_b rows, at most CHUNK. */
static double sum_two(const float *a, const float *b, int64_t n_b, int64_t D)
{
    float d2[2 * CHUNK];
    double sum = 0;
    int64_t n = 0, j = 0;
    for (; j + 2 <= n_b; j += 2, n += 4)
        two_by_two(a, b + j * D, D, d2 + n);
    for (; j < n_b; j++, n += 2) {
        d2[n] = spk_distance2(a, b + j * D, D);
        d2[n + 1] = spk_distance2(a + D, b + j * D, D);
    }
    for (int64_t k = 0; k < n; k++)
        d2[k] = sqrtf(d2[k]);
    for (int64_t k = 0; k < n; k++)
        sum += (double)d2[k];
    return sum;
}

double spk_mean_distance(const float *a, int64_t n_a, const float *b, int64_t n_b, int64_t D)
{
    double sum = 0;
    for (int64_t j = 0; j < n_b; j += CHUNK) {
        const int64_t n = n_b - j < CHUNK ? n_b - j : CHUNK;
        int64_t i = 0;
        for (; i + 2 <= n_a; i += 2)
            sum += sum_two(a + i * D, b + j * D, n, D);
        for (int64_t k = 0; k < n && i < n_a; k++)
            sum += sqrt((double)spk_distance2(a + i * D, b + (j + k) * D, D));
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
