/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attn_stats: softmax over time and the weighted moments in one pass over e and x. A task is an item and a chunk of
 * channels; it goes through the frames in tiles: the tile's maximum first, then, when what was summed has been scaled
 * to the new maximum, exponentials and sums. x is taken relative to its value at the maximum, so that little cancels,
 * least of all where one frame has nearly all the weight.
 * Saves maximum, 1 / denominator and variance (3NC floats); the backward pass makes the weights again from them:
 *   dx = w (dmu + 2 dvar y),  de = w (dmu y + dvar (y^2 - var)),  y = x - mu.
 */
#include "backend/cpu/isa_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TILE = 16 };

typedef struct sums {
    float max[SPK_CHUNK], shift[SPK_CHUNK];                     /* y = x - shift */
    double den[SPK_CHUNK], first[SPK_CHUNK], second[SPK_CHUNK]; /* sum w', w' y, w' y^2; w' = exp(e - max) */
} sums;

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)(g->in[0].n * g->in[0].c) * 3 * sizeof(float);
}

/* Frames that weigh: the valid ones; where there is none all of them, alike. */
static int64_t frames_of(const spk_kargs *a, int64_t n, bool *uniform)
{
    const spk_view *e = &a->in[0], *x = &a->in[1];
    const int64_t valid = spk__n_valid(e->len ? e : x, n);
    *uniform = valid == 0;
    return valid > 0 ? valid : spk__n_frames(x);
}

/* Raise the maximum to that of `rows` more frames, and move the sums there. */
static void raise(const spk_elem *e, int64_t e_ld, const spk_elem *x, int64_t x_ld, int64_t rows, int64_t n_c, sums *s)
{
    float max[SPK_CHUNK], shift[SPK_CHUNK];
    for (int64_t c = 0; c < n_c; c++) {
        max[c] = s->max[c];
        shift[c] = s->shift[c];
    }
    for (int64_t t = 0; t < rows; t++) {
        const spk_elem *et = e + t * e_ld, *xt = x + t * x_ld;
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++) {
            const float v = spk__get(et[c]);
            shift[c] = v > max[c] ? spk__get(xt[c]) : shift[c];
            max[c] = v > max[c] ? v : max[c];
        }
    }
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        const double scale = (double)spk__expf(s->max[c] - max[c]), by = (double)s->shift[c] - (double)shift[c];
        s->second[c] = scale * (s->second[c] + by * (2 * s->first[c] + by * s->den[c]));
        s->first[c] = scale * (s->first[c] + by * s->den[c]);
        s->den[c] *= scale;
        s->max[c] = max[c];
        s->shift[c] = shift[c];
    }
}

/* Add `rows` frames, a constant after inlining. */
SPK_INLINE void add_frames(const spk_elem *e, int64_t e_ld, const spk_elem *x, int64_t x_ld, int rows, int64_t n_c,
                           bool uniform, sums *s)
{
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        float den = 0, first = 0, second = 0;
        for (int t = 0; t < rows; t++) {
            const float w = uniform ? 1 : spk__expf(spk__get(e[t * e_ld + c]) - s->max[c]);
            const float y = spk__get(x[t * x_ld + c]) - s->shift[c];
            den += w;
            first += w * y;
            second += w * y * y;
        }
        s->den[c] += (double)den;
        s->first[c] += (double)first;
        s->second[c] += (double)second;
    }
}

static void add_tile(const spk_kargs *a, int64_t row, int64_t c0, int64_t rows, int64_t n_c, bool uniform, sums *s)
{
    const int64_t e_ld = a->in[0].ld, x_ld = a->in[1].ld;
    const spk_elem *e = spk__frame(&a->in[0], row) + c0, *x = spk__frame(&a->in[1], row) + c0;
    int64_t t = 0;
    if (!uniform) raise(e, e_ld, x, x_ld, rows, n_c, s);
    for (; t + 4 <= rows; t += 4)
        add_frames(e + t * e_ld, e_ld, x + t * x_ld, x_ld, 4, n_c, uniform, s);
    for (; t < rows; t++)
        add_frames(e + t * e_ld, e_ld, x + t * x_ld, x_ld, 1, n_c, uniform, s);
}

static double floor_of(double lo)
{
    return lo < 0 ? (double)FLT_EPSILON : lo;
}

static void fwd_task(const spk_kargs *a, const spk_task *k)
{
    const spk_attn_stats_attr *attr = a->attr;
    const int64_t all_c = a->in[1].c, n = k->n, row = k->first, c0 = k->c0, n_c = k->n_c;
    bool uniform;
    const int64_t len = frames_of(a, n, &uniform);
    const spk_elem *x = spk__frame(&a->in[1], row) + c0, *e = spk__frame(&a->in[0], row) + c0;
    sums s;
    for (int64_t c = 0; c < n_c; c++) {
        s.max[c] = spk__get(e[c]);
        s.shift[c] = spk__get(x[c]);
        s.den[c] = s.first[c] = s.second[c] = 0;
    }
    for (int64_t t = 0; t < len; t += TILE)
        add_tile(a, row + t, c0, spk__min(TILE, len - t), n_c, uniform, &s);
    float *mu = spk__row(&a->out[0], n) + c0, *sigma = mu + all_c;
    float *save = a->save ? (float *)a->save + n * 3 * all_c + c0 : NULL;
    const double lo = floor_of(attr->lo);
    for (int64_t c = 0; c < n_c; c++) {
        const double off = s.first[c] / s.den[c], var = s.second[c] / s.den[c] - off * off;
        mu[c] = (float)((double)s.shift[c] + off);
        sigma[c] = (float)sqrt(var < lo ? lo : var > attr->hi ? attr->hi : var);
        if (save) {
            save[c] = s.max[c];
            save[all_c + c] = (float)(1 / s.den[c]);
            save[2 * all_c + c] = (float)var;
        }
    }
}

/* What the backward loop needs of each channel. */
typedef struct slopes {
    float dmu[SPK_CHUNK], dvar[SPK_CHUNK];
} slopes;

static void slopes_of(const spk_kargs *a, int64_t n, int64_t c0, int64_t n_c, slopes *k)
{
    const spk_attn_stats_attr *attr = a->attr;
    const int64_t all_c = a->in[1].c;
    const float *dmu = spk__row(&a->dout[0], n) + c0, *dsigma = dmu + all_c;
    const float *var = (const float *)a->save + n * 3 * all_c + 2 * all_c + c0;
    const double lo = floor_of(attr->lo);
    for (int64_t c = 0; c < n_c; c++) {
        const double v = (double)var[c];
        k->dmu[c] = dmu[c];
        k->dvar[c] = v >= lo && v <= attr->hi ? (float)((double)dsigma[c] / (2 * sqrt(v))) : 0;
    }
}

/* One frame. Where all frames weigh alike, e has no say. */
SPK_INLINE void bwd_frame(const spk_kargs *a, int64_t row, int64_t c0, int64_t n_c, const float *save, const float *mu,
                          const slopes *k, bool uniform, int mode_e, int mode_x)
{
    const spk_elem *e = spk__frame(&a->in[0], row) + c0, *x = spk__frame(&a->in[1], row) + c0;
    const float *max = save, *inv = save + a->in[1].c, *var = inv + a->in[1].c;
    spk_elem *de = mode_e ? spk__frame(&a->din[0], row) + c0 : NULL;
    spk_elem *dx = mode_x ? spk__frame(&a->din[1], row) + c0 : NULL;
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        const float y = spk__get(x[c]) - mu[c];
        const float w = (uniform ? 1 : spk__expf(spk__get(e[c]) - max[c])) * inv[c];
        const float to_e = w * (k->dmu[c] * y + k->dvar[c] * (y * y - var[c]));
        const float to_x = w * (k->dmu[c] + 2 * k->dvar[c] * y);
        if (mode_e) spk__store_elem(de + c, uniform ? 0 : to_e, mode_e);
        if (mode_x) spk__store_elem(dx + c, to_x, mode_x);
    }
}

static void zero(const spk_view *d, int64_t row, int64_t c0, int64_t n_c)
{
    memset(spk__frame(d, row) + c0, 0, (size_t)n_c * sizeof(spk_elem));
}

SPK_INLINE void bwd_task(const spk_kargs *a, const spk_task *k, int mode_e, int mode_x)
{
    const int64_t all_c = a->in[1].c, n = k->n, n_t = k->n_t, first = k->first, c0 = k->c0, n_c = k->n_c;
    const float *save = (const float *)a->save + n * 3 * all_c + c0, *mu = spk__row(&a->out[0], n) + c0;
    bool uniform;
    const int64_t len = frames_of(a, n, &uniform);
    slopes d;
    slopes_of(a, n, c0, n_c, &d);
    if (uniform)
        for (int64_t t = 0; t < len; t++)
            bwd_frame(a, first + t, c0, n_c, save, mu, &d, true, mode_e, mode_x);
    else
        for (int64_t t = 0; t < len; t++)
            bwd_frame(a, first + t, c0, n_c, save, mu, &d, false, mode_e, mode_x);
    for (int64_t t = len; t < n_t; t++) {
        if (mode_e == SPK_WRITE) zero(&a->din[0], first + t, c0, n_c);
        if (mode_x == SPK_WRITE) zero(&a->din[1], first + t, c0, n_c);
    }
}

static void fwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[1], a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        fwd_task(a, &k);
    }
}

SPK_INLINE void bwd_tasks(const spk_kargs *a, int mode_e, int mode_x)
{
    const spk_tasks all = spk__tasks(&a->in[1], a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        bwd_task(a, &k, mode_e, mode_x);
    }
}

static void bwd(const spk_kargs *a)
{
    switch (3 * spk__mode(a, 0) + spk__mode(a, 1)) {
#define CASE(mode_e, mode_x)                                                                                           \
    case 3 * mode_e + mode_x:                                                                                          \
        bwd_tasks(a, mode_e, mode_x);                                                                                  \
        break;
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

const spk_kernel SPK_ISA_NAME(spk__omp_attn_stats) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(3, 0), .save_bytes = save_bytes, .fwd = fwd, .bwd = bwd};
