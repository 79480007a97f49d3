/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedding queue: gathers segments of equal length of several utterances for one call of the model.
 * Letters: R distinct rows that wait, T samples of a row, E embedding size.
 */
#include "train/embed_impl.h"

#include <math.h>
#include <string.h>

/* An utterance that waits: where each of its segments lies among the rows. */
typedef struct waiting {
    int64_t index, n_segments;
    int64_t first; /* of its entries in row_of */
    const char *id;
} waiting;

/* Samples in one call where max_segments bounds it: whole recordings must not need much more memory than crops. */
enum { CALL_SAMPLES = 48 * 96000 };

/*
 * Rows are numbered since the queue was last empty. Rows below n_done are embedded and wait in `embedding` for the rest
 * of their utterance; the others wait in `speech`. So calls are always full, whatever an utterance brings, and a model
 * that plans by (batch, length) needs one plan and one for the last call.
 */
struct spk_embed_queue {
    const spk_model *model;
    int64_t max_utterances, max_segments;
    spk_embed_sink sink;
    void *user;
    int64_t n_rows, n_done, samples;
    int64_t width;  /* floats of a sample: 1, or those of a frame of features */
    int64_t floats; /* of a row: samples * width */
    void *speech;   /* (n_rows - n_done, T) floats */
    size_t speech_bytes;
    bool has_token;
    int64_t *token; /* (n_rows - n_done), when the utterances bring one */
    int64_t token_room;
    spk_dtype type;   /* of embeddings */
    size_t row_bytes; /* of one */
    void *embedding;  /* (n_done, E) */
    void *gathered;   /* (segments of an utterance, E) */
    size_t embedding_bytes, gathered_bytes;
    waiting *utterance;
    int64_t n_utterances, n_delivered;
    int64_t *row_of; /* a row for each segment that waits */
    int64_t n_row_of;
    int64_t utterance_room, row_of_room;
    int64_t n_segments, n_embedded;
};

spk_dtype spk_embed_type(const spk_model *model)
{
    return model->embed_f64 ? SPK_F64 : SPK_F32;
}

spk_embed_queue *spk_embed_queue_new(const spk_model *model, int64_t max_utterances, int64_t max_segments,
                                     spk_embed_sink sink, void *user)
{
    spk_embed_queue *q = spk_new(sizeof *q);
    q->model = model;
    q->type = spk_embed_type(model);
    q->row_bytes = (size_t)model->embedding_size * spk_dtype_size(q->type);
    q->width = model->feature_size > 0 ? model->feature_size : 1;
    q->max_utterances = max_utterances;
    q->max_segments = max_segments;
    q->sink = sink;
    q->user = user;
    return q;
}

void spk_embed_queue_free(spk_embed_queue *q)
{
    if (!q) return;
    spk_free(q->speech);
    spk_free(q->token);
    spk_free(q->utterance);
    spk_free(q->row_of);
    spk_free(q->embedding);
    spk_free(q->gathered);
    spk_free(q);
}

int64_t spk_embed_queue_segments(const spk_embed_queue *q)
{
    return q->n_segments;
}

int64_t spk_embed_queue_embedded(const spk_embed_queue *q)
{
    return q->n_embedded;
}

/* Make *block hold `rows` of so many bytes, keeping the first `keep` bytes; grows by doubling. */
static spk_status reserve(void **block, size_t *have, int64_t rows, size_t row_bytes, size_t keep, const char *what)
{
    bool overflow = false;
    const size_t need = spk_mul((size_t)rows, row_bytes, &overflow);
    if (!overflow && need <= *have && *block) return SPK_OK;
    const size_t room = need < 2 * *have ? 2 * *have : need;
    void *grown = overflow ? NULL : spk_alloc(room);
    if (!grown)
        return spk_fail(SPK_E_NOMEM, "no memory for the %s of %lld segments: use a smaller batch", what,
                        (long long)rows);
    if (keep && *block) memcpy(grown, *block, keep);
    spk_free(*block);
    *block = grown;
    *have = room;
    return SPK_OK;
}

/* ---- to the model and on to the sink ---- */

/* Where the embedding of row r, or the queue's segment r, lies. */
static char *embedding_at(const spk_embed_queue *q, void *block, int64_t r)
{
    return (char *)block + (size_t)r * q->row_bytes;
}

static float *speech_at(const spk_embed_queue *q, int64_t r)
{
    return (float *)q->speech + r * q->floats;
}

static bool is_finite(const spk_embed_queue *q, const void *embedding)
{
    for (int64_t e = 0; e < q->model->embedding_size; e++)
        if (!isfinite(q->type == SPK_F64 ? ((const double *)embedding)[e] : (double)((const float *)embedding)[e]))
            return false;
    return true;
}

static spk_status deliver(spk_embed_queue *q, const waiting *u)
{
    SPK_TRY(reserve(&q->gathered, &q->gathered_bytes, u->n_segments, q->row_bytes, 0, "embeddings"));
    for (int64_t k = 0; k < u->n_segments; k++) {
        const char *from = embedding_at(q, q->embedding, q->row_of[u->first + k]);
        if (!is_finite(q, from))
            return spk_fail(SPK_E_VALUE,
                            "utterance %s: the model's embedding is not finite (segment %lld): check its audio and "
                            "whether the training has diverged",
                            u->id, (long long)k);
        memcpy(embedding_at(q, q->gathered, k), from, q->row_bytes);
    }
    return q->sink(q->user, u->index, u->id, q->gathered, u->n_segments);
}

/* Rows only grow within an utterance, so its last segment's largest row decides. */
static bool is_embedded(const spk_embed_queue *q, const waiting *u)
{
    for (int64_t k = 0; k < u->n_segments; k++)
        if (q->row_of[u->first + k] >= q->n_done) return false;
    return true;
}

static spk_status embed(const spk_embed_queue *q, int64_t n, void *out)
{
    const spk_model *m = q->model;
    const int64_t *token = q->has_token ? q->token : NULL;
    return q->type == SPK_F64 ? m->embed_f64(m->self, q->speech, n, q->samples, token, out)
                              : m->embed(m->self, q->speech, n, q->samples, token, out);
}

/* Embed the first n rows that wait, hand on what is complete. */
static spk_status call_model(spk_embed_queue *q, int64_t n)
{
    const int64_t left = q->n_rows - q->n_done - n;
    const waiting *u = &q->utterance[q->n_delivered];
    SPK_TRY(reserve(&q->embedding, &q->embedding_bytes, q->n_done + n, q->row_bytes, (size_t)q->n_done * q->row_bytes,
                    "embeddings"));
    const spk_status status = embed(q, n, embedding_at(q, q->embedding, q->n_done));
    if (status != SPK_OK)
        return q->n_utterances - q->n_delivered == 1 ? spk_fail_in(status, "utterance %s", u->id)
                                                     : spk_fail_in(status, "utterance %s or one after it", u->id);
    q->n_done += n;
    q->n_embedded += n;
    memmove(q->speech, speech_at(q, n), (size_t)(left * q->floats) * sizeof(float));
    memmove(q->token, q->token + n, (size_t)left * sizeof *q->token);
    for (; q->n_delivered < q->n_utterances; q->n_delivered++) {
        if (!is_embedded(q, &q->utterance[q->n_delivered])) break;
        SPK_TRY(deliver(q, &q->utterance[q->n_delivered]));
    }
    return SPK_OK;
}

/* Forget the utterances that are delivered, and the embeddings of their rows. */
static void compact(spk_embed_queue *q)
{
    if (q->n_delivered == 0) return;
    const int64_t kept = q->n_utterances - q->n_delivered;
    int64_t first = q->n_row_of, row = q->n_rows;
    if (kept) {
        first = q->utterance[q->n_delivered].first;
        row = q->row_of[first];
    }
    if (q->n_done > row)
        memmove(q->embedding, embedding_at(q, q->embedding, row), (size_t)(q->n_done - row) * q->row_bytes);
    for (int64_t i = 0; i < kept; i++) {
        q->utterance[i] = q->utterance[q->n_delivered + i];
        q->utterance[i].first -= first;
    }
    for (int64_t i = first; i < q->n_row_of; i++)
        q->row_of[i - first] = q->row_of[i] - row;
    q->n_row_of -= first;
    q->n_rows -= row;
    q->n_done -= row < q->n_done ? row : q->n_done;
    q->n_utterances = kept;
    q->n_delivered = 0;
}

spk_status spk_embed_queue_flush(spk_embed_queue *q)
{
    if (q->n_rows > q->n_done) SPK_TRY(call_model(q, q->n_rows - q->n_done));
    compact(q);
    return SPK_OK;
}

/* ---- in ---- */

/* The row of a segment of the utterance whose rows begin at `first`: an equal one, or a new one. */
static spk_status add_row(spk_embed_queue *q, const float *segment, int64_t first, const int64_t *token, int64_t *row)
{
    const size_t bytes = (size_t)q->floats * sizeof(float);
    int64_t n = q->n_rows - q->n_done;
    for (int64_t r = first; r < q->n_rows; r++) {
        if (memcmp(speech_at(q, r - q->n_done), segment, bytes) == 0) {
            *row = r;
            return SPK_OK;
        }
    }
    SPK_TRY(reserve(&q->speech, &q->speech_bytes, n + 1, bytes, (size_t)n * bytes, "audio"));
    memcpy(speech_at(q, n), segment, bytes);
    if (n == q->token_room) q->token = spk_renew(q->token, (size_t)(q->token_room = 2 * n + 16) * sizeof *q->token);
    q->token[n] = token ? *token : 0;
    *row = q->n_rows++;
    return SPK_OK;
}

/* Append to a list whose length also shrinks: room is kept apart from it. */
static void add_waiting(spk_embed_queue *q, const waiting *u)
{
    if (q->n_utterances == q->utterance_room)
        q->utterance = spk_renew(q->utterance, (size_t)(q->utterance_room = 2 * q->utterance_room + 16) * sizeof *u);
    q->utterance[q->n_utterances++] = *u;
    const int64_t need = u->first + u->n_segments;
    if (need > q->row_of_room)
        q->row_of = spk_renew(q->row_of, (size_t)(q->row_of_room = 2 * need) * sizeof *q->row_of);
    q->n_row_of = need;
}

static int64_t rows_of_a_call(const spk_embed_queue *q)
{
    const int64_t by_samples = CALL_SAMPLES / q->floats > 0 ? CALL_SAMPLES / q->floats : 1;
    return q->max_segments < by_samples ? q->max_segments : by_samples;
}

spk_status spk_embed_queue_push(spk_embed_queue *q, int64_t index, const char *id, const float *speech,
                                int64_t n_segments, int64_t samples, const int64_t *task_token)
{
    const bool has_token = task_token != NULL;
    if (samples != q->samples || has_token != q->has_token) SPK_TRY(spk_embed_queue_flush(q));
    q->samples = samples;
    q->floats = samples * q->width;
    q->has_token = has_token;
    const waiting u = {.index = index, .n_segments = n_segments, .first = q->n_row_of, .id = id};
    const int64_t first_row = q->n_rows;
    add_waiting(q, &u);
    for (int64_t k = 0; k < n_segments; k++)
        SPK_TRY(add_row(q, speech + k * q->floats, first_row, task_token, &q->row_of[u.first + k]));
    q->n_segments += n_segments;
    if (q->max_utterances && q->n_utterances >= q->max_utterances) SPK_TRY(spk_embed_queue_flush(q));
    while (q->max_segments && q->n_rows - q->n_done >= rows_of_a_call(q))
        SPK_TRY(call_model(q, rows_of_a_call(q)));
    compact(q);
    return SPK_OK;
}
