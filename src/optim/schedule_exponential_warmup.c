/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A warm-up, then an exponential fall from max_lr to min_lr at total_steps: espnet2/schedulers' ExponentialDecayWarmup.
 * With warm_from_zero the rate climbs from max_lr / warmup_steps on (there the first rate is 0: a step that does
 * nothing). Without it the warm-up is at the optimiser's rate, but for the first step, which is at max_lr, as there.
 * Behind total_steps it stays at min_lr (there it goes on falling).
 */
#include "optim/kind_impl.h"

typedef struct decay_conf {
    double max_lr, min_lr;
    int64_t total_steps, warmup_steps, last_epoch;
    bool warm_from_zero;
} decay_conf;

#define AT(field) offsetof(decay_conf, field)
static const spk_opt options[] = {
    {"max_lr", SPK_OPT_FLOAT, AT(max_lr), "1", 0, INFINITY, NULL, "largest rate", SPK_OPT_REQUIRED},
    {"min_lr", SPK_OPT_FLOAT, AT(min_lr), "1", 0, INFINITY, NULL, "last rate", SPK_OPT_REQUIRED},
    {"total_steps", SPK_OPT_INT, AT(total_steps), "1", 1, INFINITY, NULL, "optimiser steps until the last rate",
     SPK_OPT_REQUIRED},
    {"warmup_steps", SPK_OPT_INT, AT(warmup_steps), "0", 0, INFINITY, NULL, "optimiser steps before the fall", 0},
    {"warm_from_zero", SPK_OPT_BOOL, AT(warm_from_zero), "false", 0, 0, NULL, "they climb; otherwise they are at lr",
     0},
    SPK_SCHEDULER_ROW_LAST(decay_conf),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const decay_conf *c = conf;
    char at[512];
    if (!(c->max_lr > 0 && c->min_lr > 0))
        return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: max_lr and min_lr must be above 0",
                        spk_optim_where(map, "min_lr", at));
    if (c->warmup_steps >= c->total_steps)
        return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: warmup_steps (%lld) must be less than total_steps (%lld)",
                        spk_optim_where(map, "warmup_steps", at), (long long)c->warmup_steps,
                        (long long)c->total_steps);
    return spk__scheduler_check_last(c->last_epoch, map);
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const decay_conf *c = conf;
    const int64_t w = c->warmup_steps, total = c->total_steps;
    if (n < w && c->warm_from_zero) return c->max_lr * (double)(n + 1) / (double)w;
    if (n < w) return n == 0 ? c->max_lr : lr0;
    if (n >= total) return c->min_lr;
    return c->max_lr * pow(c->min_lr / c->max_lr, (double)(n - w) / (double)(total - w));
}

const spk_scheduler_kind spk__scheduler_exponentialdecaywarmup = {.name = "exponentialdecaywarmup",
                                                                  .options = options,
                                                                  .n_options = SPK_COUNT(options),
                                                                  .conf_size = sizeof(decay_conf),
                                                                  .family = SPK_SCHEDULE_BATCH,
                                                                  .check = check,
                                                                  .lr = lr};
