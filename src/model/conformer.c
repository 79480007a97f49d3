/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of a Conformer block: conformer_impl.h. */
#include <math.h>

#include "model/conformer_impl.h"

static const double NORM_EPS = 1e-12;

static const char *sub(char room[128], const char *name, const char *leaf)
{
    return spk_layer_name(room, name, leaf, -1);
}

spk_tensor *spk__conformer_norm(spk_build *b, spk_tensor *x, const char *name)
{
    return spk_layer_layer_norm(b, x, name, NORM_EPS);
}

spk_tensor *spk__conformer_dropout(spk_build *b, spk_tensor *x, double p)
{
    return b->train ? spk_g_dropout(b->g, x, p) : x;
}

/* ---- positions ---- */

/* e^x to the nearest float. At these x of common widths PyTorch's library takes the neighbour, which is 2e-4 at the far
 * end of the table, where the legacy attention reads. */
static float rate_of(float x)
{
    static const float up[] = {-0x1.ba18aap-1f, -0x1.e825e6p+2f, -0x1.d791c6p-4f, -0x1.3577aap+1f,
                               -0x1.683a04p+2f, -0x1.acb312p+1f, -0x1.80c99cp+2f, -0x1.3e4f32p+2f,
                               -0x1.7af090p-2f, -0x1.f50ae2p-2f, -0x1.09f2d6p+2f};
    static const float down[] = {-0x1.642216p+2f, -0x1.4ea472p+2f, -0x1.244658p+3f, -0x1.811d72p+1f, -0x1.90d582p-1f,
                                 -0x1.acf04ep+2f, -0x1.8de300p-1f, -0x1.0c055ap+3f, -0x1.c4d77cp+2f};
    const float rate = (float)exp((double)x);
    for (size_t i = 0; i < sizeof up / sizeof *up; i++)
        if (x == up[i]) return nextafterf(rate, 1);
    for (size_t i = 0; i < sizeof down / sizeof *down; i++)
        if (x == down[i]) return nextafterf(rate, 0);
    return rate;
}

/*
 * The sine of x less `shift` half turns, to the float that PyTorch's library takes, which in 1 of 20 cases is not the
 * nearest. Half turns are taken off with pi in two parts (Cody and Waite, "Software Manual for the Elementary
 * Functions", 1980; the first part has 33 bits, so that its multiples are exact), then comes the odd polynomial of degree
 * 9, x + ..., whose relative error over [0, pi/2] is least (Remez' exchange; 6e-9, which is 0.1 of a float's last place).
 */
static float sine_of(float x, double shift)
{
    static const double PI_HIGH = 0x1.921fb544p+1, PI_LOW = 0x1.0b4611a626331p-33;
    static const double c3 = -0.16666659550427756, c5 = 0.008333066246082161, c7 = -1.9809602901938454e-4,
                        c9 = 2.605780637969121e-6;
    const double turns = nearbyint((double)x / 3.141592653589793 - shift), at = turns + shift;
    const double d = ((double)x - at * PI_HIGH) - at * PI_LOW, s = d * d;
    const double sine = d + d * s * (c3 + s * (c5 + s * (c7 + s * c9)));
    return (float)(fmod(turns, 2) == 0 ? sine : -sine);
}

/* Rounded to float where ESPnet rounds: published weights were trained with those. */
void spk__conformer_position(float *row, int64_t d, int64_t r)
{
    const float step = (float)(-log(10000.0) / (double)d);
    for (int64_t k = 0; k < d / 2; k++) {
        const float phase = (float)r * rate_of((float)(2 * k) * step);
        row[2 * k] = sine_of(phase, 0);
        row[2 * k + 1] = sine_of(phase, -0.5);
    }
}

/* Rows first, first + step, ... as a constant of the graph. */
static spk_tensor *table_of(spk_build *b, int64_t d, int64_t first, int64_t step, int64_t n)
{
    float *values = spk_new((size_t)(n * d) * sizeof *values);
    for (int64_t m = 0; m < n; m++)
        spk__conformer_position(values + m * d, d, first + step * m);
    spk_tensor *table = spk_g_constant(b->g, values, 1, 1, n, d);
    table->first = first;
    table->step = step;
    spk_free(values);
    return table;
}

spk_tensor *spk__conformer_positions(spk_build *b, const spk_conformer *c, spk_tensor *x, const char *name,
                                     spk_tensor **table)
{
    const int64_t t = x->w, length = t > c->table_len ? t : c->table_len;
    spk_tensor *added = NULL;
    const spk_param *alpha = NULL;
    double scale = sqrt((double)c->d);
    *table = NULL;
    if (c->positions == SPK_POS_REL) *table = table_of(b, c->d, t - 1, -1, 2 * t - 1);
    if (c->positions == SPK_POS_LEGACY_REL) *table = table_of(b, c->d, length - 1, -1, t);
    if (c->positions == SPK_POS_ABS || c->positions == SPK_POS_SCALED_ABS) added = table_of(b, c->d, 0, 1, t);
    if (c->positions == SPK_POS_SCALED_ABS) {
        char room[128];
        scale = 1;
        alpha =
            spk_params_declare(b->params, sub(room, name, "alpha"), true, 0, NULL, (spk_init){SPK_INIT_CONST, 1, NULL});
    }
    x = spk__conformer_dropout(b, spk_g_pos_add(b->g, x, added, alpha, scale), c->pos_dropout);
    if (*table) *table = spk__conformer_dropout(b, *table, c->pos_dropout); /* once for all blocks */
    return x;
}

/* ---- attention ---- */

/* pos_bias_u, pos_bias_v: (heads, d_k), Xavier-uniform. */
static const spk_param *position_bias(spk_build *b, const spk_conformer *c, const char *name, const char *leaf)
{
    char room[128];
    const int64_t dim[] = {c->heads, c->d / c->heads};
    const spk_init init = {SPK_INIT_UNIFORM, sqrt(6 / (double)(dim[0] + dim[1])), NULL};
    return spk_params_declare(b->params, sub(room, name, leaf), true, 2, dim, init);
}

spk_tensor *spk__conformer_attention(spk_build *b, const spk_conformer *c, spk_tensor *x, spk_tensor *table,
                                     const char *name)
{
    char room[128];
    const bool relative = c->attention != SPK_ATTN_PLAIN;
    const spk_param *u = relative ? position_bias(b, c, name, "pos_bias_u") : NULL;
    const spk_param *v = relative ? position_bias(b, c, name, "pos_bias_v") : NULL;
    spk_tensor *query = spk_layer_linear(b, x, sub(room, name, "linear_q"), c->d);
    spk_tensor *key = spk_layer_linear(b, x, sub(room, name, "linear_k"), c->d);
    spk_tensor *value = spk_layer_linear(b, x, sub(room, name, "linear_v"), c->d);
    spk_tensor *p = relative ? spk_layer_linear_plain(b, table, sub(room, name, "linear_pos"), c->d) : NULL;
    const spk_attention_attr attr = {.heads = c->heads,
                                     .kind = c->attention,
                                     .zero_triu = c->zero_triu && c->attention == SPK_ATTN_RELATIVE,
                                     .table_len = c->table_len,
                                     .dropout = b->train ? c->attn_dropout : 0};
    x = spk_g_attention(b->g, query, key, value, p, u, v, attr);
    return spk_layer_linear(b, x, sub(room, name, "linear_out"), c->d);
}

/* ---- feed-forward ---- */

/* The convolutional kinds have a ReLU, whatever the activation of the block is. */
spk_tensor *spk__conformer_feed_forward(spk_build *b, const spk_conformer *c, spk_tensor *x, const char *name)
{
    char room[128];
    const int64_t k = c->ffn_kernel, pad = (k - 1) / 2;
    if (c->ffn == SPK_FFN_LINEAR)
        x = spk_g_act(b->g, spk_layer_linear(b, x, sub(room, name, "w_1"), c->units), c->act);
    else
        x = spk_layer_conv1d(b, x, sub(room, name, "w_1"), c->units, k, 1, pad, true);
    x = spk__conformer_dropout(b, x, c->dropout);
    if (c->ffn == SPK_FFN_CONV1D) return spk_layer_conv1d(b, x, sub(room, name, "w_2"), c->d, k, 1, pad, false);
    return spk_layer_linear(b, x, sub(room, name, "w_2"), c->d);
}

/* ---- convolution ---- */

spk_tensor *spk__conformer_convolution(spk_build *b, const spk_conformer *c, spk_tensor *x, const char *name)
{
    char room[128];
    x = spk_layer_conv1d(b, x, sub(room, name, "pointwise_conv1"), 2 * c->d, 1, 1, 0, false);
    x = spk_g_glu(b->g, x);
    x = spk_layer_depthwise(b, x, sub(room, name, "depthwise_conv"), c->cnn_kernel, (c->cnn_kernel - 1) / 2);
    x = spk_layer_batch_norm(b, x, sub(room, name, "norm"));
    x = spk_g_act(b->g, x, c->act);
    return spk_layer_conv1d(b, x, sub(room, name, "pointwise_conv2"), c->d, 1, 1, 0, false);
}
