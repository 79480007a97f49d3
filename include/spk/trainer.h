/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic trainer: epochs, optimiser steps, files of a run. What is done within an epoch stands in a table of
 * hooks; the speaker trainer (spk/spk_trainer.h) is one such table, and a caller derives another by copying a table
 * and replacing an entry. Source: espnet2.train.trainer.Trainer, whose order of operations is kept.
 *
 * Files in the output folder: config.yaml (the one before: config.prev.yaml), speakers.txt (one name a line, class
 * order), checkpoint.safetensors (the one before: checkpoint.prev.safetensors), Nepoch.pth, latest.pth,
 * PHASE.KEY.best.pth, means of snapshots, metrics.jsonl, tensorboard/, images/NAME.png. Each appears whole or not at all, and a run that is killed at any instant leaves
 * a folder from which it can be resumed.
 *
 * Thread rule: one training at a time for a model. Determinism: the same model, batches, threads and libraries give the
 * same bits, also across a resume from any step.
 */
#ifndef SPK_TRAINER_H
#define SPK_TRAINER_H

#include "spk/spk_trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spk_optim;     /* the optimiser and its state; opaque */
struct spk_scheduler; /* gives the rate of a step; opaque */

typedef struct spk_training spk_training;
typedef struct spk_trainer_hooks spk_trainer_hooks;

/* Which value says that an epoch is better: {"valid", "eer", "min"}. */
typedef struct spk_criterion {
    const char *phase, *key, *mode; /* mode: "min" or "max" */
} spk_criterion;

/* What a run is given. Zero-initialise through spk_training_defaults. Everything is borrowed for the call. */
typedef struct spk_training_setup {
    spk_model *model;
    /* Iterators of an epoch: `mode` is "train" or "valid". close_iter ends one; NULL: its own `close` is called. */
    spk_status (*build_iter)(void *data, const char *mode, int64_t epoch, spk_iterator **out);
    void (*close_iter)(void *data, spk_iterator *iterator);
    void *data;

    /* The optimiser and its rate: ESPnet's names ("adam", "cosineannealingwarmuprestarts"; NULL scheduler: constant)
     * with options as YAML text ("{lr: 0.001}"; NULL: defaults). */
    const char *optim, *optim_conf;
    const char *scheduler, *scheduler_conf;
    /* What a scheduler that follows a value looks at: phase and key (mode is the scheduler's); default valid eer. */
    spk_criterion val_scheduler_criterion;
    /* Groups of parameters by their names (docs/optim.md); NULL, false: all alike. */
    const char *lr_scale, *freeze_steps; /* "loss=10,encoder=0.1"; "encoder=1000" */
    bool exclude_weight_decay;
    const char *exclude_weight_decay_conf; /* YAML text */
    bool grad_noise;
    double grad_clip;      /* largest norm of the gradient; default 5.0; infinity or 0: off */
    double grad_clip_type; /* p of that norm; default 2; may be infinity */
    int64_t accum_grad;    /* batches whose mean gradient makes a step; default 1; what is left over at an epoch's end
                              makes a step of its own */

    const char *output_dir; /* made when it is not there */
    bool resume;            /* continue from the checkpoint; without one start fresh */
    /* Settings of config_text that decide results and are others than the checkpoint's: false (default): SPK_E_MISMATCH
     * names them; true: the new ones hold from there on, and the log names them. */
    bool resume_changed;
    /* A checkpoint that is damaged is put aside and the one before it taken; else it is refused. */
    bool resume_previous;
    double checkpoint_interval; /* minutes between the checkpoints within an epoch; default 10; 0: only at its end */
    bool overwrite;             /* start fresh although the folder holds a checkpoint, whose files are removed */
    /* FILE[:SOURCE[:TARGET[:EXCLUDE]]]: files (.pth, .safetensors, ESPnet's packed .zip) whose weights, or those below
     * SOURCE, are the start, each over the ones before; not read on resume. Rows of classes move by the names of
     * `speakers`. A file that does not fit is SPK_E_MISMATCH, unless only the loss's weights are missing; with
     * ignore_init_mismatch what fits is taken and the rest is said. */
    const char *const *init_param;
    int64_t n_init_param;
    bool ignore_init_mismatch;
    /* Further validation sets: build_iter is asked for "valid:NAME", and their figures are registered as NAME.eer. */
    const char *const *valid_sets;
    int n_valid_sets;
    int64_t
        valid_interval;   /* validate every so many steps within an epoch, too (it chooses no model); default 0: not */
    int64_t max_epoch;    /* default 40 */
    int64_t log_interval; /* steps between log lines; 0: max(batches / 20, 10), or 100 when unknown */
    bool detect_anomaly;  /* end the training at the first loss or gradient that is not finite, and name the op and the
                            utterances that gave it; default false */
    int64_t max_skipped_steps; /* steps in a row whose loss or gradient is not finite; default 20; 0: a whole epoch */
    int64_t patience;          /* epochs without a better early_stopping value; negative (default): never stop */
    spk_criterion early_stopping;              /* default valid eer min */
    const spk_criterion *best_model_criterion; /* default one: valid eer min */
    int n_best_model_criterion;
    int64_t keep_nbest_models; /* snapshots kept for each criterion; default 10 */
    /* Means of the n best snapshots by each criterion, one file for each n of the list, at the end and (where the interval
     * is not 0) after every so many epochs. Where there are fewer epochs than n, the mean of all. */
    const int64_t *average_nbest;
    int n_average_nbest; /* default 0: none */
    int64_t nbest_averaging_interval;
    /* Stochastic weight averaging: the snapshots from epoch swa_start on stay, and swa.pth is their mean, with BatchNorm
     * statistics from swa_steps batches (0: an epoch's); default 0: none. */
    int64_t swa_start, swa_steps;
    int64_t average_last; /* N > 1: the last N snapshots stay and their mean is written at the end; default 0 */
    bool tensorboard;     /* tensorboard/{train,valid}: event files; default true */
    bool plots;           /* images/NAME.png after each epoch (needs gnuplot; its absence is said once) */

    const char *config_text; /* becomes config.yaml; NULL: none */
    int64_t n_speakers;      /* names of the classes in their order; 0: none are kept */
    const char *const *speakers;
    /* Facts of the running program that decide bits: kept in the checkpoint, a difference is said on resuming.
     * NULL: not known. */
    const char *backend, *isa; /* "oneDNN 2.6.3", "avx512_core" */
    int64_t threads;           /* 0: not known */

    spk_trainer_options
        options; /* no_forward_run: the data are only read; for the methods: seed, progress (what is "train" or "valid") */
    /* Several processes: each has an iterator of its shares, and the gradients' sum over them makes the step; rank 0 writes. */
    spk_distributed_option distributed_option;
    /* Several processes: gradients are summed in two bytes each, "bf16_compress_hook" or "fp16_compress_hook"; NULL: four. */
    const char *ddp_comm_hook;
    bool shard_optim; /* several processes: each keeps the optimiser's state of its part of the parameters alone */
    bool
        sync_bn; /* several processes: BatchNorm's statistics are those of the whole batch; false (ESPnet's way): of a share */
    /* The finished epoch's line: "1epoch results: [train] ..., [valid] eer=..., ...". NULL: only logged. */
    void (*epoch_line)(void *user, int64_t epoch, const char *line);
    void *epoch_line_user;
    void *user; /* the caller's own; hooks find it in t->setup->user */
} spk_training_setup;

/* How far the running epoch is: what a checkpoint is of. */
typedef enum spk_stage {
    SPK_STAGE_TRAIN, /* its batches are being trained, or have not begun */
    SPK_STAGE_VALID, /* all are trained */
    SPK_STAGE_DONE   /* it is validated */
} spk_stage;

/* A running training, as hooks see it. Hooks may read all and change nothing but what their comment says. */
struct spk_training {
    const spk_training_setup *setup;
    const spk_trainer_hooks *hooks;
    spk_model *model;
    struct spk_optim *optim;
    struct spk_scheduler *scheduler;
    bool there; /* the model's GPU has parameters, gradients and the optimiser's state */
    spk_reporter *reporter;
    int64_t epoch;            /* the one that runs, from 1 */
    int64_t step;             /* optimiser steps done since the beginning of the training */
    int64_t batch, n_batches; /* batches of this epoch that are done; of the epoch, -1: not known */
    int64_t n_due, n_skipped; /* steps of this epoch that were due, and of these, left out */
    int64_t n_in_a_row;       /* steps in a row, up to the last one, that were left out */
    spk_stage stage;
    const char *valid_set;   /* the further set that is validated on; NULL: the first */
    int64_t validated_step;  /* the last step after which there was a validation within an epoch */
    int64_t metrics_length;  /* of metrics.jsonl, as the checkpoint that was resumed has it (the trainer's own) */
    double saved_s;          /* when the last checkpoint was written (the trainer's own) */
    int64_t n_accumulated;   /* batches whose gradients wait for a step */
    bool bad_accumulated;    /* one of them had a loss that is not finite */
    struct spk_plots *plots; /* these two are the trainer's own */
    struct spk_tracks *tracks;
    struct spk_ranks *ranks; /* NULL: one process (the trainer's own) */
    float *whole_state;      /* of the optimiser, while a checkpoint of a divided one is written (the trainer's own) */
    float *whole_classes;    /* weights of all classes then, where they are divided (the trainer's own) */
    spk_validation validation; /* of the running epoch: a validation hook may fill it (for plots); cleared after */
};

/* What one optimiser step did. */
typedef struct spk_step {
    spk_train_stats stats; /* of the batch, over all processes */
    bool stepped;          /* the optimiser's turn came with this batch; what follows is of that */
    double rate;           /* used in this step */
    double grad_norm;      /* before clipping */
    bool clipped;
    bool skipped; /* the loss or the gradient was not finite: nothing was changed */
    double forward_s, backward_s, optim_step_s;
    double zero_grad_s, grad_norm_s; /* what clearing the gradients and their norm took of these */
    double own_loss;                 /* of this process's share of the batch */
    bool bad_loss;                   /* the loss, or with several processes that of one of them, is not finite */
    double reduce_s; /* seconds of the backward pass and after it that went to waiting for other processes */
} spk_step;

/* The table. A NULL validate_one_epoch means that there is no validation phase; NULL epoch_done: nothing. */
struct spk_trainer_hooks {
    const char *name;
    /* Run the batches of `iterator`; register values with t->reporter (its phase "train" is open). */
    spk_status (*train_one_epoch)(spk_training *t, spk_iterator *iterator);
    /* One batch: gradients, and with the last of accum_grad batches optimiser and rate. Called by
     * spk_trainer_train_one_epoch. */
    spk_status (*train_step)(spk_training *t, const spk_batch *batch, spk_step *out);
    /* Register values with t->reporter (its phase "valid" is open). The model must be left as it is. */
    spk_status (*validate_one_epoch)(spk_training *t, spk_iterator *iterator);
    /* After the epoch's files are written. Any other status than SPK_OK ends the training with it. */
    spk_status (*epoch_done)(spk_training *t);
};

/* The generic trainer: train_one_epoch and train_step as below, no validation. */
SPK_API spk_trainer_hooks spk_trainer_generic_hooks(void);
/* The speaker trainer: the generic one with validate_one_epoch replaced by open-set validation. */
SPK_API spk_trainer_hooks spk_trainer_speaker_hooks(void);

/* What the tables hold, for hooks that add to them. */
SPK_API spk_status spk_trainer_train_one_epoch(spk_training *t, spk_iterator *iterator) SPK_NODISCARD;
SPK_API spk_status spk_trainer_train_step(spk_training *t, const spk_batch *batch, spk_step *out) SPK_NODISCARD;
SPK_API spk_status spk_trainer_validate_hook(spk_training *t, spk_iterator *iterator) SPK_NODISCARD;

/* Set every field to its default. */
SPK_API void spk_training_defaults(spk_training_setup *setup);
/*
 * May a run write into that folder? It is made when it is not there. SPK_E_VALUE when it holds a checkpoint and
 * neither resume nor overwrite is set; SPK_E_IO when it cannot be made or written. Changes nothing that is there.
 * spk_trainer_run asks this first; a program may ask it before it reads its data.
 */
SPK_API spk_status spk_training_check_folder(const char *output_dir, bool resume, bool overwrite) SPK_NODISCARD;
/*
 * Run the epochs up to max_epoch. SPK_E_INTERRUPTED after SIGINT or SIGTERM (the step that ran is finished and a
 * checkpoint of it in place); SPK_E_VALUE when a whole epoch or more than max_skipped_steps steps in a row had a
 * loss or gradient that is not finite (the checkpoint before is kept); SPK_E_MISMATCH on resuming with other speakers
 * or another model. The model then holds what it held when the run ended.
 */
SPK_API spk_status spk_trainer_run(const spk_trainer_hooks *hooks, const spk_training_setup *setup) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
