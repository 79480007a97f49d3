/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures of quality, in ESPnet's order (spk_apply_qmf_func.py): the logarithm of both durations, then of both embeddings
 * the mean over segments of the L1 norm, of the L2 norm, the deviation over the dimensions of the mean segment, and the
 * deviation of each dimension over the segments. Deviations have the divisor n; embeddings are as extracted.
 */
#include <math.h>
#include <string.h>

#include "formats/list_impl.h"
#include "score/calibration_impl.h"
#include "score/distance_impl.h"
#include "score/duration_impl.h"
#include "score/embeddings_impl.h"

typedef struct measures {
    double log_duration, l1, l2, spread;
    const double *deviation; /* D */
} measures;

static void measure(const float *row, int64_t K, int64_t D, double *mean, double *deviation, measures *m)
{
    double sum = 0, squares = 0;
    m->l1 = m->l2 = 0;
    for (int64_t k = 0; k < K; k++) {
        double l1 = 0;
        for (int64_t d = 0; d < D; d++)
            l1 += fabs((double)row[k * D + d]);
        m->l1 += l1 / (double)K;
        m->l2 += sqrt(spk_dot(row + k * D, row + k * D, D)) / (double)K;
    }
    for (int64_t d = 0; d < D; d++) {
        double over_segments = 0;
        mean[d] = 0;
        for (int64_t k = 0; k < K; k++)
            mean[d] += (double)row[k * D + d] / (double)K;
        for (int64_t k = 0; k < K; k++)
            over_segments += ((double)row[k * D + d] - mean[d]) * ((double)row[k * D + d] - mean[d]);
        deviation[d] = sqrt(over_segments / (double)K);
        sum += mean[d] / (double)D;
    }
    for (int64_t d = 0; d < D; d++)
        squares += (mean[d] - sum) * (mean[d] - sum);
    m->spread = sqrt(squares / (double)D);
    m->deviation = deviation;
}

static spk_status measure_name(const spk_trial_list *t, int64_t name, const spk_embeddings *e,
                               const spk_list *durations, double *mean, double *deviation, measures *m)
{
    const int64_t u = spk_embeddings_find(e, t->name[name]), d = spk_list_find(durations, t->name[name]);
    if (u < 0 || d < 0)
        return spk_fail(SPK_E_MISMATCH, "%s: '%s' of the trials is not in %s", t->path, t->name[name],
                        u < 0 ? e->path : durations->path);
    SPK_TRY(spk_duration_of(durations, d, &m->log_duration));
    m->log_duration = log(m->log_duration);
    measure(e->row + e->first[u] * e->D, e->first[u + 1] - e->first[u], e->D, mean, deviation, m);
    return SPK_OK;
}

static void put(const measures *a, const measures *b, int64_t D, double *x)
{
    const double pairs[] = {a->log_duration, b->log_duration, a->l1, b->l1, a->l2, b->l2, a->spread, b->spread};
    memcpy(x, pairs, sizeof pairs);
    memcpy(x + 8, a->deviation, sizeof *x * (size_t)D);
    memcpy(x + 8 + D, b->deviation, sizeof *x * (size_t)D);
}

spk_status spk_quality_fill(const spk_calibration_input *in, const spk_trial_list *t, int64_t n_systems,
                            double **features, int64_t *F, int64_t *D)
{
    spk_status status;
    spk_embeddings e = {0};
    spk_list durations = {0};
    measures *m = spk_new(sizeof *m * (size_t)(t->n_names + 1));
    double *mean = NULL, *deviation = NULL, *all = NULL;
    SPK_GO(spk_embeddings_read(in->embeddings, &e));
    SPK_GO(spk_list_read(in->durations, 0, &durations));
    *D = e.D;
    *F = n_systems + 8 + 2 * e.D;
    mean = spk_new(sizeof *mean * (size_t)e.D);
    deviation = spk_alloc(sizeof *deviation * (size_t)(t->n_names * e.D));
    all = spk_alloc(sizeof *all * (size_t)(t->n * *F));
    if (!deviation || !all)
        SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory for %lld features of %lld trials", (long long)*F,
                        (long long)t->n));
    for (int64_t i = 0; i < t->n_names; i++)
        SPK_GO(measure_name(t, i, &e, &durations, mean, deviation + i * e.D, &m[i]));
    for (int64_t i = 0; i < t->n; i++) {
        memcpy(all + i * *F, *features + i * n_systems, sizeof *all * (size_t)n_systems);
        put(&m[t->enroll[i]], &m[t->test[i]], e.D, all + i * *F + n_systems);
    }
    spk_free(*features);
    *features = all;
    all = NULL;
done:
    spk_free(m);
    spk_free(mean);
    spk_free(deviation);
    spk_free(all);
    spk_list_clear(&durations);
    spk_embeddings_clear(&e);
    return status;
}
