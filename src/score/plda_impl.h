/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probabilistic linear discriminant analysis with two full covariances (Ioffe, ECCV 2006), as Kaldi has it: an embedding is
 * x = mean + y + e, y ~ N(0, B) of the speaker, e ~ N(0, W) of the utterance. `transform` brings W to the unit matrix and B
 * to diag(psi), psi falling.
 */
#ifndef SPK_SCORE_PLDA_IMPL_H
#define SPK_SCORE_PLDA_IMPL_H

#include "base/base_impl.h"

/* What is done to the length of a transformed vector u of R values. */
typedef enum spk_plda_length {
    SPK_PLDA_LENGTH_NONE,
    SPK_PLDA_LENGTH_KALDI, /* sum of u^2 / (psi + 1/n) becomes R; n: utterances that u is the mean of */
    SPK_PLDA_LENGTH_SIMPLE /* sum of u^2 becomes R */
} spk_plda_length;

typedef struct spk_plda {
    int64_t R;         /* 0: there is none */
    double *mean;      /* R */
    double *transform; /* (R, R) */
    double *psi;       /* R */
    spk_plda_length length;
} spk_plda;

/*
 * Maximum likelihood by expectation and maximisation from W = B = 1, in the basis where both are diagonal: `iterations`
 * steps on x (N, R), which is changed, of speakers 0..S-1. The mean is that over speakers of their means. SPK_E_VALUE: the
 * covariance within speakers is singular.
 */
spk_status spk_plda_fit(double *x, const int64_t *speaker, int64_t N, int64_t S, int64_t R, int64_t iterations,
                        spk_plda *out);
/* W becomes W + factor B; Kaldi's smoothing. */
void spk_plda_smooth(spk_plda *p, double factor);
/* u (R) of x (R), the mean of n utterances; x and u apart. */
void spk_plda_apply(const spk_plda *p, const double *x, int64_t n, double *u);
void spk_plda_clear(spk_plda *p);

/*
 * log p(t | speaker of u) / p(t), where u is the mean of n utterances and t is one:
 * constant + sum cross u t - own u^2 - other t^2.
 */
typedef struct spk_plda_terms {
    int64_t n;
    double constant;
    double *cross, *own, *other; /* R each */
} spk_plda_terms;
void spk_plda_terms_make(const spk_plda *p, int64_t n, spk_plda_terms *out);
void spk_plda_terms_clear(spk_plda_terms *t);

#endif
