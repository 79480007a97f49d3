/* SPDX-License-Identifier: Apache-2.0 */
/* One epoch of training: batches, optimiser steps, what is registered, steps that are left out, log lines. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "optim/optim_impl.h"
#include "spk/trainer.h"
#include "train/plot_impl.h"
#include "train/rates_impl.h"
#include "train/reporter_impl.h"

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
    const spk_status status =
        t->model->forward_backward(t->model->self, speech->data, labels->data, batch->n, speech->dim[1], 1.0, stats);
    spk_free(keys);
    return status;
}

spk_status spk_trainer_train_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    const spk_array *speech, *labels;
    float *parameters = NULL, *gradients = NULL;
    int64_t n = 0;
    memset(out, 0, sizeof *out);
    SPK_TRY(find_arrays(batch, t->model->feature_size, &speech, &labels));
    const double start = spk_now();
    t->model->zero_grad(t->model->self);
    out->zero_grad_s = spk_now() - start;
    SPK_TRY(forward_backward(t, batch, speech, labels, &out->stats));
    const double middle = spk_now();
    t->model->blocks(t->model->self, &parameters, &gradients, &n);
    out->forward_backward_s = middle - start;
    out->grad_norm = spk_rates_norm(t, gradients);
    out->grad_norm_s = spk_now() - middle;
    out->rate = spk_rates_next(t);
    out->skipped = !isfinite(out->stats.loss) || !isfinite(out->grad_norm);
    if (out->skipped) return SPK_OK;
    out->clipped = t->setup->grad_clip > 0 && out->grad_norm > t->setup->grad_clip;
    const double factor = isfinite(t->setup->grad_clip) ? spk_clip_factor(out->grad_norm, t->setup->grad_clip) : 1.0;
    spk_optim_step(t->optim, parameters, gradients, out->rate, factor);
    t->model->parameters_changed(t->model->self);
    t->step++;
    out->optim_step_s = spk_now() - middle;
    return SPK_OK;
}

/* ---- what is said of it ---- */

static spk_status register_step(spk_training *t, const spk_batch *batch, const spk_step *s, double train_time)
{
    const spk_stat wait = {"iter_time", batch->wait_s, false};
    const spk_stat of_batch[] = {
        {"loss", s->stats.loss, false}, {"accuracy", s->stats.accuracy, false}, {"margin", s->stats.margin, false}};
    const spk_stat plain[] = {
        {"forward_backward_time", s->forward_backward_s, false},
        {"grad_norm", s->grad_norm, false},
        {"clip", s->clipped ? 100.0 : 0.0, false},
        {"optim_step_time", s->optim_step_s, false},
    };
    const spk_stat span = {"train_time", train_time, false};
    SPK_TRY(spk_reporter_register(t->reporter, &wait, 1, 0.0));
    SPK_TRY(spk_reporter_register(t->reporter, of_batch, s->stats.has_margin ? 3 : 2, (double)batch->n));
    if (!s->skipped) {
        SPK_TRY(spk_reporter_register(t->reporter, plain, 4, 0.0));
        SPK_TRY(spk_rates_register(t, s->rate));
        SPK_TRY(spk_reporter_register(t->reporter, &span, 1, 0.0));
    }
    spk_reporter_next(t->reporter);
    return SPK_OK;
}

static void say_skipped(const spk_training *t, const spk_batch *batch, const spk_step *s, int64_t i)
{
    enum { SHOWN = 8 };
    spk_text ids = {0};
    for (int64_t k = 0; k < batch->n && k < SHOWN; k++)
        spk_text_addf(&ids, "%s%s", k ? ", " : "", batch->ids[k]);
    if (batch->n > SHOWN) spk_text_addf(&ids, " and %" PRId64 " more", batch->n - SHOWN);
    const bool loss = !isfinite(s->stats.loss);
    spk_warn("trainer", "%" PRId64 "epoch, batch %" PRId64 ": the %s is %g: the model is not updated (utterances %s)",
             t->epoch, i, loss ? "loss" : "norm of the gradient", loss ? s->stats.loss : s->grad_norm,
             spk_text_str(&ids));
    spk_text_clear(&ids);
}

static void say_window(spk_training *t, int64_t n)
{
    spk_text line = {0};
    spk_reporter_window_line(t->reporter, n, &line);
    if (line.n) spk_info("trainer", "%s", spk_text_str(&line));
    spk_text_clear(&line);
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
static spk_status count_skipped(spk_training *t, const spk_step *s, int64_t *in_a_row)
{
    const int64_t most = t->setup->max_skipped_steps;
    *in_a_row = s->skipped ? *in_a_row + 1 : 0;
    t->n_skipped += s->skipped;
    if (most > 0 && *in_a_row >= most)
        return spk_fail(SPK_E_VALUE,
                        "%" PRId64 "epoch: %" PRId64 " steps in a row had a loss or gradient that is not finite; the "
                        "training is stopped: lower the learning rate or look at the utterances in the log",
                        t->epoch, *in_a_row);
    return SPK_OK;
}

static spk_status say_interrupted(const spk_training *t, int64_t n)
{
    if (t->epoch == 1)
        return spk_fail(SPK_E_INTERRUPTED,
                        "interrupted by a signal in epoch 1 after %" PRId64 " batches: nothing is saved yet", n);
    return spk_fail(SPK_E_INTERRUPTED,
                    "interrupted by a signal in epoch %" PRId64 " after %" PRId64 " batches: --resume goes on from the "
                    "end of epoch %" PRId64,
                    t->epoch, n, t->epoch - 1);
}

static spk_status check_epoch(const spk_training *t, int64_t n)
{
    if (n == 0) return spk_fail(SPK_E_VALUE, "%" PRId64 "epoch: the training data gave no batches", t->epoch);
    if (t->n_skipped == n)
        return spk_fail(SPK_E_VALUE,
                        "The gradients at all steps are invalid in this epoch. Something seems wrong. This training "
                        "was stopped at %" PRId64 "epoch: lower the learning rate or look at the utterances in the log",
                        t->epoch);
    return SPK_OK;
}

spk_status spk_trainer_train_one_epoch(spk_training *t, spk_iterator *iterator)
{
    const int64_t interval = choose_interval(t, iterator);
    const spk_trainer_options *options = &t->setup->options;
    const spk_batch *batch = NULL;
    int64_t n = 0, in_a_row = 0;
    double before = spk_now();
    t->n_batches = iterator->n_batches;
    spk_rates_outlook(t);
    for (;;) {
        spk_step step = {0};
        SPK_TRY(iterator->next(iterator->self, &batch));
        if (!batch) break;
        t->batch = n++;
        SPK_TRY(t->hooks->train_step(t, batch, &step));
        const double now = spk_now();
        if (step.skipped) say_skipped(t, batch, &step, n);
        SPK_TRY(register_step(t, batch, &step, now - before));
        before = now;
        SPK_TRY(count_skipped(t, &step, &in_a_row));
        if (n % interval == 0) say_window(t, interval);
        if (options->progress) options->progress(options->user, "train", n, iterator->n_batches);
        if (spk_interrupted()) return say_interrupted(t, n);
    }
    return check_epoch(t, n);
}
