/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normal numbers by position for the fast kernels: what a stream of spk_rng_make gives in its block `position / 4`
 * (Philox 4x32-10), two numbers from each pair of words by Box and Muller, in float. Blocks do not depend on each other,
 * so the loop over them vectorises.
 */
#ifndef SPK_CPU_NORMAL_IMPL_H
#define SPK_CPU_NORMAL_IMPL_H

#include "backend/cpu/isa_impl.h"

/* The two normal numbers of a pair of words. */
SPK_INLINE void spk__normal_pair(uint32_t w0, uint32_t w1, float *even, float *odd)
{
    /* Words become floats by way of int32: the conversion of unsigned ones is slow. */
    const float u = ((float)(int32_t)(w0 >> 8) + ((float)(int32_t)(w0 & 255u) + 0.5f) * 0x1p-8f) * 0x1p-24f;
    const float v = (float)(int32_t)(w1 ^ 0x80000000u) * 0x1p-32f; /* [-1/2, 1/2) */
    const float r = __builtin_sqrtf(-2.0f * spk__logf(u < 1.0f ? u : 0.99999994f));
    /* sine and cosine of pi v by their series, then of twice the angle */
    const float x = 3.14159265f * v, q = x * x;
    float s = -1.0f / 39916800, c = 1.0f / 479001600;
    s = s * q + 1.0f / 362880;
    s = s * q - 1.0f / 5040;
    s = s * q + 1.0f / 120;
    s = s * q - 1.0f / 6;
    s = s * q * x + x;
    c = c * q - 1.0f / 3628800;
    c = c * q + 1.0f / 40320;
    c = c * q - 1.0f / 720;
    c = c * q + 1.0f / 24;
    c = c * q - 0.5f;
    c = c * q + 1.0f;
    *even = r * (1.0f - 2.0f * s * s);
    *odd = r * 2.0f * s * c;
}

/* out[0 .. 4 n) gets the numbers of positions 4 first and on. */
SPK_INLINE void spk__normals(const spk_rng *rng, uint32_t first, int64_t n, float *out)
{
    const uint32_t key0 = rng->key[0], key1 = rng->key[1];
    const uint32_t epoch = rng->counter[1], item0 = rng->counter[2], item1 = rng->counter[3];
#pragma omp simd
    for (int64_t b = 0; b < n; b++) {
        uint32_t c0 = first + (uint32_t)b, c1 = epoch, c2 = item0, c3 = item1, k0 = key0, k1 = key1;
        for (int round = 0; round < 10; round++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        spk__normal_pair(c0, c1, &out[4 * b], &out[4 * b + 1]);
        spk__normal_pair(c2, c3, &out[4 * b + 2], &out[4 * b + 3]);
    }
}

#endif
