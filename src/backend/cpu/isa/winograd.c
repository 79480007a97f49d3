/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv2d of 3 x 3 taps without a stride by Winograd's F(2x2, 3x3) (Lavin and Gray, CVPR 2016): 16 products where a direct
 * convolution needs 36, forward and towards the input, which is such a convolution of dy by the weights turned round. The
 * gradient of the weights is winograd_weights.c's. Tiles of 4 x 4 inputs, two apart, become
 *
 *     V = B' d B      B' = | 1  0 -1  0 |   U = G g G'   G = | 1   0   0  |   y = A' (U * V) A   A' = | 1  1  1  0 |
 *                          | 0  1  1  0 |                    | 1/2 1/2 1/2|                          | 0  1 -1 -1 |
 *                          | 0 -1  1  0 |                    | 1/2-1/2 1/2|
 *                          | 0  1  0 -1 |                    | 0   0   1  |
 *
 * with U * V over the channels as 16 matrix products of tiles x C by C x O. The transforms only add and subtract, and their
 * rounding is about that of the convolution itself; larger tiles would save more and lose digits. A thread works on a block
 * of tiles whose V and products stay in its cache. Letters as in backend_impl.h; Q the places of a tile.
 *
 * A normalisation behind the convolution is folded into U and the bias, as in dnnl_conv.c.
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/isa/winograd_impl.h"

enum {
    Q = SPK_PLACES,
    ROWS = SPK_ISA_LEVEL >= 4 ? 12 : 6, /* tiles of a product at once: its sums fill the registers */
    WIDTH = SPK_PRODUCT_WIDTH,
    TILES = 48, /* of a block */
    GAP = 16    /* floats between the places of a block: their distance is no multiple of a page */
};

typedef int32_t mask __attribute__((vector_size(SPK_VEC_BYTES)));

typedef struct winograd {
    float *u;      /* Q x O/WIDTH x C x WIDTH */
    float *u_back; /* Q x C/WIDTH x O x WIDTH; NULL: no gradient of the input is wanted */
    float *bias;   /* O */
    float *none;   /* C zeros: the bias on the way back */
    float *fold;   /* O factors of the normalisation */
    bool back_stale;
} winograd;

static bool supports(const spk_geom *g)
{
    const spk_conv2d_attr *a = g->attr;
    const int64_t n_c = g->in[0].c, n_o = g->out[0].c;
    return a->kt == 3 && a->kf == 3 && a->st == 1 && a->sf == 1 && a->pt == 1 && a->pf == 1 && n_c >= 32 &&
           n_c % WIDTH == 0 && n_o % WIDTH == 0 && g->in[0].ld == n_c && g->out[0].ld == n_o &&
           !(g->train && a->relu && !a->dy_masked) &&
           (g->want_din[1] || !g->want_din[2]); /* the bias's gradient comes with that of the weights */
}

static void destroy(void *state)
{
    winograd *s = state;
    if (!s) return;
    spk_free(s->u);
    spk_free(s->u_back);
    spk_free(s->bias);
    spk_free(s->none);
    spk_free(s->fold);
    spk_free(s);
}

static spk_status create(const spk_geom *g, void **out)
{
    winograd *s = spk_new(sizeof *s);
    const size_t n_c = (size_t)g->in[0].c, n_o = (size_t)g->out[0].c;
    s->u = spk_new(Q * n_c * n_o * sizeof *s->u);
    if (g->want_din[0]) s->u_back = spk_new(Q * n_c * n_o * sizeof *s->u_back);
    s->bias = spk_new(n_o * sizeof *s->bias);
    s->none = spk_new(n_c * sizeof *s->none);
    s->fold = spk_new(n_o * sizeof *s->fold);
    *out = s;
    return SPK_OK;
}

/* Floats of a block's V or of its products. */
static int64_t block_floats(int64_t c)
{
    return Q * (TILES * c + GAP);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    const int64_t zeros = g->in[0].c > g->out[0].c ? g->in[0].c : g->out[0].c;
    const size_t own =
        (size_t)(zeros + g->n_threads * (block_floats(g->in[0].c) + block_floats(g->out[0].c))) * sizeof(float);
    const size_t weights = g->want_din[1] ? SPK_ISA_NAME(spk__winograd_weights_bytes)(g) : 0;
    (void)state;
    return own > weights ? own : weights;
}

/* ---- weights ---- */

/* Factors and offsets of the outputs; true where any factor is another than before. */
static bool new_factors(const spk_kargs *a, winograd *s)
{
    const spk_conv2d_attr *attr = a->attr;
    const float *b = a->in[2].p, *gamma = a->in[3].p, *beta = a->in[4].p, *mean = a->in[5].p, *var = a->in[6].p;
    bool changed = false;
    for (int64_t o = 0; o < a->out[0].c; o++) {
        const double f = var ? (gamma ? (double)gamma[o] : 1) / sqrt((double)var[o] + attr->bn_eps) : 1;
        const double off = (b ? (double)b[o] : 0) - (mean ? (double)mean[o] : 0);
        changed = changed || s->fold[o] != (float)f;
        s->fold[o] = (float)f;
        s->bias[o] = (float)((beta ? (double)beta[o] : 0) + f * off);
    }
    return changed;
}

/* U of one output and input channel; g as 3 taps over time by 3 over frequency. */
static void transform_weight(double g[3][3], double u[Q])
{
    double half[4][3];
    for (int j = 0; j < 3; j++) {
        half[0][j] = g[0][j];
        half[1][j] = (g[0][j] + g[1][j] + g[2][j]) / 2;
        half[2][j] = (g[0][j] - g[1][j] + g[2][j]) / 2;
        half[3][j] = g[2][j];
    }
    for (int i = 0; i < 4; i++) {
        u[4 * i] = half[i][0];
        u[4 * i + 1] = (half[i][0] + half[i][1] + half[i][2]) / 2;
        u[4 * i + 2] = (half[i][0] - half[i][1] + half[i][2]) / 2;
        u[4 * i + 3] = half[i][2];
    }
}

/* The taps between channel c and output o, as 3 over time by 3 over frequency, turned round for the way back. */
static void taps(const spk_kargs *a, const winograd *s, int64_t o, int64_t c, bool back, double g[3][3])
{
    const float *w = (const float *)a->in[1].p + (o * a->in[0].c + c) * 9;
    const bool freq_first = ((const spk_conv2d_attr *)a->attr)->freq_first;
    for (int k = 0; k < 9; k++) {
        const double v = (double)w[back ? 8 - k : k] * (double)s->fold[o];
        if (freq_first)
            g[k % 3][k / 3] = v;
        else
            g[k / 3][k % 3] = v;
    }
}

/* U from n_c to n_o channels. */
static void prepare_weights(const spk_kargs *a, const winograd *s, bool back, float *to)
{
    const int64_t n_c = back ? a->out[0].c : a->in[0].c, n_o = back ? a->in[0].c : a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t o = 0; o < n_o; o++) {
        for (int64_t c = 0; c < n_c; c++) {
            double g[3][3], u[Q];
            taps(a, s, back ? c : o, back ? o : c, back, g);
            transform_weight(g, u);
            for (int q = 0; q < Q; q++)
                to[((q * (n_o / WIDTH) + o / WIDTH) * n_c + c) * WIDTH + o % WIDTH] = (float)u[q];
        }
    }
}

/* ---- one block ---- */

static void transform_inputs(const spk_view *x, const spk_tiles *all, int64_t first, int64_t n, const float *zero,
                             float *v)
{
    for (int64_t i = 0; i < n; i++) {
        const float *d[Q];
        spk__tile_places(x, all, first + i, 4, 1, zero, d);
        for (int64_t c = 0; c < x->c; c += SPK_LANES)
            spk__transform_inputs(d, c, v + i * x->c + c, TILES * x->c + GAP);
    }
}

/* ROWS tiles by WIDTH outputs of one place. */
SPK_INLINE void product(int64_t n_c, const float *v, const float *u, float *m, int64_t n_o)
{
    spk_vec sum[ROWS][2] = {0};
    for (int64_t c = 0; c < n_c; c++) {
        const spk_vec u0 = spk__load(u + c * WIDTH), u1 = spk__load(u + c * WIDTH + SPK_LANES);
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; i++) {
            const float s = v[i * n_c + c];
            sum[i][0] += s * u0;
            sum[i][1] += s * u1;
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; i++) {
        spk__save(m + i * n_o, sum[i][0]);
        spk__save(m + i * n_o + SPK_LANES, sum[i][1]);
    }
}

static void products(const float *u, int64_t n_c, int64_t n_o, int64_t n, const float *v, float *m)
{
    for (int q = 0; q < Q; q++)
        for (int64_t o = 0; o < n_o; o += WIDTH)
            for (int64_t i = 0; i < n; i += ROWS)
                product(n_c, v + q * (TILES * n_c + GAP) + i * n_c, u + (q * n_o + o) * n_c,
                        m + q * (TILES * n_o + GAP) + i * n_o + o, n_o);
}

enum { PLAIN, RELU, ADD }; /* what becomes of a result */

/* A' m A of one tile, and bias; y NULL: outside. */
SPK_INLINE void finish_tile(const float *m, int64_t step, const float *bias, int64_t n_o, float *const y[4], int kind)
{
    for (int64_t o = 0; o < n_o; o += SPK_LANES) {
        spk_vec h[2][4];
        const spk_vec b = spk__load(bias + o), none = {0};
        for (int j = 0; j < 4; j++) {
            const float *at = m + j * step + o;
            const spk_vec m1 = spk__load(at + 4 * step), m2 = spk__load(at + 8 * step);
            h[0][j] = spk__load(at) + m1 + m2;
            h[1][j] = m1 - m2 - spk__load(at + 12 * step);
        }
        for (int i = 0; i < 2; i++) {
            spk_vec left = h[i][0] + h[i][1] + h[i][2] + b, right = h[i][1] - h[i][2] - h[i][3] + b;
            if (kind == RELU) {
                left = (spk_vec)((mask)left & ~(left < none));
                right = (spk_vec)((mask)right & ~(right < none));
            }
            if (y[2 * i]) spk__save(y[2 * i] + o, kind == ADD ? left + spk__load(y[2 * i] + o) : left);
            if (y[2 * i + 1]) spk__save(y[2 * i + 1] + o, kind == ADD ? right + spk__load(y[2 * i + 1] + o) : right);
        }
    }
}

static void finish(const spk_view *y, const spk_tiles *all, int64_t first, int64_t n, const float *bias, int kind,
                   const float *m)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t tile = first + i, column = tile % all->columns, row = tile / all->columns % all->rows;
        float *item = (float *)y->p + tile / (all->columns * all->rows) * y->h * y->w * y->c, *at[4];
        for (int k = 0; k < 4; k++) {
            const int64_t t = 2 * row + k / 2, f = 2 * column + k % 2;
            at[k] = t >= y->h || f >= y->w ? NULL : item + (t * y->w + f) * y->c;
        }
        if (kind == RELU)
            finish_tile(m + i * y->c, TILES * y->c + GAP, bias, y->c, at, RELU);
        else if (kind == ADD)
            finish_tile(m + i * y->c, TILES * y->c + GAP, bias, y->c, at, ADD);
        else
            finish_tile(m + i * y->c, TILES * y->c + GAP, bias, y->c, at, PLAIN);
    }
}

/* y = x convolved by what U came from. */
static void convolve(const spk_kargs *a, const spk_view *x, const float *u, const float *bias, int kind,
                     const spk_view *y)
{
    const int64_t n_c = x->c, n_o = y->c;
    const spk_tiles all = spk__tiles(y);
    float *zero = a->scratch, *blocks = zero + (n_c > n_o ? n_c : n_o);
    memset(zero, 0, (size_t)n_c * sizeof *zero);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        float *v = blocks + omp_get_thread_num() * (block_floats(n_c) + block_floats(n_o)), *m = v + block_floats(n_c);
        memset(v, 0, (size_t)block_floats(n_c) * sizeof *v); /* tiles behind the last ones are multiplied too */
#pragma omp for schedule(static)
        for (int64_t first = 0; first < all.n; first += TILES) {
            const int64_t n = spk__min(TILES, all.n - first);
            transform_inputs(x, &all, first, n, zero, v);
            products(u, n_c, n_o, n, v, m);
            finish(y, &all, first, n, bias, kind, m);
        }
    }
}

static void fwd(const spk_kargs *a)
{
    winograd *s = a->state;
    const bool relu = ((const spk_conv2d_attr *)a->attr)->relu;
    if (new_factors(a, s) || a->weights_changed) {
        prepare_weights(a, s, false, s->u);
        s->back_stale = true;
    }
    convolve(a, &a->in[0], s->u, s->bias, relu ? RELU : PLAIN, &a->out[0]);
}

static void bwd(const spk_kargs *a)
{
    winograd *s = a->state;
    if (a->din[1].p) SPK_ISA_NAME(spk__winograd_weights)(a);
    if (!a->din[0].p) return;
    if (s->back_stale) prepare_weights(a, s, true, s->u_back);
    s->back_stale = false;
    convolve(a, &a->dout[0], s->u_back, s->none, a->add[0] ? ADD : PLAIN, &a->din[0]);
}

const spk_kernel SPK_ISA_NAME(spk__omp_conv2d) = {.name = "winograd" SPK_ISA_TEXT(SPK_ISA_SUFFIX),
                                                  .supports = supports,
                                                  .create = create,
                                                  .destroy = destroy,
                                                  .scratch_bytes = scratch_bytes,
                                                  .fwd = fwd,
                                                  .bwd = bwd};
