/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asp: attentive statistics (Okabe, Koshinaka, Shinoda, Interspeech 2018) as WeSpeaker's SimAM-ResNets have them
 * (wespeaker/models/pooling_layers.py, ASP): a layer, ReLU, BatchNorm and a layer make the weights of the frames, by channel.
 *
 * WeSpeaker's pooling.attention.0, .2, .3 have the same names here.
 */
#include <math.h>

#include "model/build_impl.h"

enum { HIDDEN = 128 };

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)conf;
    *output_size = 2 * in->input_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    (void)conf;
    spk_tensor *h = spk_layer_conv1d(b, x, "pooling.attention.0", HIDDEN, 1, 1, 0, true);
    h = spk_layer_batch_norm(b, h, "pooling.attention.2");
    spk_tensor *e = spk_layer_conv1d(b, h, "pooling.attention.3", x->c, 1, 1, 0, false);
    return spk_g_attn_stats(b->g, e, x, (spk_attn_stats_attr){.lo = 1e-5, .hi = INFINITY});
}

const spk_part spk__pooling_asp = {.name = "asp", .check = check, .build = build};
