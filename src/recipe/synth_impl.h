/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus of synthetic speakers, for the demo and for tests: what there is to hear when there is no data. espeak-ng
 * speaks; a speaker is a point (voice, variant, pitch, vocal tract, rate), drawn so that several speakers are neighbours
 * of each other; every utterance has its own words, rate, pitch shift, equaliser, noise, reverberation and level.
 *
 * Figures measured on it say nothing about real speech: espeak-ng's variants differ in ways in which people do not.
 *
 * Layout, as Kaldi's data folders: FOLDER/audio/SPEAKER/UTTERANCE.flac (16 bit), FOLDER/train (wav.scp, utt2spk,
 * spk2utt), FOLDER/valid (the same of other speakers, and trials, trial.scp, trial2.scp, trial_label). Paths in .scp
 * files are relative to the folder that holds them.
 *
 * Determinism: the same options give the same bytes (with the same espeak-ng and libraries), for any number of threads.
 */
#ifndef SPK_RECIPE_SYNTH_IMPL_H
#define SPK_RECIPE_SYNTH_IMPL_H

#include <stdint.h>

#include "spk/types.h"

typedef struct spk_synth_options {
    const char *folder; /* made if needed; files of an earlier corpus are replaced */
    uint64_t seed;
    int n_train_speakers;   /* 44; at least 2 */
    int n_valid_speakers;   /* 22; at least 2, none of them in train */
    int n_train_utterances; /* of a speaker: 14; at least 1 */
    int n_valid_utterances; /* of a speaker: 10; at least 2 */
    int n_trials;           /* 1800; half of them target trials; fewer where there are not that many pairs */
    int rate;               /* 16000 Hz; 8000 to 48000 */
    int threads;            /* 0: as many as processors */
    int cluster;            /* 3: so many speakers share voice and variant, and differ in pitch, tract and rate */
    double spread;          /* 1: how far apart neighbours are; larger is easier */
    double wander; /* 1: how far an utterance strays from its speaker's pitch, rate and tract; larger is harder */
    double snr_low, snr_high;         /* 5 and 20 dB */
    double rt60_low, rt60_high;       /* 0.1 and 0.5 s */
    double equaliser_db;              /* 6: largest gain of one of the three filters */
    double seconds_low, seconds_high; /* 2 and 6: length of an utterance */
    /* Called now and then from one thread at a time; NULL: silent. */
    void (*progress)(void *user, const char *what, int64_t done, int64_t total);
    void *user;
} spk_synth_options;

typedef struct spk_synth_report {
    int64_t n_speakers, n_utterances, n_trials, n_targets;
    double audio_s, wall_s;
} spk_synth_report;

/* The defaults that the comments above name; folder is NULL. */
void spk_synth_defaults(spk_synth_options *o);

/*
 * Make the corpus. `report` may be NULL. The lists are written after all audio is there, so a folder with train/wav.scp
 * is whole. SPK_E_UNSUPPORTED: espeak-ng is not installed. SPK_E_VALUE: an option out of range.
 * SPK_E_INTERRUPTED: SIGINT or SIGTERM came (what was written stays).
 */
spk_status spk_synth_corpus(const spk_synth_options *o, spk_synth_report *report) SPK_NODISCARD;

#endif
