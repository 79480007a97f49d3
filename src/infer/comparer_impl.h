/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How voices in memory are compared: the cosine of their embeddings, or what a back-end gives, normalised by a cohort. The
 * scores are those of `spk score` on the same embeddings.
 */
#ifndef SPK_INFER_COMPARER_IMPL_H
#define SPK_INFER_COMPARER_IMPL_H

#include "score/scoring_impl.h"

typedef struct spk_comparer_options {
    const char *backend; /* as spk_backend_read takes it; NULL: none */
    const char *cohort;  /* embeddings of the same model, for adaptive s-norm; NULL: scores are not normalised */
    int64_t top_k;       /* items of the cohort that count; 0: all */
} spk_comparer_options;

typedef struct spk_comparer {
    spk_backend backend;
    spk_scoring_options how; /* borrows from backend and from the options */
} spk_comparer;

/* On failure *out is empty. It stays where it is while it is used. */
spk_status spk_comparer_open(const spk_comparer_options *o, spk_comparer *out) SPK_NODISCARD;
void spk_comparer_close(spk_comparer *c);
/* Are scores cosines of embeddings as the model makes them? */
bool spk_comparer_is_plain(const spk_comparer *c);
/* What a score is, as a sentence: a new string. */
char *spk_comparer_sentence(const spk_comparer *c);

/* A voice: what somebody was enrolled with, or a recording. */
typedef struct spk_voice_rows {
    const char *name; /* for messages */
    int64_t n;        /* recordings */
    const float *row; /* (n, E) */
} spk_voice_rows;
/* Each enrolled voice with each recording (n = 1): scores (n_enrolled, n_tests). Fails as spk_score_trials. */
spk_status spk_compare(const spk_comparer *c, int64_t E, const spk_voice_rows *enrolled, int64_t n_enrolled,
                       const spk_voice_rows *test, int64_t n_tests, float *scores) SPK_NODISCARD;

#endif
