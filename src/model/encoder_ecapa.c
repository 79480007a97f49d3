/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecapa_tdnn: ECAPA-TDNN (Desplanques, Thienpondt, Demuynck, Interspeech 2020) as espnet2.spk.encoder has it, with
 * the activation before every BatchNorm (specification 4.1). C channels, model_scale groups.
 *
 * WeSpeaker's ECAPA_TDNN is this with block_input previous and se_norm false (specification W.3). Its names here, behind
 * "encoder.": layer1.conv, .bn: conv, bn; layer{k+1}.se_res2block.0.conv, .bn: layer{k}.conv1, bn1; .1.convs, .bns: convs,
 * bns; .2.conv, .bn: conv3, bn3; .3.linear1, .linear2 (O,I): se.se.1, se.se.4 (O,I,1); conv: layer4.
 */
#include "model/res2_impl.h"

typedef struct ecapa_conf {
    int block;
    int64_t model_scale, ndim, output_size, num_blocks;
    spk_int_list dilations;
    int block_input;
    bool se_norm;
} ecapa_conf;

enum { INPUT_SUM, INPUT_PREVIOUS };
enum { SE_CHANNELS = 128, DEFAULT_BLOCKS = 3 };

#define FIELD(name) offsetof(ecapa_conf, name)
static const spk_opt options[] = {
    {"block", SPK_OPT_CHOICE, FIELD(block), "EcapaBlock", 0, 0, "EcapaBlock", "kind of block", 0},
    {"model_scale", SPK_OPT_INT, FIELD(model_scale), "8", 2, 1024, NULL, "Res2 groups of a block", 0},
    {"ndim", SPK_OPT_INT, FIELD(ndim), "1024", 2, 65536, NULL, "channels", 0},
    {"output_size", SPK_OPT_INT, FIELD(output_size), "1536", 1, 65536, NULL, "channels of the last layer", 0},
    {"num_blocks", SPK_OPT_INT, FIELD(num_blocks), "none", 3, 64, NULL, "blocks; none: 3, or as many as dilations",
     SPK_OPT_NULLABLE},
    {"dilations", SPK_OPT_INTS, FIELD(dilations), "none", 1, 4096, NULL, "dilation of each block; none: 2, 3, 4, ...",
     SPK_OPT_NULLABLE},
    {"block_input", SPK_OPT_CHOICE, FIELD(block_input), "sum", 0, 0, "sum|previous",
     "what a block sees: the sum of the outputs before it, or the previous one alone (WeSpeaker)", 0},
    {"se_norm", SPK_OPT_BOOL, FIELD(se_norm), "true", 0, 0, NULL,
     "BatchNorm inside squeeze-excitation (WeSpeaker has none)", 0},
};

static int64_t n_blocks(const ecapa_conf *c)
{
    if (c->dilations.n) return c->dilations.n;
    return c->num_blocks == SPK_NONE ? DEFAULT_BLOCKS : c->num_blocks;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const ecapa_conf *c = conf;
    (void)in;
    if (c->model_scale > c->ndim)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: model_scale %lld is larger than ndim %lld",
                        (long long)c->model_scale, (long long)c->ndim);
    if (c->dilations.n && c->dilations.n < 3)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: dilations has %lld entries; at least 3 are needed",
                        (long long)c->dilations.n);
    if (c->dilations.n && c->num_blocks != SPK_NONE && c->num_blocks != c->dilations.n)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: num_blocks is %lld but dilations has %lld entries",
                        (long long)c->num_blocks, (long long)c->dilations.n);
    *output_size = c->output_size;
    return SPK_OK;
}

/* Squeeze and excitation: one factor a channel from the mean over time. */
static spk_tensor *channel_factors(spk_build *b, const ecapa_conf *c, spk_tensor *h, const char *name)
{
    char room[128];
    spk_tensor *m = spk_g_time_mean(b->g, h);
    m = spk_layer_conv1d(b, m, spk_layer_name(room, name, "se.se.1", -1), SE_CHANNELS, 1, 1, 0, true);
    if (c->se_norm) m = spk_layer_batch_norm(b, m, spk_layer_name(room, name, "se.se.3", -1));
    m = spk_layer_conv1d(b, m, spk_layer_name(room, name, "se.se.4", -1), h->c, 1, 1, 0, false);
    return spk_g_act(b->g, m, SPK_SIGMOID);
}

static spk_tensor *block(spk_build *b, const ecapa_conf *c, spk_tensor *u, const char *name, int64_t dilation)
{
    spk_tensor *h = spk_layer_res2(b, u, name, c->ndim, c->model_scale, dilation);
    return spk_g_scale_add(b->g, h, channel_factors(b, c, h, name), u);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    const ecapa_conf *c = conf;
    const int64_t n = n_blocks(c);
    char name[64];
    spk_tensor **x = spk_new((size_t)n * sizeof *x);
    spk_tensor *u = spk_layer_conv1d(b, feats, "encoder.conv", c->ndim, 5, 1, 2, true);
    u = spk_layer_batch_norm(b, u, "encoder.bn");
    for (int64_t i = 0; i < n; i++) { /* block i sees x0 + x1 + ..., or x(i-1) alone */
        if (i < DEFAULT_BLOCKS)
            snprintf(name, sizeof name, "encoder.layer%lld", (long long)i + 1);
        else
            snprintf(name, sizeof name, "encoder.extra_layers.%lld", (long long)(i - DEFAULT_BLOCKS));
        x[i] = block(b, c, u, name, c->dilations.n ? c->dilations.v[i] : i + 2);
        if (i < n - 1) u = c->block_input == INPUT_PREVIOUS ? x[i] : spk_g_add(b->g, u, x[i]);
    }
    spk_tensor *all = spk_g_concat(b->g, x, (int)n);
    spk_free(x);
    return spk_layer_conv1d(b, all, "encoder.layer4", c->output_size, 1, 1, 0, true);
}

const spk_part spk__encoder_ecapa_tdnn = {.name = "ecapa_tdnn",
                                          .options = options,
                                          .n_options = SPK_COUNT(options),
                                          .conf_bytes = sizeof(ecapa_conf),
                                          .check = check,
                                          .build = build};
