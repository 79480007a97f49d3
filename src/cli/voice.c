/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a model and embedding recordings, for the commands that compare voices. */
#include "cli/voice_impl.h"

#include <string.h>

#include "cli/eval_impl.h"

int voice_command(const spk_args_spec *spec, int argc, char **argv, voice_work *work)
{
    voice_options o;
    spk_args args;
    bool usage = false;
    int rc = cli_args(spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, cli_log_level(o.log_level));
    spk_signals_catch();
    rc = cli_failed(work(&o, &args.words, &usage));
    if (rc != CLI_OK && usage) rc = CLI_USAGE;
    spk_args_clear(&args);
    spk_opts_clear(spec->options.table, spec->options.n, &o);
    const int flushed = cli_flush(); /* what was found before a failure is printed too */
    return rc == CLI_OK ? flushed : rc;
}

spk_status voice_open(const voice_options *o, spk_embedder **e, bool *usage)
{
    eval_task task = {0};
    *e = NULL;
    if (!o->model) {
        *usage = true;
        return spk_fail(SPK_E_CONFIG, "name the model: --model EXP, the output folder of a training or a packed model");
    }
    eval_options same = {.model = o->model,
                         .spk_model_file = o->spk_model_file,
                         .channel = o->channel,
                         .allow_pipes = o->allow_pipes,
                         .threads = o->threads,
                         .num_workers = o->num_workers,
                         .ngpu = o->ngpu,
                         .use_amp = o->use_amp};
    const spk_status status = eval_open_model(&same, &task, usage);
    *e = task.embedder;
    return status;
}

spk_status voice_judge_open(const voice_options *o, const spk_embedder *e, voice_judge *j, bool *usage)
{
    const int64_t top_k = o->top_k != SPK_NONE ? o->top_k : 500;
    memset(j, 0, sizeof *j);
    if (!o->cohort && o->top_k != SPK_NONE) {
        *usage = true;
        return spk_fail(SPK_E_CONFIG, "--top_k has no effect without --cohort FILE");
    }
    SPK_TRY(spk_comparer_open(&(spk_comparer_options){o->backend, o->cohort, top_k}, &j->comparer));
    return spk_decider_open(e,
                            &(spk_decider_options){.calibration = o->calibration,
                                                   .other_scores = !spk_comparer_is_plain(&j->comparer),
                                                   .threshold = o->threshold,
                                                   .p_target = o->p_target,
                                                   .c_miss = o->c_miss,
                                                   .c_fa = o->c_fa},
                            &j->decider);
}

void voice_judge_close(voice_judge *j)
{
    spk_comparer_close(&j->comparer);
    spk_decider_close(&j->decider);
}

static spk_status take(void *user, const spk_embed_result *r)
{
    voices *v = user;
    v->good[r->index] = r->status == SPK_OK;
    if (r->status != SPK_OK) {
        v->n_failed++;
        cli_complain("%s", r->message);
        return SPK_OK;
    }
    memcpy(v->row + r->index * v->size, r->embedding, sizeof *v->row * (size_t)v->size);
    return SPK_OK;
}

spk_status voices_embed(const voice_options *o, spk_embedder *e, const spk_embed_item *items, int64_t n, voices *out)
{
    spk_speech *speech = NULL;
    *out = (voices){.n = n, .size = spk_embedder_size(e)};
    SPK_TRY(speech_open(&o->speech, &speech));
    const spk_embed_list_options how = {
        .speech = speech, .min_speech = o->speech.min_speech, .progress = n > 2 ? cli_progress : NULL};
    out->good = spk_new(sizeof *out->good * (size_t)(n + 1));
    out->row = spk_new(sizeof *out->row * (size_t)(n * out->size + 1));
    const spk_status status = spk_embed_list(e, items, n, &how, take, out, NULL);
    spk_speech_close(speech);
    return status;
}

void voices_clear(voices *v)
{
    spk_free(v->good);
    spk_free(v->row);
    *v = (voices){0};
}
