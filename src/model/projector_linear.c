/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linear: [BatchNorm,] a linear layer [, BatchNorm]: the last layers of WeSpeaker's models that have one embedding
 * (specification W.3 to W.6).
 *
 *   here           ECAPA-TDNN           ResNet   CAM++
 *   projector.bn   bn                   -        -                                  input_bn
 *   projector.fc   linear               seg_1    xvector.dense.linear (D,P,1)       bias: false for CAM++
 *   projector.bn2  bn2 (emb_bn only)    -        xvector.dense.nonlinear.batchnorm  output_bn: affine; CAM++: plain
 */
#include "model/build_impl.h"

typedef struct linear_conf {
    int64_t output_size;
    bool input_bn, bias;
    int output_bn;
} linear_conf;

enum { BN_NONE, BN_AFFINE, BN_PLAIN };

#define FIELD(name) offsetof(linear_conf, name)
static const spk_opt options[] = {
    {"output_size", SPK_OPT_INT, FIELD(output_size), "256", 1, 65536, NULL, "size of the embedding", SPK_OPT_REQUIRED},
    {"input_bn", SPK_OPT_BOOL, FIELD(input_bn), "false", 0, 0, NULL, "BatchNorm before the layer", 0},
    {"bias", SPK_OPT_BOOL, FIELD(bias), "true", 0, 0, NULL, "the layer has a bias", 0},
    {"output_bn", SPK_OPT_CHOICE, FIELD(output_bn), "none", 0, 0, "none|affine|plain",
     "BatchNorm behind the layer; plain: without factors and offsets", 0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)in;
    *output_size = ((const linear_conf *)conf)->output_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const linear_conf *c = conf;
    if (c->input_bn) x = spk_layer_batch_norm(b, x, "projector.bn");
    x = c->bias ? spk_layer_linear(b, x, "projector.fc", c->output_size)
                : spk_layer_linear_plain(b, x, "projector.fc", c->output_size);
    if (c->output_bn == BN_NONE) return x;
    return spk_layer_norm(b, x, "projector.bn2", (spk_norm_shape){.no_affine = c->output_bn == BN_PLAIN});
}

const spk_part spk__projector_linear = {.name = "linear",
                                        .options = options,
                                        .n_options = SPK_COUNT(options),
                                        .conf_bytes = sizeof(linear_conf),
                                        .check = check,
                                        .build = build};
