/* SPDX-License-Identifier: Apache-2.0 */
/* rawnet3: BatchNorm, then a linear layer to the embedding (espnet2.spk.projector; specification 5.4). */
#include "model/build_impl.h"

typedef struct rawnet3_conf {
    int64_t output_size;
} rawnet3_conf;

static const spk_opt options[] = {
    {"output_size", SPK_OPT_INT, offsetof(rawnet3_conf, output_size), "192", 1, 65536, NULL, "size of the embedding",
     0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)in;
    *output_size = ((const rawnet3_conf *)conf)->output_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    x = spk_layer_batch_norm(b, x, "projector.bn");
    return spk_layer_linear(b, x, "projector.fc", ((const rawnet3_conf *)conf)->output_size);
}

const spk_part spk__projector_rawnet3 = {.name = "rawnet3",
                                         .options = options,
                                         .n_options = SPK_COUNT(options),
                                         .conf_bytes = sizeof(rawnet3_conf),
                                         .check = check,
                                         .build = build};
