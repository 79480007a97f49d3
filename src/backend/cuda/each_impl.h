/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work on all elements of rows, where each stands for itself. An op gives a struct of pointers with
 *
 *     template <int V> __device__ void at(int64_t row, int64_t c) const
 *
 * for channels c .. c + V of a row; V is 4 where all views allow accesses of 4 elements at once, else 1. Threads lie along the
 * channels, what is left of a block takes further rows.
 */
#ifndef SPK_CUDA_EACH_IMPL_H
#define SPK_CUDA_EACH_IMPL_H

#include "backend/cuda/cuda_impl.h"

enum { SPK_EACH_THREADS = 256, SPK_EACH_WIDE = 4 };

/* V elements, in one access; p is aligned to all of them. */
template <int V, typename T> __device__ static inline void spk_take(const T *p, float *to)
{
    const spk_pack<T, V> x = *reinterpret_cast<const spk_pack<T, V> *>(p);
    for (int i = 0; i < V; i++)
        to[i] = spk_load(&x.v[i]);
}

/* Written, or added to where `add`. */
template <int V, typename T> __device__ static inline void spk_give(T *p, const float *from, bool add)
{
    spk_pack<T, V> x;
    float before[V] = {};
    if (add) spk_take<V>(p, before);
    for (int i = 0; i < V; i++)
        spk_store(&x.v[i], add ? before[i] + from[i] : from[i]);
    *reinterpret_cast<spk_pack<T, V> *>(p) = x;
}

/* May rows be read 4 elements at once? Views that are absent do not matter. */
static inline bool spk_is_wide(const spk_view *v)
{
    const uintptr_t bytes = SPK_EACH_WIDE * (v->dtype == SPK_BF16 ? sizeof(spk_b16) : sizeof(float));
    return !v->p ||
           (reinterpret_cast<uintptr_t>(v->p) % bytes == 0 && v->ld % SPK_EACH_WIDE == 0 && v->c % SPK_EACH_WIDE == 0);
}

template <int V, typename F> static __global__ void spk_each(F f, int64_t rows, int64_t n_c)
{
    const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
    if (row >= rows) return;
    for (int64_t c = static_cast<int64_t>(threadIdx.x) * V; c < n_c; c += static_cast<int64_t>(blockDim.x) * V)
        f.template at<V>(row, c);
}

/* The shape of a block whose threads each take `wide` of n_c channels. */
static inline dim3 spk_each_block(int64_t n_c, int wide)
{
    unsigned x = 1;
    while (x < SPK_EACH_THREADS && static_cast<int64_t>(x) * wide < n_c)
        x *= 2;
    return dim3(x, SPK_EACH_THREADS / x);
}

template <typename F> static inline void spk_each_launch(spk_cuda *d, bool wide, const F &f, int64_t rows, int64_t n_c)
{
    const dim3 block = spk_each_block(n_c, wide ? SPK_EACH_WIDE : 1);
    if (wide)
        spk_launch(d, spk_each<SPK_EACH_WIDE, F>, spk_blocks(rows, block.y), block, 0, f, rows, n_c);
    else
        spk_launch(d, spk_each<1, F>, spk_blocks(rows, block.y), block, 0, f, rows, n_c);
}

#endif
