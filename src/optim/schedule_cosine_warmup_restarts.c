/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cosine annealing with warm-up and restarts, as espnet2/schedulers/cosine_anneal_warmup_restart.py: cycle c has the
 * length L(0) = first_cycle_steps, L(c+1) = int((L(c) - warmup) cycle_mult) + warmup and the peak M = max_lr gamma^c;
 * at place k of the cycle the rate climbs from min_lr to M in `warmup` steps and falls back along half a cosine.
 */
#include "optim/kind_impl.h"

typedef struct cosine_conf {
    int64_t first_cycle_steps, warmup_steps, last_epoch;
    double cycle_mult, max_lr, min_lr, gamma;
} cosine_conf;

#define AT(field) offsetof(cosine_conf, field)
static const spk_opt options[] = {
    {"first_cycle_steps", SPK_OPT_INT, AT(first_cycle_steps), "1", 1, INFINITY, NULL, "steps of the first cycle",
     SPK_OPT_REQUIRED},
    {"cycle_mult", SPK_OPT_FLOAT, AT(cycle_mult), "1.0", 0, INFINITY, NULL, "how much longer each next cycle is", 0},
    {"max_lr", SPK_OPT_FLOAT, AT(max_lr), "0.1", 0, INFINITY, NULL, "largest rate of the first cycle", 0},
    {"min_lr", SPK_OPT_FLOAT, AT(min_lr), "0.001", 0, INFINITY, NULL, "smallest rate", 0},
    {"warmup_steps", SPK_OPT_INT, AT(warmup_steps), "0", 0, INFINITY, NULL, "steps of each cycle that climb", 0},
    {"gamma", SPK_OPT_FLOAT, AT(gamma), "1.0", 0, INFINITY, NULL, "factor on the largest rate with each cycle", 0},
    SPK_SCHEDULER_ROW_LAST(cosine_conf),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const cosine_conf *c = conf;
    char at[512];
    if (c->warmup_steps >= c->first_cycle_steps)
        return spk_fail(
            SPK_E_CONFIG, "%sscheduler_conf: warmup_steps (%lld) must be less than first_cycle_steps (%lld)",
            spk_optim_where(map, "warmup_steps", at), (long long)c->warmup_steps, (long long)c->first_cycle_steps);
    return spk__scheduler_check_last(c->last_epoch, map);
}

/* Which cycle step n lies in, its length, and the place in it. */
static void find_cycle(const cosine_conf *c, int64_t n, int64_t *cycle, int64_t *length, int64_t *place)
{
    const int64_t w = c->warmup_steps;
    *cycle = 0;
    *length = c->first_cycle_steps;
    *place = n;
    while (*place >= *length) {
        const double falling = (double)(*length - w) * c->cycle_mult;
        /* a cycle falls for one step at least: at zero the sequence would stand still */
        const int64_t next = falling >= 9e15 ? (int64_t)9e15 : (falling < 1 ? 1 : (int64_t)falling) + w;
        /* the length stays from here on: jump over all whole cycles */
        const int64_t count = next == *length ? *place / *length : 1;
        *place -= count * *length;
        *cycle += count;
        *length = next;
    }
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const cosine_conf *c = conf;
    int64_t cycle, length, place;
    (void)lr0;                    /* the optimiser's rate has no say */
    if (n <= 0) return c->min_lr; /* also without warm-up, as there */
    find_cycle(c, n, &cycle, &length, &place);
    const double top = c->max_lr * pow(c->gamma, (double)cycle);
    const int64_t w = c->warmup_steps;
    if (place < w) return c->min_lr + (top - c->min_lr) * (double)place / (double)w;
    return spk__half_cosine(top, c->min_lr, (double)(place - w) / (double)(length - w));
}

static void cycle_of(const void *conf, int64_t n, int64_t *from, int64_t *to)
{
    int64_t cycle, length, place;
    find_cycle(conf, n, &cycle, &length, &place);
    *from = n - place;
    *to = *from + length;
}

const spk_scheduler_kind spk__scheduler_cosineannealingwarmuprestarts = {.name = "cosineannealingwarmuprestarts",
                                                                         .options = options,
                                                                         .n_options = SPK_COUNT(options),
                                                                         .conf_size = sizeof(cosine_conf),
                                                                         .family = SPK_SCHEDULE_BATCH,
                                                                         .check = check,
                                                                         .lr = lr,
                                                                         .cycle = cycle_of};
