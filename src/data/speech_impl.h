/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of spk/speech.h: what a file says of each utterance (speech_lists.c), and finding it (speech.c). */
#ifndef SPK_DATA_SPEECH_IMPL_H
#define SPK_DATA_SPEECH_IMPL_H

#include "data/audio_impl.h"
#include "data/spans_impl.h"
#include "formats/list_impl.h"
#include "spk/speech.h"

typedef enum spk_speech_kind {
    SPK_SPEECH_ENERGY,
    SPK_SPEECH_FRAMES, /* vad.scp */
    SPK_SPEECH_PARTS,  /* RTTM, segments */
    SPK_SPEECH_LABS    /* a folder of UTT.lab */
} spk_speech_kind;

/* A part of an utterance, in seconds. */
typedef struct spk_speech_part {
    double begin, end;
    int64_t line; /* of the file that says so */
    int64_t next; /* of the same utterance; -1: none */
} spk_speech_part;

typedef struct spk_speech_parts {
    spk_list list; /* the file: keys point into it */
    spk_map first; /* utterance -> its first part */
    spk_speech_part *v;
    int64_t n;
} spk_speech_parts;

struct spk_speech {
    spk_speech_kind kind;
    spk_vad_options energy;
    char *path;
    spk_list scp;
    spk_speech_parts parts;
};

/*
 * The speech of utterance `id`, whose recording of n samples at `rate` is open in r. SPK_E_MISMATCH: the file does not have it, or
 * has another number of frames; SPK_E_VALUE: a part lies outside of the recording; SPK_E_UNSUPPORTED: the energy of features. No speech at
 * all is no failure.
 */
spk_status spk_speech_find(const spk_speech *s, const char *id, spk_audio_reader *r, int64_t n, int64_t rate,
                           spk_spans *out) SPK_NODISCARD;

/* Read a file of parts: RTTM or segments (speech_lists.c). */
spk_status spk__speech_parts_read(const char *path, spk_speech_parts *out) SPK_NODISCARD;
/* The parts of one lab file. */
spk_status spk__speech_lab_read(const char *path, spk_speech_parts *out) SPK_NODISCARD;
void spk__speech_parts_clear(spk_speech_parts *p);

#endif
