/* SPDX-License-Identifier: Apache-2.0 */
/* aamsoftmax: additive angular margin softmax (ArcFace, Deng et al., CVPR 2019; specification 6.1). */
#include <math.h>

#include "model/build_impl.h"

typedef struct aam_conf {
    double margin, scale;
    bool easy_margin;
} aam_conf;

#define FIELD(name) offsetof(aam_conf, name)
static const spk_opt options[] = {
    {"margin", SPK_OPT_FLOAT, FIELD(margin), "0.3", 0, 3.141592653589793, NULL, "angular margin, radians", 0},
    {"scale", SPK_OPT_FLOAT, FIELD(scale), "15", 1e-6, 1e6, NULL, "factor of the cosines", 0},
    {"easy_margin", SPK_OPT_BOOL, FIELD(easy_margin), "false", 0, 0, NULL, "margin only where the cosine is positive",
     0},
};

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels, int64_t n_classes)
{
    const aam_conf *c = conf;
    const spk_init xavier = {SPK_INIT_NORMAL, sqrt(2.0 / (double)(n_classes + embedding->c)), NULL};
    const spk_param *w =
        spk_params_declare(b->params, "loss.weight", true, 2, (int64_t[]){n_classes, embedding->c}, xavier);
    const spk_aam_attr attr = {.margin = c->margin, .scale = c->scale, .easy_margin = c->easy_margin};
    return spk_g_aam_softmax(b->g, embedding, w, labels, attr);
}

const spk_part spk__loss_aamsoftmax = {.name = "aamsoftmax",
                                       .options = options,
                                       .n_options = SPK_COUNT(options),
                                       .conf_bytes = sizeof(aam_conf),
                                       .build_loss = build};
