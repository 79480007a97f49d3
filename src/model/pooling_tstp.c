/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tstp: WeSpeaker's temporal statistics (wespeaker/models/pooling_layers.py, TSTP; specification W.2): mean and
 * sqrt(var + 1e-7) with the unbiased variance. No tensors.
 */
#include <math.h>

#include "model/build_impl.h"

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    (void)conf;
    *output_size = 2 * in->input_size;
    return SPK_OK;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    (void)conf;
    return spk_g_time_stats(b->g, x, (spk_time_stats_attr){.hi = INFINITY, .unbiased = true, .add_var = 1e-7});
}

const spk_part spk__pooling_tstp = {.name = "tstp", .check = check, .build = build};
