/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the synthetic corpus (synth*.c) share: who speaks, what one utterance is made of, and the steps
 * words -> voice -> room and channel -> file. All signals are mono float at the corpus' rate.
 */
#ifndef SPK_RECIPE_SYNTH_PARTS_IMPL_H
#define SPK_RECIPE_SYNTH_PARTS_IMPL_H

#include "base/base_impl.h"
#include "recipe/synth_impl.h"

typedef struct synth_speaker {
    char name[16];  /* t001 of train, v001 of valid */
    char voice[48]; /* espeak-ng's -v: "en-us+f2" */
    int cluster;    /* speakers of one cluster share the voice */
    double pitch;   /* espeak-ng's -p, 0 to 99 */
    double tract;   /* factor on all resonances (and on the pitch), about 1 */
    double wpm;     /* words a minute */
} synth_speaker;

typedef struct synth_signal {
    float *x; /* spk_free */
    int64_t n;
} synth_signal;

/* Draw speaker number `i` of `n`; `valid` ones share no voice with those of train as long as there are enough. */
void spk__synth_speaker(const spk_synth_options *o, bool valid, int i, synth_speaker *out);

/* n words as a sentence, into `out` (cleared first). */
void spk__synth_words(spk_rng *r, int n, spk_text *out);

/* Let espeak-ng say the text: 16-bit samples at *rate Hz (22050). Several threads may call it at once. */
spk_status spk__synth_say(const char *voice, double pitch, double wpm, const char *text, synth_signal *out, int *rate);

/* Change the rate from `from` to `to` Hz (any factor); frees and replaces s. */
spk_status spk__synth_resample(synth_signal *s, double from, double to);

/* In place: three random filters with at most `db` of gain each. */
void spk__synth_equalise(spk_rng *r, synth_signal *s, int rate, double db);
/* In place: a sparse random response that falls by 60 dB in rt60 seconds, 4 to 14 dB below the direct sound. */
spk_status spk__synth_reverberate(spk_rng *r, synth_signal *s, int rate, double rt60);
/* In place: white, pink or babble-like noise at the given ratio. */
spk_status spk__synth_add_noise(spk_rng *r, synth_signal *s, int rate, double snr_db);
/* In place: to a root mean square of `db` below full scale, less where samples would leave +-0.98. */
void spk__synth_set_level(synth_signal *s, double db);

/* All lists of the corpus; trials are counted in the report. */
spk_status spk__synth_lists(const spk_synth_options *o, const synth_speaker *train, const synth_speaker *valid,
                            spk_synth_report *report);

#endif
