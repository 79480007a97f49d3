/* SPDX-License-Identifier: Apache-2.0 */
/* Cost of log likelihood ratios (Bruemmer and du Preez, 2006), and what is left of it after the best monotonous map. */
#include <math.h>

#include "score/roc_impl.h"

double spk_softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double actual(const spk_roc *roc)
{
    double of_targets = 0, of_nontargets = 0;
    for (int64_t k = 0; k < roc->n; k++) {
        const double s = (double)spk_roc_score(roc, k);
        if (spk_roc_label(roc, k))
            of_targets += spk_softplus(-s);
        else
            of_nontargets += spk_softplus(s);
    }
    return (of_targets / (double)roc->n_targets + of_nontargets / (double)roc->n_nontargets) / (2 * log(2));
}

typedef struct pool {
    int64_t targets, nontargets;
} pool;

/* Share of targets of a above or equal to that of b. */
static bool is_above(const pool *a, const pool *b)
{
    return (double)a->targets * (double)(b->targets + b->nontargets) >=
           (double)b->targets * (double)(a->targets + a->nontargets);
}

/* Pool adjacent violators from the lowest score up: a stack of pools with rising shares of targets. */
static int64_t pool_violators(const spk_roc *roc, pool *stack)
{
    int64_t n = 0;
    for (int64_t i = roc->n_points - 1; i >= 0; i--) {
        const int64_t tps = i ? roc->tps[i - 1] : 0, fps = i ? roc->fps[i - 1] : 0;
        pool p = {roc->tps[i] - tps, roc->fps[i] - fps};
        while (n > 0 && is_above(&stack[n - 1], &p)) {
            p.targets += stack[n - 1].targets;
            p.nontargets += stack[--n].nontargets;
        }
        stack[n++] = p;
    }
    return n;
}

/* Within a pool every trial has the ratio (t/T) / (f/F). */
static double minimum(const spk_roc *roc, const pool *stack, int64_t n)
{
    const double T = (double)roc->n_targets, F = (double)roc->n_nontargets;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double t = (double)stack[i].targets / T, f = (double)stack[i].nontargets / F;
        if (t > 0 && f > 0) sum += t * spk_softplus(log(f / t)) + f * spk_softplus(log(t / f));
    }
    return sum / (2 * log(2));
}

spk_status spk_metrics_cllr(const float *scores, const uint8_t *labels, int64_t n, spk_cllr *out)
{
    spk_roc roc;
    spk_status status;
    pool *stack = NULL;
    SPK_GO(spk_roc_make(&roc, scores, labels, n));
    stack = spk_alloc(sizeof *stack * (size_t)roc.n_points);
    if (!stack) SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory for the calibration of %lld trials", (long long)n));
    out->actual = actual(&roc);
    out->minimum = minimum(&roc, stack, pool_violators(&roc, stack));
done:
    spk_free(stack);
    spk_roc_clear(&roc);
    return status;
}
