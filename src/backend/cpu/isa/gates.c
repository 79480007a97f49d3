/* SPDX-License-Identifier: Apache-2.0 */
/* glu and pos_add, row by row. */
#include "backend/cpu/isa_impl.h"

#include <omp.h>
#include <string.h>

/* ---- glu ---- */

static void glu_fwd(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r), *gate = x + n_c;
        spk_elem *y = spk__frame(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            y[c] = spk__put(spk__get(x[c]) / (1 + spk__expf(-spk__get(gate[c]))));
    }
}

SPK_INLINE void glu_rows(const spk_kargs *a, int mode)
{
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r), *gate = x + n_c, *dy = spk__frame(&a->dout[0], r);
        spk_elem *dx = spk__frame(&a->din[0], r), *dgate = dx + n_c;
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++) {
            const float s = 1 / (1 + spk__expf(-spk__get(gate[c]))), d = spk__get(dy[c]) * s;
            spk__store_elem(dx + c, d, mode);
            spk__store_elem(dgate + c, d * spk__get(x[c]) * (1 - s), mode);
        }
    }
}

static void glu_bwd(const spk_kargs *a)
{
    if (spk__mode(a, 0) == SPK_ADD)
        glu_rows(a, SPK_ADD);
    else if (spk__mode(a, 0) == SPK_WRITE)
        glu_rows(a, SPK_WRITE);
}

/* ---- pos_add ---- */

static void pos_add_fwd(const spk_kargs *a)
{
    const float scale = (float)((const spk_pos_add_attr *)a->attr)->scale;
    const float alpha = a->in[2].p ? *(const float *)a->in[2].p : 1;
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r);
        const float *place = a->in[1].p ? spk__row(&a->in[1], r % a->out[0].w) : NULL;
        spk_elem *y = spk__frame(&a->out[0], r);
        if (place) {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = spk__put(scale * spk__get(x[c]) + alpha * place[c]);
        } else {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = spk__put(scale * spk__get(x[c]));
        }
    }
}

SPK_INLINE void pos_add_rows(const spk_kargs *a, int mode)
{
    const float scale = (float)((const spk_pos_add_attr *)a->attr)->scale;
    const int64_t rows = spk_rows(&a->dout[0]), n_c = a->dout[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *dy = spk__frame(&a->dout[0], r);
        spk_elem *dx = spk__frame(&a->din[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(dx + c, scale * spk__get(dy[c]), mode);
    }
}

/* The gradient of alpha: each thread's sum, added in their order. */
static void pos_add_alpha(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->dout[0]), n_c = a->dout[0].c;
    double *sums = a->scratch, total = 0;
    float *d = a->din[2].p;
    memset(sums, 0, (size_t)a->ctx->n_threads * sizeof *sums);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        double mine = 0;
        for (int64_t r = spk__row_begin(rows, i, n); r < spk__row_begin(rows, i + 1, n); r++) {
            const spk_elem *dy = spk__frame(&a->dout[0], r);
            const float *place = spk__row(&a->in[1], r % a->dout[0].w);
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t c = 0; c < n_c; c++)
                sum += spk__get(dy[c]) * place[c];
            mine += (double)sum;
        }
        sums[i] = mine;
    }
    for (int i = 0; i < a->ctx->n_threads; i++)
        total += sums[i];
    *d = (float)((double)*d + total);
}

static void pos_add_bwd(const spk_kargs *a)
{
    if (spk__mode(a, 0) == SPK_ADD)
        pos_add_rows(a, SPK_ADD);
    else if (spk__mode(a, 0) == SPK_WRITE)
        pos_add_rows(a, SPK_WRITE);
    if (a->din[2].p) pos_add_alpha(a);
}

static size_t pos_add_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)g->n_threads * sizeof(double);
}

const spk_kernel SPK_ISA_NAME(spk__omp_glu) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = glu_fwd, .bwd = glu_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_pos_add) = {.name = SPK_KERNEL_NAME,
                                                   SPK_FRAMES(1, 1),
                                                   .scratch_bytes = pos_add_scratch,
                                                   .fwd = pos_add_fwd,
                                                   .bwd = pos_add_bwd};
