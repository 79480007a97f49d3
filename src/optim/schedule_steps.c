/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates that fall in steps of epochs: torch.optim.lr_scheduler's StepLR (lr0 gamma^floor(n / step_size)), MultiStepLR
 * (lr0 gamma^(milestones up to n)) and ExponentialLR (lr0 gamma^n). n counts finished epochs.
 */
#include "optim/kind_impl.h"

typedef struct steps_conf {
    int64_t step_size, last_epoch;
    spk_int_list milestones;
    double gamma;
} steps_conf;

#define AT(field) offsetof(steps_conf, field)
#define GAMMA(value, flags)                                                                                            \
    {                                                                                                                  \
        "gamma", SPK_OPT_FLOAT, AT(gamma), value, 0, INFINITY, NULL, "factor on the rate", flags                       \
    }
static const spk_opt options[] = {
    {"step_size", SPK_OPT_INT, AT(step_size), "1", 1, INFINITY, NULL, "epochs between changes", SPK_OPT_REQUIRED},
    GAMMA("0.1", 0),
    SPK_SCHEDULER_ROW_LAST(steps_conf),
};
static const spk_opt options_multi[] = {
    {"milestones", SPK_OPT_INTS, AT(milestones), "[]", 0, INFINITY, NULL, "epochs of changes", SPK_OPT_REQUIRED},
    GAMMA("0.1", 0),
    SPK_SCHEDULER_ROW_LAST(steps_conf),
};
static const spk_opt options_power[] = {GAMMA("1", SPK_OPT_REQUIRED), SPK_SCHEDULER_ROW_LAST(steps_conf)};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__scheduler_check_last(((const steps_conf *)conf)->last_epoch, map);
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const steps_conf *c = conf;
    const int64_t changes = n / c->step_size;
    return lr0 * pow(c->gamma, (double)changes);
}

static double lr_multi(const void *conf, double lr0, int64_t n)
{
    const steps_conf *c = conf;
    int64_t passed = 0;
    for (int64_t i = 0; i < c->milestones.n; i++)
        passed += c->milestones.v[i] <= n;
    return lr0 * pow(c->gamma, (double)passed);
}

static double lr_power(const void *conf, double lr0, int64_t n)
{
    return lr0 * pow(((const steps_conf *)conf)->gamma, (double)n);
}

#define KIND(word, table, function)                                                                                    \
    {                                                                                                                  \
        .name = word, .options = table, .n_options = SPK_COUNT(table), .conf_size = sizeof(steps_conf),                \
        .family = SPK_SCHEDULE_EPOCH, .check = check, .lr = function                                                   \
    }
const spk_scheduler_kind spk__scheduler_steplr = KIND("steplr", options, lr);
const spk_scheduler_kind spk__scheduler_multisteplr = KIND("multisteplr", options_multi, lr_multi);
const spk_scheduler_kind spk__scheduler_exponentiallr = KIND("exponentiallr", options_power, lr_power);
