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

static spk_status check_backend(const spk_embeddings *e, const spk_scoring_options *o)
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

spk_status spk_score_trials(const spk_embeddings *e, const spk_trial_list *t, const spk_scoring_options *o,
                            float *scores)
{
    spk_status status;
    spk_voices v = {0};
    float *center = NULL;
    double *raw = spk_new(sizeof *raw * (size_t)(t->n + 1));
    int64_t *enroll = spk_new(sizeof *enroll * (size_t)(t->n_names + 1)),
            *test = spk_new(sizeof *test * (size_t)(t->n_names + 1));
    SPK_GO(check_backend(e, o));
    if (o->subtract_mean) SPK_GO(spk_embeddings_mean(o->subtract_mean, e->D, &center));
    SPK_GO(spk_voices_make(e, t, o, center, &v, enroll, test));
    spk_info("score", "%lld trials between %lld voices", (long long)t->n, (long long)v.n);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->n; i++)
        raw[i] = spk_voices_score(&v, enroll[t->enroll[i]], test[t->test[i]]);
    if (o->norm != SPK_NORM_NONE)
        SPK_GO(apply_norm(t, o, &v, e->D, enroll, test, center, raw, scores));
    else
        for (int64_t i = 0; i < t->n; i++)
            scores[i] = (float)raw[i];
done:
    spk_voices_clear(&v);
    spk_free(center);
    spk_free(raw);
    spk_free(enroll);
    spk_free(test);
    return status;
}
