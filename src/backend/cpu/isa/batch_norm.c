/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_norm in two passes each way: sums over the rows, then the rows. The second pass walks backwards, as what the
 * first one read last may still be in a cache. Rows of few channels are taken several at once (spk_span): columns of one
 * channel are summed apart and then together. With ReLU the backward pass finds the sign of the result again from x, which
 * it reads anyway.
 * In training rows behind an item's end are in no sum, and zero: then sums go from item to item, by rows as they are.
 * Saves mean, 1 / sqrt(var + eps), the slope and beta (4C floats).
 * Scratch: for each thread 2 sums of each column in double; then 5 floats of each column; then 2C + 1 doubles, which go
 * round the processes where the statistics are those of all (ctx->sync): the sums of the channels, and the rows.
 */
#include <math.h>

#include "backend/cpu/isa/column_sums.h"

enum { N_COEFS = 5 };

typedef struct coefs {
    float *a, *b, *c, *d, *e; /* by column */
} coefs;

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)g->in[0].c * 4 * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    return spk__column_scratch(g, N_COEFS) + (2 * (size_t)g->in[0].c + 2) * sizeof(double);
}

/* The doubles that go round. */
static double *shared_of(const spk_kargs *a)
{
    const uintptr_t end = (uintptr_t)(spk__column_coef(a, N_COEFS - 1) + spk__most_columns(a->in[0].c));
    return (double *)((end + sizeof(double) - 1) / sizeof(double) *
                      sizeof(double)); // NOLINT(performance-no-int-to-ptr)
}

/* Do some rows not count? */
SPK_INLINE bool is_ragged(const spk_kargs *a)
{
    return a->in[0].len && ((const spk_batch_norm_attr *)a->attr)->train;
}

/* Rows that count. */
static double count_rows(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    int64_t rows = 0;
    if (!is_ragged(a)) return (double)spk_rows(x);
    for (int64_t n = 0; n < x->n; n++)
        rows += spk__valid_rows(x, n);
    return (double)rows;
}

/* This process's sums and rows become those of all. */
static void share(const spk_kargs *a)
{
    double *shared = shared_of(a);
    shared[2 * a->in[0].c] = count_rows(a);
    a->ctx->sync->sum(a->ctx->sync->self, shared, 2 * a->in[0].c + 1);
}

/* Rows of x and two more views; those of different lengths are taken as they are. */
SPK_INLINE spk_span span_of(const spk_kargs *a, const spk_view *y, const spk_view *z)
{
    const spk_view *x = &a->in[0];
    return spk__span(spk_rows(x), x->c, !is_ragged(a) && spk__dense(x) && spk__dense(y) && spk__dense(z));
}

SPK_INLINE void clear_rows(const spk_view *v, int64_t begin, int64_t end)
{
    for (int64_t r = begin; r < end; r++)
        memset(spk__frame(v, r), 0, (size_t)v->c * sizeof(spk_elem));
}

static coefs coefs_of(const spk_kargs *a)
{
    return (coefs){spk__column_coef(a, 0), spk__column_coef(a, 1), spk__column_coef(a, 2), spk__column_coef(a, 3),
                   spk__column_coef(a, 4)};
}

/* sum_c += dy, product_c += dy (x - mean); with `relu` where (x - mean) b + c > 0 */
SPK_INLINE void add_products(const spk_elem *x, int64_t x_ld, const spk_elem *dy, int64_t dy_ld, int rows, int64_t n_c,
                             const coefs *k, bool relu, double *sum, double *product)
{
    const float *mean = k->a, *b = k->b, *beta = k->c;
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        float s = 0, p = 0;
        for (int i = 0; i < rows; i++) {
            const float v = spk__get(x[i * x_ld + c]) - mean[c];
            const float d = relu && !(v * b[c] + beta[c] > 0) ? 0 : spk__get(dy[i * dy_ld + c]);
            s += d;
            p += d * v;
        }
        sum[c] += (double)s;
        product[c] += (double)p;
    }
}

/* ---- forward ---- */

/* Sums of x and of its square over the rows of all processes. The shifts differ, so they are taken out again. */
static void share_moments(const spk_kargs *a, const spk_span *w, const float *shift)
{
    const int64_t n_c = a->in[0].c;
    const double rows = count_rows(a);
    double *shared = shared_of(a);
    for (int64_t c = 0; c < n_c; c++) {
        const double s = (double)shift[c], sum = spk__column_total(a, w, 0, c), square = spk__column_total(a, w, 1, c);
        shared[c] = sum + rows * s;
        shared[n_c + c] = square + 2 * s * sum + rows * s * s;
    }
    share(a);
}

/* Mean and variance of channel c of the batch of so many rows, and the running statistics. */
static void finish_moments(const spk_kargs *a, const spk_span *w, double rows, double shift, int64_t c, double *mean,
                           double *var)
{
    const double m = ((const spk_batch_norm_attr *)a->attr)->momentum, *shared = shared_of(a);
    const bool own = !a->ctx->sync;
    float *rm = a->in[3].p, *rv = a->in[4].p;
    const double off = own ? spk__column_total(a, w, 0, c) / rows : shared[c] / rows;
    const double square = own ? spk__column_total(a, w, 1, c) : shared[a->in[0].c + c];
    *mean = own ? shift + off : off;
    *var = fmax(square / rows - off * off, 0);
    if (!isfinite(*mean) || !isfinite(square)) return; /* a batch that is not finite changes nothing */
    rm[c] = (float)((1 - m) * (double)rm[c] + m * *mean);
    rv[c] = (float)((1 - m) * (double)rv[c] + m * *var * rows / (rows - 1));
}

/* y = (x - a) b + c */
static void finish_forward(const spk_kargs *a, const spk_span *w, coefs k)
{
    const spk_batch_norm_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c;
    const float *gamma = a->in[1].p, *beta = a->in[2].p;
    float *save = a->save;
    if (attr->train && a->ctx->sync) share_moments(a, w, k.a);
    const double rows = !attr->train ? 0 : a->ctx->sync ? shared_of(a)[2 * n_c] : count_rows(a);
    for (int64_t c = 0; c < n_c; c++) {
        double mean, var;
        if (attr->train) {
            finish_moments(a, w, rows, (double)k.a[c], c, &mean, &var);
        } else {
            mean = (double)((const float *)a->in[3].p)[c];
            var = (double)((const float *)a->in[4].p)[c];
        }
        const double inv = 1 / sqrt(var + attr->eps);
        k.a[c] = (float)mean;
        k.b[c] = (float)((gamma ? (double)gamma[c] : 1) * inv);
        k.c[c] = beta ? beta[c] : 0;
        if (save) {
            save[c] = (float)mean;
            save[n_c + c] = (float)inv;
            save[2 * n_c + c] = k.b[c];
            save[3 * n_c + c] = k.c[c];
        }
    }
    spk__repeat(k.a, n_c, w->width);
    spk__repeat(k.b, n_c, w->width);
    spk__repeat(k.c, n_c, w->width);
    if (attr->train && a->in[5].p) ++*(int64_t *)a->in[5].p;
}

SPK_INLINE void normalise(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, bool relu)
{
    for (int64_t r = end - 1; r >= begin; r--) {
        const spk_elem *x = spk__wide(&a->in[0], w, r);
        spk_elem *y = spk__wide(&a->out[0], w, r);
        const int64_t n = spk__width(w, r);
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            const float v = (spk__get(x[c]) - k.a[c]) * k.b[c] + k.c[c];
            y[c] = spk__put(relu && v < 0 ? 0 : v);
        }
    }
}

/* The sums over rows [begin, end) of the span that count. */
SPK_INLINE void sum_rows(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end)
{
    spk__clear_sums(a, w);
    if (!is_ragged(a)) {
        spk__sum_moments(a, &a->in[0], w, k.a, begin, end);
        return;
    }
    for (int64_t from = begin, stop; from < end; from = stop) {
        stop = spk__valid_run(&a->in[0], &from, end);
        spk__sum_moments(a, &a->in[0], w, k.a, from, stop);
    }
}

/* y of rows [begin, end): those that count, and zeros. */
SPK_INLINE void write_y(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, bool relu)
{
    if (!is_ragged(a)) {
        normalise(a, w, k, begin, end, relu);
        return;
    }
    for (int64_t at = begin, from = begin, stop; at < end; at = from = stop) {
        stop = spk__valid_run(&a->in[0], &from, end);
        clear_rows(&a->out[0], at, from);
        normalise(a, w, k, from, stop, relu);
    }
}

static void fwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const coefs k = coefs_of(a);
    const int64_t n_c = a->in[0].c;
    const spk_span w = span_of(a, &a->out[0], &a->out[0]);
    for (int64_t c = 0; c < n_c; c++)
        k.a[c] = spk__get(spk__frame(&a->in[0], 0)[c]);
    spk__repeat(k.a, n_c, w.width);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        const int64_t begin = spk__row_begin(w.rows, i, n), end = spk__row_begin(w.rows, i + 1, n);
        if (attr->train) sum_rows(a, &w, k, begin, end);
#pragma omp barrier
#pragma omp single
        finish_forward(a, &w, k);
        if (attr->relu)
            write_y(a, &w, k, begin, end, true);
        else
            write_y(a, &w, k, begin, end, false);
    }
}

/* The coefficients of the forward pass: mean, slope, beta. */
static void recall(const spk_kargs *a, const spk_span *w, coefs k)
{
    const int64_t n_c = a->in[0].c;
    const float *save = a->save;
    memcpy(k.a, save, (size_t)n_c * sizeof(float));
    memcpy(k.b, save + 2 * n_c, (size_t)n_c * sizeof(float));
    memcpy(k.c, save + 3 * n_c, (size_t)n_c * sizeof(float));
    spk__repeat(k.a, n_c, w->width);
    spk__repeat(k.b, n_c, w->width);
    spk__repeat(k.c, n_c, w->width);
}

/* The rows once more, by the moments of the forward pass. */
static void again(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const coefs k = coefs_of(a);
    const spk_span w = span_of(a, &a->out[0], &a->out[0]);
    recall(a, &w, k);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        const int64_t begin = spk__row_begin(w.rows, i, n), end = spk__row_begin(w.rows, i + 1, n);
        if (attr->relu)
            write_y(a, &w, k, begin, end, true);
        else
            write_y(a, &w, k, begin, end, false);
    }
}

/* ---- backward ---- */

SPK_INLINE void reduce_run(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, bool relu)
{
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    const int64_t x_ld = w->dense ? w->width : x->ld, dy_ld = w->dense ? w->width : dy->ld;
    double *sum = spk__sums_of(a, omp_get_thread_num()), *product = sum + w->width;
    for (int64_t r = begin; r < end;) {
        const bool whole = r + SPK_SUM_GROUP <= end && r + SPK_SUM_GROUP < w->rows;
        const spk_elem *xr = spk__wide(x, w, r), *dr = spk__wide(dy, w, r);
        if (whole)
            add_products(xr, x_ld, dr, dy_ld, SPK_SUM_GROUP, w->width, &k, relu, sum, product);
        else
            add_products(xr, x_ld, dr, dy_ld, 1, spk__width(w, r), &k, relu, sum, product);
        r += whole ? SPK_SUM_GROUP : 1;
    }
}

SPK_INLINE void reduce_backward(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, bool relu)
{
    spk__clear_sums(a, w);
    if (!is_ragged(a)) {
        reduce_run(a, w, k, begin, end, relu);
        return;
    }
    for (int64_t from = begin, stop; from < end; from = stop) {
        stop = spk__valid_run(&a->in[0], &from, end);
        reduce_run(a, w, k, from, stop, relu);
    }
}

/* dx = b dy + d (x - a) + e */
static void finish_backward(const spk_kargs *a, const spk_span *w, coefs k)
{
    const spk_batch_norm_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c;
    const float *gamma = a->in[1].p, *save = a->save;
    float *dgamma = a->din[1].p, *dbeta = a->din[2].p;
    const spk_reduction *sync = attr->train ? a->ctx->sync : NULL;
    double rows = count_rows(a), *shared = shared_of(a);
    for (int64_t c = 0; c < n_c; c++) {
        const double inv = (double)save[n_c + c], sum = spk__column_total(a, w, 0, c),
                     product = spk__column_total(a, w, 1, c) * inv;
        if (dbeta) dbeta[c] = (float)((double)dbeta[c] + sum);
        if (dgamma) dgamma[c] = (float)((double)dgamma[c] + product);
        const double scale = (gamma ? (double)gamma[c] : 1) * inv;
        k.d[c] = attr->train ? (float)(-scale * inv * product / rows) : 0;
        k.e[c] = attr->train ? (float)(-scale * sum / rows) : 0;
        if (sync) {
            shared[c] = sum;
            shared[n_c + c] = product;
        }
    }
    if (sync) share(a);
    rows = sync ? shared[2 * n_c] : rows;
    for (int64_t c = 0; sync && c < n_c;
         c++) { /* gamma and beta got this process's part alone: gradients are summed later */
        const double inv = (double)save[n_c + c], scale = (gamma ? (double)gamma[c] : 1) * inv;
        k.d[c] = sync->idle ? 0 : (float)(-scale * inv * shared[n_c + c] / rows);
        k.e[c] = sync->idle ? 0 : (float)(-scale * shared[c] / rows);
    }
    spk__repeat(k.d, n_c, w->width);
    spk__repeat(k.e, n_c, w->width);
}

SPK_INLINE void write_dx(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, int mode,
                         bool mask, bool relu)
{
    for (int64_t r = end - 1; r >= begin; r--) {
        const spk_elem *x = spk__wide(&a->in[0], w, r), *dy = spk__wide(&a->dout[0], w, r);
        spk_elem *dx = spk__wide(&a->din[0], w, r);
        const int64_t n = spk__width(w, r);
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            const float xc = spk__get(x[c]), v = xc - k.a[c];
            const float dz = relu && !(v * k.b[c] + k.c[c] > 0) ? 0 : spk__get(dy[c]);
            const float d = k.b[c] * dz + (k.d[c] * v + k.e[c]);
            spk__store_elem(dx + c, mask && !(xc > 0) ? 0 : d, mode);
        }
    }
}

/* The kinds apart, so that each has its own loop. */
SPK_INLINE void write_run(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, int mode)
{
    const spk_batch_norm_attr *attr = a->attr;
    if (attr->mask_dx && attr->relu)
        write_dx(a, w, k, begin, end, mode, true, true);
    else if (attr->mask_dx)
        write_dx(a, w, k, begin, end, mode, true, false);
    else if (attr->relu)
        write_dx(a, w, k, begin, end, mode, false, true);
    else
        write_dx(a, w, k, begin, end, mode, false, false);
}

SPK_INLINE void write_mode(const spk_kargs *a, const spk_span *w, coefs k, int64_t begin, int64_t end, int mode)
{
    if (!is_ragged(a)) {
        write_run(a, w, k, begin, end, mode);
        return;
    }
    for (int64_t at = begin, from = begin, stop; at < end; at = from = stop) {
        stop = spk__valid_run(&a->in[0], &from, end);
        if (mode == SPK_WRITE) clear_rows(&a->din[0], at, from);
        write_run(a, w, k, from, stop, mode);
    }
}

static void bwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const coefs k = coefs_of(a);
    const int mode = spk__mode(a, 0);
    const spk_span w = span_of(a, &a->dout[0], &a->din[0]);
    recall(a, &w, k);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const int i = omp_get_thread_num(), n = omp_get_num_threads();
        const int64_t begin = spk__row_begin(w.rows, i, n), end = spk__row_begin(w.rows, i + 1, n);
        if (attr->relu)
            reduce_backward(a, &w, k, begin, end, true);
        else
            reduce_backward(a, &w, k, begin, end, false);
#pragma omp barrier
#pragma omp single
        finish_backward(a, &w, k);
        if (mode == SPK_ADD)
            write_mode(a, &w, k, begin, end, SPK_ADD);
        else if (mode == SPK_WRITE)
            write_mode(a, &w, k, begin, end, SPK_WRITE);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_batch_norm) = {.name = SPK_KERNEL_NAME,
                                                      SPK_FRAMES(1, 1),
                                                      .save_bytes = save_bytes,
                                                      .scratch_bytes = scratch_bytes,
                                                      .fwd = fwd,
                                                      .bwd = bwd,
                                                      .again = again};
