/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what `spk validate` and `spk extract` work on. */
#include "cli/eval_impl.h"

#include "comm/comm_impl.h"
#include "model/net_impl.h"

#include <math.h>
#include <string.h>

void eval_start(const eval_options *o)
{
    cli_log_start(o->quiet, cli_log_level(o->log_level));
    spk_signals_catch();
    spk_comm_timeout(cli_comm(), o->dist_timeout);
    spk_comm_where(cli_comm(), "at the start");
}

static spk_status wrong(bool *usage, const char *text)
{
    *usage = true;
    return spk_fail(SPK_E_CONFIG, "%s", text);
}

/* Commands without the option compute in float. */
static bool in_double(const eval_options *o)
{
    return o->train_dtype && strcmp(o->train_dtype, "float64") == 0;
}

spk_status eval_open_model(const eval_options *o, eval_task *t, bool *usage)
{
    spk_embedder_options options;
    int64_t channel = SPK_NONE;
    if (!o->model && !o->spk_train_config)
        return wrong(usage,
                     "name the model: --model EXP, or --spk_train_config CONFIG.yaml --spk_model_file WEIGHTS.pth");
    if (o->model && o->spk_train_config)
        return wrong(usage, "--model and --spk_train_config both name a configuration; give one of them");
    if (o->use_amp && in_double(o))
        return wrong(usage, "--use_amp asks for bfloat16 and --train_dtype for float64; give one of them");
    if (spk_channel_parse(o->channel, NULL, &channel) != SPK_OK) {
        *usage = true;
        return SPK_E_CONFIG;
    }
    spk_embedder_options_init(&options);
    options.n_threads = cli_threads(o->threads);
    cli_team_say();
    options.bf16 = o->use_amp;
    SPK_TRY(spk_comm_gpu(cli_comm(), o->ngpu, "--ngpu", &options.gpu));
    options.f64 = in_double(o);
    options.n_loaders = (int)o->num_workers;
    options.model_file = o->spk_model_file;
    options.channel = cli_audio(0, channel).channel;
    SPK_TRY(spk_embedder_open(o->model ? o->model : o->spk_train_config, &options, &t->embedder));
    t->embedder->audio.allow_pipes = o->allow_pipes;
    spk_info("model", "%s, %lld values in an embedding, %lld Hz", spk_embedder_model_file(t->embedder),
             (long long)spk_embedder_size(t->embedder), (long long)spk_embedder_sample_rate(t->embedder));
    return SPK_OK;
}

spk_status eval_open_data(const eval_options *o, bool utterances_only, bool as_trained, eval_task *t, bool *usage)
{
    const spk_config *c = &t->embedder->config;
    spk_trial_set_options s;
    if (o->data.n == 0 && !o->valid_dir)
        return wrong(usage, "name the data: --valid_dir FOLDER, or --data_path_and_name_and_type PATH,NAME,TYPE");
    if (o->data.n > 0 && o->valid_dir)
        return wrong(usage, "--valid_dir and --data_path_and_name_and_type both name data; give one of them");
    spk_trial_set_options_init(&s);
    t->target_duration = !isnan(o->target_duration) ? o->target_duration
                         : as_trained               ? c->preprocess.target_duration
                                                    : 3;
    t->num_eval = o->num_eval != SPK_NONE ? o->num_eval : as_trained ? c->preprocess.num_eval : 10;
    s.whole = as_trained && !c->use_preprocessor && isnan(o->target_duration) && o->num_eval == SPK_NONE;
    t->batch_size = o->valid_batch_size != SPK_NONE ? o->valid_batch_size : 20;
    spk_data_list *lists = cli_lists(&o->data);
    s.lists = lists;
    s.n_lists = o->data.n;
    s.dir = o->valid_dir;
    s.utterances_only = utterances_only;
    s.audio = t->embedder->audio;
    s.target_duration = t->target_duration;
    s.num_eval = t->num_eval;
    s.batch_size = t->batch_size;
    s.num_workers = (int)o->num_workers;
    if (s.whole) t->num_eval = 0;
    spk_status status = spk_trial_set_open(&s, &t->set);
    spk_free(lists);
    if (status != SPK_OK) return status;
    t->distributed = spk_distributed(cli_comm());
    t->options = (spk_trainer_options){.sample_rate = s.audio.sample_rate, .progress = cli_progress};
    return spk_trial_iterator(t->set, &t->iterator);
}

/* ---- are they alike? ---- */

static spk_status sum_of_model(const eval_task *t, uint64_t *sum)
{
    spk_tensors state = {0};
    SPK_TRY(spk_params_save(spk_net_params(t->embedder->net), &state));
    for (int64_t i = 0; i < state.n; i++) {
        const spk_ndarray *a = &state.item[i].a;
        *sum = *sum * 31 + spk_hash(a->data, (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype));
    }
    spk_tensors_clear(&state);
    return SPK_OK;
}

static uint64_t sum_of_data(const spk_trial_set *s)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < spk_trial_set_n_utterances(s); i++)
        sum = sum * 31 + spk_hash_str(spk_trial_set_utterance(s, i));
    for (int64_t i = 0; i < spk_trial_set_n_trials(s); i++) {
        const spk_trial *x = &spk_trial_set_trials(s)[i];
        sum = ((sum * 31 + (uint64_t)x->enroll) * 31 + (uint64_t)x->test) * 31 + (uint64_t)x->label;
    }
    return sum;
}

spk_status eval_same(const eval_task *t)
{
    spk_comm *comm = cli_comm();
    uint64_t sum = 0;
    char text[96];
    if (spk_comm_size(comm) == 1) return SPK_OK;
    SPK_TRY(spk_comm_same(comm, "program", spk_version()));
    SPK_TRY(spk_comm_agree(comm, sum_of_model(t, &sum)));
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    SPK_TRY(spk_comm_same(comm, "model's sum of weights", text));
    if (!t->set) return SPK_OK;
    snprintf(text, sizeof text, "%lld utterances and %lld trials (sum %08x)",
             (long long)spk_trial_set_n_utterances(t->set), (long long)spk_trial_set_n_trials(t->set),
             (unsigned)(sum_of_data(t->set) >> 32));
    return spk_comm_same(comm, "data", text);
}

void eval_close(eval_task *t)
{
    spk_iterator_close(t->iterator);
    spk_trial_set_close(t->set);
    spk_embedder_close(t->embedder);
    spk_speech_close(t->speech);
    memset(t, 0, sizeof *t);
}
