/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data folder in memory: utterances with their speakers and recordings, read from one folder of lists, or gathered from
 * a corpus, and written to another. All that is written is sorted in byte order (LC_ALL=C, as Kaldi wants it).
 */
#ifndef SPK_DATA_DATADIR_IMPL_H
#define SPK_DATA_DATADIR_IMPL_H

#include "base/base_impl.h"
#include "data/prep_out_impl.h"

typedef struct spk_datadir_item {
    char *id, *speaker;
    char *source; /* the recording, as a wav.scp names it */
} spk_datadir_item;

typedef struct spk_datadir {
    int64_t n;
    spk_datadir_item *item;
    /* By _sort: */
    spk_map index;      /* id -> item */
    int64_t n_speakers; /* distinct ones, in byte order */
    const char **speaker;
    int64_t *speaker_of; /* n */
} spk_datadir;

/* Takes copies. _sort is to follow when all are in. */
void spk_datadir_add(spk_datadir *f, const char *id, const char *speaker, const char *source);
/* Puts the utterances in order and finds the speakers. SPK_E_VALUE: two of one id (both recordings are named), an id or a
 * name that is no word of a list. */
spk_status spk_datadir_sort(spk_datadir *f) SPK_NODISCARD;
void spk_datadir_clear(spk_datadir *f);
/* The utterances of speakers s with keep[s], sorted. */
void spk_datadir_select(const spk_datadir *f, const bool *keep, spk_datadir *out);

/* Read DIR/wav.scp and utt2spk; where DIR has `segments`, utterances are parts ("a.wav[1.5:4.25]"). Recordings are looked
 * for and named absolutely; commands stay as they are. SPK_E_IO, SPK_E_FORMAT, SPK_E_MISMATCH with file and line. */
spk_status spk_datadir_read(const char *dir, spk_datadir *out) SPK_NODISCARD;
/* A new string: a path that begins with a slash; commands and such paths stay. */
char *spk_datadir_absolute(const char *source);

/* wav.scp, utt2spk, spk2utt. */
void spk_datadir_write(const spk_datadir *f, spk_prep_out *out, const char *folder);
/* A name of a list about utterances or speakers (*speakers) that is none of the three. */
bool spk_datadir_is_other(const char *name, bool *speakers);
/* The other lists of `dir` about utterances (utt2*, text, vad.scp) and speakers (spk2*), of what f has, sorted.
 * Wrong lines are refused, or `leniently` left out. */
spk_status spk_datadir_write_others(const spk_datadir *f, const char *dir, bool leniently, spk_prep_out *out,
                                    const char *folder) SPK_NODISCARD;

typedef struct spk_pair {
    int64_t a, b; /* items */
    bool target;
} spk_pair;
/* trials, trial.scp, trial2.scp, trial_label. */
void spk_datadir_write_trials(const spk_datadir *f, const spk_pair *pair, int64_t n, spk_prep_out *out,
                              const char *folder);

#endif
