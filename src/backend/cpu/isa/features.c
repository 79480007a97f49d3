/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between frontend and encoder: mvn, feature_norm, specaug, layer_sum. What is drawn and how frames are warped stands in
 * specaug_impl.h; the gradients of specaug and of normalised layers, which hardly any network needs, are the
 * reference's.
 */
#include "backend/cpu/isa_impl.h"

#include <math.h>
#include <string.h>

#include "backend/specaug_impl.h"

enum { GROUP = 4 }; /* frames whose sum is taken in float */

static void zero_frames(const spk_view *v, int64_t first, int64_t from, int64_t to, int64_t c0, int64_t n_c)
{
    for (int64_t t = from; t < to; t++)
        memset(spk__row(v, first + t) + c0, 0, (size_t)n_c * sizeof(float));
}

/* ---- mvn ---- */

/* Mean and 1 / deviation of a task's channels; `flat`: the deviation is the floor. */
typedef struct moments {
    float mean[SPK_CHUNK], scale[SPK_CHUNK];
    bool flat[SPK_CHUNK];
} moments;

static void find_moments(const spk_kargs *a, const spk_task *k, int64_t len, moments *m)
{
    const spk_mvn_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const float *shift = spk__row(x, k->first) + k->c0;
    double sum[SPK_CHUNK] = {0}, square[SPK_CHUNK] = {0};
    int64_t t = 0;
    for (; t + GROUP <= len; t += GROUP)
        spk__add_moments(spk__row(x, k->first + t) + k->c0, x->ld, GROUP, k->n_c, shift, sum, square);
    for (; t < len; t++)
        spk__add_moments(spk__row(x, k->first + t) + k->c0, x->ld, 1, k->n_c, shift, sum, square);
    for (int64_t c = 0; c < k->n_c; c++) {
        const double off = len > 0 ? sum[c] / (double)len : 0, spread = square[c] - off * sum[c];
        const double std = attr->vars && len > 0 ? sqrt(fmax(spread, 0) / (double)len) : 1;
        m->flat[c] = !attr->vars || std < attr->eps;
        m->mean[c] = len > 0 ? (float)((double)shift[c] + off) : 0;
        m->scale[c] = (float)(1 / (std < attr->eps ? attr->eps : std));
    }
}

static void mvn_fwd_task(const spk_kargs *a, const spk_task *k)
{
    const spk_mvn_attr *attr = a->attr;
    const int64_t len = spk__n_valid(&a->in[0], k->n);
    moments m;
    find_moments(a, k, len, &m);
    for (int64_t c = 0; c < k->n_c && !attr->means; c++)
        m.mean[c] = 0;
    for (int64_t t = 0; t < len; t++) {
        const float *x = spk__row(&a->in[0], k->first + t) + k->c0;
        float *y = spk__row(&a->out[0], k->first + t) + k->c0;
#pragma omp simd
        for (int64_t c = 0; c < k->n_c; c++)
            y[c] = (x[c] - m.mean[c]) * m.scale[c];
    }
    zero_frames(&a->out[0], k->first, len, k->n_t, k->c0, k->n_c);
}

static void mvn_fwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        mvn_fwd_task(a, &k);
    }
}

/* dx = (dy - mean(dy)) / s - (x - mean) sum(dy y) / (len s^2) */
SPK_INLINE void mvn_bwd_task(const spk_kargs *a, const spk_task *k, int mode)
{
    const spk_mvn_attr *attr = a->attr;
    const int64_t len = spk__n_valid(&a->in[0], k->n);
    double sum[SPK_CHUNK] = {0}, along[SPK_CHUNK] = {0};
    float level[SPK_CHUNK], bend[SPK_CHUNK];
    moments m;
    find_moments(a, k, len, &m);
    for (int64_t t = 0; t < len; t++) {
        const float *dy = spk__row(&a->dout[0], k->first + t) + k->c0, *y = spk__row(&a->out[0], k->first + t) + k->c0;
#pragma omp simd
        for (int64_t c = 0; c < k->n_c; c++) {
            sum[c] += (double)dy[c];
            along[c] += (double)(dy[c] * y[c]);
        }
    }
    for (int64_t c = 0; c < k->n_c; c++) {
        const double n = (double)(len > 0 ? len : 1);
        level[c] = attr->means ? (float)(sum[c] / n) : 0;
        bend[c] = m.flat[c] ? 0 : (float)(along[c] * (double)m.scale[c] / n);
    }
    for (int64_t t = 0; t < len; t++) {
        const float *dy = spk__row(&a->dout[0], k->first + t) + k->c0, *x = spk__row(&a->in[0], k->first + t) + k->c0;
        float *dx = spk__row(&a->din[0], k->first + t) + k->c0;
#pragma omp simd
        for (int64_t c = 0; c < k->n_c; c++)
            spk__store(dx + c, (dy[c] - level[c] - (x[c] - m.mean[c]) * bend[c]) * m.scale[c], mode);
    }
    if (mode == SPK_WRITE) zero_frames(&a->din[0], k->first, len, k->n_t, k->c0, k->n_c);
}

static void mvn_bwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
    const int mode = spk__mode(a, 0);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        if (mode == SPK_ADD)
            mvn_bwd_task(a, &k, SPK_ADD);
        else if (mode == SPK_WRITE)
            mvn_bwd_task(a, &k, SPK_WRITE);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_mvn) = {.name = SPK_KERNEL_NAME, .fwd = mvn_fwd, .bwd = mvn_bwd};

/* ---- feature_norm ---- */

static void feature_norm_fwd(const spk_kargs *a)
{
    const spk_feature_norm_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const float *mean = a->in[1].p, *std = a->in[2].p;
    const int64_t n_t = spk__n_frames(x), rows = spk_rows(x), n_c = x->c;
    const float means = attr->means ? 1.0f : 0.0f;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = spk__row(x, r);
        float *y = spk__row(&a->out[0], r);
        if (r % n_t >= spk__n_valid(x, r / n_t)) {
            memset(y, 0, (size_t)n_c * sizeof *y);
        } else if (attr->vars) {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = (from[c] - means * mean[c]) / std[c];
        } else {
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] = from[c] - means * mean[c];
        }
    }
}

SPK_INLINE void feature_norm_rows(const spk_kargs *a, int mode)
{
    const spk_view *x = &a->in[0];
    const float *std = a->in[2].p;
    const int64_t n_t = spk__n_frames(x), rows = spk_rows(x), n_c = x->c;
    const bool vars = ((const spk_feature_norm_attr *)a->attr)->vars;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const float *dy = spk__row(&a->dout[0], r), valid = r % n_t < spk__n_valid(x, r / n_t) ? 1.0f : 0.0f;
        float *dx = spk__row(&a->din[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store(dx + c, valid * (vars ? dy[c] / std[c] : dy[c]), mode);
    }
}

static void feature_norm_bwd(const spk_kargs *a)
{
    const int mode = spk__mode(a, 0);
    if (mode == SPK_ADD)
        feature_norm_rows(a, SPK_ADD);
    else if (mode == SPK_WRITE)
        feature_norm_rows(a, SPK_WRITE);
}

const spk_kernel SPK_ISA_NAME(spk__omp_feature_norm) = {
    .name = SPK_KERNEL_NAME, .fwd = feature_norm_fwd, .bwd = feature_norm_bwd};

/* ---- specaug: forward only ---- */

static bool specaug_supports(const spk_geom *g)
{
    return !g->want_din[0];
}

/* Marks of bins and frames, a set for each item. */
static size_t specaug_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)(g->in[0].n * (g->in[0].c + spk__n_frames(&g->in[0])));
}

static float item_mean(const spk_view *x, int64_t first, int64_t len)
{
    double sum = 0;
    for (int64_t t = 0; t < len; t++) {
        const float *row = spk__row(x, first + t);
        double part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t c = 0; c < x->c; c++)
            part += (double)row[c];
        sum += part;
    }
    return len > 0 ? (float)(sum / (double)(len * x->c)) : 0;
}

static void warp_frame(const spk_view *x, int64_t first, const spk_warp_taps *taps, float *y)
{
    const float *row = spk__row(x, first + taps->at[0]), w = (float)taps->weight[0];
#pragma omp simd
    for (int64_t c = 0; c < x->c; c++)
        y[c] = w * row[c];
    for (int k = 1; k < taps->n; k++) {
        const float *other = spk__row(x, first + taps->at[k]), v = (float)taps->weight[k];
#pragma omp simd
        for (int64_t c = 0; c < x->c; c++)
            y[c] += v * other[c];
    }
}

static void specaug_item(const spk_kargs *a, int64_t n, uint8_t *bins, uint8_t *frames)
{
    const spk_specaug_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__n_frames(x), len = spk__n_valid(x, n), first = n * n_t;
    const float fill = attr->replace_with_zero ? 0 : item_mean(x, first, len);
    const spk_specaug_plan p = spk__specaug_draw(&a->ctx->draws, attr, n, len, x->c, bins, frames);
    for (int64_t t = 0; t < len; t++) {
        const spk_warp_taps taps = spk__warp_taps(attr, &p, t);
        float *y = spk__row(&a->out[0], first + t);
        if (!frames[t]) warp_frame(x, first, &taps, y);
        for (int64_t c = 0; c < x->c; c++)
            if (frames[t] || bins[c]) y[c] = fill;
    }
    zero_frames(&a->out[0], first, len, n_t, 0, x->c);
}

static void specaug_fwd(const spk_kargs *a)
{
    const int64_t n = a->in[0].n, bytes = a->in[0].c + spk__n_frames(&a->in[0]);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < n; i++) {
        uint8_t *bins = (uint8_t *)a->scratch + i * bytes;
        specaug_item(a, i, bins, bins + a->in[0].c);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_specaug) = {
    .name = SPK_KERNEL_NAME, .supports = specaug_supports, .scratch_bytes = specaug_scratch, .fwd = specaug_fwd};

/* ---- layer_sum ---- */

static bool layer_sum_supports(const spk_geom *g)
{
    return !(g->want_din[0] && ((const spk_layer_sum_attr *)g->attr)->normalize);
}

/* Weights, and for each item what goes to their gradients. */
static size_t layer_sum_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)((g->in[0].n + 1) * (g->in[0].c / g->out[0].c)) * sizeof(double);
}

static void find_weights(const float *w, int64_t n, double *s)
{
    double max = (double)w[0], den = 0;
    for (int64_t i = 1; i < n; i++)
        max = fmax(max, (double)w[i]);
    for (int64_t i = 0; i < n; i++)
        den += s[i] = exp((double)w[i] - max);
    for (int64_t i = 0; i < n; i++)
        s[i] /= den;
}

/* What a layer of a frame is multiplied with, and what is taken from it before. */
SPK_INLINE float layer_scale(const spk_layer_sum_attr *attr, const float *x, int64_t n_c, float *mean)
{
    double sum = 0, square = 0;
    *mean = 0;
    if (!attr->normalize) return 1;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n_c; c++)
        sum += (double)x[c];
    const double m = sum / (double)n_c;
#pragma omp simd reduction(+ : square)
    for (int64_t c = 0; c < n_c; c++)
        square += ((double)x[c] - m) * ((double)x[c] - m);
    *mean = (float)m;
    return (float)(1 / sqrt(square / (double)n_c + attr->eps));
}

static void layer_sum_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t n_c = a->out[0].c, n_layers = x->c / n_c, n_t = spk__n_frames(x), rows = spk_rows(x);
    double *s = a->scratch;
    find_weights(a->in[1].p, n_layers, s);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        float *y = spk__row(&a->out[0], r);
        memset(y, 0, (size_t)n_c * sizeof *y);
        for (int64_t l = 0; l < n_layers && r % n_t < spk__n_valid(x, r / n_t); l++) {
            const float *from = spk__row(x, r) + l * n_c;
            float mean;
            const float w = (float)s[l] * layer_scale(a->attr, from, n_c, &mean);
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                y[c] += w * (from[c] - mean);
        }
    }
}

/* One item: sums for the weights' gradients, and dx (never with normalised layers). */
SPK_INLINE void layer_sum_item(const spk_kargs *a, int64_t n, const double *s, double *along, int mode)
{
    const spk_view *x = &a->in[0];
    const int64_t n_c = a->dout[0].c, n_layers = x->c / n_c, n_t = spk__n_frames(x), len = spk__n_valid(x, n);
    memset(along, 0, (size_t)n_layers * sizeof *along);
    for (int64_t t = 0; t < len; t++) {
        const float *dy = spk__row(&a->dout[0], n * n_t + t);
        for (int64_t l = 0; l < n_layers; l++) {
            const float *from = spk__row(x, n * n_t + t) + l * n_c;
            float *dx = mode ? spk__row(&a->din[0], n * n_t + t) + l * n_c : NULL;
            const float w = (float)s[l];
            float mean;
            const float scale = layer_scale(a->attr, from, n_c, &mean);
            double sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t c = 0; c < n_c; c++)
                sum += (double)(dy[c] * ((from[c] - mean) * scale));
            along[l] += sum;
#pragma omp simd
            for (int64_t c = 0; c < (mode ? n_c : 0); c++)
                spk__store(dx + c, w * dy[c], mode);
        }
    }
    if (mode == SPK_WRITE) zero_frames(&a->din[0], n * n_t, len, n_t, 0, x->c);
}

static void layer_sum_bwd(const spk_kargs *a)
{
    const int64_t n_items = a->in[0].n, n_layers = a->in[0].c / a->dout[0].c;
    double *s = a->scratch, *along = s + n_layers, all = 0;
    const int mode = spk__mode(a, 0);
    find_weights(a->in[1].p, n_layers, s);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < n_items; n++) {
        if (mode == SPK_ADD)
            layer_sum_item(a, n, s, along + n * n_layers, SPK_ADD);
        else if (mode == SPK_WRITE)
            layer_sum_item(a, n, s, along + n * n_layers, SPK_WRITE);
        else
            layer_sum_item(a, n, s, along + n * n_layers, SPK_SKIP);
    }
    for (int64_t n = 1; n < n_items; n++)
        for (int64_t l = 0; l < n_layers; l++)
            along[l] += along[n * n_layers + l];
    for (int64_t l = 0; l < n_layers; l++)
        all += s[l] * along[l];
    float *dw = a->din[1].p;
    for (int64_t l = 0; l < n_layers && dw; l++)
        dw[l] = (float)((a->add[1] ? (double)dw[l] : 0) + s[l] * (along[l] - all));
}

const spk_kernel SPK_ISA_NAME(spk__omp_layer_sum) = {.name = SPK_KERNEL_NAME,
                                                     .supports = layer_sum_supports,
                                                     .scratch_bytes = layer_sum_scratch,
                                                     .fwd = layer_sum_fwd,
                                                     .bwd = layer_sum_bwd};
