/* SPDX-License-Identifier: Apache-2.0 */
/* A training with log file and progress bars. */
#include "cli/train_impl.h"

#include <inttypes.h>

#include "backend/backend_impl.h"
#include "comm/comm_impl.h"
#include "model/net_impl.h"

static spk_trainer_hooks base; /* the speaker trainer's table */

/* ---- where the time of an epoch's steps goes ---- */

static struct {
    spk_net *net; /* NULL: nobody wants to know */
    int64_t n;
    double wait, zero, norm, optim; /* seconds of the epoch so far */
} clocks;

static spk_status train_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    const spk_status status = base.train_step(t, batch, out);
    if (status != SPK_OK) return status;
    train_figures_step(t, batch, out);
    clocks.n++;
    clocks.wait += batch->wait_s;
    clocks.zero += out->zero_grad_s;
    clocks.norm += out->grad_norm_s;
    if (!out->skipped) clocks.optim += out->optim_step_s - out->grad_norm_s;
    return status;
}

static void print_profile(int64_t epoch, double seconds)
{
    char title[32];
    spk_text text = {0};
    spk_profile profile = {0};
    const spk_profile_rest rest[] = {{"waiting for the loader", clocks.wait},
                                     {"clearing gradients", clocks.zero},
                                     {"norm of the gradients, for clipping", clocks.norm},
                                     {"optimiser", clocks.optim}};
    snprintf(title, sizeof title, "epoch %" PRId64, epoch);
    const spk_profile_steps steps = {
        .title = title, .n = clocks.n, .seconds = seconds, .rest = rest, .n_rest = SPK_COUNT(rest)};
    spk_net_profile_take(clocks.net, &profile);
    spk_profile_print(&profile, &steps, &text);
    cli_lock();
    cli_progress_clear();
    fputs(spk_text_str(&text), stdout);
    fflush(stdout);
    cli_unlock();
    spk_text_clear(&text);
    spk_profile_clear(&profile);
}

static spk_status train_one_epoch(spk_training *t, spk_iterator *iterator)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "epoch %" PRId64 "/%" PRId64, t->epoch, t->setup->max_epoch);
    cli_progress_prefix(prefix);
    train_figures_begin();
    if (!clocks.net) {
        const spk_status plain = base.train_one_epoch(t, iterator);
        cli_progress_suffix(NULL);
        return plain;
    }
    clocks.n = 0;
    clocks.wait = clocks.zero = clocks.norm = clocks.optim = 0;
    spk_net_profile(clocks.net, true);
    const double start = spk_now();
    const spk_status status = base.train_one_epoch(t, iterator);
    cli_progress_suffix(NULL);
    if (status == SPK_OK) print_profile(t->epoch, spk_now() - start);
    spk_net_profile(clocks.net, false);
    return status;
}

/* ---- the training ---- */

static spk_status say_what(const spk_run *r)
{
    spk_net_info info;
    const spk_config *c = r->config;
    const int64_t samples = spk_train_set_samples(r->train);
    SPK_TRY(spk_net_describe(r->net, samples, &info));
    const int size = spk_comm_size(r->comm);
    char ranks[64] = "";
    if (size > 1) snprintf(ranks, sizeof ranks, " for each of %d processes", size);
    spk_info("train", "spk %s, %s, %s, %d threads%s", spk_version(), spk_backend_version(), spk_backend_isa(),
             r->n_threads, ranks);
    double gigabytes;
    const char *gpu = spk_net_gpu(r->net, &gigabytes);
    if (gpu)
        spk_info("train", "GPU: %s%s", gpu, c->use_amp ? ", in bfloat16" : c->use_tf32 ? ", in TensorFloat32" : "");
    spk_info("train", "model: %s, %s, %s, %s, %s: %" PRId64 " parameters, %" PRId64 " values in an embedding",
             info.frontend, info.encoder, info.pooling, info.projector, info.loss, info.n_parameters,
             info.embedding_size);
    char steps[48] = "";
    if (c->num_iters_per_epoch != SPK_NONE && !spk_ends_with(c->iterator_type, "chunk")) /* of chunks it counts crops */
        snprintf(steps, sizeof steps, ", %" PRId64 " steps an epoch", c->num_iters_per_epoch);
    const bool whole = !c->use_preprocessor && !c->collect_stats;
    char crops[48] = "whole", segments[48] = "whole";
    if (!whole) {
        snprintf(crops, sizeof crops, "crops of %g s", (double)samples / (double)spk_train_set_rate(r->train));
        snprintf(segments, sizeof segments, "%" PRId64 " segments each", c->preprocess.num_eval);
    }
    spk_info("train", "training: %" PRId64 " speakers, %" PRId64 " utterances, %s%s",
             spk_train_set_n_speakers(r->train), spk_train_set_n_utterances(r->train), crops, steps);
    if (!r->valid) return SPK_OK;
    spk_info("train", "validation: %" PRId64 " trials over %" PRId64 " utterances, %s",
             spk_trial_set_n_trials(r->valid), spk_trial_set_n_utterances(r->valid), segments);
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
    SPK_TRY(spk_run_open_with(config, cli_comm(), usage, &run));
    if (!config->dry_run && spk_comm_is_first(run.comm)) SPK_GO(open_log(config));
    cli_team_say();
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
    hooks.train_step = train_step;
    if (view->epoch_done) hooks.epoch_done = view->epoch_done;
    clocks.net = config->profile ? run.net : NULL;
    const spk_run_callbacks callbacks = {.progress = cli_progress, .epoch_line = view->epoch_line};
    status = spk_run_train(&run, &hooks, &callbacks);
    cli_progress_prefix(NULL);
done:
    spk_run_close(&run);
    return status;
}
