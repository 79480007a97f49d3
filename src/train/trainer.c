/* SPDX-License-Identifier: Apache-2.0 */
/* The generic trainer: set-up, the order of operations within an epoch, the files at its end, when to stop. */
#include "spk/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "formats/yaml_impl.h"
#include "optim/optim_impl.h"
#include "train/average_impl.h"
#include "train/checkpoint_impl.h"
#include "train/classes_impl.h"
#include "train/embed_impl.h"
#include "train/init_param_impl.h"
#include "train/midway_impl.h"
#include "train/plot_impl.h"
#include "train/ranks_impl.h"
#include "train/rates_impl.h"
#include "train/read_only_impl.h"
#include "train/reporter_impl.h"
#include "train/swa_impl.h"
#include "train/tracks_impl.h"
#include "train/validation_impl.h"

static const spk_criterion valid_eer = {"valid", "eer", "min"};

void spk_training_defaults(spk_training_setup *setup)
{
    *setup = (spk_training_setup){.grad_clip = 5.0,
                                  .grad_clip_type = 2.0,
                                  .accum_grad = 1,
                                  .checkpoint_interval = 10,
                                  .max_epoch = 40,
                                  .max_skipped_steps = 20,
                                  .patience = -1,
                                  .early_stopping = valid_eer,
                                  .val_scheduler_criterion = valid_eer,
                                  .best_model_criterion = &valid_eer,
                                  .n_best_model_criterion = 1,
                                  .keep_nbest_models = 10,
                                  .tensorboard = true,
                                  .plots = true,
                                  .optim = "adam"};
}

/* ---- tables of hooks ---- */

spk_status spk_trainer_validate_hook(spk_training *t, spk_iterator *iterator)
{
    spk_validation v = {0};
    SPK_TRY(
        spk_trainer_validate_scores(t->model, iterator, NULL, &t->setup->options, &t->setup->distributed_option, &v));
    const spk_status status = spk_register_figures(t->reporter, &v, t->valid_set);
    if (t->valid_set) { /* pictures are of the first set */
        spk_validation_clear(&v);
    } else {
        spk_validation_clear(&t->validation);
        t->validation = v;
    }
    return status;
}

spk_trainer_hooks spk_trainer_generic_hooks(void)
{
    return (spk_trainer_hooks){
        .name = "trainer", .train_one_epoch = spk_trainer_train_one_epoch, .train_step = spk_trainer_train_step};
}

spk_trainer_hooks spk_trainer_speaker_hooks(void)
{
    spk_trainer_hooks hooks = spk_trainer_generic_hooks();
    hooks.name = "spk_trainer";
    hooks.validate_one_epoch = spk_trainer_validate_hook;
    return hooks;
}

/* ---- set-up ---- */

static char *snapshot_path(const spk_training *t)
{
    char *name = spk_strf("%" PRId64 "epoch.pth", t->epoch), *path = spk_path_join(t->setup->output_dir, name);
    spk_free(name);
    return path;
}

/* The epoch's Nepoch.pth where it is gone: of the checkpoint before the last, it may have been removed already. */
static spk_status renew_snapshot(spk_training *t)
{
    spk_status status = SPK_OK;
    spk_tensors state = {0};
    char *path = snapshot_path(t);
    if (!spk_exists(path)) {
        SPK_GO(spk_classes_save(t, &state));
        SPK_GO(spk_pth_write(path, &state));
    }
done:
    spk_tensors_clear(&state);
    spk_free(path);
    return status;
}

/* *before: from the checkpoint before the last, which is damaged or gone. */
static spk_status resume(spk_training *t, bool *before)
{
    const char *folder = t->setup->output_dir;
    spk_checkpoint c = {0};
    SPK_TRY(spk_checkpoint_read(folder, t->setup->resume_previous, &c));
    const bool is_before = spk_ends_with(c.path, SPK_CHECKPOINT_PREV_NAME);
    const spk_status status = spk_checkpoint_apply(&c, t);
    spk_checkpoint_clear(&c);
    SPK_TRY(status);
    *before = is_before;
    for (int64_t e = 1; e < t->epoch + (t->stage == SPK_STAGE_DONE); e++)
        spk_rates_epoch_done(t, e, true);
    return SPK_OK;
}

/* What rank 0 does to the folder when all have read from it. */
static spk_status settle_resumed(spk_training *t, bool before)
{
    const char *folder = t->setup->output_dir;
    if (before) spk_checkpoint_set_aside(folder);
    if (t->stage != SPK_STAGE_DONE) return SPK_OK; /* the epoch before has been settled */
    SPK_TRY(renew_snapshot(t));
    return spk_folder_settle(folder, t, t->epoch, NULL);
}

/* Everything that is read: the same on all ranks. */
static spk_status load(spk_training *t, bool going_on, bool *before)
{
    const spk_training_setup *s = t->setup;
    SPK_TRY(spk_rates_open(t));
    if (going_on) SPK_TRY(resume(t, before));
    const spk_class_names speakers = {s->n_speakers, s->speakers};
    for (int64_t i = 0; !going_on && i < s->n_init_param; i++)
        SPK_TRY(spk_init_param_apply(t->model, s->init_param[i], &speakers, s->ignore_init_mismatch));
    return SPK_OK;
}

/* The folder of a run that begins or goes on; rank 0's work. */
static spk_status open_folder(spk_training *t, bool going_on, bool before)
{
    const spk_training_setup *s = t->setup;
    if (going_on) SPK_TRY(settle_resumed(t, before));
    if (!going_on) SPK_TRY(spk_folder_clear(s->output_dir));
    if (s->config_text) SPK_TRY(spk_folder_write_config(s->output_dir, s->config_text));
    if (s->n_speakers) SPK_TRY(spk_folder_write_speakers(s->output_dir, s->n_speakers, s->speakers));
    t->tracks = spk_tracks_open(t, going_on ? t->metrics_length : -1);
    return SPK_OK;
}

/* All that can fail because of what was asked for comes before the first file of the run is written. */
static spk_status prepare(spk_training *t)
{
    bool before = false;
    SPK_TRY(spk_ranks_open(t));
    const bool going_on = t->setup->resume && spk_checkpoint_exists(t->setup->output_dir);
    SPK_TRY(spk_ranks_agree(t, load(t, going_on, &before)));
    SPK_TRY(spk_ranks_check(t));
    if (going_on && spk_classes_divided(t))
        SPK_TRY(spk_classes_collect(t, false)); /* a snapshot may have to be renewed */
    const spk_status status = spk_ranks_agree(t, spk_ranks_first(t) ? open_folder(t, going_on, before) : SPK_OK);
    spk_ranks_dismiss(t);
    return status;
}

static spk_status check_setup(const spk_trainer_hooks *hooks, const spk_training_setup *s)
{
    SPK_ASSERT(hooks && hooks->train_one_epoch && hooks->train_step && "a table of hooks is needed");
    SPK_ASSERT(s->model && s->model->forward_backward && (s->model->blocks || s->model->blocks_f64) &&
               s->model->save_state && s->model->load_state && s->model->zero_grad && s->model->parameters_changed &&
               "the model must be one that trains");
    SPK_ASSERT(s->build_iter && s->output_dir && "data and an output folder are needed");
    SPK_TRY(spk_trainer_check_options(s->model, &s->options, &s->distributed_option));
    if (s->max_epoch < 1) return spk_fail(SPK_E_CONFIG, "max_epoch: %" PRId64 " is below 1", s->max_epoch);
    if (s->accum_grad < 1) return spk_fail(SPK_E_CONFIG, "accum_grad: %" PRId64 " is below 1", s->accum_grad);
    if (!(s->grad_clip_type > 0)) return spk_fail(SPK_E_CONFIG, "grad_clip_type: %g is not above 0", s->grad_clip_type);
    for (int i = 0; i < s->n_best_model_criterion; i++) {
        const spk_criterion *c = &s->best_model_criterion[i];
        if (strcmp(c->mode, "min") != 0 && strcmp(c->mode, "max") != 0)
            return spk_fail(SPK_E_CONFIG, "best_model_criterion: the mode of %s %s is '%s', not min or max", c->phase,
                            c->key, c->mode);
    }
    if (s->options.no_forward_run) return SPK_OK;                      /* nothing is written */
    if (!spk_comm_is_first(s->distributed_option.comm)) return SPK_OK; /* nor here */
    return spk_training_check_folder(s->output_dir, s->resume, s->overwrite);
}

/* ---- an epoch ---- */

/* A phase that a checkpoint has the beginning of runs already. */
static spk_status train_epoch(spk_training *t)
{
    if (!spk_reporter_running(t->reporter)) spk_reporter_begin_phase(t->reporter, "train");
    const spk_status status = spk_with_iterator(t, "train", t->hooks->train_one_epoch);
    if (status == SPK_OK)
        spk_reporter_end_phase(t->reporter);
    else
        spk_reporter_drop_phase(t->reporter);
    return status;
}

/* A criterion that names a value which no phase gives would never link anything: say so once. */
static void check_criteria(const spk_training *t)
{
    for (int i = 0; i < t->setup->n_best_model_criterion; i++) {
        const spk_criterion *c = &t->setup->best_model_criterion[i];
        double value;
        if (!spk_reporter_get(t->reporter, t->epoch, c->phase, c->key, &value))
            spk_warn("trainer", "best_model_criterion: there is no value %s.%s in this training, it is not used",
                     c->phase, c->key);
    }
}

static void say_epoch(spk_training *t)
{
    spk_text line = {0};
    spk_reporter_epoch_line(t->reporter, t->epoch, &line);
    spk_info("trainer", "%s", spk_text_str(&line));
    if (t->setup->epoch_line) t->setup->epoch_line(t->setup->epoch_line_user, t->epoch, spk_text_str(&line));
    spk_text_clear(&line);
}

static void draw(spk_training *t)
{
    const spk_validation *v = &t->validation;
    char what[32];
    snprintf(what, sizeof what, "epoch %" PRId64, t->epoch);
    const spk_plot_scores scores = {.scores = v->scores,
                                    .labels = v->labels,
                                    .n_trials = v->n_trials,
                                    .threshold = v->threshold_eer,
                                    .eer = v->eer,
                                    .what = what};
    if (t->plots) spk_plots_start(t->plots, t->reporter, v->n_trials ? &scores : NULL);
}

static bool averages_now(const spk_training *t)
{
    const int64_t interval = t->setup->nbest_averaging_interval;
    return interval > 0 && t->epoch % interval == 0;
}

/* Nepoch.pth, means, checkpoint, links, removals: in this order a kill at any instant loses no more than this epoch. */
static spk_status save(spk_training *t)
{
    const char *folder = t->setup->output_dir;
    spk_status status = SPK_OK;
    spk_tensors state = {0};
    spk_text updated = {0};
    char *path = snapshot_path(t);
    SPK_GO(spk_classes_save(t, &state));
    SPK_GO(spk_pth_write(path, &state));
    if (averages_now(t)) SPK_GO(spk_average_best(t, true));
    SPK_GO(spk_checkpoint_write(folder, t, &state));
    spk_ranks_dismiss(t);
    t->saved_s = spk_now();
    SPK_GO(spk_folder_settle(folder, t, t->epoch, &updated));
    if (updated.n)
        spk_info("trainer", "The best model has been updated: %s", spk_text_str(&updated));
    else
        spk_info("trainer", "There are no improvements in this epoch");
done:
    spk_text_clear(&updated);
    spk_tensors_clear(&state);
    spk_free(path);
    return status;
}

static void begin_epoch(spk_training *t)
{
    spk_reporter_set_epoch(t->reporter, t->epoch);
    t->stage = SPK_STAGE_TRAIN;
    t->batch = t->n_due = t->n_skipped = t->n_accumulated = 0;
}

/* What is left of an epoch: files and words. Rank 0's work. */
static spk_status close_epoch(spk_training *t)
{
    spk_tracks_epoch(t);
    SPK_TRY(save(t));
    say_epoch(t);
    draw(t);
    return SPK_OK;
}

/* From where t->stage says. */
static spk_status run_epoch(spk_training *t, bool first)
{
    if (t->stage == SPK_STAGE_TRAIN) SPK_TRY(train_epoch(t));
    t->stage = SPK_STAGE_VALID;
    if (t->hooks->validate_one_epoch) SPK_TRY(spk_midway_broken_off(t, spk_validate_epoch(t)));
    t->stage = SPK_STAGE_DONE;
    if (first) check_criteria(t);
    spk_rates_epoch_done(t, t->epoch, false);
    SPK_TRY(spk_ranks_collect(t));
    SPK_TRY(spk_ranks_agree(t, spk_ranks_first(t) ? close_epoch(t) : SPK_OK));
    return t->hooks->epoch_done ? t->hooks->epoch_done(t) : SPK_OK;
}

/* ---- the run ---- */

static bool stop_early(const spk_training *t)
{
    const spk_criterion *c = &t->setup->early_stopping;
    int64_t best = 0;
    if (t->setup->patience < 0 || t->epoch < 1 ||
        spk_reporter_sort(t->reporter, c->phase, c->key, c->mode, &best, 1) < 1 ||
        t->epoch - best <= t->setup->patience)
        return false;
    spk_info("trainer",
             "[Early stopping] %s.%s has not been improved %" PRId64 " epochs continuously. The training was stopped "
             "at %" PRId64 "epoch",
             c->phase, c->key, t->epoch - best, t->epoch);
    return true;
}

static void say_started(const spk_training *t, int64_t first, double start)
{
    const int64_t max = t->setup->max_epoch;
    if (t->epoch == first) {
        spk_info("trainer", "%" PRId64 "/%" PRId64 "epoch started", t->epoch, max);
        return;
    }
    spk_text span = {0};
    spk_report_timespan(&span, (spk_now() - start) / (double)(t->epoch - first) * (double)(max - t->epoch + 1));
    spk_info("trainer", "%" PRId64 "/%" PRId64 "epoch started. Estimated time to finish: %s", t->epoch, max,
             spk_text_str(&span));
    spk_text_clear(&span);
}

static spk_status make_means(spk_training *t)
{
    SPK_TRY(spk_average_best(t, false));
    SPK_TRY(spk_average_last(t));
    return spk_swa_write(t);
}

/* What is made of a training that is over. */
static spk_status finish(spk_training *t)
{
    const spk_status status = spk_ranks_first(t) ? make_means(t) : SPK_OK;
    return spk_ranks_finish(t, status);
}

static spk_status run_epochs(spk_training *t)
{
    const bool midway = t->epoch > 0 && t->stage != SPK_STAGE_DONE;
    const int64_t done = midway ? t->epoch - 1 : t->epoch, max = t->setup->max_epoch;
    const double start = spk_now();
    t->saved_s = start;
    if (done >= max) spk_warn("trainer", "The training has already reached at max_epoch: %" PRId64, done);
    if (done > 0 && done < max && !midway && stop_early(t)) return finish(t);
    for (int64_t e = done + 1; e <= max; e++) {
        if (e > done + 1 || !midway) {
            t->epoch = e;
            begin_epoch(t);
        }
        say_started(t, done + 1, start);
        const spk_status status = run_epoch(t, e == done + 1);
        spk_validation_clear(&t->validation);
        SPK_TRY(status);
        if (stop_early(t)) return finish(t);
    }
    spk_info("trainer", "The training was finished at %" PRId64 " epochs", t->epoch);
    return finish(t);
}

spk_status spk_trainer_run(const spk_trainer_hooks *hooks, const spk_training_setup *setup)
{
    spk_status status = SPK_OK;
    char *images = NULL;
    SPK_TRY(spk_comm_agree(setup->distributed_option.comm, check_setup(hooks, setup)));
    spk_training t = {.setup = setup, .hooks = hooks, .model = setup->model, .reporter = spk_reporter_new()};
    if (setup->options.no_forward_run) SPK_GO(spk_read_only(&t));
    if (setup->options.no_forward_run) goto done;
    SPK_GO(prepare(&t));
    if (setup->plots && spk_ranks_first(&t)) {
        images = spk_path_join(setup->output_dir, "images");
        t.plots = spk_plots_new(images);
    }
    SPK_GO(run_epochs(&t));
done:
    if (status != SPK_OK) { /* what ends here must not hide why */
        char *why = spk_strdup(spk_errmsg());
        spk_plots_free(t.plots);
        spk_fail(status, "%s", why);
        spk_free(why);
    } else {
        spk_plots_free(t.plots);
    }
    spk_tracks_close(t.tracks);
    spk_ranks_dismiss(&t);
    spk_ranks_close(&t);
    spk_free(images);
    spk_scheduler_free(t.scheduler);
    spk_optim_free(t.optim);
    spk_reporter_free(t.reporter);
    return status;
}
