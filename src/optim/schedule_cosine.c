/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cosine annealing (Loshchilov and Hutter, SGDR, 2017) as torch.optim.lr_scheduler has it: CosineAnnealingLR falls over
 * T_max epochs and climbs back over as many; CosineAnnealingWarmRestarts falls over T_0 optimiser steps, then begins
 * again with a cycle that is T_mult times as long.
 */
#include "optim/kind_impl.h"

typedef struct cosine_conf {
    int64_t t_max, t_0, t_mult, last_epoch;
    double eta_min;
} cosine_conf;

#define AT(field) offsetof(cosine_conf, field)
#define ETA_MIN                                                                                                        \
    {                                                                                                                  \
        "eta_min", SPK_OPT_FLOAT, AT(eta_min), "0", 0, INFINITY, NULL, "smallest rate", 0                              \
    }
static const spk_opt options[] = {
    {"T_max", SPK_OPT_INT, AT(t_max), "1", 1, INFINITY, NULL, "epochs of a fall", SPK_OPT_REQUIRED},
    ETA_MIN,
    SPK_SCHEDULER_ROW_LAST(cosine_conf),
};
static const spk_opt options_restarts[] = {
    {"T_0", SPK_OPT_INT, AT(t_0), "1", 1, INFINITY, NULL, "optimiser steps of the first cycle", SPK_OPT_REQUIRED},
    {"T_mult", SPK_OPT_INT, AT(t_mult), "1", 1, INFINITY, NULL, "how much longer each next cycle is", 0},
    ETA_MIN,
    SPK_SCHEDULER_ROW_LAST(cosine_conf),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__scheduler_check_last(((const cosine_conf *)conf)->last_epoch, map);
}

double spk__half_cosine(double from, double to, double x)
{
    return to + (from - to) * (1 + cos(3.14159265358979323846 * x)) / 2;
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const cosine_conf *c = conf;
    return spk__half_cosine(lr0, c->eta_min, (double)(n % (2 * c->t_max)) / (double)c->t_max);
}

static void cycle_of_epochs(const void *conf, int64_t n, int64_t *from, int64_t *to)
{
    const int64_t length = 2 * ((const cosine_conf *)conf)->t_max;
    *from = n / length * length;
    *to = *from + length;
}

static void cycle_of_steps(const void *conf, int64_t n, int64_t *from, int64_t *to)
{
    const cosine_conf *c = conf;
    int64_t length = c->t_0;
    *from = c->t_mult == 1 ? n / length * length : 0;
    while (n - *from >= length) {
        *from += length;
        length *= c->t_mult;
    }
    *to = *from + length;
}

static double lr_restarts(const void *conf, double lr0, int64_t n)
{
    int64_t from, to;
    cycle_of_steps(conf, n, &from, &to);
    return spk__half_cosine(lr0, ((const cosine_conf *)conf)->eta_min, (double)(n - from) / (double)(to - from));
}

#define KIND(word, table, which, function, place)                                                                      \
    {                                                                                                                  \
        .name = word, .options = table, .n_options = SPK_COUNT(table), .conf_size = sizeof(cosine_conf),               \
        .family = which, .check = check, .lr = function, .cycle = place                                                \
    }
const spk_scheduler_kind spk__scheduler_cosineannealinglr =
    KIND("cosineannealinglr", options, SPK_SCHEDULE_EPOCH, lr, cycle_of_epochs);
const spk_scheduler_kind spk__scheduler_cosineannealingwarmrestarts =
    KIND("cosineannealingwarmrestarts", options_restarts, SPK_SCHEDULE_BATCH, lr_restarts, cycle_of_steps);
