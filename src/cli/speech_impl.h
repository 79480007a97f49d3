/* SPDX-License-Identifier: Apache-2.0 */
/* Options that say where somebody speaks, of the commands that embed recordings. */
#ifndef SPK_CLI_SPEECH_IMPL_H
#define SPK_CLI_SPEECH_IMPL_H

#include "cli/cli_impl.h"
#include "spk/speech.h"

typedef struct speech_options {
    char *vad;
    double energy_threshold, energy_mean_scale, proportion_threshold, min_speech;
    int64_t frames_context;
} speech_options;

/* Rows of a table whose struct has a field `speech`. */
#define SPEECH_ROWS                                                                                                    \
    GROUP("Speech")                                                                                                    \
    ROW(vad, STR, speech.vad, "none", 0, 0, NULL, SPK_OPT_NULLABLE, WORKS, NULL,                                       \
        "embed speech only, its parts joined: energy (Kaldi's compute-vad), or where a file says: vad.scp, RTTM, "     \
        "segments, a folder of UTT.lab")                                                                               \
    ROW(min_speech, FLOAT, speech.min_speech, "0", 0, 86400, NULL, 0, WORKS, NULL,                                     \
        "seconds; recordings with less speech (without --vad: less audio) are named and left out")                     \
    ROW(vad_energy_threshold, FLOAT, speech.energy_threshold, "5", -1000, 1000, NULL, 0, WORKS, NULL,                  \
        "with --vad energy: log energy that a frame must exceed, plus")                                                \
    ROW(vad_energy_mean_scale, FLOAT, speech.energy_mean_scale, "0.5", 0, 1000, NULL, 0, WORKS, NULL,                  \
        "this times the recording's mean log energy")                                                                  \
    ROW(vad_frames_context, INT, speech.frames_context, "0", 0, 100000, NULL, 0, WORKS, NULL,                          \
        "frames on each side that have a say in whether a frame is speech")                                            \
    ROW(vad_proportion_threshold, FLOAT, speech.proportion_threshold, "0.6", 0, 1, NULL, 0, WORKS, NULL,               \
        "so many of them must exceed the threshold")

/* What --vad names; *out is NULL without it. */
spk_status speech_open(const speech_options *o, spk_speech **out) SPK_NODISCARD;

#endif
