/* SPDX-License-Identifier: Apache-2.0 */
/*
 * two_layer: linear, ReLU, BatchNorm without factors and offsets, linear: the last layers of WeSpeaker's x-vector and
 * of its ResNets with two_emb_layer (specification W.4, W.5). The embedding is the last layer's output.
 *
 * WeSpeaker's seg_1, seg_bn_1, seg_2 are projector.fc1, projector.bn, projector.fc2 here.
 */
#include "model/build_impl.h"

typedef struct two_layer_conf {
    int64_t output_size;
} two_layer_conf;

static const spk_opt options[] = {
    {"output_size", SPK_OPT_INT, offsetof(two_layer_conf, output_size), "512", 1, 65536, NULL, "size of the embedding",
     SPK_OPT_REQUIRED},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)in;
    *output_size = ((const two_layer_conf *)conf)->output_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const int64_t size = ((const two_layer_conf *)conf)->output_size;
    x = spk_g_act(b->g, spk_layer_linear(b, x, "projector.fc1", size), SPK_RELU);
    x = spk_layer_norm(b, x, "projector.bn", (spk_norm_shape){.no_affine = true});
    return spk_layer_linear(b, x, "projector.fc2", size);
}

const spk_part spk__projector_two_layer = {.name = "two_layer",
                                           .options = options,
                                           .n_options = SPK_COUNT(options),
                                           .conf_bytes = sizeof(two_layer_conf),
                                           .check = check,
                                           .build = build};
