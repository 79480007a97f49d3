/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a training set: utterances in the order of the speech list, classes in the order of spk2utt. */
#ifndef SPK_DATA_TRAIN_SET_IMPL_H
#define SPK_DATA_TRAIN_SET_IMPL_H

#include <pthread.h>

#include "data/lists_impl.h"
#include "data/sampler_impl.h"

struct spk_train_set {
    spk_train_set_options o; /* without lists, dir, spk2utt */
    int64_t n, T;            /* utterances; samples (or frames) of a crop */
    int64_t width;           /* floats of a sample: 1, or those of a frame */
    const char **id;         /* n, borrowed from wav */
    const char **path;       /* n, borrowed from paths */
    int64_t *label;          /* n: class */
    int64_t *category;       /* n: what batches are balanced over; the label unless category2utt says otherwise */
    int64_t n_categories;
    uint64_t *hash;      /* n: of the id, names its random streams */
    int64_t *next_alike; /* n: the next utterance of the same speaker, cyclic */
    int64_t n_speakers;
    const char **speaker; /* n_speakers */
    spk_list wav, utt2spk, spk2utt, category2utt;
    spk__paths paths;
    spk_sampler *sampler;
    /* Files that could not be read, over all epochs; touched by the consumer's thread only. */
    bool *bad;
    int64_t n_bad;
};

#endif
