/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sphereface2: every class is a yes-or-no decision of its own (Wen et al., ICLR 2022; for speakers Han et al., ICASSP
 * 2023, whose options and names WeSpeaker has).
 */
#include "model/loss_impl.h"

typedef struct sphere_conf {
    spk_loss_margin margin;
    double scale, lambda;
    int64_t t;
    int margin_type; /* 0 C, 1 A */
} sphere_conf;

#define FIELD(name) offsetof(sphere_conf, name)
static const spk_opt options[] = {
    {"margin", SPK_OPT_FLOAT, FIELD(margin.given), "0.2", 0, SPK_LOSS_WIDEST, NULL, "margin between yes and no", 0},
    {"scale", SPK_OPT_FLOAT, FIELD(scale), "32", 1e-6, 1e6, NULL, "factor of the adjusted cosines", 0},
    {"lanbuda", SPK_OPT_FLOAT, FIELD(lambda), "0.7", 0, 1, NULL, "weight of the own class; the others have the rest",
     0},
    {"t", SPK_OPT_INT, FIELD(t), "3", 1, 100, NULL, "exponent that spreads similar cosines", 0},
    {"margin_type", SPK_OPT_CHOICE, FIELD(margin_type), "C", 0, 0, "C|A", "margin on the cosine (C) or the angle (A)",
     0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    sphere_conf *c = conf;
    (void)in, (void)output_size;
    spk_loss_set_margin(c, c->margin.given);
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels, int64_t n_classes)
{
    const sphere_conf *c = conf;
    const spk_param *w = spk_loss_weight(b, n_classes, embedding->c, true);
    const spk_param *bias =
        spk_params_declare(b->params, "loss.bias", true, 2, (int64_t[]){1, 1}, (spk_init){SPK_INIT_CONST, 0, NULL});
    return spk_g_sphereface2(b->g, embedding, w, labels, bias,
                             (spk_sphere_attr){.margin = c->margin.now,
                                               .scale = c->scale,
                                               .lambda = c->lambda,
                                               .t = c->t,
                                               .angular = c->margin_type == 1});
}

const spk_part spk__loss_sphereface2 = {.name = "sphereface2",
                                        .options = options,
                                        .n_options = SPK_COUNT(options),
                                        .conf_bytes = sizeof(sphere_conf),
                                        .check = check,
                                        .build_loss = build,
                                        .set_margin = spk_loss_set_margin};
