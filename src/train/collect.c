/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of the training data's features, for global_mvn. Recordings are read by all threads, a handful at a time,
 * and then computed one after the other in the order of the list, so that the sums come out the same however many
 * threads there are.
 */
#include <inttypes.h>
#include <omp.h>
#include <string.h>

#include "data/audio_impl.h"
#include "model/net_impl.h"
#include "spk/arrays.h"
#include "train/run_impl.h"

/* An utterance in memory. */
typedef struct wave {
    float *x;
    int64_t n; /* samples, or frames of features */
    spk_status status;
    char message[512];
} wave;

typedef struct sums {
    int64_t count, size; /* frames; bins */
    double *sum, *square;
} sums;

typedef struct collection {
    spk_run *run;
    spk_audio_options audio;
    const spk_run_callbacks *callbacks;
    sums s;
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

static void add_features(sums *s, const spk_view *v)
{
    if (!s->sum) {
        s->size = v->c;
        s->sum = spk_new((size_t)v->c * sizeof *s->sum);
        s->square = spk_new((size_t)v->c * sizeof *s->square);
    }
    for (int64_t t = 0; t < v->w; t++) {
        const float *x = (const float *)v->p + t * v->ld;
        for (int64_t k = 0; k < v->c; k++) {
            s->sum[k] += (double)x[k];
            s->square[k] += (double)x[k] * (double)x[k];
        }
    }
    s->count += v->w;
}

static spk_status write_sums(const sums *s, const char *path)
{
    spk_npz_writer *w = NULL;
    spk_status status;
    SPK_GO(spk_npz_create(path, &w));
    SPK_GO(spk_npz_add(w, "count", SPK_I64, 0, NULL, &s->count));
    SPK_GO(spk_npz_add(w, "sum", SPK_F64, 1, &s->size, s->sum));
    SPK_GO(spk_npz_add(w, "sum_square", SPK_F64, 1, &s->size, s->square));
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

/* One utterance's features into the sums; one that is too short for the frontend is left out. */
static spk_status add_utterance(collection *c, const char *id, const wave *w)
{
    spk_view feats;
    const spk_status status = spk_net_features(c->run->net, w->x, w->n, &feats);
    if (status == SPK_E_VALUE) {
        spk_warn("stats", "utterance '%s' is left out: %s", id, spk_errmsg());
        return SPK_OK;
    }
    SPK_TRY(status);
    add_features(&c->s, &feats);
    return SPK_OK;
}

/* Lengths of all; without length_only their features' sums, and their shapes as text. */
static spk_status walk(collection *c, const utterances *u, bool length_only, int64_t *lengths, spk_text *shapes)
{
    const int64_t at_once = 4 * c->run->n_threads;
    wave *waves = spk_new((size_t)at_once * sizeof *waves);
    spk_status status = SPK_OK;
    for (int64_t first = 0; first < u->n && status == SPK_OK; first += at_once) {
        const int64_t n = u->n - first < at_once ? u->n - first : at_once;
        read_some(c, u, first, n, length_only, waves);
        for (int64_t i = 0; i < n; i++) {
            const char *id = u->id(u->set, first + i);
            if (status == SPK_OK && waves[i].status != SPK_OK)
                status = spk_fail(waves[i].status, "%s", waves[i].message);
            if (status == SPK_OK && !length_only) status = add_utterance(c, id, &waves[i]);
            if (status == SPK_OK && lengths) lengths[first + i] = waves[i].n;
            if (status == SPK_OK && shapes) add_shape(c, id, waves[i].n, shapes);
            spk_free(waves[i].x);
        }
        if (c->callbacks && c->callbacks->progress && !length_only)
            c->callbacks->progress(c->callbacks->user, "collect_stats", first + n, u->n);
        if (status == SPK_OK && spk_interrupted())
            status = spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal; no statistics are written");
    }
    spk_free(waves);
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

static spk_status collect_train(collection *c, const char *folder, spk_run_stats *out)
{
    const utterances u = {c->run->train, train_id, train_path, spk_train_set_n_utterances(c->run->train)};
    spk_text shapes = {0};
    spk_status status;
    SPK_GO(walk(c, &u, false, NULL, &shapes));
    if (c->s.count == 0) SPK_GO(spk_fail(SPK_E_VALUE, "no utterance is long enough for the frontend"));
    SPK_GO(spk_make_folders(folder));
    SPK_GO(write_text(folder, "speech_shape", spk_text_str(&shapes)));
    SPK_GO(write_text(folder, "batch_keys", "speech\nspk_labels\n"));
    SPK_GO(write_text(folder, "stats_keys", "feats\n"));
    char *path = spk_path_join(folder, "feats_stats.npz");
    status = write_sums(&c->s, path);
    *out = (spk_run_stats){.n_utterances = u.n, .n_frames = c->s.count};
    snprintf(out->path, sizeof out->path, "%s", path);
    spk_free(path);
done:
    spk_text_clear(&shapes);
    return status;
}

/* Lengths of the trials' utterances, for batches by length. */
static spk_status collect_valid(collection *c, const char *folder)
{
    const spk_trial_set *set = c->run->valid;
    const utterances u = {set, trial_id, trial_path, spk_trial_set_n_utterances(set)};
    const spk_trial *trials = spk_trial_set_trials(set);
    spk_text shapes[2] = {{0}, {0}};
    int64_t *lengths = spk_new((size_t)u.n * sizeof *lengths);
    spk_status status;
    SPK_GO(walk(c, &u, true, lengths, NULL));
    for (int64_t i = 0; i < spk_trial_set_n_trials(set); i++) {
        add_shape(c, trials[i].id, lengths[trials[i].enroll], &shapes[0]);
        add_shape(c, trials[i].id, lengths[trials[i].test], &shapes[1]);
    }
    SPK_GO(spk_make_folders(folder));
    SPK_GO(write_text(folder, "speech_shape", spk_text_str(&shapes[0])));
    SPK_GO(write_text(folder, "speech2_shape", spk_text_str(&shapes[1])));
    SPK_GO(write_text(folder, "batch_keys", "speech\nspeech2\nspk_labels\n"));
    SPK_GO(write_text(folder, "stats_keys", ""));
done:
    spk_free(lengths);
    spk_text_clear(&shapes[0]);
    spk_text_clear(&shapes[1]);
    return status;
}

spk_status spk_run_collect_stats(spk_run *r, const spk_run_callbacks *callbacks, spk_run_stats *out)
{
    collection c = {.run = r, .callbacks = callbacks};
    char *train = spk_path_join(r->config->output_dir, "train"), *valid = spk_path_join(r->config->output_dir, "valid");
    spk_status status;
    spk_run_audio(r->config, &c.audio);
    SPK_GO(collect_train(&c, train, out));
    if (r->valid) SPK_GO(collect_valid(&c, valid));
done:
    spk_free(c.s.sum);
    spk_free(c.s.square);
    spk_free(train);
    spk_free(valid);
    return status;
}
