/* SPDX-License-Identifier: Apache-2.0 */
/* aamsoftmax: additive angular margin softmax (ArcFace, Deng et al., CVPR 2019; specification 6.1). */
#include "model/loss_impl.h"

typedef struct aam_conf {
    spk_loss_margin margin;
    double scale;
    bool easy_margin;
} aam_conf;

#define FIELD(name) offsetof(aam_conf, name)
static const spk_opt options[] = {
    {"margin", SPK_OPT_FLOAT, FIELD(margin.given), "0.3", 0, SPK_LOSS_WIDEST, NULL, "angular margin, radians", 0},
    {"scale", SPK_OPT_FLOAT, FIELD(scale), "15", 1e-6, 1e6, NULL, "factor of the cosines", 0},
    {"easy_margin", SPK_OPT_BOOL, FIELD(easy_margin), "false", 0, 0, NULL, "margin only where the cosine is positive",
     0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    aam_conf *c = conf;
    (void)in, (void)output_size;
    spk_loss_set_margin(c, c->margin.given);
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels, int64_t n_classes)
{
    const aam_conf *c = conf;
    const spk_param *w = spk_loss_weight(b, n_classes, embedding->c, false);
    return spk_g_margin_softmax(
        b->g, embedding, w, labels,
        (spk_margin_attr){
            .kind = SPK_MARGIN_AAM, .margin = c->margin.now, .scale = c->scale, .k = 1, .easy_margin = c->easy_margin});
}

const spk_part spk__loss_aamsoftmax = {.name = "aamsoftmax",
                                       .options = options,
                                       .n_options = SPK_COUNT(options),
                                       .conf_bytes = sizeof(aam_conf),
                                       .check = check,
                                       .build_loss = build,
                                       .set_margin = spk_loss_set_margin};
