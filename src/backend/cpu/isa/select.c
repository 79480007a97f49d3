/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selective kernels over pictures and sound: sk_mix, freq_mean, fold. A picture's row is one bin of one frame; sums for
 * each bin run over rows that lie F rows apart, so a task takes neighbouring bins and goes through the frames.
 */
#include "backend/cpu/isa_impl.h"

#include <math.h>

enum { GROUP = 8 }; /* rows whose sum is taken in float */

/* Tasks of pictures: an item and some of its bins. */
typedef struct bins {
    int64_t n, f0, f1;
} bins;

/* Bins of a task: all of them, or fewer where items are few. */
static int64_t bins_per_task(const spk_view *x, int n_threads)
{
    int64_t n_f = x->w;
    while (n_f > 4 && x->n * ((x->w + n_f - 1) / n_f) < 2 * n_threads)
        n_f = (n_f + 1) / 2;
    return n_f;
}

static bins bins_task(const spk_view *x, int64_t n_f, int64_t i)
{
    const int64_t per_item = (x->w + n_f - 1) / n_f, f0 = i % per_item * n_f;
    return (bins){i / per_item, f0, spk__min(f0 + n_f, x->w)};
}

static int64_t picture_valid(const spk_view *v, int64_t n)
{
    return !v->len || v->len[n] > v->h ? v->h : v->len[n] < 0 ? 0 : v->len[n];
}

/* ---- sk_mix ---- */

static bool over_freq(const spk_kargs *a)
{
    const spk_sk_mix_attr *attr = a->attr;
    return attr->over_freq;
}

static size_t sk_mix_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)(g->in[2].n * g->in[2].c) * (sizeof(double) + sizeof(float));
}

/* Sums of dy (f0 - f1), and the first branch's shares, by item and channel or bin. */
static double *sums_of(const spk_kargs *a, int64_t n)
{
    return (double *)a->scratch + n * a->in[2].c;
}

static float *shares_of(const spk_kargs *a, int64_t n)
{
    void *behind = (double *)a->scratch + a->in[2].n * a->in[2].c;
    return (float *)behind + n * a->in[2].c;
}

static void find_shares(const spk_kargs *a)
{
    const int64_t n_c = a->in[2].c;
    for (int64_t n = 0; n < a->in[2].n; n++) {
        const float *a0 = spk__row(&a->in[2], n), *a1 = spk__row(&a->in[3], n);
        float *s = shares_of(a, n);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            s[c] = 1 / (1 + spk__expf(a1[c] - a0[c]));
    }
}

static void sk_mix_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t rows = spk_rows(x), n_t = spk__n_frames(x), n_c = x->c;
    const bool by_bin = over_freq(a);
    find_shares(a);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *f0 = spk__frame(x, r), *f1 = spk__frame(&a->in[1], r);
        const float *s = shares_of(a, r / n_t);
        spk_elem *y = spk__frame(&a->out[0], r);
        if (by_bin) {
            const float share = s[r % x->w];
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = spk__put(spk__get(f1[c]) + share * (spk__get(f0[c]) - spk__get(f1[c])));
        } else {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = spk__put(spk__get(f1[c]) + s[c] * (spk__get(f0[c]) - spk__get(f1[c])));
        }
    }
}

/* One row of an item, from channel c0 on: df0 = dy s, df1 = dy (1 - s), part += dy (f0 - f1). */
SPK_INLINE void sk_mix_row(const spk_kargs *a, int64_t r, const spk_task *k, float *part, int mode0, int mode1)
{
    const spk_elem *f0 = spk__frame(&a->in[0], r) + k->c0, *f1 = spk__frame(&a->in[1], r) + k->c0;
    const spk_elem *dy = spk__frame(&a->dout[0], r) + k->c0;
    const float *s = shares_of(a, k->n) + k->c0;
    spk_elem *d0 = mode0 ? spk__frame(&a->din[0], r) + k->c0 : NULL;
    spk_elem *d1 = mode1 ? spk__frame(&a->din[1], r) + k->c0 : NULL;
#pragma omp simd
    for (int64_t c = 0; c < k->n_c; c++) {
        const float d = spk__get(dy[c]), share = s[c];
        part[c] += d * (spk__get(f0[c]) - spk__get(f1[c]));
        if (mode0) spk__store_elem(d0 + c, d * share, mode0);
        if (mode1) spk__store_elem(d1 + c, d * (1 - share), mode1);
    }
}

SPK_INLINE void sk_mix_by_channel(const spk_kargs *a, int mode0, int mode1)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        double sum[SPK_CHUNK] = {0};
        for (int64_t t = 0; t < k.n_t; t += GROUP) {
            float part[SPK_CHUNK] = {0};
            for (int64_t u = t; u < spk__min(t + GROUP, k.n_t); u++)
                sk_mix_row(a, k.first + u, &k, part, mode0, mode1);
            for (int64_t c = 0; c < k.n_c; c++)
                sum[c] += (double)part[c];
        }
        for (int64_t c = 0; c < k.n_c; c++)
            sums_of(a, k.n)[k.c0 + c] = sum[c];
    }
}

/* One bin of a frame, which has one share; returns the sum of dy (f0 - f1). */
SPK_INLINE double sk_mix_bin(const spk_kargs *a, int64_t r, float share, int mode0, int mode1)
{
    const int64_t n_c = a->in[0].c;
    const spk_elem *f0 = spk__frame(&a->in[0], r), *f1 = spk__frame(&a->in[1], r), *dy = spk__frame(&a->dout[0], r);
    spk_elem *d0 = mode0 ? spk__frame(&a->din[0], r) : NULL, *d1 = mode1 ? spk__frame(&a->din[1], r) : NULL;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n_c; c++) {
        const float d = spk__get(dy[c]);
        sum += d * (spk__get(f0[c]) - spk__get(f1[c]));
        if (mode0) spk__store_elem(d0 + c, d * share, mode0);
        if (mode1) spk__store_elem(d1 + c, d * (1 - share), mode1);
    }
    return (double)sum;
}

SPK_INLINE void sk_mix_by_bin(const spk_kargs *a, int mode0, int mode1)
{
    const spk_view *x = &a->in[0];
    const int64_t n_f = bins_per_task(x, a->ctx->n_threads), n_tasks = x->n * ((x->w + n_f - 1) / n_f);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < n_tasks; i++) {
        const bins k = bins_task(x, n_f, i);
        double *sum = sums_of(a, k.n);
        for (int64_t f = k.f0; f < k.f1; f++)
            sum[f] = 0;
        for (int64_t t = 0; t < x->h; t++)
            for (int64_t f = k.f0; f < k.f1; f++)
                sum[f] += sk_mix_bin(a, (k.n * x->h + t) * x->w + f, shares_of(a, k.n)[f], mode0, mode1);
    }
}

/* What the gradients of the weights are: ds/da0 = s (1 - s) = -ds/da1. */
static void sk_mix_weights(const spk_kargs *a)
{
    for (int64_t n = 0; n < a->in[2].n; n++) {
        for (int64_t c = 0; c < a->in[2].c; c++) {
            const double s = (double)shares_of(a, n)[c], d = sums_of(a, n)[c] * s * (1 - s);
            if (a->din[2].p) spk__store(spk__row(&a->din[2], n) + c, (float)d, spk__mode(a, 2));
            if (a->din[3].p) spk__store(spk__row(&a->din[3], n) + c, (float)-d, spk__mode(a, 3));
        }
    }
}

static void sk_mix_bwd(const spk_kargs *a)
{
    find_shares(a);
    switch (9 * over_freq(a) + 3 * spk__mode(a, 0) + spk__mode(a, 1)) {
#define CASE(mode0, mode1)                                                                                             \
    case 3 * mode0 + mode1:                                                                                            \
        sk_mix_by_channel(a, mode0, mode1);                                                                            \
        break;                                                                                                         \
    case 9 + 3 * mode0 + mode1:                                                                                        \
        sk_mix_by_bin(a, mode0, mode1);                                                                                \
        break;
        CASE(SPK_SKIP, SPK_SKIP)
        CASE(SPK_SKIP, SPK_WRITE)
        CASE(SPK_SKIP, SPK_ADD)
        CASE(SPK_WRITE, SPK_SKIP)
        CASE(SPK_WRITE, SPK_WRITE)
        CASE(SPK_WRITE, SPK_ADD)
        CASE(SPK_ADD, SPK_SKIP)
        CASE(SPK_ADD, SPK_WRITE)
        CASE(SPK_ADD, SPK_ADD)
#undef CASE
    }
    sk_mix_weights(a);
}

/* ---- freq_mean ---- */

static size_t freq_mean_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)(g->in[0].n * g->in[0].w) * sizeof(double);
}

static void freq_mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t n_f = bins_per_task(x, a->ctx->n_threads), n_tasks = x->n * ((x->w + n_f - 1) / n_f), n_c = x->c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < n_tasks; i++) {
        const bins k = bins_task(x, n_f, i);
        const int64_t len = picture_valid(x, k.n);
        double *sum = (double *)a->scratch + k.n * x->w;
        for (int64_t f = k.f0; f < k.f1; f++)
            sum[f] = 0;
        for (int64_t t = 0; t < len; t++) {
            for (int64_t f = k.f0; f < k.f1; f++) {
                const spk_elem *row = spk__frame(x, (k.n * x->h + t) * x->w + f);
                float s = 0;
#pragma omp simd reduction(+ : s)
                for (int64_t c = 0; c < n_c; c++)
                    s += spk__get(row[c]);
                sum[f] += (double)s;
            }
        }
        for (int64_t f = k.f0; f < k.f1; f++)
            spk__row(&a->out[0], k.n)[f] = (float)(sum[f] / (double)((len > 0 ? len : 1) * n_c));
    }
}

static void freq_mean_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t rows = spk_rows(x), n_t = spk__n_frames(x), n_c = x->c;
    const int mode = spk__mode(a, 0);
    if (mode == SPK_SKIP) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t n = r / n_t, len = picture_valid(x, n);
        const bool counts = r % n_t / x->w < len;
        const float d = counts ? spk__row(&a->dout[0], n)[r % x->w] / (float)(len * n_c) : 0;
        spk_elem *dx = spk__frame(&a->din[0], r);
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(dx + c, d, mode);
    }
}

/* ---- fold ---- */

/* A frame's F x C block is small: it is turned over within the first cache. */
static void fold_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t frames = x->n * x->h, n_f = x->w, n_c = x->c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t t = 0; t < frames; t++) {
        const spk_elem *from = spk__frame(x, t * n_f);
        spk_elem *to = spk__frame(&a->out[0], t);
        for (int64_t c = 0; c < n_c; c++)
            for (int64_t f = 0; f < n_f; f++)
                to[c * n_f + f] = from[f * x->ld + c];
    }
}

static void fold_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t rows = spk_rows(x), n_f = x->w, n_c = x->c;
    const int mode = spk__mode(a, 0);
    if (mode == SPK_SKIP) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *dy = spk__frame(&a->dout[0], r / n_f) + r % n_f;
        spk_elem *dx = spk__frame(&a->din[0], r);
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(dx + c, spk__get(dy[c * n_f]), mode);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_sk_mix) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(3, 1), .scratch_bytes = sk_mix_scratch, .fwd = sk_mix_fwd, .bwd = sk_mix_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_freq_mean) = {.name = SPK_KERNEL_NAME,
                                                     SPK_FRAMES(1, 0),
                                                     .scratch_bytes = freq_mean_scratch,
                                                     .fwd = freq_mean_fwd,
                                                     .bwd = freq_mean_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_fold) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = fold_fwd, .bwd = fold_bwd};
