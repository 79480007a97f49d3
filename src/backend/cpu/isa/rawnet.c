/* SPDX-License-Identifier: Apache-2.0 */
/* RawNet3's pooling over time and its scaling: max_pool, afms. */
#include "backend/cpu/isa_impl.h"

/* ---- max_pool: saves which of the k frames it was, one byte each (N,T/k,C) ---- */

static bool max_pool_supports(const spk_geom *g)
{
    return ((const spk_max_pool_attr *)g->attr)->k < 256;
}

static size_t max_pool_save(const spk_geom *g)
{
    return (size_t)(spk_rows(&g->out[0]) * g->out[0].c);
}

/* y = the largest of k rows; which: its row. NaN wins. */
static void largest_row(const spk_elem *x, int64_t ld, int64_t k, int64_t n_c, spk_elem *y, uint8_t *which)
{
    int32_t at[SPK_CHUNK];
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        y[c] = x[c];
        at[c] = 0;
    }
    for (int64_t i = 1; i < k; i++) {
        const spk_elem *xi = x + i * ld;
        const int32_t row = (int32_t)i;
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++) {
            const float v = spk__get(xi[c]), best = spk__get(y[c]);
            const int32_t stays = (v <= best) | (best != best);
            at[c] = stays ? at[c] : row;
            y[c] = stays ? y[c] : xi[c];
        }
    }
    for (int64_t c = 0; c < n_c && which; c++)
        which[c] = (uint8_t)at[c];
}

static void max_pool_fwd(const spk_kargs *a)
{
    const int64_t k = ((const spk_max_pool_attr *)a->attr)->k, n_t = spk__n_frames(&a->in[0]), n_c = a->in[0].c;
    const int64_t n_u = spk__n_frames(&a->out[0]), rows = spk_rows(&a->out[0]), ld = a->in[0].ld;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r / n_u * n_t + r % n_u * k);
        for (int64_t c0 = 0; c0 < n_c; c0 += SPK_CHUNK) {
            const int64_t n = spk__min(SPK_CHUNK, n_c - c0);
            spk_elem *y = spk__frame(&a->out[0], r) + c0;
            uint8_t *which = a->save ? (uint8_t *)a->save + r * n_c + c0 : NULL;
            largest_row(x + c0, ld, k, n, y, which);
        }
    }
}

SPK_INLINE void max_pool_rows(const spk_kargs *a, int mode)
{
    const int64_t k = ((const spk_max_pool_attr *)a->attr)->k, n_t = spk__n_frames(&a->in[0]), n_c = a->in[0].c;
    const int64_t n_u = spk__n_frames(&a->dout[0]), rows = spk_rows(&a->in[0]);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t u = r % n_t / k, from = r / n_t * n_u + u;
        spk_elem *dx = spk__frame(&a->din[0], r);
        if (u < n_u) {
            const uint8_t *which = (const uint8_t *)a->save + from * n_c;
            const spk_elem *dy = spk__frame(&a->dout[0], from);
            const int32_t i = (int32_t)(r % n_t % k);
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                spk__store_elem(dx + c, which[c] == i ? spk__get(dy[c]) : 0, mode);
        } else if (mode == SPK_WRITE) { /* the tail that was left out */
            for (int64_t c = 0; c < n_c; c++)
                dx[c] = 0;
        }
    }
}

static void max_pool_bwd(const spk_kargs *a)
{
    if (spk__mode(a, 0) == SPK_ADD)
        max_pool_rows(a, SPK_ADD);
    else if (spk__mode(a, 0) == SPK_WRITE)
        max_pool_rows(a, SPK_WRITE);
}

/* ---- afms: (x + alpha) y ---- */

static void afms_fwd(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->out[0]), n_t = spk__n_frames(&a->out[0]), n_c = a->out[0].c;
    const float *alpha = a->in[1].p;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r);
        const float *y = spk__row(&a->in[2], r / n_t);
        spk_elem *out = spk__frame(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            out[c] = spk__put((spk__get(x[c]) + alpha[c]) * y[c]);
    }
}

/* Scratch: the gradient of alpha from each item (N,C). */
static size_t afms_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return g->train ? (size_t)(g->in[0].n * g->in[0].c) * sizeof(double) : 0;
}

/* One frame: dx = d y; dy += d (x + alpha), sum += d. */
SPK_INLINE void afms_frame(const spk_kargs *a, int64_t row, const spk_task *k, double *dy, double *sum, int mode)
{
    const spk_elem *dout = spk__frame(&a->dout[0], row) + k->c0, *x = spk__frame(&a->in[0], row) + k->c0;
    const float *y = spk__row(&a->in[2], k->n) + k->c0, *alpha = (const float *)a->in[1].p + k->c0;
    spk_elem *dx = mode ? spk__frame(&a->din[0], row) + k->c0 : NULL;
#pragma omp simd
    for (int64_t c = 0; c < k->n_c; c++) {
        const float d = spk__get(dout[c]);
        dy[c] += (double)(d * (spk__get(x[c]) + alpha[c]));
        sum[c] += (double)d;
        if (mode) spk__store_elem(dx + c, d * y[c], mode);
    }
}

SPK_INLINE void afms_tasks(const spk_kargs *a, int mode)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
    const int64_t all_c = a->in[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        double dy[SPK_CHUNK] = {0}, sum[SPK_CHUNK] = {0};
        for (int64_t t = 0; t < k.n_t; t++)
            afms_frame(a, k.first + t, &k, dy, sum, mode);
        const float *y = spk__row(&a->in[2], k.n) + k.c0;
        float *to = a->din[2].p ? spk__row(&a->din[2], k.n) + k.c0 : NULL;
        double *dalpha = (double *)a->scratch + k.n * all_c + k.c0;
        for (int64_t c = 0; c < k.n_c; c++) {
            dalpha[c] = sum[c] * (double)y[c];
            if (to) to[c] = (float)((a->add[2] ? (double)to[c] : 0) + dy[c]);
        }
    }
}

static void afms_bwd(const spk_kargs *a)
{
    const int64_t n_c = a->in[0].c;
    const int mode = spk__mode(a, 0);
    if (mode == SPK_ADD)
        afms_tasks(a, SPK_ADD);
    else if (mode == SPK_WRITE)
        afms_tasks(a, SPK_WRITE);
    else
        afms_tasks(a, SPK_SKIP);
    for (int64_t c = 0; c < n_c && a->din[1].p; c++) {
        double sum = 0;
        for (int64_t n = 0; n < a->in[0].n; n++)
            sum += ((const double *)a->scratch)[n * n_c + c];
        ((float *)a->din[1].p)[c] += (float)sum;
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_max_pool) = {.name = SPK_KERNEL_NAME,
                                                    SPK_FRAMES(1, 1),
                                                    .supports = max_pool_supports,
                                                    .save_bytes = max_pool_save,
                                                    .fwd = max_pool_fwd,
                                                    .bwd = max_pool_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_afms) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .scratch_bytes = afms_scratch, .fwd = afms_fwd, .bwd = afms_bwd};
