/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depthwise (backend_impl.h): y[u,c] = b[c] + sum_k w[c,k] x[u + k - pad, c]. A warp has 32 neighbouring channels. A thread makes
 * SPAN neighbouring frames of one channel; the frames that a tap meets stay in registers and move on by one from tap
 * to tap, so that each is read once. dx is the same sum with the taps turned round.
 *
 * dw: a thread has SPAN neighbouring taps of one channel and walks over a segment of frames in the same way. The sums of a block's
 * segments are a stripe; stripes are added in their order.
 */
#include "backend/cuda/cuda_impl.h"

enum { LANES = 32, LINES = 8, SPAN = 8, MOST_TAPS = 256, SEGMENT = 64, MOST_STRIPES = 256, PITCH = LANES + 1 };

/* x (n, frames, c), y (n, results, c): result u meets frame u + k - pad through tap k. */
struct walk {
    int n, frames, results, c, taps, pad;
    int64_t x_ld, y_ld;
};

template <typename X> __device__ static float frame_of(const X *x, int t, const walk &g)
{
    return t >= 0 && t < g.frames ? spk_load(x + t * g.x_ld) : 0.0f;
}

/* ---- values, and dx ---- */

/* turned: the taps from the last to the first. */
template <typename X, typename Y>
static __global__ void slide(const X *x, Y *y, const float *w, const float *bias, walk g, bool turned, bool add)
{
    SPK_SHARED(float, weights); /* (taps, PITCH) */
    const int lane = static_cast<int>(threadIdx.x), c0 = static_cast<int>(blockIdx.y) * LANES, c = c0 + lane;
    for (int i = static_cast<int>(threadIdx.y) * LANES + lane; i < LANES * g.taps; i += LANES * LINES) {
        const int column = i / g.taps, k = i - column * g.taps;
        if (c0 + column < g.c)
            weights[(turned ? g.taps - 1 - k : k) * PITCH + column] = w[static_cast<int64_t>(c0) * g.taps + i];
    }
    __syncthreads();
    const int spans = (g.results + SPAN - 1) / SPAN;
    const int64_t line = static_cast<int64_t>(blockIdx.x) * LINES + threadIdx.y, item = line / spans;
    const int first = static_cast<int>(line - item * spans) * SPAN;
    if (c >= g.c || item >= g.n) return;
    x += item * g.frames * g.x_ld + c;
    y += (item * g.results + first) * g.y_ld + c;
    float sum[SPAN], met[SPAN]; /* met: the frame that tap k and result first + s meet is at (k + s) % SPAN */
    for (int s = 0; s < SPAN; s++)
        sum[s] = bias ? bias[c] : 0;
    for (int s = 0; s < SPAN - 1; s++)
        met[s] = frame_of(x, first - g.pad + s, g);
    for (int k0 = 0; k0 < g.taps; k0 += SPAN) {
#pragma unroll
        for (int i = 0; i < SPAN; i++) {
            if (k0 + i >= g.taps) continue;
            const float weight = weights[(k0 + i) * PITCH + lane];
            met[(i + SPAN - 1) % SPAN] = frame_of(x, first - g.pad + k0 + i + SPAN - 1, g);
#pragma unroll
            for (int s = 0; s < SPAN; s++)
                sum[s] += weight * met[(i + s) % SPAN];
        }
    }
    for (int s = 0; s < SPAN && first + s < g.results; s++)
        spk_put(y + s * g.y_ld, sum[s], add);
}

static void run_slide(spk_cuda *d, const spk_view *x, const spk_view *y, const float *w, const float *bias,
                      const walk *g, bool turned, bool add)
{
    const int64_t lines = static_cast<int64_t>(g->n) * ((g->results + SPAN - 1) / SPAN);
    const dim3 blocks(spk_blocks(lines, LINES), spk_blocks(g->c, LANES));
    spk_by_type(x->dtype, [&](auto *t) {
        spk_by_type(y->dtype, [&](auto *u) {
            using X = std::remove_pointer_t<decltype(t)>;
            using Y = std::remove_pointer_t<decltype(u)>;
            spk_launch(d, slide<X, Y>, blocks, dim3(LANES, LINES), static_cast<size_t>(g->taps) * PITCH * sizeof(float),
                       static_cast<const X *>(x->p), static_cast<Y *>(y->p), w, bias, *g, turned, add);
        });
    });
}

/* ---- dw and db ---- */

static int n_segments(const walk *g)
{
    return (g->results + SEGMENT - 1) / SEGMENT;
}
static int n_stripes(const walk *g)
{
    const int64_t n = (static_cast<int64_t>(g->n) * n_segments(g) + LINES - 1) / LINES;
    return n < MOST_STRIPES ? static_cast<int>(n) : static_cast<int>(MOST_STRIPES);
}

/* partial (stripes, taps + 1, c): sums for the weights, and for the bias in the last row. */
template <typename X, typename Y>
static __global__ void sum_stripe(const X *x, const Y *dy, walk g, int segments, float *partial)
{
    __shared__ float room[LINES][LANES];
    const int lane = static_cast<int>(threadIdx.x), c = static_cast<int>(blockIdx.y) * LANES + lane;
    const int k0 = static_cast<int>(blockIdx.z) * SPAN;
    float sum[SPAN] = {}, met[SPAN], bias = 0; /* met: what result u meets through tap k0 + s is at (u + s) % SPAN */
    for (int64_t at = static_cast<int64_t>(blockIdx.x) * LINES + threadIdx.y; at < static_cast<int64_t>(g.n) * segments;
         at += static_cast<int64_t>(gridDim.x) * LINES) {
        const int64_t item = at / segments;
        const int first = static_cast<int>(at - item * segments) * SEGMENT;
        const int end = first + SEGMENT < g.results ? first + SEGMENT : g.results;
        const X *from = x + item * g.frames * g.x_ld + c;
        const Y *to = dy + item * g.results * g.y_ld + c;
        if (c >= g.c) continue;
        for (int s = 0; s < SPAN - 1; s++)
            met[s] = frame_of(from, first + k0 - g.pad + s, g);
        for (int u0 = first; u0 < end; u0 += SPAN) {
#pragma unroll
            for (int i = 0; i < SPAN; i++) {
                if (u0 + i >= end) continue;
                const float slope = spk_load(to + (u0 + i) * g.y_ld);
                met[(i + SPAN - 1) % SPAN] = frame_of(from, u0 + i + k0 - g.pad + SPAN - 1, g);
                bias += slope;
#pragma unroll
                for (int s = 0; s < SPAN; s++)
                    sum[s] += slope * met[(i + s) % SPAN];
            }
        }
    }
    const int64_t rows = g.taps + 1;
    for (int s = 0; s <= SPAN; s++) { /* the last one is the bias */
        if (s == SPAN && k0 > 0) break;
        if (s < SPAN && k0 + s >= g.taps) continue;
        room[threadIdx.y][lane] = s < SPAN ? sum[s] : bias;
        __syncthreads();
        float all = 0;
        for (int line = 0; line < LINES; line++)
            all += room[line][lane];
        if (threadIdx.y == 0 && c < g.c) partial[(blockIdx.x * rows + (s < SPAN ? k0 + s : g.taps)) * g.c + c] = all;
        __syncthreads();
    }
}

/* dw and db NULL: not wanted. A thread of the first line has one sum; the lines divide the stripes. */
static __global__ void sum_stripes(const float *partial, int stripes, int c, int taps, float *dw, float *db)
{
    __shared__ double room[LINES][LANES];
    const int lane = static_cast<int>(threadIdx.x), k = static_cast<int>(blockIdx.y);
    const int64_t column = static_cast<int64_t>(blockIdx.x) * LANES + lane;
    double sum = 0;
    for (int64_t s = threadIdx.y; s < stripes && column < c; s += LINES)
        sum += static_cast<double>(partial[(s * (taps + 1) + k) * c + column]);
    room[threadIdx.y][lane] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || column >= c) return;
    for (int line = 1; line < LINES; line++)
        sum += room[line][lane];
    float *to = k < taps ? (dw ? dw + column * taps + k : nullptr) : (db ? db + column : nullptr);
    if (to) *to += static_cast<float>(sum);
}

static void run_sums(const spk_kargs *a, const walk *g)
{
    const unsigned groups = spk_blocks(g->c, LANES), stripes = static_cast<unsigned>(n_stripes(g));
    const dim3 blocks(stripes, groups, spk_blocks(g->taps, SPAN));
    float *partial = static_cast<float *>(a->scratch);
    spk_by_type(a->in[0].dtype, [&](auto *t) {
        spk_by_type(a->dout[0].dtype, [&](auto *u) {
            using X = std::remove_pointer_t<decltype(t)>;
            using Y = std::remove_pointer_t<decltype(u)>;
            spk_launch(spk_cuda_of(a), sum_stripe<X, Y>, blocks, dim3(LANES, LINES), 0,
                       static_cast<const X *>(a->in[0].p), static_cast<const Y *>(a->dout[0].p), *g, n_segments(g),
                       partial);
        });
    });
    spk_launch(spk_cuda_of(a), sum_stripes, dim3(groups, static_cast<unsigned>(g->taps) + 1), dim3(LANES, LINES), 0,
               partial, static_cast<int>(stripes), g->c, g->taps, static_cast<float *>(a->din[1].p),
               static_cast<float *>(a->din[2].p));
}

/* ---- the kernel ---- */

static walk walk_of(const void *attr, const spk_view *x, const spk_view *y)
{
    const spk_depthwise_attr *k = static_cast<const spk_depthwise_attr *>(attr);
    return {static_cast<int>(x->n),
            static_cast<int>(x->w),
            static_cast<int>(y->w),
            static_cast<int>(x->c),
            static_cast<int>(k->k),
            static_cast<int>(k->pad),
            x->ld,
            y->ld};
}

static void fwd(const spk_kargs *a)
{
    const walk g = walk_of(a->attr, &a->in[0], &a->out[0]);
    run_slide(spk_cuda_of(a), &a->in[0], &a->out[0], static_cast<const float *>(a->in[1].p),
              static_cast<const float *>(a->in[2].p), &g, false, false);
}

static void bwd(const spk_kargs *a)
{
    if (a->din[0].p) {
        walk back = walk_of(a->attr, &a->dout[0], &a->din[0]);
        back.pad = back.taps - 1 - back.pad;
        run_slide(spk_cuda_of(a), &a->dout[0], &a->din[0], static_cast<const float *>(a->in[1].p), nullptr, &back, true,
                  a->add[0]);
    }
    const walk g = walk_of(a->attr, &a->in[0], &a->dout[0]);
    if (a->din[1].p || a->din[2].p) run_sums(a, &g);
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const walk k = walk_of(g->attr, &g->in[0], &g->out[0]);
    return g->want_din[1] || g->want_din[2]
               ? static_cast<size_t>(n_stripes(&k)) * static_cast<size_t>((k.taps + 1) * k.c) * sizeof(float)
               : 0;
}

static bool supports(const spk_geom *g)
{
    const spk_depthwise_attr *k = static_cast<const spk_depthwise_attr *>(g->attr);
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && k->k <= MOST_TAPS && g->in[0].w < INT32_MAX / 2;
}

const spk_kernel spk__cuda_depthwise = {
    .name = "cuda", .supports = supports, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
