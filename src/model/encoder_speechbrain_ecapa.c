/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speechbrain_ecapa: ECAPA-TDNN (Desplanques, Thienpondt, Demuynck, Interspeech 2020) as speechbrain.lobes.models.ECAPA_TDNN
 * has it. Against ecapa_tdnn: convolutions mirror the ends instead of padding zeros; the first Res2 group passes untouched
 * and not the last; a block sees the previous one alone; squeeze-excitation has no BatchNorm; the last layer has one.
 * State names are SpeechBrain's behind "encoder.": blocks.I...., mfa. Behind it stands the pooling speechbrain_asp.
 */
#include "model/build_impl.h"

typedef struct ecapa_conf {
    int64_t ndim, output_size, model_scale, se_channels;
    spk_int_list kernel_sizes, dilations;
} ecapa_conf;

#define FIELD(name) offsetof(ecapa_conf, name)
static const spk_opt options[] = {
    {"ndim", SPK_OPT_INT, FIELD(ndim), "1024", 2, 65536, NULL, "channels", 0},
    {"output_size", SPK_OPT_INT, FIELD(output_size), "3072", 1, 65536, NULL, "channels of the last layer", 0},
    {"model_scale", SPK_OPT_INT, FIELD(model_scale), "8", 2, 1024, NULL, "Res2 groups of a block", 0},
    {"se_channels", SPK_OPT_INT, FIELD(se_channels), "128", 1, 65536, NULL, "channels of squeeze-excitation", 0},
    {"kernel_sizes", SPK_OPT_INTS, FIELD(kernel_sizes), "[5, 3, 3, 3, 1]", 1, 1023, NULL,
     "taps of the first layer, of each block, and of the last layer", 0},
    {"dilations", SPK_OPT_INTS, FIELD(dilations), "[1, 2, 3, 4, 1]", 1, 4096, NULL, "dilations of the same", 0},
};

/* Frames that are mirrored at each end of layer i. */
static int64_t pad_of(const ecapa_conf *c, int64_t i)
{
    return c->dilations.v[i] * (c->kernel_sizes.v[i] - 1) / 2;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const ecapa_conf *c = conf;
    (void)in;
    if (c->kernel_sizes.n != c->dilations.n || c->dilations.n < 3)
        return spk_fail(SPK_E_CONFIG,
                        "encoder_conf: kernel_sizes and dilations have %lld and %lld entries; both need one "
                        "for the first layer, each block and the last layer",
                        (long long)c->kernel_sizes.n, (long long)c->dilations.n);
    for (int64_t i = 0; i < c->dilations.n; i++)
        if (c->kernel_sizes.v[i] % 2 == 0)
            return spk_fail(SPK_E_CONFIG, "encoder_conf: kernel_sizes must be odd, not %lld",
                            (long long)c->kernel_sizes.v[i]);
    if (c->ndim % c->model_scale)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: ndim %lld is no multiple of model_scale %lld", (long long)c->ndim,
                        (long long)c->model_scale);
    *output_size = c->output_size;
    return SPK_OK;
}

static int64_t min_frames(const void *conf)
{
    const ecapa_conf *c = conf;
    int64_t most = 0;
    for (int64_t i = 0; i < c->dilations.n; i++)
        most = pad_of(c, i) > most ? pad_of(c, i) : most;
    return most + 1;
}

/* "NAME.conv.conv" with mirrored ends, ReLU, BatchNorm "NAME.norm.norm". */
static spk_tensor *tdnn(spk_build *b, spk_tensor *x, const char *name, int64_t out, int64_t k, int64_t dilation)
{
    char room[128];
    if (k > 1) x = spk_g_pad_time(b->g, x, dilation * (k - 1) / 2);
    x = spk_layer_conv1d(b, x, spk_layer_name(room, name, "conv.conv", -1), out, k, dilation, 0, true);
    return spk_layer_batch_norm(b, x, spk_layer_name(room, name, "norm.norm", -1));
}

static spk_tensor *res2(spk_build *b, const ecapa_conf *c, spk_tensor *h, const char *name, int64_t i)
{
    char room[128];
    const int64_t w = c->ndim / c->model_scale;
    spk_tensor **part = spk_new((size_t)c->model_scale * sizeof *part);
    for (int64_t k = 0; k < c->model_scale; k++) {
        part[k] = spk_g_slice(b->g, h, k * w, w);
        if (k > 1) part[k] = spk_g_add(b->g, part[k], part[k - 1]);
        if (k > 0)
            part[k] = tdnn(b, part[k], spk_layer_name(room, name, "res2net_block.blocks", k - 1), w,
                           c->kernel_sizes.v[i], c->dilations.v[i]);
    }
    spk_tensor *whole = spk_g_concat(b->g, part, (int)c->model_scale);
    spk_free(part);
    return whole;
}

static spk_tensor *block(spk_build *b, const ecapa_conf *c, spk_tensor *x, int64_t i)
{
    char name[64], room[128];
    snprintf(name, sizeof name, "encoder.blocks.%lld", (long long)i);
    spk_tensor *h = tdnn(b, x, spk_layer_name(room, name, "tdnn1", -1), c->ndim, 1, 1);
    h = res2(b, c, h, name, i);
    h = tdnn(b, h, spk_layer_name(room, name, "tdnn2", -1), c->ndim, 1, 1);
    spk_tensor *s = spk_g_time_mean(b->g, h);
    s = spk_layer_conv1d(b, s, spk_layer_name(room, name, "se_block.conv1.conv", -1), c->se_channels, 1, 1, 0, true);
    s = spk_layer_conv1d(b, s, spk_layer_name(room, name, "se_block.conv2.conv", -1), c->ndim, 1, 1, 0, false);
    return spk_g_scale_add(b->g, h, spk_g_act(b->g, s, SPK_SIGMOID), x);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    const ecapa_conf *c = conf;
    const int64_t n = c->dilations.n - 2, last = n + 1;
    spk_tensor **x = spk_new((size_t)n * sizeof *x);
    spk_tensor *h = tdnn(b, feats, "encoder.blocks.0", c->ndim, c->kernel_sizes.v[0], c->dilations.v[0]);
    for (int64_t i = 0; i < n; i++)
        h = x[i] = block(b, c, h, i + 1);
    spk_tensor *all = spk_g_concat(b->g, x, (int)n);
    spk_free(x);
    return tdnn(b, all, "encoder.mfa", c->output_size, c->kernel_sizes.v[last], c->dilations.v[last]);
}

const spk_part spk__encoder_speechbrain_ecapa = {.name = "speechbrain_ecapa",
                                                 .options = options,
                                                 .n_options = SPK_COUNT(options),
                                                 .conf_bytes = sizeof(ecapa_conf),
                                                 .check = check,
                                                 .build = build,
                                                 .min_frames = min_frames};
