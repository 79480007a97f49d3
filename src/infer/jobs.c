/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of waves of equal frames (jobs_impl.h). */
#include "infer/jobs_impl.h"

#include <stdlib.h>
#include <string.h>

static const int64_t BATCH_SAMPLES = 16000 * 60; /* of a batch of several waves: about a minute */

static int by_frames(const void *a, const void *b)
{
    const spk__job *x = a, *y = b;
    if (x->frames != y->frames) return x->frames < y->frames ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Samples that a batch has room for whose longest wave this is; 0: as many as that has. */
static int64_t room_of(const spk__job *longest, const spk__jobs_options *o)
{
    return o->step > 0 ? (longest->samples + o->step - 1) / o->step * o->step : 0;
}

/* Embeds jobs[0..n) together, the longest last. */
static void embed(spk_embedder *e, const spk__job *jobs, int64_t n, float *out, const spk__jobs_options *o)
{
    const float *wave[SPK_JOBS_BATCH];
    int64_t length[SPK_JOBS_BATCH];
    for (int64_t i = 0; i < n; i++) {
        wave[i] = jobs[i].wave;
        length[i] = jobs[i].samples;
    }
    const spk_status status = spk__embed_waves(e, wave, length, n, room_of(&jobs[n - 1], o), out);
    for (int64_t i = 0; i < n; i++) {
        if (status == SPK_OK)
            memcpy(jobs[i].embedding, out + i * e->size, sizeof *out * (size_t)e->size);
        else if (n == 1)
            o->failed(o->user, jobs[i].owner, status);
        else
            embed(e, &jobs[i], 1, out, o); /* which one is it? */
    }
}

/* Whether `last` may be the n-th wave of the batch that begins with `first`. */
static bool fits(const spk_embedder *e, const spk__job *first, const spk__job *last, int64_t n,
                 const spk__jobs_options *o)
{
    const int64_t room = room_of(last, o), samples = room > 0 ? room : first->samples;
    return n <= SPK_JOBS_BATCH && n * samples * e->width <= BATCH_SAMPLES &&
           (o->step > 0 || first->frames == last->frames);
}

/* The largest that is not above n. */
static int64_t power_of_two(int64_t n)
{
    int64_t p = 1;
    while (2 * p <= n)
        p *= 2;
    return p;
}

spk_status spk__jobs_run(spk_embedder *e, spk__job *jobs, int64_t n, const spk__jobs_options *o)
{
    spk_status status = SPK_OK;
    float *out = spk_new(sizeof *out * (size_t)(SPK_JOBS_BATCH * e->size));
    for (int64_t i = 0; i < n; i++) {
        jobs[i].frames = spk_net_frames(e->net, jobs[i].samples);
        jobs[i].order = i;
    }
    if (n > 1) qsort(jobs, (size_t)n, sizeof *jobs, by_frames);
    for (int64_t i = 0, batch; i < n; i += batch) {
        batch = 1;
        while (i + batch < n && fits(e, &jobs[i], &jobs[i + batch], batch + 1, o))
            batch++;
        if (o->step > 0) batch = power_of_two(batch);
        if (spk_interrupted()) {
            status = spk_fail(SPK_E_INTERRUPTED, "interrupted");
            break;
        }
        embed(e, &jobs[i], batch, out, o);
        if (o->progress) o->progress(o->progress_user, "embed", o->before + o->count * (i + batch) / n, o->total);
    }
    spk_free(out);
    return status;
}
