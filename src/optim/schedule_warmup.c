/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates that climb and then fall with the root of the steps: espnet2/schedulers' WarmupLR and NoamLR (Vaswani et al.,
 * 2017), of which the second has another scale.
 */
#include "optim/kind_impl.h"

typedef struct warmup_conf {
    double model_size, warmup_steps;
    int64_t last_epoch;
} warmup_conf;

#define AT(field) offsetof(warmup_conf, field)
#define ROWS                                                                                                           \
    {"warmup_steps", SPK_OPT_FLOAT, AT(warmup_steps), "25000", 0, INFINITY, NULL, "optimiser steps that climb", 0},    \
        SPK_SCHEDULER_ROW_LAST(warmup_conf)
static const spk_opt options[] = {ROWS};
static const spk_opt options_noam[] = {
    {"model_size", SPK_OPT_FLOAT, AT(model_size), "320", 0, INFINITY, NULL, "the rate is divided by its root", 0},
    ROWS,
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__scheduler_check_last(((const warmup_conf *)conf)->last_epoch, map);
}

/* min(s^-.5, s w^-1.5) for step s. */
static double shape(const warmup_conf *c, double s)
{
    const double falling = 1 / sqrt(s);
    return c->warmup_steps > 0 ? fmin(falling, s * pow(c->warmup_steps, -1.5)) : falling;
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const warmup_conf *c = conf;
    return lr0 * (c->warmup_steps > 0 ? sqrt(c->warmup_steps) : 1) * shape(c, (double)n + 1);
}

static spk_status check_noam(const void *conf, const spk_yaml *map)
{
    char at[512];
    if (!(((const warmup_conf *)conf)->model_size > 0))
        return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: model_size must be above 0",
                        spk_optim_where(map, "model_size", at));
    return check(conf, map);
}

static double lr_noam(const void *conf, double lr0, int64_t n)
{
    const warmup_conf *c = conf;
    return lr0 / sqrt(c->model_size) * shape(c, (double)n + 1);
}

const spk_scheduler_kind spk__scheduler_warmuplr = {.name = "warmuplr",
                                                    .options = options,
                                                    .n_options = SPK_COUNT(options),
                                                    .conf_size = sizeof(warmup_conf),
                                                    .family = SPK_SCHEDULE_BATCH,
                                                    .check = check,
                                                    .lr = lr};

const spk_scheduler_kind spk__scheduler_noamlr = {.name = "noamlr",
                                                  .options = options_noam,
                                                  .n_options = SPK_COUNT(options_noam),
                                                  .conf_size = sizeof(warmup_conf),
                                                  .family = SPK_SCHEDULE_BATCH,
                                                  .check = check_noam,
                                                  .lr = lr_noam};
