/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: mean and standard deviation over time, the x-vector's pooling (espnet2.spk.pooling.stat_pooling;
 * specification 5.3). Releases before 202611 took the unbiased deviation and did not clamp it.
 */
#include <math.h>

#include "model/pool_impl.h"

typedef struct stats_conf {
    int context_var;
} stats_conf;

static const spk_opt options[] = {
    {"context_var", SPK_OPT_CHOICE, offsetof(stats_conf, context_var), "none", 0, 0, SPK_POOL_VAR_CHOICES,
     SPK_POOL_VAR_HELP, SPK_OPT_NULLABLE},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)conf;
    *output_size = 2 * in->input_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    spk_time_stats_attr attr = {.lo = -1, .hi = 1e4, .centred = true};
    if (spk_pool_var(b, x, ((const stats_conf *)conf)->context_var, &attr)) {
        attr.lo = 0;
        attr.hi = INFINITY;
    }
    return spk_g_time_stats(b->g, x, attr);
}

const spk_part spk__pooling_stats = {.name = "stats",
                                     .options = options,
                                     .n_options = SPK_COUNT(options),
                                     .conf_bytes = sizeof(stats_conf),
                                     .check = check,
                                     .build = build};
