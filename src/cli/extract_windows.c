/* SPDX-License-Identifier: Apache-2.0 */
/* spk extract --window: embeddings of windows, and Kaldi's segments that say where they are. */
#include <math.h>
#include <string.h>

#include "cli/extract_impl.h"
#include "cli/pieces_impl.h"
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

/* ---- several processes ---- */

typedef struct sharing {
    pieces *pieces;
    collecting *c;
} sharing;

static spk_status put(void *user, const spk_window *w)
{
    const sharing *s = user;
    pieces_add(s->pieces, &(piece){.index = w->index,
                                   .status = w->status,
                                   .message = w->message,
                                   .begin = w->begin,
                                   .end = w->end,
                                   .n_rows = 1,
                                   .embedding = w->embedding});
    return SPK_OK;
}

static spk_status take_piece(void *user, const piece *x)
{
    const sharing *s = user;
    return take(s->c, &(spk_window){.index = x->index,
                                    .id = x->id,
                                    .status = x->status,
                                    .message = x->message,
                                    .begin = x->begin,
                                    .end = x->end,
                                    .embedding = x->embedding});
}

static spk_status embed(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                        const char *stem, collecting *c, spk_embed_summary *sum)
{
    const spk_windows_options how = {.window = o->window,
                                     .hop = isnan(o->hop) ? o->window / 2 : o->hop,
                                     .speech = t->speech,
                                     .min_speech = o->speech.min_speech,
                                     .min_window = o->min_window,
                                     .progress = cli_progress};
    if (spk_comm_size(cli_comm()) == 1) return spk_embed_windows(t->embedder, items, n, &how, take, c, sum);
    sharing s = {.c = c};
    int64_t n_own = 0;
    spk_status status = pieces_open(cli_comm(), extract_folder(o), stem, items, n, c->size, &s.pieces);
    const spk_embed_item *own = pieces_items(s.pieces, &n_own);
    if (status == SPK_OK) status = spk_embed_windows(t->embedder, own, n_own, &how, put, &s, sum);
    return pieces_join(s.pieces, status, sum, take_piece, &s);
}

/* ---- the result ---- */

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

static spk_status open_files(const eval_options *o, const char *stem, collecting *c)
{
    const char *folder = extract_folder(o);
    SPK_TRY(sink_open(o->format, folder, stem, &c->sink));
    return folder ? open_segments(folder, stem, &c->segments) : SPK_OK;
}

/* On rank 0, or alone. */
static spk_status finish(collecting *c, const char *path, int64_t n, const spk_embed_summary *sum)
{
    if (c->n_windows == 0)
        return spk_fail(SPK_E_VALUE, "none of the %lld recordings could be embedded; nothing was written",
                        (long long)n);
    sink *finished = c->sink;
    spk_outfile *segments = c->segments;
    c->sink = NULL;
    c->segments = NULL;
    spk_status status = sink_finish(finished);
    if (status != SPK_OK)
        spk_outfile_abort(segments);
    else if (segments)
        status = spk_outfile_commit(segments);
    return status == SPK_OK ? say(path, c, sum) : status;
}

spk_status extract_windows(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                           const char *stem, int64_t *n_failed)
{
    collecting c = {.size = spk_embedder_size(t->embedder)};
    spk_embed_summary sum = {0};
    const bool first = spk_comm_is_first(cli_comm());
    spk_status status;
    char *path = NULL;
    SPK_GO(spk_comm_agree(cli_comm(), first ? open_files(o, stem, &c) : SPK_OK));
    path = c.sink && sink_path(c.sink) ? spk_strdup(sink_path(c.sink)) : NULL;
    SPK_GO(embed(o, t, items, n, stem, &c, &sum));
    *n_failed = sum.n_failed;
    status = spk_comm_agree(cli_comm(), first ? finish(&c, path, n, &sum) : SPK_OK);
done:
    sink_abort(c.sink);
    spk_outfile_abort(c.segments);
    spk_free(c.last);
    spk_free(path);
    return status;
}
