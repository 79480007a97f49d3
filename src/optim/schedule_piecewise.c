/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate along straight lines between knots, then falling with the root of the steps: espnet2/schedulers'
 * PiecewiseLinearWarmupLR. Behind the last knot at step L it is lr0 sqrt(L / s), which goes on from there only where the
 * optimiser's rate is the last of warmup_lr_list.
 */
#include "optim/kind_impl.h"

typedef struct piecewise_conf {
    spk_int_list warmup_steps_list;
    spk_yaml *warmup_lr_list; /* as many numbers */
    int64_t last_epoch;
} piecewise_conf;

#define AT(field) offsetof(piecewise_conf, field)
static const spk_opt options[] = {
    {"warmup_steps_list", SPK_OPT_INTS, AT(warmup_steps_list), "[0, 25000]", 0, INFINITY, NULL, "steps of the knots",
     0},
    {"warmup_lr_list", SPK_OPT_TREE, AT(warmup_lr_list), "[0.0, 0.001]", 0, 0, NULL, "rates of the knots", 0},
    SPK_SCHEDULER_ROW_LAST(piecewise_conf),
};

static bool rate_at(const piecewise_conf *c, int64_t i, double *out)
{
    const spk_yaml *item = c->warmup_lr_list->item[i];
    return item->kind == SPK_YAML_SCALAR && (spk_yaml_double(item, out) || spk_parse_double(item->text, out)) &&
           *out >= 0 && isfinite(*out);
}

static spk_status check(const void *conf, const spk_yaml *map)
{
    const piecewise_conf *c = conf;
    const spk_int_list *steps = &c->warmup_steps_list;
    char at[512];
    double rate;
    bool good = c->warmup_lr_list && c->warmup_lr_list->kind == SPK_YAML_LIST && steps->n >= 2 &&
                c->warmup_lr_list->n == steps->n;
    for (int64_t i = 0; good && i < steps->n; i++)
        good = rate_at(c, i, &rate) && (i == 0 || steps->v[i] > steps->v[i - 1]);
    if (!good)
        return spk_fail(SPK_E_CONFIG,
                        "%sscheduler_conf: warmup_steps_list needs two or more rising steps, and warmup_lr_list a rate "
                        "for each",
                        spk_optim_where(map, "warmup_steps_list", at));
    return spk__scheduler_check_last(c->last_epoch, map);
}

static double lr(const void *conf, double lr0, int64_t n)
{
    const piecewise_conf *c = conf;
    const int64_t *knot = c->warmup_steps_list.v, last = c->warmup_steps_list.n - 1;
    const double s = (double)n + 1;
    double from = 0, to = 0;
    if (s > (double)knot[last]) return lr0 * sqrt((double)knot[last] / s);
    int64_t i = 1;
    while (s > (double)knot[i])
        i++;
    SPK_ASSERT(rate_at(c, i - 1, &from) && rate_at(c, i, &to)); /* as check saw */
    if (s <= (double)knot[i - 1]) return from;
    return from + (to - from) * (s - (double)knot[i - 1]) / (double)(knot[i] - knot[i - 1]);
}

const spk_scheduler_kind spk__scheduler_piecewiselinearwarmuplr = {.name = "piecewiselinearwarmuplr",
                                                                   .options = options,
                                                                   .n_options = SPK_COUNT(options),
                                                                   .conf_size = sizeof(piecewise_conf),
                                                                   .family = SPK_SCHEDULE_BATCH,
                                                                   .check = check,
                                                                   .lr = lr};
