/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a set of trials or of plain utterances. */
#ifndef SPK_DATA_TRIAL_SET_IMPL_H
#define SPK_DATA_TRIAL_SET_IMPL_H

#include "data/lists_impl.h"

struct spk_trial_set {
    spk_trial_set_options o; /* without lists and dir */
    int64_t T, width;        /* samples (or frames) of a segment; floats of each */
    int64_t n_utterances, n_trials;
    char **id;         /* n_utterances, in order of first appearance */
    const char **path; /* n_utterances, borrowed from paths */
    int64_t *length;   /* n_utterances: samples of each, of whole ones; NULL: segments are cut, or not known yet */
    spk_map index;     /* utterance id -> its index */
    spk_trial *trial;  /* n_trials */
    char **made_id;    /* n_trials ids that were made here, or NULL: they point into `speech` */
    spk_list speech, speech2, labels;
    bool
        arrays; /* speech or speech2 are HDF5, whose arrays are each named by a trial: of an utterance's the first is read */
    spk__paths paths, paths2;
};

#endif
