/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first layer of networks over pictures, forward: one channel in, 3 x 3 taps. Products would be as long as nine, so each
 * thread keeps the weights of EACH outputs in registers and goes over places; threads run along the outputs.
 */
#include "backend/cuda/conv_impl.h"

enum { THREADS = 256, TAPS = 9, EACH = 8, PLACES_A_THREAD = 16 };

template <typename T> struct first_job {
    const T *w; /* (o, pitch) */
    const float *bias;
    int64_t pitch, x_ld, y_ld;
    spk_conv k;
    unsigned groups, places; /* groups of EACH outputs, a power of two */
    bool wide;
};

template <typename X, typename W, typename Y>
static __global__ void __launch_bounds__(THREADS, 2) first_layer(const X *x, Y *y, const first_job<W> j)
{
    const spk_conv &k = j.k;
    const unsigned thread = blockIdx.x * THREADS + threadIdx.x;
    const int64_t o = static_cast<int64_t>(thread % j.groups) * EACH;
    float w[TAPS][EACH], bias[EACH];
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        bias[e] = j.bias ? j.bias[o + e] : 0;
#pragma unroll
        for (int tap = 0; tap < TAPS; tap++)
            w[tap][e] = spk_load(j.w + (o + e) * j.pitch + tap);
    }
    const unsigned height = static_cast<unsigned>(k.u), width = static_cast<unsigned>(k.v);
    for (unsigned p = thread / j.groups; p < j.places; p += gridDim.x * THREADS / j.groups) {
        const unsigned line = p / width, n = line / height;
        const int h = static_cast<int>(line - n * height) * k.sh - k.ph;
        const int v = static_cast<int>(p - line * width) * k.sw - k.pw;
        float sum[EACH];
#pragma unroll
        for (int e = 0; e < EACH; e++)
            sum[e] = bias[e];
#pragma unroll
        for (int tap = 0; tap < TAPS; tap++) {
            const int row = h + tap / 3 * k.dh, column = v + tap % 3 * k.dw;
            const bool there = row >= 0 && row < k.h && column >= 0 && column < k.w;
            const int64_t at = (static_cast<int64_t>(n) * k.h + row) * k.w + column;
            const float value = there ? spk_load(x + at * j.x_ld) : 0;
#pragma unroll
            for (int e = 0; e < EACH; e++)
                sum[e] += value * w[tap][e];
        }
        spk_pack<Y, EACH> out;
#pragma unroll
        for (int e = 0; e < EACH; e++)
            spk_store(&out.v[e], k.relu && sum[e] < 0 ? 0 : sum[e]);
        Y *to = y + static_cast<int64_t>(p) * j.y_ld + o;
        if (j.wide)
            *reinterpret_cast<spk_pack<Y, EACH> *>(to) = out;
        else
            for (int e = 0; e < EACH; e++)
                to[e] = out.v[e];
    }
}

bool spk_conv_is_first(const spk_conv *k)
{
    const int groups = k->o / EACH;
    return k->c == 1 && k->kh == 3 && k->kw == 3 && k->o % EACH == 0 && groups <= THREADS &&
           (groups & (groups - 1)) == 0;
}

template <typename X, typename W, typename Y>
static void run(spk_cuda *d, const spk_conv *k, const spk_rows_of *x, const spk_rows_of *w, const float *bias,
                const spk_rows_of *y)
{
    const int64_t places = spk_conv_y_rows(k);
    const size_t bytes = EACH * sizeof(Y);
    const first_job<W> j = {static_cast<const W *>(w->p),
                            bias,
                            w->ld,
                            x->ld,
                            y->ld,
                            *k,
                            static_cast<unsigned>(k->o / EACH),
                            static_cast<unsigned>(places),
                            y->ld % EACH == 0 && reinterpret_cast<uintptr_t>(y->p) % bytes == 0};
    const unsigned all = spk_blocks(places * (k->o / EACH), THREADS * PLACES_A_THREAD);
    const unsigned most = 16 * static_cast<unsigned>(d->n_sm);
    spk_launch(d, first_layer<X, W, Y>, all < most ? all : most, THREADS, 0, static_cast<const X *>(x->p),
               static_cast<Y *>(y->p), j);
}

void spk_conv_first(spk_cuda *d, const spk_conv *k, const spk_rows_of *x, const spk_rows_of *w, const float *bias,
                    const spk_rows_of *y)
{
    spk_by_type(x->type, [&](auto *from) {
        spk_by_type(y->type, [&](auto *to) {
            using X = std::remove_pointer_t<decltype(from)>;
            using Y = std::remove_pointer_t<decltype(to)>;
            using W = std::conditional_t<std::is_same_v<X, float>, Y, X>; /* bfloat16 where one of them is */
            run<X, W, Y>(d, k, x, w, bias, y);
        });
    });
}
