/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinc in blocks of frames. A filter is the mirror image of itself (even) or its negative (odd), so a frame is folded:
 * sums z[i] + z[K-1-i] meet the left halves of the even filters, differences those of the odd ones, which halves both
 * the forward product and the backward one. Frames are of the normalised utterance z^ without its learned factor g and
 * offset b: the products are C = g (bank z^) + b (sum of the filter), and behind them
 *   dbank = g A + b S,  dg = sum bank A,  db = sum S (sum of the filter),  A = sum_t dC z^,  S = sum_t dC.
 * The backward pass makes the products again; a frame's gradient stays in the cache.
 *
 * The bank is made in float, in the order of operations of its source: models are trained with that rounding, and the
 * logarithm of a product near zero shows it.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/isa/product_impl.h"

enum { FRAMES = 64, MIN_HZ = 50 };

/* Filters as columns, the tap before the centre last; even: (half + 1, m), the last row is the centre. */
typedef struct sinc_state {
    int64_t half, m;
    bool ready;
    float *even, *odd;       /* (half + 1, m), (half, m) */
    double *sum, *low;       /* of the even filters' taps, all of them (m); edges in Hz (m) */
    double *high;            /* (m) */
    unsigned char *may_move; /* the upper edge is not at its bound (m) */
} sinc_state;

static void destroy(void *state)
{
    sinc_state *s = state;
    if (!s) return;
    spk_free(s->even);
    spk_free(s->sum);
    spk_free(s->may_move);
    spk_free(s);
}

static spk_status create(const spk_geom *g, void **state)
{
    const int64_t half = ((const spk_sinc_attr *)g->attr)->kernel_size / 2, m = g->out[0].c / 2;
    sinc_state *s = spk_new(sizeof *s);
    s->half = half;
    s->m = m;
    s->even = spk_alloc((size_t)((2 * half + 1) * m) * sizeof(float));
    s->sum = spk_alloc((size_t)(3 * m) * sizeof(double));
    s->may_move = spk_alloc((size_t)m);
    if (!s->even || !s->sum || !s->may_move) {
        destroy(s);
        return spk_fail(SPK_E_NOMEM, "out of memory for %lld filters", (long long)(2 * m));
    }
    s->odd = s->even + (half + 1) * m;
    s->low = s->sum + m;
    s->high = s->low + m;
    *state = s;
    return SPK_OK;
}

static bool supports(const spk_geom *g)
{
    return ((const spk_sinc_attr *)g->attr)->kernel_size % 2 == 1;
}

/* ---- the bank ---- */

static void make_filter(const spk_kargs *a, sinc_state *s, int64_t m)
{
    const float *n = a->in[7].p, *window = a->in[6].p;
    const float top = (float)(((const spk_sinc_attr *)a->attr)->sample_rate / 2);
    const float low = (float)MIN_HZ + fabsf(((const float *)a->in[4].p)[m]);
    const float want = low + (float)MIN_HZ + fabsf(((const float *)a->in[5].p)[m]);
    const float high = want < (float)MIN_HZ ? (float)MIN_HZ : want > top ? top : want, width = high - low;
    double sum = 0;
    for (int64_t i = 0; i < s->half; i++) {
        const float from = low * n[i], to = high * n[i];
        s->even[i * s->m + m] = (sinf(to) - sinf(from)) / (n[i] / 2) * window[i] / (2 * width);
        s->odd[i * s->m + m] = (cosf(from) - cosf(to)) / (n[i] / 2) * window[i] / (2 * width);
        sum += 2 * (double)s->even[i * s->m + m];
    }
    s->even[s->half * s->m + m] = 1;
    s->sum[m] = sum + 1;
    s->low[m] = (double)low;
    s->high[m] = (double)high;
    s->may_move[m] = want <= top;
}

static void make_bank(const spk_kargs *a)
{
    sinc_state *s = a->state;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t m = 0; m < s->m; m++)
        make_filter(a, s, m);
    s->ready = true;
}

/* ---- memory ---- */

/* One thread's. */
typedef struct block {
    float *sums, *differences; /* (FRAMES, half + 1), (FRAMES, half): folded frames */
    float *c;                  /* (FRAMES, 2m): products, then their gradients */
    float *part;               /* (2 half + 1, m): A of some blocks, even rows then odd ones */
    double *total;             /* (2 half + 1, m) A of all of its blocks, then S (2m) */
} block;

static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t block_bytes(int64_t half, int64_t m, bool train)
{
    const int64_t taps = (2 * half + 1) * m;
    return padded((size_t)(FRAMES * (2 * half + 1 + 2 * m)) * sizeof(float)) +
           (train ? padded((size_t)taps * sizeof(float)) + padded((size_t)(taps + 2 * m) * sizeof(double)) : 0);
}

/* z^ (N,S), means over time of dout (N,2m), then the threads' blocks. */
static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    const sinc_state *s = state;
    return padded((size_t)(g->in[0].n * g->in[0].w) * sizeof(float)) +
           padded((size_t)(g->in[0].n * 2 * s->m) * sizeof(float)) +
           (size_t)g->n_threads * block_bytes(s->half, s->m, g->train);
}

typedef struct parts {
    int64_t n_samples, n_frames; /* of an item's rows */
    float *z, *mean;
    char *blocks;
} parts;

static parts parts_of(const spk_kargs *a, const spk_view *y)
{
    parts p = {.n_samples = spk__n_frames(&a->in[0]), .n_frames = spk__n_frames(y), .z = a->scratch};
    char *at = (char *)a->scratch + padded((size_t)(a->in[0].n * p.n_samples) * sizeof(float));
    p.mean = (float *)(void *)at;
    p.blocks = at + padded((size_t)(a->in[0].n * y->c) * sizeof(float));
    return p;
}

static block block_of(const sinc_state *s, const parts *p, int thread, bool train)
{
    char *at = p->blocks + block_bytes(s->half, s->m, train) * (size_t)thread;
    block b = {.sums = (float *)(void *)at};
    b.differences = b.sums + FRAMES * (s->half + 1);
    b.c = b.differences + FRAMES * s->half;
    if (!train) return b;
    at += padded((size_t)(FRAMES * (2 * s->half + 1 + 2 * s->m)) * sizeof(float));
    b.part = (float *)(void *)at;
    b.total = (double *)(void *)(at + padded((size_t)((2 * s->half + 1) * s->m) * sizeof(float)));
    return b;
}

/* ---- the utterance ---- */

/* z^ of item n: pre-emphasis, then (y - mean) / sqrt(var + 1e-4). */
static void normalise(const spk_kargs *a, const parts *p, int64_t n)
{
    const spk_view *x = &a->in[0];
    const int64_t len = spk__n_valid(x, n), ld = x->ld;
    const float *from = spk__row(x, n * p->n_samples), *filter = a->in[1].p;
    float *z = p->z + n * p->n_samples;
    double sum = 0, square = 0;
    if (len == 0) return;
    for (int64_t i = 1; i < len; i++)
        z[i] = filter ? filter[0] * from[(i - 1) * ld] + filter[1] * from[i * ld] : from[i * ld];
    z[0] = filter ? filter[0] * from[len > 1 ? ld : 0] + filter[1] * from[0] : from[0];
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < len; i++)
        sum += (double)z[i];
    const double mean = sum / (double)len;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < len; i++)
        square += ((double)z[i] - mean) * ((double)z[i] - mean);
    const double scale = 1 / sqrt(square / (double)len + 1e-4);
#pragma omp simd
    for (int64_t i = 0; i < len; i++)
        z[i] = (float)(((double)z[i] - mean) * scale);
}

static void normalise_all(const spk_kargs *a, const parts *p)
{
    const int64_t n_items = a->in[0].n;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < n_items; n++)
        normalise(a, p, n);
}

/* Frames that item n has. */
static int64_t item_frames(const spk_kargs *a, const parts *p, int64_t n)
{
    const spk_sinc_attr *attr = a->attr;
    const int64_t len = spk__n_valid(&a->in[0], n);
    return len < attr->kernel_size ? 0 : spk__min((len - attr->kernel_size) / attr->stride + 1, p->n_frames);
}

/* ---- a block of frames [t0, t0 + n_t) of item n ---- */

static void fold(const spk_kargs *a, const parts *p, int64_t n, int64_t t0, int64_t n_t, const block *b)
{
    const sinc_state *s = a->state;
    const int64_t half = s->half, stride = ((const spk_sinc_attr *)a->attr)->stride;
    for (int64_t t = 0; t < n_t; t++) {
        const float *z = p->z + n * p->n_samples + (t0 + t) * stride, *end = z + 2 * half;
        float *sums = b->sums + t * (half + 1), *differences = b->differences + t * half;
#pragma omp simd
        for (int64_t i = 0; i < half; i++) {
            sums[i] = z[i] + end[-i];
            differences[i] = z[i] - end[-i];
        }
        sums[half] = z[half];
    }
}

/* c = bank z^, before g and b. */
static void products(const sinc_state *s, int64_t n_t, const block *b)
{
    const int64_t half = s->half, m = s->m;
    memset(b->c, 0, (size_t)(n_t * 2 * m) * sizeof(float));
    spk__product(n_t, m, half + 1, b->sums, half + 1, 1, s->even, m, b->c, 2 * m);
    spk__product(n_t, m, half, b->differences, half, 1, s->odd, m, b->c + m, 2 * m);
}

/* ---- forward ---- */

/* ln(|g c + b sum| + log_term) of a row of m products. */
static void write_logs(float *y, const float *c, const double *sum, int64_t m, float g, float b, float log_term)
{
#pragma omp simd
    for (int64_t i = 0; i < m; i++)
        y[i] = spk__logf(fabsf(g * c[i] + (sum ? b * (float)sum[i] : 0)) + log_term);
}

static void fwd_block(const spk_kargs *a, const parts *p, int64_t n, int64_t t0, const block *b)
{
    const sinc_state *s = a->state;
    const spk_view *y = &a->out[0];
    const float g = *(const float *)a->in[2].p, offset = *(const float *)a->in[3].p;
    const float log_term = (float)((const spk_sinc_attr *)a->attr)->log_term;
    const int64_t end = spk__min(t0 + FRAMES, p->n_frames);
    const int64_t n_t = spk__min(FRAMES, item_frames(a, p, n) - t0);
    if (n_t > 0) {
        fold(a, p, n, t0, n_t, b);
        products(s, n_t, b);
    }
    for (int64_t t = t0; t < end; t++) {
        float *to = spk__row(y, n * p->n_frames + t), *c = b->c + (t - t0) * 2 * s->m;
        if (t - t0 >= n_t) {
            memset(to, 0, (size_t)y->c * sizeof(float));
            continue;
        }
        write_logs(to, c, s->sum, s->m, g, offset, log_term);
        write_logs(to + s->m, c + s->m, NULL, s->m, g, offset, log_term);
    }
}

/* mean[c] over the first n_t frames of item n. */
static void time_mean(const spk_view *v, const spk_task *k, int64_t n_t, float *mean)
{
    double sum[SPK_CHUNK] = {0};
    for (int64_t t = 0; t < n_t; t++) {
        const float *row = spk__row(v, k->first + t) + k->c0;
#pragma omp simd
        for (int64_t c = 0; c < k->n_c; c++)
            sum[c] += (double)row[c];
    }
    for (int64_t c = 0; c < k->n_c; c++)
        mean[c] = (float)(sum[c] / (double)(n_t > 0 ? n_t : 1));
}

static void subtract_means(const spk_kargs *a, const parts *p)
{
    const spk_view *y = &a->out[0];
    const spk_tasks all = spk__tasks(y, a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        const int64_t n_t = item_frames(a, p, k.n);
        float mean[SPK_CHUNK];
        time_mean(y, &k, n_t, mean);
        for (int64_t t = 0; t < n_t; t++) {
            float *row = spk__row(y, k.first + t) + k.c0;
#pragma omp simd
            for (int64_t c = 0; c < k.n_c; c++)
                row[c] -= mean[c];
        }
    }
}

static void fwd(const spk_kargs *a)
{
    const sinc_state *s = a->state;
    const parts p = parts_of(a, &a->out[0]);
    const int64_t per_item = (p.n_frames + FRAMES - 1) / FRAMES, n_blocks = a->in[0].n * per_item;
    if (!s->ready || a->weights_changed) make_bank(a);
    normalise_all(a, &p);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const block b = block_of(s, &p, omp_get_thread_num(), false);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n_blocks; i++)
            fwd_block(a, &p, i / per_item, i % per_item * FRAMES, &b);
    }
    subtract_means(a, &p);
}

/* ---- backward ---- */

/* c becomes the gradient of the product with g and b: (dy - mean) sign(c) / (|c| + log_term). */
static void slopes(float *c, const float *dy, const float *mean, const double *sum, int64_t m, float g, float b,
                   float log_term)
{
#pragma omp simd
    for (int64_t i = 0; i < m; i++) {
        const float v = g * c[i] + (sum ? b * (float)sum[i] : 0);
        const float slope = (dy[i] - mean[i]) / (fabsf(v) + log_term);
        c[i] = v > 0 ? slope : v < 0 ? -slope : 0;
    }
}

static void bwd_block(const spk_kargs *a, const parts *p, int64_t n, int64_t t0, const block *b)
{
    const sinc_state *s = a->state;
    const int64_t m = s->m, half = s->half, n_t = spk__min(FRAMES, item_frames(a, p, n) - t0);
    const float g = *(const float *)a->in[2].p, offset = *(const float *)a->in[3].p;
    const float log_term = (float)((const spk_sinc_attr *)a->attr)->log_term, *mean = p->mean + n * 2 * m;
    double *sum = b->total + (2 * half + 1) * m;
    if (n_t <= 0) return;
    fold(a, p, n, t0, n_t, b);
    products(s, n_t, b);
    for (int64_t t = 0; t < n_t; t++) {
        const float *dy = spk__row(&a->dout[0], n * p->n_frames + t0 + t);
        float *c = b->c + t * 2 * m;
        slopes(c, dy, mean, s->sum, m, g, offset, log_term);
        slopes(c + m, dy + m, mean + m, NULL, m, g, offset, log_term);
#pragma omp simd
        for (int64_t i = 0; i < 2 * m; i++)
            sum[i] += (double)c[i];
    }
    spk__product(half + 1, m, n_t, b->sums, 1, half + 1, b->c, 2 * m, b->part, m);
    spk__product(half, m, n_t, b->differences, 1, half, b->c + m, 2 * m, b->part + (half + 1) * m, m);
}

/* A thread's sum in float goes into that in double. */
static void flush(const sinc_state *s, const block *b)
{
    const int64_t n = (2 * s->half + 1) * s->m;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        b->total[i] += (double)b->part[i];
        b->part[i] = 0;
    }
}

/* All blocks: A and S of each thread. */
static void bwd_blocks(const spk_kargs *a, const parts *p)
{
    const sinc_state *s = a->state;
    const int64_t per_item = (p->n_frames + FRAMES - 1) / FRAMES, n_blocks = a->in[0].n * per_item;
    const int64_t taps = (2 * s->half + 1) * s->m;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const block b = block_of(s, p, omp_get_thread_num(), true);
        int64_t done = 0;
        memset(b.part, 0, (size_t)taps * sizeof(float));
        memset(b.total, 0, (size_t)(taps + 2 * s->m) * sizeof(double));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n_blocks; i++) {
            bwd_block(a, p, i / per_item, i % per_item * FRAMES, &b);
            if (++done % 16 == 0) flush(s, &b);
        }
        flush(s, &b);
    }
    const block first = block_of(s, p, 0, true);
    for (int i = 1; i < a->ctx->n_threads; i++) {
        const block b = block_of(s, p, i, true);
        for (int64_t j = 0; j < taps + 2 * s->m; j++)
            first.total[j] += b.total[j];
    }
}

typedef struct slopes_of_filter {
    double low, high, width, g, b;
} slopes_of_filter;

/* From A and S of filters m and M + m to their edges and to the normalisation. */
static slopes_of_filter filter_bwd(const spk_kargs *a, const double *total, int64_t m)
{
    const sinc_state *s = a->state;
    const int64_t half = s->half;
    const float *n = a->in[7].p, *window = a->in[6].p;
    const double g = (double)*(const float *)a->in[2].p, b = (double)*(const float *)a->in[3].p;
    const double *odd_total = total + (half + 1) * s->m, *sum = odd_total + half * s->m;
    const double width = s->high[m] - s->low[m];
    slopes_of_filter d = {.g = total[half * s->m + m], .b = sum[m] * s->sum[m]};
    for (int64_t i = 0; i < half; i++) {
        const double even = (double)s->even[i * s->m + m], odd = (double)s->odd[i * s->m + m];
        const double at = (double)n[i], w = (double)window[i] / width;
        const double de = g * total[i * s->m + m] + 2 * b * sum[m], ds = g * odd_total[i * s->m + m];
        d.g += even * total[i * s->m + m] + odd * odd_total[i * s->m + m];
        d.high += w * (de * cos(s->high[m] * at) + ds * sin(s->high[m] * at));
        d.low -= w * (de * cos(s->low[m] * at) + ds * sin(s->low[m] * at));
        d.width -= (de * even + ds * odd) / width;
    }
    return d;
}

static float sign(float x)
{
    return (float)((x > 0) - (x < 0));
}

static void bwd(const spk_kargs *a)
{
    const sinc_state *s = a->state;
    const parts p = parts_of(a, &a->dout[0]);
    const spk_tasks all = spk__tasks(&a->dout[0], a->ctx->n_threads);
    normalise_all(a, &p);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        time_mean(&a->dout[0], &k, item_frames(a, &p, k.n), p.mean + k.n * 2 * s->m + k.c0);
    }
    bwd_blocks(a, &p);
    const double *total = block_of(s, &p, 0, true).total;
    const float *low = a->in[4].p, *band = a->in[5].p;
    double dg = 0, db = 0;
    for (int64_t m = 0; m < s->m; m++) {
        const slopes_of_filter d = filter_bwd(a, total, m);
        const double moves = s->may_move[m] ? d.high + d.width : 0;
        dg += d.g;
        db += d.b;
        if (a->din[4].p) ((float *)a->din[4].p)[m] += (float)(d.low - d.width + moves) * sign(low[m]);
        if (a->din[5].p) ((float *)a->din[5].p)[m] += (float)moves * sign(band[m]);
    }
    if (a->din[2].p) *(float *)a->din[2].p += (float)dg;
    if (a->din[3].p) *(float *)a->din[3].p += (float)db;
}

const spk_kernel SPK_ISA_NAME(spk__omp_sinc) = {.name = SPK_KERNEL_NAME,
                                                .supports = supports,
                                                .create = create,
                                                .destroy = destroy,
                                                .scratch_bytes = scratch_bytes,
                                                .fwd = fwd,
                                                .bwd = bwd};
