/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rawnet3: RawNet3 (Jung et al., "Pushing the limits of raw waveform speaker recognition", Interspeech 2022) as
 * espnet2.spk.encoder has it (specification 4.2), behind the learned filters of asteroid_frontend: three Res2 blocks,
 * the first two of which pool by maximum over 5 and 3 frames.
 *
 *   x1 = block1(features), dilation 2, pool 5    x2 = block2(x1), dilation 3, pool 3    q = max-pool of x1 over 3
 *   x3 = block3(q + x2), dilation 4              frames = ReLU(layer4(concat(q, x2, x3)))
 */
#include "model/res2_impl.h"

typedef struct rawnet3_conf {
    int block;
    int64_t model_scale, ndim, output_size;
} rawnet3_conf;

#define FIELD(name) offsetof(rawnet3_conf, name)
static const spk_opt options[] = {
    {"block", SPK_OPT_CHOICE, FIELD(block), "Bottle2neck", 0, 0, "Bottle2neck", "kind of block", 0},
    {"model_scale", SPK_OPT_INT, FIELD(model_scale), "8", 2, 1024, NULL, "Res2 groups of a block", 0},
    {"ndim", SPK_OPT_INT, FIELD(ndim), "1024", 2, 65536, NULL, "channels", 0},
    {"output_size", SPK_OPT_INT, FIELD(output_size), "1536", 1, 65536, NULL, "channels of the last layer", 0},
};

enum { POOL1 = 5, POOL2 = 3 };

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const rawnet3_conf *c = conf;
    (void)in;
    if (c->model_scale > c->ndim)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: model_scale %lld is larger than ndim %lld",
                        (long long)c->model_scale, (long long)c->ndim);
    *output_size = c->output_size;
    return SPK_OK;
}

/* One frame of the output. */
static int64_t min_frames(const void *conf)
{
    (void)conf;
    return POOL1 * POOL2;
}

/* AFMS: (h + alpha) y with a factor y for each channel from the mean over time, and a learned offset. */
static spk_tensor *scaled(spk_build *b, spk_tensor *h, const char *name)
{
    char room[128];
    spk_tensor *y = spk_layer_linear(b, spk_g_time_mean(b->g, h), spk_layer_name(room, name, "fc", -1), h->c);
    char *full = spk_strf("%s.alpha", name);
    const spk_param *alpha =
        spk_params_declare(b->params, full, true, 2, (int64_t[]){h->c, 1}, (spk_init){SPK_INIT_CONST, 1, NULL});
    spk_free(full);
    return spk_g_afms(b->g, h, alpha, spk_g_act(b->g, y, SPK_SIGMOID));
}

/* pool 0: none. The residual is a bias-free layer where the width changes. */
static spk_tensor *block(spk_build *b, const rawnet3_conf *c, spk_tensor *u, const char *name, int64_t dilation,
                         int64_t pool)
{
    char room[128];
    spk_tensor *res = u;
    if (u->c != c->ndim)
        res = spk_layer_conv(b, u, spk_layer_name(room, name, "residual", 0),
                             (spk_conv_shape){.out = c->ndim, .no_bias = true});
    spk_tensor *h = spk_g_add(b->g, spk_layer_res2(b, u, name, c->ndim, c->model_scale, dilation), res);
    if (pool) h = spk_g_max_pool(b->g, h, pool);
    return scaled(b, h, spk_layer_name(room, name, "afms", -1));
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    const rawnet3_conf *c = conf;
    spk_tensor *x1 = block(b, c, feats, "encoder.layer1", 2, POOL1);
    spk_tensor *x2 = block(b, c, x1, "encoder.layer2", 3, POOL2);
    spk_tensor *q = spk_g_max_pool(b->g, x1, POOL2);
    spk_tensor *x3 = block(b, c, spk_g_add(b->g, q, x2), "encoder.layer3", 4, 0);
    spk_tensor *all = spk_g_concat(b->g, (spk_tensor *[]){q, x2, x3}, 3);
    return spk_layer_conv1d(b, all, "encoder.layer4", c->output_size, 1, 1, 0, true);
}

const spk_part spk__encoder_rawnet3 = {.name = "rawnet3",
                                       .options = options,
                                       .n_options = SPK_COUNT(options),
                                       .conf_bytes = sizeof(rawnet3_conf),
                                       .check = check,
                                       .build = build,
                                       .min_frames = min_frames};
