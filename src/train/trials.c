/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over an iterator of trials: each distinct utterance goes to the embedding queue when it first appears, ids
 * and labels are kept, and nothing is read a second time. An iterator that gives utterances and trials apart
 * (`split`) is taken that way; both ways lead to the same set.
 */
#include "train/embed_impl.h"

#include <string.h>

#include "comm/comm_impl.h"
#include "train/work_impl.h"

void spk_pass_set_clear(spk_pass_set *s)
{
    for (int64_t i = 0; i < s->n_utterances; i++)
        spk_free(s->ids[i]);
    spk_free(s->ids);
    spk_free(s->hash);
    spk_free(s->n_segments);
    spk_free(s->samples);
    spk_free(s->enroll);
    spk_free(s->test);
    spk_free(s->label);
    spk_map_clear(&s->index);
    memset(s, 0, sizeof *s);
}

/* ---- utterances ---- */

/* Four lanes of eight bytes, each FNV-1a's step on words. */
uint64_t spk_hash_words(const void *data, int64_t n)
{
    const uint32_t *x = data;
    uint64_t lane[4] = {1, 2, 3, 4};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word[4];
        memcpy(word, x + i, sizeof word);
        for (int k = 0; k < 4; k++) {
            lane[k] = (lane[k] ^ word[k]) * 0x9e3779b97f4a7c15u;
            lane[k] ^= lane[k] >> 29;
        }
    }
    const uint64_t rest = spk_hash(x + i, (size_t)(n - i) * sizeof *x);
    return spk_hash(lane, sizeof lane) ^ (rest * 31) ^ (uint64_t)n;
}

/* The segments of item i of an array: (n, K, T), or (n, T) for one segment; of features with one more axis. */
typedef struct segments {
    const float *speech;
    int64_t K, T, floats; /* floats: of all segments */
} segments;

static spk_status find_segments(const spk_pass *pass, const spk_batch *batch, const char *name, int64_t i,
                                segments *out)
{
    const int64_t size = pass->feature_size;
    const int features = size > 0;
    const spk_array *a = spk_batch_find(batch, name);
    if (!a) return spk_fail(SPK_E_VALUE, "item %s: the batch has no array '%s'", batch->ids[i], name);
    const int n_dims = a->n_dims - features;
    if (a->dtype != SPK_F32 || (n_dims != 2 && n_dims != 3) || a->dim[0] != batch->n ||
        (features && a->dim[n_dims] != size))
        return spk_fail(SPK_E_SHAPE, "item %s: '%s' must be float32 (%lld items, segments, %s)", batch->ids[i], name,
                        (long long)batch->n, features ? "frames, the model's features" : "samples");
    out->K = n_dims == 3 ? a->dim[1] : 1;
    out->T = a->dim[n_dims - 1];
    out->floats = out->K * out->T * (features ? size : 1);
    if (out->K < 1 || out->T < 1) return spk_fail(SPK_E_SHAPE, "item %s: '%s' holds no samples", batch->ids[i], name);
    out->speech = (const float *)a->data + i * out->floats;
    return SPK_OK;
}

static spk_status find_token(const spk_batch *batch, int64_t i, const int64_t **out)
{
    const spk_array *a = spk_batch_find(batch, "task_tokens");
    *out = NULL;
    if (!a) return SPK_OK;
    if (a->dtype != SPK_I64 || a->n_dims < 1 || a->dim[0] != batch->n)
        return spk_fail(SPK_E_SHAPE, "item %s: 'task_tokens' must be int64 (%lld items, 1)", batch->ids[i],
                        (long long)batch->n);
    *out = (const int64_t *)a->data + i;
    return SPK_OK;
}

/* The index of utterance `id`, which is embedded when it is new, and otherwise must sound as it did before. `shared`: the
 * iterator gives this process's only. */
static spk_status add_utterance(const spk_pass *pass, spk_pass_set *s, const char *id, const segments *seg,
                                const int64_t *token, bool shared, int64_t *index)
{
    const uint64_t hash = spk_hash_words(seg->speech, seg->floats);
    if (spk_map_get(&s->index, id, index)) {
        const int64_t i = *index;
        if (s->hash[i] != hash || s->n_segments[i] != seg->K || s->samples[i] != seg->T)
            return spk_fail(SPK_E_VALUE,
                            "utterance %s: has different audio in different trials: give each recording "
                            "an id of its own",
                            id);
        return SPK_OK;
    }
    int64_t n[4] = {s->n_utterances, s->n_utterances, s->n_utterances, s->n_utterances};
    char *copy = spk_strdup(id);
    SPK_PUSH(s->hash, n[0]) = hash;
    SPK_PUSH(s->n_segments, n[1]) = seg->K;
    SPK_PUSH(s->samples, n[2]) = seg->T;
    SPK_PUSH(s->ids, n[3]) = copy;
    *index = s->n_utterances++;
    spk_map_put(&s->index, copy, *index);
    if (pass->size > 1 && !shared && *index % pass->size != pass->rank) return SPK_OK; /* another process's */
    return spk_embed_queue_push(pass->queue, s->n_own++, copy, seg->speech, seg->K, seg->T, token);
}

/* ---- trials ---- */

static spk_status add_trial(spk_pass_set *s, const char *id, int64_t enroll, int64_t test, int64_t label)
{
    if (label != 0 && label != 1)
        return spk_fail(SPK_E_VALUE, "trial %s: its label is %lld, not 1 (same speaker) or 0 (different)", id,
                        (long long)label);
    int64_t n[3] = {s->n_trials, s->n_trials, s->n_trials};
    SPK_PUSH(s->enroll, n[0]) = enroll;
    SPK_PUSH(s->test, n[1]) = test;
    SPK_PUSH(s->label, n[2]) = (uint8_t)label;
    s->n_trials++;
    return SPK_OK;
}

static spk_status find_label(const spk_batch *batch, int64_t i, int64_t *label)
{
    const spk_array *a = spk_batch_find(batch, "spk_labels");
    if (!a) return spk_fail(SPK_E_VALUE, "trial %s: it has no label ('spk_labels' is missing)", batch->ids[i]);
    if (a->dtype != SPK_I64 || a->n_dims < 1 || a->dim[0] != batch->n)
        return spk_fail(SPK_E_SHAPE, "trial %s: 'spk_labels' must be int64 (%lld items, 1)", batch->ids[i],
                        (long long)batch->n);
    *label = ((const int64_t *)a->data)[i];
    return SPK_OK;
}

/* Item i of a batch of trials: two utterances and a label. */
static spk_status add_item(const spk_pass *pass, spk_pass_set *s, const spk_batch *batch, int64_t i)
{
    const char *id = batch->ids[i], *star = strchr(id, '*');
    const int64_t *token = NULL;
    int64_t enroll = 0, test = 0, label = 0;
    segments a, b;
    if (!star || strchr(star + 1, '*') || star == id || !star[1])
        return spk_fail(SPK_E_VALUE, "trial %s: its id must be two utterance ids with one '*' between them", id);
    SPK_TRY(find_segments(pass, batch, "speech", i, &a));
    SPK_TRY(find_segments(pass, batch, "speech2", i, &b));
    SPK_TRY(find_token(batch, i, &token));
    if (pass->labels) SPK_TRY(find_label(batch, i, &label));
    char *first = spk_strndup(id, (size_t)(star - id));
    spk_status status = add_utterance(pass, s, first, &a, token, false, &enroll);
    spk_free(first);
    SPK_TRY(status);
    SPK_TRY(add_utterance(pass, s, star + 1, &b, token, false, &test));
    return pass->labels ? add_trial(s, id, enroll, test, label) : SPK_OK;
}

/* Item i of a batch of utterances; `apart`: trials know them by their place, so each may come only once. */
static spk_status add_plain(const spk_pass *pass, spk_pass_set *s, const spk_batch *batch, int64_t i, bool apart,
                            bool shared)
{
    const int64_t *token = NULL;
    int64_t index = 0;
    segments a;
    const int64_t before = s->n_utterances;
    SPK_TRY(find_segments(pass, batch, "speech", i, &a));
    SPK_TRY(find_token(batch, i, &token));
    SPK_TRY(add_utterance(pass, s, batch->ids[i], &a, token, shared, &index));
    if (apart && index != before)
        return spk_fail(SPK_E_VALUE, "utterance %s: is given twice by an iterator of distinct utterances",
                        batch->ids[i]);
    return SPK_OK;
}

/* ---- passes ---- */

static spk_status tell(const spk_pass *pass, int64_t done, int64_t total)
{
    if (pass->options && pass->options->progress) pass->options->progress(pass->options->user, pass->what, done, total);
    return spk_interrupted() ? spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal while embedding") : SPK_OK;
}

static spk_status run_split(const spk_pass *pass, spk_trial_source *source, spk_pass_set *s)
{
    const spk_batch *batch = NULL;
    const bool shared = pass->size > 1 && source->share;
    if (shared) source->share(source->self, pass->rank, pass->size);
    for (;;) {
        SPK_TRY(source->next(source->self, &batch));
        if (!batch) break;
        for (int64_t i = 0; i < batch->n; i++)
            SPK_TRY(add_plain(pass, s, batch, i, true, shared));
        SPK_TRY(tell(pass, s->n_utterances,
                     shared ? spk_pass_count(source->n_utterances, pass->rank, pass->size) : source->n_utterances));
    }
    s->n_total = shared ? source->n_utterances : s->n_utterances;
    for (int64_t i = 0; pass->labels && i < source->n_trials; i++) {
        const spk_trial *t = &source->trials[i];
        if (t->enroll < 0 || t->enroll >= s->n_total || t->test < 0 || t->test >= s->n_total)
            return spk_fail(SPK_E_VALUE, "trial %s: names an utterance that the iterator did not give", t->id);
        SPK_TRY(add_trial(s, t->id, t->enroll, t->test, t->label));
    }
    return SPK_OK;
}

int64_t spk_pass_count(int64_t n, int rank, int size)
{
    return (n - rank + size - 1) / size;
}

spk_status spk_pass_run(const spk_pass *pass, spk_iterator *iterator, spk_pass_set *s)
{
    const spk_batch *batch = NULL;
    if (iterator->split) return run_split(pass, iterator->split, s);
    for (int64_t done = 1;; done++) {
        SPK_TRY(iterator->next(iterator->self, &batch));
        s->n_total = s->n_utterances;
        if (!batch) return SPK_OK;
        const bool trials = pass->labels || spk_batch_find(batch, "speech2") != NULL;
        for (int64_t i = 0; i < batch->n; i++)
            SPK_TRY(trials ? add_item(pass, s, batch, i) : add_plain(pass, s, batch, i, false, false));
        SPK_TRY(tell(pass, done, iterator->n_batches));
    }
}

static const char *id_of_source(const void *list, int64_t i)
{
    const spk_trial_source *source = list;
    return source->utterance(source->self, i);
}

/* Only the trials' source of this program knows its utterances beforehand. */
spk_comm_work spk_pass_work(int size, spk_iterator *iterator, spk_work_list *work)
{
    const spk_trial_source *source = iterator->split;
    if (size <= 1 || !source || !source->share || !source->utterance) return (spk_comm_work){0};
    *work = (spk_work_list){source, id_of_source, source->n_utterances, size};
    return (spk_comm_work){spk_work_of_list, work};
}

/* ---- what is asked for ---- */

spk_status spk_trainer_check_options(const spk_model *model, const spk_trainer_options *options,
                                     const spk_distributed_option *distributed_option)
{
    SPK_ASSERT(model && "a model is needed");
    SPK_ASSERT(model->embed && model->embedding_size > 0 && "the model must embed");
    (void)options; /* ngpu: where a model computes is its own affair (spk_net_options.gpu) */
    const spk_distributed_option *d = distributed_option;
    const int size = spk_comm_size(d ? d->comm : NULL);
    if (d && !d->comm && (d->distributed || d->dist_world_size > 1 || d->dist_rank > 0))
        return spk_fail(SPK_E_VALUE, "distributed: several processes need a comm (spk_comm_open), and there is none");
    if (d && d->dist_world_size > 0 && d->dist_world_size != size)
        return spk_fail(SPK_E_VALUE, "distributed: dist_world_size is %d, and %d processes have joined",
                        d->dist_world_size, size);
    return SPK_OK;
}

spk_distributed_option spk_distributed(spk_comm *comm)
{
    const int size = spk_comm_size(comm);
    return (spk_distributed_option){
        .distributed = size > 1, .dist_rank = spk_comm_rank(comm), .dist_world_size = size, .comm = comm};
}
