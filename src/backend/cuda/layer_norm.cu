/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_norm (backend_impl.h), a warp a row. Up to HELD channels lie in the registers of its lanes, and what its rows give
 * to gamma and beta too; longer rows, and those that cannot be moved 16 bytes at a time, come from memory once and then from
 * the first cache, and are summed in shared memory. Saves the mean and 1 / deviation of each row. A block's sums are a part
 * (scratch), and the parts are added in their order.
 */
#include "backend/cuda/each_impl.h"
#include "backend/cuda/parts_impl.h"

enum { WARPS = 8, SHARED = 48 * 1024, HELD = 512 };
static const unsigned MOST_PARTS = 528;

template <typename X, typename Y> struct forward_rows {
    const X *x;
    Y *y;
    const float *gamma, *beta;
    float *save; /* or NULL */
    int64_t x_ld, y_ld, rows, n_c;
    double eps;
};

template <int V, typename X, typename Y> static __global__ void layer_norm_forward(forward_rows<X, Y> f)
{
    const int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    const int64_t c0 = threadIdx.x % 32 * V;
    if (row >= f.rows) return; /* a whole warp */
    const X *x = f.x + row * f.x_ld;
    float v[V], sum = 0, square = 0;
    for (int64_t c = c0; c < f.n_c; c += 32 * V) {
        spk_take<V>(x + c, v);
        for (int i = 0; i < V; i++)
            sum += v[i];
    }
    const float mean = spk_warp_sum(sum) / static_cast<float>(f.n_c);
    for (int64_t c = c0; c < f.n_c; c += 32 * V) {
        spk_take<V>(x + c, v);
        for (int i = 0; i < V; i++)
            square += (v[i] - mean) * (v[i] - mean);
    }
    const double var = static_cast<double>(spk_warp_sum(square)) / static_cast<double>(f.n_c);
    const float inv = static_cast<float>(1 / sqrt(var + f.eps));
    for (int64_t c = c0; c < f.n_c; c += 32 * V) {
        float g[V], b[V];
        spk_take<V>(x + c, v);
        spk_take<V>(f.gamma + c, g);
        spk_take<V>(f.beta + c, b);
        for (int i = 0; i < V; i++)
            v[i] = (v[i] - mean) * inv * g[i] + b[i];
        spk_give<V>(f.y + row * f.y_ld + c, v, false);
    }
    if (f.save && threadIdx.x % 32 == 0) {
        f.save[2 * row] = mean;
        f.save[2 * row + 1] = inv;
    }
}

/* V channels of 32 lanes, PIECES times; what is behind the end of a row is zero. */
template <int V, int PIECES, typename T>
__device__ static inline void hold(const T *row, int64_t n_c, float (&x)[PIECES][V])
{
#pragma unroll
    for (int k = 0; k < PIECES; k++) {
        const int c = (k * 32 + static_cast<int>(threadIdx.x % 32)) * V;
        for (int i = 0; i < V; i++)
            x[k][i] = 0;
        if (c < n_c) spk_take<V>(row + c, x[k]);
    }
}

template <int V, int PIECES, typename X, typename Y>
static __global__ void __launch_bounds__(WARPS * 32) layer_norm_forward_held(forward_rows<X, Y> f)
{
    const int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    const int lane = static_cast<int>(threadIdx.x % 32);
    if (row >= f.rows) return; /* a whole warp */
    float x[PIECES][V], sum = 0, square = 0;
    hold<V, PIECES>(f.x + row * f.x_ld, f.n_c, x);
#pragma unroll
    for (int k = 0; k < PIECES; k++)
        for (int i = 0; i < V; i++)
            sum += x[k][i];
    const float mean = spk_warp_sum(sum) / static_cast<float>(f.n_c);
#pragma unroll
    for (int k = 0; k < PIECES; k++) {
        if ((k * 32 + lane) * V >= f.n_c) continue;
        for (int i = 0; i < V; i++)
            square += (x[k][i] - mean) * (x[k][i] - mean);
    }
    const double var = static_cast<double>(spk_warp_sum(square)) / static_cast<double>(f.n_c);
    const float inv = static_cast<float>(1 / sqrt(var + f.eps));
#pragma unroll
    for (int k = 0; k < PIECES; k++) {
        const int c = (k * 32 + lane) * V;
        float y[V];
        if (c >= f.n_c) continue;
#pragma unroll
        for (int i = 0; i < V; i += 4) { /* parameters, 16 bytes at a time */
            float g[4], b[4];
            spk_take<4>(f.gamma + c + i, g);
            spk_take<4>(f.beta + c + i, b);
            for (int j = 0; j < 4; j++)
                y[i + j] = (x[k][i + j] - mean) * inv * g[j] + b[j];
        }
        spk_give<V>(f.y + row * f.y_ld + c, y, false);
    }
    if (f.save && lane == 0) {
        f.save[2 * row] = mean;
        f.save[2 * row + 1] = inv;
    }
}

/* May parameters be read 4 at once? */
static bool is_wide_param(const spk_view *v)
{
    return reinterpret_cast<uintptr_t>(v->p) % (SPK_EACH_WIDE * sizeof(float)) == 0;
}

/* Elements of 16 bytes of a type, or of the wider of two. */
template <typename X, typename Y> constexpr int held_width = 16 / (sizeof(X) > sizeof(Y) ? sizeof(X) : sizeof(Y));

/* May rows lie in registers? Absent views do not matter. */
template <int V> static bool is_held(const spk_view *v)
{
    const uintptr_t bytes = V * (v->dtype == SPK_BF16 ? sizeof(spk_b16) : sizeof(float));
    return !v->p || (v->c <= HELD && reinterpret_cast<uintptr_t>(v->p) % bytes == 0 && v->ld % V == 0 && v->c % V == 0);
}

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const bool wide = spk_is_wide(x) && spk_is_wide(y) && is_wide_param(&a->in[1]) && is_wide_param(&a->in[2]);
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(y->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const forward_rows<X, Y> f = {static_cast<X *>(x->p),
                                          static_cast<Y *>(y->p),
                                          static_cast<float *>(a->in[1].p),
                                          static_cast<float *>(a->in[2].p),
                                          static_cast<float *>(a->save),
                                          x->ld,
                                          y->ld,
                                          spk_rows(x),
                                          x->c,
                                          static_cast<const spk_layer_norm_attr *>(a->attr)->eps};
            constexpr int V = held_width<X, Y>;
            auto kernel = wide ? layer_norm_forward<SPK_EACH_WIDE, X, Y> : layer_norm_forward<1, X, Y>;
            if (wide && is_held<V>(x) && is_held<V>(y)) kernel = layer_norm_forward_held<V, HELD / 32 / V, X, Y>;
            spk_launch(spk_cuda_of(a), kernel, spk_blocks(f.rows, WARPS), WARPS * 32, 0, f);
        });
    });
}

/* ---- backward ---- */

template <typename X, typename Y> struct backward_rows {
    const X *x;
    const Y *dy;
    X *dx; /* or NULL */
    const float *gamma, *save;
    float *parts; /* (blocks, 2C): dgamma, dbeta; NULL: not wanted */
    int64_t x_ld, dy_ld, dx_ld, rows, n_c;
    bool add;
};

/* A row of a warp; its sums of gamma (C) and beta (C) in shared memory. */
template <int V, typename X, typename Y>
__device__ void backward_row(const backward_rows<X, Y> &b, int64_t row, float *mine)
{
    const int64_t c0 = threadIdx.x % 32 * V;
    const float mean = b.save[2 * row], inv = b.save[2 * row + 1];
    const X *x = b.x + row * b.x_ld;
    const Y *dy = b.dy + row * b.dy_ld;
    float v[V], d[V], g[V], sum = 0, product = 0;
    for (int64_t c = c0; c < b.n_c; c += 32 * V) {
        spk_take<V>(x + c, v);
        spk_take<V>(dy + c, d);
        spk_take<V>(b.gamma + c, g);
        for (int i = 0; i < V; i++) {
            v[i] = (v[i] - mean) * inv * d[i];
            sum += d[i] * g[i];
            product += v[i] * g[i];
        }
        if (!b.parts) continue;
        spk_give<V>(mine + c, v, true);
        spk_give<V>(mine + b.n_c + c, d, true);
    }
    if (!b.dx) return; /* of all lanes */
    const float s = spk_warp_sum(sum) / static_cast<float>(b.n_c),
                p = spk_warp_sum(product) / static_cast<float>(b.n_c);
    for (int64_t c = c0; c < b.n_c; c += 32 * V) {
        spk_take<V>(x + c, v);
        spk_take<V>(dy + c, d);
        spk_take<V>(b.gamma + c, g);
        for (int i = 0; i < V; i++)
            v[i] = inv * (d[i] * g[i] - s - (v[i] - mean) * inv * p);
        spk_give<V>(b.dx + row * b.dx_ld + c, v, b.add);
    }
}

/* A block's part, from the sums of its warps. All threads come here. */
template <typename X, typename Y>
__device__ static inline void add_warps(const backward_rows<X, Y> &b, const float *room)
{
    const int64_t n_sums = b.parts ? 2 * b.n_c : 0, warps = blockDim.x / 32;
    __syncthreads();
    for (int64_t c = threadIdx.x; c < n_sums; c += blockDim.x) {
        float sum = 0;
        for (int64_t w = 0; w < warps; w++)
            sum += room[w * n_sums + c];
        b.parts[blockIdx.x * n_sums + c] = sum;
    }
}

template <int V, typename X, typename Y> static __global__ void layer_norm_backward(backward_rows<X, Y> b)
{
    SPK_SHARED(float, room); /* (warps, 2C) */
    const int64_t n_sums = b.parts ? 2 * b.n_c : 0, warps = blockDim.x / 32;
    float *mine = room + threadIdx.x / 32 * n_sums;
    for (int64_t c = threadIdx.x; c < warps * n_sums; c += blockDim.x)
        room[c] = 0;
    __syncthreads();
    for (int64_t row = blockIdx.x * warps + threadIdx.x / 32; row < b.rows; row += gridDim.x * warps)
        backward_row<V>(b, row, mine);
    add_warps(b, room);
}

/* A row's values and gradients; dgamma and dbeta of its warp. */
template <int V, int PIECES, typename X, typename Y>
static __global__ void __launch_bounds__(WARPS * 32) layer_norm_backward_held(backward_rows<X, Y> b)
{
    SPK_SHARED(float, room); /* (warps, 2C) */
    const int64_t warps = blockDim.x / 32;
    const int lane = static_cast<int>(threadIdx.x % 32);
    float dgamma[PIECES][V] = {}, dbeta[PIECES][V] = {};
    for (int64_t row = blockIdx.x * warps + threadIdx.x / 32; row < b.rows; row += gridDim.x * warps) {
        const float mean = b.save[2 * row], inv = b.save[2 * row + 1];
        float x[PIECES][V], d[PIECES][V], sum = 0, product = 0;
        hold<V, PIECES>(b.x + row * b.x_ld, b.n_c, x);
        hold<V, PIECES>(b.dy + row * b.dy_ld, b.n_c, d);
#pragma unroll
        for (int k = 0; k < PIECES; k++) {
            const int c = (k * 32 + lane) * V;
            if (c >= b.n_c) continue;
#pragma unroll
            for (int i = 0; i < V; i += 4) {
                float g[4];
                spk_take<4>(b.gamma + c + i, g);
                for (int j = 0; j < 4; j++) {
                    x[k][i + j] = (x[k][i + j] - mean) * inv;
                    dgamma[k][i + j] += x[k][i + j] * d[k][i + j];
                    dbeta[k][i + j] += d[k][i + j];
                    d[k][i + j] *= g[j];
                    sum += d[k][i + j];
                    product += x[k][i + j] * d[k][i + j];
                }
            }
        }
        if (!b.dx) continue; /* of all lanes */
        sum = spk_warp_sum(sum) / static_cast<float>(b.n_c);
        product = spk_warp_sum(product) / static_cast<float>(b.n_c);
#pragma unroll
        for (int k = 0; k < PIECES; k++) {
            const int c = (k * 32 + lane) * V;
            if (c >= b.n_c) continue;
            for (int i = 0; i < V; i++)
                d[k][i] = inv * (d[k][i] - sum - x[k][i] * product);
            spk_give<V>(b.dx + row * b.dx_ld + c, d[k], b.add);
        }
    }
    if (!b.parts) return; /* of all threads */
    float *mine = room + threadIdx.x / 32 * 2 * b.n_c;
#pragma unroll
    for (int k = 0; k < PIECES; k++) {
        const int c = (k * 32 + lane) * V;
        if (c >= b.n_c) continue;
#pragma unroll
        for (int i = 0; i < V; i += 4) {
            spk_give<4>(mine + c + i, dgamma[k] + i, false);
            spk_give<4>(mine + b.n_c + c + i, dbeta[k] + i, false);
        }
    }
    add_warps(b, room);
}

/* Warps of a block, whose sums fit into shared memory; blocks. */
static unsigned warps_of(int64_t n_c)
{
    const int64_t fit = SHARED / (2 * n_c * static_cast<int64_t>(sizeof(float)));
    return fit > WARPS ? static_cast<unsigned>(WARPS) : fit < 1 ? 1u : static_cast<unsigned>(fit);
}

static unsigned parts_of(int64_t rows, int64_t n_c)
{
    const unsigned all = spk_blocks(rows, warps_of(n_c));
    return all < MOST_PARTS ? all : MOST_PARTS;
}

static void bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *dy = &a->dout[0], *dx = &a->din[0];
    const int64_t rows = spk_rows(x), n_c = x->c;
    const bool wants_sums = a->din[1].p || a->din[2].p;
    const bool wide = spk_is_wide(x) && spk_is_wide(dy) && spk_is_wide(dx) && is_wide_param(&a->in[1]);
    const unsigned parts = parts_of(rows, n_c), warps = warps_of(n_c);
    const size_t shared = wants_sums ? warps * 2 * static_cast<size_t>(n_c) * sizeof(float) : 0;
    float *sums = static_cast<float *>(a->scratch);
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(dy->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const backward_rows<X, Y> b = {static_cast<X *>(x->p),
                                           static_cast<Y *>(dy->p),
                                           static_cast<X *>(dx->p),
                                           static_cast<float *>(a->in[1].p),
                                           static_cast<float *>(a->save),
                                           wants_sums ? sums : nullptr,
                                           x->ld,
                                           dy->ld,
                                           dx->ld,
                                           rows,
                                           n_c,
                                           a->add[0]};
            constexpr int V = held_width<X, Y>;
            auto kernel = wide ? layer_norm_backward<SPK_EACH_WIDE, X, Y> : layer_norm_backward<1, X, Y>;
            if (wide && is_held<V>(x) && is_held<V>(dy) && is_held<V>(dx))
                kernel = layer_norm_backward_held<V, HELD / 32 / V, X, Y>;
            spk_launch(spk_cuda_of(a), kernel, parts, warps * 32, shared, b);
        });
    });
    for (int i = 1; i < 3; i++)
        if (a->din[i].p)
            spk_cuda_add_parts(spk_cuda_of(a), sums + (i - 1) * n_c, 2 * n_c, parts, n_c,
                               static_cast<float *>(a->din[i].p), true);
}

static bool supports(const spk_geom *g)
{
    const int64_t most =
        4 * SHARED / (2 * static_cast<int64_t>(sizeof(float))); /* channels whose sums fit for one warp */
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && g->in[0].c <= most;
}

static size_t save_bytes(const spk_geom *g)
{
    return static_cast<size_t>(spk_rows(&g->in[0])) * 2 * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    const size_t parts = g->train ? parts_of(spk_rows(&g->in[0]), g->in[0].c) : 0;
    return parts * 2 * static_cast<size_t>(g->in[0].c) * sizeof(float);
}

const spk_kernel spk__cuda_layer_norm = {.name = "cuda",
                                         .supports = supports,
                                         .save_bytes = save_bytes,
                                         .scratch_bytes = scratch_bytes,
                                         .fwd = fwd,
                                         .bwd = bwd};
