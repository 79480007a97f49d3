/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speechbrain_fbank: the features of SpeechBrain's ECAPA-TDNN. A power spectrum of centred frames with zeros outside and
 * a periodic Hamming window, triangles in Hz whose both sides are as wide as the lower one should be, decibels with the
 * utterance's maximum less `top_db` as floor, and the utterance's mean subtracted.
 * Source: speechbrain.lobes.features.Fbank and speechbrain.processing.features (STFT, Filterbank, InputNormalization
 * with norm_type sentence and std_norm False). Nothing is stored in the model's state.
 */
#include <math.h>

#include "model/features_impl.h"

typedef struct speechbrain_conf {
    int64_t n_mels, n_fft, sample_rate;
    double win_length, hop_length, f_min, f_max, amin, top_db;
    bool mean_norm;
} speechbrain_conf;

#define FIELD(name) offsetof(speechbrain_conf, name)
static const spk_opt options[] = {
    {"n_mels", SPK_OPT_INT, FIELD(n_mels), "80", 1, 4096, NULL, "mel filters", 0},
    {"n_fft", SPK_OPT_INT, FIELD(n_fft), "400", 2, 65536, NULL, "points of the Fourier transform", 0},
    {"win_length", SPK_OPT_FLOAT, FIELD(win_length), "25", 0.1, 10000, NULL, "milliseconds of a window", 0},
    {"hop_length", SPK_OPT_FLOAT, FIELD(hop_length), "10", 0.1, 10000, NULL, "milliseconds from frame to frame", 0},
    {"f_min", SPK_OPT_FLOAT, FIELD(f_min), "0", 0, 1e6, NULL, "lowest frequency, Hz", 0},
    {"f_max", SPK_OPT_FLOAT, FIELD(f_max), "none", 1, 1e6, NULL, "highest frequency, Hz; none: half of the rate",
     SPK_OPT_NULLABLE},
    {"amin", SPK_OPT_FLOAT, FIELD(amin), "1e-10", 1e-30, 1, NULL, "least power", 0},
    {"top_db", SPK_OPT_FLOAT, FIELD(top_db), "80", 0.001, 1000, NULL, "decibels below the maximum that are kept", 0},
    {"mean_norm", SPK_OPT_BOOL, FIELD(mean_norm), "true", 0, 0, NULL, "subtract the mean over time", 0},
    {"sample_rate", SPK_OPT_INT, FIELD(sample_rate), "none", 1000, 1000000, NULL,
     "Hz; none: that of the audio, which it must be", SPK_OPT_NULLABLE},
};

static int64_t samples_of(const speechbrain_conf *c, double ms)
{
    return (int64_t)nearbyint((double)c->sample_rate / 1000 * ms);
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    speechbrain_conf *c = conf;
    SPK_TRY(spk_feature_check_rate("sample_rate", &c->sample_rate, in));
    if (isnan(c->f_max)) c->f_max = (double)c->sample_rate / 2;
    SPK_TRY(spk_feature_check_band("f_min", c->f_min, "f_max", c->f_max, c->sample_rate));
    if (samples_of(c, c->win_length) < 1 || samples_of(c, c->hop_length) < 1 || samples_of(c, c->win_length) > c->n_fft)
        return spk_fail(SPK_E_CONFIG,
                        "frontend_conf: win_length %g ms and hop_length %g ms at %lld Hz: both must be a sample or "
                        "more, and the window no longer than n_fft, %lld",
                        c->win_length, c->hop_length, (long long)c->sample_rate, (long long)c->n_fft);
    *output_size = c->n_mels;
    return SPK_OK;
}

static spk_melspec_attr attributes(const speechbrain_conf *c)
{
    return (spk_melspec_attr){.n_fft = c->n_fft,
                              .win_length = samples_of(c, c->win_length),
                              .hop_length = samples_of(c, c->hop_length),
                              .n_mels = c->n_mels,
                              .log = true,
                              .mean_norm = c->mean_norm,
                              .edges = SPK_EDGES_ZERO,
                              .log_floor = c->amin,
                              .log_scale = 10 / log(10),
                              .top_db = c->top_db};
}

static int64_t min_samples(const void *conf)
{
    const spk_melspec_attr attr = attributes(conf);
    return spk_feature_min_samples(&attr);
}

static int64_t frames(const void *conf, int64_t samples)
{
    const spk_melspec_attr attr = attributes(conf);
    return spk_melspec_frames(&attr, samples);
}

static float *make_filters(const speechbrain_conf *c)
{
    const int64_t bins = c->n_fft / 2 + 1, n = c->n_mels;
    double *hz = spk_mel_edges(n, c->f_min, c->f_max, SPK_MEL_HTK);
    float *fb = spk_new((size_t)(bins * n) * sizeof *fb);
    for (int64_t k = 0; k < bins; k++) {
        /* bins are spread evenly up to half of the rate, also where n_fft is odd */
        const double f = bins > 1 ? (double)c->sample_rate / 2 * (double)k / (double)(bins - 1) : 0;
        for (int64_t j = 0; j < n; j++) {
            const double slope = (f - hz[j + 1]) / (hz[j + 1] - hz[j]);
            fb[k * n + j] = (float)fmax(0, 1 - fabs(slope));
        }
    }
    spk_free(hz);
    return fb;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    const speechbrain_conf *c = conf;
    const spk_melspec_attr attr = attributes(c);
    spk_tensor *window =
        spk_feature_constant(b, 1, attr.win_length, spk_feature_window(SPK_WINDOW_HAMMING, attr.win_length, true));
    spk_tensor *fb = spk_feature_constant(b, c->n_fft / 2 + 1, c->n_mels, make_filters(c));
    return spk_g_melspec(b->g, wave, NULL, window, fb, NULL, attr);
}

const spk_part spk__frontend_speechbrain_fbank = {.name = "speechbrain_fbank",
                                                  .options = options,
                                                  .n_options = SPK_COUNT(options),
                                                  .conf_bytes = sizeof(speechbrain_conf),
                                                  .check = check,
                                                  .build = build,
                                                  .min_samples = min_samples,
                                                  .frames = frames};
