/* SPDX-License-Identifier: Apache-2.0 */
/* sk_mix, freq_mean and fold: what selective kernels and CAM++'s head have beside convolutions. */
#include "backend/cuda/items_impl.h"

/* ---- sk_mix ---- */

/* The first branch's share at a place of item n (in bins of `bins`) and channel. */
struct share {
    spk_elements<float> a0, a1;
    bool over_freq;
    int bins;
    __device__ int64_t place(int64_t row, int64_t c) const
    {
        return over_freq ? static_cast<int>(row) % bins : c;
    }
    __device__ float at(int64_t n, int64_t i) const
    {
        return 1 / (1 + expf(a1.get(n, i) - a0.get(n, i)));
    }
};

template <typename X, int V> struct mix {
    spk_elements<X> f0, f1, y;
    share s;
    int64_t rows;
    __device__ void operator()(int64_t n, int64_t row, int64_t c) const
    {
        const int64_t r = n * rows + row;
        float v[V], other[V];
        spk_get_all(f0.at(r, c), v);
        spk_get_all(f1.at(r, c), other);
        for (int i = 0; i < V; i++) {
            const float w = s.at(n, s.place(row, c + i));
            v[i] = w * v[i] + (1 - w) * other[i];
        }
        spk_put_all(y.at(r, c), v, false);
    }
};

template <typename X, int V> struct mix_bwd {
    spk_elements<X> dy, d0, d1;
    share s;
    int64_t rows;
    bool add0, add1;
    __device__ void operator()(int64_t n, int64_t row, int64_t c) const
    {
        const int64_t r = n * rows + row;
        float v[V], other[V];
        spk_get_all(dy.at(r, c), v);
        for (int i = 0; i < V; i++) {
            const float w = s.at(n, s.place(row, c + i)), d = v[i];
            v[i] = d * w;
            other[i] = d * (1 - w);
        }
        if (d0.p) spk_put_all(d0.at(r, c), v, add0);
        if (d1.p) spk_put_all(d1.at(r, c), other, add1);
    }
};

/* Over the rows, for each channel. */
template <typename X> struct mix_sum {
    spk_elements<X> dy, f0, f1;
    int64_t rows;
    __device__ void operator()(int64_t n, int64_t row, int64_t c, double *sum) const
    {
        const int64_t r = n * rows + row;
        sum[0] += static_cast<double>(dy.get(r, c) * (f0.get(r, c) - f1.get(r, c)));
    }
};

/* Over frames and channels, for each bin: a block of whole warps each. */
template <typename X>
static __global__ void mix_bin_sum(mix_sum<X> f, int64_t frames, int64_t bins, int64_t c, double *part)
{
    __shared__ double room[32];
    const int64_t n = blockIdx.x / bins, bin = blockIdx.x % bins;
    double sum = 0;
    for (int64_t i = threadIdx.x; i < frames * c; i += blockDim.x)
        f(n, i / c * bins + bin, i % c, &sum);
    sum = spk_block_sum(sum, room);
    if (threadIdx.x == 0) part[blockIdx.x] = sum;
}

/* ds/da0 = s (1 - s) = -ds/da1. */
struct mix_weights {
    share s;
    spk_chunks chunks;
    const double *part;
    spk_elements<float> d0, d1;
    bool add0, add1;
    __device__ void operator()(int64_t n, int64_t, int64_t i) const
    {
        double ds;
        spk_add_chunks<1>(chunks, part, n, i, &ds);
        const float w = s.at(n, i), d = static_cast<float>(ds) * w * (1 - w);
        if (d0.p) spk_put(d0.at(n, i), d, add0);
        if (d1.p) spk_put(d1.at(n, i), -d, add1);
    }
};

static bool same_frames(const spk_geom *g, int n)
{
    bool same = spk_is_real(&g->in[0]) && g->out[0].dtype == g->in[0].dtype;
    for (int i = 1; i < n; i++)
        same = same && g->in[i].dtype == g->in[0].dtype;
    return same;
}

static bool mix_supports(const spk_geom *g)
{
    return same_frames(g, 2) && g->in[2].dtype == SPK_F32 && g->in[3].dtype == SPK_F32 &&
           g->in[0].h * g->in[0].w < INT32_MAX;
}

/* As the sums lie: one chunk where they are over frequency. */
static spk_chunks mix_chunks(const spk_view *x, const spk_view *a0, bool over_freq)
{
    spk_chunks k = spk_chunks_of(x->n, x->h, x->w, a0->c);
    if (over_freq) k.n = 1;
    return k;
}

static size_t mix_scratch(const spk_geom *g, const void *)
{
    const spk_chunks k = mix_chunks(&g->in[0], &g->in[2], static_cast<const spk_sk_mix_attr *>(g->attr)->over_freq);
    return spk_chunks_bytes(&k, 1);
}

static share share_of(const spk_kargs *a)
{
    return {spk_elements<float>(a->in[2]), spk_elements<float>(a->in[3]),
            static_cast<const spk_sk_mix_attr *>(a->attr)->over_freq, static_cast<int>(a->in[0].w)};
}

static void mix_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        using E = spk_elements<X>;
        spk_by_width<X>({x, &a->in[1], &a->out[0]}, [&](auto width) {
            constexpr int V = decltype(width)::value;
            spk_each<V>(spk_cuda_of(a), x->n, x->h * x->w, x->c,
                        mix<X, V>{E(*x), E(a->in[1]), E(a->out[0]), share_of(a), x->h * x->w});
        });
    });
}

static void mix_run_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const share s = share_of(a);
    const int64_t rows = x->h * x->w;
    spk_cuda *d = spk_cuda_of(a);
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        using E = spk_elements<X>;
        if (a->din[2].p || a->din[3].p) {
            const spk_chunks k = mix_chunks(x, &a->in[2], s.over_freq);
            const mix_sum<X> f = {E(a->dout[0]), E(*x), E(a->in[1]), rows};
            double *part = static_cast<double *>(a->scratch);
            if (s.over_freq)
                spk_launch(d, mix_bin_sum<X>, spk_blocks(x->n * x->w, 1), 256, 0, f, x->h, x->w, x->c, part);
            else
                spk_sum_columns<1>(d, &k, nullptr, part, f);
            spk_each(d, x->n, 1, a->in[2].c,
                     mix_weights{s, k, part, spk_elements<float>(a->din[2]), spk_elements<float>(a->din[3]), a->add[2],
                                 a->add[3]});
        }
        if (!a->din[0].p && !a->din[1].p) return;
        spk_by_width<X>({&a->dout[0], &a->din[0], &a->din[1]}, [&](auto width) {
            constexpr int V = decltype(width)::value;
            spk_each<V>(d, x->n, rows, x->c,
                        mix_bwd<X, V>{E(a->dout[0]), E(a->din[0]), E(a->din[1]), s, rows, a->add[0], a->add[1]});
        });
    });
}

const spk_kernel spk__cuda_sk_mix = {
    .name = "cuda", .supports = mix_supports, .scratch_bytes = mix_scratch, .fwd = mix_fwd, .bwd = mix_run_bwd};

/* ---- freq_mean ---- */

/* A block of whole warps an item and bin. */
template <typename X>
static __global__ void bin_means(spk_elements<X> x, const int64_t *len, int64_t frames, int64_t bins, int64_t c,
                                 spk_elements<float> y)
{
    __shared__ double room[32];
    const int64_t n = blockIdx.x / bins, bin = blockIdx.x % bins, valid = spk_valid(len, n, frames);
    double sum = 0;
#pragma unroll 4
    for (int64_t i = threadIdx.x; i < valid * c; i += blockDim.x) {
        const int64_t t = static_cast<int>(i) / static_cast<int>(c);
        sum += static_cast<double>(x.get((n * frames + t) * bins + bin, i - t * c));
    }
    sum = spk_block_sum(sum, room);
    if (threadIdx.x == 0) *y.at(n, bin) = static_cast<float>(sum / static_cast<double>((valid > 0 ? valid : 1) * c));
}

template <typename X> struct bin_spread {
    spk_elements<float> dy;
    spk_elements<X> dx;
    const int64_t *len;
    int64_t frames, bins, c;
    bool add;
    __device__ void operator()(int64_t n, int64_t row, int64_t j) const
    {
        const int64_t t = static_cast<int>(row) / static_cast<int>(bins), valid = spk_valid(len, n, frames);
        const float d = t < valid ? dy.get(n, row - t * bins) / static_cast<float>(valid * c) : 0;
        spk_put(dx.at(n * frames * bins + row, j), d, add);
    }
};

static bool freq_mean_supports(const spk_geom *g)
{
    const spk_view *x = &g->in[0];
    return spk_is_real(x) && g->out[0].dtype == SPK_F32 && x->h * x->w < INT32_MAX && x->h * x->c < INT32_MAX;
}

static void freq_mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        spk_launch(spk_cuda_of(a), bin_means<X>, spk_blocks(x->n * x->w, 1), 256, 0, spk_elements<X>(*x),
                   spk_lengths_of(a), x->h, x->w, x->c, spk_elements<float>(a->out[0]));
    });
}

static void freq_mean_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    if (!a->din[0].p) return;
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        spk_each(spk_cuda_of(a), x->n, x->h * x->w, x->c,
                 bin_spread<X>{spk_elements<float>(a->dout[0]), spk_elements<X>(a->din[0]), spk_lengths_of(a), x->h,
                               x->w, x->c, a->add[0]});
    });
}

const spk_kernel spk__cuda_freq_mean = {.name = "cuda",
                                        .supports = freq_mean_supports,
                                        .create = spk_lengths_create,
                                        .destroy = spk_lengths_destroy,
                                        .fwd = freq_mean_fwd,
                                        .bwd = freq_mean_bwd};

/* ---- fold: a frame's (F, C) transposed, by way of a tile in shared memory ---- */

enum { TILE = 32, TILE_ROWS = 8 };

/* to(j, i) = from(i, j) for (rows, cols) of each of many matrices, a block a tile; elements lie as the functors say. */
template <typename From, typename To> static __global__ void transpose(From from, To to, int64_t rows, int64_t cols)
{
    __shared__ float tile[TILE][TILE + 1];
    const int64_t down = (rows + TILE - 1) / TILE, across = (cols + TILE - 1) / TILE, n = blockIdx.x / (down * across);
    const int64_t i0 = blockIdx.x / across % down * TILE, j0 = blockIdx.x % across * TILE;
    const int x = static_cast<int>(threadIdx.x);
    for (int y = static_cast<int>(threadIdx.y); y < TILE; y += TILE_ROWS)
        if (i0 + y < rows && j0 + x < cols) tile[y][x] = from.get(n, i0 + y, j0 + x);
    __syncthreads();
    for (int y = static_cast<int>(threadIdx.y); y < TILE; y += TILE_ROWS)
        if (j0 + y < cols && i0 + x < rows) to.put(n, j0 + y, i0 + x, tile[x][y]);
}

/* Frames as matrices of (bins, channels), and as their rows of channels times bins. */
template <typename T> struct as_picture {
    spk_elements<T> v;
    int64_t bins;
    bool add;
    __device__ float get(int64_t frame, int64_t bin, int64_t c) const
    {
        return v.get(frame * bins + bin, c);
    }
    __device__ void put(int64_t frame, int64_t bin, int64_t c, float x) const
    {
        spk_put(v.at(frame * bins + bin, c), x, add);
    }
};
template <typename T> struct as_row {
    spk_elements<T> v;
    int64_t bins;
    __device__ float get(int64_t frame, int64_t c, int64_t bin) const
    {
        return v.get(frame, c * bins + bin);
    }
    __device__ void put(int64_t frame, int64_t c, int64_t bin, float x) const
    {
        spk_store(v.at(frame, c * bins + bin), x);
    }
};

/* Frames of one type whose rows can be moved 16 bytes at a time: a block has some channels of a frame, both ways at full width.
 * Two of bfloat16 are a word of shared memory; rows of an odd number of words keep its banks apart. */
enum { FOLD_BYTES = 20 * 1024, FOLD_LANES = 32, FOLD_ROWS = 8 };

template <typename T> struct fold_plan {
    T *picture, *row;
    int64_t picture_ld, row_ld;
    int bins, c, each, pitch; /* each: channels of a block */
    bool back, add;
};

/* n elements between rows of a picture and of shared memory. */
template <int V, typename T> __device__ static inline void fold_move(const fold_plan<T> &p, T *picture, T *room, int n)
{
    constexpr int P = 4 / sizeof(T);
    using words = spk_pack<T, P>;
    for (int bin = static_cast<int>(threadIdx.y); bin < p.bins; bin += FOLD_ROWS)
        for (int c = static_cast<int>(threadIdx.x) * V; c < n; c += FOLD_LANES * V) {
            words *here = reinterpret_cast<words *>(room + bin * p.pitch + c);
            spk_pack<T, V> *there = reinterpret_cast<spk_pack<T, V> *>(picture + bin * p.picture_ld + c), all;
            if (!p.back || p.add) all = *there;
            for (int i = 0; i < V; i += P) {
                words w;
                if (p.back) w = here[i / P];
                for (int k = 0; k < P; k++) {
                    if (p.back)
                        spk_store(&all.v[i + k],
                                  p.add ? spk_load(&all.v[i + k]) + spk_load(&w.v[k]) : spk_load(&w.v[k]));
                    else
                        w.v[k] = all.v[i + k];
                }
                if (!p.back) here[i / P] = w;
            }
            if (p.back) *there = all;
        }
}

/* The same elements, channel by channel: one piece of memory. */
template <int V, typename T> __device__ static inline void fold_turn(const fold_plan<T> &p, T *row, T *room, int n)
{
    const unsigned bins = static_cast<unsigned>(p.bins), end = static_cast<unsigned>(n) * bins;
    for (unsigned e = (threadIdx.y * FOLD_LANES + threadIdx.x) * V; e < end; e += FOLD_LANES * FOLD_ROWS * V) {
        unsigned c = e / bins, bin = e % bins;
        spk_pack<T, V> all, *there = reinterpret_cast<spk_pack<T, V> *>(row + e);
        if (p.back) all = *there;
        for (int i = 0; i < V; i++) {
            T *here = room + bin * static_cast<unsigned>(p.pitch) + c;
            if (p.back)
                *here = all.v[i];
            else
                all.v[i] = *here;
            if (++bin == bins) bin = 0, c++;
        }
        if (!p.back) *there = all;
    }
}

template <int V, typename T> static __global__ void fold_frames(fold_plan<T> p)
{
    SPK_SHARED(T, room); /* (bins, pitch) */
    const int chunks = (p.c + p.each - 1) / p.each;
    const int64_t frame = blockIdx.x / static_cast<unsigned>(chunks);
    const int c0 = static_cast<int>(blockIdx.x % static_cast<unsigned>(chunks)) * p.each,
              n = p.c - c0 < p.each ? p.c - c0 : p.each;
    T *picture = p.picture + frame * p.bins * p.picture_ld + c0, *row = p.row + frame * p.row_ld + c0 * p.bins;
    if (p.back)
        fold_turn<V>(p, row, room, n);
    else
        fold_move<V>(p, picture, room, n);
    __syncthreads();
    if (p.back)
        fold_move<V>(p, picture, room, n);
    else
        fold_turn<V>(p, row, room, n);
}

/* Did it? picture (N,T,F,C), row (N,1,T,CF). */
static bool fold_wide(spk_cuda *d, const spk_view *picture, const spk_view *row, bool back, bool add)
{
    bool fits = false;
    if (picture->dtype != row->dtype) return false;
    spk_by_type(row->dtype, [&](auto *t) {
        using T = std::remove_pointer_t<decltype(t)>;
        constexpr int many = 16 / sizeof(T), words = 4 / sizeof(T);
        const int64_t fit = FOLD_BYTES / (picture->w * static_cast<int64_t>(sizeof(T))) / many * many;
        const bool aligned = (reinterpret_cast<uintptr_t>(picture->p) | reinterpret_cast<uintptr_t>(row->p)) % 16 == 0;
        fits = aligned && fit >= many && picture->ld % many == 0 && row->ld % many == 0 && picture->c % many == 0;
        if (!fits) return;
        fold_plan<T> p = {};
        p.picture = static_cast<T *>(picture->p);
        p.row = static_cast<T *>(row->p);
        p.picture_ld = picture->ld;
        p.row_ld = row->ld;
        p.bins = static_cast<int>(picture->w);
        p.c = static_cast<int>(picture->c);
        p.each = static_cast<int>(picture->c < fit ? picture->c : fit);
        if (p.each > FOLD_LANES * many) p.each = p.each / (FOLD_LANES * many) * (FOLD_LANES * many);
        p.pitch = (p.each / words | 1) * words;
        p.back = back;
        p.add = add;
        const size_t shared = static_cast<size_t>(p.bins * p.pitch) * sizeof(T);
        spk_launch(d, fold_frames<many, T>, spk_blocks(picture->n * picture->h * spk_blocks(p.c, p.each), 1),
                   dim3(FOLD_LANES, FOLD_ROWS), shared, p);
    });
    return fits;
}

static unsigned fold_blocks(const spk_view *x)
{
    return spk_blocks(x->n * x->h * spk_blocks(x->w, TILE) * spk_blocks(x->c, TILE), 1);
}

static void fold_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    if (fold_wide(spk_cuda_of(a), x, y, false, false)) return;
    spk_by_types(x->dtype, y->dtype, [&](auto *s, auto *t) {
        using From = as_picture<std::remove_pointer_t<decltype(s)>>;
        using To = as_row<std::remove_pointer_t<decltype(t)>>;
        spk_launch(spk_cuda_of(a), transpose<From, To>, fold_blocks(x), dim3(TILE, TILE_ROWS), 0,
                   From{spk_elements<std::remove_pointer_t<decltype(s)>>(*x), x->w, false},
                   To{spk_elements<std::remove_pointer_t<decltype(t)>>(*y), x->w}, x->w, x->c);
    });
}

static void fold_bwd(const spk_kargs *a)
{
    const spk_view *dx = &a->din[0], *dy = &a->dout[0];
    if (!dx->p || fold_wide(spk_cuda_of(a), dx, dy, true, a->add[0])) return;
    spk_by_types(dx->dtype, dy->dtype, [&](auto *s, auto *t) {
        using To = as_picture<std::remove_pointer_t<decltype(s)>>;
        using From = as_row<std::remove_pointer_t<decltype(t)>>;
        spk_launch(spk_cuda_of(a), transpose<From, To>, fold_blocks(dx), dim3(TILE, TILE_ROWS), 0,
                   From{spk_elements<std::remove_pointer_t<decltype(t)>>(*dy), dx->w},
                   To{spk_elements<std::remove_pointer_t<decltype(s)>>(*dx), dx->w, a->add[0]}, dx->c, dx->w);
    });
}

static bool fold_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_fold = {.name = "cuda", .supports = fold_supports, .fwd = fold_fwd, .bwd = fold_bwd};
