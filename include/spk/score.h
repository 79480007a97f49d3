/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores of verification trials and how good they are.
 *
 * A score is higher for "same speaker". Labels are 1 (target: same speaker) and 0 (nontarget). At a threshold t a trial
 * is accepted when score >= t; miss rate Pmiss(t) = share of targets rejected, false alarm rate Pfa(t) = share of
 * nontargets accepted. All sums are in double precision; sorting is O(n).
 *
 * Every function may be called from any thread; results do not depend on the number of threads.
 */
#ifndef SPK_SCORE_H
#define SPK_SCORE_H

#include "spk/iterator.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- figures of merit ---- */

/* What a detection cost weighs: prior of targets in (0, 1), costs of a miss and of a false alarm (> 0). */
typedef struct spk_dcf {
    double p_target, c_miss, c_fa;
} spk_dcf;

/* The smallest detection cost over all thresholds and where it is. */
typedef struct spk_min_dcf {
    double cost;      /* min of c_miss p Pmiss + c_fa (1-p) Pfa, over min(c_miss p, c_fa (1-p)): in [0, 1] */
    double threshold; /* accept score >= threshold; finite: just above the largest score where all are rejected */
} spk_min_dcf;

typedef struct spk_metrics {
    int64_t n_trials, n_targets, n_nontargets;
    double eer;                     /* percent; complete ROC, tied scores one point, interpolated */
    double threshold_eer;           /* where Pmiss = Pfa (interpolated with the rates) */
    spk_min_dcf mindcf;             /* p_target 0.05, costs 1: ESPnet's default */
    spk_min_dcf mindcf_p01;         /* p_target 0.01, costs 1 */
    double trg_mean, trg_std;       /* of the targets' scores; population standard deviation (divisor n) */
    double nontrg_mean, nontrg_std; /* of the nontargets' */
    double eer_espnet;              /* percent, as ESPnet 202611 computes it: points dropped, no interpolation */
    spk_min_dcf mindcf_espnet;      /* the same, p_target 0.05: tied scores apart, "accept all" missing */
    spk_min_dcf mindcf_p01_espnet;  /* p_target 0.01 */
} spk_metrics;

/*
 * All figures of n trials: scores (n), labels (n). SPK_E_VALUE: a score that is not finite, a label other than 0 and 1
 * (its place in the list is named, from 1), or one class missing; SPK_E_NOMEM. *out is untouched on failure.
 */
SPK_API spk_status spk_metrics_compute(const float *scores, const uint8_t *labels, int64_t n,
                                       spk_metrics *out) SPK_NODISCARD;
/* Minimum detection cost with weights of one's own; fails as above, and for weights out of range. */
SPK_API spk_status spk_metrics_min_dcf(const float *scores, const uint8_t *labels, int64_t n, const spk_dcf *weights,
                                       spk_min_dcf *out) SPK_NODISCARD;

/*
 * Calibration: scores taken as natural logarithms of likelihood ratios, log(p(score | target) / p(score | nontarget)).
 * The cost is (mean over targets of log2(1 + exp(-s)) + mean over nontargets of log2(1 + exp(s))) / 2, in bits; `minimum`
 * is that of the best non-decreasing map of the scores (pool adjacent violators, tied scores together). Fails as
 * spk_metrics_compute.
 */
typedef struct spk_cllr {
    double actual, minimum;
} spk_cllr;
SPK_API spk_status spk_metrics_cllr(const float *scores, const uint8_t *labels, int64_t n, spk_cllr *out) SPK_NODISCARD;
/* The threshold that is best for log likelihood ratios, log(c_fa (1-p) / (c_miss p)), and the normalised cost there. */
SPK_API double spk_metrics_bayes_threshold(const spk_dcf *weights);
SPK_API spk_status spk_metrics_actual_dcf(const float *scores, const uint8_t *labels, int64_t n, const spk_dcf *weights,
                                          double *out) SPK_NODISCARD;

/* ---- how sure figures are ---- */

enum { SPK_MOST_DCF = 8 };

/* Who speaks in the trials, and what is asked. */
typedef struct spk_bootstrap_options {
    const int64_t *enroll_speaker, *test_speaker; /* n each, 0..n_speakers-1; equal in target trials */
    int64_t n_speakers;
    int64_t replicates; /* draws; 1000 is usual */
    double confidence;  /* in (0, 1): 0.95 gives the 2.5th and the 97.5th percentile */
    uint64_t seed;
    const spk_dcf *dcf; /* n_dcf of them, at most SPK_MOST_DCF */
    int n_dcf;
} spk_bootstrap_options;
typedef struct spk_interval {
    double low, high;
} spk_interval;
typedef struct spk_bootstrap {
    int64_t used; /* replicates that had trials of both classes */
    spk_interval eer, cllr, min_dcf[SPK_MOST_DCF], actual_dcf[SPK_MOST_DCF];
} spk_bootstrap;
/*
 * Bootstrap over speakers: each replicate draws n_speakers speakers with replacement; a target trial weighs as often as its
 * speaker was drawn, a nontarget trial the product of both. Percentile intervals of the figures above. The result is a
 * function of the seed, for any number of threads. Fails as spk_metrics_compute; SPK_E_VALUE: no replicate has both classes.
 */
SPK_API spk_status spk_metrics_bootstrap(const float *scores, const uint8_t *labels, int64_t n,
                                         const spk_bootstrap_options *options, spk_bootstrap *out) SPK_NODISCARD;

/* ---- scores ---- */

/* Divide each of n rows of D by max(its Euclidean norm, 1e-12), in place. */
SPK_API void spk_score_normalize_rows(float *rows, int64_t n, int64_t D);

/*
 * ESPnet's score of a trial: minus the mean of the K*K Euclidean distances between the segments of its two utterances;
 * with rows of norm 1 it lies in [-2, 0]. embedding (U, K, D), trials (n; label and id are not read but for messages),
 * scores (n). Distances are taken from the differences, so that near-equal vectors lose no digits.
 * SPK_E_VALUE: a trial that names an utterance outside of 0..U-1.
 */
SPK_API spk_status spk_score_mean_distance(const float *embedding, int64_t U, int64_t K, int64_t D,
                                           const spk_trial *trials, int64_t n, float *scores) SPK_NODISCARD;
/* Cosine between the means over the segments of the two utterances: embedding (U, K, D), not normalised or normalised
 * as the caller likes. A mean of norm 0 scores 0. Fails as above; SPK_E_NOMEM. */
SPK_API spk_status spk_score_cosine(const float *embedding, int64_t U, int64_t K, int64_t D, const spk_trial *trials,
                                    int64_t n, float *scores) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
