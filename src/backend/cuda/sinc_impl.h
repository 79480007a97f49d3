/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinc.cu's parts: the bank, the normalised utterance z^, and the products of a tile of frames with a tile of filters.
 *
 * A filter is the mirror image of itself (even) or its negative (odd), so a frame is folded: sums z[i] + z[K-1-i] meet the left
 * halves of the even filters (and the centre, whose tap is 1), differences those of the odd ones. The bank has two
 * parts of (half + 1, M), taps as rows; the last row of the odd one is 0.
 * It is made in float, in the order of operations of its source: models are trained with that rounding.
 */
#ifndef SPK_BACKEND_CUDA_SINC_IMPL_H
#define SPK_BACKEND_CUDA_SINC_IMPL_H

#include "backend/cuda/items_impl.h"

enum {
    SINC_THREADS = 256,
    SINC_FRAMES = 64,   /* of a tile; a thread has 4 */
    SINC_FILTERS = 128, /* of a tile; a thread has 4 and 4 */
    SINC_TAPS = 16      /* of the bank in shared memory at a time */
};

struct sinc_plan {
    int64_t items, samples, n_frames, m; /* m: filters of a kind */
    int k, half, stride;
    int tap_ld;         /* of a folded frame in shared memory: half + 1 and zeros, a multiple of 4 */
    const int64_t *len; /* in samples */
    float top, term;    /* highest frequency; what is added before the logarithm */
    const float *filter, *weight, *bias, *low, *band, *window, *times;
    float *z, *bank; /* (N, samples), (2, half + 1, M) */
    double *sum;     /* of an even filter's taps (M) */
    int64_t *frames; /* (N): of each item */
};

static __global__ void sinc_count_frames(sinc_plan p)
{
    const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (n >= p.items) return;
    const int64_t len = spk_valid(p.len, n, p.samples), frames = (len - p.k) / p.stride + 1;
    p.frames[n] = len < p.k ? 0 : frames < p.n_frames ? frames : p.n_frames;
}

/* ---- the bank ---- */

struct sinc_edges {
    float low, high;
    bool may_move; /* the upper one is not at its bound */
};

__device__ static inline sinc_edges sinc_edges_of(const sinc_plan &p, int64_t m)
{
    const float least = 50, low = least + fabsf(p.low[m]), want = low + least + fabsf(p.band[m]);
    return {low, want > p.top ? p.top : want, want <= p.top};
}

/* A block of whole warps a filter. */
static __global__ void sinc_make_bank(sinc_plan p)
{
    __shared__ double room[32];
    const int64_t m = blockIdx.x, odd = (p.half + 1) * p.m;
    const sinc_edges e = sinc_edges_of(p, m);
    const float width = e.high - e.low;
    double sum = 0;
    for (int i = static_cast<int>(threadIdx.x); i < p.half; i += static_cast<int>(blockDim.x)) {
        const float n = p.times[i], from = e.low * n, to = e.high * n;
        const float even = (sinf(to) - sinf(from)) / (n / 2) * p.window[i] / (2 * width);
        p.bank[i * p.m + m] = even;
        p.bank[odd + i * p.m + m] = (cosf(from) - cosf(to)) / (n / 2) * p.window[i] / (2 * width);
        sum += 2 * static_cast<double>(even);
    }
    sum = spk_block_sum(sum, room);
    if (threadIdx.x != 0) return;
    p.bank[p.half * p.m + m] = 1;
    p.bank[odd + p.half * p.m + m] = 0;
    p.sum[m] = sum + 1;
}

/* ---- the utterance ---- */

/* z^ = (y - mean) / sqrt(var + 1e-4) of the pre-emphasised samples y: a block of whole warps an item. */
template <typename X> static __global__ void sinc_normalise(sinc_plan p, const X *x, int64_t x_ld)
{
    __shared__ double room[32];
    const int64_t n = blockIdx.x, len = spk_valid(p.len, n, p.samples);
    const X *from = x + n * p.samples * x_ld;
    float *z = p.z + n * p.samples;
    double sum = 0, square = 0;
    for (int64_t i = threadIdx.x; i < len; i += blockDim.x) {
        const int64_t before = i > 0 ? i - 1 : len > 1 ? 1 : 0; /* mirrored */
        const float now = spk_load(from + i * x_ld);
        z[i] = p.filter ? p.filter[0] * spk_load(from + before * x_ld) + p.filter[1] * now : now;
        sum += static_cast<double>(z[i]);
    }
    const double count = static_cast<double>(len > 0 ? len : 1), mean = spk_block_sum(sum, room) / count;
    for (int64_t i = threadIdx.x; i < len; i += blockDim.x) { /* each thread its own samples */
        const double v = static_cast<double>(z[i]) - mean;
        square += v * v;
    }
    const double scale = 1 / sqrt(spk_block_sum(square, room) / count + 1e-4);
    for (int64_t i = threadIdx.x; i < len; i += blockDim.x)
        z[i] = static_cast<float>((static_cast<double>(z[i]) - mean) * scale);
}

template <typename X> static inline void sinc_prepare(spk_cuda *d, const sinc_plan *p, const spk_view *x)
{
    spk_launch(d, sinc_count_frames, spk_blocks(p->items, 128), 128, 0, *p);
    spk_launch(d, sinc_make_bank, spk_blocks(p->m, 1), 128, 0, *p);
    spk_launch(d, sinc_normalise<X>, spk_blocks(p->items, 1), 1024, 0, *p, static_cast<const X *>(x->p), x->ld);
}

/* ---- products ---- */

/* Frames [t0, t0 + n_f) of item n, folded, into (SINC_FRAMES, tap_ld); what is missing is 0. */
__device__ static inline void sinc_fold(const sinc_plan &p, int64_t n, int64_t t0, int n_f, bool odd, float *folded)
{
    const float *z = p.z + n * p.samples + t0 * p.stride;
    for (int t = static_cast<int>(threadIdx.x) / 32; t < SINC_FRAMES; t += SINC_THREADS / 32) { /* of a warp */
        const float *frame = z + static_cast<int64_t>(t) * p.stride;
        for (int k = static_cast<int>(threadIdx.x) % 32; k < p.tap_ld; k += 32) {
            float v = 0;
            if (t < n_f && k < p.half) v = odd ? frame[k] - frame[p.k - 1 - k] : frame[k] + frame[p.k - 1 - k];
            if (t < n_f && k == p.half && !odd) v = frame[k];
            folded[t * p.tap_ld + k] = v;
        }
    }
}

enum { SINC_LOADS = SINC_TAPS * SINC_FILTERS / SINC_THREADS };

/* A thread's share of rows [k0, k0 + SINC_TAPS) of the bank's part, filters [m0, m0 + SINC_FILTERS). */
__device__ static inline void sinc_load_bank(const sinc_plan &p, const float *part, int k0, int64_t m0,
                                             float (&share)[SINC_LOADS])
{
    const int64_t m = m0 + threadIdx.x % SINC_FILTERS; /* the same for all loads: SINC_FILTERS divides SINC_THREADS */
#pragma unroll
    for (int i = 0; i < SINC_LOADS; i++) {
        const int k = k0 + (i * SINC_THREADS + static_cast<int>(threadIdx.x)) / SINC_FILTERS;
        share[i] = k <= p.half && m < p.m ? part[k * p.m + m] : 0;
    }
}

/* A thread's column of filters: j-th of 8, from the first of the tile. */
__device__ static inline int sinc_filter(int j)
{
    return static_cast<int>(threadIdx.x) % 16 * 4 + j % 4 + j / 4 * 64;
}
__device__ static inline int sinc_frame(int i)
{
    return static_cast<int>(threadIdx.x) / 16 * 4 + i;
}

/* c[i][j] = sum over the taps of folded frame sinc_frame(i) and filter m0 + sinc_filter(j). `folded` is complete behind the
 * first barrier here; `taps` is free again behind the last. */
__device__ static inline void sinc_products(const sinc_plan &p, const float *folded, const float *part, int64_t m0,
                                            float *taps, float (&c)[4][8])
{
    using four = spk_pack<float, 4>;
    const int column = sinc_filter(0), row = sinc_frame(0);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++)
            c[i][j] = 0;
    float share[SINC_LOADS]; /* of the next taps, on their way while these are used */
    sinc_load_bank(p, part, 0, m0, share);
    for (int k0 = 0; k0 <= p.half; k0 += SINC_TAPS) {
#pragma unroll
        for (int i = 0; i < SINC_LOADS; i++)
            taps[i * SINC_THREADS + static_cast<int>(threadIdx.x)] = share[i];
        __syncthreads();
        sinc_load_bank(p, part, k0 + SINC_TAPS, m0, share);
#pragma unroll
        for (int k = 0; k < SINC_TAPS; k += 4) {
            if (k0 + k > p.half) break;
            four a[4];
#pragma unroll
            for (int i = 0; i < 4; i++)
                a[i] = *reinterpret_cast<const four *>(folded + (row + i) * p.tap_ld + k0 + k);
#pragma unroll
            for (int q = 0; q < 4; q++) {
                const four b0 = *reinterpret_cast<const four *>(taps + (k + q) * SINC_FILTERS + column);
                const four b1 = *reinterpret_cast<const four *>(taps + (k + q) * SINC_FILTERS + column + 64);
#pragma unroll
                for (int i = 0; i < 4; i++)
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        c[i][j] += a[i].v[q] * b0.v[j];
                        c[i][4 + j] += a[i].v[q] * b1.v[j];
                    }
            }
        }
        __syncthreads();
    }
}

#endif
