/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a training: every option that an ESPnet speaker training has, under its name there, and a few
 * of spk's own. Values come from the defaults, then a YAML file, then the command line.
 *
 * Types are checked when a configuration is read; what an option asks for but is not there yet is refused by
 * spk_config_check, by name. Strings that stand for a choice are in their canonical spelling ("adam", "INFO"), so
 * strcmp suffices; "none" is NULL for strings and SPK_NONE for whole numbers.
 *
 * Ownership: the struct owns everything in it; clear it with spk_config_clear. Thread rule: none, it is plain data.
 */
#ifndef SPK_CONFIG_H
#define SPK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spk/augment.h"
#include "spk/batching.h"
#include "spk/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPK_NONE INT64_MIN /* a whole number that is not given */

struct spk_yaml; /* a map of keyword arguments, or NULL; read by the part that it belongs to */

typedef struct spk_int_list {
    int64_t n, *v;
} spk_int_list;
typedef struct spk_str_list {
    int64_t n;
    char **v;
} spk_str_list;
/* Three words: (path, name, type) of data, or (phase, key, mode) of a criterion. */
typedef struct spk_triple {
    char *part[3];
} spk_triple;
typedef struct spk_triple_list {
    int64_t n;
    spk_triple *v;
} spk_triple_list;

enum {
    SPK_CONFIG_CHANNEL_MEAN = -2
}; /* spk_config.i_channel: the mean of all channels (spk/data.h: SPK_CHANNEL_MEAN) */

/* preprocessor_conf, with the defaults filled in. */
typedef struct spk_preprocess_options {
    double target_duration;    /* seconds of a crop and of a validation segment; 3.0 */
    int64_t sample_rate;       /* Hz that the model hears; 16000 */
    int64_t num_eval;          /* segments of a validation utterance; 10 */
    int64_t frames_per_second; /* of features from files: a crop has target_duration times as many frames; 100 */
    /* augmentation (docs/augmentation.md); probabilities that are not given are 1 where there is something to apply */
    char *rir_scp; /* NULL: none */
    double rir_apply_prob;
    bool rir_align;
    struct spk_yaml *noise_info; /* list of [weight, scp, [n_min, n_max], [snr_lo, snr_hi]]; NULL: none */
    double noise_apply_prob;
    char *noise_scp, *noise_db_range; /* one kind of noise, instead of noise_info */
    double noise_power_floor;         /* 1e-4 */
    double short_noise_thres;         /* no effect */
    double volume_db_range[2];        /* NAN: none */
    double volume_apply_prob;
    spk_str_list speed_perturb_factors;
    bool speed_perturb_classes;
    int64_t augment_cache_size; /* bytes */
    /* derived: noise_info or noise_scp, and the factors */
    spk_noise_kind *noise;
    int64_t n_noise;
    double *speed;
    int64_t n_speed;
} spk_preprocess_options;

typedef struct spk_config {
    /* common */
    char *config;
    bool print_config;
    char *log_level; /* CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET */
    bool drop_last_iter, dry_run;
    char *iterator_type, *valid_iterator_type; /* "sequence", "category"; see spk_config_batching */
    char *output_dir;                          /* NULL: not given */
    int64_t ngpu, seed, num_workers, num_att_plot;
    /* several processes */
    char *dist_backend, *dist_init_method;
    int64_t dist_world_size, dist_rank, local_rank;
    char *dist_master_addr;
    int64_t dist_master_port;
    char *dist_launcher;
    bool multiprocessing_distributed, unused_parameters, sharded_ddp, use_deepspeed;
    char *deepspeed_config;
    bool gradient_as_bucket_view;
    char *ddp_comm_hook;
    bool sync_bn;        /* BatchNorm's statistics over all processes */
    bool shard_classes;  /* each process has the weights of its part of the loss's classes */
    double dist_timeout; /* seconds */
    /* cuDNN and statistics */
    bool cudnn_enabled, cudnn_benchmark, cudnn_deterministic, use_tf32, collect_stats, write_collected_feats;
    /* trainer */
    int64_t max_epoch, patience;
    spk_str_list val_scheduler_criterion, early_stopping_criterion;
    spk_triple_list best_model_criterion; /* (phase, key, mode) */
    spk_int_list keep_nbest_models;       /* the largest says how many snapshots stay */
    int64_t nbest_averaging_interval;
    double grad_clip, grad_clip_type; /* largest p-norm of the gradient, and p (may be INFINITY) */
    bool grad_noise;
    int64_t accum_grad;
    bool no_forward_run, resume;
    char *train_dtype;
    bool use_amp;
    int64_t log_interval; /* SPK_NONE: max(steps / 20, 10) */
    bool use_matplotlib, use_tensorboard, create_graph_in_tensorboard, use_wandb;
    char *wandb_project, *wandb_id, *wandb_entity, *wandb_name;
    int64_t wandb_model_log_interval;
    bool wandb_allow_val_change, detect_anomaly;
    bool use_adapter;
    char *adapter, *save_strategy;
    struct spk_yaml *adapter_conf;
    bool use_lora, save_lora_only; /* releases before 202402 */
    struct spk_yaml *lora_conf;
    /* weights to begin with */
    char *pretrain_path;
    spk_str_list init_param;
    bool ignore_init_mismatch;
    spk_str_list freeze_param;
    /* batches */
    int64_t num_iters_per_epoch; /* SPK_NONE: a pass over the data */
    int64_t batch_size, valid_batch_size, batch_bins, valid_batch_bins, category_sample_size;
    double upsampling_factor, category_upsampling_factor, dataset_upsampling_factor, dataset_scaling_factor;
    int64_t max_batch_size, min_batch_size;
    spk_str_list train_shape_file, valid_shape_file; /* accepted and not read */
    char *batch_type, *valid_batch_type;             /* see spk_config_batching */
    spk_int_list fold_length;
    char *sort_in_batch;
    bool shuffle_within_batch;
    char *sort_batch;
    bool multiple_iterator;
    char *chunk_length;
    double chunk_shift_ratio;
    int64_t num_cache_chunks;
    spk_str_list chunk_excluded_key_prefixes;
    int64_t chunk_default_fs, chunk_max_abs_length;
    bool chunk_discard_short_samples;
    /* data: (path, name, type) */
    spk_triple_list train_data_path_and_name_and_type, valid_data_path_and_name_and_type;
    bool multi_task_dataset, allow_variable_data_keys;
    int64_t max_cache_size, max_cache_fd;
    bool allow_multi_rates;
    int64_t valid_max_cache_size;
    /* optimiser */
    bool exclude_weight_decay;
    struct spk_yaml *exclude_weight_decay_conf;
    char *optim; /* "adam" */
    struct spk_yaml *optim_conf;
    char *scheduler; /* NULL: constant rate; "cosineannealingwarmuprestarts" */
    struct spk_yaml *scheduler_conf;
    /* the model */
    char *init;
    bool use_preprocessor;
    int64_t input_size;
    double target_duration; /* these four: use `preprocess` below, which has the values that count */
    char *spk2utt;          /* "": not given */
    int64_t spk_num;        /* SPK_NONE: not given */
    int64_t sample_rate, num_eval;
    char *rir_scp;
    struct spk_yaml *model_conf;
    char *frontend; /* NULL: none */
    struct spk_yaml *frontend_conf;
    char *specaug;
    struct spk_yaml *specaug_conf;
    char *normalize;
    struct spk_yaml *normalize_conf;
    char *encoder;
    struct spk_yaml *encoder_conf;
    char *pooling;
    struct spk_yaml *pooling_conf;
    char *projector;
    struct spk_yaml *projector_conf;
    char *preprocessor;
    struct spk_yaml *preprocessor_conf;
    char *loss;
    struct spk_yaml *loss_conf;
    char *margin_scheduler; /* NULL: the margin stays; "linear", "exp" */
    struct spk_yaml *margin_scheduler_conf;
    /* spk's own */
    char *lr_scale, *freeze_steps; /* by parameters' names, as docs/optim.md says; NULL: none */
    int64_t per_speaker;           /* for batch_type pk */
    char *train_dir, *valid_dir;   /* data folders, for the lists of paths; NULL: not given */
    bool overwrite, quiet, profile;
    char *init_from;             /* a training's folder, or a file of weights in one; NULL: none */
    bool keep_classes;           /* the classes are those of init_from */
    int64_t swa_start;           /* epoch; 0: no stochastic weight averaging */
    int64_t swa_steps;           /* SPK_NONE: an epoch's */
    struct spk_yaml *valid_sets; /* name: folder, of further validation sets */
    int64_t valid_interval;      /* steps; 0: only at epochs' ends */
    spk_str_list test_dir;       /* folders that the other sets are compared with */
    char *resume_from;           /* "latest", or "previous" where that is damaged */
    char *resume_conf;           /* NULL, "new" or "old": what holds where settings have changed */
    double checkpoint_interval;  /* minutes; 0: only at epochs' ends */
    int64_t average_last;        /* 0: none */
    int64_t num_threads;         /* SPK_NONE: all processors */
    char *channel;               /* as written; i_channel has its meaning */
    bool allow_pipes;            /* commands in lists are run */
    int64_t max_bad_files;       /* unreadable training files that are passed over; 0 */
    int64_t max_skipped_steps;   /* steps in a row without a finite loss before training stops; SPK_NONE: when all of an
                                  epoch are */
    /* what a finished configuration says of itself */
    spk_str_list required;
    char *version; /* of ESPnet, NULL: none */
    bool distributed;
    char *pool_lengths; /* lengths that the pooling gets: "encoder" (right), "frontend" (as ESPnet 202611), "none" */
    char *spk_version;

    /* derived when the configuration is read */
    spk_preprocess_options preprocess;
    spk_int_list chunk_lengths; /* of chunk_length */
    int64_t i_channel;          /* SPK_NONE, SPK_CONFIG_CHANNEL_MEAN, or from 0 */
    struct spk_yaml *source;    /* what was given, for messages that name file and line */
} spk_config;

/* Fill with the defaults. */
SPK_API void spk_config_init(spk_config *config);
/* Defaults, then the file. SPK_E_IO: cannot be read; SPK_E_FORMAT, SPK_E_CONFIG: file, line and column of what is
 * wrong. On failure there is nothing to clear. */
SPK_API spk_status spk_config_read(const char *path, spk_config *config) SPK_NODISCARD;
/* The same of a text that is called `name` in messages. */
SPK_API spk_status spk_config_parse(const char *text, size_t n, const char *name, spk_config *config) SPK_NODISCARD;
SPK_API void spk_config_clear(spk_config *config);

/* What a command line asked for beside values. */
typedef struct spk_config_request {
    bool help;         /* --help: nothing else was looked at; config holds the defaults */
    bool print_config; /* --print_config: print the dump and end */
    bool usage;        /* the failure was a mistake on the command line (exit status 2), not in a file (1) */
} spk_config_request;

/* Defaults < --config FILE < command line. argv[0] is the first option, not the program. `request` is always
 * filled; on failure there is nothing to clear in config. Options are written --key value or --key=value; a boolean
 * alone means true; *_conf options (--optim_conf lr=0.1, --encoder_conf "{ndim: 256}") merge per key; repeated list
 * options replace the file's list. */
SPK_API spk_status spk_config_load(int argc, char *const *argv, spk_config *config,
                                   spk_config_request *request) SPK_NODISCARD;

/* What the configuration is needed for: only the model's parts are looked at, or all. */
typedef enum spk_config_use { SPK_CONFIG_MODEL, SPK_CONFIG_TRAIN } spk_config_use;
/* SPK_E_UNSUPPORTED: an option asks for what is not there yet (its name, place, and what to do);
 * SPK_E_CONFIG: options contradict each other or one is missing. `usage` (may be NULL) is set to whether the
 * option stood on the command line. */
SPK_API spk_status spk_config_check(const spk_config *config, spk_config_use use, bool *usage) SPK_NODISCARD;

/* How batches are made, with ESPnet's rules for what is not given. */
typedef enum spk_batch_kind {
    SPK_BATCH_SHUFFLED, /* all utterances in random order, cut into batches */
    SPK_BATCH_CATBEL,   /* category-balanced */
    SPK_BATCH_PK,       /* per_speaker utterances of each of batch_size / per_speaker speakers, one after the other */
    SPK_BATCH_IN_ORDER, /* validation */
    SPK_BATCH_BY_RULE   /* `rule` says how */
} spk_batch_kind;
typedef struct spk_batching {
    spk_batch_kind kind;
    int64_t batch_size;
    bool drop_last;
    spk_rule_options rule; /* points into the configuration; its chunks go with SPK_BATCH_SHUFFLED */
    const char *note;      /* to be said once in the log, or NULL */
} spk_batching;
SPK_API void spk_config_batching(const spk_config *config, bool train, spk_batching *out);

/* The augmentation of training crops; it points into the configuration. */
SPK_API void spk_config_augment(const spk_config *config, spk_augment_options *out);

/* A complete config.yaml; reading it gives the same configuration. Free with spk_config_free_text. */
SPK_API char *spk_config_dump(const spk_config *config);
/* The text of `spk train --help`. Free with spk_config_free_text. */
SPK_API char *spk_config_help(void);
SPK_API void spk_config_free_text(char *text);

#ifdef __cplusplus
}
#endif
#endif
