/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a data folder, all of it and not only the first: lists for themselves (Kaldi's validate_data_dir.sh)
 * and against each other, trials, recordings, speakers of another set; and a copy without the faults (fix_data_dir.sh).
 * A finding is "FILE:LINE: cause". Errors stop a training, or falsify a figure; warnings may be meant so.
 */
#ifndef SPK_DATA_CHECK_IMPL_H
#define SPK_DATA_CHECK_IMPL_H

#include "base/base_impl.h"
#include "data/lists_impl.h"

typedef enum spk_check_audio { SPK_CHECK_NAMES, SPK_CHECK_HEADERS, SPK_CHECK_DECODE } spk_check_audio;

typedef struct spk_check_options {
    const char *dir;
    spk_check_audio audio; /* recordings are there; open; can be decoded to the end, and are not all zeros */
    bool allow_pipes;      /* run the commands that lists name, to look at what they write */
    int threads;
    const char *const *against; /* folders whose speakers must not be in this one */
    int64_t n_against;
    void (*progress)(void *user, const char *what, int64_t done, int64_t total); /* NULL: none */
    void *user;
} spk_check_options;

typedef struct spk_check_report {
    int64_t n, n_errors, n_warnings;
    struct spk_finding {
        char *text;
        bool error;
    } * finding;
    int64_t n_speakers, n_utterances, n_trials, n_targets;
    int64_t n_heard; /* recordings whose length is known, and their lengths: */
    double seconds, shortest, longest;
    int64_t n_rates;
    struct spk_check_rate {
        int64_t hz, n;
    } * rate;
} spk_check_report;

/* SPK_E_IO: the folder or a list of `against` cannot be read; SPK_E_INTERRUPTED. What is wrong in the folder is no failure. */
spk_status spk_check_folder(const spk_check_options *o, spk_check_report *report) SPK_NODISCARD;
/* The same, and a copy in `output` of what is good: sorted, without what was found wrong. SPK_E_IO also as
 * prep_out_impl.h says; SPK_E_VALUE: nothing is left, or there is no wav.scp. */
spk_status spk_check_fix(const spk_check_options *o, const char *output, bool overwrite,
                         spk_check_report *report) SPK_NODISCARD;
void spk_check_report_clear(spk_check_report *r);

/* ---- inside ---- */

typedef struct spk__check_item {
    const char *key, *value; /* borrowed */
    const spk_list *from;
    int64_t line;
    bool bad; /* not for a fixed copy */
} spk__check_item;

typedef struct spk__check_trial {
    char *a, *b;
    int label; /* -1: none that can be read */
    int64_t line;
} spk__check_trial;

typedef struct spk__check {
    const spk_check_options *o;
    spk_check_report *r;
    spk_list wav, segments, utt2spk, spk2utt, trial, trial2, trial_label, trials;
    bool features; /* feats.scp in the place of wav.scp */
    bool has_wav, has_segments, has_utt2spk, has_spk2utt, has_espnet, has_kaldi;
    spk_text parts; /* of segments */
    spk_list made;
    int64_t n;
    spk__check_item *item; /* utterances */
    spk_map index;         /* key -> item */
    int64_t n_pairs;       /* of trial.scp or of trials */
    spk__check_trial *pair;
    spk__paths paths;
} spk__check;

void spk__check_say(spk__check *c, bool error, const char *fmt, ...) SPK_PRINTF(3, 4);
/* Reads DIR/NAME where it is there; wrong lines are findings. */
spk_status spk__check_read(spk__check *c, const char *name, int flags, spk_list *list, bool *there) SPK_NODISCARD;
spk_status spk__check_lists(spk__check *c) SPK_NODISCARD;                   /* check_lists.c */
spk_status spk__check_trials(spk__check *c) SPK_NODISCARD;                  /* check_trials.c */
spk_status spk__check_sounds(spk__check *c) SPK_NODISCARD;                  /* check_audio.c */
const char *spk__check_speaker(const spk__check *c, const char *utterance); /* NULL: not known */

#endif
