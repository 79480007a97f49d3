/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A climb, then steps of epochs: espnet2/schedulers' WarmupStepLR. With s = n + 1 optimiser steps and epochs of
 * steps_per_epoch: lr0 s / w up to w, then lr0 gamma^floor((epoch of s - epoch of w) / step_size).
 */
#include "optim/kind_impl.h"

typedef struct warmup_step_conf {
    int64_t warmup_steps, steps_per_epoch, step_size, last_epoch;
    double gamma;
} warmup_step_conf;

#define AT(field) offsetof(warmup_step_conf, field)
static const spk_opt options[] = {
    {"warmup_steps", SPK_OPT_INT, AT(warmup_steps), "25000", 0, INFINITY, NULL, "optimiser steps that climb", 0},
    {"steps_per_epoch", SPK_OPT_INT, AT(steps_per_epoch), "10000", 1, INFINITY, NULL, "optimiser steps of an epoch", 0},
    {"step_size", SPK_OPT_INT, AT(step_size), "1", 1, INFINITY, NULL, "epochs between changes", 0},
    {"gamma", SPK_OPT_FLOAT, AT(gamma), "0.1", 0, INFINITY, NULL, "factor on the rate", 0},
    SPK_SCHEDULER_ROW_LAST(warmup_step_conf),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__scheduler_check_last(((const warmup_step_conf *)conf)->last_epoch, map);
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const warmup_step_conf *c = conf;
    const int64_t s = n + 1, w = c->warmup_steps;
    if (s <= w) return lr0 * (double)s / (double)w;
    const int64_t epochs = s / c->steps_per_epoch - w / c->steps_per_epoch;
    const int64_t changes = epochs / c->step_size;
    return lr0 * pow(c->gamma, (double)changes);
}

const spk_scheduler_kind spk__scheduler_warmupsteplr = {.name = "warmupsteplr",
                                                        .options = options,
                                                        .n_options = SPK_COUNT(options),
                                                        .conf_size = sizeof(warmup_step_conf),
                                                        .family = SPK_SCHEDULE_BATCH,
                                                        .check = check,
                                                        .lr = lr};
