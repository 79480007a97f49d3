/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from batches to embeddings that validation and extraction share. An utterance comes as (K, T) segments and
 * leaves as (K, E) raw embeddings; between the two, segments of equal length wait until a call of the model is full.
 * Segments of one utterance that are equal byte for byte (a file that is short and was repeated) are embedded once.
 */
#ifndef SPK_TRAIN_EMBED_IMPL_H
#define SPK_TRAIN_EMBED_IMPL_H

#include "base/base_impl.h"
#include "spk/iterator.h"
#include "spk/model.h"
#include "spk/spk_trainer.h"

/* Takes the embeddings (K, E) of an utterance, in the type of the queue's model (spk_embed_type); `index` is its place in
 * the order of first appearance. */
typedef spk_status (*spk_embed_sink)(void *user, int64_t index, const char *id, const void *embedding,
                                     int64_t n_segments);
/* SPK_F64 of a model that embeds in double, else SPK_F32. */
spk_dtype spk_embed_type(const spk_model *model);

typedef struct spk_embed_queue spk_embed_queue;

/* At most `max_utterances` utterances (0: no bound) and about `max_segments` segments (0: no bound) in a call. */
spk_embed_queue *spk_embed_queue_new(const spk_model *model, int64_t max_utterances, int64_t max_segments,
                                     spk_embed_sink sink, void *user);
void spk_embed_queue_free(spk_embed_queue *q);
/* An utterance (n_segments, samples), of a model of features (n_segments, samples, F). Copies what it needs. May call the model, and then the sink in the order of the pushes. `id` must live until then. */
spk_status spk_embed_queue_push(spk_embed_queue *q, int64_t index, const char *id, const float *speech,
                                int64_t n_segments, int64_t samples, const int64_t *task_token);
/* Embed what still waits. */
spk_status spk_embed_queue_flush(spk_embed_queue *q);
int64_t spk_embed_queue_segments(const spk_embed_queue *q); /* pushed so far */
int64_t spk_embed_queue_embedded(const spk_embed_queue *q); /* of these, given to the model */

/* The distinct utterances of an iterator and its trials. */
typedef struct spk_pass_set {
    int64_t n_utterances;
    int64_t n_total; /* over all processes: where an iterator shares them out, only this one's are in the lists */
    int64_t n_own; /* given to the queue, by these indices: utterance i of all is number i / size of rank i mod size */
    char **ids;    /* owned */
    uint64_t *hash;
    int64_t *n_segments, *samples;
    int64_t n_trials;
    int64_t *enroll, *test;
    uint8_t *label;
    spk_map index; /* id -> utterance */
} spk_pass_set;
void spk_pass_set_clear(spk_pass_set *s);

/* How an iterator is read. */
typedef struct spk_pass {
    spk_embed_queue *queue;
    const spk_trainer_options *options;
    const char *what;     /* for progress: "valid", "extract" */
    int64_t feature_size; /* of the model */
    bool labels;          /* trials and labels are kept and checked; else only utterances matter */
    int rank, size;       /* of several processes; size 0 or 1: alone */
} spk_pass;
/* One pass over the iterator: push each distinct utterance once, keep the trials. Takes iterator->split where it is.
 * Does not flush. SPK_E_VALUE for labels, ids and audio that are wrong, SPK_E_INTERRUPTED on a signal. */
spk_status spk_pass_run(const spk_pass *pass, spk_iterator *iterator, spk_pass_set *set);

struct spk_comm_work;
struct spk_work_list;
/* What each of `size` ranks has to do in a pass; `work` is the caller's room, which must stay as the iterator must. */
struct spk_comm_work spk_pass_work(int size, spk_iterator *iterator, struct spk_work_list *work);

/* Utterances of rank r, of n in all. */
int64_t spk_pass_count(int64_t n, int rank, int size);

/* SPK_E_UNSUPPORTED by name for what needs a GPU; SPK_E_VALUE for several processes without a comm. */
spk_status spk_trainer_check_options(const spk_model *model, const spk_trainer_options *options,
                                     const spk_distributed_option *distributed_option);

/* A hash of n floats or other 4-byte words that keeps up with the memory. */
uint64_t spk_hash_words(const void *data, int64_t n);

#endif
