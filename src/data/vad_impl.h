/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Voice activity by energy, as Kaldi's compute-vad on the log energies of compute-mfcc-feats: frames of 25 ms every 10 ms
 * that lie wholly inside (snip-edges), samples on the scale of 16 bits, the frame's mean subtracted, before pre-emphasis
 * and window (raw-energy), log of the sum of squares. Kaldi adds dither to the samples by default; here there is none, so
 * digital silence has Kaldi's floor, the log of FLT_EPSILON.
 */
#ifndef SPK_DATA_VAD_IMPL_H
#define SPK_DATA_VAD_IMPL_H

#include "data/audio_impl.h"
#include "data/spans_impl.h"
#include "spk/speech.h"

/* Samples of a frame and from one to the next at that rate. */
int64_t spk_vad_window(int64_t rate);
int64_t spk_vad_shift(int64_t rate);
/* Frames of n samples; 0 where there are fewer than one frame takes. */
int64_t spk_vad_frames(int64_t n, int64_t rate);
/* Log energies of n frames, the first of which begins at x[0]. */
void spk_vad_log_energy(const float *x, int64_t n, int64_t rate, float *log_energy);
/* speech[t] of n frames: 0 or 1. */
void spk_vad_decide(const spk_vad_options *o, const float *log_energy, int64_t n, uint8_t *speech);
/* The parts of n samples whose frames are speech: frame t stands for shift samples from t * shift on, and the last one for
 * all behind it too. */
void spk_vad_parts(const uint8_t *speech, int64_t n_frames, int64_t n, int64_t shift, spk_spans *out);
/* All of it for the open recording of n samples, which is read in blocks. */
spk_status spk_vad_energy(const spk_vad_options *o, spk_audio_reader *r, int64_t n, int64_t rate,
                          spk_spans *out) SPK_NODISCARD;

#endif
