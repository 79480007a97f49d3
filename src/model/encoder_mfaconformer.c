/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mfaconformer: multi-scale feature aggregation Conformer (Zhang, Lv, Wu, Zhang, Hu, Wu, Lei, Meng, "MFA-Conformer",
 * Interspeech 2022) as espnet2.spk.encoder has it (specification 4.7): a convolutional sub-sampling, Conformer blocks,
 * and the outputs of all blocks side by side, normalised. The blocks' parts are in conformer.c.
 *
 * Relative positions: `latest` is right and the default; `legacy` is what ESPnet 202611 has by default. There the table
 * grows with the longest utterance so far and the same utterance may change its embedding; here it has max_pos_emb_len
 * rows, or as many as an utterance needs alone.
 * Stochastic depth skips a block for a whole batch. A skipped block is computed and its BatchNorm sees the batch.
 * layer_drop_rate, padding_idx and use_sdpa have no effect, as in ESPnet.
 */
#include <math.h>
#include <string.h>

#include "model/conformer_impl.h"

enum { CONV2D, CONV2D1, CONV2D2, CONV2D6, CONV2D8 };
enum { TYPE_LEGACY, TYPE_LATEST };
enum { ATTN_SELF, ATTN_REL, ATTN_LEGACY_REL };
enum { CHAINED, SAME };

typedef struct mfa_conf {
    int64_t output_size, attention_heads, linear_units, num_blocks;
    double dropout_rate, positional_dropout_rate, attention_dropout_rate;
    int input_layer;
    bool normalize_before;
    int positionwise_layer_type;
    int64_t positionwise_conv_kernel_size;
    bool macaron_style;
    int rel_pos_type, pos_enc_layer_type, selfattention_layer_type, activation_type;
    bool use_cnn_module, zero_triu;
    int64_t cnn_module_kernel;
    spk_yaml *stochastic_depth_rate;
    double layer_drop_rate;
    int64_t max_pos_emb_len, padding_idx;
    bool use_sdpa;
    int blocks_input;
} mfa_conf;

#define INT(name, preset, min, max, help)                                                                              \
    {                                                                                                                  \
#name, SPK_OPT_INT, offsetof(mfa_conf, name), preset, min, max, NULL, help, 0                                  \
    }
#define SHARE(name, preset, help)                                                                                      \
    {                                                                                                                  \
#name, SPK_OPT_FLOAT, offsetof(mfa_conf, name), preset, 0, 1, NULL, help, 0                                    \
    }
#define BOOL(name, preset, help)                                                                                       \
    {                                                                                                                  \
#name, SPK_OPT_BOOL, offsetof(mfa_conf, name), preset, 0, 0, NULL, help, 0                                     \
    }
#define CHOICE(name, preset, words, help, flags)                                                                       \
    {                                                                                                                  \
#name, SPK_OPT_CHOICE, offsetof(mfa_conf, name), preset, 0, 0, words, help, flags                              \
    }

static const spk_opt options[] = {
    INT(output_size, "256", 2, 65536, "width of a block; the encoder's output has this for each block"),
    INT(attention_heads, "4", 1, 1024, "heads; they divide output_size"),
    INT(linear_units, "2048", 1, 1048576, "width of the feed-forward layers"),
    INT(num_blocks, "6", 1, 256, "blocks"),
    SHARE(dropout_rate, "0.1", "dropout inside of feed-forward layers and before residual sums"),
    SHARE(positional_dropout_rate, "0.1", "dropout behind the positions"),
    SHARE(attention_dropout_rate, "0.0", "dropout on attention probabilities"),
    CHOICE(input_layer, "conv2d2", "conv2d|conv2d1|conv2d2|conv2d6|conv2d8", "sub-sampling of time by 4, 1, 2, 6, 8",
           0),
    BOOL(normalize_before, "true", "normalise before each sub-layer; false: behind each residual sum"),
    CHOICE(positionwise_layer_type, "linear", "linear|conv1d|conv1d-linear", "feed-forward layers", 0),
    INT(positionwise_conv_kernel_size, "3", 1, 1023, "taps of convolutional feed-forward layers; odd"),
    BOOL(macaron_style, "false", "a half feed-forward layer before the attention too"),
    CHOICE(rel_pos_type, "none", "legacy|latest",
           "relative positions; none: latest, legacy for ESPnet 202611's configs", SPK_OPT_NULLABLE),
    CHOICE(pos_enc_layer_type, "rel_pos", "abs_pos|scaled_abs_pos|rel_pos|legacy_rel_pos", "positions", 0),
    CHOICE(selfattention_layer_type, "rel_selfattn", "selfattn|rel_selfattn|legacy_rel_selfattn", "attention", 0),
    CHOICE(activation_type, "swish", "swish|relu|tanh|hardtanh|selu", "activation", 0),
    BOOL(use_cnn_module, "true", "convolution modules"),
    BOOL(zero_triu, "false", "no positions for keys behind the query (latest relative attention)"),
    INT(cnn_module_kernel, "31", 1, 4095, "taps of the depthwise convolution; odd"),
    {"stochastic_depth_rate", SPK_OPT_TREE, offsetof(mfa_conf, stochastic_depth_rate), "0.0", 0, 0, NULL,
     "probability of skipping a block in training: a number, or one for each block", 0},
    SHARE(layer_drop_rate, "0.0", "has no effect, as in ESPnet"),
    INT(max_pos_emb_len, "5000", 1, 1000000, "rows of the legacy table of positions"),
    {"padding_idx", SPK_OPT_INT, offsetof(mfa_conf, padding_idx), "none", 0, 0, NULL, "has no effect, as in ESPnet",
     SPK_OPT_NULLABLE},
    BOOL(use_sdpa, "false", "has no effect: the results are the same"),
    CHOICE(blocks_input, "chained", "chained|same",
           "what a block reads: the block before it, or what the first one reads (an early revision of ESPnet)", 0),
};

/* ---- sub-sampling: convolutions over time and frequency, without padding ---- */

enum { MOST_CONVS = 3 };
typedef struct subsampling {
    int n;
    int64_t k[MOST_CONVS], stride[MOST_CONVS];
} subsampling;

static const subsampling subsamplings[] = {[CONV2D] = {2, {3, 3}, {2, 2}},
                                           [CONV2D1] = {2, {3, 3}, {1, 1}},
                                           [CONV2D2] = {2, {3, 3}, {2, 1}},
                                           [CONV2D6] = {2, {3, 5}, {2, 3}},
                                           [CONV2D8] = {3, {3, 3, 3}, {2, 2, 2}}};

/* Fewest frames, or bins, that leave one. */
static int64_t fewest(const subsampling *s)
{
    int64_t n = 1;
    for (int i = s->n - 1; i >= 0; i--)
        n = (n - 1) * s->stride[i] + s->k[i];
    return n;
}

static int64_t min_frames(const void *conf)
{
    return fewest(&subsamplings[((const mfa_conf *)conf)->input_layer]);
}

/* (N,1,T,F) -> (N,1,T',d); bin f of channel c is input c F' + f of the linear layer. */
static spk_tensor *embed(spk_build *b, const mfa_conf *c, spk_tensor *x)
{
    const subsampling *s = &subsamplings[c->input_layer];
    char room[128];
    x = spk_g_picture(b->g, x);
    for (int i = 0; i < s->n; i++) {
        const spk_conv2d_attr attr = {
            .kt = s->k[i], .kf = s->k[i], .st = s->stride[i], .sf = s->stride[i], .relu = true};
        x = spk_layer_conv2d(b, x, spk_layer_name(room, "encoder.embed", "conv", 2 * i), c->output_size, true, attr);
    }
    return spk_layer_linear(b, spk_g_fold(b->g, x), "encoder.embed.out", c->output_size);
}

/* ---- options ---- */

/* Probability of skipping block i; below 0: is no number. */
static double depth_rate(const mfa_conf *c, int64_t i)
{
    const spk_yaml *rates = c->stochastic_depth_rate;
    double p = -1;
    if (rates && rates->kind == SPK_YAML_LIST) rates = rates->item[i];
    return rates && rates->kind == SPK_YAML_SCALAR && spk_yaml_double(rates, &p) ? p : -1;
}

static spk_status check_depth_rates(const mfa_conf *c)
{
    const spk_yaml *rates = c->stochastic_depth_rate;
    if (rates && rates->kind == SPK_YAML_LIST && rates->n != c->num_blocks)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: stochastic_depth_rate has %lld numbers, but num_blocks is %lld",
                        (long long)rates->n, (long long)c->num_blocks);
    for (int64_t i = 0; i < c->num_blocks; i++)
        if (!(depth_rate(c, i) >= 0 && depth_rate(c, i) < 1))
            return spk_fail(SPK_E_CONFIG,
                            "encoder_conf: stochastic_depth_rate must be a number from 0 to below 1, or a list of such "
                            "numbers, one for each block");
    return SPK_OK;
}

/* The names of positions and attention, as rel_pos_type reads them. */
static int positions_of(const mfa_conf *c)
{
    const bool old = c->rel_pos_type == TYPE_LEGACY && c->pos_enc_layer_type == SPK_POS_REL;
    return old ? SPK_POS_LEGACY_REL : c->pos_enc_layer_type;
}

static int attention_of(const mfa_conf *c)
{
    const bool old = c->rel_pos_type == TYPE_LEGACY && c->selfattention_layer_type == ATTN_REL;
    return old ? ATTN_LEGACY_REL : c->selfattention_layer_type;
}

static spk_status check_positions(mfa_conf *c, const spk_part_in *in)
{
    const bool named = c->pos_enc_layer_type == SPK_POS_LEGACY_REL || c->selfattention_layer_type == ATTN_LEGACY_REL;
    if (c->rel_pos_type < 0) c->rel_pos_type = named || in->like_202611 ? TYPE_LEGACY : TYPE_LATEST;
    if (c->rel_pos_type == TYPE_LATEST && named)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: with rel_pos_type latest, pos_enc_layer_type and "
                                      "selfattention_layer_type cannot be the legacy ones; set rel_pos_type: legacy");
    static const int wanted[] = {[SPK_POS_ABS] = ATTN_SELF,
                                 [SPK_POS_SCALED_ABS] = ATTN_SELF,
                                 [SPK_POS_REL] = ATTN_REL,
                                 [SPK_POS_LEGACY_REL] = ATTN_LEGACY_REL};
    if (wanted[positions_of(c)] != attention_of(c))
        return spk_fail(SPK_E_CONFIG,
                        "encoder_conf: pos_enc_layer_type and selfattention_layer_type do not go together: use rel_pos "
                        "with rel_selfattn, legacy_rel_pos with legacy_rel_selfattn, or abs_pos or scaled_abs_pos with "
                        "selfattn");
    return SPK_OK;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    mfa_conf *c = conf;
    if (c->output_size % c->attention_heads != 0 || c->output_size % 2 != 0)
        return spk_fail(SPK_E_CONFIG,
                        "encoder_conf: output_size %lld must be even and a multiple of attention_heads %lld",
                        (long long)c->output_size, (long long)c->attention_heads);
    if (c->use_cnn_module && c->cnn_module_kernel % 2 == 0)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: cnn_module_kernel must be odd, not %lld",
                        (long long)c->cnn_module_kernel);
    if (c->positionwise_layer_type != SPK_FFN_LINEAR && c->positionwise_conv_kernel_size % 2 == 0)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: positionwise_conv_kernel_size must be odd, not %lld",
                        (long long)c->positionwise_conv_kernel_size);
    if (in->input_size < min_frames(c))
        return spk_fail(SPK_E_CONFIG, "encoder_conf: this input_layer takes at least %lld features, but there are %lld",
                        (long long)min_frames(c), (long long)in->input_size);
    SPK_TRY(check_positions(c, in));
    SPK_TRY(check_depth_rates(c));
    if (c->layer_drop_rate > 0) spk_warn("model", "encoder_conf: layer_drop_rate has no effect, as in ESPnet");
    if (c->padding_idx != SPK_NONE) spk_warn("model", "encoder_conf: padding_idx has no effect, as in ESPnet");
    *output_size = c->output_size * c->num_blocks;
    return SPK_OK;
}

static spk_conformer block_shape(const mfa_conf *c)
{
    static const spk_act acts[] = {SPK_SWISH, SPK_RELU, SPK_TANH, SPK_HARDTANH, SPK_SELU};
    static const spk_attention_kind kinds[] = {SPK_ATTN_PLAIN, SPK_ATTN_RELATIVE, SPK_ATTN_LEGACY};
    return (spk_conformer){.d = c->output_size,
                           .heads = c->attention_heads,
                           .units = c->linear_units,
                           .dropout = c->dropout_rate,
                           .pos_dropout = c->positional_dropout_rate,
                           .attn_dropout = c->attention_dropout_rate,
                           .positions = (spk_positions)positions_of(c),
                           .table_len = c->max_pos_emb_len,
                           .attention = kinds[attention_of(c)],
                           .zero_triu = c->zero_triu,
                           .ffn = (spk_ffn_kind)c->positionwise_layer_type,
                           .ffn_kernel = c->positionwise_conv_kernel_size,
                           .cnn_kernel = c->cnn_module_kernel,
                           .act = acts[c->activation_type]};
}

/* ---- blocks ---- */

typedef struct block {
    spk_build *b;
    const spk_conformer *shape;
    const char *name; /* "encoder.encoders.0" */
    bool norm_before;
    double factor; /* of every residual: 1, or more where the block may be skipped */
} block;

typedef enum sublayer { MACARON, ATTENTION, CONVOLUTION, FEED_FORWARD } sublayer;

/* x + s dropout(f(norm(x))), or norm(x + s dropout(f(x))). */
static spk_tensor *residual(const block *k, sublayer which, spk_tensor *x, spk_tensor *table, double s)
{
    static const char *const norms[] = {"norm_ff_macaron", "norm_mha", "norm_conv", "norm_ff"};
    static const char *const names[] = {"feed_forward_macaron", "self_attn", "conv_module", "feed_forward"};
    char norm[128], name[128];
    spk_layer_name(norm, k->name, norms[which], -1);
    spk_layer_name(name, k->name, names[which], -1);
    spk_tensor *y = k->norm_before ? spk__conformer_norm(k->b, x, norm) : x;
    if (which == ATTENTION)
        y = spk__conformer_attention(k->b, k->shape, y, table, name);
    else if (which == CONVOLUTION)
        y = spk__conformer_convolution(k->b, k->shape, y, name);
    else
        y = spk__conformer_feed_forward(k->b, k->shape, y, name);
    y = spk__conformer_dropout(k->b, y, k->shape->dropout);
    y = spk_g_add_scaled(k->b->g, x, y, s * k->factor, false);
    return k->norm_before ? y : spk__conformer_norm(k->b, y, norm);
}

static spk_tensor *block_of(spk_build *b, const mfa_conf *c, int64_t i, spk_tensor *x, spk_tensor *table)
{
    char name[128], norm[128];
    const spk_conformer shape = block_shape(c);
    const double skip = b->train ? depth_rate(c, i) : 0, half = c->macaron_style ? 0.5 : 1;
    const block k = {b, &shape, spk_layer_name(name, "encoder", "encoders", i), c->normalize_before, 1 / (1 - skip)};
    spk_tensor *y = x;
    if (c->macaron_style) y = residual(&k, MACARON, y, NULL, half);
    y = residual(&k, ATTENTION, y, table, 1);
    if (c->use_cnn_module) y = residual(&k, CONVOLUTION, y, NULL, 1);
    y = residual(&k, FEED_FORWARD, y, NULL, half);
    if (c->use_cnn_module) y = spk__conformer_norm(b, y, spk_layer_name(norm, name, "norm_final", -1));
    return skip > 0 ? spk_g_choose(b->g, x, y, skip) : y;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    const mfa_conf *c = conf;
    const spk_conformer shape = block_shape(c);
    spk_tensor *table, *x = embed(b, c, feats);
    x = spk__conformer_positions(b, &shape, x, "encoder.embed.pos_enc", &table);
    spk_tensor **y = spk_new((size_t)c->num_blocks * sizeof *y);
    for (int64_t i = 0; i < c->num_blocks; i++)
        y[i] = block_of(b, c, i, i > 0 && c->blocks_input == CHAINED ? y[i - 1] : x, table);
    x = spk_g_concat(b->g, y, (int)c->num_blocks);
    spk_free(y);
    return spk__conformer_norm(b, x, "encoder.ln");
}

/* Earlier releases kept the linear layer and the positions in one sequence, and stored the table. */
static char *renamed(const char *name)
{
    static const char *const now[][2] = {{"encoder.embed.out.0.", "encoder.embed.out."},
                                         {"encoder.embed.out.1.", "encoder.embed.pos_enc."}};
    if (!spk_starts_with(name, "encoder.")) return NULL;
    if (spk_ends_with(name, ".pe")) return spk_strf("%s", "");
    for (int i = 0; i < SPK_COUNT(now); i++)
        if (spk_starts_with(name, now[i][0])) return spk_strf("%s%s", now[i][1], name + strlen(now[i][0]));
    return NULL;
}

const spk_part spk__encoder_mfaconformer = {.name = "mfaconformer",
                                            .options = options,
                                            .n_options = SPK_COUNT(options),
                                            .conf_bytes = sizeof(mfa_conf),
                                            .check = check,
                                            .build = build,
                                            .min_frames = min_frames,
                                            .renamed = renamed};
