/* SPDX-License-Identifier: Apache-2.0 */
/* All trials of a list: voices, scores, normalisation. */
#include "score/scoring_impl.h"

#include <string.h>

#include "score/distance_impl.h"

spk_status spk_embeddings_mean(const char *path, int64_t D, float **out)
{
    spk_embeddings e;
    *out = NULL;
    SPK_TRY(spk_embeddings_read(path, &e));
    spk_status status = SPK_OK;
    float *mean = spk_new(sizeof *mean * (size_t)(e.n * e.D + D));
    if (e.D != D)
        status = spk_fail(SPK_E_SHAPE, "%s: embeddings have %lld values, those of the trials %lld", path,
                          (long long)e.D, (long long)D);
    for (int64_t i = 0; i < e.n && status == SPK_OK; i++)
        spk_mean_row(e.row + e.first[i] * D, e.first[i + 1] - e.first[i], D, mean + (i + 1) * D);
    if (status == SPK_OK) spk_mean_row(mean + D, e.n, D, mean);
    spk_embeddings_clear(&e);
    if (status != SPK_OK) {
        spk_free(mean);
        return status;
    }
    *out = mean;
    return SPK_OK;
}

/* (score - mean) / deviation of one side or of both. */
static void normalize(const spk_trial_list *t, const spk_scoring_options *o, const int64_t *enroll, const int64_t *test,
                      const double *mean, const double *deviation, const double *raw, float *scores)
{
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t a = enroll[t->enroll[i]], b = test[t->test[i]];
        const double z = (raw[i] - mean[a]) / deviation[a], of_test = (raw[i] - mean[b]) / deviation[b];
        scores[i] = (float)(o->norm == SPK_NORM_Z ? z : o->norm == SPK_NORM_T ? of_test : (z + of_test) / 2);
    }
}

static spk_status apply_norm(const spk_trial_list *t, const spk_scoring_options *o, const spk_voices *v, int64_t D,
                             const int64_t *enroll, const int64_t *test, const float *center, const double *raw,
                             float *scores)
{
    spk_status status;
    float *cohort = NULL;
    int64_t C = 0;
    double *mean = spk_new(sizeof *mean * (size_t)(v->n + 1)), *deviation = spk_new(sizeof *mean * (size_t)(v->n + 1));
    SPK_GO(spk_cohort_make(o, center, D, &cohort, &C));
    const int64_t k = o->top_k > 0 ? o->top_k : C;
    if (k > C)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: the cohort has %lld items, but the nearest %lld are asked for; ask for fewer",
                        o->cohort, (long long)C, (long long)k));
    if (k < 2) SPK_GO(spk_fail(SPK_E_VALUE, "%s: a deviation needs at least 2 items of the cohort", o->cohort));
    spk_info("score", "%lld items in the cohort, the nearest %lld count", (long long)C, (long long)k);
    SPK_GO(spk_cohort_statistics(v, cohort, C, k, o->norm == SPK_NORM_AS_ESPNET, mean, deviation));
    normalize(t, o, enroll, test, mean, deviation, raw, scores);
done:
    spk_free(cohort);
    spk_free(mean);
    spk_free(deviation);
    return status;
}

/* ---- order ---- */

enum { BLOCK_BYTES = 256 << 10 }; /* of enrolled rows, so that they stay in a core's cache */

typedef struct pair {
    int64_t enroll, test, at; /* voices, and the trial's place */
} pair;

/* Stable counting sort of n pairs: key[voice of that side] is in 0..n_keys-1. */
static void sort_by(bool by_test, const int64_t *key, int64_t n_keys, int64_t n, const pair *in, pair *out)
{
    int64_t *at = spk_new(sizeof *at * (size_t)(n_keys + 2));
    for (int64_t i = 0; i < n; i++)
        at[key[by_test ? in[i].test : in[i].enroll] + 1]++;
    for (int64_t k = 0; k < n_keys; k++)
        at[k + 1] += at[k];
    for (int64_t i = 0; i < n; i++)
        out[at[key[by_test ? in[i].test : in[i].enroll]]++] = in[i];
    spk_free(at);
}

/*
 * The trials in an order that reads memory little: a block of enrolled voices at a time, which stays in the cache while the
 * tests pass by from first to last. A new block.
 */
static spk_status cache_order(const spk_trial_list *t, const spk_voices *v, const int64_t *enroll, const int64_t *test,
                              pair **out)
{
    pair *a = spk_alloc(sizeof *a * (size_t)(t->n + 1)), *b = spk_alloc(sizeof *b * (size_t)(t->n + 1));
    int64_t *key = spk_new(sizeof *key * (size_t)(v->n + 1)), n_blocks = 1;
    *out = a;
    if (!a || !b) {
        spk_free(a);
        spk_free(b);
        spk_free(key);
        return spk_fail(SPK_E_NOMEM, "not enough memory for %lld trials", (long long)t->n);
    }
    for (int64_t i = 0; i < t->n; i++)
        a[i] = (pair){enroll[t->enroll[i]], test[t->test[i]], i};
    for (int64_t k = 0; k < v->n; k++)
        key[k] = k;
    sort_by(true, key, v->n, t->n, a, b);
    for (int64_t k = 0; k < v->n; k++) {
        key[k] = v->first[v->begin[k]] * v->D * (int64_t)sizeof *v->row / BLOCK_BYTES;
        n_blocks = key[k] + 1;
    }
    sort_by(false, key, n_blocks, t->n, b, a);
    spk_free(b);
    spk_free(key);
    return SPK_OK;
}

spk_status spk_score_check_backend(const spk_embeddings *e, const spk_scoring_options *o)
{
    const spk_backend *b = o->backend;
    if (o->scorer == SPK_SCORER_PLDA && (!b || !spk_backend_is_plda(b)))
        return spk_fail(SPK_E_CONFIG, "%s: the scorer plda needs a back-end that has one", b ? b->path : e->path);
    if (b && spk_backend_is_plda(b) && o->scorer != SPK_SCORER_PLDA)
        return spk_fail(SPK_E_CONFIG, "%s: the back-end ends in a PLDA, so its scorer is plda", b->path);
    if (b && b->D != e->D)
        return spk_fail(SPK_E_SHAPE, "%s: the back-end is of embeddings of %lld values, those of %s have %lld", b->path,
                        (long long)b->D, e->path, (long long)e->D);
    return SPK_OK;
}

spk_status spk_voices_scores(const spk_voices *v, const spk_trial_list *t, const spk_scoring_options *o, int64_t D,
                             const float *mean, const int64_t *enroll, const int64_t *test, float *scores)
{
    pair *order = NULL;
    spk_status status;
    double *raw = spk_new(sizeof *raw * (size_t)(t->n + 1));
    SPK_GO(cache_order(t, v, enroll, test, &order));
#pragma omp parallel for schedule(dynamic, 512)
    for (int64_t k = 0; k < t->n; k++)
        raw[order[k].at] = spk_voices_score(v, order[k].enroll, order[k].test);
    if (o->norm != SPK_NORM_NONE)
        SPK_GO(apply_norm(t, o, v, D, enroll, test, mean, raw, scores));
    else
        for (int64_t i = 0; i < t->n; i++)
            scores[i] = (float)raw[i];
done:
    spk_free(raw);
    spk_free(order);
    return status;
}

spk_status spk_score_trials(const spk_embeddings *e, const spk_trial_list *t, const spk_scoring_options *o,
                            float *scores)
{
    spk_status status;
    spk_voices v = {0};
    float *center = NULL;
    int64_t *enroll = spk_new(sizeof *enroll * (size_t)(t->n_names + 1)),
            *test = spk_new(sizeof *test * (size_t)(t->n_names + 1));
    SPK_GO(spk_score_check_backend(e, o));
    if (o->subtract_mean) SPK_GO(spk_embeddings_mean(o->subtract_mean, e->D, &center));
    SPK_GO(spk_voices_make(e, t, o, center, &v, enroll, test));
    spk_info("score", "%lld trials between %lld voices", (long long)t->n, (long long)v.n);
    SPK_GO(spk_voices_scores(&v, t, o, e->D, center, enroll, test, scores));
done:
    spk_voices_clear(&v);
    spk_free(center);
    spk_free(enroll);
    spk_free(test);
    return status;
}
