/* SPDX-License-Identifier: Apache-2.0 */
/* What `spk validate` and `spk extract` share: ESPnet's options of an extraction, the model, the trials. */
#ifndef SPK_CLI_EVAL_IMPL_H
#define SPK_CLI_EVAL_IMPL_H

#include "cli/cli_impl.h"
#include "cli/speech_impl.h"
#include "infer/embedder_impl.h"
#include "spk/spk_trainer.h"

typedef struct eval_options {
    /* the model */
    char *model, *spk_train_config, *spk_model_file;
    /* data */
    spk_triple_list data;
    char *valid_dir, *channel;
    double target_duration, window, hop, min_window;
    int64_t num_eval, valid_batch_size, num_workers;
    speech_options speech;
    /* output */
    char *output_dir, *format;
    bool allow_pipes, average_embd, whole, json;
    /* running */
    char *config, *log_level;
    char *train_dtype; /* NULL: float32 */
    bool quiet, use_amp;
    int64_t threads, seed, ngpu;
    double dist_timeout;
    /* what is read and has no effect, or must have its harmless value */
    int64_t dist_world_size, dist_rank;
    char *model_tag, *dist_launcher;
    bool use_preprocessor, average_spk;
    int64_t any_int;
    double any_float;
    bool any_bool;
    char *any_str;
    spk_str_list any_strs;
    spk_yaml *any_tree;
} eval_options;

/* An opened model and its trials. */
typedef struct eval_task {
    spk_embedder *embedder;
    spk_speech *speech; /* NULL: all of a recording is embedded */
    spk_trial_set *set;
    spk_iterator *iterator;
    spk_trainer_options options;
    spk_distributed_option distributed;
    double target_duration;
    int64_t num_eval, batch_size;
} eval_task;

/* The model that the options name. A wrong combination sets *usage. */
spk_status eval_open_model(const eval_options *o, eval_task *t, bool *usage) SPK_NODISCARD;
/* The trials or utterances that they name; segments as in the model's training where the options leave them open and
 * `as_trained`, else 10 of 3 s as in ESPnet's extraction. */
spk_status eval_open_data(const eval_options *o, bool utterances_only, bool as_trained, eval_task *t,
                          bool *usage) SPK_NODISCARD;
/* With several processes: all have the same model and data, or SPK_E_MISMATCH on all. */
spk_status eval_same(const eval_task *t) SPK_NODISCARD;
void eval_close(eval_task *t);
/* Log, progress, threads: before anything else. */
void eval_start(const eval_options *o);

#endif
