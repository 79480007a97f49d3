/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of time (CAM++): segment_mean, segment_scale. A task is an item and a chunk of channels. */
#include "backend/cpu/isa_impl.h"

static int64_t length_of(const spk_kargs *a)
{
    const spk_segment_attr *attr = a->attr;
    return attr->length;
}

/* Frames of a segment that begins at t0 in an item of `len`. */
static int64_t frames_from(int64_t t0, int64_t length, int64_t len)
{
    return len <= t0 ? 0 : spk__min(length, len - t0);
}

/* ---- segment_mean ---- */

static void mean_fwd_task(const spk_kargs *a, const spk_task *k)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t length = length_of(a), len = spk__n_valid(x, k->n), n_c = k->n_c;
    double all[SPK_CHUNK] = {0};
    for (int64_t s = 0; s < y->w; s++) {
        const int64_t n_t = frames_from(s * length, length, len);
        float *out = spk__row(y, k->n * y->w + s) + k->c0;
        double sum[SPK_CHUNK] = {0};
        for (int64_t t = 0; t < n_t; t++) {
            const float *row = spk__row(x, k->first + s * length + t) + k->c0;
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                sum[c] += (double)row[c];
        }
        for (int64_t c = 0; c < n_c; c++) {
            all[c] += sum[c];
            out[c] = (float)(sum[c] / (double)(n_t > 0 ? n_t : 1));
        }
    }
    for (int64_t s = 0; s < y->w; s++)
        for (int64_t c = 0; c < n_c; c++)
            spk__row(y, k->n * y->w + s)[k->c0 + c] += (float)(all[c] / (double)(len > 0 ? len : 1));
}

SPK_INLINE void mean_bwd_task(const spk_kargs *a, const spk_task *k, int mode)
{
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    const int64_t length = length_of(a), len = spk__n_valid(x, k->n), n_c = k->n_c, first = k->n * a->out[0].w;
    double all[SPK_CHUNK] = {0};
    for (int64_t s = 0; s < a->out[0].w; s++)
        for (int64_t c = 0; c < n_c; c++)
            all[c] += (double)spk__row(dy, first + s)[k->c0 + c];
    for (int64_t t0 = 0; t0 < k->n_t; t0 += length) {
        const int64_t n_t = frames_from(t0, length, len), end = spk__min(t0 + length, k->n_t);
        const float *d = spk__row(dy, first + t0 / length) + k->c0;
        float share[SPK_CHUNK];
        for (int64_t c = 0; c < n_c && n_t > 0; c++)
            share[c] = (float)((double)d[c] / (double)n_t + all[c] / (double)len);
        for (int64_t t = t0; t < end; t++) {
            float *dx = spk__row(&a->din[0], k->first + t) + k->c0;
            const bool valid = t - t0 < n_t;
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++)
                spk__store(dx + c, valid ? share[c] : 0, mode);
        }
    }
}

static void segment_mean_fwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        mean_fwd_task(a, &k);
    }
}

static void segment_mean_bwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
    const int mode = spk__mode(a, 0);
    if (mode == SPK_SKIP) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        if (mode == SPK_ADD)
            mean_bwd_task(a, &k, SPK_ADD);
        else
            mean_bwd_task(a, &k, SPK_WRITE);
    }
}

/* ---- segment_scale ---- */

static void segment_scale_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t rows = spk_rows(x), n_c = x->c, length = length_of(a);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const float *from = spk__row(x, r), *s = spk__row(&a->in[1], r / x->w * a->in[1].w + r % x->w / length);
        float *y = spk__row(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            y[c] = from[c] * s[c];
    }
}

/* dx = dy s, ds = sum over the segment of dy x. */
SPK_INLINE void scale_bwd_task(const spk_kargs *a, const spk_task *k, int mode)
{
    const int64_t length = length_of(a), n_c = k->n_c;
    for (int64_t t0 = 0; t0 < k->n_t; t0 += length) {
        const int64_t segment = k->n * a->in[1].w + t0 / length, end = spk__min(t0 + length, k->n_t);
        const float *s = spk__row(&a->in[1], segment) + k->c0;
        double sum[SPK_CHUNK] = {0};
        for (int64_t t = t0; t < end; t++) {
            const float *x = spk__row(&a->in[0], k->first + t) + k->c0;
            const float *dy = spk__row(&a->dout[0], k->first + t) + k->c0;
            float *dx = mode ? spk__row(&a->din[0], k->first + t) + k->c0 : NULL;
#pragma omp simd
            for (int64_t c = 0; c < n_c; c++) {
                sum[c] += (double)(dy[c] * x[c]);
                if (mode) spk__store(dx + c, dy[c] * s[c], mode);
            }
        }
        if (!a->din[1].p) continue;
        float *ds = spk__row(&a->din[1], segment) + k->c0;
        for (int64_t c = 0; c < n_c; c++)
            spk__store(ds + c, (float)sum[c], a->add[1] ? SPK_ADD : SPK_WRITE);
    }
}

static void segment_scale_bwd(const spk_kargs *a)
{
    const spk_tasks all = spk__tasks(&a->in[0], a->ctx->n_threads);
    const int mode = spk__mode(a, 0);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < all.n; i++) {
        const spk_task k = spk__task(&all, i);
        if (mode == SPK_ADD)
            scale_bwd_task(a, &k, SPK_ADD);
        else if (mode == SPK_WRITE)
            scale_bwd_task(a, &k, SPK_WRITE);
        else
            scale_bwd_task(a, &k, SPK_SKIP);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_segment_mean) = {
    .name = SPK_KERNEL_NAME, .fwd = segment_mean_fwd, .bwd = segment_mean_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_segment_scale) = {
    .name = SPK_KERNEL_NAME, .fwd = segment_scale_fwd, .bwd = segment_scale_bwd};
