/* SPDX-License-Identifier: Apache-2.0 */
/* ska_tdnn: BatchNorm, a linear layer, BatchNorm (espnet2.spk.projector.ska_tdnn_projector; specification 5.4). */
#include "model/build_impl.h"

typedef struct ska_tdnn_conf {
    int64_t output_size;
} ska_tdnn_conf;

static const spk_opt options[] = {
    {"output_size", SPK_OPT_INT, offsetof(ska_tdnn_conf, output_size), "192", 1, 65536, NULL, "size of the embedding",
     SPK_OPT_REQUIRED},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)in;
    *output_size = ((const ska_tdnn_conf *)conf)->output_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    x = spk_layer_batch_norm(b, x, "projector.bn");
    x = spk_layer_linear(b, x, "projector.fc", ((const ska_tdnn_conf *)conf)->output_size);
    return spk_layer_batch_norm(b, x, "projector.bn2");
}

const spk_part spk__projector_ska_tdnn = {.name = "ska_tdnn",
                                          .options = options,
                                          .n_options = SPK_COUNT(options),
                                          .conf_bytes = sizeof(ska_tdnn_conf),
                                          .check = check,
                                          .build = build};
