/* SPDX-License-Identifier: Apache-2.0 */
/*
 * astp: WeSpeaker's attentive statistics (wespeaker/models/pooling_layers.py, ASTP; specification W.2). A tanh and no
 * BatchNorm between the two layers of the attention; with global_context_att its first layer also reads mean and
 * deviation over time, in one product an utterance as in chn_attn_stat.
 *
 * WeSpeaker's pool.linear1, pool.linear2 are pooling.linear1 and pooling.linear2 here.
 */
#include <math.h>

#include "model/build_impl.h"

typedef struct astp_conf {
    bool global_context_att;
} astp_conf;

enum { HIDDEN = 128 };

static const spk_opt options[] = {
    {"global_context_att", SPK_OPT_BOOL, offsetof(astp_conf, global_context_att), "false", 0, 0, NULL,
     "the attention sees mean and deviation over time too", 0},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)conf;
    *output_size = 2 * in->input_size;
    return SPK_OK;
}

/* tanh(linear1(concat(x, mean, deviation))) */
static spk_tensor *with_context(spk_build *b, spk_tensor *x)
{
    const int64_t c = x->c, hidden = HIDDEN;
    const spk_param *w = spk_layer_param(b, "pooling.linear1", "weight", 3, (int64_t[]){HIDDEN, 3 * c, 1}, 3 * c);
    const spk_param *bias = spk_layer_param(b, "pooling.linear1", "bias", 1, &hidden, 3 * c);
    const spk_time_stats_attr context = {.hi = INFINITY, .unbiased = true, .add_var = 1e-7};
    spk_tensor *v = spk_g_conv1d(b->g, spk_g_time_stats(b->g, x, context), w, c, bias, 1, 0, false);
    return spk_g_row_bias(b->g, spk_g_conv1d(b->g, x, w, 0, NULL, 1, 0, false), v, SPK_TANH);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    spk_tensor *h;
    if (((const astp_conf *)conf)->global_context_att)
        h = with_context(b, x);
    else
        h = spk_g_act(b->g, spk_layer_conv1d(b, x, "pooling.linear1", HIDDEN, 1, 1, 0, false), SPK_TANH);
    spk_tensor *e = spk_layer_conv1d(b, h, "pooling.linear2", x->c, 1, 1, 0, false);
    return spk_g_attn_stats(b->g, e, x, (spk_attn_stats_attr){.lo = 1e-7, .hi = INFINITY});
}

const spk_part spk__pooling_astp = {.name = "astp",
                                    .options = options,
                                    .n_options = SPK_COUNT(options),
                                    .conf_bytes = sizeof(astp_conf),
                                    .check = check,
                                    .build = build};
