/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EER and minDCF as ESPnet 202611 computes them (espnet2/utils/eer.py), so that published figures can be compared.
 * They are not right: the EER loses points of the ROC and does not interpolate, minDCF depends on the order of tied
 * trials and never accepts all. The order of every rounding is kept, as it decides between equal minima.
 */
#include "score/roc_impl.h"

#include <math.h>

/* scikit-learn's roc_curve with drop_intermediate: a point in the middle of an evenly spaced straight run is dropped. */
static bool is_kept(const spk_roc *roc, int64_t i)
{
    if (roc->n_points <= 2 || i == 0 || i == roc->n_points - 1) return true;
    return roc->fps[i - 1] - 2 * roc->fps[i] + roc->fps[i + 1] != 0 ||
           roc->tps[i - 1] - 2 * roc->tps[i] + roc->tps[i + 1] != 0;
}

double spk_espnet_eer(const spk_roc *roc)
{
    double eer = 100, best = 1; /* |fnr - fpr| at the point that accepts nothing: fpr 0, fnr 1 */
    for (int64_t i = 0; i < roc->n_points; i++) {
        if (!is_kept(roc, i)) continue;
        const double fpr = (double)roc->fps[i] / (double)roc->n_nontargets;
        const double fnr = 1 - (double)roc->tps[i] / (double)roc->n_targets;
        if (fabs(fnr - fpr) < best) {
            best = fabs(fnr - fpr);
            eer = 100 * fmax(fpr, fnr);
        }
    }
    return eer;
}

spk_min_dcf spk_espnet_min_dcf(const spk_roc *roc, const spk_dcf *w)
{
    spk_min_dcf best = {INFINITY, 0};
    int64_t missed = 0, rejected = 0;
    for (int64_t k = 0; k < roc->n; k++) { /* reject up to and including the k-th */
        missed += spk_roc_label(roc, k);
        rejected += 1 - spk_roc_label(roc, k);
        const double fnr = (double)missed / (double)roc->n_targets;
        const double fpr = 1 - (double)rejected / (double)roc->n_nontargets;
        const double cost = w->c_miss * fnr * w->p_target + w->c_fa * fpr * (1 - w->p_target);
        if (cost < best.cost) {
            best.cost = cost;
            best.threshold = (double)spk_roc_score(roc, k);
        }
    }
    best.cost /= fmin(w->c_miss * w->p_target, w->c_fa * (1 - w->p_target));
    return best;
}
