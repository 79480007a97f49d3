/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From trials and embeddings to scores. A voice is one side of a trial: the embedding of an utterance, or of the
 * utterances that a model was enrolled with.
 */
#ifndef SPK_SCORE_SCORING_IMPL_H
#define SPK_SCORE_SCORING_IMPL_H

#include "score/backend_impl.h"
#include "score/embeddings_impl.h"
#include "score/trial_list_impl.h"

typedef enum spk_scorer {
    SPK_SCORER_DISTANCE, /* minus the mean distance between all pairs of unit segments: ESPnet's */
    SPK_SCORER_COSINE,   /* cosine between the means over the segments */
    SPK_SCORER_PLDA      /* log likelihood ratio of the back-end's PLDA, of the means over the segments */
} spk_scorer;

/* What is done where a model has several utterances. */
typedef enum spk_enroll_by {
    SPK_ENROLL_EMBEDDINGS, /* their embeddings are averaged, segment by segment, before anything is normalised */
    SPK_ENROLL_SCORES,     /* the mean of their scores */
    SPK_ENROLL_MAX         /* the largest of their scores */
} spk_enroll_by;

typedef enum spk_norm {
    SPK_NORM_NONE,
    SPK_NORM_AS,        /* mean of both sides' (s - mean) / deviation over the top_k nearest of the cohort */
    SPK_NORM_AS_ESPNET, /* the same with the deviation's divisor top_k - 1, as ESPnet has it */
    SPK_NORM_S,         /* as AS, over the whole cohort */
    SPK_NORM_Z,         /* the enrolled side only */
    SPK_NORM_T          /* the test side only */
} spk_norm;

typedef struct spk_scoring_options {
    spk_scorer scorer;
    spk_enroll_by enroll_by;
    const char *enroll; /* "MODEL utt utt ..." a line: what the first names of trials stand for; NULL: utterances */
    const char *subtract_mean;  /* embeddings whose mean is subtracted from all others; NULL: none */
    const spk_backend *backend; /* borrowed; NULL: none. Not with subtract_mean */
    spk_norm norm;
    const char *cohort;                          /* embeddings */
    const char *cohort_spk2utt, *cohort_utt2spk; /* at most one: the cohort's items are means of speakers */
    int64_t top_k;                               /* 0: the whole cohort */
} spk_scoring_options;

/*
 * Scores (n) of all trials. SPK_E_MISMATCH names file and line of a trial whose utterance has no embedding or whose model
 * is not enrolled; SPK_E_VALUE: a cohort that is smaller than top_k, a voice that has the same score to all of the cohort.
 */
spk_status spk_score_trials(const spk_embeddings *e, const spk_trial_list *t, const spk_scoring_options *o,
                            float *scores);

/*
 * The same for voices in memory (compare.c): each of n_enrolled voices, of which voice i has the utterances begin[i] to
 * begin[i+1] - 1 of e, with each of the n_tests utterances behind them. scores (n_enrolled, n_tests). `enroll` and
 * `subtract_mean` have no place here.
 */
spk_status spk_score_voices(const spk_embeddings *e, int64_t n_enrolled, const int64_t *begin, int64_t n_tests,
                            const spk_scoring_options *o, float *scores);

/* ---- the parts ---- */

typedef struct spk_voices {
    spk_scorer scorer;
    bool take_max;     /* of a voice's vectors: the largest score instead of the mean */
    int64_t D, n;      /* values of a row, voices */
    int64_t *begin;    /* n + 1: vectors begin[v] to begin[v+1] - 1 belong to voice v */
    int64_t *first;    /* rows first[k] to first[k+1] - 1 belong to vector k; those of a voice lie together */
    float *row;        /* of norm 1; of a PLDA, as it gives them */
    const char **name; /* borrowed from the list of trials */
    /* PLDA: the score of vector k, which has one row, as enrolled with vector j is bias[k] + left[k].row[j] - sum of
     * terms[of_terms[k]].other row[j]^2. NULL: another scorer */
    float *left;
    double *bias;
    int64_t n_terms, *of_terms;
    spk_plda_terms *terms; /* by the number of utterances */
} spk_voices;

/* The voices of all trials; enroll, test (t->n_names): the voice that a name is on each side, or -1. `mean` (e->D): what is
 * subtracted; NULL: nothing. */
spk_status spk_voices_make(const spk_embeddings *e, const spk_trial_list *t, const spk_scoring_options *o,
                           const float *mean, spk_voices *out, int64_t *enroll, int64_t *test);
/* n voices without a list: voice i has the utterances begin[i] to begin[i+1] - 1 of e, and is called as the first of them. */
spk_status spk_voices_of(const spk_embeddings *e, int64_t n, const int64_t *begin, const spk_scoring_options *o,
                         spk_voices *out);
void spk_voices_clear(spk_voices *v);
double spk_voices_score(const spk_voices *v, int64_t a, int64_t b);
/* Scores (t->n) of the trials, whose sides are the voices enroll[t->enroll[i]] and test[t->test[i]], normalised where that is
 * asked for. D: of an embedding; mean: what was subtracted. */
spk_status spk_voices_scores(const spk_voices *v, const spk_trial_list *t, const spk_scoring_options *o, int64_t D,
                             const float *mean, const int64_t *enroll, const int64_t *test, float *scores);
/* Do back-end, scorer and embeddings fit? SPK_E_CONFIG, SPK_E_SHAPE name the file. */
spk_status spk_score_check_backend(const spk_embeddings *e, const spk_scoring_options *o);

/* The average of n vectors over segments or of rows `row` of those that have `rows` (see spk_voices_make) in double; where
 * `unit`, segments are brought to norm 1 first. */
void spk_embeddings_average(const spk_embeddings *e, const int64_t *u, int64_t n, int64_t rows, int64_t row, bool unit,
                            double *out);
/* The cohort as C vectors like those of voices of one utterance (C, v's D): a new block. D: of an embedding. */
spk_status spk_cohort_make(const spk_scoring_options *o, const float *mean, int64_t D, float **out, int64_t *C);
/* Mean and deviation of each voice's top_k largest scores to the cohort: n values each. */
spk_status spk_cohort_statistics(const spk_voices *v, const float *cohort, int64_t C, int64_t top_k,
                                 int64_t divisor_less, double *mean, double *deviation);
/* The mean over the utterances of a file of the means over their segments (D): a new block. */
spk_status spk_embeddings_mean(const char *path, int64_t D, float **out);

#endif
