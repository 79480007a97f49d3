/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What specaug draws for an item, and how a warped frame is put together: shared by its kernels, which only differ in
 * how they walk the frames. An item's draws are a function of the seed, its key and the op's stream, so they do not
 * depend on the rest of the batch, and the backward pass draws again.
 */
#ifndef SPK_BACKEND_SPECAUG_IMPL_H
#define SPK_BACKEND_SPECAUG_IMPL_H

#include <math.h>
#include <string.h>

#include "backend/backend_impl.h"

enum { SPK_WARP_BICUBIC, SPK_WARP_LINEAR, SPK_WARP_NEAREST };
enum { SPK_WARP_TAPS = 4 };

/* Frames [0, from) become [0, to), and [from, len) become [to, len); from == to: as they are. */
typedef struct spk_specaug_plan {
    int64_t len, from, to;
} spk_specaug_plan;

/* A frame of the result is the sum of weight[k] times frame at[k] of the input. */
typedef struct spk_warp_taps {
    int n;
    int64_t at[SPK_WARP_TAPS];
    double weight[SPK_WARP_TAPS];
} spk_warp_taps;

/* Mark n_masks ranges of `n` places, widths lo..hi, each width and begin equally likely. */
static inline void spk__mask_places(spk_rng *rng, int64_t n, int64_t n_masks, int64_t lo, int64_t hi, uint8_t *masked)
{
    if (hi > n) hi = n;
    if (lo > hi) return;
    for (int64_t m = 0; m < n_masks; m++) {
        const int64_t width = lo + spk_rng_below(rng, hi - lo + 1);
        const int64_t begin = spk_rng_below(rng, n - width + 1);
        memset(masked + begin, 1, (size_t)width);
    }
}

/* The draws of item i of `len` frames: the warp, and which of n_c bins and of the frames are masked. */
static inline spk_specaug_plan spk__specaug_draw(const spk_draws *d, const spk_specaug_attr *attr, int64_t i,
                                                 int64_t len, int64_t n_c, uint8_t *bins, uint8_t *frames)
{
    const int64_t window = attr->warp_window;
    spk_specaug_plan p = {.len = len};
    spk_rng rng = d->item ? spk_rng_make(d->seed, SPK_PURPOSE_MASK, 0, d->item[i], (uint32_t)attr->stream)
                          : spk_rng_make(d->seed, SPK_PURPOSE_MASK, d->step, (uint64_t)i, (uint32_t)attr->stream);
    memset(bins, 0, (size_t)n_c);
    memset(frames, 0, (size_t)len);
    if (attr->time_warp && window > 0 && len > 2 * window) {
        p.from = window + spk_rng_below(&rng, len - 2 * window);
        p.to = p.from - window + 1 + spk_rng_below(&rng, 2 * window);
    }
    if (attr->freq_mask) spk__mask_places(&rng, n_c, attr->n_freq, attr->freq_lo, attr->freq_hi, bins);
    if (!attr->time_mask) return p;
    const bool share = attr->time_ratio_hi > 0;
    const int64_t lo = share ? (int64_t)((double)len * attr->time_ratio_lo) : attr->time_lo;
    const int64_t hi = share ? (int64_t)((double)len * attr->time_ratio_hi) : attr->time_hi;
    spk__mask_places(&rng, len, attr->n_time, lo, hi, frames);
    return p;
}

/* Interpolation as torch does it: n places become m, without aligned corners. Bicubic with a = -0.75. */
static inline spk_warp_taps spk__resample_taps(int mode, int64_t n, int64_t m, int64_t to)
{
    const double a = -0.75;
    spk_warp_taps taps = {.n = 1, .weight = {1}};
    if (mode == SPK_WARP_NEAREST) {
        const int64_t at = (int64_t)((double)to * (double)n / (double)m);
        taps.at[0] = at < n ? at : n - 1;
        return taps;
    }
    double place = ((double)to + 0.5) * (double)n / (double)m - 0.5;
    if (mode == SPK_WARP_LINEAR && place < 0) place = 0;
    const double whole = floor(place), t = place - whole, u = 1 - t;
    const int64_t i = (int64_t)whole;
    const double cubic[4] = {((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
                             ((a + 2) * t - (a + 3)) * t * t + 1, ((a + 2) * u - (a + 3)) * u * u + 1,
                             ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a};
    taps.n = mode == SPK_WARP_LINEAR ? 2 : 4;
    for (int k = 0; k < taps.n; k++) {
        const int64_t at = i + k - (mode == SPK_WARP_LINEAR ? 0 : 1);
        taps.at[k] = at < 0 ? 0 : at >= n ? n - 1 : at;
        taps.weight[k] = mode == SPK_WARP_LINEAR ? (k ? t : u) : cubic[k];
    }
    return taps;
}

/* Where frame t < len of the result comes from. */
static inline spk_warp_taps spk__warp_taps(const spk_specaug_attr *attr, const spk_specaug_plan *p, int64_t t)
{
    if (p->from == p->to) return (spk_warp_taps){.n = 1, .at = {t}, .weight = {1}};
    if (t < p->to) return spk__resample_taps(attr->warp_mode, p->from, p->to, t);
    spk_warp_taps taps = spk__resample_taps(attr->warp_mode, p->len - p->from, p->len - p->to, t - p->to);
    for (int k = 0; k < taps.n; k++)
        taps.at[k] += p->from;
    return taps;
}

#endif
