/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a configuration to a training: what `spk train` does once its options are read. The command itself only parses,
 * draws progress and writes the log.
 *
 *     spk_run r;
 *     SPK_TRY(spk_run_open(&config, NULL, &r)); // checks, lists, network; no audio is decoded yet
 *     status = spk_run_train(&r, NULL, &callbacks);
 *     spk_run_close(&r);
 */
#ifndef SPK_TRAIN_RUN_IMPL_H
#define SPK_TRAIN_RUN_IMPL_H

#include "spk/comm.h"
#include "spk/config.h"
#include "spk/data.h"
#include "spk/net.h"
#include "spk/trainer.h"

typedef struct spk_run {
    spk_config *config; /* borrowed; spk_num is filled in from the data */
    spk_train_set *train;
    spk_trial_set *valid;       /* NULL where statistics are collected and no trials were given */
    spk_trial_set **valid_sets; /* further ones, by these names */
    const char **valid_names;
    int n_valid_sets;
    spk_net *net;
    int n_threads;
    spk_comm *comm; /* borrowed; NULL: alone */
} spk_run;

/* Who hears of progress; zero-initialise for nobody. */
typedef struct spk_run_callbacks {
    void (*progress)(void *user, const char *what, int64_t done, int64_t total);
    void (*epoch_line)(void *user, int64_t epoch, const char *line);
    void *user;
} spk_run_callbacks;

/* What files hold: sound at the model's rate, or features. */
void spk_run_audio(const spk_config *config, spk_audio_options *audio);
/* The options of data sets that a configuration asks for. `lists` is the caller's room for the list's three words
 * (config's strings are borrowed); n_lists entries are filled: room for as many as the configuration has triples. */
void spk_run_train_options(const spk_config *config, spk_data_list *lists, spk_train_set_options *out);
void spk_run_trial_options(const spk_config *config, spk_data_list *lists, spk_trial_set_options *out);

/* Replace the settings that decide a training's results by those of the checkpoint in output_dir, if there is one
 * (--resume_conf old). On failure the configuration is as it was. */
spk_status spk_run_take_old(spk_config *config);
/* Take the model, weights and (keep_classes) classes of the training that init_from names, where nothing else is given.
 * On failure the configuration is as it was. */
spk_status spk_run_take_init(spk_config *config);
/*
 * In this order: the configuration is checked for training, the output folder asked (spk_training_check_folder), the
 * training and the validation lists are opened, spk_num compared with the speakers and filled in, the network built.
 * On failure there is nothing to close. usage (may be NULL): whether a mistake stood on the command line.
 */
spk_status spk_run_open(spk_config *config, bool *usage, spk_run *out);
/* The same as one of the processes of `comm` (NULL: alone): the first one makes the folder; all fail, or none. */
spk_status spk_run_open_with(spk_config *config, spk_comm *comm, bool *usage, spk_run *out);
/* Does the configuration go with so many processes, and do all of them see the same data? */
spk_status spk_run_check_team(const spk_run *r);
spk_status spk_run_check_data(const spk_run *r);
/* With use_preprocessor false: warn of what then has no effect; name an utterance that is too short for the model. */
void spk_run_say_whole(const spk_config *config);
spk_status spk_run_check_whole(const spk_run *r);
/* Open what valid_sets names; the names are borrowed from the configuration. */
spk_status spk_run_open_valid_sets(spk_run *r);
void spk_run_close_valid_sets(spk_run *r);
/* Warn where the validation set shares files or speakers with the training data, or either with a test set. */
spk_status spk_run_compare_sets(const spk_run *r);
/* Train with the speaker trainer, or with `hooks` when they are given (NULL: the speaker trainer's). */
spk_status spk_run_train(spk_run *r, const spk_trainer_hooks *hooks, const spk_run_callbacks *callbacks);
/* What became of it. */
typedef struct spk_run_stats {
    int64_t n_utterances, n_frames;
    char path[1024]; /* OUTPUT_DIR/train/feats_stats.npz */
} spk_run_stats;
/*
 * Instead of training, where the configuration has collect_stats: statistics of the training data's features, whole
 * utterances, as ESPnet names them: OUTPUT_DIR/train/feats_stats.npz (count, sum (F), sum_square (F)), and for `train`
 * and (where there are trials) `valid` the files speech_shape, speech2_shape ("UTT 48000", of features "UTT 300,80"), batch_keys, stats_keys. The
 * sums do not depend on the number of threads and of processes, of which rank 0 writes and fills *out; the others' is empty. Source:
 * espnet2.main_funcs.collect_stats (specification D12).
 */
spk_status spk_run_collect_stats(spk_run *r, const spk_run_callbacks *callbacks, spk_run_stats *out);
void spk_run_close(spk_run *r);

#endif
