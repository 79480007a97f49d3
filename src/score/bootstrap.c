/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals by drawing speakers anew. Trials of one speaker depend on each other, so speakers are drawn, not trials. The
 * trials are sorted once; a replicate is one pass over them with its weights.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score/roc_impl.h"

typedef struct item {
    int32_t a, b; /* speakers */
    float score;
    bool target, last; /* last of its score */
    double cost;       /* of Cllr, in bits */
} item;

enum { I_EER, I_CLLR, I_DCF, N_FIGURES = I_DCF + 2 * SPK_MOST_DCF };
typedef struct figures {
    double v[N_FIGURES]; /* the DCFs: smallest and actual in turns; NAN in v[I_EER]: a class was not drawn */
} figures;

static spk_status make_items(const float *scores, const uint8_t *labels, int64_t n, const spk_bootstrap_options *o,
                             item **out)
{
    int32_t *order = spk_alloc(sizeof *order * (size_t)n);
    item *items = spk_alloc(sizeof *items * (size_t)n);
    spk_status status = SPK_OK;
    if (!order || !items) SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory to draw from %lld trials", (long long)n));
    SPK_GO(spk_score_order(scores, n, order));
    for (int64_t k = 0; k < n; k++) {
        const int32_t i = order[k];
        const bool last = k + 1 == n || scores[order[k + 1]] != scores[i];
        const double s = (double)scores[i];
        items[k] = (item){(int32_t)o->enroll_speaker[i],
                          (int32_t)o->test_speaker[i],
                          scores[i],
                          labels[i] != 0,
                          last,
                          spk_softplus(labels[i] ? -s : s) / log(2)};
    }
    *out = items;
    items = NULL;
done:
    spk_free(order);
    spk_free(items);
    return status;
}

static double weight(const item *t, const int32_t *drawn)
{
    return t->target ? (double)drawn[t->a] : (double)drawn[t->a] * (double)drawn[t->b];
}

/* Weights and costs of both classes: [0] nontargets, [1] targets. */
static void sum_weights(const item *items, int64_t n, const int32_t *drawn, double total[2], double cost[2])
{
    total[0] = total[1] = cost[0] = cost[1] = 0;
    for (int64_t k = 0; k < n; k++) {
        const double w = weight(&items[k], drawn);
        total[items[k].target] += w;
        cost[items[k].target] += w * items[k].cost;
    }
}

static void one_replicate(const item *items, int64_t n, const spk_bootstrap_options *o, const int32_t *drawn,
                          figures *f)
{
    double total[2], cost[2], taken[2] = {0, 0}, fpr = 0, fnr = 1, threshold[SPK_MOST_DCF];
    bool crossed = false;
    sum_weights(items, n, drawn, total, cost);
    f->v[I_EER] = NAN;
    if (total[0] == 0 || total[1] == 0) return;
    f->v[I_CLLR] = (cost[0] / total[0] + cost[1] / total[1]) / 2;
    for (int w = 0; w < o->n_dcf; w++) { /* reject all */
        f->v[I_DCF + 2 * w] = f->v[I_DCF + 2 * w + 1] = o->dcf[w].c_miss * o->dcf[w].p_target;
        threshold[w] = spk_metrics_bayes_threshold(&o->dcf[w]);
    }
    for (int64_t k = 0; k < n; k++) {
        taken[items[k].target] += weight(&items[k], drawn);
        if (!items[k].last) continue;
        const double next_fpr = taken[0] / total[0], next_fnr = 1 - taken[1] / total[1];
        if (!crossed && next_fnr - next_fpr <= 0) {
            const double gap = fnr - fpr, next_gap = next_fnr - next_fpr;
            f->v[I_EER] = 100 * (fpr + gap / (gap - next_gap) * (next_fpr - fpr));
            crossed = true;
        }
        fpr = next_fpr;
        fnr = next_fnr;
        for (int w = 0; w < o->n_dcf; w++) {
            const spk_dcf *d = &o->dcf[w];
            const double c = d->c_miss * d->p_target * fnr + d->c_fa * (1 - d->p_target) * fpr;
            f->v[I_DCF + 2 * w] = fmin(f->v[I_DCF + 2 * w], c);
            if ((double)items[k].score >= threshold[w]) f->v[I_DCF + 2 * w + 1] = c;
        }
    }
    for (int w = 0; w < 2 * o->n_dcf; w++)
        f->v[I_DCF + w] /=
            fmin(o->dcf[w / 2].c_miss * o->dcf[w / 2].p_target, o->dcf[w / 2].c_fa * (1 - o->dcf[w / 2].p_target));
}

static void draw_speakers(const spk_bootstrap_options *o, int64_t replicate, int32_t *drawn)
{
    spk_rng rng = spk_rng_make(o->seed, SPK_PURPOSE_TRIALS, 0, (uint64_t)replicate, 0);
    memset(drawn, 0, sizeof *drawn * (size_t)o->n_speakers);
    for (int64_t i = 0; i < o->n_speakers; i++)
        drawn[spk_rng_below(&rng, o->n_speakers)]++;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The value below which that share lies, of n sorted ones; linear between two. */
static double quantile(const double *sorted, int64_t n, double share)
{
    const double place = share * (double)(n - 1);
    const int64_t i = (int64_t)place;
    return i + 1 >= n ? sorted[n - 1] : sorted[i] + (place - (double)i) * (sorted[i + 1] - sorted[i]);
}

static spk_interval interval(const figures *f, int64_t n, int figure, double confidence, double *room)
{
    int64_t used = 0;
    for (int64_t r = 0; r < n; r++)
        if (!isnan(f[r].v[I_EER])) room[used++] = f[r].v[figure];
    qsort(room, (size_t)used, sizeof *room, by_value);
    return (spk_interval){quantile(room, used, (1 - confidence) / 2), quantile(room, used, (1 + confidence) / 2)};
}

static spk_status collect(const figures *f, const spk_bootstrap_options *o, spk_bootstrap *out)
{
    spk_bootstrap b = {0};
    double *room = spk_new(sizeof *room * (size_t)o->replicates);
    for (int64_t r = 0; r < o->replicates; r++)
        b.used += !isnan(f[r].v[I_EER]);
    if (b.used > 0) {
        b.eer = interval(f, o->replicates, I_EER, o->confidence, room);
        b.cllr = interval(f, o->replicates, I_CLLR, o->confidence, room);
        for (int w = 0; w < o->n_dcf; w++) {
            b.min_dcf[w] = interval(f, o->replicates, I_DCF + 2 * w, o->confidence, room);
            b.actual_dcf[w] = interval(f, o->replicates, I_DCF + 2 * w + 1, o->confidence, room);
        }
        *out = b;
    }
    spk_free(room);
    if (b.used == 0)
        return spk_fail(SPK_E_VALUE, "none of %lld draws of %lld speakers has trials of both classes",
                        (long long)o->replicates, (long long)o->n_speakers);
    return SPK_OK;
}

static spk_status check(const uint8_t *labels, int64_t n, const spk_bootstrap_options *o)
{
    SPK_ASSERT(o->n_speakers >= 1 && o->replicates >= 1 && o->n_dcf >= 0 && o->n_dcf <= SPK_MOST_DCF);
    SPK_ASSERT(o->confidence > 0 && o->confidence < 1);
    for (int w = 0; w < o->n_dcf; w++)
        SPK_TRY(spk_dcf_check(&o->dcf[w]));
    for (int64_t i = 0; i < n; i++) {
        const int64_t a = o->enroll_speaker[i], b = o->test_speaker[i];
        SPK_ASSERT(a >= 0 && a < o->n_speakers && b >= 0 && b < o->n_speakers);
        if ((a == b) != (labels[i] == 1))
            return spk_fail(SPK_E_VALUE, "trial %lld of %lld is a %s trial, but its speakers are %s", (long long)i + 1,
                            (long long)n, labels[i] ? "target" : "nontarget", a == b ? "the same" : "different");
    }
    return SPK_OK;
}

spk_status spk_metrics_bootstrap(const float *scores, const uint8_t *labels, int64_t n,
                                 const spk_bootstrap_options *options, spk_bootstrap *out)
{
    spk_status status;
    item *items = NULL;
    figures *f = NULL;
    spk_roc roc;
    SPK_GO(spk_roc_make(&roc, scores, labels, n)); /* for its checks */
    SPK_GO(check(labels, n, options));
    SPK_GO(make_items(scores, labels, n, options, &items));
    f = spk_new(sizeof *f * (size_t)options->replicates);
#pragma omp parallel
    {
        int32_t *drawn = spk_new(sizeof *drawn * (size_t)options->n_speakers);
#pragma omp for schedule(dynamic)
        for (int64_t r = 0; r < options->replicates; r++) {
            draw_speakers(options, r, drawn);
            one_replicate(items, n, options, drawn, &f[r]);
        }
        spk_free(drawn);
    }
    SPK_GO(collect(f, options, out));
done:
    spk_roc_clear(&roc);
    spk_free(items);
    spk_free(f);
    return status;
}
