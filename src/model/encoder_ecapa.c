/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ecapa_tdnn: ECAPA-TDNN (Desplanques, Thienpondt, Demuynck, Interspeech 2020) as espnet2.spk.encoder has it, with
 * the activation before every BatchNorm (specification 4.1). C channels, s = model_scale groups of w = C / s.
 */
#include "model/build_impl.h"

typedef struct ecapa_conf {
    int block;
    int64_t model_scale, ndim, output_size, num_blocks;
    spk_int_list dilations;
} ecapa_conf;

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

static const char *sub(char *room, const char *name, const char *leaf, int64_t i)
{
    if (i < 0)
        snprintf(room, 96, "%s.%s", name, leaf);
    else
        snprintf(room, 96, "%s.%s.%lld", name, leaf, (long long)i);
    return room;
}

/* Group i is convolved together with the result of group i - 1; the last group passes untouched. */
static spk_tensor *res2(spk_build *b, spk_tensor *h, const char *name, int64_t scale, int64_t w, int64_t dilation)
{
    char room[96];
    spk_tensor **part = spk_new((size_t)scale * sizeof *part), *before = NULL;
    for (int64_t i = 0; i < scale; i++) {
        spk_tensor *group = spk_g_slice(b->g, h, i * w, w);
        if (i < scale - 1) {
            if (before) group = spk_g_add(b->g, before, group);
            group = spk_layer_conv1d(b, group, sub(room, name, "convs", i), w, 3, dilation, dilation, true);
            group = spk_layer_batch_norm(b, group, sub(room, name, "bns", i));
        }
        part[i] = before = group;
    }
    spk_tensor *whole = spk_g_concat(b->g, part, (int)scale);
    spk_free(part);
    return whole;
}

/* Squeeze and excitation: one factor a channel from the mean over time. */
static spk_tensor *channel_factors(spk_build *b, spk_tensor *h, const char *name)
{
    char room[96];
    spk_tensor *m = spk_g_time_mean(b->g, h);
    m = spk_layer_conv1d(b, m, sub(room, name, "se.se.1", -1), SE_CHANNELS, 1, 1, 0, true);
    m = spk_layer_batch_norm(b, m, sub(room, name, "se.se.3", -1));
    m = spk_layer_conv1d(b, m, sub(room, name, "se.se.4", -1), h->c, 1, 1, 0, false);
    return spk_g_act(b->g, m, SPK_SIGMOID);
}

static spk_tensor *block(spk_build *b, const ecapa_conf *c, spk_tensor *u, const char *name, int64_t dilation)
{
    char room[96];
    const int64_t w = c->ndim / c->model_scale;
    spk_tensor *h = spk_layer_conv1d(b, u, sub(room, name, "conv1", -1), w * c->model_scale, 1, 1, 0, true);
    h = spk_layer_batch_norm(b, h, sub(room, name, "bn1", -1));
    h = res2(b, h, name, c->model_scale, w, dilation);
    h = spk_layer_conv1d(b, h, sub(room, name, "conv3", -1), c->ndim, 1, 1, 0, true);
    h = spk_layer_batch_norm(b, h, sub(room, name, "bn3", -1));
    return spk_g_scale_add(b->g, h, channel_factors(b, h, name), u);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    const ecapa_conf *c = conf;
    const int64_t n = n_blocks(c);
    char name[64];
    spk_tensor **x = spk_new((size_t)n * sizeof *x);
    spk_tensor *sum = spk_layer_conv1d(b, feats, "encoder.conv", c->ndim, 5, 1, 2, true);
    sum = spk_layer_batch_norm(b, sum, "encoder.bn");
    for (int64_t i = 0; i < n; i++) { /* block i sees x0 + x1 + ... */
        if (i < DEFAULT_BLOCKS)
            snprintf(name, sizeof name, "encoder.layer%lld", (long long)i + 1);
        else
            snprintf(name, sizeof name, "encoder.extra_layers.%lld", (long long)(i - DEFAULT_BLOCKS));
        x[i] = block(b, c, sum, name, c->dilations.n ? c->dilations.v[i] : i + 2);
        if (i < n - 1) sum = spk_g_add(b->g, sum, x[i]);
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
