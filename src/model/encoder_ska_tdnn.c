/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ska_tdnn: SKA-TDNN (Mun, Jung, Han, Kwon, "Frequency and multi-scale selective kernel attention for speaker
 * verification", SLT 2022) as espnet2.spk.encoder has it (specification 4.3): residual blocks over time and frequency
 * whose kernel size is selected by bin, then by channel, and an ECAPA-TDNN behind them whose groups select theirs by
 * channel. F features, Q = ska_dim channels of pictures, C = ndim channels, s = model_scale groups of w = C / s.
 *
 * ESPnet's pictures have frequency as height: freq_first, and its stride (2, 1) is frequency 2, time 1.
 */
#include "model/build_impl.h"

typedef struct ska_conf {
    int block, skablock;
    int64_t ndim, model_scale, ska_dim, output_size;
} ska_conf;

enum { N_KERNELS = 2, SE_CHANNELS = 128, LEAST_HIDDEN = 16 };
static const int64_t kernel_size[N_KERNELS] = {5, 7};

#define FIELD(name) offsetof(ska_conf, name)
static const spk_opt options[] = {
    {"block", SPK_OPT_CHOICE, FIELD(block), "Bottle2neck", 0, 0, "Bottle2neck", "kind of block over time", 0},
    {"ndim", SPK_OPT_INT, FIELD(ndim), "1024", 2, 65536, NULL, "channels", 0},
    {"model_scale", SPK_OPT_INT, FIELD(model_scale), "8", 2, 1024, NULL, "Res2 groups of a block", 0},
    {"skablock", SPK_OPT_CHOICE, FIELD(skablock), "ResBlock", 0, 0, "ResBlock", "kind of block over pictures", 0},
    {"ska_dim", SPK_OPT_INT, FIELD(ska_dim), "128", 1, 65536, NULL, "channels over pictures", 0},
    {"output_size", SPK_OPT_INT, FIELD(output_size), "1536", 1, 65536, NULL, "channels of the last layer", 0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const ska_conf *c = conf;
    if (in->input_size % 4)
        return spk_fail(SPK_E_CONFIG,
                        "encoder_conf: ska_tdnn halves the frequencies twice, so their number must be a multiple of 4, "
                        "not %lld; change the frontend's n_mels",
                        (long long)in->input_size);
    if (c->model_scale > c->ndim)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: model_scale %lld is larger than ndim %lld",
                        (long long)c->model_scale, (long long)c->ndim);
    *output_size = c->output_size;
    return SPK_OK;
}

/* ---- selective kernels ---- */

/* From the mean z of all branches, a factor for each channel (or bin) of every branch. */
static void branch_factors(spk_build *b, spk_tensor *z, const char *name, int64_t reduction,
                           spk_tensor *factors[N_KERNELS])
{
    char room[128];
    const int64_t n = z->c, hidden = n / reduction > LEAST_HIDDEN ? n / reduction : LEAST_HIDDEN;
    spk_tensor *e = spk_layer_linear(b, z, spk_layer_name(room, name, "fc", -1), hidden);
    e = spk_g_act(b->g, e, SPK_RELU);
    for (int k = 0; k < N_KERNELS; k++)
        factors[k] = spk_layer_linear(b, e, spk_layer_name(room, name, "fcs", k), n);
}

/* Mean over frequency and time, one value a channel. */
static spk_tensor *channel_mean(spk_build *b, spk_tensor *x)
{
    const int64_t *len = spk_g_len(b->g, x->len, x->n, 0, 1, 0, x->w, 0, x->h * x->w);
    return spk_g_time_mean(b->g, spk_g_reshape(b->g, x, x->n, 1, x->h * x->w, x->c, len));
}

/* fwSK (over_freq) and cwSK: two convolutions of different size, mixed bin by bin or channel by channel. */
static spk_tensor *select_2d(spk_build *b, spk_tensor *h, const char *name, bool over_freq)
{
    char room[128], branch[128];
    spk_tensor *f[N_KERNELS], *mean[N_KERNELS], *a[N_KERNELS];
    h = spk_g_mask(b->g, h);
    for (int k = 0; k < N_KERNELS; k++) {
        const int64_t size = kernel_size[k], pad = size / 2;
        const spk_conv2d_attr attr = {
            .kt = size, .kf = size, .st = 1, .sf = 1, .pt = pad, .pf = pad, .freq_first = true, .relu = true};
        spk_layer_name(branch, name, "convs", k);
        f[k] = spk_layer_conv2d(b, h, spk_layer_name(room, branch, "conv", -1), h->c, true, attr);
        f[k] = spk_layer_batch_norm(b, f[k], spk_layer_name(room, branch, "bn", -1));
        mean[k] = over_freq ? spk_g_freq_mean(b->g, f[k]) : channel_mean(b, f[k]);
    }
    branch_factors(b, spk_g_add(b->g, mean[0], mean[1]), name, 8, a);
    return spk_g_sk_mix(b->g, f[0], f[1], a[0], a[1], over_freq);
}

/* One group of a block over time. All groups of a block share the attention. */
static spk_tensor *select_1d(spk_build *b, spk_tensor *r, const char *name, int64_t i, int64_t dilation)
{
    char convs[128], branch[128], room[128];
    spk_tensor *f[N_KERNELS], *mean[N_KERNELS], *a[N_KERNELS];
    r = spk_g_mask(b->g, r);
    spk_layer_name(convs, name, "skconvs", i);
    for (int k = 0; k < N_KERNELS; k++) {
        const int64_t size = kernel_size[k];
        snprintf(branch, sizeof branch, "%.120s.%d", convs, k);
        f[k] = spk_layer_conv1d(b, r, spk_layer_name(room, branch, "conv", -1), r->c, size, dilation,
                                size / 2 * dilation, true);
        f[k] = spk_layer_batch_norm(b, f[k], spk_layer_name(room, branch, "bn", -1));
        mean[k] = spk_g_time_mean(b->g, f[k]);
    }
    branch_factors(b, spk_g_add(b->g, mean[0], mean[1]), spk_layer_name(room, name, "skse", -1), 4, a);
    return spk_g_sk_mix(b->g, f[0], f[1], a[0], a[1], false);
}

/* ---- blocks ---- */

static spk_tensor *res_block(spk_build *b, spk_tensor *u, const char *name)
{
    char room[128];
    const spk_conv2d_attr attr = {
        .kt = 3, .kf = 3, .st = 1, .sf = 1, .pt = 1, .pf = 1, .freq_first = true, .relu = true};
    spk_tensor *h = spk_layer_conv2d(b, u, spk_layer_name(room, name, "conv1", -1), u->c, false, attr);
    h = spk_layer_batch_norm(b, h, spk_layer_name(room, name, "bn1", -1));
    h = select_2d(b, h, spk_layer_name(room, name, "skfwse", -1), true);
    h = select_2d(b, h, spk_layer_name(room, name, "skcwse", -1), false);
    return spk_g_add_scaled(b->g, h, u, 1, true);
}

/* Group i sees the result of group i - 1 too; the last group passes untouched. */
static spk_tensor *res2(spk_build *b, spk_tensor *h, const char *name, int64_t scale, int64_t dilation)
{
    const int64_t w = h->c / scale;
    spk_tensor **part = spk_new((size_t)scale * sizeof *part);
    for (int64_t i = 0; i < scale; i++) {
        spk_tensor *group = spk_g_slice(b->g, h, i * w, w);
        if (i == 0) /* dense once, for both of its convolutions */
            group = spk_g_reshape(b->g, group, group->n, 1, group->w, w, group->len);
        else if (i < scale - 1)
            group = spk_g_add(b->g, part[i - 1], group);
        part[i] = i < scale - 1 ? select_1d(b, group, name, i, dilation) : group;
    }
    spk_tensor *whole = spk_g_concat(b->g, part, (int)scale);
    spk_free(part);
    return whole;
}

/* Squeeze and excitation: one factor a channel from the mean over time. */
static spk_tensor *channel_factors(spk_build *b, spk_tensor *h, const char *name)
{
    char room[128];
    spk_tensor *m = spk_g_time_mean(b->g, h);
    m = spk_layer_conv1d(b, m, spk_layer_name(room, name, "se.se.1", -1), SE_CHANNELS, 1, 1, 0, true);
    m = spk_layer_batch_norm(b, m, spk_layer_name(room, name, "se.se.3", -1));
    m = spk_layer_conv1d(b, m, spk_layer_name(room, name, "se.se.4", -1), h->c, 1, 1, 0, false);
    return spk_g_act(b->g, m, SPK_SIGMOID);
}

static spk_tensor *bottle2neck(spk_build *b, const ska_conf *c, spk_tensor *u, const char *name, int64_t dilation)
{
    char room[128];
    const int64_t groups = c->ndim / c->model_scale * c->model_scale;
    spk_tensor *h = spk_layer_conv1d(b, u, spk_layer_name(room, name, "conv1", -1), groups, 1, 1, 0, true);
    h = spk_layer_batch_norm(b, h, spk_layer_name(room, name, "bn1", -1));
    h = res2(b, h, name, c->model_scale, dilation);
    h = spk_layer_conv1d(b, h, spk_layer_name(room, name, "conv3", -1), c->ndim, 1, 1, 0, true);
    h = spk_layer_batch_norm(b, h, spk_layer_name(room, name, "bn3", -1));
    return spk_g_scale_add(b->g, h, channel_factors(b, h, name), u);
}

/* ---- the network ---- */

/* (N,1,T,F) -> (N,1,T/2,Q F/4): strides (frequency, time) 2, 1 before the blocks and 2, 2 behind them. */
static spk_tensor *front(spk_build *b, const ska_conf *c, spk_tensor *feats)
{
    spk_conv2d_attr attr = {.kt = 3, .kf = 3, .st = 1, .sf = 2, .pt = 1, .pf = 1, .freq_first = true, .relu = true};
    spk_tensor *x = spk_g_picture(b->g, feats);
    x = spk_layer_conv2d(b, x, "encoder.frt_conv1", c->ska_dim, true, attr);
    x = spk_layer_batch_norm(b, x, "encoder.frt_bn1");
    x = res_block(b, x, "encoder.frt_block1");
    x = res_block(b, x, "encoder.frt_block2");
    attr.st = 2;
    x = spk_layer_conv2d(b, x, "encoder.frt_conv2", c->ska_dim, true, attr);
    x = spk_layer_batch_norm(b, x, "encoder.frt_bn2");
    return spk_g_fold(b->g, x);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    static const char *const names[] = {"encoder.layer1", "encoder.layer2", "encoder.layer3"};
    const ska_conf *c = conf;
    spk_tensor *x[3], *sum = spk_layer_conv1d(b, front(b, c, feats), "encoder.conv1", c->ndim, 5, 1, 2, true);
    sum = spk_layer_batch_norm(b, sum, "encoder.bn1");
    for (int i = 0; i < 3; i++) { /* block i sees x0 + x1 + ... */
        x[i] = bottle2neck(b, c, sum, names[i], i + 2);
        if (i < 2) sum = spk_g_add(b->g, sum, x[i]);
    }
    return spk_layer_conv1d(b, spk_g_concat(b->g, x, 3), "encoder.layer4", c->output_size, 1, 1, 0, true);
}

const spk_part spk__encoder_ska_tdnn = {.name = "ska_tdnn",
                                        .options = options,
                                        .n_options = SPK_COUNT(options),
                                        .conf_bytes = sizeof(ska_conf),
                                        .check = check,
                                        .build = build};
