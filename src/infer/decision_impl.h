/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the score of two voices to a decision: by a threshold of the score itself, or, where a calibration is there, by
 * the costs of the two mistakes and the prior of a target.
 */
#ifndef SPK_INFER_DECISION_IMPL_H
#define SPK_INFER_DECISION_IMPL_H

#include "base/base_impl.h"
#include "spk/embedder.h"

typedef struct spk_decider_options {
    const char
        *calibration; /* file of spk calibrate; NULL: calibration.json beside the model's configuration, if any */
    bool
        other_scores; /* scores are not plain cosines, which the model's own calibration is of: only a named one serves */
    double threshold;              /* of scores; NAN: not given */
    double p_target, c_miss, c_fa; /* NAN: not given; 0.05, 1, 1 with a calibration */
} spk_decider_options;

typedef enum spk_decide_by { SPK_DECIDE_NOT, SPK_DECIDE_BY_SCORE, SPK_DECIDE_BY_RATIO } spk_decide_by;

typedef struct spk_decider {
    spk_decide_by by;
    double threshold; /* of the score or of the ratio: accept what is not below */
    double p_target, c_miss, c_fa;
    char *calibration; /* where it came from; NULL: there is none */
    double weight, bias;
} spk_decider;

typedef struct spk_decision {
    double score;
    double ratio, probability; /* natural log likelihood ratio; of a target at p_target; NAN without a calibration */
    bool accept;               /* false where nothing is decided */
} spk_decision;

/* SPK_E_CONFIG: costs or a prior without a calibration, or beside a threshold; SPK_E_FORMAT, SPK_E_IO: the calibration;
 * SPK_E_UNSUPPORTED: one that takes more than the score. On failure *out is empty. */
spk_status spk_decider_open(const spk_embedder *e, const spk_decider_options *o, spk_decider *out) SPK_NODISCARD;
void spk_decider_close(spk_decider *d);
spk_decision spk_decide(const spk_decider *d, double score);
/* How it decides, as a sentence: a new string. */
char *spk_decider_sentence(const spk_decider *d);

#endif
