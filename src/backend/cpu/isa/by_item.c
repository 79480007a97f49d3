/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops between frames (N,T,C) and one row of each item (N,1,C): time_mean, scale_add, row_bias. Each goes through
 * the frames once.
 */
#include "backend/cpu/isa_impl.h"

#include <string.h>

enum { GROUP = 4 }; /* frames whose sum is taken in float */

/* Write or add a row of sums. */
static void store_sums(float *d, const double *sum, int64_t n_c, bool add)
{
    for (int64_t c = 0; c < n_c; c++)
        d[c] = (float)((add ? (double)d[c] : 0) + sum[c]);
}

/* ---- time_mean ---- */

SPK_INLINE void add_rows(const spk_elem *x, int64_t ld, int rows, int64_t n_c, double *sum)
{
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        float s = 0;
        for (int i = 0; i < rows; i++)
            s += spk__get(x[i * ld + c]);
        sum[c] += (double)s;
    }
}

static void time_mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const spk_tasks all = spk__tasks(x, a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        const int64_t len = spk__n_valid(x, k.n);
        double sum[SPK_CHUNK] = {0};
        int64_t t = 0;
        for (; t + GROUP <= len; t += GROUP)
            add_rows(spk__frame(x, k.first + t) + k.c0, x->ld, GROUP, k.n_c, sum);
        for (; t < len; t++)
            add_rows(spk__frame(x, k.first + t) + k.c0, x->ld, 1, k.n_c, sum);
        for (int64_t c = 0; c < k.n_c; c++)
            sum[c] /= (double)(len > 0 ? len : 1);
        store_sums(spk__row(&a->out[0], k.n) + k.c0, sum, k.n_c, false);
    }
}

static void time_mean_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__n_frames(x), rows = spk_rows(x);
    const int mode = spk__mode(a, 0);
    if (mode == SPK_SKIP) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t len = spk__n_valid(x, r / n_t);
        const float *dy = spk__row(&a->dout[0], r / n_t), share = r % n_t < len ? 1.0f / (float)len : 0;
        spk_elem *dx = spk__frame(&a->din[0], r);
        if (mode == SPK_ADD) {
#pragma omp simd
            for (int64_t c = 0; c < x->c; c++)
                spk__store_elem(dx + c, dy[c] * share, SPK_ADD);
        } else {
#pragma omp simd
            for (int64_t c = 0; c < x->c; c++)
                spk__store_elem(dx + c, dy[c] * share, SPK_WRITE);
        }
    }
}

/* ---- scale_add ---- */

static void scale_add_fwd(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->out[0]), n_t = spk__n_frames(&a->out[0]), n_c = a->out[0].c;
    const bool has_r = a->in[2].p != NULL;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t row = 0; row < rows; row++) {
        const spk_elem *x = spk__frame(&a->in[0], row), *r = has_r ? spk__frame(&a->in[2], row) : NULL;
        const float *s = spk__row(&a->in[1], row / n_t);
        spk_elem *y = spk__frame(&a->out[0], row);
        if (has_r) {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = spk__put(spk__get(x[c]) * s[c] + spk__get(r[c]));
        } else {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = spk__put(spk__get(x[c]) * s[c]);
        }
    }
}

/* One frame: dx = dy s, dr = dy, ds += dy x. */
SPK_INLINE void scale_add_frame(const spk_kargs *a, int64_t row, const spk_task *k, double *ds, int mode_x, int mode_r)
{
    const spk_elem *dy = spk__frame(&a->dout[0], row) + k->c0, *x = spk__frame(&a->in[0], row) + k->c0;
    const float *s = spk__row(&a->in[1], k->n) + k->c0;
    spk_elem *dx = mode_x ? spk__frame(&a->din[0], row) + k->c0 : NULL;
    spk_elem *dr = mode_r ? spk__frame(&a->din[2], row) + k->c0 : NULL;
#pragma omp simd
    for (int64_t c = 0; c < k->n_c; c++) {
        const float d = spk__get(dy[c]);
        ds[c] += (double)(d * spk__get(x[c]));
        if (mode_x) spk__store_elem(dx + c, d * s[c], mode_x);
        if (mode_r) spk__store_elem(dr + c, d, mode_r);
    }
}

SPK_INLINE void scale_add_tasks(const spk_kargs *a, int mode_x, int mode_r)
{
    const spk_view *x = &a->in[0];
    const spk_tasks all = spk__tasks(x, a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        double ds[SPK_CHUNK] = {0};
        for (int64_t t = 0; t < k.n_t; t++)
            scale_add_frame(a, k.first + t, &k, ds, mode_x, mode_r);
        if (a->din[1].p) store_sums(spk__row(&a->din[1], k.n) + k.c0, ds, k.n_c, a->add[1]);
    }
}

static void scale_add_bwd(const spk_kargs *a)
{
    switch (3 * spk__mode(a, 0) + spk__mode(a, 2)) {
#define CASE(mode_x, mode_r)                                                                                           \
    case 3 * mode_x + mode_r:                                                                                          \
        scale_add_tasks(a, mode_x, mode_r);                                                                            \
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
}

/* ---- row_bias ---- */

SPK_INLINE float row_bias_act(float x, spk_act act)
{
    if (act == SPK_TANH) return 1 - 2 / (spk__expf(2 * x) + 1);
    return act == SPK_LINEAR ? x : x < 0 ? 0 : x;
}

SPK_INLINE void row_bias_rows(const spk_kargs *a, spk_act act)
{
    const int64_t rows = spk_rows(&a->out[0]), n_t = spk__n_frames(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r);
        const float *v = spk__row(&a->in[1], r / n_t);
        spk_elem *y = spk__frame(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            y[c] = spk__put(row_bias_act(spk__get(x[c]) + v[c], act));
    }
}

static void row_bias_fwd(const spk_kargs *a)
{
    const spk_act act = ((const spk_row_bias_attr *)a->attr)->act;
    if (act == SPK_TANH)
        row_bias_rows(a, SPK_TANH);
    else if (act == SPK_LINEAR)
        row_bias_rows(a, SPK_LINEAR);
    else
        row_bias_rows(a, SPK_RELU);
}

/* One frame: dx = dy act'(y), dv += that. A linear one does not read y. */
SPK_INLINE void row_bias_frame(const spk_kargs *a, int64_t row, const spk_task *k, double *dv, int mode, spk_act act)
{
    const spk_elem *dy = spk__frame(&a->dout[0], row) + k->c0;
    const spk_elem *y = act == SPK_LINEAR ? dy : spk__frame(&a->out[0], row) + k->c0;
    spk_elem *dx = mode ? spk__frame(&a->din[0], row) + k->c0 : NULL;
#pragma omp simd
    for (int64_t c = 0; c < k->n_c; c++) {
        const float g = spk__get(dy[c]), v = spk__get(y[c]);
        const float d = act == SPK_LINEAR ? g : act == SPK_TANH ? g * (1 - v * v) : v > 0 ? g : 0;
        dv[c] += (double)d;
        if (mode) spk__store_elem(dx + c, d, mode);
    }
}

SPK_INLINE void row_bias_tasks(const spk_kargs *a, int mode, spk_act act)
{
    const spk_view *dy = &a->dout[0];
    const spk_tasks all = spk__tasks(dy, a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        double dv[SPK_CHUNK] = {0};
        for (int64_t t = 0; t < k.n_t; t++)
            row_bias_frame(a, k.first + t, &k, dv, mode, act);
        if (a->din[1].p) store_sums(spk__row(&a->din[1], k.n) + k.c0, dv, k.n_c, a->add[1]);
    }
}

static void row_bias_bwd(const spk_kargs *a)
{
    switch (3 * (int)((const spk_row_bias_attr *)a->attr)->act + spk__mode(a, 0)) {
#define CASE(act, mode)                                                                                                \
    case 3 * (int)act + mode:                                                                                          \
        row_bias_tasks(a, mode, act);                                                                                  \
        break;
#define CASES(act) CASE(act, SPK_SKIP) CASE(act, SPK_WRITE) CASE(act, SPK_ADD)
        CASES(SPK_RELU)
        CASES(SPK_TANH)
        CASES(SPK_LINEAR)
#undef CASES
#undef CASE
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_time_mean) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 0), .fwd = time_mean_fwd, .bwd = time_mean_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_scale_add) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(5, 1), .fwd = scale_add_fwd, .bwd = scale_add_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_row_bias) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = row_bias_fwd, .bwd = row_bias_bwd};
