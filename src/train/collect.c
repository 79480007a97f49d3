/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of the training data's features, for global_mvn. Blocks of the list are shared among the ranks. Each reads
 * its part by all threads and computes it utterance by utterance; rank 0 adds the utterances' sums in the order of the
 * list. So the sums come out the same however many threads and ranks there are, and only rank 0 writes.
 */
#include <inttypes.h>
#include <omp.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "data/audio_impl.h"
#include "model/net_impl.h"
#include "spk/arrays.h"
#include "train/run_impl.h"
#include "train/work_impl.h"

/* An utterance in memory. */
typedef struct wave {
    float *x;
    int64_t n; /* samples, or frames of features */
    spk_status status;
    char message[512];
} wave;

/* What is told of an utterance. */
typedef struct note {
    int64_t length, count; /* samples, or frames of features; frames of the features that are summed */
    char left_out[240];    /* why it is; "": it is not */
} note;

typedef struct sums {
    int64_t count, size; /* frames; bins */
    double *sum;         /* 2 * size: of the features, of their squares */
} sums;

typedef struct collection {
    spk_run *run;
    spk_audio_options audio;
    const spk_run_callbacks *callbacks;
    sums s; /* rank 0 */
} collection;

/* ---- reading ---- */

static void read_one(spk_audio_reader *reader, const char *id, const char *path, bool length_only, wave *w)
{
    w->x = NULL;
    w->status = spk_audio_open(reader, path, &w->n);
    if (w->status == SPK_OK && !length_only) {
        w->x = spk_alloc((size_t)(w->n * spk_audio_width(reader)) * sizeof *w->x);
        w->status = w->x ? spk_audio_part(reader, 0, w->n, w->x) : spk_fail(SPK_E_NOMEM, "no memory for %s", path);
    }
    spk_audio_shut(reader);
    if (w->status != SPK_OK) snprintf(w->message, sizeof w->message, "utterance '%s': %s", id, spk_errmsg());
}

/* Reads n utterances; ids and paths are asked for by index. */
typedef struct utterances {
    const void *set;
    const char *(*id)(const void *set, int64_t i);
    const char *(*path)(const void *set, int64_t i);
    int64_t n;
} utterances;

static void read_some(const collection *c, const utterances *u, int64_t first, int64_t n, bool length_only, wave *waves)
{
#pragma omp parallel num_threads(c->run->n_threads)
    {
        spk_audio_reader *reader = spk_audio_reader_new(&c->audio);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < n; i++)
            read_one(reader, u->id(u->set, first + i), u->path(u->set, first + i), length_only, &waves[i]);
        spk_audio_reader_free(reader);
    }
}

/* ---- sums ---- */

/* sum (2 F): of the frames, of their squares. */
static void sum_features(const spk_view *v, double *sum)
{
    const bool wide = v->dtype == SPK_F64;
    for (int64_t t = 0; t < v->w; t++) {
        for (int64_t k = 0, at = t * v->ld; k < v->c; k++, at++) {
            const double x = wide ? ((const double *)v->p)[at] : (double)((const float *)v->p)[at];
            sum[k] += x;
            sum[v->c + k] += x * x;
        }
    }
}

static void add_sum(sums *s, int64_t size, const double *sum)
{
    if (!s->sum) s->sum = spk_new((size_t)(2 * size) * sizeof *s->sum);
    s->size = size;
    for (int64_t k = 0; k < 2 * size; k++)
        s->sum[k] += sum[k];
}

static spk_status write_sums(const sums *s, const char *path)
{
    spk_npz_writer *w = NULL;
    spk_status status;
    SPK_GO(spk_npz_create(path, &w));
    SPK_GO(spk_npz_add(w, "count", SPK_I64, 0, NULL, &s->count));
    SPK_GO(spk_npz_add(w, "sum", SPK_F64, 1, &s->size, s->sum));
    SPK_GO(spk_npz_add(w, "sum_square", SPK_F64, 1, &s->size, s->sum + s->size));
    spk_npz_writer *finished = w;
    w = NULL;
    status = spk_npz_finish(finished);
done:
    spk_npz_abort(w);
    return status;
}

/* ---- an utterance list ---- */

static void add_shape(const collection *c, const char *id, int64_t n, spk_text *shapes)
{
    if (c->audio.feature_size > 0)
        spk_text_addf(shapes, "%s %" PRId64 ",%" PRId64 "\n", id, n, c->audio.feature_size);
    else
        spk_text_addf(shapes, "%s %" PRId64 "\n", id, n);
}

/* A block of the list, utterances [first, first + n), of which each rank has up to `each` in a row. */
typedef struct block {
    const utterances *u;
    int64_t first, n, each;
    int64_t *counts; /* of each rank */
    int64_t own, n_own;
    note *notes;  /* (n_own) */
    int64_t size; /* bins: known once an utterance was computed */
    double *sums; /* (n_own, 2 size) */
} block;

static int64_t part_of(const block *b, int rank, int64_t *begin)
{
    const int64_t from = rank * b->each < b->n ? rank * b->each : b->n;
    *begin = b->first + from;
    return b->n - from < b->each ? b->n - from : b->each;
}

static char *work_of(void *user, int rank)
{
    const block *b = user;
    int64_t begin = 0;
    const int64_t n = part_of(b, rank, &begin);
    return spk_work_text(n > 0 ? b->u->id(b->u->set, begin) : NULL, n);
}

/* One utterance's features; one that is too short for the frontend is left out. */
static spk_status sum_utterance(const collection *c, block *b, const wave *w, int64_t i)
{
    spk_view feats;
    const spk_status status = spk_net_features(c->run->net, w->x, w->n, &feats);
    if (status == SPK_E_VALUE) {
        snprintf(b->notes[i].left_out, sizeof b->notes[i].left_out, "%s", spk_errmsg());
        return SPK_OK;
    }
    SPK_TRY(status);
    b->size = feats.c;
    if (!b->sums) b->sums = spk_new((size_t)(b->n_own * 2 * b->size) * sizeof *b->sums);
    b->notes[i].count = feats.w;
    sum_features(&feats, b->sums + i * 2 * b->size);
    return SPK_OK;
}

/* This rank's part of a block. */
static spk_status do_part(const collection *c, block *b, bool length_only)
{
    wave *waves = spk_new((size_t)b->each * sizeof *waves);
    spk_status status = SPK_OK;
    read_some(c, b->u, b->own, b->n_own, length_only, waves);
    for (int64_t i = 0; i < b->n_own; i++) {
        if (status == SPK_OK && waves[i].status != SPK_OK) status = spk_fail(waves[i].status, "%s", waves[i].message);
        b->notes[i].length = waves[i].n;
        if (status == SPK_OK && !length_only) status = sum_utterance(c, b, &waves[i], i);
        spk_free(waves[i].x);
    }
    spk_free(waves);
    if (status == SPK_OK && spk_interrupted())
        status = spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal; no statistics are written");
    return status;
}

/* The notes and sums of all ranks, in the order of the list, on rank 0: `notes` (n), *all (n, 2 size) is new. */
static spk_status gather_block(spk_comm *comm, block *b, note *notes, double **all)
{
    SPK_TRY(spk_comm_gather(comm, b->notes, b->counts, sizeof *b->notes, notes, 0));
    SPK_TRY(spk_comm_reduce(comm, &b->size, 1, SPK_COMM_I64, SPK_COMM_MAX));
    if (b->size == 0) return SPK_OK;
    if (!b->sums) b->sums = spk_new((size_t)((b->n_own + 1) * 2 * b->size) * sizeof *b->sums);
    if (spk_comm_is_first(comm)) *all = spk_new((size_t)(b->n * 2 * b->size) * sizeof **all);
    return spk_comm_gather(comm, b->sums, b->counts, (size_t)(2 * b->size) * sizeof *b->sums, *all, 0);
}

/* On rank 0: lengths of the block's utterances, the sum of their sums, their shapes. */
static spk_status add_block(collection *c, block *b, int64_t *lengths, spk_text *shapes)
{
    spk_comm *comm = c->run->comm;
    double *all = NULL;
    note *notes = spk_new((size_t)b->n * sizeof *notes);
    const spk_status status = gather_block(comm, b, notes, &all);
    for (int64_t i = 0; status == SPK_OK && spk_comm_is_first(comm) && i < b->n; i++) {
        const char *id = b->u->id(b->u->set, b->first + i);
        if (notes[i].left_out[0]) spk_warn("stats", "utterance '%s' is left out: %s", id, notes[i].left_out);
        if (lengths) lengths[b->first + i] = notes[i].length;
        if (shapes) add_shape(c, id, notes[i].length, shapes);
        c->s.count += notes[i].count;
        if (notes[i].count > 0) add_sum(&c->s, b->size, all + i * 2 * b->size);
    }
    spk_free(notes);
    spk_free(all);
    return status;
}

static spk_status do_block(collection *c, block *b, bool length_only, int64_t *lengths, spk_text *shapes)
{
    spk_comm *comm = c->run->comm;
    int64_t begin = 0;
    for (int r = 0; r < spk_comm_size(comm); r++)
        b->counts[r] = part_of(b, r, &begin);
    b->n_own = part_of(b, spk_comm_rank(comm), &b->own);
    b->notes = spk_new((size_t)b->each * sizeof *b->notes);
    spk_status status = spk_comm_agree(comm, do_part(c, b, length_only));
    if (status == SPK_OK) status = add_block(c, b, lengths, shapes);
    spk_free(b->notes);
    spk_free(b->sums);
    b->notes = NULL;
    b->sums = NULL;
    b->size = 0;
    return status;
}

/* Lengths of all; without length_only their features' sums, and their shapes as text. */
static spk_status walk(collection *c, const utterances *u, bool length_only, int64_t *lengths, spk_text *shapes)
{
    spk_comm *comm = c->run->comm;
    const int size = spk_comm_size(comm);
    block b = {.u = u, .each = 4 * c->run->n_threads};
    const spk_comm_work before = spk_comm_working(comm, (spk_comm_work){work_of, &b});
    spk_status status = SPK_OK;
    b.counts = spk_new((size_t)size * sizeof *b.counts);
    spk_comm_where(comm, "collect_stats");
    for (; b.first < u->n && status == SPK_OK; b.first += b.n) {
        b.n = u->n - b.first < b.each * size ? u->n - b.first : b.each * size;
        status = do_block(c, &b, length_only, lengths, shapes);
        if (c->callbacks && c->callbacks->progress && !length_only)
            c->callbacks->progress(c->callbacks->user, "collect_stats", b.first + b.n, u->n);
    }
    spk_comm_working(comm, before);
    spk_free(b.counts);
    return status;
}

/* ---- train and valid ---- */

static const char *train_id(const void *set, int64_t i)
{
    return spk_train_set_utterance(set, i);
}

static const char *train_path(const void *set, int64_t i)
{
    return spk_train_set_path(set, i);
}

static const char *trial_id(const void *set, int64_t i)
{
    return spk_trial_set_utterance(set, i);
}

static const char *trial_path(const void *set, int64_t i)
{
    return spk_trial_set_path(set, i);
}

static spk_status write_text(const char *folder, const char *name, const char *text)
{
    char *path = spk_path_join(folder, name);
    const spk_status status = spk_write_file(path, text, strlen(text));
    spk_free(path);
    return status;
}

static spk_status write_train(const collection *c, const char *folder, const spk_text *shapes, spk_run_stats *out)
{
    if (c->s.count == 0) return spk_fail(SPK_E_VALUE, "no utterance is long enough for the frontend");
    SPK_TRY(spk_make_folders(folder));
    SPK_TRY(write_text(folder, "speech_shape", spk_text_str(shapes)));
    SPK_TRY(write_text(folder, "batch_keys", "speech\nspk_labels\n"));
    SPK_TRY(write_text(folder, "stats_keys", "feats\n"));
    char *path = spk_path_join(folder, "feats_stats.npz");
    const spk_status status = write_sums(&c->s, path);
    *out = (spk_run_stats){.n_utterances = spk_train_set_n_utterances(c->run->train), .n_frames = c->s.count};
    snprintf(out->path, sizeof out->path, "%s", path);
    spk_free(path);
    return status;
}

static spk_status collect_train(collection *c, const char *folder, spk_run_stats *out)
{
    const utterances u = {c->run->train, train_id, train_path, spk_train_set_n_utterances(c->run->train)};
    spk_text shapes = {0};
    spk_status status;
    SPK_GO(walk(c, &u, false, NULL, &shapes));
    status = spk_comm_is_first(c->run->comm) ? write_train(c, folder, &shapes, out) : SPK_OK;
    status = spk_comm_agree(c->run->comm, status);
done:
    spk_text_clear(&shapes);
    return status;
}

static spk_status write_valid(const collection *c, const char *folder, const int64_t *lengths)
{
    const spk_trial_set *set = c->run->valid;
    const spk_trial *trials = spk_trial_set_trials(set);
    spk_text shapes[2] = {{0}, {0}};
    spk_status status;
    for (int64_t i = 0; i < spk_trial_set_n_trials(set); i++) {
        add_shape(c, trials[i].id, lengths[trials[i].enroll], &shapes[0]);
        add_shape(c, trials[i].id, lengths[trials[i].test], &shapes[1]);
    }
    SPK_GO(spk_make_folders(folder));
    SPK_GO(write_text(folder, "speech_shape", spk_text_str(&shapes[0])));
    SPK_GO(write_text(folder, "speech2_shape", spk_text_str(&shapes[1])));
    SPK_GO(write_text(folder, "batch_keys", "speech\nspeech2\nspk_labels\n"));
    status = write_text(folder, "stats_keys", "");
done:
    spk_text_clear(&shapes[0]);
    spk_text_clear(&shapes[1]);
    return status;
}

/* Lengths of the trials' utterances, for batches by length. */
static spk_status collect_valid(collection *c, const char *folder)
{
    const utterances u = {c->run->valid, trial_id, trial_path, spk_trial_set_n_utterances(c->run->valid)};
    int64_t *lengths = spk_new((size_t)u.n * sizeof *lengths);
    spk_status status = walk(c, &u, true, lengths, NULL);
    if (status == SPK_OK) {
        status = spk_comm_is_first(c->run->comm) ? write_valid(c, folder, lengths) : SPK_OK;
        status = spk_comm_agree(c->run->comm, status);
    }
    spk_free(lengths);
    return status;
}

spk_status spk_run_collect_stats(spk_run *r, const spk_run_callbacks *callbacks, spk_run_stats *out)
{
    collection c = {.run = r, .callbacks = callbacks};
    *out = (spk_run_stats){0};
    char *train = spk_path_join(r->config->output_dir, "train"), *valid = spk_path_join(r->config->output_dir, "valid");
    spk_status status;
    spk_run_audio(r->config, &c.audio);
    SPK_GO(collect_train(&c, train, out));
    if (r->valid) SPK_GO(collect_valid(&c, valid));
done:
    spk_free(c.s.sum);
    spk_free(train);
    spk_free(valid);
    return status;
}
