/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cyclical rates (Smith, 2017), as torch.optim.lr_scheduler.CyclicLR: up from base_lr to max_lr in step_size_up optimiser
 * steps, down in step_size_down; the momentum (or the first beta) goes the other way. triangular2 halves the height with
 * each cycle, exp_range multiplies it by gamma^n.
 */
#include "optim/kind_impl.h"

typedef struct cyclic_conf {
    double base_lr, max_lr, gamma, base_momentum, max_momentum;
    int64_t step_size_up, step_size_down, last_epoch;
    int mode, scale_mode;
    bool cycle_momentum;
} cyclic_conf;
enum { TRIANGULAR, TRIANGULAR2, EXP_RANGE };

#define AT(field) offsetof(cyclic_conf, field)
static const spk_opt options[] = {
    {"base_lr", SPK_OPT_FLOAT, AT(base_lr), "0", 0, INFINITY, NULL, "lowest rate", SPK_OPT_REQUIRED},
    {"max_lr", SPK_OPT_FLOAT, AT(max_lr), "0", 0, INFINITY, NULL, "highest rate", SPK_OPT_REQUIRED},
    {"step_size_up", SPK_OPT_INT, AT(step_size_up), "2000", 1, INFINITY, NULL, "optimiser steps up", 0},
    {"step_size_down", SPK_OPT_INT, AT(step_size_down), "none", 1, INFINITY, NULL, "and down; none: as many",
     SPK_OPT_NULLABLE},
    {"mode", SPK_OPT_CHOICE, AT(mode), "triangular", 0, 0, "triangular|triangular2|exp_range", "how the height changes",
     0},
    {"gamma", SPK_OPT_FLOAT, AT(gamma), "1.0", 0, INFINITY, NULL, "for exp_range", 0},
    {"scale_mode", SPK_OPT_CHOICE, AT(scale_mode), "cycle", 0, 0, "cycle|iterations", "ignored: `mode` decides", 0},
    {"cycle_momentum", SPK_OPT_BOOL, AT(cycle_momentum), "true", 0, 0, NULL, "move the momentum as well", 0},
    {"base_momentum", SPK_OPT_FLOAT, AT(base_momentum), "0.8", 0, 1, NULL, "momentum at max_lr", 0},
    {"max_momentum", SPK_OPT_FLOAT, AT(max_momentum), "0.9", 0, 1, NULL, "momentum at base_lr", 0},
    SPK_SCHEDULER_ROW_LAST(cyclic_conf),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__scheduler_check_last(((const cyclic_conf *)conf)->last_epoch, map);
}

static void cycle_of(const void *conf, int64_t n, int64_t *from, int64_t *to)
{
    const cyclic_conf *c = conf;
    const int64_t down = c->step_size_down == SPK_NONE ? c->step_size_up : c->step_size_down;
    *from = n / (c->step_size_up + down) * (c->step_size_up + down);
    *to = *from + c->step_size_up + down;
}

/* How far up step n is, with the height of its cycle. */
static double height(const cyclic_conf *c, int64_t n)
{
    int64_t from, to;
    cycle_of(c, n, &from, &to);
    const double place = (double)(n - from), up = (double)c->step_size_up, length = (double)(to - from);
    const double share = place <= up ? place / up : (length - place) / (length - up);
    const int64_t cycle = from / (to - from);
    if (c->mode == TRIANGULAR2) return share * pow(0.5, (double)cycle);
    return c->mode == EXP_RANGE ? share * pow(c->gamma, (double)n) : share;
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const cyclic_conf *c = conf;
    (void)lr0; /* the optimiser's rate has no say */
    return c->base_lr + (c->max_lr - c->base_lr) * height(c, n);
}

static bool momentum(const void *conf, int64_t n, double *out)
{
    const cyclic_conf *c = conf;
    *out = c->max_momentum - (c->max_momentum - c->base_momentum) * height(c, n);
    return c->cycle_momentum;
}

const spk_scheduler_kind spk__scheduler_cycliclr = {.name = "cycliclr",
                                                    .options = options,
                                                    .n_options = SPK_COUNT(options),
                                                    .conf_size = sizeof(cyclic_conf),
                                                    .family = SPK_SCHEDULE_BATCH,
                                                    .check = check,
                                                    .lr = lr,
                                                    .momentum = momentum,
                                                    .cycle = cycle_of};
