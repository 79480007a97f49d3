/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to data sets, a network and a training. */
#include "train/run_impl.h"

#include <inttypes.h>
#include <string.h>

#include "backend/backend_impl.h"
#include "comm/comm_impl.h"
#include "config/args_impl.h"
#include "formats/yaml_impl.h"
#include "optim/optim_impl.h"

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value == SPK_NONE ? otherwise : value;
}

/* ---- data ---- */

static int64_t fill_lists(const spk_triple_list *from, spk_data_list *lists)
{
    for (int64_t i = 0; i < from->n; i++)
        lists[i] = (spk_data_list){from->v[i].part[0], from->v[i].part[1], from->v[i].part[2]};
    return from->n;
}

void spk_run_audio(const spk_config *c, spk_audio_options *audio)
{
    if (spk_config_feature_size(c, &audio->feature_size) != SPK_OK) audio->feature_size = 0; /* told by spk_run_open */
    audio->sample_rate = audio->feature_size > 0 ? c->preprocess.frames_per_second : c->preprocess.sample_rate;
    audio->allow_pipes = c->allow_pipes;
    audio->channel = c->i_channel == SPK_NONE ? SPK_CHANNEL_REFUSE : (int)c->i_channel;
}

void spk_run_train_options(const spk_config *c, spk_data_list *lists, spk_train_set_options *out)
{
    spk_batching batching;
    spk_config_batching(c, true, &batching);
    spk_train_set_options_init(out);
    out->n_lists = fill_lists(&c->train_data_path_and_name_and_type, lists);
    out->lists = out->n_lists ? lists : NULL;
    out->dir = c->train_dir;
    out->multiple = c->multiple_iterator;
    out->spk2utt = c->spk2utt && c->spk2utt[0] ? c->spk2utt : NULL;
    out->spk_num = or_else(c->spk_num, 0);
    spk_run_audio(c, &out->audio);
    out->target_duration = c->preprocess.target_duration;
    out->whole = !c->use_preprocessor && !c->collect_stats;
    out->batch_size = batching.batch_size;
    out->category = batching.kind == SPK_BATCH_CATBEL;
    out->per_speaker = batching.kind == SPK_BATCH_PK ? c->per_speaker : 0;
    out->drop_last_iter = batching.drop_last;
    out->rule = batching.rule;
    out->num_iters_per_epoch = or_else(c->num_iters_per_epoch, 0);
    out->seed = (uint64_t)c->seed;
    out->num_workers = (int)c->num_workers;
    out->max_bad_files = c->max_bad_files;
    if (c->collect_stats)
        out->spk_num = 0; /* of recordings as they are, with no classes of other speeds */
    else if (!out->whole)
        spk_config_augment(c, &out->augment);
}

void spk_run_trial_options(const spk_config *c, spk_data_list *lists, spk_trial_set_options *out)
{
    spk_batching batching;
    spk_config_batching(c, false, &batching);
    spk_trial_set_options_init(out);
    out->n_lists = fill_lists(&c->valid_data_path_and_name_and_type, lists);
    out->lists = out->n_lists ? lists : NULL;
    out->dir = c->valid_dir;
    spk_run_audio(c, &out->audio);
    out->target_duration = c->preprocess.target_duration;
    out->num_eval = c->preprocess.num_eval;
    out->whole = !c->use_preprocessor && !c->collect_stats;
    out->batch_size = batching.batch_size;
    out->num_workers = (int)c->num_workers;
}

static spk_status open_data(spk_run *r)
{
    const spk_config *c = r->config;
    const int64_t n_train = c->train_data_path_and_name_and_type.n, n_valid = c->valid_data_path_and_name_and_type.n;
    spk_train_set_options train;
    spk_trial_set_options valid;
    spk_batching batching;
    spk_data_list *lists = spk_new((size_t)(n_train + n_valid + 1) * sizeof *lists);
    spk_run_train_options(c, lists, &train);
    spk_run_trial_options(c, lists + n_train, &valid);
    spk_config_batching(c, true, &batching);
    if (batching.note) spk_info("trainer", "%s", batching.note);
    if (train.whole) spk_run_say_whole(c);
    spk_status status = spk_train_set_open(&train, &r->train);
    if (status == SPK_OK && (valid.dir || valid.n_lists > 0 || !c->collect_stats))
        status = spk_trial_set_open(&valid, &r->valid);
    spk_free(lists);
    return status;
}

static spk_status build_iter(void *data, const char *mode, int64_t epoch, spk_iterator **out)
{
    spk_run *r = data;
    const int rank = spk_comm_rank(r->comm), size = spk_comm_size(r->comm);
    if (strcmp(mode, "train:whole") == 0) {
        spk_train_set_share(r->train, 0, 1, false);
        const spk_status status = spk_train_iterator(r->train, epoch, out);
        spk_train_set_share(r->train, rank, size, r->config->sync_bn);
        return status;
    }
    if (strcmp(mode, "train") == 0) return spk_train_iterator(r->train, epoch, out);
    for (int i = 0; spk_starts_with(mode, "valid:") && i < r->n_valid_sets; i++)
        if (strcmp(mode + strlen("valid:"), r->valid_names[i]) == 0) return spk_trial_iterator(r->valid_sets[i], out);
    return spk_trial_iterator(r->valid, out);
}

static void close_iter(void *data, spk_iterator *iterator)
{
    (void)data;
    spk_iterator_close(iterator);
}

/* ---- opening ---- */

/* With the configuration's own nodes, so that messages name file and line. */
static spk_status check_optim(const spk_config *c)
{
    spk_scheduler *scheduler = NULL;
    const spk_optim_group_conf groups = {.exclude_weight_decay_conf = c->exclude_weight_decay_conf,
                                         .lr_scale = c->lr_scale,
                                         .freeze_steps = c->freeze_steps};
    SPK_TRY(spk_optim_check(c->optim, c->optim_conf));
    SPK_TRY(spk_optim_check_groups(&groups));
    SPK_TRY(spk_scheduler_new(c->scheduler, c->scheduler_conf, 1.0, &scheduler));
    spk_scheduler_free(scheduler);
    return SPK_OK;
}

/* The network whose features statistics are made of: not normalised yet, and never augmented. */
static spk_status net_to_frontend(spk_config *config, const spk_net_options *options, spk_net **out)
{
    char *normalize = config->normalize, *specaug = config->specaug;
    config->normalize = config->specaug = NULL;
    const spk_status status = spk_net_new(config, options, out);
    config->normalize = normalize;
    config->specaug = specaug;
    return status;
}

/* What can be wrong before anything is opened. */
static spk_status check_asked(spk_config *config, spk_comm *comm, bool *usage)
{
    int64_t feature_size;
    if (config->resume && config->resume_conf && strcmp(config->resume_conf, "old") == 0)
        SPK_TRY(spk_run_take_old(config));
    SPK_TRY(spk_run_take_init(config));
    SPK_TRY(spk_config_check(config, SPK_CONFIG_TRAIN, usage));
    if (!config->output_dir)
        return spk_fail(SPK_E_CONFIG, "output_dir: is not given: say where the training is to be written");
    SPK_TRY(check_optim(config));
    SPK_TRY(spk_config_feature_size(config, &feature_size));
    const bool collect = config->collect_stats; /* writes beside what a training writes */
    const bool writes_beside = collect || config->no_forward_run || config->dry_run;
    if (!spk_comm_is_first(comm)) return SPK_OK;
    return spk_training_check_folder(config->output_dir, config->resume || writes_beside, config->overwrite);
}

/* Data and network. */
static spk_status open_all(spk_run *run)
{
    spk_run r = *run;
    spk_status status = SPK_OK;
    spk_config *config = r.config;
    const bool collect = config->collect_stats;
    char where[512];
    int gpu = 0;
    SPK_GO(open_data(&r));
    if (r.comm) spk_train_set_share(r.train, spk_comm_rank(r.comm), spk_comm_size(r.comm), config->sync_bn);
    SPK_GO(spk_run_open_valid_sets(&r));
    if (spk_comm_is_first(r.comm)) SPK_GO(spk_run_compare_sets(&r));
    config->spk_num = spk_train_set_n_speakers(r.train);
    SPK_GO(spk_comm_gpu(r.comm, config->ngpu, spk_option_where(config->source, "ngpu", where, sizeof where), &gpu));
    const spk_net_options options = {.n_threads = r.n_threads,
                                     .f64 = strcmp(config->train_dtype, "float64") == 0,
                                     .bf16_train = config->use_amp,
                                     .gpu = gpu,
                                     .gpu_tf32 = config->use_tf32,
                                     .gpu_any_bits = !config->cudnn_deterministic,
                                     .gpu_benchmark = config->cudnn_benchmark,
                                     .gpu_no_dnn = !config->cudnn_enabled,
                                     .class_process = spk_comm_rank(r.comm),
                                     .class_processes = config->shard_classes && !collect ? spk_comm_size(r.comm) : 0};
    SPK_GO(collect ? net_to_frontend(config, &options, &r.net) : spk_net_new(config, &options, &r.net));
    if (!collect && !config->no_forward_run) SPK_GO(spk_run_check_whole(&r));
    spk_net_log_choices(r.net, config);
    spk_net_resolve(r.net, config);
done:
    *run = r;
    return status;
}

spk_status spk_run_open_with(spk_config *config, spk_comm *comm, bool *usage, spk_run *out)
{
    spk_run r = {.config = config, .comm = comm};
    spk_status status;
    int threads = 0;
    spk_comm_where(comm, "at the start");
    SPK_GO(spk_comm_agree(comm, check_asked(config, comm, usage)));
    SPK_GO(spk_run_check_team(&r));
    SPK_GO(spk_comm_threads(comm, &threads));
    r.n_threads = (int)or_else(config->num_threads, threads);
    SPK_GO(spk_comm_agree(comm, open_all(&r)));
    SPK_GO(spk_run_check_data(&r));
done:
    if (status != SPK_OK) spk_run_close(&r);
    *out = r;
    return status;
}

spk_status spk_run_open(spk_config *config, bool *usage, spk_run *out)
{
    return spk_run_open_with(config, NULL, usage, out);
}

void spk_run_close(spk_run *r)
{
    spk_net_free(r->net);
    spk_train_set_close(r->train);
    spk_trial_set_close(r->valid);
    spk_run_close_valid_sets(r);
    memset(r, 0, sizeof *r);
}

/* ---- training ---- */

static char *print_conf(const struct spk_yaml *conf)
{
    spk_text text = {0};
    if (!conf) return NULL;
    spk_yaml_print(conf, &text);
    char *copy = spk_strdup(spk_text_str(&text));
    spk_text_clear(&text);
    return copy;
}

/* ESPnet's default criteria that its speaker trainer never has a value for; it passes them over, and so do we. */
static bool is_idle(const char *phase, const char *key)
{
    static const char *const idle[][2] = {{"valid", "loss"}, {"train", "acc"}, {"valid", "acc"}};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (strcmp(phase, idle[i][0]) == 0 && strcmp(key, idle[i][1]) == 0) return true;
    return false;
}

/* The configuration's criteria, and the EER in any case: valid.eer.best.pth is what the other commands open. */
static spk_criterion *read_criteria(const spk_config *c, int *n)
{
    const spk_triple_list *from = &c->best_model_criterion;
    spk_criterion *list = spk_new((size_t)(from->n + 1) * sizeof *list);
    bool has_eer = false;
    *n = 0;
    for (int64_t i = 0; i < from->n; i++) {
        if (is_idle(from->v[i].part[0], from->v[i].part[1])) continue;
        list[(*n)++] = (spk_criterion){from->v[i].part[0], from->v[i].part[1], from->v[i].part[2]};
        has_eer |= strcmp(from->v[i].part[0], "valid") == 0 && strcmp(from->v[i].part[1], "eer") == 0;
    }
    if (!has_eer) list[(*n)++] = (spk_criterion){"valid", "eer", "min"};
    return list;
}

static int64_t most(const spk_int_list *list)
{
    int64_t largest = 1;
    for (int64_t i = 0; i < list->n; i++)
        largest = list->v[i] > largest ? list->v[i] : largest;
    return largest;
}

static void fill_setup(spk_run *r, const spk_run_callbacks *callbacks, spk_training_setup *s)
{
    const spk_config *c = r->config;
    spk_training_defaults(s);
    s->model = spk_net_model(r->net);
    s->build_iter = build_iter;
    s->close_iter = close_iter;
    s->data = r;
    s->optim = c->optim;
    s->scheduler = c->scheduler;
    s->lr_scale = c->lr_scale;
    s->freeze_steps = c->freeze_steps;
    s->exclude_weight_decay = c->exclude_weight_decay;
    s->grad_noise = c->grad_noise;
    s->grad_clip = c->grad_clip;
    s->grad_clip_type = c->grad_clip_type;
    s->distributed_option = spk_distributed(r->comm);
    s->sync_bn = c->sync_bn;
    s->ddp_comm_hook = c->ddp_comm_hook;
    s->shard_optim = c->sharded_ddp;
    s->output_dir = c->output_dir;
    s->resume = c->resume;
    s->overwrite = c->overwrite;
    s->init_param = (const char *const *)c->init_param.v;
    s->n_init_param = c->init_param.n;
    s->ignore_init_mismatch = c->ignore_init_mismatch;
    s->max_epoch = c->max_epoch;
    s->log_interval = or_else(c->log_interval, 0);
    s->max_skipped_steps = or_else(c->max_skipped_steps, 0);
    s->patience = or_else(c->patience, -1);
    s->keep_nbest_models = most(&c->keep_nbest_models);
    s->average_nbest = c->keep_nbest_models.v;
    s->n_average_nbest = (int)c->keep_nbest_models.n;
    s->nbest_averaging_interval = c->nbest_averaging_interval;
    s->average_last = c->average_last;
    s->swa_start = c->swa_start;
    s->swa_steps = or_else(c->swa_steps, 0);
    s->accum_grad = c->accum_grad;
    s->checkpoint_interval = c->checkpoint_interval;
    s->resume_changed = c->resume_conf != NULL; /* `old` has replaced the settings, so none differ */
    s->resume_previous = c->resume_from && strcmp(c->resume_from, "previous") == 0;
    s->plots = c->use_matplotlib;
    s->tensorboard = c->use_tensorboard;
    s->detect_anomaly = c->detect_anomaly;
    s->valid_sets = r->valid_names;
    s->n_valid_sets = r->n_valid_sets;
    s->valid_interval = c->valid_interval;
    s->options.no_forward_run = c->no_forward_run;
    s->n_speakers = spk_train_set_n_speakers(r->train);
    s->speakers = spk_train_set_speakers(r->train);
    s->backend = spk_backend_version();
    s->isa = spk_backend_isa();
    s->threads = r->n_threads;
    s->options.seed = c->seed;
    s->options.sample_rate = spk_train_set_rate(r->train);
    if (callbacks) {
        s->options.progress = callbacks->progress;
        s->options.user = callbacks->user;
        s->epoch_line = callbacks->epoch_line;
        s->epoch_line_user = callbacks->user;
    }
    char *const *value = c->val_scheduler_criterion.v;
    if (!is_idle(value[0], value[1])) s->val_scheduler_criterion = (spk_criterion){value[0], value[1], NULL};
    const char *const *stop = (const char *const *)c->early_stopping_criterion.v;
    if (c->early_stopping_criterion.n == 3 && !is_idle(stop[0], stop[1]))
        s->early_stopping = (spk_criterion){stop[0], stop[1], stop[2]};
}

spk_status spk_run_train(spk_run *r, const spk_trainer_hooks *hooks, const spk_run_callbacks *callbacks)
{
    const spk_trainer_hooks speaker = spk_trainer_speaker_hooks();
    spk_training_setup s;
    fill_setup(r, callbacks, &s);
    char *text = spk_config_dump(r->config), *optim = print_conf(r->config->optim_conf);
    char *scheduler = print_conf(r->config->scheduler_conf),
         *exclude = print_conf(r->config->exclude_weight_decay_conf);
    spk_criterion *criteria = read_criteria(r->config, &s.n_best_model_criterion);
    s.best_model_criterion = criteria;
    s.config_text = text;
    s.optim_conf = optim;
    s.scheduler_conf = scheduler;
    s.exclude_weight_decay_conf = exclude;
    const spk_status status = spk_trainer_run(hooks ? hooks : &speaker, &s);
    spk_config_free_text(text);
    spk_free(optim);
    spk_free(scheduler);
    spk_free(exclude);
    spk_free(criteria);
    return status;
}
