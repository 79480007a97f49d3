/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of learning-rate schedules by ESPnet's names. A rate is a function of where the training stands (and of
 * the criterion's values so far), so a run that goes on from a checkpoint needs nothing but those. */
#include "optim/kind_impl.h"

#include <string.h>
#include <strings.h>

struct spk_scheduler {
    const spk_scheduler_kind *kind;
    void *conf;
    double lr0;
    spk_plateau plateau; /* of the family of values */
};

static double constant_lr(const void *conf, double lr0, int64_t n)
{
    (void)conf;
    (void)n;
    return lr0;
}

#define KIND(name) &spk__scheduler_##name,
#define NAME(name) #name,
#define NOTHING(name)
static const spk_scheduler_kind constant = {.name = "constant", .conf_size = 1, .lr = constant_lr};
static const spk_scheduler_kind *const kinds[] = {&constant, SPK_SCHEDULERS(KIND, NOTHING)};
static const char *const here[] = {"constant", SPK_SCHEDULERS(NAME, NOTHING)};
static const char *const known[] = {SPK_SCHEDULERS(NOTHING, NAME)};

spk_status spk__scheduler_check_last(int64_t last_epoch, const spk_yaml *map)
{
    char at[512];
    if (last_epoch == -1) return SPK_OK;
    return spk_fail(SPK_E_UNSUPPORTED, "%sscheduler_conf: last_epoch is not available in this release; leave it at -1",
                    spk_optim_where(map, "last_epoch", at));
}

static spk_status read_conf(spk_scheduler *s, const spk_yaml *map)
{
    if (s->kind == &constant) { /* ESPnet does not look at scheduler_conf where there is no scheduler */
        if (map && map->n > 0) spk_warn("optim", "scheduler_conf has no effect, as there is no scheduler");
        return SPK_OK;
    }
    SPK_TRY(spk_opts_read(s->kind->options, s->kind->n_options, map, "scheduler_conf", s->conf));
    const spk_status status = s->kind->check(s->conf, map);
    if (status != SPK_OK) spk_opts_clear(s->kind->options, s->kind->n_options, s->conf);
    return status;
}

spk_status spk_scheduler_new(const char *name, const spk_yaml *map, double lr0, spk_scheduler **out)
{
    *out = NULL;
    if (!name || strcasecmp(name, "none") == 0) name = "constant";
    for (int i = 0; i < SPK_COUNT(kinds); i++) {
        if (strcasecmp(kinds[i]->name, name) != 0) continue;
        spk_scheduler *s = spk_new(sizeof *s);
        s->kind = kinds[i];
        s->lr0 = lr0;
        s->conf = spk_new(kinds[i]->conf_size);
        const spk_status status = read_conf(s, map);
        if (status == SPK_OK) {
            if (kinds[i]->start) kinds[i]->start(s->conf, lr0, &s->plateau);
            *out = s;
        } else {
            spk_free(s->conf);
            spk_free(s);
        }
        return status;
    }
    return spk_optim_unknown("scheduler", name, known, SPK_COUNT(known), here, SPK_COUNT(here));
}

void spk_scheduler_free(spk_scheduler *s)
{
    if (!s) return;
    if (s->kind->options) spk_opts_clear(s->kind->options, s->kind->n_options, s->conf);
    spk_free(s->conf);
    spk_free(s);
}

const char *spk_scheduler_name(const spk_scheduler *s)
{
    return s->kind->name;
}

spk_scheduler_family spk_scheduler_kind_of(const spk_scheduler *s)
{
    return s->kind->family;
}

/* What the family counts: a warm-up of the family of values goes by steps. */
static int64_t count_of(const spk_scheduler *s, spk_schedule_place at)
{
    return s->kind->family == SPK_SCHEDULE_EPOCH ? at.epochs : at.steps;
}

double spk_scheduler_lr(const spk_scheduler *s, spk_schedule_place at)
{
    return s->kind->lr(s->conf, s->kind->value ? s->plateau.lr : s->lr0, count_of(s, at));
}

bool spk_scheduler_momentum(const spk_scheduler *s, spk_schedule_place at, double *momentum)
{
    return s->kind->momentum && s->kind->momentum(s->conf, count_of(s, at), momentum);
}

bool spk_scheduler_take_value(spk_scheduler *s, double value)
{
    return s->kind->value && s->kind->value(s->conf, &s->plateau, value);
}

spk_status spk_scheduler_bind(const spk_scheduler *s, spk_optim *o)
{
    double momentum;
    if (!spk_scheduler_momentum(s, (spk_schedule_place){0, 0}, &momentum)) return SPK_OK;
    return spk_optim_set_momentum(o, momentum);
}

double spk_scheduler_apply(const spk_scheduler *s, spk_optim *o, spk_schedule_place at)
{
    double momentum;
    if (spk_scheduler_momentum(s, at, &momentum)) SPK_ASSERT(spk_optim_set_momentum(o, momentum) == SPK_OK);
    return spk_scheduler_lr(s, at);
}

bool spk_scheduler_cycle(const spk_scheduler *s, spk_schedule_place at, int64_t *from, int64_t *to)
{
    if (!s->kind->cycle) return false;
    s->kind->cycle(s->conf, count_of(s, at), from, to);
    return true;
}
