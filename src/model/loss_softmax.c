/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmax: cross-entropy of the cosines (specification 6.3). ESPnet's has no scale, so that its loss cannot fall far
 * (specification D8): `scale: 1` is that, about 30 trains well.
 */
#include "model/loss_impl.h"

typedef struct softmax_conf {
    double scale;
} softmax_conf;

static const spk_opt options[] = {
    {"scale", SPK_OPT_FLOAT, offsetof(softmax_conf, scale), "1", 1e-6, 1e6, NULL,
     "factor of the cosines; 1 is ESPnet's, about 30 trains well", 0},
};

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels, int64_t n_classes)
{
    static const double none[2] = {0, 0};
    const softmax_conf *c = conf;
    const spk_param *w = spk_loss_weight(b, n_classes, embedding->c, false);
    return spk_g_margin_softmax(b->g, embedding, w, labels,
                                (spk_margin_attr){.kind = SPK_MARGIN_NONE, .margin = none, .scale = c->scale, .k = 1});
}

const spk_part spk__loss_softmax = {.name = "softmax",
                                    .options = options,
                                    .n_options = SPK_COUNT(options),
                                    .conf_bytes = sizeof(softmax_conf),
                                    .build_loss = build};
