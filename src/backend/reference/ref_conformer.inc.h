/* SPDX-License-Identifier: Apache-2.0 */
/* Conformer: depthwise convolution, layer norm, gates, positions, dropout. Attention: ref_attention.inc.h. */

#include "backend/draw_impl.h"

#include "backend/reference/ref_attention.inc.h"

/* ---- depthwise ---- */

/* Frame of x that tap k of output frame u sees, or -1. */
static int64_t depthwise_at(const spk_kargs *a, int64_t u, int64_t k)
{
    const spk_depthwise_attr *attr = a->attr;
    const int64_t t = u + k - attr->pad;
    return t < 0 || t >= a->in[0].w ? -1 : t;
}

static void depthwise_fwd(const spk_kargs *a)
{
    const spk_depthwise_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *y = &a->out[0];
    for (int64_t r = 0; r < spk_rows(y); r++) {
        for (int64_t c = 0; c < y->c; c++) {
            double sum = a->in[2].p ? (double)dense(&a->in[2])[c] : 0;
            for (int64_t k = 0; k < attr->k; k++) {
                const int64_t t = depthwise_at(a, r % y->w, k);
                if (t >= 0) sum += (double)dense(&a->in[1])[c * attr->k + k] * (double)row(x, r / y->w * x->w + t)[c];
            }
            row(y, r)[c] = (SPK_REAL)sum;
        }
    }
}

static void depthwise_bwd_x(const spk_kargs *a)
{
    const spk_depthwise_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    for (int64_t r = 0; r < spk_rows(x); r++) {
        for (int64_t c = 0; c < x->c; c++) {
            double sum = 0;
            for (int64_t k = 0; k < attr->k; k++) {
                const int64_t u = r % x->w - k + attr->pad;
                if (u >= 0 && u < dy->w)
                    sum += (double)dense(&a->in[1])[c * attr->k + k] * (double)row(dy, r / x->w * dy->w + u)[c];
            }
            put(row(&a->din[0], r) + c, sum, a->add[0]);
        }
    }
}

static void depthwise_bwd(const spk_kargs *a)
{
    const spk_depthwise_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    if (a->din[0].p) depthwise_bwd_x(a);
    for (int64_t c = 0; c < x->c; c++) {
        double db = 0;
        for (int64_t r = 0; r < spk_rows(dy); r++)
            db += (double)row(dy, r)[c];
        if (a->din[2].p) put(dense(&a->din[2]) + c, db, true);
        for (int64_t k = 0; k < attr->k && a->din[1].p; k++) {
            double dw = 0;
            for (int64_t r = 0; r < spk_rows(dy); r++) {
                const int64_t t = depthwise_at(a, r % dy->w, k);
                if (t >= 0) dw += (double)row(dy, r)[c] * (double)row(x, r / dy->w * x->w + t)[c];
            }
            put(dense(&a->din[1]) + c * attr->k + k, dw, true);
        }
    }
}

/* ---- layer_norm ---- */

static void layer_norm_moments(const spk_kargs *a, int64_t r, double *mean, double *inv)
{
    const spk_layer_norm_attr *attr = a->attr;
    const SPK_REAL *x = row(&a->in[0], r);
    const int64_t n_c = a->in[0].c;
    double sum = 0, square = 0;
    for (int64_t c = 0; c < n_c; c++)
        sum += (double)x[c];
    *mean = sum / (double)n_c;
    for (int64_t c = 0; c < n_c; c++)
        square += ((double)x[c] - *mean) * ((double)x[c] - *mean);
    *inv = 1 / sqrt(square / (double)n_c + attr->eps);
}

static void layer_norm_fwd(const spk_kargs *a)
{
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++) {
        double mean, inv;
        layer_norm_moments(a, r, &mean, &inv);
        for (int64_t c = 0; c < a->in[0].c; c++)
            row(&a->out[0], r)[c] =
                (SPK_REAL)(((double)row(&a->in[0], r)[c] - mean) * inv * (double)dense(&a->in[1])[c] +
                           (double)dense(&a->in[2])[c]);
    }
}

/* The gradients of gamma and beta. Scratch: their sums. */
static void layer_norm_bwd_params(const spk_kargs *a)
{
    const int64_t n_c = a->in[0].c;
    double *dgamma = a->scratch, *dbeta = dgamma + n_c;
    memset(dgamma, 0, 2 * (size_t)n_c * sizeof(double));
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++) {
        double mean, inv;
        layer_norm_moments(a, r, &mean, &inv);
        for (int64_t c = 0; c < n_c; c++) {
            const double dy = (double)row(&a->dout[0], r)[c];
            dgamma[c] += dy * ((double)row(&a->in[0], r)[c] - mean) * inv;
            dbeta[c] += dy;
        }
    }
    for (int64_t c = 0; c < n_c; c++) {
        if (a->din[1].p) put(dense(&a->din[1]) + c, dgamma[c], true);
        if (a->din[2].p) put(dense(&a->din[2]) + c, dbeta[c], true);
    }
}

static void layer_norm_bwd(const spk_kargs *a)
{
    const int64_t n_c = a->in[0].c;
    layer_norm_bwd_params(a);
    for (int64_t r = 0; r < spk_rows(&a->in[0]) && a->din[0].p; r++) {
        double mean, inv, sum = 0, product = 0;
        layer_norm_moments(a, r, &mean, &inv);
        for (int64_t c = 0; c < n_c; c++) {
            const double d = (double)row(&a->dout[0], r)[c] * (double)dense(&a->in[1])[c];
            sum += d;
            product += d * ((double)row(&a->in[0], r)[c] - mean) * inv;
        }
        for (int64_t c = 0; c < n_c; c++) {
            const double d = (double)row(&a->dout[0], r)[c] * (double)dense(&a->in[1])[c];
            const double z = ((double)row(&a->in[0], r)[c] - mean) * inv;
            put(row(&a->din[0], r) + c, inv * (d - sum / (double)n_c - z * product / (double)n_c), a->add[0]);
        }
    }
}

static size_t layer_norm_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return 2 * (size_t)g->in[0].c * sizeof(double);
}

/* ---- glu ---- */

static double glu_gate(const spk_kargs *a, int64_t r, int64_t c)
{
    return 1 / (1 + exp(-(double)row(&a->in[0], r)[a->out[0].c + c]));
}

static void glu_fwd(const spk_kargs *a)
{
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++)
        for (int64_t c = 0; c < a->out[0].c; c++)
            row(&a->out[0], r)[c] = (SPK_REAL)((double)row(&a->in[0], r)[c] * glu_gate(a, r, c));
}

static void glu_bwd(const spk_kargs *a)
{
    const int64_t n_c = a->out[0].c;
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < n_c; c++) {
            const double s = glu_gate(a, r, c), dy = (double)row(&a->dout[0], r)[c];
            put(row(&a->din[0], r) + c, dy * s, a->add[0]);
            put(row(&a->din[0], r) + n_c + c, dy * (double)row(&a->in[0], r)[c] * s * (1 - s), a->add[0]);
        }
    }
}

/* ---- pos_add ---- */

static void pos_add_fwd(const spk_kargs *a)
{
    const spk_pos_add_attr *attr = a->attr;
    const double alpha = a->in[2].p ? (double)*dense(&a->in[2]) : 1;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double place = a->in[1].p ? (double)row(&a->in[1], r % a->out[0].w)[c] : 0;
            row(&a->out[0], r)[c] = (SPK_REAL)(attr->scale * (double)row(&a->in[0], r)[c] + alpha * place);
        }
    }
}

static void pos_add_bwd(const spk_kargs *a)
{
    const spk_pos_add_attr *attr = a->attr;
    const spk_view *dy = &a->dout[0];
    double dalpha = 0;
    for (int64_t r = 0; r < spk_rows(dy); r++) {
        for (int64_t c = 0; c < dy->c; c++) {
            const double d = (double)row(dy, r)[c];
            if (a->in[1].p) dalpha += d * (double)row(&a->in[1], r % dy->w)[c];
            if (a->din[0].p) put(row(&a->din[0], r) + c, attr->scale * d, a->add[0]);
        }
    }
    if (a->din[2].p) put(dense(&a->din[2]), dalpha, true);
}

/* ---- dropout, choose ---- */

/* to = the rows of `from` without what is dropped. */
static void dropout_rows(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    const spk_dropout_attr *attr = a->attr;
    const spk_draw_key key = spk__draw_key(&a->ctx->draws, attr->stream);
    const uint32_t bound = spk__drop_below(attr->p);
    for (int64_t r = 0; r < spk_rows(from); r++) {
        for (int64_t c = 0; c < from->c; c++) {
            const bool stays = spk__draw(key, (uint64_t)(r * from->c + c)) >= bound;
            put(row(to, r) + c, stays ? (double)row(from, r)[c] * spk__drop_scale(attr->p) : 0, add);
        }
    }
}

static void dropout_fwd(const spk_kargs *a)
{
    dropout_rows(a, &a->in[0], &a->out[0], false);
}

static void dropout_bwd(const spk_kargs *a)
{
    if (a->din[0].p) dropout_rows(a, &a->dout[0], &a->din[0], a->add[0]);
}

/* 0 or 1: which input this step takes. */
static int choose_which(const spk_kargs *a)
{
    const spk_choose_attr *attr = a->attr;
    return spk__draw(spk__draw_key(&a->ctx->draws, attr->stream), 0) < spk__drop_below(attr->p) ? 0 : 1;
}

static void choose_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[choose_which(a)];
    for (int64_t r = 0; r < spk_rows(x); r++)
        memcpy(row(&a->out[0], r), row(x, r), (size_t)x->c * sizeof(SPK_REAL));
}

static void choose_bwd(const spk_kargs *a)
{
    const int which = choose_which(a);
    for (int i = 0; i < 2; i++) {
        if (!a->din[i].p) continue;
        for (int64_t r = 0; r < spk_rows(&a->dout[0]); r++)
            for (int64_t c = 0; c < a->dout[0].c; c++)
                put(row(&a->din[i], r) + c, i == which ? (double)row(&a->dout[0], r)[c] : 0, a->add[i]);
    }
}

/* The entries of the table of reference kernels. */
/* clang-format off */
#define REF_CONFORMER_TABLE                                                                                            \
    [SPK_OP_DEPTHWISE] = {PLAIN(depthwise)},                                                                           \
    [SPK_OP_LAYER_NORM] = {PLAIN(layer_norm), .scratch_bytes = layer_norm_scratch},                                    \
    [SPK_OP_ATTENTION] = {PLAIN(attention), .scratch_bytes = attention_scratch},                                       \
    [SPK_OP_GLU] = {PLAIN(glu)},                                                                                       \
    [SPK_OP_POS_ADD] = {PLAIN(pos_add)},                                                                               \
    [SPK_OP_DROPOUT] = {PLAIN(dropout)},                                                                               \
    [SPK_OP_CHOOSE] = {PLAIN(choose)},
/* clang-format on */
