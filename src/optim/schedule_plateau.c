/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate that falls when a criterion stands still, as torch.optim.lr_scheduler.ReduceLROnPlateau; and espnet2/schedulers'
 * WarmupReduceLROnPlateau, which climbs first. There the first step has the full rate and the climb forgets reductions
 * made meanwhile; here the climb begins at lr0 / warmup_steps and is a factor on the reduced rate.
 */
#include "optim/kind_impl.h"

typedef struct plateau_conf {
    double factor, threshold, min_lr, eps;
    int64_t patience, cooldown, warmup_steps;
    int mode, threshold_mode;
} plateau_conf;
enum { MIN, MAX };
enum { REL, ABS };

#define AT(field) offsetof(plateau_conf, field)
#define ROWS                                                                                                           \
    {"mode", SPK_OPT_CHOICE, AT(mode), "min", 0, 0, "min|max", "is a smaller or a larger value better", 0},            \
        {"factor", SPK_OPT_FLOAT, AT(factor), "0.1", 0, 1, NULL, "factor on the rate", 0},                             \
        {"patience", SPK_OPT_INT, AT(patience), "10", 0, INFINITY, NULL, "epochs without a better value", 0},          \
        {"threshold", SPK_OPT_FLOAT, AT(threshold), "0.0001", 0, INFINITY, NULL, "by how much a value is better", 0},  \
        {"threshold_mode", SPK_OPT_CHOICE, AT(threshold_mode), "rel", 0, 0, "rel|abs", "of the best, or absolute", 0}, \
        {"cooldown", SPK_OPT_INT, AT(cooldown), "0", 0, INFINITY, NULL, "epochs of rest behind a reduction", 0},       \
        {"min_lr", SPK_OPT_FLOAT, AT(min_lr), "0", 0, INFINITY, NULL, "smallest rate", 0},                             \
    {                                                                                                                  \
        "eps", SPK_OPT_FLOAT, AT(eps), "1e-08", 0, INFINITY, NULL, "smaller changes of the rate are not made", 0       \
    }
static const spk_opt options[] = {ROWS};
static const spk_opt options_warmup[] = {
    {"warmup_steps", SPK_OPT_INT, AT(warmup_steps), "25000", 0, INFINITY, NULL, "optimiser steps that climb", 0},
    ROWS,
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    char at[512];
    if (((const plateau_conf *)conf)->factor < 1) return SPK_OK;
    return spk_fail(SPK_E_CONFIG, "%sscheduler_conf: factor must be below 1", spk_optim_where(map, "factor", at));
}

static void start(const void *conf, double lr0, spk_plateau *state)
{
    *state = (spk_plateau){.best = ((const plateau_conf *)conf)->mode == MIN ? INFINITY : -INFINITY, .lr = lr0};
}

static bool is_better(const plateau_conf *c, double value, double best)
{
    if (c->mode == MIN) return value < (c->threshold_mode == REL ? best * (1 - c->threshold) : best - c->threshold);
    return value > (c->threshold_mode == REL ? best * (1 + c->threshold) : best + c->threshold);
}

static bool take_value(const void *conf, spk_plateau *state, double value)
{
    const plateau_conf *c = conf;
    if (is_better(c, value, state->best)) {
        state->best = value;
        state->n_bad = 0;
    } else {
        state->n_bad++;
    }
    if (state->cooldown > 0) {
        state->cooldown--;
        state->n_bad = 0;
    }
    if (state->n_bad <= c->patience) return false;
    const double lower = fmax(state->lr * c->factor, c->min_lr);
    const bool reduced = state->lr - lower > c->eps;
    state->cooldown = c->cooldown;
    state->n_bad = 0;
    if (reduced) state->lr = lower;
    return reduced;
}

static double lr(const void *conf, double reduced, int64_t n)
{
    const int64_t w = ((const plateau_conf *)conf)->warmup_steps; /* 0 without warm-up */
    return n + 1 < w ? reduced * (double)(n + 1) / (double)w : reduced;
}

#define KIND(word, table)                                                                                              \
    {                                                                                                                  \
        .name = word, .options = table, .n_options = SPK_COUNT(table), .conf_size = sizeof(plateau_conf),              \
        .family = SPK_SCHEDULE_VALUE, .check = check, .lr = lr, .value = take_value, .start = start                    \
    }
const spk_scheduler_kind spk__scheduler_reducelronplateau = KIND("reducelronplateau", options);
const spk_scheduler_kind spk__scheduler_warmupreducelronplateau = KIND("warmupreducelronplateau", options_warmup);
