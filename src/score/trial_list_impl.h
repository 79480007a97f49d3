/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of trials and of scores, in the forms that ESPnet, Kaldi, VoxCeleb, WeSpeaker, 3D-Speaker, SpeechBrain and NeMo
 * write.
 * One line is one trial; which form a file has is seen from its first line where it is not said.
 */
#ifndef SPK_SCORE_TRIAL_LIST_IMPL_H
#define SPK_SCORE_TRIAL_LIST_IMPL_H

#include "base/base_impl.h"

/* What a line holds, without and with a score. Labels are 1 or target, 0 or nontarget; those in brackets may be left
 * out, in all lines or in none. */
typedef enum spk_form {
    SPK_FORM_AUTO = -1,
    SPK_FORM_ESPNET,      /* A*B [label]      A*B score [label] */
    SPK_FORM_KALDI,       /* A B [label]      A B score */
    SPK_FORM_VOXCELEB,    /* label A B        (no scores) */
    SPK_FORM_WESPEAKER,   /* A B [label]      A B score label */
    SPK_FORM_SPEECHBRAIN, /* A B [label]      A B label score */
    SPK_FORM_NEMO         /* (as VoxCeleb)    score label: the trials by their place in their list */
} spk_form;

/* "espnet", ...; and what a line looks like, for messages. */
const char *spk_form_name(spk_form form);
const char *spk_form_line(spk_form form, bool with_score);
/* "none" and NULL are SPK_FORM_AUTO. */
spk_form spk_form_of(const char *name);

typedef struct spk_trial_list {
    char *path;
    spk_form form;
    bool has_labels; /* label[i] is 1 or 0; without, all are 0 */
    int64_t n, n_repeated;
    int64_t *enroll, *test, *line; /* names' indices; line from 1 */
    uint8_t *label;
    float *score; /* NULL: a list without scores */
    int64_t n_names;
    char **name; /* distinct, in order of first appearance */
    spk_map index;
} spk_trial_list;

/*
 * Read a list. SPK_E_FORMAT with FILE:LINE for a line that is not of the form, an unknown label, a score that is no
 * finite number, a first line that fits several forms; SPK_E_VALUE for an empty list and for a trial that stands twice
 * with different labels. Repeated trials are counted and kept. On failure *out is empty.
 */
spk_status spk_trial_list_read(const char *path, spk_form form, bool with_scores, spk_trial_list *out);
void spk_trial_list_clear(spk_trial_list *t);

/* Give `scores` the labels of `trials`, trial by trial: SPK_E_MISMATCH with file and line of a scored trial that is not
 * in the list; and, where `all`, of a trial that has no score. NeMo's scores, which are called trial1, trial2, ... till then,
 * get the names of the trials in their order; SPK_E_MISMATCH: not as many, another label. */
spk_status spk_trial_list_label(spk_trial_list *scores, const spk_trial_list *trials, bool all);
/* Where each trial of `of` stands in `in`: place[of->n]. Fails as above. */
spk_status spk_trial_list_match(const spk_trial_list *of, const spk_trial_list *in, int64_t *place);

/* Write trials with these scores (n); labels are left out where there are none. With a path: a file that
 * appears whole or not at all; NULL: to the stream. SPK_E_CONFIG: the form needs labels that are not there. */
spk_status spk_trial_list_write(const spk_trial_list *t, const float *score, spk_form form, const char *path,
                                FILE *stream);

/* ---- between trial_list.c and trial_match.c ---- */

int64_t spk__trial_list_intern(spk_trial_list *t, const char *s, size_t n);
void spk__trial_list_clear_names(spk_trial_list *t);
/* Counts trials that stand twice; SPK_E_VALUE: with different labels. */
spk_status spk__trial_list_check_repeated(spk_trial_list *t);

#endif
