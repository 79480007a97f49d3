/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec_torch: pre-emphasis, power spectrum, mel filters, logarithm, mean subtraction over time.
 * Source: espnet2.asr.frontend.melspec_torch, torchaudio's MelSpectrogram (specification 2.1). Window and filter bank
 * are buffers of the model, so a loaded model uses the tables that it was trained with.
 *
 * Sample rates: ESPnet makes the filter bank for 16000 Hz whatever the audio. Here it is made for `sample_rate`: by
 * default the rate of the audio (preprocessor_conf.sample_rate), where a band above its half is an error (so 8000 Hz
 * wants f_max 4000 or less), and ESPnet's 16000 in a configuration that has ESPnet's `version`, whose weights bring a
 * bank of that kind.
 */
#include <math.h>

#include "model/features_impl.h"

typedef struct melspec_conf {
    bool preemp, log;
    int64_t n_fft, win_length, hop_length, f_min, f_max, n_mels, sample_rate;
    int window_fn, mel_scale, normalize;
} melspec_conf;

enum { HAMMING, HANN };
enum { HTK, SLANEY };
enum { ESPNETS_RATE = 16000 };

#define FIELD(name) offsetof(melspec_conf, name)
static const spk_opt options[] = {
    {"preemp", SPK_OPT_BOOL, FIELD(preemp), "true", 0, 0, NULL, "pre-emphasis, coefficient 0.97", 0},
    {"n_fft", SPK_OPT_INT, FIELD(n_fft), "512", 2, 65536, NULL, "points of the Fourier transform", 0},
    {"log", SPK_OPT_BOOL, FIELD(log), "false", 0, 0, NULL, "natural logarithm", 0},
    {"win_length", SPK_OPT_INT, FIELD(win_length), "400", 1, 65536, NULL, "samples of a window", 0},
    {"hop_length", SPK_OPT_INT, FIELD(hop_length), "160", 1, 65536, NULL, "samples from frame to frame", 0},
    {"f_min", SPK_OPT_INT, FIELD(f_min), "20", 0, 1e6, NULL, "lowest frequency, Hz", 0},
    {"f_max", SPK_OPT_INT, FIELD(f_max), "7600", 1, 1e6, NULL, "highest frequency, Hz", 0},
    {"n_mels", SPK_OPT_INT, FIELD(n_mels), "80", 1, 4096, NULL, "mel filters", 0},
    {"window_fn", SPK_OPT_CHOICE, FIELD(window_fn), "hamming", 0, 0, "hamming|hann", "window", 0},
    {"mel_scale", SPK_OPT_CHOICE, FIELD(mel_scale), "htk", 0, 0, "htk|slaney", "mel scale", 0},
    {"normalize", SPK_OPT_CHOICE, FIELD(normalize), "none", 0, 0, "mn", "mn: subtract the mean over time",
     SPK_OPT_NULLABLE},
    {"sample_rate", SPK_OPT_INT, FIELD(sample_rate), "none", 1000, 1000000, NULL,
     "Hz that the filters are for; none: that of the audio (with ESPnet's version: 16000)", SPK_OPT_NULLABLE},
};

/* The rate that the filters are for. */
static spk_status check_rate(melspec_conf *c, const spk_part_in *in)
{
    if (!in->like_202611) return spk_feature_check_rate("sample_rate", &c->sample_rate, in);
    if (c->sample_rate == SPK_NONE) c->sample_rate = ESPNETS_RATE;
    return SPK_OK;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    melspec_conf *c = conf;
    SPK_TRY(check_rate(c, in));
    if (c->win_length > c->n_fft)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: win_length %lld is larger than n_fft %lld",
                        (long long)c->win_length, (long long)c->n_fft);
    SPK_TRY(spk_feature_check_band("f_min", (double)c->f_min, "f_max", (double)c->f_max, c->sample_rate));
    *output_size = c->n_mels;
    return SPK_OK;
}

/* The reflection at both ends needs more samples than half a transform. */
static int64_t min_samples(const void *conf)
{
    return ((const melspec_conf *)conf)->n_fft / 2 + 1;
}

static int64_t frames(const void *conf, int64_t samples)
{
    const melspec_conf *c = conf;
    return 1 + (samples + 2 * (c->n_fft / 2) - c->n_fft) / c->hop_length;
}

/* ---- tables, in float32 as torchaudio makes them ---- */

static float to_mel(double hz, int scale)
{
    return (float)spk_mel_of(hz, scale == HTK ? SPK_MEL_HTK : SPK_MEL_SLANEY);
}

static float to_hz(float mel, int scale)
{
    if (scale == HTK) return 700.0f * (powf(10.0f, mel / 2595.0f) - 1.0f);
    return mel < 15.0f ? 200.0f * mel / 3.0f : 1000.0f * expf((float)(log(6.4) / 27) * (mel - 15.0f));
}

/* fb (n_fft/2+1, n_mels): triangles linear in Hz, not normalised by area. */
static float *make_filters(const melspec_conf *c)
{
    const int64_t bins = c->n_fft / 2 + 1, n = c->n_mels;
    float *hz = spk_new((size_t)(n + 2) * sizeof *hz), *fb = spk_new((size_t)(bins * n) * sizeof *fb);
    const float low = to_mel((double)c->f_min, c->mel_scale), high = to_mel((double)c->f_max, c->mel_scale);
    for (int64_t j = 0; j < n + 2; j++)
        hz[j] = to_hz(low + (high - low) * (float)j / (float)(n + 1), c->mel_scale);
    for (int64_t k = 0; k < bins; k++) {
        const float f = (float)((double)c->sample_rate / 2 * (double)k / (double)(bins - 1));
        for (int64_t j = 0; j < n; j++) {
            const float up = (f - hz[j]) / (hz[j + 1] - hz[j]), down = (hz[j + 2] - f) / (hz[j + 2] - hz[j + 1]);
            const float w = up < down ? up : down;
            fb[k * n + j] = w > 0 ? w : 0;
        }
    }
    spk_free(hz);
    return fb;
}

/* y[n] = x[n] - 0.97 x[n-1] */
static float *make_preemphasis(void)
{
    float *filter = spk_new(2 * sizeof *filter);
    filter[0] = -0.97f;
    filter[1] = 1;
    return filter;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    const melspec_conf *c = conf;
    const int64_t bins = c->n_fft / 2 + 1;
    const spk_window kind = c->window_fn == HAMMING ? SPK_WINDOW_HAMMING : SPK_WINDOW_HANN;
    spk_tensor *filter = NULL;
    spk_feature_say_rate(b, "frontend.transform.mel_scale.fb", c->sample_rate);
    if (c->preemp)
        filter = spk_feature_table(b, "frontend.flipped_filter", 3, (int64_t[]){1, 1, 2}, make_preemphasis());
    spk_tensor *window = spk_feature_table(b, "frontend.transform.spectrogram.window", 1, &c->win_length,
                                           spk_feature_window(kind, c->win_length, true));
    spk_tensor *fb =
        spk_feature_table(b, "frontend.transform.mel_scale.fb", 2, (int64_t[]){bins, c->n_mels}, make_filters(c));
    const spk_melspec_attr attr = {.n_fft = c->n_fft,
                                   .win_length = c->win_length,
                                   .hop_length = c->hop_length,
                                   .n_mels = c->n_mels,
                                   .log = c->log,
                                   .mean_norm = c->normalize == 0};
    return spk_g_melspec(b->g, wave, filter, window, fb, NULL, attr);
}

const spk_part spk__frontend_melspec_torch = {.name = "melspec_torch",
                                              .options = options,
                                              .n_options = SPK_COUNT(options),
                                              .conf_bytes = sizeof(melspec_conf),
                                              .check = check,
                                              .build = build,
                                              .min_samples = min_samples,
                                              .frames = frames};
