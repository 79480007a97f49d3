/* SPDX-License-Identifier: Apache-2.0 */
/* What a step's rate depends on: the optimiser's groups, the schedule's family, a plateau's criterion. */
#include "train/rates_impl.h"

#include <inttypes.h>
#include <string.h>

#include "backend/device_impl.h"
#include "optim/optim_impl.h"
#include "train/classes_impl.h"
#include "train/ranks_impl.h"

/* ---- opening ---- */

static spk_status read_conf(const char *text, const char *what, spk_yaml **out)
{
    *out = NULL;
    return text ? spk_yaml_parse(text, strlen(text), what, out) : SPK_OK;
}

/* The model's parameters with their places: a new list. */
static spk_optim_param *list_parameters(const spk_model *m, int64_t *n)
{
    spk_optim_param *list = NULL;
    spk_parameter p;
    *n = 0;
    for (int64_t i = 0; m->parameter && m->parameter(m->self, i, &p); i++)
        SPK_PUSH(list, *n) = (spk_optim_param){p.name, p.at, p.n, p.n_dims};
    return list;
}

static void say_groups(const spk_optim *o)
{
    for (int i = 0; spk_optim_n_groups(o) > 1 && i < spk_optim_n_groups(o); i++) {
        const spk_optim_group *g = spk_optim_group_at(o, i);
        spk_text line = {0};
        spk_text_addf(&line, "parameter group %d: %" PRId64 " parameters of %" PRId64 " values, rate x %g", i,
                      g->n_params, g->n, g->lr_scale);
        if (!g->decays) spk_text_add(&line, ", no weight decay");
        if (g->freeze_steps > 0) spk_text_addf(&line, ", frozen for %" PRId64 " steps", g->freeze_steps);
        spk_info("trainer", "%s", spk_text_str(&line));
        spk_text_clear(&line);
    }
}

static spk_status group(spk_training *t)
{
    const spk_training_setup *s = t->setup;
    spk_yaml *exclude = NULL;
    int64_t n = 0;
    if (!t->model->parameter && (s->exclude_weight_decay || s->lr_scale || s->freeze_steps))
        return spk_fail(
            SPK_E_UNSUPPORTED,
            "exclude_weight_decay, lr_scale and freeze_steps go by the names of parameters, which this model "
            "does not tell");
    if (!t->model->parameter) return SPK_OK;
    SPK_TRY(read_conf(s->exclude_weight_decay_conf, "exclude_weight_decay_conf", &exclude));
    spk_optim_param *params = list_parameters(t->model, &n);
    const spk_status status =
        spk_optim_set_groups(t->optim, params, n,
                             &(spk_optim_group_conf){.exclude_weight_decay = s->exclude_weight_decay,
                                                     .exclude_weight_decay_conf = exclude,
                                                     .lr_scale = s->lr_scale,
                                                     .freeze_steps = s->freeze_steps});
    spk_free(params);
    spk_yaml_free(exclude);
    if (status == SPK_OK) say_groups(t->optim);
    return status;
}

spk_dtype spk_training_blocks(const spk_training *t, void **parameters, void **gradients, int64_t *n)
{
    const spk_model *m = t->model;
    float *p = NULL, *g = NULL;
    double *wide_p = NULL, *wide_g = NULL;
    const spk_device *device;
    if (t->there)
        m->blocks_there(m->self, true, &device, &p, &g, n);
    else if (m->blocks)
        m->blocks(m->self, &p, &g, n);
    else
        m->blocks_f64(m->self, &wide_p, &wide_g, n);
    *parameters = m->blocks ? (void *)p : wide_p;
    *gradients = m->blocks ? (void *)g : wide_g;
    return m->blocks ? SPK_F32 : SPK_F64;
}

/* Of a model on a GPU: all that a step needs stays there, where nothing is to be done with gradients here. */
static spk_status stay_there(spk_training *t)
{
    const spk_model *m = t->model;
    const spk_device *device;
    float *parameters, *gradients;
    int64_t n;
    if (!m->blocks_there || t->ranks || t->setup->grad_noise || !spk_optim_fits_device(t->optim)) return SPK_OK;
    m->blocks_there(m->self, true, &device, &parameters, &gradients, &n);
    SPK_TRY(spk_optim_use_device(t->optim, device));
    t->there = true;
    return SPK_OK;
}

spk_status spk_rates_open(spk_training *t)
{
    const spk_training_setup *s = t->setup;
    void *parameters, *gradients;
    int64_t n = 0;
    spk_yaml *optim_conf = NULL, *scheduler_conf = NULL;
    spk_status status = SPK_OK;
    const spk_dtype real = spk_training_blocks(t, &parameters, &gradients, &n);
    SPK_GO(read_conf(s->optim_conf, "optim_conf", &optim_conf));
    SPK_GO(read_conf(s->scheduler_conf, "scheduler_conf", &scheduler_conf));
    SPK_GO(spk_optim_new_of(s->optim, optim_conf, real, n, &t->optim));
    SPK_GO(group(t));
    SPK_GO(spk_scheduler_new(s->scheduler, scheduler_conf, spk_optim_lr(t->optim), &t->scheduler));
    SPK_GO(spk_ranks_shard(t));
    SPK_GO(spk_scheduler_bind(t->scheduler, t->optim));
    SPK_GO(stay_there(t));
done:
    spk_yaml_free(optim_conf);
    spk_yaml_free(scheduler_conf);
    return status;
}

/* ---- the whole training ---- */

/* The ends of cycles up to `total`, what the family counts. */
static void list_ends(const spk_scheduler *s, bool epochs, int64_t total, spk_text *line)
{
    enum { SHOWN = 6 };
    int64_t from = 0, to = 0;
    for (int i = 0; i < SHOWN && to < total; i++) {
        if (!spk_scheduler_cycle(s, epochs ? (spk_schedule_place){0, to} : (spk_schedule_place){to, 0}, &from, &to))
            return;
        spk_text_addf(line, "%s%" PRId64,
                      i        ? ", "
                      : epochs ? "; the schedule's cycles end with epochs "
                               : "; the schedule's cycles end at steps ",
                      to);
    }
    if (to < total) spk_text_add(line, ", ...");
}

void spk_rates_outlook(const spk_training *t)
{
    const bool epochs = spk_scheduler_kind_of(t->scheduler) == SPK_SCHEDULE_EPOCH;
    const int64_t a = t->setup->accum_grad, steps = (t->n_batches + a - 1) / a;
    const int64_t all = steps * t->setup->max_epoch, total = epochs ? t->setup->max_epoch : all;
    int64_t from, to;
    spk_text line = {0};
    if (t->epoch != 1 || steps <= 0) return;
    spk_text_addf(&line, "%" PRId64 " steps an epoch, %" PRId64 " in %" PRId64 " epochs", steps, all,
                  t->setup->max_epoch);
    list_ends(t->scheduler, epochs, total, &line);
    spk_info("trainer", "%s", spk_text_str(&line));
    spk_text_clear(&line);
    const spk_schedule_place last = {all - 1, t->setup->max_epoch - 1};
    if (spk_scheduler_cycle(t->scheduler, last, &from, &to) && from > 0 && 10 * (total - from) < to - from)
        spk_warn("trainer",
                 "the training ends %" PRId64 " %s into a cycle of the schedule that has %" PRId64
                 ": its last rates are not "
                 "the low ones of a cycle's end; choose other cycles or another max_epoch",
                 total - from, epochs ? "epochs" : "steps", to - from);
}

/* ---- a step ---- */

double spk_rates_norm(spk_training *t, void *gradients)
{
    if (t->setup->grad_noise) /* by batches, as there */
        spk_optim_add_noise(t->optim, gradients, (uint64_t)t->setup->options.seed, t->step * t->setup->accum_grad);
    return spk_classes_norm(t, gradients);
}

double spk_rates_next(spk_training *t)
{
    return spk_scheduler_apply(t->scheduler, t->optim, (spk_schedule_place){t->step, t->epoch - 1});
}

spk_status spk_rates_register(spk_training *t, double rate)
{
    for (int i = 0; i < spk_optim_n_groups(t->optim); i++) {
        const spk_optim_group *g = spk_optim_group_at(t->optim, i);
        char name[32];
        snprintf(name, sizeof name, "optim0_lr%d", i);
        const bool moved = t->step > g->freeze_steps; /* in the step that is done */
        const spk_stat one = {name, moved ? rate * g->lr_scale : 0, false};
        SPK_TRY(spk_reporter_register(t->reporter, &one, 1, 0.0));
    }
    return SPK_OK;
}

/* ---- an epoch's end ---- */

void spk_rates_epoch_done(spk_training *t, int64_t epoch, bool again)
{
    const spk_criterion *c = &t->setup->val_scheduler_criterion;
    double value;
    if (spk_scheduler_kind_of(t->scheduler) != SPK_SCHEDULE_VALUE) return;
    if (!spk_reporter_get(t->reporter, epoch, c->phase, c->key, &value)) {
        if (!again)
            spk_warn("trainer", "val_scheduler_criterion: epoch %" PRId64 " has no %s.%s: the rate stays", epoch,
                     c->phase, c->key);
        return;
    }
    if (spk_scheduler_take_value(t->scheduler, value) && !again)
        spk_info("trainer", "%s.%s stands still: the learning rate is %g from epoch %" PRId64 " on", c->phase, c->key,
                 spk_scheduler_lr(t->scheduler, (spk_schedule_place){INT64_MAX - 1, epoch}), epoch + 1);
}
