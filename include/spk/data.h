/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speech on disk as batches: data folders and lists, trial lists, whole recordings.
 *
 * Lists are text files "id value" as Kaldi and ESPnet write them. A relative path in a list is taken from
 * the current folder, and where that file is not there, from the folder of the list. Opening a set reads
 * its lists, checks them against each other and checks that every audio file is there and readable; no
 * audio is opened then. Every refusal is one sentence that names file and line.
 *
 * Audio is WAV, FLAC, Ogg or MP3 (libsndfile), raised or lowered to the wanted rate (libsoxr), float32 in
 * [-1, 1]. Only the part that a batch needs is decoded.
 *
 * Determinism: batches, their order and their crops are a function of the lists, the options and the epoch;
 * the number of loader threads changes nothing.
 *
 * Threads: a set may be read by several iterators; one thread at a time calls an iterator. Loader threads
 * are pthreads; nothing forks. A set must outlive its iterators.
 */
#ifndef SPK_DATA_H
#define SPK_DATA_H

#include <stdbool.h>

#include "spk/augment.h"
#include "spk/batching.h"
#include "spk/iterator.h"
#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- audio ---- */

enum {
    SPK_CHANNEL_REFUSE = -1, /* a file of several channels is an error that names it */
    SPK_CHANNEL_MEAN = -2    /* the mean over the channels; other values: that channel, counted from 0 */
};

typedef struct spk_audio_options {
    int64_t sample_rate; /* Hz that the samples are wanted at; 0: each file's own */
    int channel;         /* SPK_CHANNEL_REFUSE, SPK_CHANNEL_MEAN or a channel from 0 */
    bool allow_pipes;    /* run the commands that lists name ("sox a.sph -t wav - |"); else they are refused */
    /* 0: sound. F: the files hold features instead, frames of F values: .npy, or Kaldi matrices "FILE.ark:OFFSET"; of
     * shape (T, F) or, as layers, (L, T, D) with L*D = F. Then sample_rate is frames a second, every count of samples
     * below is one of frames, and arrays of speech have F as one more, last dimension. */
    int64_t feature_size;
} spk_audio_options;

/*
 * Recordings are named as lists name them: a file, "FILE.ark:OFFSET" (WAV in a Kaldi archive, or kaldiio's), "COMMAND |",
 * and each of them with "[1.5:4.25]" behind it for the part between two seconds (-1: to the end).
 *
 * Read a whole file: *wave (n samples, or n frames of F values; released with spk_audio_free). SPK_E_IO: missing or unreadable; SPK_E_FORMAT:
 * not audio, empty, truncated, NaN or infinite samples; SPK_E_VALUE: several channels and none was chosen. On failure
 * *wave is NULL. */
SPK_API spk_status spk_audio_read_all(const char *path, const spk_audio_options *options, float **wave,
                                      int64_t *n) SPK_NODISCARD;
SPK_API void spk_audio_free(float *wave);
/* Seconds of audio that the file holds, from its header. */
SPK_API spk_status spk_audio_duration(const char *path, double *seconds) SPK_NODISCARD;
/* The same for n files by `threads` threads (at least 1); -1 where a file cannot be read. */
SPK_API void spk_audio_durations(const char *const *paths, int64_t n, int threads, double *seconds);

/* One --data_path_and_name_and_type: a list, the array that it fills, how its values are read. */
typedef struct spk_data_list {
    const char *path, *name, *type; /* "train/wav.scp", "speech", "sound" */
} spk_data_list;

/* ---- training ---- */

typedef struct spk_train_set_options {
    /* Lists: `speech` (sound) and `spk_labels` (text); or a folder that holds wav.scp and utt2spk (dir). */
    const spk_data_list *lists;
    int64_t n_lists;
    const char *dir;
    /* Each list, and each of the rule's shape files, is a folder of splits, num_splits and split.0, split.1, ...
     * (multiple_iterator): an epoch takes one split after the other, in an order of its own. */
    bool multiple;
    /* Speakers in class order, first word of each line; NULL: spk2utt beside the speech list. */
    const char *spk2utt;
    int64_t spk_num; /* 0: as many as spk2utt has; otherwise it must agree */

    spk_audio_options audio;
    /* Whole utterances instead of crops, and labels that are class indices, 0 to spk_num - 1 (spk2utt then only names the
     * classes; without it spk_num must be given): ESPnet's use_preprocessor false. Neither target_duration nor augment applies. */
    bool whole;
    double target_duration; /* seconds of a crop: int(target_duration * sample_rate) samples */
    int64_t batch_size;
    int64_t per_speaker;         /* K > 1: batches of batch_size / K speakers with K utterances each; 0: without */
    bool category;               /* category-balanced batches (catbel), else plain shuffled ones */
    bool drop_last_iter;         /* leave out an incomplete batch at the end of a pass */
    int64_t num_iters_per_epoch; /* 0: an epoch is one pass; m: the next m batches of an endless sequence of passes */
    uint64_t seed;
    int num_workers;       /* loader threads; 0 counts as 1 */
    int64_t max_bad_files; /* so many distinct files that cannot be read are replaced; one more is an error */
    spk_augment_options augment;
    spk_rule_options rule; /* another way to make batches; NONE: as above */
} spk_train_set_options;

/* Defaults: 16 kHz, several channels refused, 3 s, batch 20, plain, one worker, no bad file. */
SPK_API void spk_train_set_options_init(spk_train_set_options *o);

typedef struct spk_train_set spk_train_set;
/* The options are copied. On failure *out is NULL. */
SPK_API spk_status spk_train_set_open(const spk_train_set_options *options, spk_train_set **out) SPK_NODISCARD;
SPK_API void spk_train_set_close(spk_train_set *s); /* NULL is allowed */
/* One of several processes: the iterators that are opened from now on give its share of each batch, utterances r, r +
 * n_ranks, ... (whole groups with per_speaker). A share has two utterances at least (`singles`: one, where BatchNorm's
 * statistics are made over all processes); of a batch that is too small some processes get none (spk_batch.idle). */
SPK_API void spk_train_set_share(spk_train_set *s, int rank, int n_ranks, bool singles);

SPK_API int64_t spk_train_set_n_utterances(const spk_train_set *s); /* with their copies at other speeds */
SPK_API int64_t spk_train_set_n_speakers(const spk_train_set *s);
SPK_API const char *spk_train_set_speaker(const spk_train_set *s, int64_t label); /* name of a class */
SPK_API const char *const *spk_train_set_speakers(const spk_train_set *s);        /* all, in class order */
SPK_API int64_t spk_train_set_samples(const spk_train_set *s);                    /* samples of a crop */
SPK_API int64_t spk_train_set_rate(const spk_train_set *s);                       /* samples or frames of a second */
SPK_API const char *spk_train_set_utterance(const spk_train_set *s, int64_t i);   /* id */
SPK_API const char *spk_train_set_path(const spk_train_set *s, int64_t i);        /* its audio */
SPK_API int64_t spk_train_set_length(const spk_train_set *s, int64_t i);          /* whole: its samples; else 0 */

/*
 * The batches of an epoch (from 1): ids, `speech` (n, T) float32, `spk_labels` (n, 1) int64. Crops begin at a
 * uniform draw over all positions; a shorter file is repeated periodically. Opening plans the epoch, logs its
 * coverage and starts the loader threads. An epoch of no batches is SPK_E_VALUE. Epochs may be asked for in any
 * order. Close with spk_iterator_close.
 *
 * Whole utterances: `speech` (n, T) with a T of its own for each batch, the longest of it and a little more (at most an
 * eighth, so that few T are met), zeros behind each utterance, and `speech_lengths` (n) int64. With several processes T is
 * that of the own share.
 *
 * Catbel: at most q utterances of a speaker are in a batch, q = 1 where there are at least batch_size speakers,
 * else int(batch_size / speakers) + 1. An utterance that would be one too many waits for the next batch.
 */
SPK_API spk_status spk_train_iterator(spk_train_set *s, int64_t epoch, spk_iterator **out) SPK_NODISCARD;

/* What an iterator of a training set is about to give (coverage) and has met so far (bad files). */
typedef struct spk_train_coverage {
    int64_t n_batches, n_items;       /* of the epoch */
    int64_t n_distinct, n_utterances; /* utterances that are drawn, of so many */
    int64_t n_bad_files;              /* distinct files replaced so far, over all epochs */
} spk_train_coverage;
SPK_API void spk_train_iterator_coverage(const spk_iterator *it, spk_train_coverage *out);

/* Ends what an iterator of this header holds and the iterator itself; NULL is allowed. */
SPK_API void spk_iterator_close(spk_iterator *it);

/* ---- trials and utterances ---- */

typedef struct spk_trial_set_options {
    /* `speech`, `speech2` (sound) and `spk_labels` (text), each keyed by "uttA*uttB"; or dir: a folder that holds
     * trial.scp, trial2.scp and trial_label, or Kaldi's trials ("uttA uttB target|nontarget") and wav.scp. */
    const spk_data_list *lists;
    int64_t n_lists;
    const char *dir;
    /* For extraction: labels may be missing or of one class, and a list `speech` alone names plain utterances
     * (with dir: wav.scp where there are no trials). */
    bool utterances_only;

    spk_audio_options audio;
    /* Each utterance whole, as its one segment, a batch being one item: ESPnet's use_preprocessor false. The next three then do
     * not apply. */
    bool whole;
    double target_duration; /* seconds of a segment */
    int64_t num_eval;       /* K segments, at int(linspace(0, length - T, K)) */
    int64_t batch_size;     /* trials or utterances of a batch */
    int num_workers;
} spk_trial_set_options;

/* Defaults: 16 kHz, several channels refused, 3 s, 10 segments, batch 20, one worker. */
SPK_API void spk_trial_set_options_init(spk_trial_set_options *o);

typedef struct spk_trial_set spk_trial_set;
SPK_API spk_status spk_trial_set_open(const spk_trial_set_options *options, spk_trial_set **out) SPK_NODISCARD;
SPK_API void spk_trial_set_close(spk_trial_set *s); /* NULL is allowed */
SPK_API int64_t spk_trial_set_n_trials(const spk_trial_set *s);
SPK_API int64_t spk_trial_set_n_utterances(const spk_trial_set *s); /* distinct, in order of first appearance */
SPK_API const spk_trial *spk_trial_set_trials(const spk_trial_set *s);
SPK_API const char *spk_trial_set_utterance(const spk_trial_set *s, int64_t i); /* id */
SPK_API const char *spk_trial_set_path(const spk_trial_set *s, int64_t i);      /* its audio */

/*
 * All trials: `speech`, `speech2` (n, K, T), `spk_labels` (n, 1); with `split` filled: each distinct utterance once,
 * `speech` (n, K, T), in order of first appearance. A set of plain utterances yields them by `next` too, with
 * n_trials 0. A file that cannot be read is an error. Loader threads start with the first call; the iterator serves
 * one of the two ways, whichever is called. Close with spk_iterator_close.
 */
SPK_API spk_status spk_trial_iterator(spk_trial_set *s, spk_iterator **out) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
