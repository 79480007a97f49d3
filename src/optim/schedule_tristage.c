/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A climb, a level, an exponential fall (Park et al., SpecAugment, 2019): espnet2/schedulers' TristageLR. The three
 * shares of max_steps are whole numbers of steps, cut off as there; the fall has the rest.
 */
#include "optim/kind_impl.h"

typedef struct tristage_conf {
    int64_t max_steps, last_epoch;
    double warmup_ratio, hold_ratio, decay_ratio, init_lr_scale, final_lr_scale;
} tristage_conf;

#define AT(field) offsetof(tristage_conf, field)
static const spk_opt options[] = {
    {"max_steps", SPK_OPT_INT, AT(max_steps), "25000", 1, INFINITY, NULL, "optimiser steps of all three", 0},
    {"warmup_ratio", SPK_OPT_FLOAT, AT(warmup_ratio), "0.1", 0, 1, NULL, "share that climbs", 0},
    {"hold_ratio", SPK_OPT_FLOAT, AT(hold_ratio), "0.4", 0, 1, NULL, "share that stays", 0},
    {"decay_ratio", SPK_OPT_FLOAT, AT(decay_ratio), "0.5", 0, 1, NULL, "share that falls", 0},
    {"init_lr_scale", SPK_OPT_FLOAT, AT(init_lr_scale), "0.01", 0, 1, NULL, "first rate, of lr", 0},
    {"final_lr_scale", SPK_OPT_FLOAT, AT(final_lr_scale), "0.01", 0, 1, NULL, "last rate, of lr", 0},
    SPK_SCHEDULER_ROW_LAST(tristage_conf),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const tristage_conf *c = conf;
    char at[512];
    const double sum = c->warmup_ratio + c->hold_ratio + c->decay_ratio;
    if (!(fabs(sum - 1) < 1e-6))
        return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: warmup_ratio, hold_ratio and decay_ratio add up to %g, not 1",
                        spk_optim_where(map, "warmup_ratio", at), sum);
    if (!(c->final_lr_scale > 0))
        return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: final_lr_scale must be above 0",
                        spk_optim_where(map, "final_lr_scale", at));
    return spk__scheduler_check_last(c->last_epoch, map);
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const tristage_conf *c = conf;
    const int64_t max = c->max_steps, s = n + 1 < max ? n + 1 : max;
    const int64_t w = (int64_t)((double)max * c->warmup_ratio), h = (int64_t)((double)max * c->hold_ratio);
    const int64_t d = max - w - h;
    if (s < w) return lr0 * (c->init_lr_scale + (1 - c->init_lr_scale) * (double)s / (double)w);
    if (s < w + h || d <= 0) return lr0;
    return lr0 * exp(log(c->final_lr_scale) / (double)d * (double)(s - w - h));
}

const spk_scheduler_kind spk__scheduler_tristagelr = {.name = "tristagelr",
                                                      .options = options,
                                                      .n_options = SPK_COUNT(options),
                                                      .conf_size = sizeof(tristage_conf),
                                                      .family = SPK_SCHEDULE_BATCH,
                                                      .check = check,
                                                      .lr = lr};
