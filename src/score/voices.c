/* SPDX-License-Identifier: Apache-2.0 */
/* The sides of trials: which embeddings each name stands for, and their rows made ready for scoring. */
#include <math.h>
#include <string.h>

#include "formats/list_impl.h"
#include "score/distance_impl.h"
#include "score/scoring_impl.h"
#include "spk/score.h"

/* Voices while they are collected: utterances begin[v] to begin[v+1] - 1 of `utterance` are those of voice v. */
typedef struct collection {
    const spk_embeddings *e;
    const spk_trial_list *t;
    spk_list map; /* of enrolment */
    int64_t n, n_begin, n_utterances, n_names;
    int64_t *begin, *utterance;
    const char **name;
} collection;

/* ---- names to utterances ---- */

static spk_status add_utterance(collection *c, const char *id, const char *file, int64_t line)
{
    const int64_t at = spk_embeddings_find(c->e, id);
    if (at < 0)
        return spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' has no embedding in %s", file, (long long)line, id,
                        c->e->path);
    SPK_PUSH(c->utterance, c->n_utterances) = at;
    return SPK_OK;
}

static spk_status add_model(collection *c, const char *model, int64_t line)
{
    const int64_t at = spk_list_find(&c->map, model);
    spk_status status = SPK_OK;
    if (at < 0)
        return spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' is not enrolled in %s", c->t->path, (long long)line, model,
                        c->map.path);
    char *words = spk_strdup(c->map.entry[at].value), *rest = NULL;
    for (const char *w = strtok_r(words, " \t", &rest); w && status == SPK_OK; w = strtok_r(NULL, " \t", &rest))
        status = add_utterance(c, w, c->map.path, c->map.entry[at].line);
    spk_free(words);
    return status;
}

static spk_status add_voice(collection *c, int64_t name, bool model, int64_t line, int64_t *voice)
{
    if (*voice >= 0) return SPK_OK;
    const char *word = c->t->name[name];
    SPK_TRY(model ? add_model(c, word, line) : add_utterance(c, word, c->t->path, line));
    *voice = c->n;
    SPK_PUSH(c->name, c->n_names) = word;
    SPK_PUSH(c->begin, c->n_begin) = c->n_utterances;
    c->n++;
    return SPK_OK;
}

static spk_status collect(collection *c, const spk_scoring_options *o, int64_t *enroll, int64_t *test)
{
    const bool models = o->enroll != NULL;
    if (models) SPK_TRY(spk_list_read(o->enroll, 0, &c->map));
    SPK_PUSH(c->begin, c->n_begin) = 0;
    for (int64_t i = 0; i < c->t->n_names; i++)
        enroll[i] = test[i] = -1;
    int64_t *first = models ? enroll : test; /* without models an utterance is one voice on both sides */
    for (int64_t i = 0; i < c->t->n; i++) {
        SPK_TRY(add_voice(c, c->t->enroll[i], models, c->t->line[i], &first[c->t->enroll[i]]));
        SPK_TRY(add_voice(c, c->t->test[i], false, c->t->line[i], &test[c->t->test[i]]));
    }
    if (!models) memcpy(enroll, test, sizeof *test * (size_t)c->t->n_names);
    return SPK_OK;
}

static void clear_collection(collection *c)
{
    spk_list_clear(&c->map);
    spk_free(c->begin);
    spk_free(c->utterance);
    spk_free(c->name);
}

/* ---- rows ---- */

static int64_t segments(const spk_embeddings *e, int64_t u)
{
    return e->first[u + 1] - e->first[u];
}

/* So many rows has the vector that is made of n utterances. */
static spk_status rows_of(const collection *c, spk_scorer scorer, const int64_t *u, int64_t n, const char *name,
                          int64_t *rows)
{
    *rows = scorer == SPK_SCORER_COSINE ? 1 : segments(c->e, u[0]);
    for (int64_t k = 1; k < n && scorer != SPK_SCORER_COSINE; k++)
        if (segments(c->e, u[k]) != *rows)
            return spk_fail(SPK_E_SHAPE,
                            "%s: '%s' has %lld segments and '%s' %lld, so the embeddings of model '%s' cannot be "
                            "averaged; average their scores instead",
                            c->e->path, c->e->id[u[k]], (long long)segments(c->e, u[k]), c->e->id[u[0]],
                            (long long)*rows, name);
    return SPK_OK;
}

/* Average n utterances, subtract the mean, and bring to norm 1. */
static void fill_vector(const spk_embeddings *e, const int64_t *u, int64_t n, int64_t rows, const float *mean,
                        float *out)
{
    const int64_t D = e->D;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t d = 0; d < D; d++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                const float *row = e->row + e->first[u[k]] * D;
                const int64_t K = segments(e, u[k]);
                if (K == rows) {
                    sum += (double)row[r * D + d];
                    continue;
                }
                double over_segments = 0; /* one row of several segments */
                for (int64_t s = 0; s < K; s++)
                    over_segments += (double)row[s * D + d];
                sum += over_segments / (double)K;
            }
            out[r * D + d] = (float)(sum / (double)n - (mean ? (double)mean[d] : 0));
        }
    for (int64_t r = 0; r < rows; r++) {
        const float scale = (float)(1 / fmax(sqrt(spk_dot(out + r * D, out + r * D, D)), 1e-12));
        for (int64_t d = 0; d < D; d++)
            out[r * D + d] *= scale;
    }
}

static spk_status make_rows(const collection *c, const spk_scoring_options *o, const float *mean, spk_voices *v)
{
    const bool average = o->enroll_by == SPK_ENROLL_EMBEDDINGS;
    const size_t most = (size_t)c->n_utterances + 1;
    int64_t n = 0, *utterance = spk_new(sizeof *utterance * most), *count = spk_new(sizeof *count * most);
    spk_status status = SPK_OK;
    v->first = spk_new(sizeof *v->first * most);
    v->begin = spk_new(sizeof *v->begin * (size_t)(c->n + 1));
    for (int64_t i = 0; i < c->n; i++) {
        const int64_t all = c->begin[i + 1] - c->begin[i], step = average ? all : 1;
        for (int64_t k = c->begin[i]; k < c->begin[i + 1]; k += step, n++) {
            int64_t rows = 0;
            utterance[n] = k;
            count[n] = step;
            SPK_GO(rows_of(c, o->scorer, c->utterance + k, step, c->name[i], &rows));
            v->first[n + 1] = v->first[n] + rows;
        }
        v->begin[i + 1] = n;
    }
    v->row = spk_alloc(sizeof *v->row * (size_t)(v->first[n] * c->e->D));
    if (!v->row) SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory for the embeddings of %lld utterances", (long long)n));
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < n; k++)
        fill_vector(c->e, c->utterance + utterance[k], count[k], v->first[k + 1] - v->first[k], mean,
                    v->row + v->first[k] * c->e->D);
done:
    spk_free(utterance);
    spk_free(count);
    return status;
}

spk_status spk_voices_make(const spk_embeddings *e, const spk_trial_list *t, const spk_scoring_options *o,
                           const float *mean, spk_voices *out, int64_t *enroll, int64_t *test)
{
    spk_status status;
    collection c = {.e = e, .t = t};
    *out = (spk_voices){.scorer = o->scorer, .take_max = o->enroll_by == SPK_ENROLL_MAX, .D = e->D};
    SPK_GO(collect(&c, o, enroll, test));
    SPK_GO(make_rows(&c, o, mean, out));
    out->n = c.n;
    out->name = c.name;
    c.name = NULL;
done:
    clear_collection(&c);
    if (status != SPK_OK) spk_voices_clear(out);
    return status;
}

void spk_voices_clear(spk_voices *v)
{
    spk_free(v->begin);
    spk_free(v->first);
    spk_free(v->row);
    spk_free(v->name);
    memset(v, 0, sizeof *v);
}

/* ---- scores ---- */

static double score_vectors(const spk_voices *v, int64_t a, int64_t b)
{
    const float *x = v->row + v->first[a] * v->D, *y = v->row + v->first[b] * v->D;
    if (v->scorer == SPK_SCORER_COSINE) return spk_dot(x, y, v->D);
    return -spk_mean_distance(x, v->first[a + 1] - v->first[a], y, v->first[b + 1] - v->first[b], v->D);
}

double spk_voices_score(const spk_voices *v, int64_t a, int64_t b)
{
    double sum = 0, largest = -INFINITY;
    const int64_t n = (v->begin[a + 1] - v->begin[a]) * (v->begin[b + 1] - v->begin[b]);
    for (int64_t i = v->begin[a]; i < v->begin[a + 1]; i++)
        for (int64_t j = v->begin[b]; j < v->begin[b + 1]; j++) {
            const double s = score_vectors(v, i, j);
            sum += s;
            largest = fmax(largest, s);
        }
    return v->take_max ? largest : sum / (double)n;
}
