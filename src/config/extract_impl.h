/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of `spk extract` and `spk validate`: those of ESPnet's espnet2.bin.spk_embed_extract, and spk's own.
 *
 * Use spk_args_parse with a copy of spk_extract_spec (give it the command's own name, usage and text). Whether an
 * option was given at all (target_duration and num_eval otherwise come from the model's configuration where --model
 * is used; whole is true for plain audio) says spk_args_given. `channel` is read with spk_channel_parse.
 */
#ifndef SPK_CONFIG_EXTRACT_IMPL_H
#define SPK_CONFIG_EXTRACT_IMPL_H

#include "config/args_impl.h"

typedef struct spk_extract_options {
    char *config, *log_level;
    char *output_dir; /* NULL: not given */
    int64_t ngpu, seed;
    char *dtype;
    int64_t num_workers;
    spk_triple_list data_path_and_name_and_type; /* (path, name, type) */
    char *batch_type, *valid_batch_type;
    int64_t batch_bins, valid_batch_bins, valid_batch_size; /* utterances of a batch; 1 */
    int64_t max_cache_size, max_cache_fd, valid_max_cache_size;
    bool allow_multi_rates;
    spk_str_list shape_file;
    spk_int_list fold_length;
    int64_t input_size;
    bool allow_variable_data_keys, use_preprocessor;
    double target_duration; /* seconds of a segment; 3.0 */
    int64_t num_eval;       /* segments of an utterance; 10 */
    bool average_embd;      /* the mean over the segments instead of all of them */
    bool average_spk;
    int64_t num_cohort_spk, num_utt_per_spk;
    double utt_select_sec;
    int64_t adaptive_cohort_size;
    double qmf_dur_thresh;
    int64_t qmf_num_trial_per_condition;
    char *train_dtype;
    bool use_amp, no_forward_run;
    char *sort_in_batch, *sort_batch;
    bool drop_last_iter;
    char *spk_train_config, *spk_model_file, *model_tag;
    char *dist_backend, *dist_init_method;
    int64_t dist_world_size, dist_rank, local_rank;
    char *dist_master_addr;
    int64_t dist_master_port;
    char *dist_launcher;
    bool multiprocessing_distributed, unused_parameters, sharded_ddp;
    bool use_matplotlib, use_tensorboard, create_graph_in_tensorboard, use_wandb;
    char *wandb_project, *wandb_id, *wandb_entity, *wandb_name;
    int64_t wandb_model_log_interval;
    bool detect_anomaly, use_lora, save_lora_only;
    spk_yaml *lora_conf;
    bool cudnn_enabled, cudnn_benchmark, cudnn_deterministic, use_tf32;
    /* spk's own */
    char *model;  /* output folder of a training; NULL: not given */
    bool json;    /* validate: one JSON object */
    char *format; /* extract: "npz", "npy", "ark", "jsonl" */
    bool whole;   /* extract: whole utterances instead of segments; see above */
    char *channel;
    bool quiet;
    int64_t threads; /* SPK_NONE: all processors */
    int64_t max_bad_files;
} spk_extract_options;

extern const spk_options spk_extract_table;
extern const spk_args_spec spk_extract_spec;

void spk_extract_options_clear(spk_extract_options *options);

#endif
