/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows over recordings, for diarisation. Neighbouring windows are read as one block, of which they are pieces, computed
 * together and told; then the block is forgotten. So memory is that of a block, however long the recording is.
 */
#include <math.h>
#include <string.h>

#include "infer/jobs_impl.h"
#include "infer/load_impl.h"

enum { MOST = 4 * SPK_JOBS_BATCH }; /* windows of a block */
static const double BLOCK_S = 60;   /* and its seconds, but for a single window that is longer */
static const double LEFT_S = 0.01;  /* so much at the end is worth a window more */

/* Windows one after the other: where the next one stands. */
typedef struct walk {
    const spk_spans *parts;
    int64_t i, k; /* window k of part i */
    int64_t W, H, least, left;
} walk;

typedef struct windowing {
    spk_embedder *e;
    const spk_windows_options *o;
    spk_audio_reader *r;
    int64_t W, H;             /* samples */
    float *block, *embedding; /* of a block: its samples; (MOST, E) */
    size_t room;
    spk_window_fn fn;
    void *user;
    spk_embed_summary sum;
    /* the file */
    const spk_embed_item *item;
    int64_t index, n_items;
    spk_status failed; /* of its computation */
    char *message;
} windowing;

/* ---- where they are ---- */

static bool next_window(walk *w, spk_span *out)
{
    for (; w->i < w->parts->n; w->i++, w->k = 0) {
        const spk_span part = w->parts->v[w->i];
        const int64_t L = part.end - part.begin;
        if (L < w->least) continue;
        if (L <= w->W) {
            if (w->k > 0) continue;
            *out = part;
        } else {
            const int64_t start = part.begin + w->k * w->H, before = start - w->H + w->W; /* end of the one before */
            if (start + w->W <= part.end)
                *out = (spk_span){start, start + w->W};
            else if (w->k > 0 && before <= part.end && part.end - before >= w->left)
                *out = (spk_span){part.end - w->W, part.end};
            else
                continue;
        }
        w->k++;
        return true;
    }
    return false;
}

/* ---- a block ---- */

static void fail_window(void *user, void *owner, spk_status status)
{
    windowing *w = user;
    (void)owner;
    if (w->failed != SPK_OK) return;
    w->failed = spk_fail_in(status, "%s", w->item->path);
    spk_free(w->message);
    w->message = spk_strdup(spk_errmsg());
}

static spk_status read_block(windowing *w, int64_t begin, int64_t end)
{
    const size_t bytes = sizeof(float) * (size_t)((end - begin) * w->e->width);
    if (bytes > w->room) {
        spk_free(w->block);
        w->block = spk_alloc(bytes);
        w->room = w->block ? bytes : 0;
        if (!w->block)
            return spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", w->item->path, (long long)(end - begin));
    }
    return spk_audio_part(w->r, begin, end - begin, w->block);
}

/* A window that is shorter than the model takes, repeated; the job reads it from *longer then. */
static spk_status lengthen(windowing *w, spk__job *job, float **longer)
{
    const int64_t bytes = job->samples * w->e->width * (int64_t)sizeof(float);
    if (job->samples >= w->e->min_samples) return SPK_OK;
    *longer = spk_alloc((size_t)bytes);
    if (!*longer) return spk_fail(SPK_E_NOMEM, "%s: no memory for a window", w->item->path);
    memcpy(*longer, job->wave, (size_t)bytes);
    SPK_TRY(spk__embed_lengthen(w->e, w->item->path, longer, &job->samples));
    job->wave = *longer;
    return SPK_OK;
}

static spk_status tell(windowing *w, const spk_span *window, int64_t n)
{
    const double rate = (double)w->e->audio.sample_rate;
    for (int64_t i = 0; i < n; i++) {
        const spk_window told = {.index = w->index,
                                 .id = w->item->id,
                                 .message = "",
                                 .begin = (double)window[i].begin / rate,
                                 .end = (double)window[i].end / rate,
                                 .embedding = w->embedding + i * w->e->size};
        SPK_TRY(w->fn(w->user, &told));
    }
    return SPK_OK;
}

/* n windows whose samples are [begin, end). A failure of the file is put into w->failed and is none of the call. */
static spk_status do_block(windowing *w, const spk_span *window, int64_t n, int64_t begin, int64_t end)
{
    spk__job job[MOST];
    float *longer[MOST] = {NULL};
    const spk__jobs_options how = {.step = (w->W + 3) / 4, .failed = fail_window, .user = w};
    spk_status status = read_block(w, begin, end);
    for (int64_t i = 0; i < n && status == SPK_OK; i++) {
        job[i] = (spk__job){.wave = w->block + (window[i].begin - begin) * w->e->width,
                            .embedding = w->embedding + i * w->e->size,
                            .samples = window[i].end - window[i].begin};
        status = lengthen(w, &job[i], &longer[i]);
    }
    if (status != SPK_OK) { /* reading: the file's own sentence */
        w->failed = status;
        w->message = spk_strdup(spk_errmsg());
        status = SPK_OK;
    } else {
        status = spk__jobs_run(w->e, job, n, &how);
    }
    for (int64_t i = 0; i < n; i++)
        spk_free(longer[i]);
    if (status == SPK_OK && w->failed == SPK_OK) status = tell(w, window, n);
    return status;
}

/* ---- a file ---- */

static spk_status do_parts(windowing *w, const spk_spans *parts, int64_t samples)
{
    const double rate = (double)w->e->audio.sample_rate;
    const int64_t most = llround(BLOCK_S * rate);
    walk at = {.parts = parts, .W = w->W, .H = w->H, .left = llround(LEFT_S * rate)};
    at.least = w->o->speech ? llround(w->o->min_window * rate) : 1;
    if (at.least < 1) at.least = 1;
    if (w->o->speech && at.least < w->e->min_samples) at.least = w->e->min_samples;
    spk_span window[MOST], next;
    bool more = next_window(&at, &next);
    if (!more) {
        w->failed = spk_fail(SPK_E_VALUE, "%s: '%s' has no stretch of speech of %g s", w->item->path, w->item->id,
                             (double)at.least / rate);
        w->message = spk_strdup(spk_errmsg());
    }
    while (more && w->failed == SPK_OK) {
        int64_t n = 0;
        const int64_t begin = next.begin;
        int64_t end;
        do {
            window[n++] = next;
            end = next.end;
            more = next_window(&at, &next);
        } while (more && n < MOST && next.end - begin <= most);
        SPK_TRY(do_block(w, window, n, begin, end));
        if (w->o->progress)
            w->o->progress(w->o->user, "embed", w->n_items > 1 ? w->index : llround((double)end / rate),
                           w->n_items > 1 ? w->n_items : llround((double)samples / rate));
    }
    return SPK_OK;
}

static spk_status do_file(windowing *w)
{
    int64_t samples = 0;
    spk_spans parts = {0};
    spk_status status = spk_audio_open(w->r, w->item->path, &samples);
    if (status == SPK_OK)
        status = spk__load_speech(w->e, w->o->speech, w->o->min_speech, w->r, w->item, samples, &parts);
    if (status != SPK_OK) {
        w->failed = status;
        w->message = spk_strdup(spk_errmsg());
        status = SPK_OK;
    } else {
        status = do_parts(w, &parts, samples);
    }
    spk_spans_clear(&parts);
    spk_audio_shut(w->r);
    if (w->failed == SPK_OK) w->sum.audio_s += (double)samples / (double)w->e->audio.sample_rate;
    return status;
}

static spk_status do_item(windowing *w, const spk_embed_item *item, int64_t index)
{
    w->item = item;
    w->index = index;
    w->failed = SPK_OK;
    SPK_TRY(do_file(w));
    w->sum.n_items++;
    if (w->failed == SPK_OK) return SPK_OK;
    w->sum.n_failed++;
    const spk_window told = {.index = index, .id = item->id, .status = w->failed, .message = w->message};
    const spk_status status = w->fn(w->user, &told);
    spk_free(w->message);
    w->message = NULL;
    return status;
}

static spk_status check(const windowing *w)
{
    const double rate = (double)w->e->audio.sample_rate;
    if (!(w->o->window > 0) || !(w->o->hop > 0) || w->W < 1 || w->H < 1 || w->o->window > 86400 || w->o->hop > 86400)
        return spk_fail(SPK_E_VALUE, "a window of %g s every %g s makes no sense", w->o->window, w->o->hop);
    if (w->W < w->e->min_samples)
        return spk_fail(SPK_E_VALUE, "a window of %g s is shorter than the model takes (%.3f s)", w->o->window,
                        (double)w->e->min_samples / rate);
    return SPK_OK;
}

spk_status spk_embed_windows(spk_embedder *e, const spk_embed_item *items, int64_t n,
                             const spk_windows_options *options, spk_window_fn fn, void *user,
                             spk_embed_summary *summary)
{
    const double begun = spk_now(), rate = (double)e->audio.sample_rate;
    windowing w = {.e = e, .o = options, .fn = fn, .user = user, .n_items = n};
    w.W = llround(options->window * rate);
    w.H = llround(options->hop * rate);
    spk_status status;
    SPK_GO(check(&w));
    w.r = spk_audio_reader_new(&e->audio);
    w.embedding = spk_new(sizeof *w.embedding * (size_t)(MOST * e->size));
    for (int64_t i = 0; i < n; i++) {
        if (options->progress && n > 1) options->progress(options->user, "embed", i, n);
        SPK_GO(do_item(&w, &items[i], i));
    }
    if (options->progress && n > 1) options->progress(options->user, "embed", n, n);
done:
    spk_audio_reader_free(w.r);
    spk_free(w.block);
    spk_free(w.embedding);
    spk_free(w.message);
    w.sum.wall_s = spk_now() - begun;
    if (summary) *summary = w.sum;
    return status;
}
