/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default: short-time power spectrum, librosa's mel filters (normalised by area), natural logarithm.
 * Source: espnet2.asr.frontend.default, espnet2.layers.stft and log_mel (specification 2.2). The filter matrix is a
 * buffer of the model, so a loaded model uses the one that it was trained with; the window is not stored.
 *
 * Frames behind an item's own are 0. An item ends at its own end and is mirrored there, as it would be alone (ESPnet
 * lets its last frames see the padding of the batch).
 */
#include <math.h>
#include <string.h>

#include "model/features_impl.h"

typedef struct default_conf {
    char *fs;
    int64_t n_fft, win_length, hop_length, n_mels, fmin, fmax;
    int window;
    bool center, normalized, onesided, htk, apply_stft;
    spk_yaml *frontend_conf;
    int64_t rate; /* fs as a number */
} default_conf;

static const int window_kinds[] = {SPK_WINDOW_HANN, SPK_WINDOW_HAMMING, SPK_WINDOW_BLACKMAN, SPK_WINDOW_BARTLETT,
                                   SPK_WINDOW_KAISER};

#define FIELD(name) offsetof(default_conf, name)
static const spk_opt options[] = {
    {"fs", SPK_OPT_STR, FIELD(fs), "none", 0, 0, NULL,
     "Hz, also as 16k; none: that of the audio (with ESPnet's version: 16000)", SPK_OPT_NULLABLE},
    {"n_fft", SPK_OPT_INT, FIELD(n_fft), "512", 2, 65536, NULL, "points of the Fourier transform", 0},
    {"win_length", SPK_OPT_INT, FIELD(win_length), "none", 1, 65536, NULL, "samples of a window; none: n_fft",
     SPK_OPT_NULLABLE},
    {"hop_length", SPK_OPT_INT, FIELD(hop_length), "128", 1, 65536, NULL, "samples from frame to frame", 0},
    {"window", SPK_OPT_CHOICE, FIELD(window), "hann", 0, 0, "hann|hamming|blackman|bartlett|kaiser",
     "window; none: rectangular", SPK_OPT_NULLABLE},
    {"center", SPK_OPT_BOOL, FIELD(center), "true", 0, 0, NULL, "frames are centred, the ends mirrored", 0},
    {"normalized", SPK_OPT_BOOL, FIELD(normalized), "false", 0, 0, NULL, "the transform is divided by sqrt(n_fft)", 0},
    {"onesided", SPK_OPT_BOOL, FIELD(onesided), "true", 0, 0, NULL, "must be true", 0},
    {"n_mels", SPK_OPT_INT, FIELD(n_mels), "80", 1, 4096, NULL, "mel filters", 0},
    {"fmin", SPK_OPT_INT, FIELD(fmin), "none", 0, 1e6, NULL, "lowest frequency, Hz; none: 0", SPK_OPT_NULLABLE},
    {"fmax", SPK_OPT_INT, FIELD(fmax), "none", 1, 1e6, NULL, "highest frequency, Hz; none: fs / 2", SPK_OPT_NULLABLE},
    {"htk", SPK_OPT_BOOL, FIELD(htk), "false", 0, 0, NULL, "mel scale of HTK, otherwise Slaney's", 0},
    {"frontend_conf", SPK_OPT_TREE, FIELD(frontend_conf), "none", 0, 0, NULL,
     "dereverberation and beamforming, which must be off", SPK_OPT_NULLABLE | SPK_OPT_MAP},
    {"apply_stft", SPK_OPT_BOOL, FIELD(apply_stft), "true", 0, 0, NULL, "must be true", 0},
};

/* ---- checks ---- */

/* "16000", "16k", "16 kHz": Hz; 0: no rate. */
static int64_t parse_rate(const char *text)
{
    int64_t hz = 0;
    double number = 0;
    char *digits = spk_strndup(text, strcspn(text, " kKhH"));
    const char *unit = text + strlen(digits);
    unit += strspn(unit, " ");
    const bool thousands = *unit == 'k' || *unit == 'K';
    unit += thousands;
    if ((!*unit || strcmp(unit, "Hz") == 0 || strcmp(unit, "hz") == 0) && spk_parse_double(digits, &number)) {
        number *= thousands ? 1000 : 1;
        if (number >= 1 && number <= 1e6) hz = (int64_t)number;
    }
    spk_free(digits);
    return hz;
}

static spk_status check_rate(default_conf *c, const spk_part_in *in)
{
    enum { ESPNETS_RATE = 16000 };
    if (!c->fs) c->fs = spk_strf("%lld", (long long)(in->like_202611 ? ESPNETS_RATE : in->sample_rate));
    c->rate = parse_rate(c->fs);
    if (c->rate == 0)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: fs: '%s' is no sample rate; write 16000 or 16k", c->fs);
    if (in->like_202611) return SPK_OK;
    return spk_feature_check_rate("fs", &c->rate, in);
}

/* Speech enhancement before the features. */
static spk_status check_enhancement(const default_conf *c)
{
    static const char *const keys[] = {"use_wpe", "use_beamformer"};
    for (int i = 0; i < 2 && c->frontend_conf; i++) {
        bool on = false;
        const spk_yaml *node = spk_yaml_get(c->frontend_conf, keys[i]);
        if (node && (!spk_yaml_bool(node, &on) || on))
            return spk_fail(SPK_E_UNSUPPORTED,
                            "frontend_conf.frontend_conf: %s: dereverberation and beamforming of several channels are "
                            "not supported; enhance the audio beforehand and leave it out",
                            keys[i]);
    }
    return SPK_OK;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    default_conf *c = conf;
    if (c->win_length == SPK_NONE) c->win_length = c->n_fft;
    SPK_TRY(check_rate(c, in));
    if (c->fmin == SPK_NONE) c->fmin = 0;
    const double high = c->fmax == SPK_NONE ? (double)c->rate / 2 : (double)c->fmax;
    SPK_TRY(spk_feature_check_band("fmin", (double)c->fmin, "fmax", high, c->rate));
    if (c->rate % 2 == 0 && c->fmax == SPK_NONE) c->fmax = c->rate / 2;
    if (!c->apply_stft)
        return spk_fail(SPK_E_UNSUPPORTED, "frontend_conf: apply_stft: false needs a spectrum as input, which is not "
                                           "supported; give the audio, and leave it at true");
    if (!c->onesided)
        return spk_fail(SPK_E_UNSUPPORTED, "frontend_conf: onesided: false gives more bins than the mel filters take; "
                                           "leave it at true");
    SPK_TRY(check_enhancement(c));
    if (c->win_length > c->n_fft)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: win_length %lld is larger than n_fft %lld",
                        (long long)c->win_length, (long long)c->n_fft);
    *output_size = c->n_mels;
    return SPK_OK;
}

/* ---- features ---- */

static spk_melspec_attr attributes(const default_conf *c)
{
    return (spk_melspec_attr){.n_fft = c->n_fft,
                              .win_length = c->win_length,
                              .hop_length = c->hop_length,
                              .n_mels = c->n_mels,
                              .log = true,
                              .edges = c->center ? SPK_EDGES_REFLECT : SPK_EDGES_INSIDE,
                              .scale = c->normalized ? 1 / sqrt((double)c->n_fft) : 1,
                              .log_floor = 1e-10};
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

/* Triangles linear in Hz, each divided by half of its width. */
static float *make_filters(const default_conf *c)
{
    const int64_t bins = c->n_fft / 2 + 1, n = c->n_mels;
    const double high = c->fmax == SPK_NONE ? (double)c->rate / 2 : (double)c->fmax;
    double *hz = spk_mel_edges(n, (double)c->fmin, high, c->htk ? SPK_MEL_HTK : SPK_MEL_SLANEY);
    float *fb = spk_new((size_t)(bins * n) * sizeof *fb);
    for (int64_t k = 0; k < bins; k++) {
        const double f = (double)(k * c->rate) / (double)c->n_fft;
        for (int64_t j = 0; j < n; j++) {
            const double up = (f - hz[j]) / (hz[j + 1] - hz[j]), down = (hz[j + 2] - f) / (hz[j + 2] - hz[j + 1]);
            const double w = up < down ? up : down;
            fb[k * n + j] = (float)(w > 0 ? w * 2 / (hz[j + 2] - hz[j]) : 0);
        }
    }
    spk_free(hz);
    return fb;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    const default_conf *c = conf;
    const spk_window kind = c->window < 0 ? SPK_WINDOW_RECTANGULAR : (spk_window)window_kinds[c->window];
    spk_feature_say_rate(b, "frontend.logmel.melmat", c->rate);
    spk_tensor *window = spk_feature_constant(b, 1, c->win_length, spk_feature_window(kind, c->win_length, true));
    spk_tensor *fb =
        spk_feature_table(b, "frontend.logmel.melmat", 2, (int64_t[]){c->n_fft / 2 + 1, c->n_mels}, make_filters(c));
    return spk_g_melspec(b->g, wave, NULL, window, fb, NULL, attributes(c));
}

const spk_part spk__frontend_default = {.name = "default",
                                        .options = options,
                                        .n_options = SPK_COUNT(options),
                                        .conf_bytes = sizeof(default_conf),
                                        .check = check,
                                        .build = build,
                                        .min_samples = min_samples,
                                        .frames = frames};
