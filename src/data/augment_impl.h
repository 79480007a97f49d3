/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing a crop by what spk/augment.h describes: reverberation (reverb.c), noise (noise.c), volume. An opened
 * augmentation is read by all loader threads at once; each thread has a bench of its own for its scratch memory.
 *
 * Streams of draws: (seed, epoch, utterance, nth) with the purposes RIR, NOISE and VOLUME; one does not shift another.
 */
#ifndef SPK_DATA_AUGMENT_IMPL_H
#define SPK_DATA_AUGMENT_IMPL_H

#include "data/convolve_impl.h"
#include "data/sounds_impl.h"
#include "spk/augment.h"

/* What is being changed, by which its draws are named. */
typedef struct spk_augment_item {
    uint64_t epoch, hash;
    uint32_t nth;
    int64_t speaker; /* babble is of others */
} spk_augment_item;

/* Where babble comes from: the utterances of the training set, all borrowed. */
typedef struct spk_babble_source {
    const char *const *path;
    const int64_t *speaker;
    int64_t n;
    bool pass_over_bad; /* a file that cannot be read is passed over for the next */
} spk_babble_source;

/* Scratch memory of one thread. */
typedef struct spk_augment_bench {
    spk_audio_reader *reader; /* borrowed; no file is open in it between calls */
    spk_convolver *convolver;
    spk_sound_room response;
    float *noise, *sum; /* T each */
} spk_augment_bench;

/* ---- reverberation ---- */

typedef struct spk_reverb {
    double prob;
    bool align;
    spk_sounds *responses; /* NULL: none */
} spk_reverb;

spk_status spk_reverb_open(const spk_augment_options *o, spk_sound_budget *budget, spk_reverb *out) SPK_NODISCARD;
void spk_reverb_close(spk_reverb *v);
/* Perhaps convolve x (T samples) with a response. */
spk_status spk_reverb_apply(const spk_reverb *v, spk_augment_bench *b, int64_t rate, spk_rng *draw, int64_t T,
                            float *x) SPK_NODISCARD;
/* Unit energy over all samples; silence at the end (120 dB below) is cut off. SPK_E_VALUE: all are 0. */
spk_status spk_reverb_prepare(const char *path, float *h, int64_t *n) SPK_NODISCARD;

/* ---- noise ---- */

typedef struct spk_noise {
    double prob, floor, total_weight;
    int64_t n_kinds;
    struct spk_noise_list {
        spk_noise_kind kind; /* without its scp */
        bool babble;
        spk_sounds *sounds;
    } * list;
    spk_babble_source babble;
} spk_noise;

spk_status spk_noise_open(const spk_augment_options *o, const spk_babble_source *babble, spk_sound_budget *budget,
                          spk_noise *out) SPK_NODISCARD;
void spk_noise_close(spk_noise *v);
/* Perhaps add noises to x (T samples). */
spk_status spk_noise_apply(const spk_noise *v, spk_augment_bench *b, int64_t speaker, spk_rng *draw, int64_t T,
                           float *x) SPK_NODISCARD;
/* What noise of mean square `noise` is multiplied by, for speech of mean square `speech`. */
double spk_noise_scale(double speech, double noise, double snr_db, double floor);

/* ---- all of it ---- */

typedef struct spk_augment spk_augment;

/* NULL in *out where the options change no crop (speed apart, which reading does). `babble`: copied, what it points to
 * is borrowed. */
spk_status spk_augment_open(const spk_augment_options *o, const spk_babble_source *babble, int64_t rate, int64_t T,
                            uint64_t seed, spk_augment **out) SPK_NODISCARD;
void spk_augment_close(spk_augment *a); /* NULL is allowed */
spk_augment_bench *spk_augment_bench_new(const spk_augment *a, spk_audio_reader *reader);
void spk_augment_bench_free(spk_augment_bench *b); /* NULL is allowed */
spk_status spk_augment_apply(spk_augment *a, spk_augment_bench *b, const spk_augment_item *item,
                             float *x) SPK_NODISCARD;

#endif
