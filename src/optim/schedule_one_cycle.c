/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle (Smith and Topin, 2019), as torch.optim.lr_scheduler.OneCycleLR: from max_lr / div_factor up to max_lr in
 * pct_start of the steps, then down to the first rate / final_div_factor; three_phase goes down to the first rate as
 * fast as it went up, then on. The momentum (or the first beta) goes the other way. Behind total_steps the last rate
 * stays; PyTorch ends with an error there.
 */
#include "optim/kind_impl.h"

typedef struct one_cycle_conf {
    double max_lr, pct_start, base_momentum, max_momentum, div_factor, final_div_factor;
    int64_t total_steps, epochs, steps_per_epoch, last_epoch;
    int anneal_strategy;
    bool cycle_momentum, three_phase;
} one_cycle_conf;

#define AT(field) offsetof(one_cycle_conf, field)
static const spk_opt options[] = {
    {"max_lr", SPK_OPT_FLOAT, AT(max_lr), "0", 0, INFINITY, NULL, "highest rate", SPK_OPT_REQUIRED},
    {"total_steps", SPK_OPT_INT, AT(total_steps), "none", 2, INFINITY, NULL, "optimiser steps of the cycle",
     SPK_OPT_NULLABLE},
    {"epochs", SPK_OPT_INT, AT(epochs), "none", 1, INFINITY, NULL, "or: epochs, of", SPK_OPT_NULLABLE},
    {"steps_per_epoch", SPK_OPT_INT, AT(steps_per_epoch), "none", 1, INFINITY, NULL, "so many optimiser steps",
     SPK_OPT_NULLABLE},
    {"pct_start", SPK_OPT_FLOAT, AT(pct_start), "0.3", 0, 1, NULL, "share of the steps that climb", 0},
    {"anneal_strategy", SPK_OPT_CHOICE, AT(anneal_strategy), "cos", 0, 0, "cos|linear", "the curve", 0},
    {"cycle_momentum", SPK_OPT_BOOL, AT(cycle_momentum), "true", 0, 0, NULL, "move the momentum as well", 0},
    {"base_momentum", SPK_OPT_FLOAT, AT(base_momentum), "0.85", 0, 1, NULL, "momentum at max_lr", 0},
    {"max_momentum", SPK_OPT_FLOAT, AT(max_momentum), "0.95", 0, 1, NULL, "momentum at the ends", 0},
    {"div_factor", SPK_OPT_FLOAT, AT(div_factor), "25.0", 1e-30, INFINITY, NULL, "max_lr over the first rate", 0},
    {"final_div_factor", SPK_OPT_FLOAT, AT(final_div_factor), "10000.0", 1e-30, INFINITY, NULL,
     "first rate over the last", 0},
    {"three_phase", SPK_OPT_BOOL, AT(three_phase), "false", 0, 0, NULL, "down as fast as up, then a tail", 0},
    SPK_SCHEDULER_ROW_LAST(one_cycle_conf),
};

static int64_t total_of(const one_cycle_conf *c)
{
    return c->total_steps != SPK_NONE ? c->total_steps : c->epochs * c->steps_per_epoch;
}

static spk_status check(const void *conf, const spk_yaml *map)
{
    const one_cycle_conf *c = conf;
    char at[512];
    if (c->total_steps == SPK_NONE && (c->epochs == SPK_NONE || c->steps_per_epoch == SPK_NONE))
        return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: total_steps is missing, or epochs and steps_per_epoch",
                        spk_optim_where(map, "total_steps", at));
    return spk__scheduler_check_last(c->last_epoch, map);
}

/* A value that goes from `low` at the ends (`last` at the very end) to `high` at the peak. */
static double value_at(const one_cycle_conf *c, int64_t n, double low, double high, double last)
{
    const double end = (double)total_of(c) - 1, s = fmin((double)n, end), peak = c->pct_start * (end + 1) - 1;
    const double knot[4] = {0, peak, c->three_phase ? 2 * peak : end, end};
    const double value[4] = {low, high, c->three_phase ? low : last, last};
    int i = 1;
    while (i < (c->three_phase ? 3 : 2) && s > knot[i])
        i++;
    const double length = knot[i] - knot[i - 1], x = length > 0 ? (s - knot[i - 1]) / length : 1;
    if (c->anneal_strategy == 0) return spk__half_cosine(value[i - 1], value[i], x);
    return value[i - 1] + (value[i] - value[i - 1]) * x;
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const one_cycle_conf *c = conf;
    const double low = c->max_lr / c->div_factor;
    (void)lr0; /* the optimiser's rate has no say */
    return value_at(c, n, low, c->max_lr, low / c->final_div_factor);
}

static bool momentum(const void *conf, int64_t n, double *out)
{
    const one_cycle_conf *c = conf;
    *out = value_at(c, n, c->max_momentum, c->base_momentum, c->max_momentum);
    return c->cycle_momentum;
}

const spk_scheduler_kind spk__scheduler_onecyclelr = {.name = "onecyclelr",
                                                      .options = options,
                                                      .n_options = SPK_COUNT(options),
                                                      .conf_size = sizeof(one_cycle_conf),
                                                      .family = SPK_SCHEDULE_BATCH,
                                                      .check = check,
                                                      .lr = lr,
                                                      .momentum = momentum};
