/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded ring of slots between worker threads and one consumer. All shared state is under one lock; decoding is not. */
#include "data/loader_impl.h"

#include <pthread.h>
#include <string.h>

enum { MAX_WORKERS = 256, MESSAGE_BYTES = 2048 };

struct slot {
    void *data;
    int64_t n_done;
    spk_status status; /* of the first item of the batch that failed */
    int64_t i_failed;
    char message[MESSAGE_BYTES];
};

struct spk_loader {
    spk_loader_job job;
    int n_slots, n_workers;
    struct slot *slot;
    struct worker {
        spk_loader *loader;
        spk_audio_reader *reader;
        void *own;
        pthread_t thread;
    } * worker;
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool stop;
    int64_t fill_batch, fill_item; /* what a worker takes next */
    int64_t n_released;            /* batches whose slot may be filled anew */
    int64_t due;                   /* batch that the consumer gets next */
    spk_status status;
    char message[MESSAGE_BYTES];
};

/* ---- workers ---- */

static bool has_work(const spk_loader *l)
{
    return l->fill_batch < l->job.n_batches && l->fill_batch < l->n_released + l->n_slots;
}

static void note_done(spk_loader *l, int64_t batch, int64_t item, spk_status status)
{
    struct slot *s = &l->slot[batch % l->n_slots];
    if (status != SPK_OK && (s->status == SPK_OK || item < s->i_failed)) {
        s->status = status;
        s->i_failed = item;
        snprintf(s->message, sizeof s->message, "%s", spk_errmsg());
    }
    if (++s->n_done == l->job.n_items(l->job.self, batch)) pthread_cond_signal(&l->ready);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    spk_loader *l = w->loader;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->stop && !has_work(l))
            pthread_cond_wait(&l->work, &l->lock);
        if (l->stop) break;
        const int64_t batch = l->fill_batch, item = l->fill_item++;
        if (l->fill_item == l->job.n_items(l->job.self, batch)) {
            l->fill_batch++;
            l->fill_item = 0;
        }
        void *data = l->slot[batch % l->n_slots].data;
        pthread_mutex_unlock(&l->lock);
        const spk_status status = l->job.fill(l->job.self, w->reader, w->own, batch, item, data);
        pthread_mutex_lock(&l->lock);
        note_done(l, batch, item, status);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- the consumer ---- */

static void close_worker(const spk_loader *l, struct worker *w)
{
    if (l->job.close_worker) l->job.close_worker(w->own);
    spk_audio_reader_free(w->reader);
}

static spk_status start_workers(spk_loader *l, const spk_audio_options *audio, int workers)
{
    l->worker = spk_new(sizeof *l->worker * (size_t)workers);
    for (int i = 0; i < workers; i++) {
        struct worker *w = &l->worker[i];
        *w = (struct worker){.loader = l, .reader = spk_audio_reader_new(audio)};
        if (l->job.open_worker) w->own = l->job.open_worker(l->job.self, w->reader);
        const int error = pthread_create(&w->thread, NULL, run_worker, w);
        if (error != 0) {
            close_worker(l, w);
            return spk_fail(SPK_E_NOMEM, "cannot start loader thread %d of %d: %s; lower num_workers", i + 1, workers,
                            strerror(error));
        }
        l->n_workers++;
    }
    return SPK_OK;
}

spk_status spk_loader_open(const spk_loader_job *job, const spk_audio_options *audio, int workers, spk_loader **out)
{
    spk_status status = SPK_OK;
    spk_loader *l = spk_new(sizeof *l);
    *out = NULL;
    l->job = *job;
    l->due = l->fill_batch = l->n_released = job->first;
    workers = workers < 1 ? 1 : workers > MAX_WORKERS ? MAX_WORKERS : workers;
    /* One slot is with the consumer; two (or three) are ahead of it. */
    const int64_t ahead = workers > 1 ? 4 : 3;
    l->n_slots = (int)(job->n_batches < ahead ? job->n_batches : ahead);
    SPK_ASSERT(job->first >= 0 && job->first <= job->n_batches);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->slot = spk_new(sizeof *l->slot * (size_t)l->n_slots);
    for (int i = 0; i < l->n_slots; i++) {
        l->slot[i].data = spk_alloc_batch(job->slot_bytes);
        if (!l->slot[i].data)
            SPK_GO(spk_fail(SPK_E_NOMEM, "no memory for batches of %.0f MB; lower the batch size",
                            (double)job->slot_bytes / 1e6));
    }
    SPK_GO(start_workers(l, audio, workers));
    *out = l;
    l = NULL;
done:
    spk_loader_close(l);
    return status;
}

spk_status spk_loader_next(spk_loader *l, int64_t *batch, void **slot, double *wait_s)
{
    const double start = spk_now();
    *slot = NULL;
    *wait_s = 0;
    if (l->status != SPK_OK) return spk_fail(l->status, "%s", l->message);
    if (l->due > l->job.first && l->due <= l->job.n_batches) {
        pthread_mutex_lock(&l->lock);
        struct slot *used = &l->slot[(l->due - 1) % l->n_slots];
        if (l->n_released < l->due) {
            used->n_done = 0;
            l->n_released = l->due;
            pthread_cond_broadcast(&l->work);
        }
        pthread_mutex_unlock(&l->lock);
    }
    if (l->due >= l->job.n_batches) return SPK_OK;
    struct slot *s = &l->slot[l->due % l->n_slots];
    const int64_t n_items = l->job.n_items(l->job.self, l->due);
    pthread_mutex_lock(&l->lock);
    while (s->n_done < n_items)
        pthread_cond_wait(&l->ready, &l->lock);
    l->status = s->status;
    pthread_mutex_unlock(&l->lock);
    if (l->status != SPK_OK) {
        snprintf(l->message, sizeof l->message, "%s", s->message);
        return spk_fail(l->status, "%s", l->message);
    }
    *batch = l->due++;
    *slot = s->data;
    *wait_s = spk_now() - start;
    return SPK_OK;
}

void spk_loader_close(spk_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_workers; i++) {
        pthread_join(l->worker[i].thread, NULL);
        close_worker(l, &l->worker[i]);
    }
    for (int i = 0; i < l->n_slots; i++)
        spk_free_batch(l->slot[i].data);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->lock);
    spk_free(l->worker);
    spk_free(l->slot);
    spk_free(l);
}
