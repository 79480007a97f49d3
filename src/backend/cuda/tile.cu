/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matrix products of our own (spk_matrix, spk_product): for any extents and alignments that cuBLASLt has nothing for, and to
 * check it against: SPK_CUDA_PRODUCT=tile in the environment sends all products here. Tiles of 64 x 64 sums in shared memory, float
 * throughout; a tenth of the library's speed.
 */
#include "backend/cuda/product_impl.h"

enum { TILE = 64, DEPTH = 16, SIDE = 16, EACH = TILE / SIDE };

struct factors {
    int64_t rows, cols, inner;        /* of c, and of the sums */
    int64_t a_i, a_k, b_k, b_j, c_ld; /* strides */
    int64_t a_next, b_next, c_next;   /* of the batch */
    const float *bias;
    bool relu, add;
};

/* SIDE x SIDE threads, each with EACH x EACH of the sums: rows y + SIDE m, columns x + SIDE n. */
template <typename T, typename C> static __global__ void tile_product(const T *a, const T *b, C *c, factors f)
{
    __shared__ float left[DEPTH][TILE + 1], right[DEPTH][TILE + 1];
    const int64_t n_across = (f.cols + TILE - 1) / TILE;
    const int64_t i0 = blockIdx.x / n_across * TILE, j0 = blockIdx.x % n_across * TILE;
    const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y), t = y * SIDE + x;
    float sum[EACH][EACH] = {};
    a += blockIdx.y * f.a_next;
    b += blockIdx.y * f.b_next;
    c += blockIdx.y * f.c_next;
    for (int64_t k0 = 0; k0 < f.inner; k0 += DEPTH) {
        for (int e = t; e < TILE * DEPTH; e += SIDE * SIDE) {
            /* neighbours in a warp read neighbours in memory, whichever way a matrix lies */
            const int i = f.a_k == 1 ? e / DEPTH : e % TILE, ka = f.a_k == 1 ? e % DEPTH : e / TILE;
            const int j = f.b_j == 1 ? e % TILE : e / DEPTH, kb = f.b_j == 1 ? e / TILE : e % DEPTH;
            left[ka][i] = i0 + i < f.rows && k0 + ka < f.inner ? spk_load(a + (i0 + i) * f.a_i + (k0 + ka) * f.a_k) : 0;
            right[kb][j] =
                j0 + j < f.cols && k0 + kb < f.inner ? spk_load(b + (k0 + kb) * f.b_k + (j0 + j) * f.b_j) : 0;
        }
        __syncthreads();
        for (int k = 0; k < DEPTH; k++)
            for (int m = 0; m < EACH; m++)
                for (int n = 0; n < EACH; n++)
                    sum[m][n] += left[k][y + SIDE * m] * right[k][x + SIDE * n];
        __syncthreads();
    }
    for (int m = 0; m < EACH; m++) {
        for (int n = 0; n < EACH; n++) {
            const int64_t i = i0 + y + SIDE * m, j = j0 + x + SIDE * n;
            if (i >= f.rows || j >= f.cols) continue;
            float value = sum[m][n] + (f.bias ? f.bias[j] : 0);
            if (f.relu && value < 0) value = 0;
            spk_put(c + i * f.c_ld + j, value, f.add);
        }
    }
}

void spk_tile_product(spk_cuda *d, const spk_matrix *a, const spk_matrix *b, const spk_matrix *c,
                      const spk_product *how)
{
    factors f = {};
    f.rows = c->rows;
    f.cols = c->cols;
    f.inner = how->transpose_a ? a->rows : a->cols;
    f.a_i = how->transpose_a ? 1 : a->ld;
    f.a_k = how->transpose_a ? a->ld : 1;
    f.b_k = how->transpose_b ? 1 : b->ld;
    f.b_j = how->transpose_b ? b->ld : 1;
    f.c_ld = c->ld;
    f.a_next = a->stride;
    f.b_next = b->stride;
    f.c_next = c->stride;
    f.bias = how->bias;
    f.relu = how->relu;
    f.add = how->add;
    const int64_t most = 65535, tiles = ((f.rows + TILE - 1) / TILE) * ((f.cols + TILE - 1) / TILE);
    for (int64_t first = 0; first < how->batch; first += most) {
        const int64_t n = how->batch - first < most ? how->batch - first : most;
        spk_by_type(a->type, [&](auto *t) {
            spk_by_type(c->type, [&](auto *u) {
                using T = std::remove_pointer_t<decltype(t)>;
                using C = std::remove_pointer_t<decltype(u)>;
                spk_launch(d, tile_product<T, C>, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(n)),
                           dim3(SIDE, SIDE), 0, static_cast<const T *>(a->p) + first * a->stride,
                           static_cast<const T *>(b->p) + first * b->stride, static_cast<C *>(c->p) + first * c->stride,
                           f);
            });
        });
    }
}
