/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of recordings at the wanted rate. A reader belongs to one thread and keeps its scratch memory and its
 * resampler from file to file, so that reading allocates nothing of ours after the first files; no lock is held
 * while decoding.
 *
 * Another sample rate is converted by libsoxr ("HQ", 20 bits). A part [start, start + count) of the converted file is
 * made from the span of the file that it depends on, with a margin of 512 samples at the lower rate on both sides
 * and a beginning where samples of both rates coincide: it equals the same part of the whole converted file
 * within 1e-5 (a test measures 3e-7).
 */
#ifndef SPK_DATA_AUDIO_IMPL_H
#define SPK_DATA_AUDIO_IMPL_H

#include "base/base_impl.h"
#include "spk/data.h"

typedef struct spk_audio_reader spk_audio_reader;

spk_audio_reader *spk_audio_reader_new(const spk_audio_options *options);
void spk_audio_reader_free(spk_audio_reader *r);

/* Open a file (the one before is closed); *samples: its length at the wanted rate, at least 1. `path` is borrowed until
 * the file is closed. */
spk_status spk_audio_open(spk_audio_reader *r, const char *path, int64_t *samples) SPK_NODISCARD;
/* The same of a file that is played faster by speed / 1000: pitch and tempo change, as by sox's `speed`. */
spk_status spk_audio_open_speed(spk_audio_reader *r, const char *path, int64_t speed, int64_t *samples) SPK_NODISCARD;
/* A part of the open file has the same bytes as that part of the whole: no other rate, no codec that remembers. */
bool spk_audio_is_exact(const spk_audio_reader *r);
/* The open file's part [start, start + count), which must lie inside: count floats to dst. */
spk_status spk_audio_part(spk_audio_reader *r, int64_t start, int64_t count, float *dst) SPK_NODISCARD;
void spk_audio_shut(spk_audio_reader *r);
/* Floats of a sample: 1, or the values of a frame of features. */
int64_t spk_audio_width(const spk_audio_reader *r);
/* Rate and channels of the open file. */
int64_t spk_audio_file_rate(const spk_audio_reader *r);
int spk_audio_file_channels(const spk_audio_reader *r);

/* Samples of n files at the wanted rate (or frames), by `threads` threads; -1 where one cannot be read. */
void spk_audio_lengths(const char *const *paths, int64_t n, const spk_audio_options *options, int threads,
                       int64_t *lengths);

/* ---- what an utterance gives to training and to validation ---- */

enum { SPK_SPEED_ONE = 1000 }; /* speeds are in thousandths */
/* What sox would still make speech of. */
#define SPK_SPEED_LEAST 0.25
#define SPK_SPEED_MOST 4.0
/* T samples beginning at start in 0..L-T, chosen uniformly by *draw; a shorter file is repeated periodically to T. */
spk_status spk_crop_train(spk_audio_reader *r, const char *path, int64_t speed, int64_t T, spk_rng *draw,
                          float *dst) SPK_NODISCARD;
/* K segments of T samples at int(linspace(0, L - T, K)); a shorter file is repeated to T, all K being equal. dst: K*T. */
spk_status spk_crop_segments(spk_audio_reader *r, const char *path, int64_t T, int64_t K, float *dst) SPK_NODISCARD;
/* Start of segment k of K. */
int64_t spk_segment_start(int64_t L, int64_t T, int64_t K, int64_t k);

/* Make the warnings that come once for each process (zeros, narrow band) come again; for tests. */
void spk_audio_warn_again(void);

#endif
