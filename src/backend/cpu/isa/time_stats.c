/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_stats: mean and standard deviation over time in one pass, as moments around the item's first frame, so that
 * little cancels. A task is an item and a chunk of channels. Saves 1 / (2 std), or 0 where the variance was clamped.
 */
#include "backend/cpu/isa_impl.h"

#include <float.h>
#include <math.h>

enum { GROUP = 4 };

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)(g->in[0].n * g->in[0].c) * sizeof(float);
}

typedef struct divisors {
    double len, by_mean, by_var;
} divisors;

/* As in the reference: a divisor of its own replaces both, `unbiased` is len - 1. */
static divisors divisors_of(const spk_time_stats_attr *attr, int64_t len)
{
    const double n = (double)(len > 0 ? len : 1);
    divisors d = {n, n, n};
    if (attr->divide_by > 0)
        d.by_mean = d.by_var = (double)attr->divide_by;
    else if (attr->unbiased)
        d.by_var = n > 1 ? n - 1 : 1;
    return d;
}

static void fwd_task(const spk_kargs *a, const spk_task *k)
{
    const spk_time_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n = k->n, first = k->first, c0 = k->c0, n_c = k->n_c, len = spk__n_valid(x, n);
    const float *shift = spk__row(x, first) + c0;
    double sum[SPK_CHUNK] = {0}, square[SPK_CHUNK] = {0};
    int64_t t = 0;
    for (; t + GROUP <= len; t += GROUP)
        spk__add_moments(spk__row(x, first + t) + c0, x->ld, GROUP, n_c, shift, sum, square);
    for (; t < len; t++)
        spk__add_moments(spk__row(x, first + t) + c0, x->ld, 1, n_c, shift, sum, square);
    const divisors d = divisors_of(attr, len);
    const double lo = attr->lo < 0 ? (double)FLT_EPSILON : attr->lo;
    float *mean = spk__row(&a->out[0], n) + c0, *std = mean + x->c;
    float *save = a->save ? (float *)a->save + n * x->c + c0 : NULL;
    for (int64_t c = 0; c < n_c; c++) {
        const double off = sum[c] / d.len, middle = len > 0 ? (double)shift[c] + off : 0;
        const double m = middle * d.len / d.by_mean;
        const double spread = fmax(square[c] - off * off * d.len, 0);
        const double var = spread / d.by_var + (d.len * middle * middle / d.by_mean - m * m);
        mean[c] = (float)m;
        std[c] = (float)sqrt(var < lo ? lo : var > attr->hi ? attr->hi : var);
        if (save) save[c] = var >= lo && var <= attr->hi ? (float)(0.5 / sqrt(var)) : 0;
    }
}

/* dx = dmean / D + 2 dvar (x - mean) / D */
SPK_INLINE void bwd_task(const spk_kargs *a, const spk_task *k, int mode)
{
    const spk_view *x = &a->in[0];
    const int64_t n = k->n, n_t = k->n_t, first = k->first, c0 = k->c0, n_c = k->n_c, len = spk__n_valid(x, n);
    const divisors d = divisors_of(a->attr, len);
    const float *dmean = spk__row(&a->dout[0], n) + c0, *dstd = dmean + x->c;
    const float *mean = spk__row(&a->out[0], n) + c0, *save = (const float *)a->save + n * x->c + c0;
    float slope[SPK_CHUNK], level[SPK_CHUNK];
    for (int64_t c = 0; c < n_c; c++) {
        slope[c] = (float)(2 * (double)dstd[c] * (double)save[c] / d.by_var);
        level[c] = (float)((double)dmean[c] / d.by_mean);
    }
    for (int64_t t = 0; t < len; t++) {
        const float *xt = spk__row(x, first + t) + c0;
        float *dx = spk__row(&a->din[0], first + t) + c0;
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store(dx + c, level[c] + slope[c] * (xt[c] - mean[c]), mode);
    }
    for (int64_t t = len; t < n_t && mode == SPK_WRITE; t++)
        for (int64_t c = 0; c < n_c; c++)
            spk__row(&a->din[0], first + t)[c0 + c] = 0;
}

static void fwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        fwd_task(a, &k);
    }
}

static void bwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
    const int mode = spk__mode(a, 0);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        if (mode == SPK_ADD)
            bwd_task(a, &k, SPK_ADD);
        else if (mode == SPK_WRITE)
            bwd_task(a, &k, SPK_WRITE);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_time_stats) = {
    .name = SPK_KERNEL_NAME, .save_bytes = save_bytes, .fwd = fwd, .bwd = bwd};
