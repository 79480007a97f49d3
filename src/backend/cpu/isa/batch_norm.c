/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_norm in two passes each way: sums over the rows, then the rows. The second pass walks backwards, as what the
 * first one read last may still be in a cache. Saves mean and 1 / sqrt(var + eps) (2C floats).
 * Scratch: for each thread 2C sums in double; then 4C floats of coefficients.
 */
#include "backend/cpu/isa_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { GROUP = 8 };

typedef struct coefs {
    float *a, *b, *c, *d; /* by channel */
} coefs;

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)g->in[0].c * 2 * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)g->in[0].c * ((size_t)g->n_threads * 2 * sizeof(double) + 4 * sizeof(float));
}

static double *sums_of(const spk_kargs *a, int thread)
{
    return (double *)a->scratch + 2 * a->in[0].c * thread;
}

static coefs coefs_of(const spk_kargs *a)
{
    const int64_t n_c = a->in[0].c;
    float *p = (float *)(void *)sums_of(a, a->ctx->n_threads);
    return (coefs){p, p + n_c, p + 2 * n_c, p + 3 * n_c};
}

/* sum_c += dy, product_c += dy (x - mean) */
SPK_INLINE void add_products(const float *x, int64_t x_ld, const float *dy, int64_t dy_ld, int rows, int64_t n_c,
                             const float *mean, double *sum, double *product)
{
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        float s = 0, p = 0;
        for (int i = 0; i < rows; i++) {
            const float d = dy[i * dy_ld + c];
            s += d;
            p += d * (x[i * x_ld + c] - mean[c]);
        }
        sum[c] += (double)s;
        product[c] += (double)p;
    }
}

/* This thread's part of the sums over all rows: moments around `shift`, or products with dy. */
static void reduce(const spk_kargs *a, const float *shift, const spk_view *dy, int64_t begin, int64_t end)
{
    const spk_view *x = &a->in[0];
    double *sum = sums_of(a, omp_get_thread_num()), *other = sum + x->c;
    memset(sum, 0, (size_t)x->c * 2 * sizeof(double));
    for (int64_t r = begin; r < end;) {
        const bool whole = r + GROUP <= end;
        if (dy && whole)
            add_products(spk__row(x, r), x->ld, spk__row(dy, r), dy->ld, GROUP, x->c, shift, sum, other);
        else if (dy)
            add_products(spk__row(x, r), x->ld, spk__row(dy, r), dy->ld, 1, x->c, shift, sum, other);
        else if (whole)
            spk__add_moments(spk__row(x, r), x->ld, GROUP, x->c, shift, sum, other);
        else
            spk__add_moments(spk__row(x, r), x->ld, 1, x->c, shift, sum, other);
        r += whole ? GROUP : 1;
    }
}

/* Sum i (0 or 1) of channel c over the threads of this parallel region, in their order. */
static double total(const spk_kargs *a, int i, int64_t c)
{
    double sum = 0;
    for (int thread = 0; thread < omp_get_num_threads(); thread++)
        sum += sums_of(a, thread)[i * a->in[0].c + c];
    return sum;
}

/* y = (x - a) b + c, and the running statistics. */
static void finish_forward(const spk_kargs *a, coefs k)
{
    const spk_batch_norm_attr *attr = a->attr;
    const float *gamma = a->in[1].p, *beta = a->in[2].p, *shift = spk__row(&a->in[0], 0);
    float *rm = a->in[3].p, *rv = a->in[4].p, *save = a->save;
    const double rows = (double)spk_rows(&a->in[0]), m = attr->momentum;
    for (int64_t c = 0; c < a->in[0].c; c++) {
        double mean, var;
        if (attr->train) {
            const double off = total(a, 0, c) / rows;
            mean = (double)shift[c] + off;
            var = fmax(total(a, 1, c) / rows - off * off, 0);
            if (isfinite(mean) && isfinite(total(a, 1, c))) { /* a batch that is not finite changes nothing */
                rm[c] = (float)((1 - m) * (double)rm[c] + m * mean);
                rv[c] = (float)((1 - m) * (double)rv[c] + m * var * rows / (rows - 1));
            }
        } else {
            mean = (double)rm[c];
            var = (double)rv[c];
        }
        const double inv = 1 / sqrt(var + attr->eps);
        k.a[c] = (float)mean;
        k.b[c] = (float)((double)gamma[c] * inv);
        k.c[c] = beta[c];
        if (save) {
            save[c] = (float)mean;
            save[a->in[0].c + c] = (float)inv;
        }
    }
    if (attr->train && a->in[5].p) ++*(int64_t *)a->in[5].p;
}

static void normalise(const spk_kargs *a, coefs k, int64_t begin, int64_t end)
{
    for (int64_t r = end - 1; r >= begin; r--) {
        const float *x = spk__row(&a->in[0], r);
        float *y = spk__row(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < a->in[0].c; c++)
            y[c] = (x[c] - k.a[c]) * k.b[c] + k.c[c];
    }
}

static void fwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const coefs k = coefs_of(a);
    const int64_t rows = spk_rows(&a->in[0]);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        const int64_t begin = spk__row_begin(rows, i, n), end = spk__row_begin(rows, i + 1, n);
        if (attr->train) reduce(a, spk__row(&a->in[0], 0), NULL, begin, end);
#pragma omp barrier
#pragma omp single
        finish_forward(a, k);
        normalise(a, k, begin, end);
    }
}

/* ---- backward ---- */

/* dx = a dy + b (x - mean) + c; d is the mean. */
static void finish_backward(const spk_kargs *a, coefs k)
{
    const spk_batch_norm_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c;
    const float *gamma = a->in[1].p, *save = a->save;
    float *dgamma = a->din[1].p, *dbeta = a->din[2].p;
    const double rows = (double)spk_rows(&a->in[0]);
    for (int64_t c = 0; c < n_c; c++) {
        const double inv = (double)save[n_c + c], sum = total(a, 0, c), product = total(a, 1, c) * inv;
        if (dbeta) dbeta[c] = (float)((double)dbeta[c] + sum);
        if (dgamma) dgamma[c] = (float)((double)dgamma[c] + product);
        const double scale = (double)gamma[c] * inv;
        k.a[c] = (float)scale;
        k.b[c] = attr->train ? (float)(-scale * inv * product / rows) : 0;
        k.c[c] = attr->train ? (float)(-scale * sum / rows) : 0;
        k.d[c] = save[c];
    }
}

SPK_INLINE void write_dx(const spk_kargs *a, coefs k, int64_t begin, int64_t end, int mode, bool mask)
{
    for (int64_t r = end - 1; r >= begin; r--) {
        const float *x = spk__row(&a->in[0], r), *dy = spk__row(&a->dout[0], r);
        float *dx = spk__row(&a->din[0], r);
#pragma omp simd
        for (int64_t c = 0; c < a->in[0].c; c++) {
            const float d = k.a[c] * dy[c] + (k.b[c] * (x[c] - k.d[c]) + k.c[c]);
            spk__store(dx + c, mask && !(x[c] > 0) ? 0 : d, mode);
        }
    }
}

static void bwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const coefs k = coefs_of(a);
    const int64_t rows = spk_rows(&a->in[0]);
    const int mode = spk__mode(a, 0);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        const int64_t begin = spk__row_begin(rows, i, n), end = spk__row_begin(rows, i + 1, n);
        reduce(a, a->save, &a->dout[0], begin, end);
#pragma omp barrier
#pragma omp single
        finish_backward(a, k);
        if (mode == SPK_ADD && attr->mask_dx)
            write_dx(a, k, begin, end, SPK_ADD, true);
        else if (mode == SPK_ADD)
            write_dx(a, k, begin, end, SPK_ADD, false);
        else if (mode == SPK_WRITE && attr->mask_dx)
            write_dx(a, k, begin, end, SPK_WRITE, true);
        else if (mode == SPK_WRITE)
            write_dx(a, k, begin, end, SPK_WRITE, false);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_batch_norm) = {
    .name = SPK_KERNEL_NAME, .save_bytes = save_bytes, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
