/* SPDX-License-Identifier: Apache-2.0 */
/* A convolution's parameters: weights in the order of the products, normalisation folded in, and their gradients. */
#include "backend/cuda/conv_impl.h"

enum { THREADS = 256, LANES = 32, LINES = 8, SHARERS = 16 };

/* The normalisation of inputs 3 to 6: gamma and beta may be absent, and all of it. */
struct folded {
    const float *gamma, *beta, *mean, *var;
    float eps;
};

static folded norm_of(const spk_kargs *a, const spk_conv *k)
{
    return {static_cast<const float *>(a->in[3].p), static_cast<const float *>(a->in[4].p),
            static_cast<const float *>(a->in[5].p), static_cast<const float *>(a->in[6].p),
            static_cast<float>(k->bn_eps)};
}

__device__ static float scale_of(const folded &m, int64_t o)
{
    return m.mean ? rsqrtf(m.var[o] + m.eps) * (m.gamma ? m.gamma[o] : 1) : 1;
}

/* Rows of the products and parameters with any strides. Threads run along the rows. */
struct order {
    unsigned o, taps, c, kw, pitch;
    int64_t w_o, w_c, w_i, w_j;
    bool taps_first;
};

static order order_of(const spk_conv *k, bool taps_first, int64_t pitch)
{
    return {static_cast<unsigned>(k->o),
            static_cast<unsigned>(spk_conv_taps(k)),
            static_cast<unsigned>(k->c),
            static_cast<unsigned>(k->kw),
            static_cast<unsigned>(pitch),
            k->w_o,
            k->w_c,
            k->w_i,
            k->w_j,
            taps_first};
}
static int64_t count_of(const order &k)
{
    return static_cast<int64_t>(k.pitch) * (k.taps_first ? k.c : k.o);
}

/* Where element i of the products' rows lies among the parameters, and whose output it is; -1: it is padding. */
__device__ static int64_t parameter_of(const order &k, unsigned i, unsigned *o)
{
    unsigned c, tap;
    if (k.taps_first) {
        const unsigned line = i / k.c;
        c = i - line * k.c;
        tap = line / k.o;
        *o = line - tap * k.o;
    } else {
        *o = i / k.pitch;
        const unsigned rest = i - *o * k.pitch;
        tap = rest / k.c;
        c = rest - tap * k.c;
    }
    const unsigned row = tap / k.kw;
    return tap < k.taps ? *o * k.w_o + c * k.w_c + row * k.w_i + (tap - row * k.kw) * k.w_j : -1;
}

template <typename T> static __global__ void order_weights(const float *w, T *to, unsigned n, order k, folded m)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned o;
    const int64_t from = parameter_of(k, i, &o);
    const float value = from >= 0 ? w[from] : 0;
    spk_store(to + i, m.mean && from >= 0 ? value * scale_of(m, o) : value);
}

void spk_conv_weights(const spk_kargs *a, const spk_conv *k, bool taps_first, int64_t pitch, void *to)
{
    const order by = order_of(k, taps_first, pitch);
    spk_by_type(k->type, [&](auto *t) {
        using T = std::remove_pointer_t<decltype(t)>;
        spk_launch(spk_cuda_of(a), order_weights<T>, spk_blocks(count_of(by), THREADS), THREADS, 0,
                   static_cast<const float *>(a->in[1].p), static_cast<T *>(to), static_cast<unsigned>(count_of(by)),
                   by, norm_of(a, k));
    });
}

static __global__ void fold_bias(const float *bias, float *to, int64_t n, folded m)
{
    const int64_t o = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (o >= n) return;
    const float b = bias ? bias[o] : 0;
    to[o] = m.mean ? (b - m.mean[o]) * scale_of(m, o) + (m.beta ? m.beta[o] : 0) : b;
}

void spk_conv_bias(const spk_kargs *a, const spk_conv *k, float *to)
{
    spk_launch(spk_cuda_of(a), fold_bias, spk_blocks(k->o, THREADS), THREADS, 0, static_cast<const float *>(a->in[2].p),
               to, k->o, norm_of(a, k));
}

/* ---- gradients ---- */

/* LANES weights by a block; blockDim.y threads share the partial sums of each. */
template <typename T> static __global__ void add_weights(const T *partial, unsigned all, int64_t n, float *dw, order k)
{
    __shared__ float room[SHARERS][LANES];
    const unsigned i = blockIdx.x * LANES + threadIdx.x;
    float sum = 0;
#pragma unroll 4
    for (int64_t s = threadIdx.y; s < n && i < all; s += blockDim.y)
        sum += spk_load(partial + s * all + i);
    room[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    unsigned o;
    const int64_t to = threadIdx.y == 0 && i < all ? parameter_of(k, i, &o) : -1;
    if (to < 0) return;
    for (unsigned s = 1; s < blockDim.y; s++)
        sum += room[s][threadIdx.x];
    dw[to] += sum;
}

void spk_conv_add_weights(spk_cuda *d, const spk_conv *k, const void *partial, spk_dtype type, int64_t pitch, int64_t n,
                          float *dw)
{
    const order by = order_of(k, false, pitch);
    const unsigned sharers = static_cast<unsigned>(n < SHARERS ? n : int64_t(SHARERS));
    spk_by_type(type, [&](auto *t) {
        using T = std::remove_pointer_t<decltype(t)>;
        spk_launch(d, add_weights<T>, spk_blocks(count_of(by), LANES), dim3(LANES, sharers), 0,
                   static_cast<const T *>(partial), static_cast<unsigned>(count_of(by)), n, dw, by);
    });
}

/* ---- sums of columns: blocks over stripes of rows, then over the stripes ---- */

static int64_t stripes(int64_t rows)
{
    const int64_t n = (rows + 127) / 128;
    return n < 512 ? n : 512;
}

size_t spk_conv_sum_bytes(int64_t rows, int64_t c)
{
    return static_cast<size_t>(stripes(rows) * c) * sizeof(float);
}

/* A block of LANES x LINES threads has V LANES columns of one stripe. */
template <typename T, int V>
static __global__ void sum_stripe(const T *x, int64_t ld, int64_t rows, int64_t c, float *partial)
{
    __shared__ float room[LINES][LANES * V];
    const int64_t first = static_cast<int64_t>(blockIdx.y) * rows / gridDim.y;
    const int64_t end = (static_cast<int64_t>(blockIdx.y) + 1) * rows / gridDim.y;
    const int64_t j = (static_cast<int64_t>(blockIdx.x) * LANES + threadIdx.x) * V;
    float sum[V] = {};
    for (int64_t r = first + threadIdx.y; r < end && j < c; r += LINES) {
        const spk_pack<T, V> in = *reinterpret_cast<const spk_pack<T, V> *>(x + r * ld + j);
        for (int i = 0; i < V; i++)
            sum[i] += spk_load(&in.v[i]);
    }
    for (int i = 0; i < V; i++)
        room[threadIdx.y][threadIdx.x * V + static_cast<unsigned>(i)] = sum[i];
    __syncthreads();
    const int64_t begin = static_cast<int64_t>(blockIdx.x) * LANES * V;
    for (int i = static_cast<int>(threadIdx.y * LANES + threadIdx.x); i < LANES * V && begin + i < c;
         i += LANES * LINES) {
        float all = 0;
        for (int line = 0; line < LINES; line++)
            all += room[line][i];
        partial[static_cast<int64_t>(blockIdx.y) * c + begin + i] = all;
    }
}

/* LANES x LINES threads have LANES columns. */
static __global__ void sum_stripes(const float *partial, int64_t n, int64_t c, float *db)
{
    __shared__ double room[LINES][LANES];
    const int64_t j = static_cast<int64_t>(blockIdx.x) * LANES + threadIdx.x;
    double sum = 0;
    for (int64_t s = threadIdx.y; s < n && j < c; s += LINES)
        sum += static_cast<double>(partial[s * c + j]);
    room[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || j >= c) return;
    for (int line = 1; line < LINES; line++)
        sum += room[line][threadIdx.x];
    db[j] += static_cast<float>(sum);
}

void spk_conv_add_sums(spk_cuda *d, const spk_rows_of *dy, int64_t rows, int64_t c, float *partial, float *db)
{
    const size_t size = spk_conv_size(dy->type);
    const bool wide = c % 4 == 0 && dy->ld % 4 == 0 && reinterpret_cast<uintptr_t>(dy->p) % (4 * size) == 0;
    const unsigned n = static_cast<unsigned>(stripes(rows));
    spk_by_type(dy->type, [&](auto *t) {
        using T = std::remove_pointer_t<decltype(t)>;
        spk_launch(d, wide ? sum_stripe<T, 4> : sum_stripe<T, 1>, dim3(spk_blocks(c, LANES * (wide ? 4 : 1)), n),
                   dim3(LANES, LINES), 0, static_cast<const T *>(dy->p), dy->ld, rows, c, partial);
    });
    spk_launch(d, sum_stripes, spk_blocks(c, LANES), dim3(LANES, LINES), 0, partial, static_cast<int64_t>(n), c, db);
}
