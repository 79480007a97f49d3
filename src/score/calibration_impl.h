/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calibration: from the scores of one system or several, and measures of the recordings' quality, to log likelihood
 * ratios. A calibration is fitted on labelled trials, kept as a JSON file, and applied to others.
 */
#ifndef SPK_SCORE_CALIBRATION_IMPL_H
#define SPK_SCORE_CALIBRATION_IMPL_H

#include "score/trial_list_impl.h"

typedef enum spk_calibration_kind {
    SPK_CALIBRATION_LINEAR,    /* w.scores + b */
    SPK_CALIBRATION_QMF,       /* with quality measures, standardised */
    SPK_CALIBRATION_QMF_ESPNET /* as ESPnet: features unscaled, penalty 1, one system, the result a probability */
} spk_calibration_kind;

typedef struct spk_calibration {
    spk_calibration_kind kind;
    int64_t n_systems, D; /* D: of the embeddings, 0 without */
    double prior;         /* that it was fitted at */
    int64_t F;            /* features: n_systems, and 8 + 2 D of quality */
    double *weight, bias;
} spk_calibration;

/* Scores of the same trials by several systems, and where quality is measured. */
typedef struct spk_calibration_input {
    const char *const *scores; /* files; the first one's trials and labels count */
    int64_t n_systems;
    spk_form form;
    const char *trials; /* labels; NULL: those of the first file */
    spk_form trial_form;
    const char *embeddings, *durations;  /* of all names; "UTT SECONDS" or "UTT AUDIO" a line */
    const char *utt2spk, *train_spk2utt; /* for a warning where speakers of the training are used; NULL: none */
} spk_calibration_input;

/* Read the input: the list of the first file (labelled where labels are there), and its features (n, F): a new block.
 * SPK_E_MISMATCH with file and line of what is missing. */
spk_status spk_calibration_features(const spk_calibration_input *in, spk_calibration_kind kind, spk_trial_list *list,
                                    double **features, int64_t *F, int64_t *D);
/* l2 NAN: 0 for linear ones, 1e-4 with quality. SPK_E_VALUE also for a trial of an utterance with itself. */
spk_status spk_calibration_fit(const spk_calibration_input *in, spk_calibration_kind kind, double prior, double l2,
                               spk_calibration *out);
/* Log likelihood ratios of all trials, or with `probability` that of a target at the prior of the fit. ESPnet's kind always
 * gives the latter. */
spk_status spk_calibration_apply(const spk_calibration *c, const spk_calibration_input *in, bool probability,
                                 spk_trial_list *list, float **out);
/* How many of the speakers that the trials have (list "UTT SPEAKER") are keys of train_spk2utt. SPK_E_MISMATCH names a
 * name that has no speaker. */
spk_status spk_calibration_shared_speakers(const spk_trial_list *t, const char *utt2spk, const char *train_spk2utt,
                                           int64_t *n_shared, int64_t *n_speakers);
void spk_calibration_clear(spk_calibration *c);

spk_status spk_calibration_write(const spk_calibration *c, const char *path);
spk_status spk_calibration_read(const char *path, spk_calibration *out);
/* The same from text (n bytes) that is called `name` in messages. */
spk_status spk_calibration_parse(const char *text, size_t n, const char *name, spk_calibration *out);
const char *spk_calibration_kind_name(spk_calibration_kind kind);

/* ---- quality (quality.c) ---- */

/* Put the 8 + 2 D measures of each trial behind its first n_systems features; rows of F. */
spk_status spk_quality_fill(const spk_calibration_input *in, const spk_trial_list *t, int64_t n_systems,
                            double **features, int64_t *F, int64_t *D);

#endif
