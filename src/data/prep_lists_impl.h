/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists for scoring, drawn from a data folder (wav.scp, utt2spk, and utt2dur where it is there; else durations are read from the
 * recordings' headers):
 *
 *   spk_prep_cohort    OUT/{wav.scp,utt2spk,spk2utt}: utterances of a cohort
 *   spk_prep_quality   OUT/{trial_label,trial.scp,trial2.scp,wav.scp,utt2spk,utt2dur}: trials to train a calibration by quality
 *                      measures on
 *
 * They do what ESPnet's generate_cohort_list.py and generate_qmf_train_list.py are for, by other draws: a draw is a function
 * of the seed and of what it is about (a speaker's name, a condition), an odd utterance is not lost, and so many trials as
 * are asked for come out wherever there are so many. OUT/lists.json says what the lists were made of and how; lists that were
 * made otherwise are not taken for these, nor written over without `overwrite`.
 */
#ifndef SPK_DATA_PREP_LISTS_IMPL_H
#define SPK_DATA_PREP_LISTS_IMPL_H

#include "base/base_impl.h"
#include "formats/list_impl.h"

typedef struct spk_cohort_options {
    const char *input, *output; /* folders; output is made */
    int64_t n_speakers;         /* drawn from all; 0: all */
    int64_t n_utterances;       /* of a speaker, at most; 0: all */
    double least_s;             /* utterances of at least so many seconds */
    uint64_t seed;
    bool overwrite;
} spk_cohort_options;

typedef struct spk_cohort_summary {
    bool was_there; /* by the same options from the same lists: nothing was done, and nothing else is set */
    int64_t speakers, utterances,
        short_speakers; /* short_speakers: drawn, but without an utterance that is long enough */
} spk_cohort_summary;

/* SPK_E_VALUE: fewer speakers than asked for; no utterance is long enough; other lists are in the way. SPK_E_MISMATCH names
 * file, line and utterance that another list does not have. */
spk_status spk_prep_cohort(const spk_cohort_options *o, spk_cohort_summary *out);

/* Conditions in ESPnet's order; short: below long_s. */
enum spk_quality_condition {
    SPK_QUALITY_SHORT,     /* two short utterances of one speaker */
    SPK_QUALITY_LONG,      /* two long ones */
    SPK_QUALITY_MIXED,     /* a long and a short one */
    SPK_QUALITY_NON_SHORT, /* the same of two speakers, among the utterances that the first three use */
    SPK_QUALITY_NON_LONG,
    SPK_QUALITY_NON_MIXED,
    SPK_N_QUALITY
};

typedef struct spk_quality_options {
    const char *input, *output;
    const char *exclude; /* a list whose keys are left out: the cohort's wav.scp; NULL: none */
    int64_t n_speakers;  /* 0: all */
    int64_t n_trials;    /* of each condition */
    double least_s, long_s;
    uint64_t seed;
    bool overwrite;
} spk_quality_options;

typedef struct spk_quality_summary {
    bool was_there;
    int64_t utterances, trials[SPK_N_QUALITY]; /* fewer than asked for only where there are no more */
} spk_quality_summary;

/* Fails as above; SPK_E_VALUE also where there are no target or no nontarget trials at all. */
spk_status spk_prep_quality(const spk_quality_options *o, spk_quality_summary *out);

/* ---- shared ---- */

typedef struct spk_folder {
    char *path, *durations; /* utt2dur; NULL: not there */
    spk_list wav, utt2spk;
    int64_t n, n_speakers; /* utterances, in the order of utt2spk */
    int64_t *speaker;      /* of each */
    const char **wav_path; /* as wav.scp has it */
    int64_t n_kept;        /* speakers that were drawn */
    bool *kept;            /* n_speakers */
    double *seconds;       /* NULL until spk_folder_measure */
    const char **speaker_name;
} spk_folder;

/* Draws n_speakers of the folder's (0: all). */
spk_status spk_folder_open(const char *path, int64_t n_speakers, uint64_t seed, spk_folder *out);
spk_status spk_folder_measure(spk_folder *f);
void spk_folder_close(spk_folder *f);

/* Text of lists.json: `what`, the options as name and number, and sums of the lists that are read (paths; NULL: none). A new
 * string. */
typedef struct spk_list_option {
    const char *name;
    double value;
} spk_list_option;
spk_status spk_lists_manifest(const char *what, const spk_list_option *options, int n, const char *const *lists,
                              int n_lists, char **out);
/* Make the folder; *same: OUT/lists.json has that text. SPK_E_VALUE: another one and not overwrite. */
spk_status spk_lists_begin(const char *output, const char *manifest, bool overwrite, bool *same);
/* OUT/NAME. */
spk_status spk_lists_write(const char *output, const char *name, const spk_text *text);
/* "UTT PATH" with the path as it can be found from the current folder. */
void spk_lists_add_path(const spk_folder *f, const char *key, int64_t utterance, spk_text *out);

#endif
