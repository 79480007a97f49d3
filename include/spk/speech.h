/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a recording somebody speaks: by its energy, as Kaldi's compute-vad finds it, or as a file says.
 *
 *   energy        from the recording itself
 *   *.scp         Kaldi's vad.scp: "UTT FILE.ark:OFFSET", vectors with a number for each 10 ms, speech where it is not 0
 *   *.rttm        "SPEAKER UTT 1 BEGIN SECONDS ...": speech is where any speaker is
 *   a folder      UTT.lab for each: lines "BEGIN END [LABEL]" in seconds; those labelled sil, silence, nonspeech, noise or
 *                 music are none
 *   another file  Kaldi's segments: "SEGMENT UTT BEGIN END" in seconds
 *
 * A file whose first line begins with SPEAKER is taken for RTTM whatever its name. An utterance that the file does not
 * have is an error for that utterance. Parts that touch or overlap are one.
 */
#ifndef SPK_SPEECH_H
#define SPK_SPEECH_H

#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the energy; names and defaults are those of Kaldi's compute-vad. */
typedef struct spk_vad_options {
    double energy_threshold;     /* 5: added to */
    double energy_mean_scale;    /* 0.5: times the mean log energy of the recording */
    int64_t frames_context;      /* 0: frames on each side that have a say */
    double proportion_threshold; /* 0.6: so many of them must be above the threshold */
} spk_vad_options;
SPK_API void spk_vad_options_init(spk_vad_options *o);

typedef struct spk_speech spk_speech;
/* "energy", or a file or folder as above; options may be NULL and matter for energy only. A list is read and checked at
 * once: SPK_E_IO, SPK_E_FORMAT with file and line. Several threads may use the result. On failure *out is NULL. */
SPK_API spk_status spk_speech_open(const char *what, const spk_vad_options *options, spk_speech **out) SPK_NODISCARD;
SPK_API void spk_speech_close(spk_speech *s); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
