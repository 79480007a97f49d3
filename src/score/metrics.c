/* SPDX-License-Identifier: Apache-2.0 */
/* Equal error rate, minimum detection cost and the classes' moments, from the complete ROC. */
#include "score/roc_impl.h"

#include <math.h>

static const spk_dcf dcf_p05 = {0.05, 1, 1}, dcf_p01 = {0.01, 1, 1};

/* The rates are linear between two points of the ROC; the EER is where that line meets Pmiss = Pfa. */
static void equal_error_rate(const spk_roc *roc, spk_metrics *out)
{
    double fpr = 0, gap = 1, threshold = spk_roc_reject_all(roc); /* at the point that accepts nothing */
    for (int64_t i = 0; i < roc->n_points; i++) {
        const double next_fpr = (double)roc->fps[i] / (double)roc->n_nontargets;
        const double next_fnr = 1 - (double)roc->tps[i] / (double)roc->n_targets;
        const double next_gap = next_fnr - next_fpr, next_threshold = (double)roc->threshold[i];
        if (next_gap <= 0) { /* gap > 0 so far, and the last point has -1 */
            const double share = gap / (gap - next_gap);
            out->eer = 100 * (fpr + share * (next_fpr - fpr));
            out->threshold_eer = threshold + share * (next_threshold - threshold);
            return;
        }
        fpr = next_fpr;
        gap = next_gap;
        threshold = next_threshold;
    }
}

static spk_min_dcf min_dcf(const spk_roc *roc, const spk_dcf *w)
{
    const double miss = w->c_miss * w->p_target, fa = w->c_fa * (1 - w->p_target);
    spk_min_dcf best = {miss, spk_roc_reject_all(roc)};
    for (int64_t i = 0; i < roc->n_points; i++) { /* the last point accepts all */
        const double fnr = (double)(roc->n_targets - roc->tps[i]) / (double)roc->n_targets;
        const double cost = miss * fnr + fa * ((double)roc->fps[i] / (double)roc->n_nontargets);
        if (cost < best.cost) {
            best.cost = cost;
            best.threshold = (double)roc->threshold[i];
        }
    }
    best.cost /= fmin(miss, fa);
    return best;
}

/* Mean and population standard deviation of one class. */
static void moments(const spk_roc *roc, int label, double *mean, double *std)
{
    const double n = (double)(label ? roc->n_targets : roc->n_nontargets);
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < roc->n; k++)
        if (spk_roc_label(roc, k) == label) sum += (double)spk_roc_score(roc, k);
    *mean = sum / n;
    for (int64_t k = 0; k < roc->n; k++)
        if (spk_roc_label(roc, k) == label) {
            const double d = (double)spk_roc_score(roc, k) - *mean;
            squares += d * d;
        }
    *std = sqrt(squares / n);
}

spk_status spk_metrics_compute(const float *scores, const uint8_t *labels, int64_t n, spk_metrics *out)
{
    spk_roc roc;
    spk_status status;
    spk_metrics m = {0};
    SPK_GO(spk_roc_make(&roc, scores, labels, n));
    m.n_trials = roc.n;
    m.n_targets = roc.n_targets;
    m.n_nontargets = roc.n_nontargets;
    equal_error_rate(&roc, &m);
    m.mindcf = min_dcf(&roc, &dcf_p05);
    m.mindcf_p01 = min_dcf(&roc, &dcf_p01);
    moments(&roc, 1, &m.trg_mean, &m.trg_std);
    moments(&roc, 0, &m.nontrg_mean, &m.nontrg_std);
    m.eer_espnet = spk_espnet_eer(&roc);
    m.mindcf_espnet = spk_espnet_min_dcf(&roc, &dcf_p05);
    m.mindcf_p01_espnet = spk_espnet_min_dcf(&roc, &dcf_p01);
    *out = m;
done:
    spk_roc_clear(&roc);
    return status;
}

spk_status spk_dcf_check(const spk_dcf *weights)
{
    if (!(weights->p_target > 0 && weights->p_target < 1 && weights->c_miss > 0 && weights->c_fa > 0 &&
          isfinite(weights->c_miss) && isfinite(weights->c_fa)))
        return spk_fail(
            SPK_E_VALUE,
            "detection cost with p_target %g, c_miss %g, c_fa %g: the prior must lie between 0 and 1 and the "
            "costs above 0",
            weights->p_target, weights->c_miss, weights->c_fa);
    return SPK_OK;
}

double spk_metrics_bayes_threshold(const spk_dcf *w)
{
    return log(w->c_fa * (1 - w->p_target) / (w->c_miss * w->p_target));
}

spk_status spk_metrics_actual_dcf(const float *scores, const uint8_t *labels, int64_t n, const spk_dcf *weights,
                                  double *out)
{
    spk_roc roc;
    spk_status status;
    SPK_TRY(spk_dcf_check(weights));
    SPK_GO(spk_roc_make(&roc, scores, labels, n));
    const double threshold = spk_metrics_bayes_threshold(weights);
    const double miss = weights->c_miss * weights->p_target, fa = weights->c_fa * (1 - weights->p_target);
    int64_t missed = 0, accepted = 0;
    for (int64_t k = 0; k < roc.n; k++) {
        const bool accept = (double)spk_roc_score(&roc, k) >= threshold;
        missed += spk_roc_label(&roc, k) && !accept;
        accepted += !spk_roc_label(&roc, k) && accept;
    }
    *out = (miss * (double)missed / (double)roc.n_targets + fa * (double)accepted / (double)roc.n_nontargets) /
           fmin(miss, fa);
done:
    spk_roc_clear(&roc);
    return status;
}

spk_status spk_metrics_min_dcf(const float *scores, const uint8_t *labels, int64_t n, const spk_dcf *weights,
                               spk_min_dcf *out)
{
    spk_roc roc;
    spk_status status;
    SPK_TRY(spk_dcf_check(weights));
    SPK_GO(spk_roc_make(&roc, scores, labels, n));
    *out = min_dcf(&roc, weights);
done:
    spk_roc_clear(&roc);
    return status;
}
