/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinc: the bank and z^ (sinc_impl.h), products of tiles of frames and filters, their logarithms, and these less their means over
 * an item's frames. With A = sum_t dC z^ (folded) and S = sum_t dC the backward pass is
 *   dbank = g A + b S,  dg = sum bank A,  db = sum S (sum of the filter);
 * a block makes the products of its tiles again, keeps their gradients in shared memory, and adds up its part of A in registers.
 * Scratch: z^, the bank and its sums; sums over frames; backward the blocks' parts of A and S, their totals, parts of dg and db.
 */
#include "backend/cuda/sinc_impl.h"

enum {
    SPREAD = 128, /* blocks that the frames of the backward pass are spread over, for each tile of filters and taps */
    SOME = 8      /* frames that are summed in float before double takes them; divides SINC_FRAMES */
};

/* Of an item's frames, for each channel. */
struct sinc_means {
    double *part; /* sums of chunks */
    float *mean;  /* (N, 2M) */
};

/* The gradient's own memory. */
struct sinc_sums {
    float *part;    /* (SPREAD, 2, half + 1, M) */
    double *part_s; /* (SPREAD, 2, M) */
    double *total, *total_s;
    double *dg, *db; /* (M) each */
    float *dlow, *dband, *dweight, *dbias;
};

static bool supports(const spk_geom *g)
{
    const spk_sinc_attr *attr = static_cast<const spk_sinc_attr *>(g->attr);
    return attr->kernel_size % 2 == 1 && attr->kernel_size >= 3 && attr->kernel_size <= 801 &&
           attr->stride <= 1 << 20 && spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && g->out[0].c / 2 <= 65536;
}

static size_t padded(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

static spk_chunks chunks_of(const spk_view *y)
{
    return spk_chunks_of(y->n, y->h * y->w, 1, y->c);
}

/* The next piece of scratch, which may be NULL. */
template <typename T> static T *take(void *scratch, size_t *at, int64_t n)
{
    const size_t begin = *at;
    *at += padded(static_cast<size_t>(n) * sizeof(T));
    return scratch ? reinterpret_cast<T *>(static_cast<char *>(scratch) + begin) : nullptr;
}

/* Returns the bytes of it all. */
static size_t lay_out(void *scratch, const spk_view *y, bool backward, sinc_plan *p, sinc_sums *s, sinc_means *m)
{
    size_t at = 0;
    const spk_chunks chunks = chunks_of(y);
    const int64_t taps = 2 * (p->half + 1) * p->m;
    p->z = take<float>(scratch, &at, p->items * p->samples);
    p->bank = take<float>(scratch, &at, taps);
    p->sum = take<double>(scratch, &at, p->m);
    p->frames = take<int64_t>(scratch, &at, p->items);
    m->part = take<double>(scratch, &at, static_cast<int64_t>(spk_chunks_bytes(&chunks, 1) / sizeof(double)));
    m->mean = take<float>(scratch, &at, p->items * y->c);
    if (!backward) return at;
    s->part = take<float>(scratch, &at, SPREAD * taps);
    s->part_s = take<double>(scratch, &at, SPREAD * 2 * p->m);
    s->total = take<double>(scratch, &at, taps);
    s->total_s = take<double>(scratch, &at, 2 * p->m);
    s->dg = take<double>(scratch, &at, p->m);
    s->db = take<double>(scratch, &at, p->m);
    return at;
}

static sinc_plan plan_of(const spk_sinc_attr *attr, const spk_view *x, const spk_view *y)
{
    sinc_plan p = {};
    p.items = x->n;
    p.samples = x->h * x->w;
    p.n_frames = y->h * y->w;
    p.m = y->c / 2;
    p.k = static_cast<int>(attr->kernel_size);
    p.half = p.k / 2;
    p.stride = static_cast<int>(attr->stride);
    p.tap_ld = (p.half + 1 + 3) / 4 * 4;
    p.top = static_cast<float>(attr->sample_rate / 2);
    p.term = static_cast<float>(attr->log_term);
    return p;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    sinc_plan p = plan_of(static_cast<const spk_sinc_attr *>(g->attr), &g->in[0], &g->out[0]);
    sinc_sums s;
    sinc_means m;
    return lay_out(nullptr, &g->out[0], g->train, &p, &s, &m);
}

static sinc_plan prepare(const spk_kargs *a, const spk_view *y, bool backward, sinc_sums *s, sinc_means *m)
{
    sinc_plan p = plan_of(static_cast<const spk_sinc_attr *>(a->attr), &a->in[0], y);
    const float *param[SPK_MAX_IN];
    for (int i = 0; i < SPK_MAX_IN; i++)
        param[i] = static_cast<const float *>(a->in[i].p);
    p.len = spk_lengths_of(a);
    p.filter = param[1];
    p.weight = param[2];
    p.bias = param[3];
    p.low = param[4];
    p.band = param[5];
    p.window = param[6];
    p.times = param[7];
    lay_out(a->scratch, y, backward, &p, s, m);
    spk_by_type(a->in[0].dtype,
                [&](auto *x) { sinc_prepare<std::remove_pointer_t<decltype(x)>>(spk_cuda_of(a), &p, &a->in[0]); });
    return p;
}

/* ---- means over an item's frames ---- */

template <typename Y> struct mean_add {
    spk_elements<Y> y;
    int64_t frames;
    __device__ void operator()(int64_t n, int64_t t, int64_t c, double *sum) const
    {
        sum[0] += static_cast<double>(y.get(n * frames + t, c));
    }
};

struct mean_put {
    spk_chunks chunks;
    const double *part;
    const int64_t *frames;
    float *mean; /* (N, 2M) */
    __device__ void operator()(int64_t n, int64_t, int64_t c) const
    {
        double sum;
        spk_add_chunks<1>(chunks, part, n, c, &sum);
        mean[n * chunks.c + c] = static_cast<float>(sum / static_cast<double>(frames[n] > 0 ? frames[n] : 1));
    }
};

template <typename Y> static void find_means(spk_cuda *d, const sinc_plan *p, const spk_view *y, const sinc_means *m)
{
    const spk_chunks chunks = chunks_of(y);
    spk_sum_columns<1>(d, &chunks, p->frames, m->part, mean_add<Y>{spk_elements<Y>(*y), p->n_frames});
    spk_each(d, p->items, 1, y->c, mean_put{chunks, m->part, p->frames, m->mean});
}

template <typename Y, int V> struct mean_subtract {
    spk_elements<Y> y;
    const int64_t *frames;
    const float *mean;
    int64_t n_frames, c;
    __device__ void operator()(int64_t n, int64_t t, int64_t j) const
    {
        Y *at = y.at(n * n_frames + t, j);
        float v[V];
        if (t >= frames[n]) return;
        spk_get_all(at, v);
        for (int i = 0; i < V; i++)
            v[i] -= mean[n * c + j + i];
        spk_put_all(at, v, false);
    }
};

/* ---- forward ---- */

/* A block a tile; filters of the odd kind behind all those of the even one. fours: y can be written 4 filters at a time. */
template <typename Y> static __global__ void logarithms(sinc_plan p, spk_elements<Y> y, bool fours)
{
    SPK_SHARED(float, folded);
    float *taps = folded + SINC_FRAMES * p.tap_ld;
    const int64_t tiles = (p.n_frames + SINC_FRAMES - 1) / SINC_FRAMES, n = blockIdx.x / tiles;
    const int64_t t0 = blockIdx.x % tiles * SINC_FRAMES, left = p.frames[n] - t0, m0 = blockIdx.y * SINC_FILTERS;
    const int n_f = left < 0 ? 0 : left < SINC_FRAMES ? static_cast<int>(left) : static_cast<int>(SINC_FRAMES);
    const bool odd = blockIdx.z == 1;
    float c[4][8];
    sinc_fold(p, n, t0, n_f, odd, folded);
    sinc_products(p, folded, p.bank + (odd ? (p.half + 1) * p.m : 0), m0, taps, c);
    const float g = *p.weight, b = odd ? 0 : *p.bias;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int64_t m = m0 + sinc_filter(4 * half), t = t0 + sinc_frame(i);
            spk_pack<Y, 4> four;
            if (m >= p.m || t >= p.n_frames) continue;
            for (int j = 0; j < 4; j++) {
                const float v = g * c[i][4 * half + j] + b * (m + j < p.m ? static_cast<float>(p.sum[m + j]) : 0);
                spk_store(four.v + j, sinc_frame(i) < n_f ? logf(fabsf(v) + p.term) : 0);
            }
            Y *to = y.at(n * p.n_frames + t, m + (odd ? p.m : 0));
            if (fours)
                *reinterpret_cast<spk_pack<Y, 4> *>(to) = four;
            else
                for (int j = 0; j < 4 && m + j < p.m; j++)
                    to[j] = four.v[j];
        }
}

template <typename Y> static bool in_fours(const spk_elements<Y> &y, int64_t c)
{
    return y.ld % 4 == 0 && c % 8 == 0 && reinterpret_cast<uintptr_t>(y.p) % sizeof(spk_pack<Y, 4>) == 0;
}

static void fwd(const spk_kargs *a)
{
    spk_cuda *d = spk_cuda_of(a);
    const spk_view *y = &a->out[0];
    sinc_means m;
    const sinc_plan p = prepare(a, y, false, nullptr, &m);
    const dim3 blocks(spk_blocks(p.items * ((p.n_frames + SINC_FRAMES - 1) / SINC_FRAMES), 1),
                      spk_blocks(p.m, SINC_FILTERS), 2);
    const size_t shared = static_cast<size_t>(SINC_FRAMES * p.tap_ld + SINC_TAPS * SINC_FILTERS) * sizeof(float);
    spk_by_type(y->dtype, [&](auto *t) {
        using Y = std::remove_pointer_t<decltype(t)>;
        const spk_elements<Y> to(*y);
        spk_launch(d, logarithms<Y>, blocks, SINC_THREADS, shared, p, to, in_fours(to, y->c));
        find_means<Y>(d, &p, y, &m);
        spk_by_width<Y>({y}, [&](auto width) {
            constexpr int V = decltype(width)::value;
            spk_each<V>(d, y->n, p.n_frames, y->c, mean_subtract<Y, V>{to, p.frames, m.mean, p.n_frames, y->c});
        });
    });
}

/* ---- backward ---- */

/* The tile's products become their gradients (dy - mean) sign(v) / (|v| + term) in shared memory, (SINC_FRAMES, SINC_FILTERS). */
template <typename Y>
__device__ static inline void slopes(const sinc_plan &p, const spk_elements<Y> &dy, const float *means, int64_t n,
                                     int64_t t0, int n_f, int64_t m0, bool odd, const float (&c)[4][8], float *dc)
{
    const float g = *p.weight, b = odd ? 0 : *p.bias;
    for (int j = 0; j < 8; j++) {
        const int64_t m = m0 + sinc_filter(j), channel = m + (odd ? p.m : 0);
        const float mean = m < p.m ? means[n * 2 * p.m + channel] : 0;
        for (int i = 0; i < 4; i++) {
            float slope = 0;
            if (m < p.m && sinc_frame(i) < n_f) {
                const float v = g * c[i][j] + b * static_cast<float>(p.sum[m]);
                slope = (dy.get(n * p.n_frames + t0 + sinc_frame(i), channel) - mean) / (fabsf(v) + p.term);
                slope = v > 0 ? slope : v < 0 ? -slope : 0;
            }
            dc[sinc_frame(i) * SINC_FILTERS + sinc_filter(j)] = slope;
        }
    }
}

/* sum[i][j] += dC of filter i and folded tap j over the tile's frames. A thread's filters lie like sinc_filter's, by its place
 * among 16 rows of threads; its taps like sinc_filter(j) from k0 on. */
__device__ static inline void add_tile(const sinc_plan &p, const float *dc, const float *folded, int k0,
                                       float (&sum)[8][8])
{
    using four = spk_pack<float, 4>;
    const int row = static_cast<int>(threadIdx.x) / 16 * 4, column = sinc_filter(0);
    const four zero = {{0, 0, 0, 0}};
    const bool first = k0 + column < p.tap_ld, second = k0 + column + 64 < p.tap_ld;
    for (int t = 0; t < SINC_FRAMES; t++) {
        const float *d = dc + t * SINC_FILTERS + row, *f = folded + t * p.tap_ld + k0 + column;
        const four a0 = *reinterpret_cast<const four *>(d), a1 = *reinterpret_cast<const four *>(d + 64);
        const four b0 = first ? *reinterpret_cast<const four *>(f) : zero;
        const four b1 = second ? *reinterpret_cast<const four *>(f + 64) : zero;
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                sum[i][j] += a0.v[i] * b0.v[j];
                sum[i][4 + j] += a0.v[i] * b1.v[j];
                sum[4 + i][j] += a1.v[i] * b0.v[j];
                sum[4 + i][4 + j] += a1.v[i] * b1.v[j];
            }
    }
}

/* Blocks: x: SPREAD, y: tiles of filters times those of taps, z: even and odd. Tile i of frames is block i % SPREAD's. */
template <typename Y>
static __global__ void bank_parts(sinc_plan p, spk_elements<Y> dy, const float *means, sinc_sums s)
{
    SPK_SHARED(float, folded);
    float *taps = folded + SINC_FRAMES * p.tap_ld, *dc = taps + SINC_TAPS * SINC_FILTERS;
    const int64_t tiles = (p.n_frames + SINC_FRAMES - 1) / SINC_FRAMES,
                  filter_tiles = (p.m + SINC_FILTERS - 1) / SINC_FILTERS;
    const int64_t m0 = blockIdx.y % filter_tiles * SINC_FILTERS;
    const int k0 = static_cast<int>(blockIdx.y / filter_tiles) * 128, tid = static_cast<int>(threadIdx.x);
    const int kind = static_cast<int>(blockIdx.z);
    const float *part = p.bank + kind * (p.half + 1) * p.m;
    float c[4][8], sum[8][8] = {};
    double all = 0;
    for (int64_t tile = blockIdx.x; tile < p.items * tiles; tile += SPREAD) {
        const int64_t n = tile / tiles, t0 = tile % tiles * SINC_FRAMES, left = p.frames[n] - t0;
        const int n_f = left < SINC_FRAMES ? static_cast<int>(left) : static_cast<int>(SINC_FRAMES);
        if (n_f <= 0) continue; /* the whole block */
        sinc_fold(p, n, t0, n_f, kind == 1, folded);
        sinc_products(p, folded, part, m0, taps, c);
        slopes(p, dy, means, n, t0, n_f, m0, kind == 1, c, dc);
        __syncthreads();
        add_tile(p, dc, folded, k0, sum);
        for (int t = 0; t < SINC_FRAMES && tid < SINC_FILTERS; t += SOME) {
            float some = 0;
            for (int i = 0; i < SOME; i++)
                some += dc[(t + i) * SINC_FILTERS + tid];
            all += static_cast<double>(some);
        }
        __syncthreads();
    }
    float *to = s.part + (static_cast<int64_t>(blockIdx.x) * 2 + kind) * (p.half + 1) * p.m;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            const int64_t m = m0 + tid / 16 * 4 + i % 4 + i / 4 * 64;
            const int k = k0 + sinc_filter(j);
            if (m < p.m && k <= p.half) to[k * p.m + m] = sum[i][j];
        }
    if (k0 == 0 && tid < SINC_FILTERS && m0 + tid < p.m)
        s.part_s[(static_cast<int64_t>(blockIdx.x) * 2 + kind) * p.m + m0 + tid] = all;
}

static __global__ void add_parts(sinc_plan p, sinc_sums s)
{
    const int64_t n = 2 * (p.half + 1) * p.m, i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    double all = 0;
    if (i < n) {
        for (int k = 0; k < SPREAD; k++)
            all += static_cast<double>(s.part[k * n + i]);
        s.total[i] = all;
    } else if (i - n < 2 * p.m) {
        for (int k = 0; k < SPREAD; k++)
            all += s.part_s[k * 2 * p.m + i - n];
        s.total_s[i - n] = all;
    }
}

__device__ static inline float sign(float x)
{
    return static_cast<float>((x > 0) - (x < 0));
}

/* From A and S of filters m and M + m to their edges, and their parts of dg and db: a block of 128 threads each. */
static __global__ void edges_bwd(sinc_plan p, sinc_sums s)
{
    __shared__ double room[32];
    const int64_t m = blockIdx.x, odd = (p.half + 1) * p.m;
    const sinc_edges e = sinc_edges_of(p, m);
    const double g = static_cast<double>(*p.weight), b = static_cast<double>(*p.bias);
    const double low = static_cast<double>(e.low), high = static_cast<double>(e.high), wide = high - low,
                 sum = s.total_s[m];
    double dg = 0, dlow = 0, dhigh = 0, dwidth = 0;
    for (int i = static_cast<int>(threadIdx.x); i < p.half; i += static_cast<int>(blockDim.x)) {
        const double a_even = s.total[i * p.m + m], a_odd = s.total[odd + i * p.m + m];
        const double at = static_cast<double>(p.times[i]), w = static_cast<double>(p.window[i]) / wide;
        const double even = static_cast<double>(p.bank[i * p.m + m]),
                     other = static_cast<double>(p.bank[odd + i * p.m + m]);
        const double de = g * a_even + 2 * b * sum, ds = g * a_odd;
        dg += even * a_even + other * a_odd;
        dhigh += w * (de * cos(high * at) + ds * sin(high * at));
        dlow -= w * (de * cos(low * at) + ds * sin(low * at));
        dwidth -= (de * even + ds * other) / wide;
    }
    dg = spk_block_sum(dg, room);
    dlow = spk_block_sum(dlow, room);
    dhigh = spk_block_sum(dhigh, room);
    dwidth = spk_block_sum(dwidth, room);
    if (threadIdx.x != 0) return;
    const double moves = e.may_move ? dhigh + dwidth : 0;
    if (s.dlow) s.dlow[m] += static_cast<float>(dlow - dwidth + moves) * sign(p.low[m]);
    if (s.dband) s.dband[m] += static_cast<float>(moves) * sign(p.band[m]);
    s.dg[m] = dg + s.total[p.half * p.m + m]; /* the centre's tap is 1 */
    s.db[m] = sum * p.sum[m];
}

/* One block. */
static __global__ void norm_bwd(sinc_plan p, sinc_sums s)
{
    __shared__ double room[32];
    double dg = 0, db = 0;
    for (int64_t m = threadIdx.x; m < p.m; m += blockDim.x) {
        dg += s.dg[m];
        db += s.db[m];
    }
    dg = spk_block_sum(dg, room);
    db = spk_block_sum(db, room);
    if (threadIdx.x != 0) return;
    if (s.dweight) *s.dweight += static_cast<float>(dg);
    if (s.dbias) *s.dbias += static_cast<float>(db);
}

static void bwd(const spk_kargs *a)
{
    spk_cuda *d = spk_cuda_of(a);
    const spk_view *dy = &a->dout[0];
    sinc_means m;
    sinc_sums s = {};
    const sinc_plan p = prepare(a, dy, true, &s, &m);
    const dim3 blocks(SPREAD, spk_blocks(p.m, SINC_FILTERS) * spk_blocks(p.half + 1, 128), 2);
    const size_t shared =
        static_cast<size_t>(SINC_FRAMES * (p.tap_ld + SINC_FILTERS) + SINC_TAPS * SINC_FILTERS) * sizeof(float);
    s.dweight = static_cast<float *>(a->din[2].p);
    s.dbias = static_cast<float *>(a->din[3].p);
    s.dlow = static_cast<float *>(a->din[4].p);
    s.dband = static_cast<float *>(a->din[5].p);
    spk_by_type(dy->dtype, [&](auto *t) {
        using Y = std::remove_pointer_t<decltype(t)>;
        const spk_elements<Y> from(*dy);
        find_means<Y>(d, &p, dy, &m);
        spk_launch(d, bank_parts<Y>, blocks, SINC_THREADS, shared, p, from, m.mean, s);
    });
    spk_launch(d, add_parts, spk_blocks(2 * (p.half + 2) * p.m, 128), 128, 0, p, s);
    spk_launch(d, edges_bwd, spk_blocks(p.m, 1), 128, 0, p, s);
    spk_launch(d, norm_bwd, 1, 256, 0, p, s);
}

const spk_kernel spk__cuda_sinc = {.name = "cuda",
                                   .supports = supports,
                                   .create = spk_lengths_create,
                                   .destroy = spk_lengths_destroy,
                                   .scratch_bytes = scratch_bytes,
                                   .fwd = fwd,
                                   .bwd = bwd};
