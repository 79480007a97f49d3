/* SPDX-License-Identifier: Apache-2.0 */
/* What a trainer does to the flat blocks of gradients, weights and optimiser state (device_impl.h). */
#include "backend/cuda/cuda_impl.h"

enum { THREADS = 256, MOST_PARTS = 1024, LEAST_PART = 4096, PACK = 4 };

/* ---- norms ---- */

/* Part blockIdx.x of |x|^p, or the largest |x|. A comparison would lose NaN; a sum of 0 * x does not. */
template <typename T> static __global__ void gather(const T *x, int64_t n, double p, double *parts)
{
    __shared__ double room[32];
    const int64_t size = (n + gridDim.x - 1) / gridDim.x, from = blockIdx.x * size;
    const int64_t to = from + size < n ? from + size : n;
    double sum = 0, largest = 0;
    for (int64_t i = from + threadIdx.x; i < to; i += blockDim.x) {
        const double v = fabs(static_cast<double>(x[i]));
        if (p == 2)
            sum += v * v;
        else if (p == 1)
            sum += v;
        else if (isinf(p))
            sum += 0 * v;
        else
            sum += pow(v, p);
        largest = v > largest ? v : largest;
    }
    sum = spk_block_sum(sum, room);
    largest = spk_block_max(largest, room);
    if (threadIdx.x == 0) parts[blockIdx.x] = isinf(p) ? largest + sum : sum;
}

double spk_cuda_norm(void *self, const float *gradients, int64_t n, double p)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    const spk_device_rows rows = {1, sizeof(double), 0, 0};
    const size_t bytes = (MOST_PARTS + 1) * sizeof(double);
    const int64_t most = MOST_PARTS, wanted = (n + LEAST_PART - 1) / LEAST_PART;
    const int64_t n_parts = wanted < most ? wanted : most; /* of n alone, whatever the GPU */
    if (!d->parts) d->parts = static_cast<double *>(spk_cuda_runtime.alloc(d, bytes));
    if (!d->parts) spk_cuda_short_of_memory(bytes);
    double sum;
    spk_launch(d, gather<float>, static_cast<unsigned>(n_parts), THREADS, 0, gradients, n, p, d->parts);
    spk_launch(d, gather<double>, 1, THREADS, 0, static_cast<const double *>(d->parts), n_parts, isinf(p) ? p : 1,
               d->parts + MOST_PARTS);
    spk_cuda_runtime.get(d, &sum, d->parts + MOST_PARTS, &rows);
    if (p == 2) return sqrt(sum);
    return p == 1 || isinf(p) ? sum : pow(sum, 1 / p);
}

/* ---- steps ---- */

/* N elements that begin at pointers aligned for all of them. */
template <int N>
static __global__ void adam(spk_device_adam s, int64_t n, float *w, const float *g, float *m, float *v, float *largest)
{
    using pack = spk_pack<float, N>;
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    pack pw = reinterpret_cast<pack *>(w)[i], pm = reinterpret_cast<pack *>(m)[i], pv = reinterpret_cast<pack *>(v)[i];
    const pack pg = reinterpret_cast<const pack *>(g)[i];
    pack top = largest ? reinterpret_cast<pack *>(largest)[i] : pv;
    for (int j = 0; j < N; j++) {
        const float gi = s.scale * pg.v[j] + s.decay * pw.v[j];
        pm.v[j] += s.c1 * (gi - pm.v[j]);
        pv.v[j] = s.b2 * pv.v[j] + s.c2 * (gi * gi);
        top.v[j] = largest && top.v[j] > pv.v[j] ? top.v[j] : pv.v[j];
        pw.v[j] = s.shrink * pw.v[j] - s.rate * pm.v[j] / (sqrtf(top.v[j]) * s.root + s.eps);
    }
    reinterpret_cast<pack *>(w)[i] = pw;
    reinterpret_cast<pack *>(m)[i] = pm;
    reinterpret_cast<pack *>(v)[i] = pv;
    if (largest) reinterpret_cast<pack *>(largest)[i] = top;
}

template <int N> static __global__ void sgd(spk_device_sgd s, int64_t n, float *w, const float *g, float *b)
{
    using pack = spk_pack<float, N>;
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    pack pw = reinterpret_cast<pack *>(w)[i], pb = {};
    const pack pg = reinterpret_cast<const pack *>(g)[i];
    if (b) pb = reinterpret_cast<pack *>(b)[i];
    for (int j = 0; j < N; j++) {
        const float gi = s.scale * pg.v[j] + s.decay * pw.v[j];
        pb.v[j] = s.keep * pb.v[j] + s.add * gi;
        pw.v[j] -= b ? s.direct * gi + s.through * pb.v[j] : s.rate * gi;
    }
    reinterpret_cast<pack *>(w)[i] = pw;
    if (b) reinterpret_cast<pack *>(b)[i] = pb;
}

/* How many of n elements can be taken in whole packs: none where a block begins between them. */
static int64_t whole_packs(int64_t n, const void *w, const void *g, const void *m, const void *v, const void *top)
{
    const uintptr_t all = reinterpret_cast<uintptr_t>(w) | reinterpret_cast<uintptr_t>(g) |
                          reinterpret_cast<uintptr_t>(m) | reinterpret_cast<uintptr_t>(v) |
                          reinterpret_cast<uintptr_t>(top);
    return all % sizeof(spk_pack<float, PACK>) == 0 ? n / PACK : 0;
}

void spk_cuda_adam(void *self, const spk_device_adam *s, int64_t n, float *w, const float *g, float *m, float *v,
                   float *largest)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    const int64_t packs = whole_packs(n, w, g, m, v, largest), at = packs * PACK;
    spk_launch(d, adam<PACK>, spk_blocks(packs, THREADS), THREADS, 0, *s, packs, w, g, m, v, largest);
    spk_launch(d, adam<1>, spk_blocks(n - at, THREADS), THREADS, 0, *s, n - at, w + at, g + at, m + at, v + at,
               largest ? largest + at : nullptr);
}

void spk_cuda_sgd(void *self, const spk_device_sgd *s, int64_t n, float *w, const float *g, float *momentum)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    const int64_t packs = whole_packs(n, w, g, momentum, nullptr, nullptr), at = packs * PACK;
    spk_launch(d, sgd<PACK>, spk_blocks(packs, THREADS), THREADS, 0, *s, packs, w, g, momentum);
    spk_launch(d, sgd<1>, spk_blocks(n - at, THREADS), THREADS, 0, *s, n - at, w + at, g + at,
               momentum ? momentum + at : nullptr);
}
