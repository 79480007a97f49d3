/* SPDX-License-Identifier: Apache-2.0 */
/* melspec.cu's constants of a geometry, and from samples to frames: edges, dither, pre-emphasis, window, energy. */
#ifndef SPK_BACKEND_CUDA_MELSPEC_IMPL_H
#define SPK_BACKEND_CUDA_MELSPEC_IMPL_H

#include "backend/cuda/items_impl.h"
#include "backend/cuda/rng_impl.h"

struct alignas(8) melspec_complex {
    float x, y;
};

enum { MELSPEC_THREADS = 256, MELSPEC_RADICES = 32 };

/* What a kernel is told. Pointers are the device's. */
struct melspec_plan {
    int n_fft, half; /* half: points of the complex transform, n_fft / 2, or n_fft where that is odd */
    int win, hop, n_mels, n_ceps, n_bins;
    int block; /* frames that a block of threads makes */
    int n_radix, radix[MELSPEC_RADICES];
    int signal; /* floats of shared memory for a block's samples, or more: that memory is a buffer of the transform later */
    int64_t items, samples, n_frames;
    int64_t begin, outside, frame; /* spk_melspec_begin of frame 0; spk_melspec_frames' */
    spk_edges edges;
    spk_energy energy;
    bool log, magnitude, remove_dc, frames_only;
    float scale, dither, preemph, log_floor, log_scale;
    double energy_floor;
    uint32_t stream;
    const spk_draws *draws;
    const float *x, *filter, *window, *fb, *dct;
    int64_t x_ld, y_ld;
    float *y;
    const melspec_complex *table; /* n_fft: e^(-2 pi i k / n_fft) */
    int64_t *frames;              /* N: of each item */
    int *bands;                   /* n_mels first bins that are not 0, then n_mels ends */
    float *weights;               /* (bins, n_mels): the k-th of a filter's run in row k */
};

/* ---- samples ---- */

/* Where sample i of a signal of n is found; -1: it is zero (spk_melspec_sample). */
__device__ static inline int64_t melspec_place(spk_edges edges, int64_t i, int64_t n)
{
    const int64_t repeat = edges == SPK_EDGES_REPEAT;
    if (i >= 0 && i < n) return i;
    if (edges == SPK_EDGES_ZERO) return -1;
    while (n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i - repeat : 2 * n - 2 + repeat - i;
    return n > 1 ? i : 0;
}

/* Normal noise at one place: four share a block of the item's stream. In double: its logarithm is of numbers near 1. */
__device__ static inline double melspec_noise(spk_device_rng rng, int64_t at)
{
    uint32_t block[4];
    rng.counter[0] = static_cast<uint32_t>(at / 4);
    spk_device_rng_block(&rng, block);
    const bool second = at % 4 >= 2;
    const uint32_t a = second ? block[2] : block[0], b = second ? block[3] : block[1];
    double sine, cosine;
    sincospi(2 * ((static_cast<double>(b) + 0.5) * 0x1p-32 - 0.5), &sine, &cosine);
    return sqrt(-2 * log((static_cast<double>(a) + 0.5) * 0x1p-32)) * (at % 2 ? sine : cosine);
}

__device__ static inline float melspec_raw(const melspec_plan &p, int64_t n, const spk_device_rng &rng, int64_t at)
{
    if (at < 0) return 0;
    const float x = p.scale * p.x[(n * p.samples + at) * p.x_ld];
    return p.dither == 0 ? x : x + p.dither * static_cast<float>(melspec_noise(rng, at));
}

/* Sample i, which may lie outside, after pre-emphasis of the signal of `len`. */
__device__ static inline float melspec_sample(const melspec_plan &p, int64_t n, const spk_device_rng &rng, int64_t i,
                                              int64_t len)
{
    const int64_t at = melspec_place(p.edges, i, len);
    if (!p.filter || at < 0) return melspec_raw(p, n, rng, at);
    const int64_t before = melspec_place(SPK_EDGES_REFLECT, at - 1, len);
    return p.filter[0] * melspec_raw(p, n, rng, before) + p.filter[1] * melspec_raw(p, n, rng, at);
}

/* The block's samples: n_f frames from t0 on. */
__device__ static inline void melspec_signal(const melspec_plan &p, int64_t n, int64_t t0, int n_f, int64_t len,
                                             float *signal)
{
    const int count = (n_f - 1) * p.hop + p.win;
    const int64_t begin = p.begin + t0 * p.hop;
    spk_device_rng rng = {};
    if (p.dither != 0) {
        const spk_draws *d = p.draws;
        rng = spk_device_rng_make(d->seed, SPK_PURPOSE_DITHER, d->step, d->item ? d->item[n] : static_cast<uint64_t>(n),
                                  p.stream);
    }
    for (int i = static_cast<int>(threadIdx.x); i < count; i += MELSPEC_THREADS)
        signal[i] = melspec_sample(p, n, rng, begin + i, len);
}

/* ---- frames ---- */

__device__ static inline float melspec_energy(const melspec_plan &p, double sum)
{
    const double value = log(sum < 0x1p-23 ? 0x1p-23 : sum), least = p.energy_floor > 0 ? log(p.energy_floor) : value;
    return static_cast<float>(value < least ? least : value);
}

/* Point i of a frame of samples x, before the window. */
__device__ static inline float melspec_point(const melspec_plan &p, const float *x, float mean, int i)
{
    return (x[i] - mean) - p.preemph * (x[i > 0 ? i - 1 : 0] - mean);
}

/* By one warp: the frame of samples x, put(i, value) for each of its points; returns the energy. */
template <typename P>
__device__ static inline float melspec_make_frame(const melspec_plan &p, const float *x, int lane, P put)
{
    float mean = 0, energy = 0;
    if (p.remove_dc) {
        double sum = 0;
        for (int i = lane; i < p.win; i += 32)
            sum += static_cast<double>(x[i]);
        mean = static_cast<float>(spk_warp_sum(sum) / p.win);
    }
    double square = 0;
    for (int i = lane; i < p.win; i += 32) {
        const float v = melspec_point(p, x, mean, i), w = p.frames_only ? v : v * p.window[i];
        if (p.energy != SPK_ENERGY_NONE) {
            const double e = static_cast<double>(p.energy == SPK_ENERGY_RAW ? x[i] - mean : w);
            square += e * e;
        }
        put(i, w);
    }
    if (p.energy != SPK_ENERGY_NONE) energy = melspec_energy(p, spk_warp_sum(square));
    return energy;
}

#endif
