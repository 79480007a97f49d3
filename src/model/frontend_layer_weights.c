/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_weights: what a frozen self-supervised network put out, read from files, L layers of D values a frame: their
 * sum with learned softmax weights. Source: the featurizer of espnet2.asr.frontend.s3prl (specification 2.6), whose
 * weights it shares by name. A file of (L, T, D) is read as T frames of L*D values, layer after layer.
 */
#include "model/build_impl.h"

typedef struct layer_weights_conf {
    int64_t num_layers, feature_size;
    bool normalize;
} layer_weights_conf;

static const double NORM_EPS = 1e-5;

#define FIELD(name) offsetof(layer_weights_conf, name)
static const spk_opt options[] = {
    {"num_layers", SPK_OPT_INT, FIELD(num_layers), NULL, 1, 1000, NULL, "layers in a file", SPK_OPT_REQUIRED},
    {"feature_size", SPK_OPT_INT, FIELD(feature_size), NULL, 1, 65536, NULL, "values of a layer", SPK_OPT_REQUIRED},
    {"normalize", SPK_OPT_BOOL, FIELD(normalize), "false", 0, 0, NULL,
     "each layer of a frame is brought to mean 0 and variance 1", 0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)in;
    *output_size = ((const layer_weights_conf *)conf)->feature_size;
    return SPK_OK;
}

static int64_t input_size(const void *conf)
{
    const layer_weights_conf *c = conf;
    return c->num_layers * c->feature_size;
}

static int64_t frames(const void *conf, int64_t n)
{
    (void)conf;
    return n;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const layer_weights_conf *c = conf;
    const spk_param *w = spk_layer_constant(b, "frontend.featurizer", "weights", c->num_layers > 1, c->num_layers, 0);
    return spk_g_layer_sum(b->g, x, w, (spk_layer_sum_attr){.normalize = c->normalize, .eps = NORM_EPS});
}

const spk_part spk__frontend_layer_weights = {.name = "layer_weights",
                                              .options = options,
                                              .n_options = SPK_COUNT(options),
                                              .conf_bytes = sizeof(layer_weights_conf),
                                              .check = check,
                                              .input_size = input_size,
                                              .build = build,
                                              .frames = frames};
