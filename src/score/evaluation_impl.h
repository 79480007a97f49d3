/* SPDX-License-Identifier: Apache-2.0 */
/* All figures of a list of scores, who speaks in it, and its parts under a condition. */
#ifndef SPK_SCORE_EVALUATION_IMPL_H
#define SPK_SCORE_EVALUATION_IMPL_H

#include "score/plot_impl.h"
#include "score/trial_list_impl.h"
#include "spk/score.h"

typedef struct spk_evaluation {
    spk_metrics m;
    int64_t n_tied; /* trials whose score another trial has too */
    spk_cllr cllr;
    int n_dcf;
    spk_dcf dcf[SPK_MOST_DCF];
    spk_min_dcf min[SPK_MOST_DCF];
    double actual[SPK_MOST_DCF];
    bool has_intervals;
    spk_bootstrap interval;
} spk_evaluation;

/* Everything but the intervals; fails as spk_metrics_compute. */
spk_status spk_evaluate(const float *scores, const uint8_t *labels, int64_t n, const spk_dcf *dcf, int n_dcf,
                        spk_evaluation *out);
/* The ROC as a curve: new arrays. */
spk_status spk_evaluation_curve(const float *scores, const uint8_t *labels, int64_t n, double **fpr, double **fnr,
                                int64_t *n_points);

/*
 * The speakers of each trial, from a list "UTT SPEAKER" that has the names of both sides: enroll, test (t->n). SPK_E_MISMATCH
 * with file and line: a name that is not there, a target trial of two speakers, a nontarget trial of one.
 */
spk_status spk_trial_speakers(const spk_trial_list *t, const char *utt2spk, int64_t *enroll, int64_t *test,
                              int64_t *n_speakers);

/*
 * Trials by the words that a list "UTT WORD" has for their two sides: "f" where they are equal, "f-m" where not. With `utt2spk`
 * (NULL: none) a name that is not in the list stands for its speaker (spk2gender).
 */
typedef struct spk_condition {
    int64_t n; /* groups, by name */
    char **name;
    bool *alike;    /* of each group: both sides have the same word; NULL for durations */
    int64_t *group; /* of each trial */
} spk_condition;
spk_status spk_condition_read(const spk_trial_list *t, const char *utt2word, const char *utt2spk, spk_condition *out);
void spk_condition_clear(spk_condition *c);

#endif
