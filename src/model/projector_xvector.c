/* SPDX-License-Identifier: Apache-2.0 */
/* xvector: two linear layers with a ReLU between (espnet2.spk.projector.xvector_projector; specification 5.4). */
#include "model/build_impl.h"

typedef struct xvector_conf {
    int64_t output_size;
} xvector_conf;

static const spk_opt options[] = {
    {"output_size", SPK_OPT_INT, offsetof(xvector_conf, output_size), "512", 1, 65536, NULL, "size of the embedding",
     SPK_OPT_REQUIRED},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)in;
    *output_size = ((const xvector_conf *)conf)->output_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const int64_t size = ((const xvector_conf *)conf)->output_size;
    x = spk_g_act(b->g, spk_layer_linear(b, x, "projector.fc1", size), SPK_RELU);
    return spk_layer_linear(b, x, "projector.fc2", size);
}

const spk_part spk__projector_xvector = {.name = "xvector",
                                         .options = options,
                                         .n_options = SPK_COUNT(options),
                                         .conf_bytes = sizeof(xvector_conf),
                                         .check = check,
                                         .build = build};
