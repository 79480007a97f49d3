/* SPDX-License-Identifier: Apache-2.0 */
/*
 * amsoftmax: the margin is taken off the cosine of the own class (CosFace, Wang et al., CVPR 2018; "Additive Margin
 * Softmax", Wang et al., 2018).
 */
#include "model/loss_impl.h"

typedef struct am_conf {
    spk_loss_margin margin;
    double scale;
} am_conf;

#define FIELD(name) offsetof(am_conf, name)
static const spk_opt options[] = {
    {"margin", SPK_OPT_FLOAT, FIELD(margin.given), "0.2", 0, 2, NULL, "taken off the cosine", 0},
    {"scale", SPK_OPT_FLOAT, FIELD(scale), "30", 1e-6, 1e6, NULL, "factor of the cosines", 0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    am_conf *c = conf;
    (void)in, (void)output_size;
    spk_loss_set_margin(c, c->margin.given);
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels, int64_t n_classes)
{
    const am_conf *c = conf;
    const spk_param *w = spk_loss_weight(b, n_classes, embedding->c, false);
    return spk_g_margin_softmax(
        b->g, embedding, w, labels,
        (spk_margin_attr){.kind = SPK_MARGIN_AM, .margin = c->margin.now, .scale = c->scale, .k = 1});
}

const spk_part spk__loss_amsoftmax = {.name = "amsoftmax",
                                      .options = options,
                                      .n_options = SPK_COUNT(options),
                                      .conf_bytes = sizeof(am_conf),
                                      .check = check,
                                      .build_loss = build,
                                      .set_margin = spk_loss_set_margin};
