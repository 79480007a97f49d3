/* SPDX-License-Identifier: Apache-2.0 */
/* One epoch of training: batches, optimiser steps, what is registered, steps that are left out, log lines. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "optim/optim_impl.h"
#include "spk/trainer.h"
#include "train/lengths_impl.h"
#include "train/midway_impl.h"
#include "train/plot_impl.h"
#include "train/ranks_impl.h"
#include "train/rates_impl.h"
#include "train/reporter_impl.h"
#include "train/tracks_impl.h"
#include "train/work_impl.h"

/* ---- one step ---- */

static spk_status find_arrays(const spk_batch *batch, int64_t size, const spk_array **speech, const spk_array **labels)
{
    *speech = spk_batch_find(batch, "speech");
    *labels = spk_batch_find(batch, "spk_labels");
    if (!*speech || !*labels)
        return spk_fail(SPK_E_VALUE, "utterance %s: a training batch needs the arrays 'speech' and 'spk_labels'",
                        batch->n ? batch->ids[0] : "?");
    if ((*speech)->dtype != SPK_F32 || (*speech)->n_dims != (size > 0 ? 3 : 2) || (*speech)->dim[0] != batch->n ||
        (size > 0 && (*speech)->dim[2] != size))
        return spk_fail(SPK_E_SHAPE, "utterance %s: 'speech' must be float32 (%" PRId64 " items, %s)", batch->ids[0],
                        batch->n, size > 0 ? "frames, the model's features" : "samples");
    if ((*labels)->dtype != SPK_I64 || (*labels)->n_dims < 1 || (*labels)->dim[0] != batch->n)
        return spk_fail(SPK_E_SHAPE, "utterance %s: 'spk_labels' must be int64 (%" PRId64 " items, 1)", batch->ids[0],
                        batch->n);
    return SPK_OK;
}

/* A key of each item from its id, the epoch and how often it came before; without `nth` from its place as well. */
static void make_keys(const spk_training *t, const spk_batch *batch, uint64_t *keys)
{
    const spk_array *nth = spk_batch_find(batch, "nth");
    const bool known = nth && nth->dtype == SPK_I64 && nth->dim[0] == batch->n;
    for (int64_t i = 0; i < batch->n; i++) {
        const uint64_t words[4] = {spk_hash_str(batch->ids[i]), (uint64_t)t->epoch,
                                   known ? (uint64_t)((const int64_t *)nth->data)[i] : (uint64_t)t->batch,
                                   known ? 0 : (uint64_t)i + 1};
        keys[i] = spk_hash(words, sizeof words);
    }
}

static spk_status forward_backward(spk_training *t, const spk_batch *batch, const spk_array *speech,
                                   const spk_array *labels, spk_train_stats *stats)
{
    uint64_t *keys = NULL;
    if (t->model->begin_step) {
        keys = spk_new((size_t)batch->n * sizeof *keys);
        make_keys(t, batch, keys);
        const spk_step_info info = {.epoch = t->epoch,
                                    .step_in_epoch = t->batch,
                                    .steps_per_epoch = t->n_batches,
                                    .step = t->step,
                                    .seed = (uint64_t)t->setup->options.seed,
                                    .n = batch->n,
                                    .item_keys = keys};
        t->model->begin_step(t->model->self, &info);
    }
    const double scale = spk_ranks_part(t, batch) / (double)t->setup->accum_grad;
    spk_status status = spk_train_lengths(t->model, batch, speech);
    if (status == SPK_OK)
        status = t->model->forward_backward(t->model->self, speech->data, labels->data, batch->n, speech->dim[1], scale,
                                            stats);
    spk_free(keys);
    return status;
}

/* The optimiser's turn: the waiting gradients are the sum over n_accumulated batches of 1/accum_grad of each one's. */
static spk_status update(spk_training *t, spk_step *out)
{
    const spk_training_setup *s = t->setup;
    const double start = spk_now(), whole = (double)s->accum_grad / (double)t->n_accumulated;
    void *parameters = NULL, *gradients = NULL;
    int64_t n = 0;
    spk_training_blocks(t, &parameters, &gradients, &n);
    out->stepped = true;
    out->grad_norm = whole * spk_rates_norm(t, gradients);
    out->grad_norm_s = spk_now() - start;
    out->rate = spk_rates_next(t);
    out->skipped = t->bad_accumulated || !isfinite(out->grad_norm);
    t->n_accumulated = 0;
    t->bad_accumulated = false;
    if (out->skipped) return SPK_OK;
    out->clipped = s->grad_clip > 0 && out->grad_norm > s->grad_clip;
    const double factor = isfinite(s->grad_clip) ? spk_clip_factor(out->grad_norm, s->grad_clip) : 1.0;
    spk_optim_step(t->optim, parameters, gradients, out->rate, factor * whole);
    SPK_TRY(spk_ranks_hand_round(t, parameters));
    t->model->parameters_changed(t->model->self);
    t->step++;
    out->optim_step_s = spk_now() - start;
    return SPK_OK;
}

spk_status spk_trainer_train_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    const spk_array *speech, *labels;
    memset(out, 0, sizeof *out);
    SPK_TRY(find_arrays(batch, t->model->feature_size, &speech, &labels));
    const double start = spk_now();
    if (t->n_accumulated == 0) t->model->zero_grad(t->model->self);
    out->zero_grad_s = spk_now() - start;
    const bool last = t->n_accumulated + 1 == t->setup->accum_grad || t->batch + 1 == t->n_batches;
    spk_ranks_begin(t, batch, last);
    if (spk_ranks_computes(t, batch)) SPK_TRY(forward_backward(t, batch, speech, labels, &out->stats));
    out->own_loss = out->stats.loss;
    SPK_TRY(spk_ranks_end(t, batch, last, &out->stats, &out->bad_loss, &out->reduce_s));
    out->forward_s = out->stats.forward_s;
    out->backward_s = spk_now() - start - out->forward_s;
    t->n_accumulated++;
    t->bad_accumulated |= out->bad_loss;
    return last ? update(t, out) : SPK_OK;
}

/* ---- what is said of it ---- */

/* Under ESPnet's names and in its order. */
static spk_status register_step(spk_training *t, const spk_batch *batch, const spk_step *s, double train_time)
{
    const spk_stat times[] = {{"iter_time", batch->wait_s, false}, {"forward_time", s->forward_s, false}};
    const spk_stat of_batch[] = {
        {"loss", s->stats.loss, false}, {"accuracy", s->stats.accuracy, false}, {"margin", s->stats.margin, false}};
    const spk_stat backward = {"backward_time", s->backward_s, false};
    const spk_stat of_step[] = {
        {"grad_norm", s->grad_norm, false},
        {"clip", s->clipped ? 100.0 : 0.0, false},
        {"loss_scale", 1.0, false}, /* as ESPnet's, without a GradScaler: bfloat16 needs none */
        {"optim_step_time", s->optim_step_s, false},
    };
    const spk_stat span = {"train_time", train_time, false}, reduce = {"reduce_time", s->reduce_s, false};
    SPK_TRY(spk_reporter_register(t->reporter, times, 2, 0.0));
    SPK_TRY(
        spk_reporter_register(t->reporter, of_batch, s->stats.has_margin ? 3 : 2, (double)spk_ranks_items(t, batch)));
    if (t->ranks) SPK_TRY(spk_reporter_register(t->reporter, &reduce, 1, 0.0));
    SPK_TRY(spk_reporter_register(t->reporter, &backward, 1, 0.0));
    if (s->stepped && !s->skipped) {
        SPK_TRY(spk_reporter_register(t->reporter, of_step, 4, 0.0));
        SPK_TRY(spk_rates_register(t, s->rate));
        SPK_TRY(spk_reporter_register(t->reporter, &span, 1, 0.0));
    }
    spk_reporter_next(t->reporter);
    return SPK_OK;
}

/* "a, b, c and 5 more": of the items with a flag, or (items NULL) of all. */
static void add_utterances(spk_text *out, const spk_batch *batch, const bool *items)
{
    enum { SHOWN = 8 };
    int64_t n = 0;
    for (int64_t k = 0; k < batch->n; k++) {
        if (items && !items[k]) continue;
        if (n < SHOWN) spk_text_addf(out, "%s%s", n ? ", " : "", batch->ids[k]);
        n++;
    }
    if (n > SHOWN) spk_text_addf(out, " and %" PRId64 " more", n - SHOWN);
}

static spk_status say_skipped(const spk_training *t, const spk_batch *batch, const spk_step *s, int64_t i)
{
    spk_text text = {0};
    char *told = NULL;
    const bool loss = s->bad_loss;
    spk_text_addf(&text, "the %s is %g: the model is not updated (utterances ", loss ? "loss" : "norm of the gradient",
                  loss ? s->own_loss : s->grad_norm);
    add_utterances(&text, batch, NULL);
    if (t->ranks) spk_text_addf(&text, " of rank %d", t->setup->distributed_option.dist_rank);
    if (t->ranks && !loss) spk_text_add(&text, ", and the other ranks' ");
    spk_text_add(&text, ")");
    const spk_status status = spk_ranks_tell(t, spk_text_str(&text), &told);
    if (told) spk_warn("trainer", "%" PRId64 "epoch, batch %" PRId64 ": %s", t->epoch, i, told);
    spk_free(told);
    spk_text_clear(&text);
    return status;
}

/* detect_anomaly: where the first value that is not finite came from. */
static spk_status name_anomaly(const spk_training *t, const spk_batch *batch, bool *found)
{
    const spk_array *speech = spk_batch_find(batch, "speech"), *labels = spk_batch_find(batch, "spk_labels");
    char what[512] = "";
    spk_text ids = {0};
    SPK_TRY(spk_train_lengths(t->model, batch, speech));
    bool *items = spk_new((size_t)batch->n * sizeof *items), any = false;
    *found = t->model->find_anomaly && t->model->find_anomaly(t->model->self, speech->data, labels->data, batch->n,
                                                              speech->dim[1], what, sizeof what, items);
    for (int64_t i = 0; i < batch->n; i++)
        any |= items[i];
    add_utterances(&ids, batch, any ? items : NULL);
    const spk_status status = spk_fail(
        SPK_E_VALUE, "%" PRId64 "epoch, batch %" PRId64 ": detect_anomaly: %s%s; utterances %s", t->epoch, t->batch,
        *found ? "the first value that is not finite is in "
               : "no op of the batch has a value that is not finite alone",
        what, spk_text_str(&ids));
    spk_text_clear(&ids);
    spk_free(items);
    return status;
}

/* Of several processes only some may have met it. */
static spk_status end_anomaly(const spk_training *t, const spk_batch *batch)
{
    bool found = false;
    const spk_status status = name_anomaly(t, batch, &found);
    char *message = spk_strdup(spk_errmsg());
    const spk_status known = spk_ranks_agree(t, found ? status : SPK_OK);
    if (known == SPK_OK) spk_fail(status, "%s", message);
    spk_free(message);
    return known == SPK_OK ? spk_ranks_agree(t, status) : known;
}

static void say_window(spk_training *t, int64_t n)
{
    spk_text line = {0};
    spk_reporter_window_line(t->reporter, n, &line);
    if (line.n) spk_info("trainer", "%s", spk_text_str(&line));
    spk_text_clear(&line);
    spk_tracks_window(t, n);
    if (t->plots) spk_plots_poll(t->plots);
}

static int64_t choose_interval(const spk_training *t, const spk_iterator *iterator)
{
    const int64_t asked = t->setup->log_interval > 0 ? t->setup->log_interval : t->setup->options.log_interval;
    if (asked > 0) return asked;
    if (iterator->n_batches < 0) return 100;
    return iterator->n_batches / 20 > 10 ? iterator->n_batches / 20 : 10;
}

/* ---- the epoch ---- */

/* Steps in a row that were left out end the training before it runs for nothing. */
static spk_status count_step(spk_training *t, const spk_step *s)
{
    const int64_t most = t->setup->max_skipped_steps;
    if (!s->stepped) return SPK_OK;
    t->n_due++;
    t->n_in_a_row = s->skipped ? t->n_in_a_row + 1 : 0;
    t->n_skipped += s->skipped;
    if (most > 0 && t->n_in_a_row >= most)
        return spk_fail(SPK_E_VALUE,
                        "%" PRId64 "epoch: %" PRId64 " steps in a row had a loss or gradient that is not finite; the "
                        "training is stopped: lower the learning rate or look at the utterances in the log",
                        t->epoch, t->n_in_a_row);
    return SPK_OK;
}

static spk_status check_epoch(const spk_training *t)
{
    if (t->batch == 0) return spk_fail(SPK_E_VALUE, "%" PRId64 "epoch: the training data gave no batches", t->epoch);
    if (t->n_skipped == t->n_due)
        return spk_fail(SPK_E_VALUE,
                        "The gradients at all steps are invalid in this epoch. Something seems wrong. This training "
                        "was stopped at %" PRId64 "epoch: lower the learning rate or look at the utterances in the log",
                        t->epoch);
    return SPK_OK;
}

/* An epoch whose beginning was trained before the run was resumed: its batches are passed over, not trained again. */
static spk_status pass_over(const spk_training *t, spk_iterator *iterator)
{
    const spk_batch *batch = NULL;
    if (t->batch > 0 && iterator->skip) return iterator->skip(iterator->self, t->batch);
    for (int64_t i = 0; i < t->batch; i++)
        SPK_TRY(iterator->next(iterator->self, &batch));
    return SPK_OK;
}

static spk_status run_batch(spk_training *t, const spk_batch *batch, int64_t interval, double *before)
{
    const spk_trainer_options *options = &t->setup->options;
    spk_step step = {0};
    SPK_TRY(t->hooks->train_step(t, batch, &step));
    const double now = spk_now();
    const int64_t n = ++t->batch;
    const bool bad = step.skipped || step.bad_loss;
    if (bad && t->setup->detect_anomaly) return end_anomaly(t, batch);
    if (bad) SPK_TRY(say_skipped(t, batch, &step, n));
    SPK_TRY(register_step(t, batch, &step, now - *before));
    if (step.stepped) *before = now;
    SPK_TRY(count_step(t, &step));
    if (n % interval == 0 && spk_ranks_first(t)) say_window(t, interval);
    if (options->progress) options->progress(options->user, "train", n, t->n_batches);
    return SPK_OK;
}

/* Where nobody knew that the last batch was the last. */
static spk_status step_rest(spk_training *t)
{
    spk_step step = {0};
    if (t->n_accumulated == 0) return SPK_OK;
    SPK_TRY(spk_ranks_sum(t));
    SPK_TRY(update(t, &step));
    return count_step(t, &step);
}

static spk_status run_epoch(spk_training *t, spk_iterator *iterator)
{
    const int64_t interval = choose_interval(t, iterator);
    const spk_batch *batch = NULL;
    double before = spk_now();
    t->n_batches = iterator->n_batches;
    SPK_TRY(pass_over(t, iterator));
    spk_rates_outlook(t);
    if (t->batch > 0) SPK_TRY(spk_midway(t)); /* a validation that a signal broke off */
    for (;;) {
        SPK_TRY(spk_ranks_meet(t, iterator->next(iterator->self, &batch), &batch));
        if (!batch) break;
        SPK_TRY(run_batch(t, batch, interval, &before));
        if (t->n_accumulated == 0) SPK_TRY(spk_midway(t));
    }
    SPK_TRY(step_rest(t));
    return check_epoch(t);
}

spk_status spk_trainer_train_one_epoch(spk_training *t, spk_iterator *iterator)
{
    spk_work_batch work = {t, iterator};
    spk_comm *comm = spk_ranks_comm(t);
    const spk_comm_work before = spk_comm_working(comm, (spk_comm_work){spk_work_of_batch, &work});
    const spk_status status = run_epoch(t, iterator);
    spk_comm_working(comm, before);
    return status;
}
