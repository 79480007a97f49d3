/* SPDX-License-Identifier: Apache-2.0 */
/* spk extract --window: embeddings of windows, and Kaldi's segments that say where they are. */
#include <math.h>
#include <string.h>

#include "cli/extract_impl.h"
#include "cli/sink_impl.h"

typedef struct collecting {
    sink *sink;
    spk_outfile *segments; /* NULL: none are written */
    int64_t size;          /* E */
    int64_t n_windows, n_failed;
    char *last; /* key of the window before */
} collecting;

/* "utt-0000150-0000300", as Kaldi's diarisation names parts: hundredths of seconds. */
static spk_status take(void *user, const spk_window *w)
{
    collecting *c = user;
    char begin[32], end[32];
    if (w->status != SPK_OK) {
        c->n_failed++;
        cli_complain("%s", w->message);
        return SPK_OK;
    }
    char *key =
        spk_strf("%s-%07lld-%07lld", w->id, (long long)llround(w->begin * 100), (long long)llround(w->end * 100));
    if (c->last && strcmp(c->last, key) == 0) { /* windows that are nearer than that */
        spk_free(key);
        return SPK_OK;
    }
    spk_free(c->last);
    c->last = key;
    c->n_windows++;
    spk_format_double(w->begin, begin);
    spk_format_double(w->end, end);
    if (c->segments) spk_outfile_printf(c->segments, "%s %s %s %s\n", key, w->id, begin, end);
    return sink_add(c->sink, key, 1, &c->size, w->embedding);
}

/* FOLDER/segments beside FOLDER/embeddings.*, FOLDER/SET_segments beside FOLDER/SET_embeddings.*. */
static spk_status open_segments(const char *folder, const char *stem, spk_outfile **out)
{
    static const char word[] = "embeddings";
    const size_t n = strlen(stem) - (spk_ends_with(stem, word) ? strlen(word) : 0);
    char *name = spk_strf("%.*ssegments", (int)n, stem), *path = spk_path_join(folder, name);
    const spk_status status = spk_outfile_open(path, out);
    spk_free(path);
    spk_free(name);
    return status;
}

static spk_status say(const char *path, const collecting *c, const spk_embed_summary *sum)
{
    spk_info("extract", "%lld windows, %.1f s of audio in %.1f s: %.0f times real time", (long long)c->n_windows,
             sum->audio_s, sum->wall_s, sum->audio_s / sum->wall_s);
    if (path)
        printf("%s: %lld embeddings of windows of %lld recordings\n", path, (long long)c->n_windows,
               (long long)(sum->n_items - sum->n_failed));
    return SPK_OK;
}

spk_status extract_windows(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                           const char *stem, int64_t *n_failed)
{
    const spk_windows_options how = {.window = o->window,
                                     .hop = isnan(o->hop) ? o->window / 2 : o->hop,
                                     .speech = t->speech,
                                     .min_speech = o->speech.min_speech,
                                     .min_window = o->min_window,
                                     .progress = cli_progress};
    const char *folder = extract_folder(o);
    collecting c = {.size = spk_embedder_size(t->embedder)};
    spk_embed_summary sum = {0};
    spk_status status;
    char *path = NULL;
    SPK_GO(sink_open(o->format, folder, stem, &c.sink));
    path = sink_path(c.sink) ? spk_strdup(sink_path(c.sink)) : NULL;
    if (folder) SPK_GO(open_segments(folder, stem, &c.segments));
    SPK_GO(spk_embed_windows(t->embedder, items, n, &how, take, &c, &sum));
    *n_failed = c.n_failed;
    if (c.n_windows == 0)
        SPK_GO(
            spk_fail(SPK_E_VALUE, "none of the %lld recordings could be embedded; nothing was written", (long long)n));
    sink *finished = c.sink;
    spk_outfile *segments = c.segments;
    c.sink = NULL;
    c.segments = NULL;
    status = sink_finish(finished);
    if (status != SPK_OK)
        spk_outfile_abort(segments);
    else if (segments)
        status = spk_outfile_commit(segments);
    if (status == SPK_OK) status = say(path, &c, &sum);
done:
    sink_abort(c.sink);
    spk_outfile_abort(c.segments);
    spk_free(c.last);
    spk_free(path);
    return status;
}
