/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simam, item by item: the threads share its rows, add up their sums of each channel, and go over the rows again, which
 * are then in a cache where they fit. Rows of few channels are taken several at once (spk_span). With d = x - mean,
 * k = 1 / (4 (v + lambda)), s = sigmoid(k d^2 + 1/2) and g = dy x s (1 - s):
 *     y = x s,   dx = dy s + 2 k d g - a - b d,   a = 2 k sum(d g) / m,   b = 8 k^2 sum(d^2 g) / (m - 1).
 * Saves mean and k of each item and channel (2NC floats).
 * Scratch: for each thread 2 sums of each column in double; then 4 floats of each column.
 */
#include <math.h>

#include "backend/cpu/isa/column_sums.h"

enum { N_COEFS = 4 };

typedef struct coefs {
    float *mean, *k, *a, *b; /* by column */
} coefs;

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)(2 * g->in[0].n * g->in[0].c) * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    return spk__column_scratch(g, N_COEFS);
}

static coefs coefs_of(const spk_kargs *a)
{
    return (coefs){spk__column_coef(a, 0), spk__column_coef(a, 1), spk__column_coef(a, 2), spk__column_coef(a, 3)};
}

static bool is_dense(const spk_view *v)
{
    return v->ld == v->c;
}

/* The rows of an item, and those that count. */
static spk_view item_of(const spk_view *v, int64_t n)
{
    spk_view item = *v;
    item.p = spk__row(v, n * v->h * v->w);
    item.n = 1;
    return item;
}

static int64_t valid_rows(const spk_view *x, int64_t n)
{
    return x->len ? (x->len[n] < 0 ? 0 : spk__min(x->len[n], x->h)) * x->w : x->h * x->w;
}

SPK_INLINE float sigmoid(float z)
{
    return 1 / (1 + spk__expf(-z));
}

/* ---- forward ---- */

/* k.mean holds the shift before. */
static void finish_forward(const spk_kargs *a, const spk_span *w, coefs k, int64_t n, int64_t m)
{
    const int64_t n_c = a->in[0].c;
    const double lambda = ((const spk_simam_attr *)a->attr)->lambda;
    float *save = a->save ? (float *)a->save + 2 * n * n_c : NULL;
    for (int64_t c = 0; c < n_c; c++) {
        const double off = spk__column_total(a, w, 0, c) / (double)m,
                     square = spk__column_total(a, w, 1, c) - off * off * (double)m;
        k.mean[c] = (float)((double)k.mean[c] + off);
        k.k[c] = (float)(1 / (4 * ((m > 1 ? fmax(square, 0) / (double)(m - 1) : 0) + lambda)));
        if (isnan(square)) k.k[c] = NAN; /* fmax would hide it */
        if (save) save[c] = k.mean[c], save[n_c + c] = k.k[c];
    }
    spk__repeat(k.mean, n_c, w->width);
    spk__repeat(k.k, n_c, w->width);
}

static void write_y(const spk_view *x, const spk_view *y, const spk_span *w, coefs k, int64_t begin, int64_t end)
{
    for (int64_t r = end - 1; r >= begin; r--) {
        const float *xr = spk__wide(x, w, r);
        float *yr = spk__wide(y, w, r);
        const int64_t n = spk__width(w, r);
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            const float d = xr[c] - k.mean[c];
            yr[c] = xr[c] * sigmoid(k.k[c] * d * d + 0.5f);
        }
    }
}

static void clear_rows(const spk_view *v, int64_t from)
{
    for (int64_t r = from; r < v->h * v->w; r++)
        memset(spk__row(v, r), 0, (size_t)v->c * sizeof(float));
}

static void fwd(const spk_kargs *a)
{
    const coefs k = coefs_of(a);
    const bool dense = is_dense(&a->in[0]) && is_dense(&a->out[0]);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n_threads = omp_get_num_threads();
        for (int64_t n = 0; n < a->in[0].n; n++) {
            const spk_view x = item_of(&a->in[0], n), y = item_of(&a->out[0], n);
            const int64_t m = valid_rows(&a->in[0], n);
            const spk_span w = spk__span(m, x.c, dense);
            const int64_t begin = spk__row_begin(w.rows, i, n_threads), end = spk__row_begin(w.rows, i + 1, n_threads);
#pragma omp single
            {
                memcpy(k.mean, x.p, (size_t)x.c * sizeof(float));
                spk__repeat(k.mean, x.c, w.width);
                clear_rows(&y, m);
            }
            if (m == 0) continue;
            spk__clear_sums(a, &w);
            spk__sum_moments(a, &x, &w, k.mean, begin, end);
#pragma omp barrier
#pragma omp single
            finish_forward(a, &w, k, n, m);
            write_y(&x, &y, &w, k, begin, end);
#pragma omp barrier
        }
    }
}

/* ---- backward ---- */

/* sum_c += d g, square_c += d^2 g */
SPK_INLINE void add_products(const float *x, int64_t x_ld, const float *dy, int64_t dy_ld, int rows, int64_t n_c,
                             const coefs *k, double *sum, double *square)
{
    const float *mean = k->mean, *slope = k->k;
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        float s = 0, q = 0;
        for (int i = 0; i < rows; i++) {
            const float v = x[i * x_ld + c], d = v - mean[c], gate = sigmoid(slope[c] * d * d + 0.5f);
            const float g = d * (dy[i * dy_ld + c] * v * gate * (1 - gate));
            s += g;
            q += g * d;
        }
        sum[c] += (double)s;
        square[c] += (double)q;
    }
}

static void reduce_backward(const spk_kargs *a, const spk_view *x, const spk_view *dy, const spk_span *w, coefs k,
                            int64_t begin, int64_t end)
{
    const int64_t x_ld = w->dense ? w->width : x->ld, dy_ld = w->dense ? w->width : dy->ld;
    double *sum = spk__sums_of(a, omp_get_thread_num()), *square = sum + w->width;
    memset(sum, 0, (size_t)w->width * 2 * sizeof(double));
    for (int64_t r = begin; r < end;) {
        const bool whole = r + SPK_SUM_GROUP <= end && r + SPK_SUM_GROUP < w->rows;
        const float *xr = spk__wide(x, w, r), *dr = spk__wide(dy, w, r);
        if (whole)
            add_products(xr, x_ld, dr, dy_ld, SPK_SUM_GROUP, w->width, &k, sum, square);
        else
            add_products(xr, x_ld, dr, dy_ld, 1, spk__width(w, r), &k, sum, square);
        r += whole ? SPK_SUM_GROUP : 1;
    }
}

static void recall(const spk_kargs *a, const spk_span *w, coefs k, int64_t n)
{
    const int64_t n_c = a->in[0].c;
    const float *save = (const float *)a->save + 2 * n * n_c;
    memcpy(k.mean, save, (size_t)n_c * sizeof(float));
    memcpy(k.k, save + n_c, (size_t)n_c * sizeof(float));
    spk__repeat(k.mean, n_c, w->width);
    spk__repeat(k.k, n_c, w->width);
}

static void finish_backward(const spk_kargs *a, const spk_span *w, coefs k, int64_t m)
{
    const int64_t n_c = a->in[0].c;
    for (int64_t c = 0; c < n_c; c++) {
        const double slope = (double)k.k[c];
        k.a[c] = (float)(2 * slope * spk__column_total(a, w, 0, c) / (double)m);
        k.b[c] = m > 1 ? (float)(8 * slope * slope * spk__column_total(a, w, 1, c) / (double)(m - 1)) : 0;
    }
    spk__repeat(k.a, n_c, w->width);
    spk__repeat(k.b, n_c, w->width);
}

SPK_INLINE void write_dx(const spk_view *x, const spk_view *dy, const spk_view *dx, const spk_span *w, coefs k,
                         int64_t begin, int64_t end, int mode)
{
    for (int64_t r = end - 1; r >= begin; r--) {
        const float *xr = spk__wide(x, w, r), *dr = spk__wide(dy, w, r);
        float *to = spk__wide(dx, w, r);
        const int64_t n = spk__width(w, r);
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            const float v = xr[c], d = v - k.mean[c], gate = sigmoid(k.k[c] * d * d + 0.5f);
            const float direct = dr[c] * gate * (1 + 2 * k.k[c] * d * v * (1 - gate));
            spk__store(to + c, direct - k.a[c] - k.b[c] * d, mode);
        }
    }
}

static void bwd(const spk_kargs *a)
{
    const coefs k = coefs_of(a);
    const int mode = spk__mode(a, 0);
    const bool dense = is_dense(&a->in[0]) && is_dense(&a->dout[0]) && is_dense(&a->din[0]);
    if (mode == SPK_SKIP) return;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n_threads = omp_get_num_threads();
        for (int64_t n = 0; n < a->in[0].n; n++) {
            const spk_view x = item_of(&a->in[0], n), dy = item_of(&a->dout[0], n), dx = item_of(&a->din[0], n);
            const int64_t m = valid_rows(&a->in[0], n);
            const spk_span w = spk__span(m, x.c, dense);
            const int64_t begin = spk__row_begin(w.rows, i, n_threads), end = spk__row_begin(w.rows, i + 1, n_threads);
#pragma omp single
            {
                recall(a, &w, k, n);
                if (mode == SPK_WRITE) clear_rows(&dx, m);
            }
            if (m == 0) continue;
            reduce_backward(a, &x, &dy, &w, k, begin, end);
#pragma omp barrier
#pragma omp single
            finish_backward(a, &w, k, m);
            if (mode == SPK_WRITE)
                write_dx(&x, &dy, &dx, &w, k, begin, end, SPK_WRITE);
            else
                write_dx(&x, &dy, &dx, &w, k, begin, end, SPK_ADD);
#pragma omp barrier
        }
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_simam) = {
    .name = SPK_KERNEL_NAME, .save_bytes = save_bytes, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
