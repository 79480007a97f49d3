/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted trials and the points of the complete ROC, which every figure of merit is read from. */
#ifndef SPK_SCORE_ROC_IMPL_H
#define SPK_SCORE_ROC_IMPL_H

#include "base/base_impl.h"
#include "spk/score.h"

typedef struct spk_roc {
    int64_t n, n_targets, n_nontargets;
    /* Trials by rising score, equal scores in the order they came in: see spk_roc_score and spk_roc_label. */
    uint64_t *item;
    /* The distinct scores by falling value; at threshold[i], tps[i] targets and fps[i] nontargets are accepted. The
     * point that accepts nothing stands before the first. */
    int64_t n_points;
    float *threshold;
    int64_t *tps, *fps;
} spk_roc;

/* Checks and sorts; errors as spk_metrics_compute. Clear it in any case. */
spk_status spk_roc_make(spk_roc *roc, const float *scores, const uint8_t *labels, int64_t n);
void spk_roc_clear(spk_roc *roc);

/* Score and label of the k-th trial by rising score. */
float spk_roc_score(const spk_roc *roc, int64_t k);
int spk_roc_label(const spk_roc *roc, int64_t k);
/* A threshold that rejects every trial. */
double spk_roc_reject_all(const spk_roc *roc);

/* The trials by falling score: order[k] is the place in `scores` (finite; n < 2^31) of the k-th. SPK_E_NOMEM. */
spk_status spk_score_order(const float *scores, int64_t n, int32_t *order);

/* SPK_E_VALUE: a prior outside of (0, 1), a cost that is not above 0. */
spk_status spk_dcf_check(const spk_dcf *weights);

/* log(1 + exp(x)) without overflow. */
double spk_softplus(double x);

/* ESPnet's own values (spk/score.h): percent, and the cost with its threshold. */
double spk_espnet_eer(const spk_roc *roc);
spk_min_dcf spk_espnet_min_dcf(const spk_roc *roc, const spk_dcf *weights);

#endif
