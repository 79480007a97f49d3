/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speechbrain_asp: attentive statistics as speechbrain.lobes.models.ECAPA_TDNN has them: a layer with ReLU and BatchNorm,
 * tanh, a layer. With global_context its first layer also reads mean and deviation over time, in one product an
 * utterance as in chn_attn_stat. SpeechBrain's asp.tdnn.conv.conv, asp.tdnn.norm.norm, asp.conv.conv are
 * pooling.tdnn.conv.conv, ... here.
 */
#include <math.h>

#include "model/build_impl.h"

typedef struct asp_conf {
    int64_t attention_channels;
    bool global_context;
} asp_conf;

static const spk_opt options[] = {
    {"attention_channels", SPK_OPT_INT, offsetof(asp_conf, attention_channels), "128", 1, 65536, NULL,
     "channels of the attention", 0},
    {"global_context", SPK_OPT_BOOL, offsetof(asp_conf, global_context), "true", 0, 0, NULL,
     "the attention sees mean and deviation over time too", 0},
};

static const double LEAST_VARIANCE = 1e-12;

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)conf;
    *output_size = 2 * in->input_size;
    return SPK_OK;
}

/* ReLU(W concat(x, mean, deviation)) */
static spk_tensor *with_context(spk_build *b, spk_tensor *x, int64_t hidden)
{
    const int64_t c = x->c;
    const char *name = "pooling.tdnn.conv.conv";
    const spk_param *w = spk_layer_param(b, name, "weight", 3, (int64_t[]){hidden, 3 * c, 1}, 3 * c);
    const spk_param *bias = spk_layer_param(b, name, "bias", 1, &hidden, 3 * c);
    spk_tensor *stats = spk_g_time_stats(b->g, x, (spk_time_stats_attr){.lo = LEAST_VARIANCE, .hi = INFINITY});
    spk_tensor *v = spk_g_conv1d(b->g, stats, w, c, bias, 1, 0, false);
    return spk_g_row_bias(b->g, spk_g_conv1d(b->g, x, w, 0, NULL, 1, 0, false), v, SPK_RELU);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const asp_conf *c = conf;
    spk_tensor *h = c->global_context
                        ? with_context(b, x, c->attention_channels)
                        : spk_layer_conv1d(b, x, "pooling.tdnn.conv.conv", c->attention_channels, 1, 1, 0, true);
    h = spk_g_act(b->g, spk_layer_batch_norm(b, h, "pooling.tdnn.norm.norm"), SPK_TANH);
    spk_tensor *e = spk_layer_conv1d(b, h, "pooling.conv.conv", x->c, 1, 1, 0, false);
    return spk_g_attn_stats(b->g, e, x, (spk_attn_stats_attr){.lo = LEAST_VARIANCE, .hi = INFINITY});
}

const spk_part spk__pooling_speechbrain_asp = {.name = "speechbrain_asp",
                                               .options = options,
                                               .n_options = SPK_COUNT(options),
                                               .conf_bytes = sizeof(asp_conf),
                                               .check = check,
                                               .build = build};
