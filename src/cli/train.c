/* SPDX-License-Identifier: Apache-2.0 */
/* A training with log file and progress bars. */
#include "cli/train_impl.h"

#include <inttypes.h>

#include "backend/backend_impl.h"

static spk_trainer_hooks base; /* the speaker trainer's table */

static spk_status train_one_epoch(spk_training *t, spk_iterator *iterator)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "epoch %" PRId64 "/%" PRId64, t->epoch, t->setup->max_epoch);
    cli_progress_prefix(prefix);
    return base.train_one_epoch(t, iterator);
}

static spk_status say_what(const spk_run *r)
{
    spk_net_info info;
    const spk_config *c = r->config;
    const int64_t samples = spk_train_set_samples(r->train);
    SPK_TRY(spk_net_describe(r->net, samples, &info));
    spk_info("train", "spk %s, %s, %s, %d threads", spk_version(), spk_backend_version(), spk_backend_isa(),
             r->n_threads);
    spk_info("train", "model: %s, %s, %s, %s, %s: %" PRId64 " parameters, %" PRId64 " values in an embedding",
             info.frontend, info.encoder, info.pooling, info.projector, info.loss, info.n_parameters,
             info.embedding_size);
    char steps[48] = "";
    if (c->num_iters_per_epoch != SPK_NONE)
        snprintf(steps, sizeof steps, ", %" PRId64 " steps an epoch", c->num_iters_per_epoch);
    spk_info("train", "training: %" PRId64 " speakers, %" PRId64 " utterances, crops of %g s%s",
             spk_train_set_n_speakers(r->train), spk_train_set_n_utterances(r->train),
             (double)samples / (double)spk_train_set_rate(r->train), steps);
    if (!r->valid) return SPK_OK;
    spk_info("train", "validation: %" PRId64 " trials over %" PRId64 " utterances, %" PRId64 " segments each",
             spk_trial_set_n_trials(r->valid), spk_trial_set_n_utterances(r->valid), c->preprocess.num_eval);
    return SPK_OK;
}

static spk_status collect_stats(spk_run *r)
{
    const spk_run_callbacks callbacks = {.progress = cli_progress};
    spk_run_stats done;
    SPK_TRY(spk_run_collect_stats(r, &callbacks, &done));
    cli_note("%s: statistics of %" PRId64 " utterances, %" PRId64 " frames; train with normalize: global_mvn and "
             "normalize_conf: {stats_file: %s}",
             done.path, done.n_utterances, done.n_frames, done.path);
    return SPK_OK;
}

static spk_status open_log(const spk_config *c)
{
    char *path = spk_path_join(c->output_dir, "train.log");
    const spk_status status = cli_log_file(path, c->overwrite && !c->resume);
    spk_free(path);
    return status;
}

spk_status train_with_view(spk_config *config, const train_view *view, bool *usage)
{
    spk_run run;
    spk_status status;
    cli_log_keep();
    SPK_TRY(spk_run_open(config, usage, &run));
    if (!config->dry_run) SPK_GO(open_log(config));
    SPK_GO(say_what(&run));
    if (view->opened) view->opened(&run);
    if (config->dry_run) goto done;
    if (config->collect_stats) {
        SPK_GO(collect_stats(&run));
        goto done;
    }

    base = spk_trainer_speaker_hooks();
    spk_trainer_hooks hooks = base;
    hooks.train_one_epoch = train_one_epoch;
    if (view->epoch_done) hooks.epoch_done = view->epoch_done;
    const spk_run_callbacks callbacks = {.progress = cli_progress, .epoch_line = view->epoch_line};
    status = spk_run_train(&run, &hooks, &callbacks);
    cli_progress_prefix(NULL);
done:
    spk_run_close(&run);
    return status;
}
