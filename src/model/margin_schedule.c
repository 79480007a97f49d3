/* SPDX-License-Identifier: Apache-2.0 */
/* The margin over the course of a training (margin_schedule_impl.h). */
#include "model/margin_schedule_impl.h"

#include <math.h>
#include <string.h>

#include "config/opt_impl.h"
#include "model/loss_impl.h"

typedef struct schedule_conf {
    double initial_margin, final_margin, start_epoch, fix_epoch;
    int64_t start_iter, fix_iter;
} schedule_conf;

#define FIELD(name) offsetof(schedule_conf, name)
static const spk_opt options[] = {
    {"initial_margin", SPK_OPT_FLOAT, FIELD(initial_margin), "0", 0, SPK_LOSS_WIDEST, NULL, "margin at first", 0},
    {"final_margin", SPK_OPT_FLOAT, FIELD(final_margin), "none", 0, SPK_LOSS_WIDEST, NULL,
     "margin in the end; none: the loss's", SPK_OPT_NULLABLE},
    {"increase_start_epoch", SPK_OPT_FLOAT, FIELD(start_epoch), "none", 1, 1e9, NULL,
     "epoch, from 1, at whose beginning the margin starts to grow", SPK_OPT_NULLABLE},
    {"fix_start_epoch", SPK_OPT_FLOAT, FIELD(fix_epoch), "none", 1, 1e9, NULL,
     "epoch from whose beginning it is the final one", SPK_OPT_NULLABLE},
    {"increase_start_iter", SPK_OPT_INT, FIELD(start_iter), "none", 0, INFINITY, NULL, "the same in updates, from 0",
     SPK_OPT_NULLABLE},
    {"fix_start_iter", SPK_OPT_INT, FIELD(fix_iter), "none", 0, INFINITY, NULL, "the same in updates",
     SPK_OPT_NULLABLE},
};

static spk_status take(const schedule_conf *c, double margin, spk_margin_schedule *s)
{
    const bool epochs = !isnan(c->start_epoch) && !isnan(c->fix_epoch);
    const bool iters = c->start_iter != SPK_NONE && c->fix_iter != SPK_NONE;
    const int n_given =
        !isnan(c->start_epoch) + !isnan(c->fix_epoch) + (c->start_iter != SPK_NONE) + (c->fix_iter != SPK_NONE);
    if (epochs == iters || n_given != 2)
        return spk_fail(SPK_E_CONFIG,
                        "margin_scheduler_conf: give both increase_start_epoch and fix_start_epoch, or both "
                        "increase_start_iter and fix_start_iter");
    s->by_epoch = epochs;
    s->initial = c->initial_margin;
    s->final = isnan(c->final_margin) ? margin : c->final_margin;
    s->start = epochs ? c->start_epoch : (double)c->start_iter;
    s->fix = epochs ? c->fix_epoch : (double)c->fix_iter;
    if (s->fix < s->start)
        return spk_fail(
            SPK_E_CONFIG,
            "margin_scheduler_conf: fix_start (%g) is before increase_start (%g); the margin is fixed after "
            "it has grown",
            s->fix, s->start);
    return SPK_OK;
}

spk_status spk_margin_schedule_read(const spk_config *config, double margin, spk_margin_schedule *out)
{
    schedule_conf c;
    *out = (spk_margin_schedule){0};
    if (!config->margin_scheduler) return SPK_OK;
    if (isnan(margin))
        return spk_fail(SPK_E_CONFIG, "margin_scheduler: the loss %s has no margin; set margin_scheduler to none",
                        config->loss);
    SPK_TRY(spk_opts_read(options, SPK_COUNT(options), config->margin_scheduler_conf, "margin_scheduler_conf", &c));
    out->on = true;
    out->exponential = strcmp(config->margin_scheduler, "exp") == 0;
    return take(&c, margin, out);
}

double spk_margin_schedule_at(const spk_margin_schedule *s, const spk_step_info *info)
{
    double at = (double)info->step;
    if (s->by_epoch) {
        at = (double)info->epoch;
        if (info->steps_per_epoch > 0) at += (double)info->step_in_epoch / (double)info->steps_per_epoch;
    }
    if (at < s->start) return s->initial;
    if (at >= s->fix) return s->final;
    const double x = (at - s->start) / (s->fix - s->start);
    const double r = s->exponential ? 1 - exp(x * log(1e-3 / (1 + 1e-6))) : x;
    return s->initial + (s->final - s->initial) * r;
}
