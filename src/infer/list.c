/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embedding many files. Loader threads decode items in their order into a ring; the caller's thread takes windows of
 * consecutive items from it, sorts a window by frames, computes equal ones together, hands the results out in order,
 * and only then frees the window's places. While it computes, the loaders fill the next window.
 *
 * Memory: at most about HELD_SAMPLES samples wait in the ring, whatever the files' lengths. A window ends before it
 * holds half of that, so a loader that waits for room never waits for a window that waits for it.
 */
#include "infer/embedder_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data/audio_impl.h"

enum { RING = 256, WINDOW = 128, MOST_LOADERS = 64, MOST_BATCH = 32 };
static const int64_t HELD_SAMPLES = 64 << 20, WINDOW_SAMPLES = 32 << 20;
static const int64_t BATCH_SAMPLES = 16000 * 60; /* of a batch of several waves: about a minute */

/* A place of the ring. */
typedef struct place {
    bool ready;
    int64_t item, held; /* samples that count as held */
    spk_status status;
    char *message;
    float *wave;       /* n_waves waves of `samples` samples each */
    int64_t samples;   /* of one wave */
    int64_t n_waves;   /* segments; 1 for a whole recording */
    int64_t recording; /* samples of the recording itself */
    int64_t frames;
    float *embedding; /* (n_waves, E) */
} place;

typedef struct listing {
    spk_embedder *e;
    const spk_embed_item *items;
    int64_t n, K, T; /* K segments of T samples; K 0: whole */
    pthread_mutex_t lock;
    pthread_cond_t room, ready;
    int64_t next, taken; /* item that is decoded next; items before `taken` are done */
    int64_t held;        /* samples in the ring */
    bool stop;
    place ring[RING];
} listing;

/* ---- loading ---- */

static spk_status load(const listing *l, spk_audio_reader *r, const char *path, place *p)
{
    SPK_TRY(spk_audio_open(r, path, &p->recording));
    p->n_waves = l->K > 0 ? l->K : 1;
    p->samples = l->K > 0 ? l->T : p->recording;
    bool overflow = false;
    const size_t row = spk_mul((size_t)p->samples, sizeof(float) * (size_t)l->e->width, &overflow);
    const size_t bytes = spk_mul((size_t)p->n_waves, row, &overflow);
    p->wave = overflow ? NULL : spk_alloc(bytes);
    if (!p->wave) return spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", path, (long long)p->samples);
    if (l->K > 0) return spk_crop_segments(r, path, l->T, l->K, p->wave);
    SPK_TRY(spk_audio_part(r, 0, p->samples, p->wave));
    spk_audio_shut(r);
    return spk__embed_lengthen(l->e, path, &p->wave, &p->samples);
}

static void *load_items(void *user)
{
    listing *l = user;
    spk_audio_reader *r = spk_audio_reader_new(&l->e->audio);
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->stop && l->next < l->n && (l->next - l->taken >= RING || l->held >= HELD_SAMPLES))
            pthread_cond_wait(&l->room, &l->lock);
        if (l->stop || l->next >= l->n) break;
        const int64_t i = l->next++;
        place *p = &l->ring[i % RING];
        pthread_mutex_unlock(&l->lock);
        p->item = i; /* the place was cleared when its item before was done */
        p->status = load(l, r, l->items[i].path, p);
        spk_audio_shut(r);
        if (p->status != SPK_OK) p->message = spk_strdup(spk_errmsg());
        pthread_mutex_lock(&l->lock);
        p->ready = true;
        p->held = p->status == SPK_OK ? p->samples * l->e->width * p->n_waves : 0;
        l->held += p->held;
        pthread_cond_broadcast(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    spk_audio_reader_free(r);
    return NULL;
}

static void clear_place(place *p)
{
    spk_free(p->wave);
    spk_free(p->message);
    spk_free(p->embedding);
    memset(p, 0, sizeof *p);
}

/* ---- computing ---- */

/* Waits for the next items, as many as a window takes; 0 at the end. */
static int64_t take_window(listing *l)
{
    int64_t count = 0, samples = 0;
    pthread_mutex_lock(&l->lock);
    while (count < WINDOW && l->taken + count < l->n && samples < WINDOW_SAMPLES) {
        const place *p = &l->ring[(l->taken + count) % RING];
        while (!p->ready)
            pthread_cond_wait(&l->ready, &l->lock);
        samples += p->held;
        count++;
    }
    pthread_mutex_unlock(&l->lock);
    return count;
}

static void give_back(listing *l, int64_t count)
{
    pthread_mutex_lock(&l->lock);
    for (int64_t i = 0; i < count; i++) {
        place *p = &l->ring[(l->taken + i) % RING];
        l->held -= p->held;
        clear_place(p);
    }
    l->taken += count;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
}

/* One wave of a window, in the order in which they are computed. */
typedef struct job {
    place *p;
    const float *wave;
    float *embedding;
    int64_t frames, samples, order;
} job;

static int by_frames(const void *a, const void *b)
{
    const job *x = a, *y = b;
    if (x->frames != y->frames) return x->frames < y->frames ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Keeps the failure that was just told with its item; of several segments, the first one's. */
static void fail_place(place *p, const char *path, spk_status status)
{
    if (p->status != SPK_OK) return;
    p->status = spk_fail_in(status, "%s", path);
    spk_free(p->message);
    p->message = spk_strdup(spk_errmsg());
}

/* The jobs of all waves that were decoded: a new array. */
static job *list_jobs(listing *l, int64_t count, int64_t *n_jobs)
{
    job *jobs = NULL;
    *n_jobs = 0;
    for (int64_t i = 0; i < count; i++) {
        place *p = &l->ring[(l->taken + i) % RING];
        if (p->status != SPK_OK) continue;
        p->embedding = spk_new(sizeof *p->embedding * (size_t)(p->n_waves * l->e->size));
        p->frames = spk_net_frames(l->e->net, p->samples);
        for (int64_t k = 0; k < p->n_waves; k++) {
            const job wave = {.p = p,
                              .wave = p->wave + k * p->samples * l->e->width,
                              .embedding = p->embedding + k * l->e->size,
                              .frames = p->frames,
                              .samples = p->samples,
                              .order = *n_jobs};
            SPK_PUSH(jobs, *n_jobs) = wave;
        }
    }
    if (*n_jobs > 1) qsort(jobs, (size_t)*n_jobs, sizeof *jobs, by_frames);
    return jobs;
}

/* Embeds jobs[0..n) together; a failure is kept with each item. */
static void embed_jobs(listing *l, const job *jobs, int64_t n, float *out)
{
    const float *wave[MOST_BATCH];
    int64_t length[MOST_BATCH];
    for (int64_t i = 0; i < n; i++) {
        wave[i] = jobs[i].wave;
        length[i] = jobs[i].samples;
    }
    const spk_status status = spk__embed_waves(l->e, wave, length, n, out);
    for (int64_t i = 0; i < n; i++) {
        if (status == SPK_OK) {
            memcpy(jobs[i].embedding, out + i * l->e->size, sizeof *out * (size_t)l->e->size);
        } else if (n == 1) {
            fail_place(jobs[i].p, l->items[jobs[i].p->item].path, status);
        } else {
            embed_jobs(l, &jobs[i], 1, out); /* which one is it? */
        }
    }
}

static spk_status compute(listing *l, int64_t count, const spk_embed_list_options *o, int64_t before)
{
    int64_t n_jobs = 0;
    job *jobs = list_jobs(l, count, &n_jobs);
    float *out = spk_new(sizeof *out * (size_t)(MOST_BATCH * l->e->size));
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < n_jobs;) {
        int64_t n = 1;
        while (i + n < n_jobs && n < MOST_BATCH && jobs[i + n].frames == jobs[i].frames &&
               (n + 1) * jobs[i].samples * l->e->width <= BATCH_SAMPLES)
            n++;
        if (spk_interrupted()) {
            status = spk_fail(SPK_E_INTERRUPTED, "interrupted");
            break;
        }
        embed_jobs(l, &jobs[i], n, out);
        i += n;
        if (o->progress) o->progress(o->user, "embed", before + count * i / n_jobs, l->n);
    }
    spk_free(out);
    spk_free(jobs);
    return status;
}

/* ---- the list ---- */

static spk_status hand_out(listing *l, int64_t count, spk_embed_fn fn, void *user, spk_embed_summary *sum)
{
    for (int64_t i = 0; i < count; i++) {
        const int64_t index = l->taken + i;
        const place *p = &l->ring[index % RING];
        const bool good = p->status == SPK_OK;
        const spk_embed_result result = {.index = index,
                                         .id = l->items[index].id,
                                         .status = p->status,
                                         .message = p->message ? p->message : "",
                                         .embedding = good ? p->embedding : NULL,
                                         .n_segments = p->n_waves,
                                         .seconds = (double)p->recording / (double)l->e->audio.sample_rate};
        sum->n_items++;
        sum->n_failed += !good;
        if (good) sum->audio_s += result.seconds;
        SPK_TRY(fn(user, &result));
    }
    return SPK_OK;
}

static spk_status run(listing *l, const spk_embed_list_options *o, spk_embed_fn fn, void *user, spk_embed_summary *sum)
{
    if (o->progress) o->progress(o->user, "embed", 0, l->n);
    for (int64_t count; l->taken < l->n; give_back(l, count)) {
        count = take_window(l);
        SPK_TRY(compute(l, count, o, l->taken));
        SPK_TRY(hand_out(l, count, fn, user, sum));
        if (o->progress) o->progress(o->user, "embed", l->taken + count, l->n);
    }
    return SPK_OK;
}

static spk_status start(listing *l, pthread_t *thread, int *n_threads)
{
    const int wanted = l->e->n_loaders < MOST_LOADERS ? l->e->n_loaders : MOST_LOADERS;
    for (*n_threads = 0; *n_threads < wanted; ++*n_threads)
        if (pthread_create(&thread[*n_threads], NULL, load_items, l) != 0) break;
    return *n_threads > 0 ? SPK_OK : spk_fail(SPK_E_NOMEM, "no thread could be started to read audio");
}

spk_status spk_embed_list(spk_embedder *e, const spk_embed_item *items, int64_t n,
                          const spk_embed_list_options *options, spk_embed_fn fn, void *user,
                          spk_embed_summary *summary)
{
    static const spk_embed_list_options usual = {0};
    spk_embed_summary sum = {0};
    pthread_t thread[MOST_LOADERS];
    int n_threads = 0;
    spk_status status = SPK_OK;
    SPK_ASSERT(e && (items || n == 0) && n >= 0 && fn);
    if (!options) options = &usual;
    const double begun = spk_now();
    listing *l = spk_new(sizeof *l);
    l->e = e;
    l->items = items;
    l->n = n;
    l->K = options->num_eval > 0 ? options->num_eval : 0;
    const double T_s = options->target_duration > 0 ? options->target_duration : e->config.preprocess.target_duration;
    l->T = (int64_t)(T_s * (double)e->audio.sample_rate);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    if (l->K > 0 && l->T < e->min_samples)
        status = spk_fail(SPK_E_VALUE, "segments of %g s are shorter than the model takes (%lld samples)", T_s,
                          (long long)e->min_samples);
    if (status == SPK_OK && n > 0) status = start(l, thread, &n_threads);
    if (status == SPK_OK) status = run(l, options, fn, user, &sum);
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < n_threads; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < RING; i++)
        clear_place(&l->ring[i]);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->room);
    pthread_mutex_destroy(&l->lock);
    spk_free(l);
    sum.wall_s = spk_now() - begun;
    if (summary) *summary = sum;
    return status;
}
