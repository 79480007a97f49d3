/* SPDX-License-Identifier: Apache-2.0 */
/*
 * campplus: CAM++ (Wang, Zheng, Chen, Cheng, Chen, "CAM++: a fast and efficient network for speaker verification using
 * context-aware masking", Interspeech 2023) as wespeaker/models/campplus.py has it (specification W.6), up to its
 * pooling: a small residual network over time and frequency, then dense blocks over time in which every layer appends
 * `growth_rate` channels to what it read. State names are WeSpeaker's behind "encoder.".
 *
 * A dense block lives in one buffer: layer i reads the channels so far, a view, and its result is written behind them.
 */
#include <math.h>

#include "model/build_impl.h"

typedef struct campplus_conf {
    int64_t growth_rate, bn_size, init_channels;
    spk_int_list num_layers, dilations;
} campplus_conf;

enum { HEAD_CHANNELS = 32, HEAD_BLOCKS = 2, SEGMENT = 100 };

#define FIELD(name) offsetof(campplus_conf, name)
static const spk_opt options[] = {
    {"growth_rate", SPK_OPT_INT, FIELD(growth_rate), "32", 1, 65536, NULL, "channels that a layer appends", 0},
    {"bn_size", SPK_OPT_INT, FIELD(bn_size), "4", 1, 1024, NULL, "channels inside of a layer, in growth_rates", 0},
    {"init_channels", SPK_OPT_INT, FIELD(init_channels), "128", 1, 65536, NULL, "channels before the dense blocks", 0},
    {"num_layers", SPK_OPT_INTS, FIELD(num_layers), "[12, 24, 16]", 1, 4096, NULL, "layers of each dense block", 0},
    {"dilations", SPK_OPT_INTS, FIELD(dilations), "[1, 2, 2]", 1, 4096, NULL, "dilation in each dense block", 0},
};

/* Channels behind each dense block are halved. */
static int64_t width_after(const campplus_conf *c, int64_t width, int64_t block)
{
    return (width + c->num_layers.v[block] * c->growth_rate) / 2;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const campplus_conf *c = conf;
    int64_t width = c->init_channels;
    if (in->input_size % 8)
        return spk_fail(SPK_E_CONFIG,
                        "encoder_conf: campplus halves the frequencies three times, so their number must be a multiple "
                        "of 8, not %lld; change the frontend's n_mels",
                        (long long)in->input_size);
    if (c->num_layers.n != c->dilations.n)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: num_layers has %lld entries but dilations has %lld",
                        (long long)c->num_layers.n, (long long)c->dilations.n);
    if (c->growth_rate * c->bn_size < 2)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: growth_rate times bn_size must be at least 2");
    for (int64_t i = 0; i < c->num_layers.n; i++)
        width = width_after(c, width, i);
    *output_size = width;
    return SPK_OK;
}

/* ---- layers ---- */

/* A convolution over time whose weights are drawn from N(0, 2 / fan_in) and whose bias begins with 0. */
static spk_tensor *conv(spk_build *b, spk_tensor *x, const char *name, spk_conv_shape shape)
{
    char room[128];
    const int64_t k = shape.k ? shape.k : 1;
    const spk_init init = {SPK_INIT_NORMAL, sqrt(2 / (double)(x->c * k)), NULL};
    spk_params_declare(b->params, spk_layer_name(room, name, "weight", -1), true, 3, (int64_t[]){shape.out, x->c, k},
                       init);
    if (!shape.no_bias) spk_layer_constant(b, name, "bias", true, shape.out, 0);
    return spk_layer_conv(b, x, name, shape);
}

static spk_tensor *norm_relu(spk_build *b, spk_tensor *x, const char *name, const char *leaf)
{
    char room[128];
    return spk_layer_norm(b, x, spk_layer_name(room, name, leaf, -1), (spk_norm_shape){.relu = true});
}

/* Over pictures, k x k without bias; `stride` is of the frequency alone. */
static spk_tensor *conv2d(spk_build *b, spk_tensor *x, const char *name, const char *leaf, int64_t k, int64_t stride)
{
    char room[128];
    const spk_conv2d_attr attr = {
        .kt = k, .kf = k, .st = 1, .sf = stride, .pt = k / 2, .pf = k / 2, .freq_first = true};
    return spk_layer_conv2d(b, x, spk_layer_name(room, name, leaf, -1), HEAD_CHANNELS, false, attr);
}

/* ---- the head ---- */

static spk_tensor *res_block(spk_build *b, spk_tensor *u, const char *name, int64_t stride)
{
    char room[128];
    spk_tensor *h = conv2d(b, u, name, "conv1", 3, stride);
    h = norm_relu(b, h, name, "bn1");
    h = conv2d(b, h, name, "conv2", 3, 1);
    h = spk_layer_batch_norm(b, h, spk_layer_name(room, name, "bn2", -1));
    if (stride > 1) {
        u = conv2d(b, u, name, "shortcut.0", 1, stride);
        u = spk_layer_batch_norm(b, u, spk_layer_name(room, name, "shortcut.1", -1));
    }
    return spk_g_add_scaled(b->g, h, u, 1, true);
}

/* (N,1,T,F) -> (N,1,T,32 F/8) */
static spk_tensor *head(spk_build *b, spk_tensor *feats)
{
    static const char *const layers[] = {"encoder.head.layer1", "encoder.head.layer2"};
    char room[128];
    spk_tensor *x = conv2d(b, spk_g_picture(b->g, feats), "encoder.head", "conv1", 3, 1);
    x = norm_relu(b, x, "encoder.head", "bn1");
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < HEAD_BLOCKS; k++) {
            snprintf(room, sizeof room, "%s.%d", layers[i], k);
            x = res_block(b, x, room, k == 0 ? 2 : 1);
        }
    x = conv2d(b, x, "encoder.head", "conv2", 3, 2);
    return spk_g_fold(b->g, norm_relu(b, x, "encoder.head", "bn2"));
}

/* ---- dense blocks ---- */

/* Context-aware masking: each segment's factors come from its own mean and the mean of all. */
static spk_tensor *cam_layer(spk_build *b, spk_tensor *h, const char *name, int64_t out, int64_t dilation)
{
    char room[128];
    const spk_conv_shape local = {.out = out, .k = 3, .dilation = dilation, .pad = dilation, .no_bias = true};
    spk_tensor *y = conv(b, h, spk_layer_name(room, name, "linear_local", -1), local);
    spk_tensor *m = spk_g_segment_mean(b->g, h, SEGMENT);
    m = conv(b, m, spk_layer_name(room, name, "linear1", -1), (spk_conv_shape){.out = h->c / 2, .relu = true});
    m = conv(b, m, spk_layer_name(room, name, "linear2", -1), (spk_conv_shape){.out = out});
    return spk_g_segment_scale(b->g, y, spk_g_act(b->g, m, SPK_SIGMOID), SEGMENT);
}

static spk_tensor *dense_layer(spk_build *b, const campplus_conf *c, spk_tensor *x, const char *name, int64_t dilation)
{
    char room[128];
    spk_tensor *h = norm_relu(b, x, name, "nonlinear1.batchnorm");
    h = conv(b, h, spk_layer_name(room, name, "linear1", -1),
             (spk_conv_shape){.out = c->bn_size * c->growth_rate, .no_bias = true});
    h = norm_relu(b, h, name, "nonlinear2.batchnorm");
    return cam_layer(b, h, spk_layer_name(room, name, "cam_layer", -1), c->growth_rate, dilation);
}

static spk_tensor *dense_block(spk_build *b, const campplus_conf *c, spk_tensor *x, int64_t block)
{
    char name[128];
    const int64_t n = c->num_layers.v[block], width = x->c;
    spk_tensor *all = spk_g_buffer(b->g, x, width + n * c->growth_rate);
    spk_g_place(b->g, all, 0, x);
    for (int64_t i = 0; i < n; i++) {
        const int64_t so_far = width + i * c->growth_rate;
        snprintf(name, sizeof name, "encoder.xvector.block%lld.tdnnd%lld", (long long)block + 1, (long long)i + 1);
        spk_tensor *seen = spk_g_slice(b->g, all, 0, so_far);
        spk_g_place(b->g, all, so_far, dense_layer(b, c, seen, name, c->dilations.v[block]));
    }
    snprintf(name, sizeof name, "encoder.xvector.transit%lld", (long long)block + 1);
    x = norm_relu(b, all, name, "nonlinear.batchnorm");
    snprintf(name, sizeof name, "encoder.xvector.transit%lld.linear", (long long)block + 1);
    return conv(b, x, name, (spk_conv_shape){.out = width_after(c, width, block), .no_bias = true});
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    const campplus_conf *c = conf;
    const spk_conv_shape tdnn = {.out = c->init_channels, .k = 5, .stride = 2, .pad = 2, .no_bias = true};
    spk_tensor *x = conv(b, head(b, feats), "encoder.xvector.tdnn.linear", tdnn);
    x = norm_relu(b, x, "encoder.xvector.tdnn", "nonlinear.batchnorm");
    for (int64_t i = 0; i < c->num_layers.n; i++)
        x = dense_block(b, c, x, i);
    return norm_relu(b, x, "encoder.xvector.out_nonlinear", "batchnorm");
}

const spk_part spk__encoder_campplus = {.name = "campplus",
                                        .options = options,
                                        .n_options = SPK_COUNT(options),
                                        .conf_bytes = sizeof(campplus_conf),
                                        .check = check,
                                        .build = build};
