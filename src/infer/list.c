/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embedding many files. Loader threads decode items in their order into a ring; the caller's thread takes windows of
 * consecutive items from it, sorts a window by frames, computes equal ones together, hands the results out in order,
 * and only then frees the window's places. While it computes, the loaders fill the next window.
 *
 * Memory: at most about HELD_SAMPLES samples wait in the ring, whatever the files' lengths. A window ends before it
 * holds half of that, so a loader that waits for room never waits for a window that waits for it.
 */
#include <pthread.h>
#include <string.h>

#include "infer/jobs_impl.h"
#include "infer/load_impl.h"

enum { RING = 256, WINDOW = 128, MOST_LOADERS = 64 };
static const int64_t HELD_SAMPLES = 64 << 20, WINDOW_SAMPLES = 32 << 20;

/* A place of the ring. */
typedef struct place {
    bool ready;
    int64_t item, held; /* samples that count as held */
    spk_status status;
    char *message;
    spk__loaded loaded;
    float *embedding; /* (n_waves, E) */
} place;

typedef struct listing {
    spk_embedder *e;
    const spk_embed_item *items;
    int64_t n;
    spk__load_options how;
    pthread_mutex_t lock;
    pthread_cond_t room, ready;
    int64_t next, taken; /* item that is decoded next; items before `taken` are done */
    int64_t held;        /* samples in the ring */
    bool stop;
    place ring[RING];
} listing;

/* ---- loading ---- */

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
        p->status = spk__load(l->e, r, &l->items[i], &l->how, &p->loaded);
        spk_audio_shut(r);
        if (p->status != SPK_OK) p->message = spk_strdup(spk_errmsg());
        pthread_mutex_lock(&l->lock);
        p->ready = true;
        p->held = p->status == SPK_OK ? p->loaded.samples * l->e->width * p->loaded.n_waves : 0;
        l->held += p->held;
        pthread_cond_broadcast(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    spk_audio_reader_free(r);
    return NULL;
}

static void clear_place(place *p)
{
    spk_free(p->loaded.wave);
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

/* Keeps the failure that was just told with its item; of several segments, the first one's. */
static void fail_place(void *user, void *owner, spk_status status)
{
    const listing *l = user;
    place *p = owner;
    if (p->status != SPK_OK) return;
    p->status = spk_fail_in(status, "%s", l->items[p->item].path);
    spk_free(p->message);
    p->message = spk_strdup(spk_errmsg());
}

/* The jobs of all waves that were decoded: a new array. */
static spk__job *list_jobs(listing *l, int64_t count, int64_t *n_jobs)
{
    spk__job *jobs = NULL;
    *n_jobs = 0;
    for (int64_t i = 0; i < count; i++) {
        place *p = &l->ring[(l->taken + i) % RING];
        if (p->status != SPK_OK) continue;
        const spk__loaded *x = &p->loaded;
        p->embedding = spk_new(sizeof *p->embedding * (size_t)(x->n_waves * l->e->size));
        for (int64_t k = 0; k < x->n_waves; k++)
            SPK_PUSH(jobs, *n_jobs) = (spk__job){.owner = p,
                                                 .wave = x->wave + k * x->samples * l->e->width,
                                                 .embedding = p->embedding + k * l->e->size,
                                                 .samples = x->samples};
    }
    return jobs;
}

static spk_status compute(listing *l, int64_t count, const spk_embed_list_options *o)
{
    int64_t n_jobs = 0;
    spk__job *jobs = list_jobs(l, count, &n_jobs);
    const spk__jobs_options how = {.failed = fail_place,
                                   .user = l,
                                   .progress = o->progress,
                                   .progress_user = o->user,
                                   .before = l->taken,
                                   .count = count,
                                   .total = l->n};
    const spk_status status = spk__jobs_run(l->e, jobs, n_jobs, &how);
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
                                         .n_segments = p->loaded.n_waves,
                                         .seconds = (double)p->loaded.recording / (double)l->e->audio.sample_rate};
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
        SPK_TRY(compute(l, count, o));
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
    l->how = (spk__load_options){.K = options->num_eval > 0 ? options->num_eval : 0,
                                 .speech = options->speech,
                                 .min_speech = options->min_speech};
    const double T_s = options->target_duration > 0 ? options->target_duration : e->config.preprocess.target_duration;
    l->how.T = (int64_t)(T_s * (double)e->audio.sample_rate);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    if (l->how.K > 0 && l->how.T < e->min_samples)
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
