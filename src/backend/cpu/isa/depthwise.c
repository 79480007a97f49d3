/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depthwise: a task is an item and a few vectors of channels. FRAMES neighbouring frames are summed at once in
 * registers, so that each tap's weights are loaded once for them; where some taps see no frame, one frame at a time.
 * The gradient of the input is the same convolution with the taps reversed. Scratch: the taps, (K, C).
 * The gradient of the weights owns channels: TAPS of them in registers over an item's frames, items added in double.
 */
#include "backend/cpu/isa_impl.h"

#include <string.h>

enum { LANES = SPK_VEC_BYTES / 4, FRAMES = 4, WIDTH = 2, TAPS = 8, BLOCK = WIDTH * LANES };
typedef float vec __attribute__((vector_size(SPK_VEC_BYTES), aligned(4), may_alias));

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    const spk_depthwise_attr *attr = g->attr;
    (void)state;
    return (size_t)(attr->k * g->in[0].c) * sizeof(float);
}

/* A convolution of x by w (K, C), the first tap `pad` frames before the output's. */
typedef struct conv {
    const spk_view *x, *y;
    const float *w, *bias;
    int64_t k, pad;
} conv;

static void turn_weights(const spk_kargs *a, bool reversed)
{
    const spk_depthwise_attr *attr = a->attr;
    const float *w = a->in[1].p;
    float *to = a->scratch;
    const int64_t n_c = a->in[0].c;
    for (int64_t k = 0; k < attr->k; k++)
        for (int64_t c = 0; c < n_c; c++)
            to[k * n_c + c] = w[c * attr->k + (reversed ? attr->k - 1 - k : k)];
}

/* `frames` rows from u on (a constant), BLOCK channels from c0 on; taps k0 .. k1 see frames of x. */
SPK_INLINE void block(const conv *p, int64_t n, int64_t u, int64_t c0, int64_t k0, int64_t k1, int frames, int mode)
{
    const int64_t n_c = p->x->c;
    vec sum[FRAMES][WIDTH] = {{{0}}};
    for (int i = 0; i < frames && p->bias; i++)
        for (int v = 0; v < WIDTH; v++)
            sum[i][v] = *(const vec *)(p->bias + c0 + v * LANES);
    for (int64_t k = k0; k < k1; k++) {
        const float *x = spk__row(p->x, n * p->x->w + u + k - p->pad) + c0, *w = p->w + k * n_c + c0;
        for (int v = 0; v < WIDTH; v++) {
            const vec weight = *(const vec *)(w + v * LANES);
            for (int i = 0; i < frames; i++)
                sum[i][v] += weight * *(const vec *)(x + i * p->x->ld + v * LANES);
        }
    }
    for (int i = 0; i < frames; i++) {
        float *y = spk__row(p->y, n * p->y->w + u + i) + c0;
        for (int v = 0; v < WIDTH; v++) {
            vec *to = (vec *)(y + v * LANES);
            if (mode == SPK_ADD) sum[i][v] += *to;
            *to = sum[i][v];
        }
    }
}

/* The same for the channels that no vector takes. */
static void tail(const conv *p, int64_t n, int64_t u, int64_t c0, int64_t k0, int64_t k1, int mode)
{
    const int64_t n_c = p->x->c;
    float *y = spk__row(p->y, n * p->y->w + u);
    for (int64_t c = c0; c < n_c; c++) {
        float sum = p->bias ? p->bias[c] : 0;
        for (int64_t k = k0; k < k1; k++)
            sum += p->w[k * n_c + c] * spk__row(p->x, n * p->x->w + u + k - p->pad)[c];
        spk__store(y + c, sum, mode);
    }
}

SPK_INLINE void frames_of_item(const conv *p, int64_t n, int64_t c0, bool whole, int mode)
{
    for (int64_t u = 0; u < p->y->w;) {
        const int64_t k0 = p->pad > u ? p->pad - u : 0, k1 = spk__min(p->k, p->x->w - u + p->pad);
        const bool inside = u + FRAMES <= p->y->w && k0 == 0 && p->x->w - (u + FRAMES - 1) + p->pad >= p->k;
        if (whole && inside) {
            block(p, n, u, c0, 0, p->k, FRAMES, mode);
            u += FRAMES;
            continue;
        }
        if (whole)
            block(p, n, u, c0, k0, k1, 1, mode);
        else
            tail(p, n, u, c0, k0, k1, mode);
        u++;
    }
}

SPK_INLINE void convolve(const spk_kargs *a, const conv *p, int mode)
{
    const int64_t blocks = (p->x->c + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < p->x->n * blocks; i++) {
        const int64_t c0 = i % blocks * BLOCK;
        if (c0 + BLOCK <= p->x->c)
            frames_of_item(p, i / blocks, c0, true, mode);
        else
            frames_of_item(p, i / blocks, c0, false, mode);
    }
}

static void fwd(const spk_kargs *a)
{
    const spk_depthwise_attr *attr = a->attr;
    turn_weights(a, false);
    convolve(a, &(conv){&a->in[0], &a->out[0], a->scratch, a->in[2].p, attr->k, attr->pad}, SPK_WRITE);
}

/* ---- gradients of the parameters ---- */

/* TAPS taps from k0 on for LANES channels from c0 on, over the frames of item n. */
static void taps_of_item(const spk_kargs *a, int64_t n, int64_t k0, int64_t c0, vec sum[TAPS])
{
    const spk_depthwise_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    const int64_t first = k0 - attr->pad; /* x's frame of tap k0 at u = 0 */
    vec s[TAPS] = {0};
    for (int64_t u = 0; u < dy->w; u++) {
        const vec d = *(const vec *)(spk__row(dy, n * dy->w + u) + c0);
        const float *p = spk__row(x, n * x->w + u + first) + c0;
        if (u + first >= 0 && u + first + TAPS <= x->w) {
            for (int k = 0; k < TAPS; k++)
                s[k] += d * *(const vec *)(p + k * x->ld);
        } else {
            for (int k = 0; k < TAPS; k++)
                if (u + first + k >= 0 && u + first + k < x->w) s[k] += d * *(const vec *)(p + k * x->ld);
        }
    }
    for (int k = 0; k < TAPS; k++)
        sum[k] = s[k];
}

static void taps_of_block(const spk_kargs *a, int64_t k0, int64_t c0)
{
    const spk_depthwise_attr *attr = a->attr;
    double total[TAPS][LANES] = {{0}};
    float *dw = a->din[1].p;
    for (int64_t n = 0; n < a->in[0].n; n++) {
        vec sum[TAPS];
        taps_of_item(a, n, k0, c0, sum);
        for (int k = 0; k < TAPS; k++)
            for (int i = 0; i < LANES; i++)
                total[k][i] += (double)sum[k][i];
    }
    for (int64_t k = 0; k < TAPS && k0 + k < attr->k; k++)
        for (int64_t i = 0; i < LANES; i++)
            dw[(c0 + i) * attr->k + k0 + k] = (float)((double)dw[(c0 + i) * attr->k + k0 + k] + total[k][i]);
}

/* One channel of those that no vector takes. */
static void taps_of_channel(const spk_kargs *a, int64_t c)
{
    const spk_depthwise_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    float *dw = a->din[1].p;
    for (int64_t k = 0; k < attr->k; k++) {
        double sum = 0;
        for (int64_t r = 0; r < spk_rows(dy); r++) {
            const int64_t t = r % dy->w + k - attr->pad;
            if (t >= 0 && t < x->w) sum += (double)(spk__row(dy, r)[c] * spk__row(x, r / dy->w * x->w + t)[c]);
        }
        dw[c * attr->k + k] = (float)((double)dw[c * attr->k + k] + sum);
    }
}

static void bwd_weights(const spk_kargs *a)
{
    const spk_depthwise_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c, vecs = n_c / LANES, groups = (attr->k + TAPS - 1) / TAPS;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
#pragma omp for schedule(static) nowait
        for (int64_t i = 0; i < vecs * groups; i++)
            taps_of_block(a, i % groups * TAPS, i / groups * LANES);
#pragma omp for schedule(static) nowait
        for (int64_t c = vecs * LANES; c < n_c; c++)
            taps_of_channel(a, c);
    }
}

static void bwd_bias(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0];
    float *db = a->din[2].p;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t c0 = 0; c0 < dy->c; c0 += LANES) {
        const int64_t n = spk__min(LANES, dy->c - c0);
        double sum[LANES] = {0};
        for (int64_t r = 0; r < spk_rows(dy); r++)
            for (int64_t c = 0; c < n; c++)
                sum[c] += (double)spk__row(dy, r)[c0 + c];
        for (int64_t c = 0; c < n; c++)
            db[c0 + c] = (float)((double)db[c0 + c] + sum[c]);
    }
}

static void bwd(const spk_kargs *a)
{
    const spk_depthwise_attr *attr = a->attr;
    const conv back = {&a->dout[0], &a->din[0], a->scratch, NULL, attr->k, attr->k - 1 - attr->pad};
    if (a->din[0].p) turn_weights(a, true);
    if (spk__mode(a, 0) == SPK_ADD)
        convolve(a, &back, SPK_ADD);
    else if (spk__mode(a, 0) == SPK_WRITE)
        convolve(a, &back, SPK_WRITE);
    if (a->din[1].p) bwd_weights(a);
    if (a->din[2].p) bwd_bias(a);
}

const spk_kernel SPK_ISA_NAME(spk__omp_depthwise) = {
    .name = SPK_KERNEL_NAME, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
