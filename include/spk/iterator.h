/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where batches come from. A caller may bring any iterator; the program's own loader is one
 * (spk/data.h). An iterator yields what ESPnet's data loaders yield:
 *
 * training: id = utterance id; `speech` (n, T) float32, `spk_labels` (n, 1) int64 class index; `nth` (n, 1) int64
 *           optional: how often the utterance came before in the epoch, for the draws of random layers; `speech_lengths`
 *           (n) int64 optional: samples that are an item's own, where they are not T, what is behind them being 0. Each of
 *           several processes gets its own share of every batch.
 * trials:   id = "uttA*uttB"; `speech`, `speech2` (n, K, T) float32: K segments of A and of B;
 *           `spk_labels` (n, 1) int64: 1 target (same speaker), 0 nontarget; `task_tokens` (n, 1) optional.
 *
 * T may be another in each batch. A model of features gets (n, T, F) and (n, K, T, F) for `speech` and `speech2`: T frames of F values.
 *
 * An iterator of trials may also give its distinct utterances and its trials apart (`split`): then
 * each utterance is read once instead of once for each trial it takes part in.
 */
#ifndef SPK_ITERATOR_H
#define SPK_ITERATOR_H

#include <stdbool.h>

#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed view of one array of a batch, row-major; dim[0] is the batch. */
typedef struct spk_array {
    const char *name; /* "speech", "speech2", "spk_labels", "task_tokens" */
    spk_dtype dtype;  /* SPK_F32 or SPK_I64 */
    int n_dims;
    int64_t dim[4];
    const void *data;
} spk_array;

typedef struct spk_batch {
    int64_t n;              /* items */
    const char *const *ids; /* n of them */
    int n_arrays;
    const spk_array *arrays; /* n_arrays of them */
    double wait_s;           /* seconds that the caller waited for this batch (iter_time) */
    bool idle; /* training with several processes: this one has no share of the batch; the items stand in for one and
                  do not count */
} spk_batch;

/* One trial of an iterator that gives utterances and trials apart. */
typedef struct spk_trial {
    int64_t enroll, test; /* indices of utterances, in the order in which the utterances are yielded */
    int64_t label;        /* 1 target, 0 nontarget; anything else is refused by validation */
    const char *id;       /* "uttA*uttB" */
} spk_trial;

typedef struct spk_trial_source spk_trial_source;
struct spk_trial_source {
    void *self;
    int64_t n_utterances, n_trials;
    const spk_trial *trials;
    /* Next batch of distinct utterances: ids are utterance ids, one array `speech` (n, K, T). *batch = NULL at the
     * end. Valid until the next call. */
    spk_status (*next)(void *self, const spk_batch **batch);
    /* Before the first call of next: from now on give only utterances i with i mod size = rank. NULL: it cannot, and each
     * of several processes passes over what is not its own. */
    void (*share)(void *self, int rank, int size);
    /* The id of utterance i of all, for messages. NULL: not known beforehand. */
    const char *(*utterance)(void *self, int64_t i);
};

typedef struct spk_iterator spk_iterator;
struct spk_iterator {
    void *self;
    /* Next batch, or *batch = NULL at the end of the epoch. What it points to stays valid until the next call. */
    spk_status (*next)(void *self, const spk_batch **batch);
    /* NULL, or the same trials with utterances apart. */
    spk_trial_source *split;
    /* Batches of the epoch, or -1 when it is not known beforehand (for progress and for log_interval). */
    int64_t n_batches;
    /* Leave out the first n batches, before the first call of next: an epoch that is continued. NULL: next is called n
     * times instead. */
    spk_status (*skip)(void *self, int64_t n);
    /* For messages: the first utterance that rank `rank` of several processes has in batch b, from 0 (NULL: none), and how
     * many. False: not known. May take as long as planning the epoch. NULL: never known. */
    bool (*peek)(void *self, int64_t b, int rank, const char **first, int64_t *n);
    /* Release what the iterator holds; NULL where there is nothing to release. */
    void (*close)(void *self);
};

/* The array of that name, or NULL. */
SPK_API const spk_array *spk_batch_find(const spk_batch *batch, const char *name);

#ifdef __cplusplus
}
#endif
#endif
