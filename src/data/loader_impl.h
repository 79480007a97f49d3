/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that prepare batches ahead of the one that uses them. A job is a plan: n_batches batches, each of some
 * items; every item writes its own part of the batch's slot. Workers take items in plan order, so the batches come
 * out in plan order and byte for byte the same whatever the number of workers. A ring of slots bounds what is ahead.
 *
 * An item that fails does not stop the others: its message is told when its batch is due (of several, the first
 * in the batch), and the loader ends there.
 *
 * After spk_loader_open nothing of ours is allocated.
 */
#ifndef SPK_DATA_LOADER_IMPL_H
#define SPK_DATA_LOADER_IMPL_H

#include "data/audio_impl.h"

typedef struct spk_loader_job {
    void *self; /* read by all workers at once: fill must change nothing but its part of the slot */
    int64_t n_batches;
    int64_t first; /* batch to begin with; the ones before are not made */
    size_t slot_bytes;
    int64_t (*n_items)(void *self, int64_t batch); /* at least 1 */
    /* `own`: the thread's memory, from open_worker; NULL without one */
    spk_status (*fill)(void *self, spk_audio_reader *reader, void *own, int64_t batch, int64_t item, void *slot);
    void *(*open_worker)(void *self, spk_audio_reader *reader); /* may be NULL */
    void (*close_worker)(void *own);
} spk_loader_job;

typedef struct spk_loader spk_loader;

/* Start the threads; workers 0 counts as 1. The job is copied. */
spk_status spk_loader_open(const spk_loader_job *job, const spk_audio_options *audio, int workers,
                           spk_loader **out) SPK_NODISCARD;
/* The next batch's slot, valid until the next call; *slot = NULL after the last. *wait_s: seconds waited for it. After a
 * failure every call fails the same way. */
spk_status spk_loader_next(spk_loader *l, int64_t *batch, void **slot, double *wait_s) SPK_NODISCARD;
/* Ends the threads; NULL is allowed. */
void spk_loader_close(spk_loader *l);

#endif
