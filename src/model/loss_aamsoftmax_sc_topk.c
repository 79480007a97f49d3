/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aamsoftmax_sc_topk: the angular margin with sub-centres (Deng et al., ECCV 2020) and the inter-top-k penalty (Zhao et
 * al., "Multi-query multi-head attention pooling and inter-top-k penalty", ICASSP 2022; specification 6.2).
 *
 * ESPnet 202611 never turns its penalty on (specification D7); `penalty: false` is that. With it the k_top nearest other
 * classes count as if they were nearer by the angle mp margin / 0.2, which follows the margin where that is scheduled.
 */
#include <math.h>

#include "model/loss_impl.h"

typedef struct sc_topk_conf {
    spk_loss_margin margin;
    double scale, mp;
    int64_t k, k_top;
    bool easy_margin, do_lm;
    int penalty; /* after the check 0 or 1 */
} sc_topk_conf;

#define FIELD(name) offsetof(sc_topk_conf, name)
static const spk_opt options[] = {
    {"margin", SPK_OPT_FLOAT, FIELD(margin.given), "0.2", 0, SPK_LOSS_WIDEST, NULL, "angular margin, radians", 0},
    {"scale", SPK_OPT_FLOAT, FIELD(scale), "32", 1e-6, 1e6, NULL, "factor of the cosines", 0},
    {"easy_margin", SPK_OPT_BOOL, FIELD(easy_margin), "false", 0, 0, NULL, "margin only where the cosine is positive",
     0},
    {"K", SPK_OPT_INT, FIELD(k), "3", 1, 1024, NULL, "sub-centres of a class", 0},
    {"mp", SPK_OPT_FLOAT, FIELD(mp), "0.06", 0, SPK_LOSS_WIDEST, NULL, "angle of the penalty at a margin of 0.2", 0},
    {"k_top", SPK_OPT_INT, FIELD(k_top), "5", 0, INFINITY, NULL, "nearest other classes that get the penalty", 0},
    {"do_lm", SPK_OPT_BOOL, FIELD(do_lm), "false", 0, 0, NULL, "no penalty: for large-margin fine-tuning", 0},
    {"penalty", SPK_OPT_CHOICE, FIELD(penalty), "none", 0, 0, "false|true",
     "whether mp and k_top have effect; default true, with ESPnet's version false", SPK_OPT_NULLABLE},
};

static bool penalises(const sc_topk_conf *c)
{
    return c->penalty == 1 && !c->do_lm;
}

static void set_margin(void *conf, double margin)
{
    sc_topk_conf *c = conf;
    spk_loss_set_margin(c, margin);
    if (penalises(c) && margin > 0.001) c->margin.now[1] = c->mp * margin / 0.2;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    sc_topk_conf *c = conf;
    (void)output_size;
    if (c->penalty < 0) c->penalty = !in->like_202611;
    if (in->n_classes > 0 && !c->do_lm && c->k_top >= in->n_classes)
        return spk_fail(SPK_E_CONFIG,
                        "loss_conf: k_top (%lld) must be below the number of speakers (%lld): it counts the nearest "
                        "other classes; lower it, or set it to 0",
                        (long long)c->k_top, (long long)in->n_classes);
    set_margin(c, c->margin.given);
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels, int64_t n_classes)
{
    const sc_topk_conf *c = conf;
    const spk_param *w = spk_loss_weight(b, n_classes * c->k, embedding->c, true);
    return spk_g_margin_softmax(b->g, embedding, w, labels,
                                (spk_margin_attr){.kind = SPK_MARGIN_AAM,
                                                  .margin = c->margin.now,
                                                  .scale = c->scale,
                                                  .k = c->k,
                                                  .k_top = penalises(c) ? c->k_top : 0,
                                                  .easy_margin = c->easy_margin,
                                                  .continuous = true});
}

const spk_part spk__loss_aamsoftmax_sc_topk = {.name = "aamsoftmax_sc_topk",
                                               .options = options,
                                               .n_options = SPK_COUNT(options),
                                               .conf_bytes = sizeof(sc_topk_conf),
                                               .check = check,
                                               .build_loss = build,
                                               .set_margin = set_margin};
