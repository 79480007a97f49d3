/* SPDX-License-Identifier: Apache-2.0 */
/* spk extract: recordings as a whole, or segments of them, to a file of any format. */
#include <string.h>

#include "cli/extract_impl.h"
#include "cli/pieces_impl.h"
#include "cli/sink_impl.h"

typedef struct collecting {
    sink *sink;
    int64_t size; /* E */
    bool whole, average;
    int64_t n_good, n_failed;
    float *mean;
} collecting;

static spk_status take(void *user, const spk_embed_result *r)
{
    collecting *c = user;
    if (r->status != SPK_OK) {
        c->n_failed++;
        cli_complain("%s", r->message);
        return SPK_OK;
    }
    c->n_good++;
    const int64_t E = c->size, matrix[2] = {r->n_segments, E};
    if (c->whole) return sink_add(c->sink, r->id, 1, &E, r->embedding);
    if (!c->average) return sink_add(c->sink, r->id, 2, matrix, r->embedding);
    for (int64_t i = 0; i < E; i++) {
        double sum = 0;
        for (int64_t k = 0; k < r->n_segments; k++)
            sum += (double)r->embedding[k * E + i];
        c->mean[i] = (float)(sum / (double)r->n_segments);
    }
    return sink_add(c->sink, r->id, 1, &E, c->mean);
}

/* ---- several processes ---- */

typedef struct sharing {
    pieces *pieces;
    collecting *c;
} sharing;

static spk_status put(void *user, const spk_embed_result *r)
{
    const sharing *s = user;
    pieces_add(s->pieces, &(piece){.index = r->index,
                                   .status = r->status,
                                   .message = r->message,
                                   .seconds = r->seconds,
                                   .n_rows = r->n_segments,
                                   .embedding = r->embedding});
    return SPK_OK;
}

static spk_status take_piece(void *user, const piece *x)
{
    const sharing *s = user;
    const bool good = x->status == SPK_OK;
    return take(s->c, &(spk_embed_result){.index = x->index,
                                          .id = x->id,
                                          .status = x->status,
                                          .message = x->message,
                                          .embedding = good ? x->embedding : NULL,
                                          .n_segments = x->n_rows,
                                          .seconds = x->seconds});
}

static spk_status embed(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                        const char *stem, collecting *c, spk_embed_summary *sum)
{
    const spk_embed_list_options how = {.num_eval = o->whole ? 0 : t->num_eval,
                                        .target_duration = t->target_duration,
                                        .speech = t->speech,
                                        .min_speech = o->speech.min_speech,
                                        .progress = cli_progress};
    if (spk_comm_size(cli_comm()) == 1) return spk_embed_list(t->embedder, items, n, &how, take, c, sum);
    sharing s = {.c = c};
    int64_t n_own = 0;
    spk_status status = pieces_open(cli_comm(), extract_folder(o), stem, items, n, c->size, &s.pieces);
    const spk_embed_item *own = pieces_items(s.pieces, &n_own);
    if (status == SPK_OK) status = spk_embed_list(t->embedder, own, n_own, &how, put, &s, sum);
    return pieces_join(s.pieces, status, sum, take_piece, &s);
}

/* ---- the result ---- */

static spk_status say_result(const char *path, int64_t n, double audio_s, double wall_s)
{
    spk_info("extract", "%lld utterances, %.1f s of audio in %.1f s: %.1f utterances/s, %.0f times real time",
             (long long)n, audio_s, wall_s, (double)n / wall_s, audio_s / wall_s);
    if (path) printf("%s: %lld embeddings\n", path, (long long)n);
    return SPK_OK;
}

const char *extract_folder(const eval_options *o)
{
    return o->output_dir ? o->output_dir : strcmp(o->format, "jsonl") == 0 ? NULL : ".";
}

/* On rank 0, or alone. */
static spk_status finish(collecting *c, const char *path, int64_t n, const spk_embed_summary *sum)
{
    if (c->n_good == 0)
        return spk_fail(SPK_E_VALUE, "none of the %lld recordings could be embedded; nothing was written",
                        (long long)n);
    sink *finished = c->sink;
    c->sink = NULL;
    SPK_TRY(sink_finish(finished));
    return say_result(path, c->n_good, sum->audio_s, sum->wall_s);
}

spk_status extract_list(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                        const char *stem, int64_t *n_failed)
{
    collecting c = {.size = spk_embedder_size(t->embedder), .whole = o->whole, .average = o->average_embd};
    spk_embed_summary sum = {0};
    const bool first = spk_comm_is_first(cli_comm());
    spk_status status;
    char *path = NULL;
    c.mean = spk_new(sizeof *c.mean * (size_t)c.size);
    SPK_GO(spk_comm_agree(cli_comm(), first ? sink_open(o->format, extract_folder(o), stem, &c.sink) : SPK_OK));
    path = c.sink && sink_path(c.sink) ? spk_strdup(sink_path(c.sink)) : NULL;
    SPK_GO(embed(o, t, items, n, stem, &c, &sum));
    *n_failed = sum.n_failed;
    status = spk_comm_agree(cli_comm(), first ? finish(&c, path, n, &sum) : SPK_OK);
done:
    sink_abort(c.sink);
    spk_free(c.mean);
    spk_free(path);
    return status;
}
