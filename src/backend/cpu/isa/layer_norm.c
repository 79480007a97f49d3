/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_norm, a row at a time while it is in the first cache. Saves the mean and 1 / deviation of each row. Scratch:
 * for each thread 2C sums in double, for gamma and beta, and 2C in float, which take GROUP rows before they are added.
 */
#include "backend/cpu/isa_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { GROUP = 8 };

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)spk_rows(&g->in[0]) * 2 * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)g->n_threads * 2 * (size_t)g->in[0].c * (sizeof(double) + sizeof(float));
}

static double *sums_of(const spk_kargs *a, int thread)
{
    return (double *)a->scratch + 2 * a->in[0].c * thread;
}

static float *group_of(const spk_kargs *a, int thread)
{
    return (float *)(void *)sums_of(a, a->ctx->n_threads) + 2 * a->in[0].c * thread;
}

static void fwd(const spk_kargs *a)
{
    const double eps = ((const spk_layer_norm_attr *)a->attr)->eps;
    const int64_t rows = spk_rows(&a->in[0]), n_c = a->in[0].c;
    const float *gamma = a->in[1].p, *beta = a->in[2].p;
    float *save = a->save;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r);
        spk_elem *y = spk__frame(&a->out[0], r);
        float sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < n_c; c++)
            sum += spk__get(x[c]);
        const float mean = sum / (float)n_c;
#pragma omp simd reduction(+ : square)
        for (int64_t c = 0; c < n_c; c++)
            square += (spk__get(x[c]) - mean) * (spk__get(x[c]) - mean);
        const float inv = (float)(1 / sqrt((double)square / (double)n_c + eps));
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            y[c] = spk__put((spk__get(x[c]) - mean) * inv * gamma[c] + beta[c]);
        if (save) {
            save[2 * r] = mean;
            save[2 * r + 1] = inv;
        }
    }
}

/* One row: into the group's sums of gamma and beta, and dx. */
SPK_INLINE void bwd_row(const spk_kargs *a, int64_t r, float *group, int mode)
{
    const int64_t n_c = a->in[0].c;
    const spk_elem *x = spk__frame(&a->in[0], r), *dy = spk__frame(&a->dout[0], r);
    const float *gamma = a->in[1].p, *save = a->save;
    const float mean = save[2 * r], inv = save[2 * r + 1];
    spk_elem *dx = spk__frame(&a->din[0], r);
    float *dgamma = group, *dbeta = group + n_c, sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t c = 0; c < n_c; c++) {
        const float z = (spk__get(x[c]) - mean) * inv, g = spk__get(dy[c]), d = g * gamma[c];
        dgamma[c] += g * z;
        dbeta[c] += g;
        sum += d;
        product += d * z;
    }
    if (mode == SPK_SKIP) return;
    const float s = sum / (float)n_c, p = product / (float)n_c;
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++)
        spk__store_elem(dx + c, inv * (spk__get(dy[c]) * gamma[c] - s - (spk__get(x[c]) - mean) * inv * p), mode);
}

SPK_INLINE void bwd_rows(const spk_kargs *a, int thread, int64_t begin, int64_t end, int mode)
{
    const int64_t n = 2 * a->in[0].c;
    double *sums = sums_of(a, thread);
    float *group = group_of(a, thread);
    for (int64_t r = begin; r < end; r += GROUP) {
        memset(group, 0, (size_t)n * sizeof *group);
        for (int64_t i = r; i < spk__min(r + GROUP, end); i++)
            bwd_row(a, i, group, mode);
#pragma omp simd
        for (int64_t c = 0; c < n; c++)
            sums[c] += (double)group[c];
    }
}

/* A gradient gets the threads' sums, in their order. */
static void add_params(const spk_kargs *a, int i, int64_t c0)
{
    float *d = a->din[i].p;
    if (!d) return;
    for (int64_t c = 0; c < a->in[0].c; c++) {
        double sum = 0;
        for (int thread = 0; thread < a->ctx->n_threads; thread++)
            sum += sums_of(a, thread)[c0 + c];
        d[c] = (float)((double)d[c] + sum);
    }
}

static void bwd(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->in[0]);
    const int mode = spk__mode(a, 0);
    memset(a->scratch, 0, (size_t)a->ctx->n_threads * 2 * (size_t)a->in[0].c * sizeof(double));
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        const int64_t begin = spk__row_begin(rows, i, n), end = spk__row_begin(rows, i + 1, n);
        if (mode == SPK_ADD)
            bwd_rows(a, i, begin, end, SPK_ADD);
        else if (mode == SPK_WRITE)
            bwd_rows(a, i, begin, end, SPK_WRITE);
        else
            bwd_rows(a, i, begin, end, SPK_SKIP);
    }
    add_params(a, 1, 0);
    add_params(a, 2, a->in[0].c);
}

const spk_kernel SPK_ISA_NAME(spk__omp_layer_norm) = {.name = SPK_KERNEL_NAME,
                                                      SPK_FRAMES(1, 1),
                                                      .save_bytes = save_bytes,
                                                      .scratch_bytes = scratch_bytes,
                                                      .fwd = fwd,
                                                      .bwd = bwd};
