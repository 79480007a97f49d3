/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metric losses, which compare the utterances of a batch with each other: P speakers, per_speaker of each.
 *   angleproto    angular prototypical (Chung et al., "In defence of metric learning for speaker recognition",
 *                 Interspeech 2020)
 *   ge2e          generalised end-to-end (Wan et al., ICASSP 2018)
 *   softmaxproto  angleproto plus softmax over the classes (Heo et al., "Clova baseline system for VoxSRC 2020")
 */
#include "model/loss_impl.h"

typedef struct metric_conf {
    double scale;        /* of softmaxproto's softmax */
    int64_t per_speaker; /* told by the check */
} metric_conf;

static const spk_opt softmaxproto_options[] = {
    {"scale", SPK_OPT_FLOAT, offsetof(metric_conf, scale), "30", 1e-6, 1e6, NULL, "factor of the softmax's cosines", 0},
};

static spk_status check_angleproto(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)output_size;
    return spk_loss_per_speaker(in, "angleproto", &((metric_conf *)conf)->per_speaker);
}

static spk_status check_ge2e(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)output_size;
    return spk_loss_per_speaker(in, "ge2e", &((metric_conf *)conf)->per_speaker);
}

static spk_status check_softmaxproto(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)output_size;
    return spk_loss_per_speaker(in, "softmaxproto", &((metric_conf *)conf)->per_speaker);
}

static spk_tensor *build_angleproto(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels,
                                    int64_t n_classes)
{
    const metric_conf *c = conf;
    (void)labels, (void)n_classes; /* who is who is said by the order of the batch */
    return spk_loss_proto(b, embedding, (spk_proto_attr){SPK_PROTO_ANGLE, c->per_speaker, false});
}

static spk_tensor *build_ge2e(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels,
                              int64_t n_classes)
{
    const metric_conf *c = conf;
    (void)labels, (void)n_classes;
    return spk_loss_proto(b, embedding, (spk_proto_attr){SPK_PROTO_GE2E, c->per_speaker, false});
}

/* The sum of both; the accuracy is the softmax's. */
static spk_tensor *build_softmaxproto(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels,
                                      int64_t n_classes)
{
    static const double none[2] = {0, 0};
    const metric_conf *c = conf;
    const spk_param *w = spk_loss_weight(b, n_classes, embedding->c, false);
    spk_tensor *softmax =
        spk_g_margin_softmax(b->g, embedding, w, labels,
                             (spk_margin_attr){.kind = SPK_MARGIN_NONE, .margin = none, .scale = c->scale, .k = 1});
    spk_tensor *proto = spk_loss_proto(b, embedding, (spk_proto_attr){SPK_PROTO_ANGLE, c->per_speaker, true});
    return spk_g_add(b->g, softmax, proto);
}

const spk_part spk__loss_angleproto = {.name = "angleproto",
                                       .conf_bytes = sizeof(metric_conf),
                                       .check = check_angleproto,
                                       .build_loss = build_angleproto,
                                       .in_groups = true};
const spk_part spk__loss_ge2e = {.name = "ge2e",
                                 .conf_bytes = sizeof(metric_conf),
                                 .check = check_ge2e,
                                 .build_loss = build_ge2e,
                                 .in_groups = true};
const spk_part spk__loss_softmaxproto = {.name = "softmaxproto",
                                         .options = softmaxproto_options,
                                         .n_options = SPK_COUNT(softmaxproto_options),
                                         .conf_bytes = sizeof(metric_conf),
                                         .check = check_softmaxproto,
                                         .build_loss = build_softmaxproto,
                                         .in_groups = true};
