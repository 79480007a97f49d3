/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chn_attn_stat: channel-wise attentive statistics with global context (ECAPA-TDNN's pooling; specification 5.1).
 *
 * The attention's first layer reads concat(x, m, s) with m and s, the mean and deviation over time, repeated over all
 * frames. Its weight is split instead: W x + V concat(m, s), where the second product is one vector an utterance.
 */
#include "model/pool_impl.h"

typedef struct chn_attn_conf {
    int context_var;
} chn_attn_conf;

enum { HIDDEN = 128 };

static const spk_opt options[] = {
    {"context_var", SPK_OPT_CHOICE, offsetof(chn_attn_conf, context_var), "none", 0, 0, SPK_POOL_VAR_CHOICES,
     SPK_POOL_VAR_HELP, SPK_OPT_NULLABLE},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)conf;
    *output_size = 2 * in->input_size;
    return SPK_OK;
}

/* The context's deviation: ESPnet 202611 divides by T and clamps at the machine epsilon; older releases, whose
 * pooling got no lengths, divided by T - 1 and clamped at 1e-4 (specification 10). */
static spk_time_stats_attr context(const spk_build *b, const spk_tensor *x, int context_var)
{
    spk_time_stats_attr attr = {.lo = -1, .hi = 1e4};
    if (spk_pool_var(b, x, context_var, &attr)) attr.lo = 1e-4;
    return attr;
}

static spk_tensor *with_lengths(spk_build *b, spk_tensor *h, const int64_t *len)
{
    return spk_g_reshape(b->g, h, h->n, h->h, h->w, h->c, len);
}

/* The attention's BatchNorm. In training its statistics are those of valid frames; with pool_lengths frontend of all of them, as
 * ESPnet 202611 has it. */
static spk_tensor *normalise(spk_build *b, spk_tensor *h)
{
    const int64_t *len = h->len;
    const bool all = b->train && len && b->pool_lengths == SPK_POOL_FRONTEND;
    h = spk_layer_batch_norm(b, all ? with_lengths(b, h, NULL) : h, "pooling.attention.2");
    return all ? with_lengths(b, h, len) : h;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const int64_t c = x->c, hidden = HIDDEN;
    const spk_param *w = spk_layer_param(b, "pooling.attention.0", "weight", 3, (int64_t[]){HIDDEN, 3 * c, 1}, 3 * c);
    const spk_param *bias = spk_layer_param(b, "pooling.attention.0", "bias", 1, &hidden, 3 * c);
    spk_tensor *stats = spk_g_time_stats(b->g, x, context(b, x, ((const chn_attn_conf *)conf)->context_var));
    spk_tensor *v = spk_g_conv1d(b->g, stats, w, c, bias, 1, 0, false);
    spk_tensor *h = spk_g_conv1d(b->g, x, w, 0, NULL, 1, 0, false);
    h = spk_g_row_bias(b->g, h, v, SPK_RELU);
    h = normalise(b, h);
    spk_tensor *e = spk_layer_conv1d(b, h, "pooling.attention.3", c, 1, 1, 0, false);
    return spk_g_attn_stats(b->g, e, x, (spk_attn_stats_attr){.lo = 1e-4, .hi = 1e4});
}

const spk_part spk__pooling_chn_attn_stat = {.name = "chn_attn_stat",
                                             .options = options,
                                             .n_options = SPK_COUNT(options),
                                             .conf_bytes = sizeof(chn_attn_conf),
                                             .check = check,
                                             .build = build};
