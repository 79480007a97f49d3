/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For kernels over items of rows: lengths, a thread for each element, and sums over an item's rows for each channel.
 *
 * What is done at an element is a functor of the op: a struct with its pointers and an operator().
 */
#ifndef SPK_BACKEND_CUDA_ITEMS_IMPL_H
#define SPK_BACKEND_CUDA_ITEMS_IMPL_H

#include <stdlib.h>

#include <initializer_list>
#include <type_traits>

#include "backend/cuda/cuda_impl.h"

/* ---- lengths ---- */

/* The state of a kernel that needs nothing but the lengths of in 0. */
struct spk_lengths {
    const spk_device *device;
    const int64_t *host, *there; /* N; NULL: all full */
};

static inline spk_status spk_lengths_create(const spk_geom *g, void **state)
{
    spk_lengths *s = static_cast<spk_lengths *>(calloc(1, sizeof *s));
    if (!s) spk_cuda_short_of_memory(sizeof *s);
    s->device = g->device;
    s->host = g->in[0].len;
    s->there = spk_cuda_follow(g, s->host, g->in[0].n);
    *state = s;
    return SPK_OK;
}
static inline void spk_lengths_destroy(void *state)
{
    spk_lengths *s = static_cast<spk_lengths *>(state);
    if (!s) return;
    spk_cuda_unfollow(s->device, s->host);
    free(s);
}
static inline const int64_t *spk_lengths_of(const spk_kargs *a)
{
    return static_cast<const spk_lengths *>(a->state)->there;
}

/* Valid frames of item n, of `frames`. */
__host__ __device__ static inline int64_t spk_valid(const int64_t *len, int64_t n, int64_t frames)
{
    if (!len || len[n] > frames) return frames;
    return len[n] < 0 ? 0 : len[n];
}

/* ---- rows ---- */

/* A view's elements, for a kernel. p NULL: absent. */
template <typename T> struct spk_elements {
    T *p;
    int64_t ld;
    explicit spk_elements(const spk_view &v) : p(static_cast<T *>(v.p)), ld(v.ld)
    {
    }
    __device__ T *at(int64_t row, int64_t c) const
    {
        return p + row * ld + c;
    }
    __device__ float get(int64_t row, int64_t c) const
    {
        return spk_load(p + row * ld + c);
    }
};

/* V elements next to each other as one access; p is aligned to all of them. */
template <int V, typename T> __device__ static inline void spk_get_all(const T *p, float (&x)[V])
{
    const spk_pack<T, V> pack = *reinterpret_cast<const spk_pack<T, V> *>(p);
    for (int i = 0; i < V; i++)
        x[i] = spk_load(pack.v + i);
}
/* Written, or added to. */
template <int V, typename T> __device__ static inline void spk_put_all(T *p, const float (&x)[V], bool add)
{
    spk_pack<T, V> pack, *to = reinterpret_cast<spk_pack<T, V> *>(p);
    if (add) pack = *to;
    for (int i = 0; i < V; i++)
        spk_put(pack.v + i, x[i], add);
    *to = pack;
}

/* f(width): 16 bytes of elements where all views allow that, otherwise 1. Absent ones allow everything. */
template <typename T, typename F> static inline void spk_by_width(std::initializer_list<const spk_view *> views, F f)
{
    constexpr int many = 16 / sizeof(T);
    bool fit = true;
    for (const spk_view *v : views)
        fit = fit && (!v->p || (v->c % many == 0 && v->ld % many == 0 && reinterpret_cast<uintptr_t>(v->p) % 16 == 0));
    if (fit)
        f(std::integral_constant<int, many>());
    else
        f(std::integral_constant<int, 1>());
}

/* f(pointer, pointer) of the two types. */
template <typename F> static inline void spk_by_types(spk_dtype first, spk_dtype second, F f)
{
    spk_by_type(first, [&](auto *x) { spk_by_type(second, [&](auto *y) { f(x, y); }); });
}

/* ---- each element ---- */

/* f(n, row of the item, channel): threads along the channels, each for V of them from that one on. */
template <int V, typename F> static __global__ void spk_each_kernel(F f, int64_t items, int64_t rows, int64_t c)
{
    const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
    const int64_t j = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * V;
    if (row >= rows || j >= c) return;
    for (int64_t n = blockIdx.z; n < items; n += gridDim.z)
        f(n, row, j);
}
template <int V = 1, typename F> static inline void spk_each(spk_cuda *d, int64_t items, int64_t rows, int64_t c, F f)
{
    const int64_t across = c / V;
    unsigned x = 1, y;
    if (items == 0) return;
    while (x < 32 && x < across)
        x *= 2;
    if (across > 32) x = across < 256 ? static_cast<unsigned>((across + 31) / 32 * 32) : 256;
    for (y = 1; 2 * y * x <= 256 && y < rows;)
        y *= 2;
    const dim3 blocks(spk_blocks(rows, y), spk_blocks(across, x), static_cast<unsigned>(items < 65535 ? items : 65535));
    spk_launch(d, spk_each_kernel<V, F>, blocks, dim3(x, y), 0, f, items, rows, c);
}

/* ---- sums over rows ---- */

enum { SPK_SUM_COLUMNS = 32, SPK_SUM_LANES = 8 };

/* An item's rows are summed in chunks of `each`, by a block each: N x chunks x C sums of Q values. */
struct spk_chunks {
    int64_t items, frames, bins, c; /* an item has frames x bins rows; lengths count frames */
    int64_t each, n;
};

/* As many as fill a GPU; the same for every device, as they decide the order of a sum. */
static inline spk_chunks spk_chunks_of(int64_t items, int64_t frames, int64_t bins, int64_t c)
{
    const int64_t rows = frames * bins, blocks = items * ((c + SPK_SUM_COLUMNS - 1) / SPK_SUM_COLUMNS);
    int64_t n = 1024 / (blocks > 0 ? blocks : 1);
    if (n > rows / 64) n = rows / 64;
    if (n < 1) n = 1;
    const int64_t each = (rows + n - 1) / n;
    return {items, frames, bins, c, each > 0 ? each : 1, n};
}
static inline size_t spk_chunks_bytes(const spk_chunks *k, int q)
{
    return static_cast<size_t>(k->items * k->n * k->c * q) * sizeof(double);
}

/* part[((n chunks + k) c + j) Q + q]: f(n, row, j, sum) adds what belongs to a valid row. */
template <int Q, typename F> static __global__ void spk_sum_kernel(F f, const int64_t *len, spk_chunks k, double *part)
{
    __shared__ double room[Q][SPK_SUM_LANES][SPK_SUM_COLUMNS];
    const int64_t tiles = (k.c + SPK_SUM_COLUMNS - 1) / SPK_SUM_COLUMNS, block = blockIdx.x;
    const int64_t j = block % tiles * SPK_SUM_COLUMNS + threadIdx.x, chunk = block / tiles % k.n,
                  n = block / tiles / k.n;
    const int64_t valid = spk_valid(len, n, k.frames) * k.bins, begin = chunk * k.each;
    const int64_t end = begin + k.each < valid ? begin + k.each : valid;
    double sum[Q] = {};
    if (j < k.c) {
#pragma unroll 4
        for (int64_t r = begin + threadIdx.y; r < end; r += SPK_SUM_LANES)
            f(n, r, j, sum);
    }
    for (int q = 0; q < Q; q++)
        room[q][threadIdx.y][threadIdx.x] = sum[q];
    __syncthreads();
    if (threadIdx.y != 0 || j >= k.c) return;
    for (int q = 0; q < Q; q++) {
        double all = 0;
        for (int i = 0; i < SPK_SUM_LANES; i++)
            all += room[q][i][threadIdx.x];
        part[((n * k.n + chunk) * k.c + j) * Q + q] = all;
    }
}
template <int Q, typename F>
static inline void spk_sum_columns(spk_cuda *d, const spk_chunks *k, const int64_t *len, double *part, F f)
{
    const int64_t tiles = (k->c + SPK_SUM_COLUMNS - 1) / SPK_SUM_COLUMNS;
    spk_launch(d, spk_sum_kernel<Q, F>, spk_blocks(k->items * k->n * tiles, 1), dim3(SPK_SUM_COLUMNS, SPK_SUM_LANES), 0,
               f, len, *k, part);
}

/* The sums of item n, channel j. */
template <int Q>
__device__ static inline void spk_add_chunks(const spk_chunks &k, const double *part, int64_t n, int64_t j, double *sum)
{
    for (int q = 0; q < Q; q++)
        sum[q] = 0;
    for (int64_t i = 0; i < k.n; i++)
        for (int q = 0; q < Q; q++)
            sum[q] += part[((n * k.n + i) * k.c + j) * Q + q];
}

#endif
