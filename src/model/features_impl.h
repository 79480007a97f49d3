/* SPDX-License-Identifier: Apache-2.0 */
/* What the frontends of fixed filters share: windows, mel filters, cosine transforms, and checks of bands and rates. */
#ifndef SPK_MODEL_FEATURES_IMPL_H
#define SPK_MODEL_FEATURES_IMPL_H

#include "model/build_impl.h"

/* hann, hamming, blackman, bartlett, kaiser (beta 12) as torch has them; povey is hann to the power of 0.85. */
typedef enum spk_window {
    SPK_WINDOW_HANN,
    SPK_WINDOW_HAMMING,
    SPK_WINDOW_BLACKMAN,
    SPK_WINDOW_BARTLETT,
    SPK_WINDOW_KAISER,
    SPK_WINDOW_POVEY,
    SPK_WINDOW_RECTANGULAR
} spk_window;

/* n points; periodic: one turn is n points, otherwise n - 1 (symmetric). New. */
float *spk_feature_window(spk_window kind, int64_t n, bool periodic);

/* htk: 2595 log10(1 + f/700). slaney: linear below 1000 Hz, logarithmic above. */
typedef enum spk_mel_scale { SPK_MEL_HTK, SPK_MEL_SLANEY } spk_mel_scale;
double spk_mel_of(double hz, spk_mel_scale scale);
double spk_mel_to_hz(double mel, spk_mel_scale scale);

/* Edges of n_mels triangles, n_mels + 2 frequencies in Hz, equally spaced on the mel scale. New. */
double *spk_mel_edges(int64_t n_mels, double low, double high, spk_mel_scale scale);

/* The matrix (n_mels, n_ceps) from log-mel bands to Kaldi's cepstra: an orthonormal cosine transform, each coefficient
 * i times 1 + lifter/2 sin(pi i / lifter) unless lifter is 0. New. */
float *spk_feature_cepstra(int64_t n_mels, int64_t n_ceps, double lifter);

/* 0 <= low < high <= rate / 2, or SPK_E_CONFIG that names the keys and says what to set. */
spk_status spk_feature_check_band(const char *low_key, double low, const char *high_key, double high, int64_t rate);
/* A rate of the configuration (SPK_NONE: not given) that must be that of the audio; it becomes it. */
spk_status spk_feature_check_rate(const char *key, int64_t *rate, const spk_part_in *in);
/* Warns, before the table is declared, that it is for another rate than that of the audio, as ESPnet's are. */
void spk_feature_say_rate(const spk_build *b, const char *table, int64_t rate);
/* The shortest wave that gives a frame. */
int64_t spk_feature_min_samples(const spk_melspec_attr *attr);

/* A buffer of the model's state whose values follow from the options: declared at the first build. Takes `values`. */
spk_tensor *spk_feature_table(spk_build *b, const char *name, int n_dims, const int64_t *dim, float *values);
/* A table that is stored nowhere, (rows, c) or a vector (rows = 1). Takes `values`. */
spk_tensor *spk_feature_constant(spk_build *b, int64_t rows, int64_t c, float *values);

#endif
