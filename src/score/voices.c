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

/* A trial of an utterance with itself, or with a model that was enrolled with it, says nothing of how speakers are told apart. */
static void warn_of_self(const collection *c, const int64_t *enroll, const int64_t *test)
{
    int64_t n = 0, first = -1;
    if (!c->utterance) return;
    for (int64_t i = 0; i < c->t->n; i++) {
        const int64_t a = enroll[c->t->enroll[i]], u = c->utterance[c->begin[test[c->t->test[i]]]];
        bool self = false;
        for (int64_t k = c->begin[a]; k < c->begin[a + 1]; k++)
            self = self || c->utterance[k] == u;
        if (self && n++ == 0) first = i;
    }
    if (n > 0)
        spk_warn("score", "%s:%lld: '%s' is compared with itself; there are %lld such trials", c->t->path,
                 (long long)c->t->line[first], c->t->name[c->t->test[first]], (long long)n);
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
    *rows = scorer != SPK_SCORER_DISTANCE ? 1 : segments(c->e, u[0]);
    for (int64_t k = 1; k < n && scorer == SPK_SCORER_DISTANCE; k++)
        if (segments(c->e, u[k]) != *rows)
            return spk_fail(SPK_E_SHAPE,
                            "%s: '%s' has %lld segments and '%s' %lld, so the embeddings of model '%s' cannot be "
                            "averaged; average their scores instead",
                            c->e->path, c->e->id[u[k]], (long long)segments(c->e, u[k]), c->e->id[u[0]],
                            (long long)*rows, name);
    return SPK_OK;
}

void spk_embeddings_average(const spk_embeddings *e, const int64_t *u, int64_t n, int64_t rows, int64_t r, bool unit,
                            double *out)
{
    const int64_t D = e->D;
    memset(out, 0, sizeof *out * (size_t)D);
    for (int64_t k = 0; k < n; k++) {
        const int64_t all = segments(e, u[k]), K = all == rows ? 1 : all; /* else one row of several segments */
        const float *row = e->row + (e->first[u[k]] + (all == rows ? r : 0)) * D;
        for (int64_t s = 0; s < K; s++) {
            const double norm = unit ? sqrt(spk_dot(row + s * D, row + s * D, D)) : 1;
            const double weight = 1 / (double)(n * K) / (norm > 0 ? norm : 1);
            for (int64_t d = 0; d < D; d++)
                out[d] += weight * (double)row[s * D + d];
        }
    }
}

/* Average n utterances and make the average ready: of norm 1 without the mean, or by the back-end. room: 2 D + 2 R. */
static void fill_vector(const collection *c, const spk_scoring_options *o, const float *mean, const int64_t *u,
                        int64_t n, int64_t rows, double *room, float *out)
{
    const spk_embeddings *e = c->e;
    const spk_backend *b = o->backend;
    const int64_t D = b ? b->R : e->D;
    for (int64_t r = 0; r < rows; r++) {
        float *to = out + r * D;
        spk_embeddings_average(e, u, n, rows, r, b && b->unit_segments, room);
        if (b) {
            spk_backend_apply(b, room, n, to, room + e->D);
            continue;
        }
        for (int64_t d = 0; d < D; d++)
            to[d] = (float)(room[d] - (mean ? (double)mean[d] : 0));
        spk_score_normalize_rows(to, 1, D);
    }
}

/* ---- PLDA ---- */

static int64_t terms_for(const spk_backend *b, int64_t n, spk_voices *v)
{
    for (int64_t k = 0; k < v->n_terms; k++)
        if (v->terms[k].n == n) return k;
    spk_plda_terms_make(&b->plda, n, &SPK_PUSH(v->terms, v->n_terms));
    return v->n_terms - 1;
}

/* What belongs to a vector as the enrolled one: its part of the score, and its row times the other's. */
static spk_status prepare_plda(const spk_backend *b, int64_t n, const int64_t *count, spk_voices *v)
{
    const int64_t R = b->R;
    v->left = spk_alloc(sizeof *v->left * (size_t)(n * R));
    v->bias = spk_new(sizeof *v->bias * (size_t)(n + 1));
    v->of_terms = spk_new(sizeof *v->of_terms * (size_t)(n + 1));
    if (!v->left) return spk_fail(SPK_E_NOMEM, "not enough memory for %lld vectors", (long long)n);
    for (int64_t k = 0; k < n; k++) {
        v->of_terms[k] = terms_for(b, count[k], v);
        const spk_plda_terms *t = &v->terms[v->of_terms[k]];
        const float *u = v->row + k * R;
        v->bias[k] = t->constant;
        for (int64_t r = 0; r < R; r++) {
            v->left[k * R + r] = (float)(t->cross[r] * (double)u[r]);
            v->bias[k] -= t->own[r] * (double)u[r] * (double)u[r];
        }
    }
    return SPK_OK;
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
    v->row = spk_alloc(sizeof *v->row * (size_t)(v->first[n] * v->D));
    if (!v->row) SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory for the embeddings of %lld utterances", (long long)n));
#pragma omp parallel
    {
        double *room = spk_new(sizeof *room * (size_t)(2 * (c->e->D + v->D)));
#pragma omp for schedule(static)
        for (int64_t k = 0; k < n; k++)
            fill_vector(c, o, mean, c->utterance + utterance[k], count[k], v->first[k + 1] - v->first[k], room,
                        v->row + v->first[k] * v->D);
        spk_free(room);
    }
    if (o->scorer == SPK_SCORER_PLDA) SPK_GO(prepare_plda(o->backend, n, count, v));
done:
    spk_free(utterance);
    spk_free(count);
    return status;
}

/* The collection's voices; its names go over. */
static spk_status make_voices(collection *c, const spk_scoring_options *o, const float *mean, spk_voices *out)
{
    *out = (spk_voices){
        .scorer = o->scorer, .take_max = o->enroll_by == SPK_ENROLL_MAX, .D = o->backend ? o->backend->R : c->e->D};
    const spk_status status = make_rows(c, o, mean, out);
    out->n = c->n;
    out->name = c->name;
    c->name = NULL;
    if (status != SPK_OK) spk_voices_clear(out);
    return status;
}

spk_status spk_voices_make(const spk_embeddings *e, const spk_trial_list *t, const spk_scoring_options *o,
                           const float *mean, spk_voices *out, int64_t *enroll, int64_t *test)
{
    spk_status status;
    collection c = {.e = e, .t = t};
    *out = (spk_voices){0};
    SPK_GO(collect(&c, o, enroll, test));
    warn_of_self(&c, enroll, test);
    SPK_GO(make_voices(&c, o, mean, out));
done:
    clear_collection(&c);
    return status;
}

spk_status spk_voices_of(const spk_embeddings *e, int64_t n, const int64_t *begin, const spk_scoring_options *o,
                         spk_voices *out)
{
    collection c = {.e = e,
                    .n = n,
                    .n_utterances = begin[n],
                    .begin = spk_new(sizeof *c.begin * (size_t)(n + 1)),
                    .utterance = spk_new(sizeof *c.utterance * (size_t)(begin[n] + 1)),
                    .name = spk_new(sizeof *c.name * (size_t)(n + 1))};
    for (int64_t i = 0; i < n; i++) {
        c.name[i] = e->id[begin[i]];
        c.begin[i + 1] = begin[i + 1];
    }
    for (int64_t u = 0; u < begin[n]; u++)
        c.utterance[u] = u;
    const spk_status status = make_voices(&c, o, NULL, out);
    clear_collection(&c);
    return status;
}

void spk_voices_clear(spk_voices *v)
{
    spk_free(v->begin);
    spk_free(v->first);
    spk_free(v->row);
    spk_free(v->name);
    for (int64_t k = 0; k < v->n_terms; k++)
        spk_plda_terms_clear(&v->terms[k]);
    spk_free(v->terms);
    spk_free(v->of_terms);
    spk_free(v->left);
    spk_free(v->bias);
    memset(v, 0, sizeof *v);
}

/* ---- scores ---- */

static double plda_score(const spk_voices *v, int64_t a, int64_t b)
{
    const double *other = v->terms[v->of_terms[a]].other;
    const float *left = v->left + a * v->D, *t = v->row + b * v->D;
    double sum = v->bias[a];
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < v->D; d++)
        sum += ((double)left[d] - other[d] * (double)t[d]) * (double)t[d];
    return sum;
}

static double score_vectors(const spk_voices *v, int64_t a, int64_t b)
{
    if (v->scorer == SPK_SCORER_PLDA) return plda_score(v, a, b);
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
