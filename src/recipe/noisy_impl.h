/* SPDX-License-Identifier: Apache-2.0 */
/* A data folder with noise added to its recordings, to measure how a model bears it. */
#ifndef SPK_RECIPE_NOISY_IMPL_H
#define SPK_RECIPE_NOISY_IMPL_H

#include "base/base_impl.h"

typedef struct spk_noisy_options {
    const char *input, *output; /* data folders; the recordings go to OUTPUT/audio as 16-bit FLAC */
    const char *noises;         /* lines "path" or "key path" */
    double snr;                 /* dB of speech over noise, over the whole recording */
    int64_t rate;               /* Hz */
    uint64_t seed;
    void (*progress)(void *user, const char *what, int64_t done, int64_t total);
} spk_noisy_options;

/* Each utterance gets a part of one noise, both drawn by (seed, utterance id). wav.scp, trial.scp and trial2.scp name the new
 * recordings; utt2spk, spk2utt, spk2gender, trials and trial_label are copied where they are. *n: utterances. */
spk_status spk_prep_noisy(const spk_noisy_options *o, int64_t *n);

#endif
