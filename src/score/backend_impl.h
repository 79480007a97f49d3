/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back-ends: what is done to embeddings before they are compared, learned from embeddings of many speakers. One is a chain:
 *
 *     (segments to norm 1) - mean over segments - minus the mean - a linear map (LDA, whitening, WCCN: one matrix) - cosine
 *                                                                                - (length to sqrt(R)) - PLDA
 */
#ifndef SPK_SCORE_BACKEND_IMPL_H
#define SPK_SCORE_BACKEND_IMPL_H

#include "score/plda_impl.h"

typedef struct spk_backend {
    char *path;         /* for messages */
    int64_t D, R;       /* values of an embedding, and of what the chain makes of it */
    bool unit_segments; /* segments are brought to norm 1 first */
    double *mean;       /* D */
    double *transform;  /* (R, D); NULL: R = D */
    double *offset;     /* R, added behind the transform; NULL: none */
    bool length_norm;   /* before a PLDA: to norm sqrt(R) */
    spk_plda plda;      /* plda.R is R, or 0: vectors are compared by cosine */
} spk_backend;

/* x (D, the mean over segments of the mean over n utterances) to out (R); room: D + 2 R values. */
void spk_backend_apply(const spk_backend *b, const double *x, int64_t n, float *out, double *room);
bool spk_backend_is_plda(const spk_backend *b);
void spk_backend_clear(spk_backend *b);

/* ---- fitting (backend_fit.c) ---- */

typedef enum spk_whitening {
    SPK_WHITEN_NONE,
    SPK_WHITEN_TOTAL, /* the covariance of all embeddings becomes the unit matrix */
    SPK_WHITEN_WITHIN /* ... that within speakers: WCCN */
} spk_whitening;

enum { SPK_LDA_MOST = -1 };

typedef struct spk_backend_fit_options {
    const char *embeddings, *utt2spk; /* each utterance of the list must have an embedding */
    bool each_segment;                /* segments count as utterances; else an utterance is the mean over them */
    bool unit_segments, length_norm;
    int64_t lda_dim; /* 0: no LDA; SPK_LDA_MOST: as many as speakers and values allow */
    spk_whitening whiten;
    double shrinkage; /* in [0, 1]: covariances that are inverted become (1 - s) C + s trace(C)/D 1 */
    bool plda;
    int64_t iterations;
    double smoothing;
    spk_plda_length length;
} spk_backend_fit_options;

/* How many there were. */
typedef struct spk_backend_counts {
    int64_t speakers, utterances, unused; /* unused: embeddings that the list does not have */
} spk_backend_counts;

/*
 * SPK_E_MISMATCH names list, line and utterance without an embedding; SPK_E_VALUE: fewer than two speakers, fewer than LDA's
 * dimensions plus one, no speaker with two utterances, a covariance that is singular.
 */
spk_status spk_backend_fit(const spk_backend_fit_options *o, spk_backend *out, spk_backend_counts *counts);

/* ---- files (backend_file.c) ---- */

/*
 * FILE.npz (this program's), or a folder of Kaldi's files mean.vec, transform.mat (or lda.mat) and plda, of which those that
 * are missing are steps that are left out. SPK_E_FORMAT, SPK_E_SHAPE name the file.
 */
spk_status spk_backend_read(const char *path, spk_backend *out);
/* A name that ends in .npz: that file; else a folder of Kaldi's, which says less: SPK_E_UNSUPPORTED for unit_segments. */
spk_status spk_backend_write(const spk_backend *b, const char *path);

#endif
