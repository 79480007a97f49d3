/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a training set: utterances in the order of the speech list, classes in the order of spk2utt. */
#ifndef SPK_DATA_TRAIN_SET_IMPL_H
#define SPK_DATA_TRAIN_SET_IMPL_H

#include <pthread.h>

#include "data/augment_impl.h"
#include "data/batches_impl.h"
#include "data/catpow_impl.h"
#include "data/chunks_impl.h"
#include "data/lists_impl.h"
#include "data/sampler_impl.h"
#include "data/splits_impl.h"

/* What makes batches of the utterances of one split, or of all. */
typedef struct spk_batcher {
    int64_t split, n;
    int64_t *member;   /* n: utterances of the set */
    int64_t *category; /* n: theirs */
    uint64_t seed;
    int64_t iters; /* num_iters_per_epoch of it */
    /* One of them makes the batches, of 0..n-1. */
    spk_sampler *sampler;
    spk_fixed *fixed;
    spk_catpow *catpow;
} spk_batcher;

struct spk_train_set {
    spk_train_set_options o; /* without lists, dir, spk2utt */
    int64_t n, T;            /* utterances; samples (or frames) of a crop */
    int64_t width;           /* floats of a sample: 1, or those of a frame */
    const char **id;         /* n, borrowed from wav and own_name */
    const char **path;       /* n, borrowed from paths */
    int64_t *label;          /* n: class */
    int64_t *category;       /* n: what batches are balanced over; the label unless category2utt says otherwise */
    int64_t n_categories;
    int64_t *speed;      /* n: in thousandths */
    int64_t *base;       /* n: the utterance that this is a copy of at another speed, or itself; the first n_base are */
    int64_t n_base;      /* utterances of the lists */
    int64_t *length;     /* n: samples of each, of whole utterances; NULL: crops are taken */
    uint64_t *hash;      /* n: of the id, names its random streams */
    int64_t *next_alike; /* n: the next utterance of the same speaker, cyclic */
    int64_t n_speakers;
    const char **speaker; /* n_speakers */
    char **own_name;      /* ids and names of copies */
    int64_t n_own_names;
    spk_augment *augment;    /* NULL: crops stay as they are read */
    int64_t n_splits;        /* 1 without multiple_iterator */
    spk_list *wav, *utt2spk; /* n_splits */
    int64_t *split_first;    /* n_splits + 1: the lists' utterances of split k begin at split_first[k] */
    spk_map index;           /* id -> utterance, where there are several splits */
    spk_list spk2utt, category2utt;
    spk__paths paths;
    spk_batcher *batcher; /* n_splits */
    int64_t n_batchers;
    spk_chunks *chunks; /* NULL, or what the crops of batches are cut into */
    /* Files that could not be read, over all epochs; touched by the consumer's thread only. */
    bool *bad;
    int64_t n_bad;
    spk_share share;
};

/* Copies at other speeds, by the options (speed.c): lengthens all that has n entries. */
spk_status spk__train_set_speeds(spk_train_set *s) SPK_NODISCARD;

/* Reading the lists of all splits (train_lists.c); `wav` and `utt2spk` are folders where there are several. `hdf5`: of the
 * recordings. `segments`: the folder whose segments apply, or NULL. Fills what has n entries, but for labels, and looks at task_tokens. */
typedef struct spk__train_files {
    const char *wav, *utt2spk, *segments;
    bool hdf5;
} spk__train_files;
spk_status spk__train_set_lists(spk_train_set *s, const spk_train_set_options *o,
                                const spk__train_files *f) SPK_NODISCARD;
/* And where their recordings are, looked for last. */
spk_status spk__train_set_paths(spk_train_set *s) SPK_NODISCARD;
/* The utterance of that id, one of the lists'; -1: none. */
int64_t spk__train_set_find(const spk_train_set *s, const char *id);
/* The list and the entry that base utterance u stands in. */
const spk_list *spk__train_set_list(const spk_train_set *s, int64_t u, const spk_list_entry **e);
void spk__train_set_lists_close(spk_train_set *s);

/* How batches are made (train_batches.c); `folder` holds utt2dataset, for catpow_balance_dataset. */
spk_status spk__train_set_batches(spk_train_set *s, const spk_rule_options *rule, const char *folder) SPK_NODISCARD;
void spk__train_set_batches_close(spk_train_set *s);
spk_status spk__train_set_plan(spk_train_set *s, int64_t epoch, spk_epoch_plan *out) SPK_NODISCARD;
/* Whole utterances (whole.c): the labels are class indices, by the list utt2spk. */
spk_status spk__train_set_indices(spk_train_set *s) SPK_NODISCARD;
/* Their lengths, by the headers. */
spk_status spk__train_set_measure(spk_train_set *s) SPK_NODISCARD;
/* Samples that a batch of these items is padded to. */
int64_t spk__whole_room(const spk_train_set *s, const int64_t *items, int64_t n);
/* What is wanted of an utterance: T samples from one on, or as many as there are and zeros behind. */
typedef struct spk__whole_part {
    int64_t from, T;
    bool stands_in; /* for another: a beginning that it does not have is its own */
    float *dst;
    int64_t *length; /* is given those that there are */
} spk__whole_part;
spk_status spk__whole_read(const spk_train_set *s, spk_audio_reader *reader, int64_t u,
                           const spk__whole_part *part) SPK_NODISCARD;

/* Lengths of the utterances that a batcher has (lengths.c). */
spk_status spk__train_set_shapes(const spk_train_set *s, const spk_rule_options *rule, const spk_batcher *b,
                                 spk_shapes *out) SPK_NODISCARD;

#endif
