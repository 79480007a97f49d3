/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xvector: the time-delay network of x-vectors (Snyder et al., ICASSP 2018) as espnet2.spk.encoder has it: five
 * convolutions over time, each with ReLU, then BatchNorm (specification 4.4). ESPnet's paddings are too small for the
 * dilated layers, so that the sequence becomes 6 frames shorter; `padding: same` keeps its length.
 *
 * WeSpeaker's XVEC is this with paddings of 0 and affine false (specification W.5): its frame_{i+1}.conv_1d is
 * encoder.layers.{3i} here, frame_{i+1}.bn is encoder.layers.{3i+2}.
 */
#include "model/build_impl.h"

enum { LAYERS = 5 };
enum { PADDING_ESPNET, PADDING_SAME };

typedef struct xvector_conf {
    int64_t ndim, output_size;
    spk_int_list kernel_sizes, paddings, dilations;
    int padding;
    bool affine;
} xvector_conf;

#define FIELD(name) offsetof(xvector_conf, name)
static const spk_opt options[] = {
    {"ndim", SPK_OPT_INT, FIELD(ndim), "512", 1, 65536, NULL, "channels", 0},
    {"output_size", SPK_OPT_INT, FIELD(output_size), "1500", 1, 65536, NULL, "channels of the last layer", 0},
    {"kernel_sizes", SPK_OPT_INTS, FIELD(kernel_sizes), "[5, 3, 3, 1, 1]", 1, 1024, NULL, "taps of each layer", 0},
    {"paddings", SPK_OPT_INTS, FIELD(paddings), "none", 0, 4096, NULL,
     "zeros at each end; none: as `padding` says, which is [2, 1, 1, 0, 0] for espnet", SPK_OPT_NULLABLE},
    {"dilations", SPK_OPT_INTS, FIELD(dilations), "[1, 2, 3, 1, 1]", 1, 4096, NULL, "dilation of each layer", 0},
    {"padding", SPK_OPT_CHOICE, FIELD(padding), "espnet", 0, 0, "espnet|same", "same: frames out are frames in", 0},
    {"affine", SPK_OPT_BOOL, FIELD(affine), "true", 0, 0, NULL, "BatchNorms have factors and offsets", 0},
};

static int64_t pad_of(const xvector_conf *c, int i)
{
    static const int64_t espnet[LAYERS] = {2, 1, 1, 0, 0};
    if (c->padding == PADDING_SAME) return c->dilations.v[i] * (c->kernel_sizes.v[i] - 1) / 2;
    return c->paddings.n ? c->paddings.v[i] : espnet[i];
}

static spk_status check_list(const char *name, const spk_int_list *list)
{
    if (list->n == LAYERS) return SPK_OK;
    return spk_fail(SPK_E_CONFIG, "encoder_conf: %s has %lld entries; xvector has %d layers", name, (long long)list->n,
                    LAYERS);
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const xvector_conf *c = conf;
    (void)in;
    SPK_TRY(check_list("kernel_sizes", &c->kernel_sizes));
    SPK_TRY(check_list("dilations", &c->dilations));
    if (c->paddings.n) SPK_TRY(check_list("paddings", &c->paddings));
    if (c->paddings.n && c->padding == PADDING_SAME)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: paddings are given and padding is same; leave one out");
    for (int i = 0; i < LAYERS && c->padding == PADDING_SAME; i++)
        if (c->dilations.v[i] * (c->kernel_sizes.v[i] - 1) % 2)
            return spk_fail(SPK_E_CONFIG,
                            "encoder_conf: padding same needs odd kernel_sizes or even dilations; layer %d has %lld "
                            "and %lld",
                            i + 1, (long long)c->kernel_sizes.v[i], (long long)c->dilations.v[i]);
    *output_size = c->output_size;
    return SPK_OK;
}

/* Every layer must have a frame to give. */
static int64_t min_frames(const void *conf)
{
    const xvector_conf *c = conf;
    int64_t lost = 0, most = 0;
    for (int i = 0; i < LAYERS; i++) {
        lost += c->dilations.v[i] * (c->kernel_sizes.v[i] - 1) - 2 * pad_of(c, i);
        most = lost > most ? lost : most;
    }
    return most + 1;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const xvector_conf *c = conf;
    char name[128];
    for (int i = 0; i < LAYERS; i++) {
        const spk_conv_shape shape = {.out = i < LAYERS - 1 ? c->ndim : c->output_size,
                                      .k = c->kernel_sizes.v[i],
                                      .dilation = c->dilations.v[i],
                                      .pad = pad_of(c, i),
                                      .relu = true};
        x = spk_layer_conv(b, x, spk_layer_name(name, "encoder", "layers", 3 * i), shape);
        x = spk_layer_norm(b, x, spk_layer_name(name, "encoder", "layers", 3 * i + 2),
                           (spk_norm_shape){.no_affine = !c->affine});
    }
    return x;
}

const spk_part spk__encoder_xvector = {.name = "xvector",
                                       .options = options,
                                       .n_options = SPK_COUNT(options),
                                       .conf_bytes = sizeof(xvector_conf),
                                       .check = check,
                                       .build = build,
                                       .min_frames = min_frames};
