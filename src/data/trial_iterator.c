/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials or distinct utterances as batches of segments. Two loaders over the same set, each started by its first call:
 * one fills both sides of every trial, the other each utterance once.
 */
#include "data/loader_impl.h"
#include "data/trial_set_impl.h"

typedef struct trial_iterator {
    spk_iterator it;
    spk_trial_source split;
    spk_trial_set *set;
    int64_t B, side; /* items of a full batch; floats of one side of it */
    spk_loader *trials, *utterances;
    int64_t rank, size; /* utterances rank, rank + size, ... are given apart */
    const char **ids;
    int64_t *labels;
    spk_batch batch;
    spk_array array[3];
} trial_iterator;

static int64_t batch_count(int64_t n, int64_t B)
{
    return (n + B - 1) / B;
}

static int64_t batch_size(int64_t n, int64_t B, int64_t b)
{
    return n - b * B < B ? n - b * B : B;
}

/* ---- workers ---- */

/* Utterances that are given apart, and the i-th of them. */
static int64_t n_apart(const trial_iterator *t)
{
    return (t->set->n_utterances - t->rank + t->size - 1) / t->size;
}

static int64_t apart(const trial_iterator *t, int64_t i)
{
    return t->rank + i * t->size;
}

static int64_t utterance_items(void *self, int64_t b)
{
    const trial_iterator *t = self;
    return batch_size(n_apart(t), t->B, b);
}

/* Both sides of a trial: even items are `speech`, odd ones `speech2`. */
static int64_t trial_items(void *self, int64_t b)
{
    const trial_iterator *t = self;
    return 2 * batch_size(t->set->n_trials, t->B, b);
}

/* All of it; its room was found by its header. */
static spk_status read_whole(const spk_trial_set *s, spk_audio_reader *reader, int64_t u, float *dst)
{
    int64_t L = 0;
    spk_status status = spk_audio_open(reader, s->path[u], &L);
    if (status == SPK_OK && L != s->length[u])
        status = spk_fail(SPK_E_FORMAT, "%s: has %lld samples and had %lld when the trials were opened", s->path[u],
                          (long long)L, (long long)s->length[u]);
    if (status == SPK_OK) status = spk_audio_part(reader, 0, L, dst);
    spk_audio_shut(reader);
    return status;
}

static spk_status read_segments(const trial_iterator *t, spk_audio_reader *reader, int64_t u, float *dst)
{
    const spk_trial_set *s = t->set;
    const spk_status status =
        s->length ? read_whole(s, reader, u, dst) : spk_crop_segments(reader, s->path[u], s->T, s->o.num_eval, dst);
    return status == SPK_OK ? SPK_OK : spk_fail_in(status, "utterance '%s'", s->id[u]);
}

static spk_status fill_utterance(void *self, spk_audio_reader *reader, void *own, int64_t b, int64_t item, void *slot)
{
    const trial_iterator *t = self;
    (void)own;
    return read_segments(t, reader, apart(t, b * t->B + item), (float *)slot + item * (t->side / t->B));
}

static spk_status fill_trial(void *self, spk_audio_reader *reader, void *own, int64_t b, int64_t item, void *slot)
{
    const trial_iterator *t = self;
    (void)own;
    const spk_trial *trial = &t->set->trial[b * t->B + item / 2];
    float *dst = (float *)slot + (item % 2) * t->side + item / 2 * (t->side / t->B);
    return read_segments(t, reader, item % 2 ? trial->test : trial->enroll, dst);
}

/* ---- the consumer ---- */

static spk_status next_slot(trial_iterator *t, bool trials, int64_t *b, void **slot)
{
    spk_loader **loader = trials ? &t->trials : &t->utterances;
    const int64_t n = trials ? t->set->n_trials : n_apart(t);
    *slot = NULL;
    if (n < 1) return SPK_OK; /* more processes than utterances */
    if (!*loader) {
        const spk_loader_job job = {.self = t,
                                    .n_batches = batch_count(n, t->B),
                                    .slot_bytes = sizeof(float) * (size_t)t->side * (trials ? 2 : 1),
                                    .n_items = trials ? trial_items : utterance_items,
                                    .fill = trials ? fill_trial : fill_utterance};
        SPK_TRY(spk_loader_open(&job, &t->set->o.audio, t->set->o.num_workers, loader));
    }
    SPK_TRY(spk_loader_next(*loader, b, slot, &t->batch.wait_s));
    t->batch.n = *slot ? batch_size(n, t->B, *b) : 0;
    for (int i = 0; i < 3; i++)
        t->array[i].dim[0] = t->batch.n;
    return SPK_OK;
}

static spk_status next_utterances(void *self, const spk_batch **out)
{
    trial_iterator *t = self;
    int64_t b = 0;
    void *slot = NULL;
    *out = NULL;
    SPK_TRY(next_slot(t, false, &b, &slot));
    if (!slot) return SPK_OK;
    for (int64_t i = 0; i < t->batch.n; i++)
        t->ids[i] = t->set->id[apart(t, b * t->B + i)];
    if (t->set->length) t->array[0].dim[2] = t->set->length[apart(t, b)];
    t->array[0].data = slot;
    t->batch.n_arrays = 1;
    *out = &t->batch;
    return SPK_OK;
}

static spk_status next_trials(void *self, const spk_batch **out)
{
    trial_iterator *t = self;
    int64_t b = 0;
    void *slot = NULL;
    *out = NULL;
    SPK_TRY(next_slot(t, true, &b, &slot));
    if (!slot) return SPK_OK;
    for (int64_t i = 0; i < t->batch.n; i++) {
        t->ids[i] = t->set->trial[b * t->B + i].id;
        t->labels[i] = t->set->trial[b * t->B + i].label;
    }
    for (int side = 0; t->set->length && side < 2; side++)
        t->array[side].dim[2] = t->set->length[side ? t->set->trial[b].test : t->set->trial[b].enroll];
    t->array[0].data = slot;
    t->array[1].data = (float *)slot + t->side;
    t->array[2].data = t->labels;
    t->batch.n_arrays = 3;
    *out = &t->batch;
    return SPK_OK;
}

static void share(void *self, int rank, int size)
{
    trial_iterator *t = self;
    SPK_ASSERT(!t->utterances && rank >= 0 && rank < size);
    t->rank = rank;
    t->size = size;
}

static const char *utterance(void *self, int64_t i)
{
    const trial_iterator *t = self;
    return t->set->id[i];
}

static void close_trials(void *self)
{
    trial_iterator *t = self;
    spk_loader_close(t->trials);
    spk_loader_close(t->utterances);
    spk_free(t->ids);
    spk_free(t->labels);
    spk_free(t);
}

/* Whole utterances: the longest one's samples. What cannot be read is told when it is due. */
static int64_t measure(spk_trial_set *s)
{
    int64_t longest = 1;
    if (!s->length) {
        s->length = spk_new(sizeof *s->length * (size_t)s->n_utterances);
        spk_audio_lengths(s->path, s->n_utterances, &s->o.audio, spk_cpu_count(), s->length);
    }
    for (int64_t i = 0; i < s->n_utterances; i++)
        longest = s->length[i] > longest ? s->length[i] : longest;
    return longest;
}

spk_status spk_trial_iterator(spk_trial_set *s, spk_iterator **out)
{
    trial_iterator *t = spk_new(sizeof *t);
    if (s->o.whole) s->T = measure(s);
    const int64_t n = s->n_trials > 0 ? s->n_trials : s->n_utterances, K = s->o.num_eval;
    bool overflow = false;
    *out = NULL;
    t->set = s;
    t->size = 1;
    t->B = s->o.batch_size < n ? s->o.batch_size : n;
    const size_t row = spk_mul((size_t)s->T, (size_t)s->width, &overflow);
    const size_t side = spk_mul(spk_mul((size_t)t->B, (size_t)K, &overflow), row, &overflow);
    if (overflow || side > SIZE_MAX / 64) {
        spk_free(t);
        return spk_fail(SPK_E_VALUE, "valid_batch_size %lld with %lld segments of %lld samples is too much",
                        (long long)s->o.batch_size, (long long)K, (long long)s->T);
    }
    t->side = (int64_t)side;
    t->ids = spk_new(sizeof *t->ids * (size_t)t->B);
    t->labels = spk_new(sizeof *t->labels * (size_t)t->B);
    t->array[0] = (spk_array){.name = "speech", .dtype = SPK_F32, .n_dims = 3, .dim = {0, K, s->T, s->width}};
    if (s->o.audio.feature_size > 0) t->array[0].n_dims = 4;
    t->array[1] = t->array[0];
    t->array[1].name = "speech2";
    t->array[2] = (spk_array){.name = "spk_labels", .dtype = SPK_I64, .n_dims = 2, .dim = {0, 1}};
    t->batch = (spk_batch){.ids = t->ids, .arrays = t->array};
    t->split = (spk_trial_source){.self = t,
                                  .n_utterances = s->n_utterances,
                                  .n_trials = s->n_trials,
                                  .trials = s->trial,
                                  .next = next_utterances,
                                  .share = share,
                                  .utterance = utterance};
    t->it = (spk_iterator){.self = t,
                           .next = s->n_trials > 0 ? next_trials : next_utterances,
                           .split = &t->split,
                           .n_batches = batch_count(n, t->B),
                           .close = close_trials};
    *out = &t->it;
    return SPK_OK;
}
