/* SPDX-License-Identifier: Apache-2.0 */
/* Validation over one or several sets, at an epoch's end and within one. */
#include "train/validation_impl.h"

#include <inttypes.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "train/ranks_impl.h"
#include "train/reporter_impl.h"
#include "train/tracks_impl.h"

spk_status spk_register_figures(spk_reporter *reporter, const spk_validation *v, const char *set)
{
    enum { N = 13 };
    spk_stat stats[N] = {
        {"eer", v->eer, false},
        {"mindcf", v->mindcf, false},
        {"n_trials", (double)v->n_trials, true},
        {"trg_mean", v->trg_mean, false},
        {"trg_std", v->trg_std, false},
        {"nontrg_mean", v->nontrg_mean, false},
        {"nontrg_std", v->nontrg_std, false},
        {"eer_espnet", v->eer_espnet, false},
        {"mindcf_espnet", v->mindcf_espnet, false},
        {"mindcf_p01", v->mindcf_p01, false},
        {"threshold_eer", v->threshold_eer, false},
        {"threshold_mindcf", v->threshold_mindcf, false},
        {"threshold_mindcf_p01", v->threshold_mindcf_p01, false},
    };
    char name[N][128];
    for (int i = 0; set && i < N; i++) {
        snprintf(name[i], sizeof name[i], "%s.%s", set, stats[i].name);
        stats[i].name = name[i];
    }
    return spk_reporter_register(reporter, stats, N, 0.0);
}

spk_status spk_with_iterator(spk_training *t, const char *mode,
                             spk_status (*run)(spk_training *t, spk_iterator *iterator))
{
    const spk_training_setup *s = t->setup;
    spk_iterator *iterator = NULL;
    spk_status status = s->build_iter(s->data, mode, t->epoch, &iterator);
    if (status == SPK_OK) status = run(t, iterator);
    if (iterator && s->close_iter)
        s->close_iter(s->data, iterator);
    else if (iterator && iterator->close)
        iterator->close(iterator->self);
    return status;
}

static spk_status run_first_and_others(spk_training *t)
{
    const spk_training_setup *s = t->setup;
    SPK_TRY(spk_ranks_align(t));
    SPK_TRY(spk_with_iterator(t, "valid", t->hooks->validate_one_epoch));
    for (int i = 0; i < s->n_valid_sets; i++) {
        char *mode = spk_strf("valid:%s", s->valid_sets[i]);
        t->valid_set = s->valid_sets[i];
        const spk_status status = spk_with_iterator(t, mode, t->hooks->validate_one_epoch);
        t->valid_set = NULL;
        spk_free(mode);
        SPK_TRY(status);
    }
    return SPK_OK;
}

/* What ranks do is no longer the training's batch. */
static spk_status run_sets(spk_training *t)
{
    spk_comm *comm = spk_ranks_comm(t);
    const spk_comm_work before = spk_comm_working(comm, (spk_comm_work){0});
    const spk_status status = run_first_and_others(t);
    spk_comm_working(comm, before);
    return status;
}

spk_status spk_validate_epoch(spk_training *t)
{
    spk_reporter_begin_phase(t->reporter, "valid");
    const spk_status status = run_sets(t);
    if (status == SPK_OK)
        spk_reporter_end_phase(t->reporter);
    else
        spk_reporter_drop_phase(t->reporter);
    return status;
}

/* ---- within an epoch ---- */

static bool is_due(const spk_training *t)
{
    const int64_t interval = t->setup->valid_interval;
    return interval > 0 && t->hooks->validate_one_epoch && t->step > 0 && t->step % interval == 0 &&
           t->step != t->validated_step && t->batch != t->n_batches;
}

/* "1epoch:valid:200batch: eer=..., ..." from "1epoch results: [valid] eer=..., ...". */
static void say(const spk_training *t, const spk_reporter *r)
{
    static const char phase[] = "[valid] ";
    spk_text line = {0};
    spk_reporter_epoch_line(r, t->epoch, &line);
    const char *figures = strstr(spk_text_str(&line), phase);
    if (figures)
        spk_info("trainer", "%" PRId64 "epoch:valid:%" PRId64 "batch: %s", t->epoch, t->batch, figures + strlen(phase));
    spk_text_clear(&line);
}

/* With a reporter of its own: the running phase of the training's stays open. */
spk_status spk_validate_midway(spk_training *t)
{
    if (!is_due(t)) return SPK_OK;
    spk_reporter *epochs = t->reporter, *own = spk_reporter_new();
    spk_reporter_set_epoch(own, t->epoch);
    t->reporter = own;
    const spk_status status = spk_validate_epoch(t);
    t->reporter = epochs;
    spk_validation_clear(&t->validation);
    if (status == SPK_OK) {
        t->validated_step = t->step;
        if (spk_ranks_first(t)) say(t, own);
        spk_tracks_valid(t, own);
    }
    spk_reporter_free(own);
    return status;
}
