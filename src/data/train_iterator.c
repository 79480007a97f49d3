/* SPDX-License-Identifier: Apache-2.0 */
/* The batches of one training epoch: the sampler's plan, filled by the loader. */
#include <string.h>

#include "data/loader_impl.h"
#include "data/train_set_impl.h"

typedef struct train_iterator {
    spk_iterator it; /* what the caller sees */
    spk_train_set *set;
    int64_t epoch;
    spk_epoch_plan plan;
    int64_t *room; /* of whole utterances: samples of each batch */
    spk_loader *loader;
    size_t ids_at, labels_at, nth_at, used_at, lengths_at; /* offsets in a slot, after the speech */
    spk_batch batch;
    spk_array array[4];
    spk_status failed; /* once too many files were bad: told again by every call */
    char message[1024];
} train_iterator;

/* ---- workers ---- */

static int64_t n_items(void *self, int64_t b)
{
    const train_iterator *t = self;
    return t->plan.first[b + 1] - t->plan.first[b];
}

/* Samples of an item of batch b: of a crop, or of a chunk, or what utterances are padded to. */
static int64_t batch_samples(const train_iterator *t, int64_t b)
{
    if (t->room) return t->room[b];
    return t->plan.chunk_length ? t->plan.chunk_length[b] : t->set->T;
}

static spk_status read_utterance(const train_iterator *t, spk_audio_reader *reader, int64_t u, uint32_t nth, float *dst)
{
    const spk_train_set *s = t->set;
    spk_rng draw = spk_rng_make(s->o.seed, SPK_PURPOSE_CROP, (uint64_t)t->epoch, s->hash[u], nth);
    const spk_status status = spk_crop_train(reader, s->path[u], s->speed[u], s->T, &draw, dst);
    return status == SPK_OK ? SPK_OK : spk_fail_in(status, "utterance '%s'", s->id[u]);
}

/* Of whole utterances; else a crop. */
static spk_status read_item(const train_iterator *t, spk_audio_reader *reader, int64_t u, uint32_t nth,
                            const spk__whole_part *part)
{
    return t->room ? spk__whole_read(t->set, reader, u, part) : read_utterance(t, reader, u, nth, part->dst);
}

static spk_status change_utterance(const train_iterator *t, spk_augment_bench *bench, int64_t u, uint32_t nth, float *x)
{
    const spk_train_set *s = t->set;
    if (!s->augment) return SPK_OK;
    const spk_augment_item item = {(uint64_t)t->epoch, s->hash[u], nth, s->label[s->base[u]]};
    const spk_status status = spk_augment_apply(s->augment, bench, &item, x);
    return status == SPK_OK ? SPK_OK : spk_fail_in(status, "augmenting utterance '%s'", s->id[u]);
}

/* What a thread keeps from crop to crop. */
typedef struct bench {
    spk_augment_bench *augment; /* NULL: without */
    float *crop;                /* where chunks are cut from; NULL: crops are read in place */
} bench;

static void *open_bench(void *self, spk_audio_reader *reader)
{
    const spk_train_set *s = ((const train_iterator *)self)->set;
    bench *b = spk_new(sizeof *b);
    if (s->augment) b->augment = spk_augment_bench_new(s->augment, reader);
    if (s->chunks && !s->length) b->crop = spk_new(sizeof *b->crop * (size_t)(s->T * s->width));
    return b;
}

static void close_bench(void *own)
{
    bench *b = own;
    spk_augment_bench_free(b->augment);
    spk_free(b->crop);
    spk_free(b);
}

/* Where bad files are allowed, the next utterance of the same speaker stands in for one. */
static spk_status fill(void *self, spk_audio_reader *reader, void *own, int64_t b, int64_t item, void *slot)
{
    enum { STAND_IN = 0x40000000 }; /* sets the draws of a stand-in apart */
    const train_iterator *t = self;
    const spk_train_set *s = t->set;
    char *data = slot;
    const int64_t at = t->plan.first[b] + item, u = t->plan.item[at];
    const bench *own_bench = own;
    const uint32_t nth = t->plan.crop ? t->plan.crop[at] : t->plan.nth[at];
    const int64_t T = batch_samples(t, b);
    float *x = (float *)slot + item * T * s->width, *speech = own_bench->crop ? own_bench->crop : x;
    spk__whole_part part = {t->plan.offset ? t->plan.offset[at] : 0, T, false, speech,
                            (int64_t *)(void *)(data + t->lengths_at) + item};
    int64_t used = u;
    uint32_t stands_in = 0;
    spk_status status = read_item(t, reader, u, nth, &part);
    while (status != SPK_OK && s->o.max_bad_files > 0 && s->next_alike[used] != u) {
        used = s->next_alike[used];
        stands_in = STAND_IN;
        part.stands_in = true;
        status = read_item(t, reader, used, nth | STAND_IN, &part);
    }
    if (status != SPK_OK)
        return s->o.max_bad_files > 0
                   ? spk_fail_in(status, "no recording of speaker '%s' can be read", s->speaker[s->label[u]])
                   : status;
    SPK_TRY(change_utterance(t, own_bench->augment, used, nth | stands_in, speech));
    if (own_bench->crop) memcpy(x, speech + part.from * s->width, sizeof *x * (size_t)(T * s->width));
    ((const char **)(void *)(data + t->ids_at))[item] = s->id[used];
    ((int64_t *)(void *)(data + t->labels_at))[item] = s->label[used];
    ((int64_t *)(void *)(data + t->nth_at))[item] = t->plan.nth[at];
    ((int64_t *)(void *)(data + t->used_at))[item] = used;
    return SPK_OK;
}

/* ---- the consumer ---- */

/* Say why utterance u could not be read (by reading it again; it is rare), and count it. */
static spk_status note_bad(train_iterator *t, int64_t u, int64_t stand_in)
{
    spk_train_set *s = t->set;
    if (s->bad[s->base[u]]) return SPK_OK; /* its copies at other speeds are the same file */
    s->bad[s->base[u]] = true;
    s->n_bad++;
    spk_audio_reader *reader = spk_audio_reader_new(&s->o.audio);
    const int64_t T = s->length ? s->length[u] : s->T;
    int64_t length = 0;
    float *scratch = spk_alloc(sizeof *scratch * (size_t)(T * s->width));
    const spk__whole_part part = {0, T, false, scratch, &length};
    spk_status status =
        scratch ? read_item(t, reader, u, 0, &part) : spk_fail(SPK_E_NOMEM, "no memory for %lld samples", (long long)T);
    spk_free(scratch);
    spk_audio_reader_free(reader);
    if (s->n_bad > s->o.max_bad_files)
        return spk_fail(status == SPK_OK ? SPK_E_IO : status,
                        "%s; this is bad file %lld, and max_bad_files allows %lld",
                        status == SPK_OK ? "a file could not be read" : spk_errmsg(), (long long)s->n_bad,
                        (long long)s->o.max_bad_files);
    spk_warn("loader", "%s; '%s' of the same speaker stands in for it (bad file %lld, at most %lld are allowed)",
             status == SPK_OK ? s->id[u] : spk_errmsg(), s->id[stand_in], (long long)s->n_bad,
             (long long)s->o.max_bad_files);
    return SPK_OK;
}

static spk_status count_bad(train_iterator *t, int64_t b, const int64_t *used)
{
    const spk_train_set *s = t->set;
    for (int64_t at = t->plan.first[b]; at < t->plan.first[b + 1]; at++)
        for (int64_t u = t->plan.item[at]; u != used[at - t->plan.first[b]]; u = s->next_alike[u])
            SPK_TRY(note_bad(t, u, used[at - t->plan.first[b]]));
    return SPK_OK;
}

static spk_status next(void *self, const spk_batch **out)
{
    train_iterator *t = self;
    int64_t b = 0;
    void *slot = NULL;
    *out = NULL;
    if (t->failed != SPK_OK) return spk_fail(t->failed, "%s", t->message);
    SPK_TRY(spk_loader_next(t->loader, &b, &slot, &t->batch.wait_s));
    if (!slot) return SPK_OK;
    char *data = slot;
    t->failed = count_bad(t, b, (const int64_t *)(const void *)(data + t->used_at));
    if (t->failed != SPK_OK) {
        snprintf(t->message, sizeof t->message, "%s", spk_errmsg());
        return t->failed;
    }
    t->batch.n = n_items(t, b);
    t->batch.idle = t->plan.idle && t->plan.idle[b];
    t->batch.ids = (const char *const *)(const void *)(data + t->ids_at);
    for (int i = 0; i < t->batch.n_arrays; i++)
        t->array[i].dim[0] = t->batch.n;
    t->array[0].dim[1] = batch_samples(t, b);
    t->array[0].data = slot;
    t->array[1].data = data + t->labels_at;
    t->array[2].data = data + t->nth_at;
    t->array[3].data = data + t->lengths_at;
    *out = &t->batch;
    return SPK_OK;
}

static spk_status start_loader(train_iterator *t, int64_t first)
{
    const spk_train_set *s = t->set;
    const spk_loader_job job = {.self = t,
                                .n_batches = t->plan.n_batches,
                                .first = first,
                                .slot_bytes = t->lengths_at + sizeof(int64_t) * (size_t)t->plan.largest,
                                .n_items = n_items,
                                .fill = fill,
                                .open_worker = open_bench,
                                .close_worker = close_bench};
    return spk_loader_open(&job, &s->o.audio, s->o.num_workers, &t->loader);
}

/* The loader has begun with the first batch; it is started anew. */
static spk_status skip(void *self, int64_t n)
{
    train_iterator *t = self;
    if (n < 0 || n > t->plan.n_batches)
        return spk_fail(SPK_E_VALUE, "epoch %lld has %lld batches, and %lld are to be left out", (long long)t->epoch,
                        (long long)t->plan.n_batches, (long long)n);
    spk_loader_close(t->loader);
    t->loader = NULL;
    return start_loader(t, n);
}

/* The plan was cut down to this process's share: it is made anew, and to the other's. */
static bool peek(void *self, int64_t b, int rank, const char **first, int64_t *n)
{
    const train_iterator *t = self;
    spk_epoch_plan plan = {0};
    spk_share share = t->set->share;
    *first = NULL;
    *n = 0;
    if (b < 0 || b >= t->plan.n_batches || spk__train_set_plan(t->set, t->epoch, &plan) != SPK_OK) return false;
    share.rank = rank;
    spk_epoch_plan_share(&plan, &share);
    if (!plan.idle || !plan.idle[b]) *n = plan.first[b + 1] - plan.first[b];
    if (*n > 0) *first = t->set->id[plan.item[plan.first[b]]];
    spk_epoch_plan_clear(&plan);
    return true;
}

static void close_train(void *self)
{
    train_iterator *t = self;
    spk_loader_close(t->loader);
    spk_epoch_plan_clear(&t->plan);
    spk_free(t->room);
    spk_free(t);
}

static void log_plan(const train_iterator *t)
{
    const spk_epoch_plan *p = &t->plan;
    const long long used = (long long)p->distinct, all = (long long)t->set->n;
    if (p->n_left_out > 0)
        spk_info("data", "epoch %lld: %lld chunks make no full batch and are left out", (long long)t->epoch,
                 (long long)p->n_left_out);
    spk_info("data", "epoch %lld: %lld batches, %lld %s; coverage %.1f %% (%lld of %lld utterances are used)",
             (long long)t->epoch, (long long)p->n_batches, (long long)p->n_items,
             t->set->length ? "utterances" : "crops", 100.0 * (double)used / (double)all, used, all);
}

/* Room for whole utterances, of each batch: the most of all, and how much of it is padding. */
static int64_t find_rooms(train_iterator *t)
{
    const spk_train_set *s = t->set;
    const spk_epoch_plan *p = &t->plan;
    double room = 0, own = 0;
    int64_t most = 0;
    t->room = spk_new(sizeof *t->room * (size_t)p->n_batches);
    for (int64_t b = 0; b < p->n_batches; b++) {
        const int64_t n = p->first[b + 1] - p->first[b], W = p->chunk_length ? p->chunk_length[b] : 0;
        t->room[b] = W > 0 ? W : spk__whole_room(s, p->item + p->first[b], n);
        room += (double)(n * t->room[b]);
        most = n * t->room[b] > most ? n * t->room[b] : most;
        for (int64_t i = p->first[b]; i < p->first[b + 1]; i++)
            own += (double)(W > 0 ? W : s->length[p->item[i]]);
    }
    spk_info("data",
             "epoch %lld: whole utterances: the largest batch has room for %.1f s, and %.1f %% of all is padding",
             (long long)t->epoch, (double)most / (double)s->o.audio.sample_rate, 100 * (1 - own / room));
    return most;
}

void spk_train_set_share(spk_train_set *s, int rank, int n_ranks, bool singles)
{
    SPK_ASSERT(rank >= 0 && rank < n_ranks);
    const int64_t group = s->o.per_speaker > 1 ? s->o.per_speaker : 1;
    s->share = (spk_share){.rank = rank, .n_ranks = n_ranks, .group = group, .least = singles && group == 1 ? 1 : 2};
}

spk_status spk_train_iterator(spk_train_set *s, int64_t epoch, spk_iterator **out)
{
    spk_status status;
    train_iterator *t = spk_new(sizeof *t);
    *out = NULL;
    t->set = s;
    t->epoch = epoch;
    SPK_GO(spk__train_set_plan(s, epoch, &t->plan));
    spk_epoch_plan_share(&t->plan, &s->share);
    const size_t B = (size_t)t->plan.largest;
    const int64_t longest = s->chunks ? spk_chunks_longest(s->chunks) : s->T;
    const size_t most = s->length ? (size_t)find_rooms(t) : B * (size_t)longest;
    t->ids_at = (sizeof(float) * most * (size_t)s->width + 63) / 64 * 64;
    t->labels_at = t->ids_at + sizeof(char *) * B;
    t->nth_at = t->labels_at + sizeof(int64_t) * B;
    t->used_at = t->nth_at + sizeof(int64_t) * B;
    t->lengths_at = t->used_at + sizeof(int64_t) * B;
    t->array[0] = (spk_array){.name = "speech", .dtype = SPK_F32, .n_dims = 2, .dim = {0, s->T, s->width}};
    if (s->o.audio.feature_size > 0) t->array[0].n_dims = 3;
    t->array[1] = (spk_array){.name = "spk_labels", .dtype = SPK_I64, .n_dims = 2, .dim = {0, 1}};
    t->array[2] = (spk_array){.name = "nth", .dtype = SPK_I64, .n_dims = 2, .dim = {0, 1}};
    t->array[3] = (spk_array){.name = "speech_lengths", .dtype = SPK_I64, .n_dims = 1};
    t->batch = (spk_batch){.n_arrays = s->length ? 4 : 3, .arrays = t->array};
    t->it = (spk_iterator){
        .self = t, .next = next, .n_batches = t->plan.n_batches, .skip = skip, .peek = peek, .close = close_train};
    log_plan(t);
    SPK_GO(start_loader(t, 0));
    *out = &t->it;
    t = NULL;
done:
    if (t) close_train(t);
    return status;
}

void spk_train_iterator_coverage(const spk_iterator *it, spk_train_coverage *out)
{
    const train_iterator *t = it->self;
    *out = (spk_train_coverage){.n_batches = t->plan.n_batches,
                                .n_items = t->plan.n_items,
                                .n_distinct = t->plan.distinct,
                                .n_utterances = t->set->n,
                                .n_bad_files = t->set->n_bad};
}
