/* SPDX-License-Identifier: Apache-2.0 */
/* mean: the mean over time (espnet2.spk.pooling.mean_pooling; specification 5.2). */
#include "model/pool_impl.h"

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    spk_time_stats_attr attr = {.mean_only = true};
    (void)conf;
    spk_pool_divide(b, x, &attr);
    return spk_g_time_stats(b->g, x, attr);
}

const spk_part spk__pooling_mean = {.name = "mean", .build = build};
