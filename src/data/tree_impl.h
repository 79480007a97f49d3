/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of recordings, one sub-folder for each speaker, becomes data folders.
 *
 *   OUT/train: wav.scp utt2spk spk2utt
 *   OUT/valid: the same of held-back speakers, and their trials: trials, trial.scp, trial2.scp, trial_label
 *
 * Rules, all deterministic from the folder's content and the seed:
 *  - a speaker is a sub-folder of IN with at least one recording (.wav .flac .ogg .mp3 .opus, any case) at any depth;
 *    hidden names (a leading dot) are left out; files directly in IN are not used and are counted;
 *  - an utterance id is SPEAKER-REST: the path below the speaker's folder without the extension, where slashes become
 *    dashes, and blanks and '*' in names become '_'; of two files with one id the second gets the extension too;
 *  - paths are absolute, so the lists work from anywhere; all lists are sorted in byte order;
 *  - held back for validation: valid_speakers of the speakers that have at least 2 recordings, drawn without
 *    repetition; 0: a fifth of all speakers, at least 2;
 *  - target trials: all pairs of two recordings of one held-back speaker; where these are more than max_targets, a
 *    draw of max_targets of them without repetition;
 *  - nontarget trials: nontarget_ratio for each target, at most all there are, drawn without repetition from the pairs
 *    of recordings of two different held-back speakers;
 *  - with train_only nobody is held back, and OUT/train is all;
 *  - trials are in random order, and which of the two recordings comes first is drawn too.
 */
#ifndef SPK_DATA_TREE_IMPL_H
#define SPK_DATA_TREE_IMPL_H

#include "base/base_impl.h"

typedef struct spk_tree_options {
    const char *input, *output; /* folders; output is made */
    int64_t valid_speakers;     /* 0: max(2, a fifth) */
    int64_t max_targets;        /* 0: 10000 */
    double nontarget_ratio;     /* 0: 5 */
    uint64_t seed;
    bool train_only; /* nobody is held back: OUT/train alone, of at least 2 speakers */
    bool overwrite;  /* write over lists of an earlier run that differ; otherwise these are an error */
} spk_tree_options;

typedef struct spk_tree_summary {
    int64_t train_speakers, train_utterances, valid_speakers, valid_utterances;
    int64_t n_targets, n_nontargets;
    int64_t ignored_files; /* not under a speaker's folder, or of no known extension */
} spk_tree_summary;

/* SPK_E_IO: a folder cannot be read or written; SPK_E_VALUE: fewer than 4 speakers, too few with two recordings. */
spk_status spk_prep_tree(const spk_tree_options *options, spk_tree_summary *summary) SPK_NODISCARD;

#endif
