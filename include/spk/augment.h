/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How training crops are changed before the model hears them: speed, reverberation, noise, volume, in this order
 * (docs/augmentation.md). Zeroed options change nothing. Every draw is a function of (seed, epoch, utterance, how often
 * it was drawn before in the epoch), so neither the number of loader threads nor a resumption enters.
 */
#ifndef SPK_AUGMENT_H
#define SPK_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One kind of noise: [weight, scp, [n_min, n_max], [snr_lo, snr_hi]] of ESPnet's noise_info. */
typedef struct spk_noise_kind {
    double weight;         /* kinds are chosen in proportion to it; one of 0 is left out */
    const char *scp;       /* lines "path" or "key path"; NULL: babble, crops of other speakers of the training set */
    int64_t n_min, n_max;  /* so many recordings are added, each with its own ratio */
    double snr_lo, snr_hi; /* dB of speech over each of them */
} spk_noise_kind;

typedef struct spk_augment_options {
    /* reverberation: convolution with a room response of unit energy, of which the first samples stay */
    const char *rir_scp; /* NULL: none */
    double rir_apply_prob;
    bool rir_align; /* take the delay of the response's largest sample away; ESPnet does not */
    /* noise */
    const spk_noise_kind *noise; /* n_noise of them */
    int64_t n_noise;
    double noise_apply_prob;
    double noise_power_floor; /* added to both powers (ESPnet: 1e-4); 0: the ratio is exact */
    /* volume */
    double volume_apply_prob, volume_lo, volume_hi; /* dB */
    /* Speed factors: each makes one more copy of all utterances, "sp0.9-UTT", played so much faster. None: 1.0 alone.
     * Copies belong to classes of their own, "sp0.9-SPEAKER", or, with same_classes, to the speaker's. */
    const double *speed; /* n_speed of them */
    int64_t n_speed;
    bool speed_same_classes;

    int64_t cache_bytes; /* decoded noises and room responses are kept up to this size; 0: none */
} spk_augment_options;

#ifdef __cplusplus
}
#endif
#endif
