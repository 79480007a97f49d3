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
    if (((const spk_time_stats_attr *)g->attr)->mean_only) return 0;
    return (size_t)(g->in[0].n * g->in[0].c) * sizeof(float);
}

typedef struct divisors {
    double len, by_mean, by_var;
} divisors;

/* As in the reference: a divisor of its own replaces both, `unbiased` is len - 1. */
static divisors divisors_of(const spk_time_stats_attr *attr, int64_t item, int64_t len)
{
    const double n = (double)(len > 0 ? len : 1);
    const int64_t other = attr->divide_len ? attr->divide_len[item] : attr->divide_by;
    divisors d = {n, n, n};
    if (attr->divide_len || attr->divide_by > 0)
        d.by_mean = d.by_var = (double)(other > 0 ? other : 1);
    else if (attr->unbiased)
        d.by_var = n > 1 ? n - 1 : 1;
    return d;
}

/* Standard deviations and their slopes from the sums around `shift`. */
static void write_std(const spk_kargs *a, const spk_task *k, const divisors *d, const float *shift, const double *sum,
                      const double *square)
{
    const spk_time_stats_attr *attr = a->attr;
    const int64_t len = spk__n_valid(&a->in[0], k->n), all_c = a->in[0].c;
    const double lo = attr->lo < 0 ? (double)FLT_EPSILON : attr->lo;
    float *std = spk__row(&a->out[0], k->n) + all_c + k->c0;
    float *save = a->save ? (float *)a->save + k->n * all_c + k->c0 : NULL;
    for (int64_t c = 0; c < k->n_c; c++) {
        const double off = sum[c] / d->len, middle = len > 0 ? (double)shift[c] + off : 0;
        const double m = middle * d->len / d->by_mean;
        const double spread = fmax(square[c] - off * off * d->len, 0);
        const double rest = attr->centred ? d->len * (middle - m) * (middle - m) / d->by_mean
                                          : d->len * middle * middle / d->by_mean - m * m;
        const double var = spread / d->by_var + rest + attr->add_var;
        std[c] = (float)sqrt(var < lo ? lo : var > attr->hi ? attr->hi : var);
        if (save) save[c] = var >= lo && var <= attr->hi && var > 0 ? (float)(0.5 / sqrt(var)) : 0;
    }
}

static void fwd_task(const spk_kargs *a, const spk_task *k)
{
    const spk_time_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n = k->n, first = k->first, c0 = k->c0, n_c = k->n_c, len = spk__n_valid(x, n);
    float shift[SPK_CHUNK];
    double sum[SPK_CHUNK] = {0}, square[SPK_CHUNK] = {0};
    int64_t t = 0;
    for (int64_t c = 0; c < n_c; c++)
        shift[c] = spk__get(spk__frame(x, first)[c0 + c]);
    for (; t + GROUP <= len; t += GROUP)
        spk__add_moments(spk__frame(x, first + t) + c0, x->ld, GROUP, n_c, shift, sum, square);
    for (; t < len; t++)
        spk__add_moments(spk__frame(x, first + t) + c0, x->ld, 1, n_c, shift, sum, square);
    const divisors d = divisors_of(attr, n, len);
    float *mean = spk__row(&a->out[0], n) + c0;
    for (int64_t c = 0; c < n_c; c++)
        mean[c] = len > 0 ? (float)(((double)shift[c] + sum[c] / d.len) * d.len / d.by_mean) : 0;
    if (!attr->mean_only) write_std(a, k, &d, shift, sum, square);
}

/* dx = dmean / D + 2 dvar (x - mean) / D */
SPK_INLINE void bwd_task(const spk_kargs *a, const spk_task *k, int mode)
{
    const spk_time_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n = k->n, n_t = k->n_t, first = k->first, c0 = k->c0, n_c = k->n_c, len = spk__n_valid(x, n);
    const divisors d = divisors_of(attr, n, len);
    const double excess = attr->centred ? 2 * (d.by_mean - d.len) / d.by_mean : 0; /* the mean moves the deviations */
    const float *dmean = spk__row(&a->dout[0], n) + c0, *dstd = dmean + x->c;
    const float *mean = spk__row(&a->out[0], n) + c0;
    const float *save = attr->mean_only ? NULL : (const float *)a->save + n * x->c + c0;
    float slope[SPK_CHUNK], level[SPK_CHUNK];
    for (int64_t c = 0; c < n_c; c++) {
        const double dvar = attr->mean_only ? 0 : (double)dstd[c] * (double)save[c];
        slope[c] = (float)(2 * dvar / d.by_var);
        level[c] = (float)(((double)dmean[c] - dvar * (double)mean[c] * excess) / d.by_mean);
    }
    for (int64_t t = 0; t < len; t++) {
        const spk_elem *xt = spk__frame(x, first + t) + c0;
        spk_elem *dx = spk__frame(&a->din[0], first + t) + c0;
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(dx + c, level[c] + slope[c] * (spk__get(xt[c]) - mean[c]), mode);
    }
    for (int64_t t = len; t < n_t && mode == SPK_WRITE; t++)
        for (int64_t c = 0; c < n_c; c++)
            spk__frame(&a->din[0], first + t)[c0 + c] = 0;
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
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 0), .save_bytes = save_bytes, .fwd = fwd, .bwd = bwd};
