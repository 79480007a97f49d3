/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels beside a convolution's products: gathering what the taps meet, bias and ReLU, masks. All walk over rows with
 * threads along the channels; a thread does V channels in one access where pointers and strides allow it.
 */
#include "backend/cuda/conv_impl.h"

enum { THREADS = 256, MOST_BLOCKS = 1 << 16 };

/* Channels that one access may hold: 16 bytes of the narrower type, or one. */
static bool fits(const spk_rows_of *r, int64_t v)
{
    const size_t size = spk_conv_size(r->type);
    return r->ld % v == 0 && reinterpret_cast<uintptr_t>(r->p) % (static_cast<size_t>(v) * size) == 0;
}

/* f(std::integral_constant<int, V>). */
template <typename F> static void by_width(bool wide, bool both_bf16, F f)
{
    if (wide && both_bf16)
        f(std::integral_constant<int, 8>());
    else if (wide)
        f(std::integral_constant<int, 4>());
    else
        f(std::integral_constant<int, 1>());
}

static int64_t widest(spk_dtype a, spk_dtype b)
{
    return a == SPK_BF16 && b == SPK_BF16 ? 8 : 4;
}

/* A block of x by y threads: x along so many columns, a power of two. */
static dim3 block_for(int64_t columns)
{
    unsigned x = 1;
    while (x < columns && x < THREADS)
        x *= 2;
    return dim3(x, THREADS / x);
}

static unsigned row_blocks(int64_t rows, dim3 block)
{
    const unsigned n = spk_blocks(rows, block.y);
    return n < MOST_BLOCKS ? n : static_cast<unsigned>(MOST_BLOCKS);
}

/* ---- gathering ---- */

/* Of the picture that is read (height, width), and of the rows that read it. */
struct walk {
    int read_h, read_w, rows_h, rows_w, c;
    int kh, kw, sh, sw, dh, dw, ph, pw;
};

/* Where an axis is read at place `at` through a tap; -1: nowhere. */
template <bool BACK> __device__ static int place(int at, int tap, int stride, int dilation, int pad, int n)
{
    if (!BACK) {
        const int p = at * stride + tap * dilation - pad;
        return p < n ? p : -1; /* may be below zero already */
    }
    const int p = at + pad - tap * dilation;
    return p < 0 || p % stride || p / stride >= n ? -1 : p / stride;
}

template <typename X, typename Y, int V, bool BACK>
static __global__ void gather_rows(const X *x, int64_t x_ld, Y *to, int64_t to_ld, int64_t first, int64_t n, walk k)
{
    const int taps = k.kh * k.kw, columns = static_cast<int>(to_ld) / V;
    for (int64_t r = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; r < n;
         r += static_cast<int64_t>(gridDim.x) * blockDim.y) {
        const unsigned row = static_cast<unsigned>(first + r), w = static_cast<unsigned>(k.rows_w);
        const unsigned h = static_cast<unsigned>(k.rows_h), line = row / w, item = line / h;
        const int at_w = static_cast<int>(row - line * w), at_h = static_cast<int>(line - item * h);
        for (int j = static_cast<int>(threadIdx.x); j < columns; j += static_cast<int>(blockDim.x)) {
            const int tap = j * V / k.c, c = j * V - tap * k.c, tap_h = tap / k.kw, tap_w = tap - tap_h * k.kw;
            const int y = place<BACK>(at_h, tap_h, k.sh, k.dh, k.ph, k.read_h);
            const int z = place<BACK>(at_w, tap_w, k.sw, k.dw, k.pw, k.read_w);
            spk_pack<Y, V> out;
            spk_pack<X, V> in;
            const bool met = tap < taps && y >= 0 && z >= 0;
            if (met) {
                const int64_t from = (static_cast<int64_t>(item) * k.read_h + y) * k.read_w + z;
                in = *reinterpret_cast<const spk_pack<X, V> *>(x + from * x_ld + c);
            }
            for (int i = 0; i < V; i++)
                spk_store(&out.v[i], met ? spk_load(&in.v[i]) : 0.0f);
            *reinterpret_cast<spk_pack<Y, V> *>(to + r * to_ld + static_cast<int64_t>(j) * V) = out;
        }
    }
}

void spk_conv_gather(spk_cuda *d, const spk_conv *k, bool back, const spk_rows_of *from, int64_t first, int64_t n,
                     const spk_rows_of *to)
{
    walk w = {k->h, k->w, k->u, k->v, k->c, k->kh, k->kw, k->sh, k->sw, k->dh, k->dw, k->ph, k->pw};
    if (back) {
        w.read_h = k->u;
        w.read_w = k->v;
        w.rows_h = k->h;
        w.rows_w = k->w;
        w.c = k->o;
    }
    const int64_t widest_v = widest(from->type, to->type);
    const bool wide = w.c % widest_v == 0 && fits(from, widest_v) && fits(to, widest_v);
    spk_by_type(from->type, [&](auto *x) {
        spk_by_type(to->type, [&](auto *y) {
            by_width(wide, widest_v == 8, [&](auto v) {
                using X = std::remove_pointer_t<decltype(x)>;
                using Y = std::remove_pointer_t<decltype(y)>;
                constexpr int V = decltype(v)::value;
                const dim3 block = block_for(to->ld / V);
                spk_launch(d, back ? gather_rows<X, Y, V, true> : gather_rows<X, Y, V, false>, row_blocks(n, block),
                           block, 0, static_cast<const X *>(from->p), from->ld, static_cast<Y *>(to->p), to->ld, first,
                           n, w);
            });
        });
    });
}

/* ---- bias, ReLU, types ---- */

template <typename X, typename Y, int V>
static __global__ void finish_rows(const X *x, int64_t x_ld, Y *y, int64_t y_ld, int64_t rows, int64_t c,
                                   const float *bias, bool relu, bool add)
{
    for (int64_t r = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; r < rows;
         r += static_cast<int64_t>(gridDim.x) * blockDim.y) {
        for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < c; j += static_cast<int64_t>(blockDim.x) * V) {
            const spk_pack<X, V> in = *reinterpret_cast<const spk_pack<X, V> *>(x + r * x_ld + j);
            spk_pack<Y, V> *to = reinterpret_cast<spk_pack<Y, V> *>(y + r * y_ld + j), out;
            if (add) out = *to;
            for (int i = 0; i < V; i++) {
                float value = spk_load(&in.v[i]) + (bias ? bias[j + i] : 0.0f);
                if (relu && value < 0) value = 0;
                spk_put(&out.v[i], value, add);
            }
            *to = out;
        }
    }
}

void spk_conv_finish(spk_cuda *d, const spk_rows_of *from, const spk_rows_of *to, int64_t rows, int64_t c,
                     const float *bias, bool relu, bool add)
{
    const int64_t widest_v = widest(from->type, to->type);
    const bool wide = c % widest_v == 0 && fits(from, widest_v) && fits(to, widest_v);
    spk_by_type(from->type, [&](auto *x) {
        spk_by_type(to->type, [&](auto *y) {
            by_width(wide, widest_v == 8, [&](auto v) {
                using X = std::remove_pointer_t<decltype(x)>;
                using Y = std::remove_pointer_t<decltype(y)>;
                constexpr int V = decltype(v)::value;
                const dim3 block = block_for(c / V);
                spk_launch(d, finish_rows<X, Y, V>, row_blocks(rows, block), block, 0, static_cast<const X *>(from->p),
                           from->ld, static_cast<Y *>(to->p), to->ld, rows, c, bias, relu, add);
            });
        });
    });
}

/* ---- the mask of a ReLU ---- */

template <typename X, typename Y, int V>
static __global__ void mask_rows(const X *x, int64_t x_ld, const X *sign, int64_t sign_ld, Y *y, int64_t y_ld,
                                 int64_t rows, int64_t c)
{
    for (int64_t r = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; r < rows;
         r += static_cast<int64_t>(gridDim.x) * blockDim.y) {
        for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < c; j += static_cast<int64_t>(blockDim.x) * V) {
            const spk_pack<X, V> in = *reinterpret_cast<const spk_pack<X, V> *>(x + r * x_ld + j);
            const spk_pack<X, V> s =
                sign ? *reinterpret_cast<const spk_pack<X, V> *>(sign + r * sign_ld + j) : spk_pack<X, V>();
            spk_pack<Y, V> out;
            for (int i = 0; i < V; i++)
                spk_store(&out.v[i], sign && spk_load(&s.v[i]) <= 0 ? 0.0f : spk_load(&in.v[i]));
            *reinterpret_cast<spk_pack<Y, V> *>(y + r * y_ld + j) = out;
        }
    }
}

void spk_conv_mask(spk_cuda *d, const spk_rows_of *from, const spk_rows_of *sign, const spk_rows_of *to, int64_t rows,
                   int64_t c)
{
    const int64_t widest_v = widest(from->type, to->type);
    const bool wide =
        c % widest_v == 0 && fits(from, widest_v) && fits(to, widest_v) && (!sign || fits(sign, widest_v));
    spk_by_type(from->type, [&](auto *x) {
        spk_by_type(to->type, [&](auto *y) {
            by_width(wide, widest_v == 8, [&](auto v) {
                using X = std::remove_pointer_t<decltype(x)>;
                using Y = std::remove_pointer_t<decltype(y)>;
                constexpr int V = decltype(v)::value;
                const dim3 block = block_for(c / V);
                spk_launch(d, mask_rows<X, Y, V>, row_blocks(rows, block), block, 0, static_cast<const X *>(from->p),
                           from->ld, static_cast<const X *>(sign ? sign->p : nullptr), sign ? sign->ld : 0,
                           static_cast<Y *>(to->p), to->ld, rows, c);
            });
        });
    });
}
