/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic regression in double precision, by Newton's method to convergence. */
#ifndef SPK_SCORE_LOGISTIC_IMPL_H
#define SPK_SCORE_LOGISTIC_IMPL_H

#include "base/base_impl.h"

typedef struct spk_logistic_options {
    /* In (0, 1): classes are weighted to this prior and w.x + b is a log likelihood ratio. 0: each item weighs 1, and
     * w.x + b is the log odds at the data's own proportion. */
    double prior;
    double l2;          /* adds l2/2 (|w|^2), of the standardised features where they are */
    bool penalize_bias; /* ... and l2/2 b^2 */
    bool standardize;   /* features to mean 0 and deviation 1 first; w and b are for the features as given */
} spk_logistic_options;

/*
 * Minimise sum_i c_i log(1 + exp(-y_i (w.x_i + b + logit(prior)))) + penalty, y = 2 label - 1; c_i = prior / targets or
 * (1 - prior) / nontargets, or 1. x (n, F), which standardising changes in place; w (F), b. SPK_E_VALUE: a class is
 * missing, a value is not finite, or nothing is smallest because the classes can be separated (ask for l2).
 */
spk_status spk_logistic_fit(double *x, const uint8_t *labels, int64_t n, int64_t F, const spk_logistic_options *o,
                            double *w, double *b);

#endif
