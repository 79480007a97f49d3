/* SPDX-License-Identifier: Apache-2.0 */
/* A small matrix product for kernels that work on blocks which stay in the cache. */
#ifndef SPK_CPU_ISA_PRODUCT_IMPL_H
#define SPK_CPU_ISA_PRODUCT_IMPL_H

#include "backend/cpu/isa_impl.h"

#include <string.h>

enum { SPK_PRODUCT_ROWS = 4, SPK_LANES = SPK_VEC_BYTES / 4, SPK_PRODUCT_WIDTH = 2 * SPK_LANES };

typedef float spk_vec __attribute__((vector_size(SPK_VEC_BYTES)));

/* c[i][j] += sum_k a[i*am + k*ak] b[k*ldb + j] for `rows` rows (a constant after inlining) and SPK_PRODUCT_WIDTH
 * columns. */
SPK_INLINE void spk__product_tile(int rows, int64_t n_k, const float *a, int64_t am, int64_t ak, const float *b,
                                  int64_t ldb, float *c, int64_t ldc)
{
    spk_vec sum[SPK_PRODUCT_ROWS][2];
    for (int i = 0; i < rows; i++)
        memcpy(sum[i], c + i * ldc, sizeof sum[i]);
    for (int64_t k = 0; k < n_k; k++) {
        spk_vec b0, b1;
        memcpy(&b0, b + k * ldb, sizeof b0);
        memcpy(&b1, b + k * ldb + SPK_LANES, sizeof b1);
        for (int i = 0; i < rows; i++) {
            const float v = a[i * am + k * ak];
            sum[i][0] += v * b0;
            sum[i][1] += v * b1;
        }
    }
    for (int i = 0; i < rows; i++)
        memcpy(c + i * ldc, sum[i], sizeof sum[i]);
}

/* As above for any extents. */
static inline void spk__product(int64_t n_i, int64_t n_j, int64_t n_k, const float *a, int64_t am, int64_t ak,
                                const float *b, int64_t ldb, float *c, int64_t ldc)
{
    const int64_t whole_j = n_j / SPK_PRODUCT_WIDTH * SPK_PRODUCT_WIDTH;
    for (int64_t j = 0; j < whole_j; j += SPK_PRODUCT_WIDTH) {
        int64_t i = 0;
        for (; i + SPK_PRODUCT_ROWS <= n_i; i += SPK_PRODUCT_ROWS)
            spk__product_tile(SPK_PRODUCT_ROWS, n_k, a + i * am, am, ak, b + j, ldb, c + i * ldc + j, ldc);
        for (; i < n_i; i++)
            spk__product_tile(1, n_k, a + i * am, am, ak, b + j, ldb, c + i * ldc + j, ldc);
    }
    for (int64_t i = 0; i < n_i && whole_j < n_j; i++) {
        for (int64_t k = 0; k < n_k; k++) {
            const float v = a[i * am + k * ak];
#pragma omp simd
            for (int64_t j = whole_j; j < n_j; j++)
                c[i * ldc + j] += v * b[k * ldb + j];
        }
    }
}

#endif
