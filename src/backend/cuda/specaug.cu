/* SPDX-License-Identifier: Apache-2.0 */
/*
 * specaug: the draws of specaug_impl.h on the device, the same words in the same order, then each element from its frames.
 * A block an item draws, marks bins and frames, and finds what masked places hold; all of it lies in scratch. Backward a thread has
 * a channel of an item and walks its frames, so that warped frames are added in a fixed order.
 */
#include "backend/cuda/items_impl.h"
#include "backend/cuda/rng_impl.h"
extern "C" {
#include "backend/specaug_impl.h"
}

struct item_plan {
    int64_t len, from, to; /* as spk_specaug_plan's */
    double fill;           /* forward: what masked places hold; backward: the sum of their gradients */
};

/* Items' plans, and their marks of bins and frames (N, C + T). */
struct specaug_room {
    spk_specaug_attr attr;
    item_plan *items;
    uint8_t *marks;
    int64_t frames, c;
    const int64_t *len;
    const spk_draws *draws;
};

__device__ static inline const uint8_t *bins_of(const specaug_room &s, int64_t n)
{
    return s.marks + n * (s.c + s.frames);
}
__device__ static inline bool is_masked(const specaug_room &s, int64_t n, int64_t t, int64_t c)
{
    return bins_of(s, n)[c] || bins_of(s, n)[s.c + t];
}

/* ---- draws ---- */

__device__ static inline void mask_places(spk_device_rng *rng, int64_t n, int64_t n_masks, int64_t lo, int64_t hi,
                                          uint8_t *masked)
{
    if (hi > n) hi = n;
    if (lo > hi) return;
    for (int64_t m = 0; m < n_masks; m++) {
        const int64_t width = lo + spk_device_rng_below(rng, hi - lo + 1);
        const int64_t begin = spk_device_rng_below(rng, n - width + 1);
        for (int64_t i = 0; i < width; i++)
            masked[begin + i] = 1;
    }
}

/* By one thread, into marks that are 0. */
__device__ static inline item_plan draw_item(const specaug_room &s, int64_t n, int64_t len, uint8_t *bins,
                                             uint8_t *frames)
{
    const spk_specaug_attr &attr = s.attr;
    const spk_draws *d = s.draws;
    const int64_t window = attr.warp_window;
    item_plan p = {len, 0, 0, 0};
    spk_device_rng rng =
        d->item ? spk_device_rng_make(d->seed, SPK_PURPOSE_MASK, 0, d->item[n], static_cast<uint32_t>(attr.stream))
                : spk_device_rng_make(d->seed, SPK_PURPOSE_MASK, d->step, static_cast<uint64_t>(n),
                                      static_cast<uint32_t>(attr.stream));
    if (attr.time_warp && window > 0 && len > 2 * window) {
        p.from = window + spk_device_rng_below(&rng, len - 2 * window);
        p.to = p.from - window + 1 + spk_device_rng_below(&rng, 2 * window);
    }
    if (attr.freq_mask) mask_places(&rng, s.c, attr.n_freq, attr.freq_lo, attr.freq_hi, bins);
    if (!attr.time_mask) return p;
    const bool share = attr.time_ratio_hi > 0;
    const int64_t lo = share ? static_cast<int64_t>(static_cast<double>(len) * attr.time_ratio_lo) : attr.time_lo;
    const int64_t hi = share ? static_cast<int64_t>(static_cast<double>(len) * attr.time_ratio_hi) : attr.time_hi;
    mask_places(&rng, len, attr.n_time, lo, hi, frames);
    return p;
}

/* x: the input, for the mean that masked places hold; or backward dy, whose masked places are added up. A block an item. */
static __global__ void draw(specaug_room s, spk_elements<float> x, bool backward)
{
    __shared__ double room[32];
    const int64_t n = blockIdx.x, len = spk_valid(s.len, n, s.frames);
    uint8_t *bins = s.marks + n * (s.c + s.frames);
    item_plan p = {};
    double sum = 0;
    for (int64_t i = threadIdx.x; i < s.c + s.frames; i += blockDim.x)
        bins[i] = 0;
    __syncthreads();
    if (threadIdx.x == 0) p = draw_item(s, n, len, bins, bins + s.c);
    __syncthreads();
    if (!s.attr.replace_with_zero)
        for (int64_t i = threadIdx.x; i < len * s.c; i += blockDim.x) {
            const int64_t t = i / s.c, c = i - t * s.c;
            if (!backward || is_masked(s, n, t, c)) sum += static_cast<double>(x.get(n * s.frames + t, c));
        }
    sum = spk_block_sum(sum, room);
    if (threadIdx.x != 0) return;
    p.fill = len > 0 ? sum / static_cast<double>(len * s.c) : 0;
    s.items[n] = p;
}

/* ---- warped frames: spk__warp_taps ---- */

struct warp_taps {
    int n;
    int64_t at[SPK_WARP_TAPS];
    float weight[SPK_WARP_TAPS];
};

__device__ static inline double cubic(double x) /* 1 < x < 2 */
{
    const double a = -0.75;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}
__device__ static inline double cubic_near(double x) /* x < 1 */
{
    const double a = -0.75;
    return ((a + 2) * x - (a + 3)) * x * x + 1;
}

/* Interpolation as torch does it: n places become m. */
__device__ static inline warp_taps resample(int mode, int64_t n, int64_t m, int64_t to, int64_t first)
{
    warp_taps taps = {1, {0, 0, 0, 0}, {1, 0, 0, 0}};
    if (mode == SPK_WARP_NEAREST) {
        const int64_t at =
            static_cast<int64_t>(static_cast<double>(to) * static_cast<double>(n) / static_cast<double>(m));
        taps.at[0] = first + (at < n ? at : n - 1);
        return taps;
    }
    double place = (static_cast<double>(to) + 0.5) * static_cast<double>(n) / static_cast<double>(m) - 0.5;
    if (mode == SPK_WARP_LINEAR && place < 0) place = 0;
    const double whole = floor(place), t = place - whole, u = 1 - t;
    const bool linear = mode == SPK_WARP_LINEAR;
    const double weight[4] = {linear ? u : cubic(t + 1), linear ? t : cubic_near(t), linear ? 0 : cubic_near(u),
                              linear ? 0 : cubic(u + 1)};
    taps.n = linear ? 2 : 4;
    for (int k = 0; k < 4; k++) {
        const int64_t at = static_cast<int64_t>(whole) + k - (linear ? 0 : 1);
        taps.at[k] = first + (at < 0 ? 0 : at >= n ? n - 1 : at);
        taps.weight[k] = static_cast<float>(weight[k]);
    }
    return taps;
}

__device__ static inline warp_taps taps_of(int mode, const item_plan &p, int64_t t)
{
    if (p.from == p.to) return {1, {t, 0, 0, 0}, {1, 0, 0, 0}};
    if (t < p.to) return resample(mode, p.from, p.to, t, 0);
    return resample(mode, p.len - p.from, p.len - p.to, t - p.to, p.from);
}

/* ---- forward and backward ---- */

struct augment {
    specaug_room s;
    spk_elements<float> x, y;
    __device__ void operator()(int64_t n, int64_t t, int64_t c) const
    {
        const item_plan p = s.items[n];
        float sum = 0;
        if (t < p.len && is_masked(s, n, t, c)) {
            sum = static_cast<float>(p.fill);
        } else if (t < p.len) {
            const warp_taps taps = taps_of(s.attr.warp_mode, p, t);
            for (int k = 0; k < taps.n; k++)
                sum += taps.weight[k] * x.get(n * s.frames + taps.at[k], c);
        }
        *y.at(n * s.frames + t, c) = sum;
    }
};

/* All frames of a channel, on top of what stands in dx where `add`. */
struct augment_bwd {
    specaug_room s;
    spk_elements<float> dy, dx;
    bool add;
    __device__ void operator()(int64_t n, int64_t, int64_t c) const
    {
        const item_plan p = s.items[n];
        const int64_t first = n * s.frames;
        const float filled =
            static_cast<float>(p.fill); /* its share of the mean's gradient; 0 with replace_with_zero */
        for (int64_t t = 0; t < s.frames; t++) {
            const float before = add ? *dx.at(first + t, c) : 0;
            *dx.at(first + t, c) = t < p.len ? before + filled : before;
        }
        for (int64_t t = 0; t < p.len; t++) {
            if (is_masked(s, n, t, c)) continue;
            const warp_taps taps = taps_of(s.attr.warp_mode, p, t);
            const float d = dy.get(first + t, c);
            for (int k = 0; k < taps.n; k++)
                *dx.at(first + taps.at[k], c) += taps.weight[k] * d;
        }
    }
};

static bool supports(const spk_geom *g)
{
    return g->in[0].dtype == SPK_F32 && g->out[0].dtype == SPK_F32;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const spk_view *x = &g->in[0];
    return static_cast<size_t>(x->n) * (sizeof(item_plan) + static_cast<size_t>(x->c + x->h * x->w));
}

static specaug_room room_of(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    item_plan *items = static_cast<item_plan *>(a->scratch);
    return {*static_cast<const spk_specaug_attr *>(a->attr),
            items,
            reinterpret_cast<uint8_t *>(items + x->n),
            x->h * x->w,
            x->c,
            spk_lengths_of(a),
            a->ctx->device_draws};
}

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const specaug_room s = room_of(a);
    const spk_elements<float> from(*x);
    spk_launch(spk_cuda_of(a), draw, spk_blocks(x->n, 1), 256, 0, s, from, false);
    spk_each(spk_cuda_of(a), x->n, s.frames, s.c, augment{s, from, spk_elements<float>(a->out[0])});
}

static void bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const specaug_room s = room_of(a);
    const spk_elements<float> dy(a->dout[0]);
    if (!a->din[0].p) return;
    spk_launch(spk_cuda_of(a), draw, spk_blocks(x->n, 1), 256, 0, s, dy, true);
    spk_each(spk_cuda_of(a), x->n, 1, s.c, augment_bwd{s, dy, spk_elements<float>(a->din[0]), a->add[0]});
}

const spk_kernel spk__cuda_specaug = {.name = "cuda",
                                      .supports = supports,
                                      .create = spk_lengths_create,
                                      .destroy = spk_lengths_destroy,
                                      .scratch_bytes = scratch_bytes,
                                      .fwd = fwd,
                                      .bwd = bwd};
