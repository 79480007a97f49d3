/* SPDX-License-Identifier: Apache-2.0 */
/* attention: between views, whose heads are column slices, and packed tensors (heads, items, rows, d); sums of gradients
 * that items share. (attention_impl.h) */
#include "backend/cuda/attention_impl.h"
#include "backend/cuda/each_impl.h"
#include "backend/cuda/parts_impl.h"

enum { STRIP = 256, SLICES = 8 }; /* rows of a part of a sum over rows; threads that share one */

/* May 4 channels be moved at once? Packed rows are whole heads. */
static bool is_wide(const spk_attention *w, const spk_view *v)
{
    return w->d_k % SPK_EACH_WIDE == 0 && spk_is_wide(v);
}

/* f(pointer, pointer) of the two types. */
template <typename F> static void by_types(spk_dtype first, spk_dtype second, F f)
{
    spk_by_type(first, [&](auto *x) { spk_by_type(second, [&](auto *y) { f(x, y); }); });
}

/* ---- packing ---- */

template <typename X, typename F> struct pack_rows {
    struct {
        const X *from;
        int64_t ld;
        const float *bias, *bias2;
        float *to, *to2;
        F *rounded;
    } job[SPK_ATTENTION_PACKS];
    int n;
    const int64_t *len; /* of the first item */
    int64_t m;
    uint32_t t, d_k;

    /* row: item t + frame. */
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const uint32_t item = static_cast<uint32_t>(row) / t, i = static_cast<uint32_t>(row) % t;
        const uint32_t head = static_cast<uint32_t>(c) / d_k, channel = static_cast<uint32_t>(c) % d_k;
        const int64_t place = ((head * m + item) * t + i) * d_k + channel;
        const bool there = !len || i < len[item];
        for (int k = 0; k < n; k++) {
            float x[V] = {}, y[V];
            if (there) spk_take<V>(job[k].from + row * job[k].ld + c, x);
            for (int v = 0; v < V; v++)
                y[v] = there && job[k].bias ? x[v] + job[k].bias[c + v] : x[v];
            if (job[k].rounded) spk_give<V>(job[k].rounded + place, y, false);
            if (job[k].to) spk_give<V>(job[k].to + place, y, false);
            if (!job[k].to2) continue;
            for (int v = 0; v < V; v++)
                y[v] = there && job[k].bias2 ? x[v] + job[k].bias2[c + v] : x[v];
            spk_give<V>(job[k].to2 + place, y, false);
        }
    }
};

void spk_attention_pack_items(const spk_attention *w, const spk_attention_pass *s, const spk_attention_pack *packs,
                              int n)
{
    bool wide = true;
    for (int k = 0; k < n; k++)
        wide = wide && is_wide(w, packs[k].from);
    by_types(packs[0].from->dtype, w->weights, [&](auto *x, auto *y) {
        using X = std::remove_pointer_t<decltype(x)>;
        using F = std::remove_pointer_t<decltype(y)>;
        pack_rows<X, F> f = {};
        for (int k = 0; k < n; k++) {
            const spk_view *from = packs[k].from;
            f.job[k].from = static_cast<const X *>(from->p) + s->item0 * w->t * from->ld;
            f.job[k].ld = from->ld;
            f.job[k].bias = packs[k].bias;
            f.job[k].bias2 = packs[k].bias2;
            f.job[k].to = packs[k].to;
            f.job[k].to2 = packs[k].to2;
            f.job[k].rounded = static_cast<F *>(packs[k].rounded);
        }
        f.n = n;
        f.len = w->len ? w->len + s->item0 : nullptr;
        f.m = s->m;
        f.t = static_cast<uint32_t>(w->t);
        f.d_k = static_cast<uint32_t>(w->d_k);
        spk_each_launch(w->d, wide, f, s->m * w->t, w->heads * w->d_k);
    });
}

void spk_attention_pack_positions(const spk_attention *w, const spk_view *p, float *to)
{
    spk_attention all = *w;
    const spk_attention_pass one = {0, 1, 0, w->n_p, w->n_p, 0, 0, 0};
    const spk_attention_pack pack = {p, nullptr, nullptr, to, nullptr, nullptr};
    all.t = w->n_p;
    all.len = nullptr;
    spk_attention_pack_items(&all, &one, &pack, 1);
}

template <typename X, typename Y> struct unpack_rows {
    const X *a;
    const float *b;
    Y *to;
    int64_t ld, item0, m, t, i0;
    uint32_t rows, d_k;
    bool add;
    /* row: item rows + query, counted from the pass's first ones. */
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const uint32_t item = static_cast<uint32_t>(row) / rows, i = static_cast<uint32_t>(row) % rows;
        const uint32_t head = static_cast<uint32_t>(c) / d_k, channel = static_cast<uint32_t>(c) % d_k;
        const int64_t place = ((head * m + item) * rows + i) * d_k + channel;
        float x[V], y[V] = {};
        spk_take<V>(a + place, x);
        if (b) spk_take<V>(b + place, y);
        for (int v = 0; v < V; v++)
            x[v] += y[v];
        spk_give<V>(to + ((item0 + item) * t + i0 + i) * ld + c, x, add);
    }
};

void spk_attention_unpack(const spk_attention *w, const spk_attention_pass *s, const void *a, spk_dtype type,
                          const float *b, const spk_view *view, bool add)
{
    by_types(type, view->dtype, [&](auto *x, auto *y) {
        using X = std::remove_pointer_t<decltype(x)>;
        using Y = std::remove_pointer_t<decltype(y)>;
        unpack_rows<X, Y> f = {};
        f.a = static_cast<const X *>(a);
        f.b = b;
        f.to = static_cast<Y *>(view->p);
        f.ld = view->ld;
        f.item0 = s->item0;
        f.m = s->m;
        f.t = w->t;
        f.i0 = s->i0;
        f.rows = static_cast<uint32_t>(s->rows);
        f.d_k = static_cast<uint32_t>(w->d_k);
        f.add = add;
        spk_each_launch(w->d, is_wide(w, view), f, s->m * s->rows, w->heads * w->d_k);
    });
}

/* ---- sums ---- */

/* A block: a strip of a head's rows; parts (strips, heads d). */
static __global__ void strip_sums(const float *x, int64_t rows, int64_t strips, int64_t d_k, float *parts)
{
    __shared__ double room[SLICES][32];
    const int64_t h = blockIdx.x / strips, strip = blockIdx.x % strips, heads = gridDim.x / strips;
    const int64_t end = (strip + 1) * STRIP < rows ? (strip + 1) * STRIP : rows;
    for (int64_t c0 = 0; c0 < d_k; c0 += 32) { /* all threads together */
        const int64_t c = c0 + threadIdx.x;
        double sum = 0;
        for (int64_t r = strip * STRIP + threadIdx.y; r < end && c < d_k; r += SLICES)
            sum += static_cast<double>(x[(h * rows + r) * d_k + c]);
        room[threadIdx.y][threadIdx.x] = sum;
        __syncthreads();
        sum = 0;
        for (int i = 0; i < SLICES && threadIdx.y == 0; i++)
            sum += room[i][threadIdx.x];
        if (threadIdx.y == 0 && c < d_k) parts[strip * heads * d_k + h * d_k + c] = static_cast<float>(sum);
        __syncthreads();
    }
}

int64_t spk_attention_strips(int64_t rows)
{
    return (rows + STRIP - 1) / STRIP;
}

void spk_attention_add_columns(const spk_attention *w, int64_t rows, const float *x, float *parts, float *y)
{
    const int64_t strips = spk_attention_strips(rows), n = w->heads * w->d_k;
    spk_launch(w->d, strip_sums, static_cast<unsigned>(strips * w->heads), dim3(32, SLICES), 0, x, rows, strips, w->d_k,
               parts);
    spk_cuda_add_parts(w->d, parts, n, strips, n, y, true);
}

template <typename Y> struct add_positions {
    const float *x;
    Y *to;
    int64_t ld, parts, n_p, d_k;
    bool add;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const float *from = x + (c / d_k * parts * n_p + row) * d_k + c % d_k;
        float sum[V] = {}, v[V];
        for (int64_t i = 0; i < parts; i++) {
            spk_take<V>(from + i * n_p * d_k, v);
            for (int k = 0; k < V; k++)
                sum[k] += v[k];
        }
        spk_give<V>(to + row * ld + c, sum, add);
    }
};

void spk_attention_add_positions(const spk_attention *w, const float *x, int64_t parts, const spk_view *view, bool add)
{
    spk_by_type(view->dtype, [&](auto *p) {
        using Y = std::remove_pointer_t<decltype(p)>;
        const add_positions<Y> f = {x, static_cast<Y *>(view->p), view->ld, parts, w->n_p, w->d_k, add};
        spk_each_launch(w->d, is_wide(w, view), f, w->n_p, w->heads * w->d_k);
    });
}
