/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of trials from embeddings: each trial is one small block of distances between rows that lie in cache. */
#include "base/base_impl.h"
#include "score/distance_impl.h"
#include "spk/score.h"

#include <math.h>

void spk_score_normalize_rows(float *rows, int64_t n, int64_t D)
{
#pragma omp parallel for schedule(static) if (n * D > 100000)
    for (int64_t i = 0; i < n; i++) {
        float *row = rows + i * D;
        const float scale = (float)(1 / fmax(sqrt(spk_dot(row, row, D)), 1e-12));
#pragma omp simd
        for (int64_t d = 0; d < D; d++)
            row[d] *= scale;
    }
}

void spk_score_normalize_rows_f64(double *rows, int64_t n, int64_t D)
{
    for (int64_t i = 0; i < n; i++) {
        double *row = rows + i * D, square = 0;
        for (int64_t d = 0; d < D; d++)
            square += row[d] * row[d];
        const double norm = fmax(sqrt(square), 1e-12);
        for (int64_t d = 0; d < D; d++)
            row[d] /= norm;
    }
}

static spk_status check_trials(const spk_trial *trials, int64_t n, int64_t U)
{
    for (int64_t i = 0; i < n; i++) {
        const spk_trial *t = &trials[i];
        if (t->enroll < 0 || t->enroll >= U || t->test < 0 || t->test >= U)
            return spk_fail(SPK_E_VALUE, "trial %lld (%s) names utterance %lld, but there are %lld embeddings",
                            (long long)i + 1, t->id ? t->id : "no id",
                            (long long)(t->enroll < 0 || t->enroll >= U ? t->enroll : t->test), (long long)U);
    }
    return SPK_OK;
}

spk_status spk_score_mean_distance(const float *embedding, int64_t U, int64_t K, int64_t D, const spk_trial *trials,
                                   int64_t n, float *scores)
{
    SPK_ASSERT(K >= 1 && D >= 1);
    SPK_TRY(check_trials(trials, n, U));
#pragma omp parallel for schedule(static) if (n * K * K * D > 200000)
    for (int64_t i = 0; i < n; i++)
        scores[i] = -(float)spk_mean_distance(embedding + trials[i].enroll * K * D, K,
                                              embedding + trials[i].test * K * D, K, D);
    return SPK_OK;
}

static double mean_distance_f64(const double *a, const double *b, int64_t K, int64_t D)
{
    double sum = 0;
    for (int64_t i = 0; i < K; i++)
        for (int64_t j = 0; j < K; j++) {
            double square = 0;
            for (int64_t d = 0; d < D; d++) {
                const double diff = a[i * D + d] - b[j * D + d];
                square += diff * diff;
            }
            sum += sqrt(square);
        }
    return sum / (double)(K * K);
}

spk_status spk_score_mean_distance_f64(const double *embedding, int64_t U, int64_t K, int64_t D,
                                       const spk_trial *trials, int64_t n, float *scores)
{
    SPK_ASSERT(K >= 1 && D >= 1);
    SPK_TRY(check_trials(trials, n, U));
#pragma omp parallel for schedule(static) if (n * K * K * D > 200000)
    for (int64_t i = 0; i < n; i++)
        scores[i] =
            -(float)mean_distance_f64(embedding + trials[i].enroll * K * D, embedding + trials[i].test * K * D, K, D);
    return SPK_OK;
}

/* Mean over the K segments of each utterance, divided by its norm. */
static void unit_means(const float *embedding, int64_t U, int64_t K, int64_t D, float *mean)
{
#pragma omp parallel for schedule(static) if (U * K * D > 200000)
    for (int64_t u = 0; u < U; u++)
        spk_mean_row(embedding + u * K * D, K, D, mean + u * D);
    spk_score_normalize_rows(mean, U, D);
}

spk_status spk_score_cosine(const float *embedding, int64_t U, int64_t K, int64_t D, const spk_trial *trials, int64_t n,
                            float *scores)
{
    SPK_ASSERT(K >= 1 && D >= 1);
    SPK_TRY(check_trials(trials, n, U));
    float *mean = spk_alloc((size_t)(U * D) * sizeof *mean);
    if (!mean)
        return spk_fail(SPK_E_NOMEM, "not enough memory for the mean embeddings of %lld utterances", (long long)U);
    unit_means(embedding, U, K, D, mean);
#pragma omp parallel for schedule(static) if (n * D > 200000)
    for (int64_t i = 0; i < n; i++)
        scores[i] = (float)spk_dot(mean + trials[i].enroll * D, mean + trials[i].test * D, D);
    spk_free(mean);
    return SPK_OK;
}
