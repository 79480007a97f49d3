/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec_torch: pre-emphasis, power spectrum, mel filters, logarithm, mean subtraction over time.
 * Source: espnet2.asr.frontend.melspec_torch, torchaudio's MelSpectrogram (specification 2.1). Window and filter bank
 * are buffers of the model, so a loaded model uses the tables that it was trained with.
 */
#include <math.h>

#include "model/build_impl.h"

typedef struct melspec_conf {
    bool preemp, log;
    int64_t n_fft, win_length, hop_length, f_min, f_max, n_mels;
    int window_fn, mel_scale, normalize;
} melspec_conf;

enum { HAMMING, HANN };
enum { HTK, SLANEY };
static const double SAMPLE_RATE = 16000; /* whatever the data, as in ESPnet */

#define FIELD(name) offsetof(melspec_conf, name)
static const spk_opt options[] = {
    {"preemp", SPK_OPT_BOOL, FIELD(preemp), "true", 0, 0, NULL, "pre-emphasis, coefficient 0.97", 0},
    {"n_fft", SPK_OPT_INT, FIELD(n_fft), "512", 2, 65536, NULL, "points of the Fourier transform", 0},
    {"log", SPK_OPT_BOOL, FIELD(log), "false", 0, 0, NULL, "natural logarithm", 0},
    {"win_length", SPK_OPT_INT, FIELD(win_length), "400", 1, 65536, NULL, "samples of a window", 0},
    {"hop_length", SPK_OPT_INT, FIELD(hop_length), "160", 1, 65536, NULL, "samples from frame to frame", 0},
    {"f_min", SPK_OPT_INT, FIELD(f_min), "20", 0, 8000, NULL, "lowest frequency, Hz", 0},
    {"f_max", SPK_OPT_INT, FIELD(f_max), "7600", 1, 8000, NULL, "highest frequency, Hz", 0},
    {"n_mels", SPK_OPT_INT, FIELD(n_mels), "80", 1, 4096, NULL, "mel filters", 0},
    {"window_fn", SPK_OPT_CHOICE, FIELD(window_fn), "hamming", 0, 0, "hamming|hann", "window", 0},
    {"mel_scale", SPK_OPT_CHOICE, FIELD(mel_scale), "htk", 0, 0, "htk|slaney", "mel scale", 0},
    {"normalize", SPK_OPT_CHOICE, FIELD(normalize), "none", 0, 0, "mn", "mn: subtract the mean over time",
     SPK_OPT_NULLABLE},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const melspec_conf *c = conf;
    (void)in;
    if (c->win_length > c->n_fft)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: win_length %lld is larger than n_fft %lld",
                        (long long)c->win_length, (long long)c->n_fft);
    if (c->f_min >= c->f_max)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: f_min %lld is not below f_max %lld", (long long)c->f_min,
                        (long long)c->f_max);
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
    if (scale == HTK) return (float)(2595 * log10(1 + hz / 700));
    return (float)(hz < 1000 ? 3 * hz / 200 : 15 + 27 * log(hz / 1000) / log(6.4));
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
        const float f = (float)(SAMPLE_RATE / 2 * (double)k / (double)(bins - 1));
        for (int64_t j = 0; j < n; j++) {
            const float up = (f - hz[j]) / (hz[j + 1] - hz[j]), down = (hz[j + 2] - f) / (hz[j + 2] - hz[j + 1]);
            const float w = up < down ? up : down;
            fb[k * n + j] = w > 0 ? w : 0;
        }
    }
    spk_free(hz);
    return fb;
}

/* Periodic: divided by the length, not by one less. */
static float *make_window(const melspec_conf *c)
{
    const double a = c->window_fn == HAMMING ? 0.54 : 0.5;
    float *window = spk_new((size_t)c->win_length * sizeof *window);
    for (int64_t i = 0; i < c->win_length; i++)
        window[i] = (float)(a - (1 - a) * cos(6.283185307179586 * (double)i / (double)c->win_length));
    return window;
}

static float *make_filter(const melspec_conf *c)
{
    float *filter = spk_new(2 * sizeof *filter);
    (void)c;
    filter[0] = -0.97f; /* y[n] = x[n] - 0.97 x[n-1] */
    filter[1] = 1;
    return filter;
}

/* Declares a buffer; the table is made only the first time. */
static spk_tensor *table(spk_build *b, const char *name, int n_dims, const int64_t *dim,
                         float *(*make)(const melspec_conf *), const melspec_conf *c)
{
    const spk_param *p = spk_params_find(b->params, name);
    if (!p) {
        float *values = make(c);
        p = spk_params_declare(b->params, name, false, n_dims, dim, (spk_init){SPK_INIT_TABLE, 0, values});
        spk_free(values);
    }
    return spk_g_param(b->g, p);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    const melspec_conf *c = conf;
    const int64_t bins = c->n_fft / 2 + 1;
    spk_tensor *filter = NULL;
    if (c->preemp) filter = table(b, "frontend.flipped_filter", 3, (int64_t[]){1, 1, 2}, make_filter, c);
    spk_tensor *window = table(b, "frontend.transform.spectrogram.window", 1, &c->win_length, make_window, c);
    spk_tensor *fb = table(b, "frontend.transform.mel_scale.fb", 2, (int64_t[]){bins, c->n_mels}, make_filters, c);
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
