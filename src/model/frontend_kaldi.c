/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kaldi_fbank and mfcc: Kaldi's compute-fbank-feats and compute-mfcc-feats, with the options, defaults and float32
 * filter table of torchaudio.compliance.kaldi (specification W.1). Audio is in -1 .. 1 and multiplied by `scale` first:
 * 32768, the default, gives Kaldi's figures for 16-bit audio. `preset` stands for the settings of a toolkit; options
 * that are given win over it. Nothing is stored in the model's state: the configuration says all.
 */
#include <math.h>

#include "model/features_impl.h"

typedef struct kaldi_conf {
    int preset, window_type, snip_edges, cmn;
    int64_t num_mel_bins, num_ceps, sample_rate;
    double frame_length, frame_shift, dither, scale, preemphasis_coefficient, low_freq, high_freq, energy_floor;
    double cepstral_lifter;
    bool remove_dc_offset, use_energy, raw_energy, use_power, use_log_fbank, round_to_power_of_two;
} kaldi_conf;

static const int window_kinds[] = {SPK_WINDOW_HAMMING, SPK_WINDOW_POVEY, SPK_WINDOW_HANN, SPK_WINDOW_RECTANGULAR,
                                   SPK_WINDOW_BLACKMAN};
enum { HAMMING, POVEY };

#define FIELD(name) offsetof(kaldi_conf, name)
#define FRAME_OPTIONS                                                                                                    \
    {"frame_length", SPK_OPT_FLOAT, FIELD(frame_length), "25.0", 0.1, 10000, NULL, "milliseconds of a frame", 0},        \
        {"frame_shift",                                                                                                  \
         SPK_OPT_FLOAT,                                                                                                  \
         FIELD(frame_shift),                                                                                             \
         "10.0",                                                                                                         \
         0.1,                                                                                                            \
         10000,                                                                                                          \
         NULL,                                                                                                           \
         "milliseconds from frame to frame",                                                                             \
         0},                                                                                                             \
        {"window_type",                                                                                                  \
         SPK_OPT_CHOICE,                                                                                                 \
         FIELD(window_type),                                                                                             \
         "none",                                                                                                         \
         0,                                                                                                              \
         0,                                                                                                              \
         "hamming|povey|hanning|rectangular|blackman",                                                                   \
         "window; none: povey",                                                                                          \
         SPK_OPT_NULLABLE},                                                                                              \
        {"dither",                                                                                                       \
         SPK_OPT_FLOAT,                                                                                                  \
         FIELD(dither),                                                                                                  \
         "none",                                                                                                         \
         0,                                                                                                              \
         1e6,                                                                                                            \
         NULL,                                                                                                           \
         "in training, noise of this deviation is added to the scaled samples; none: 0",                                 \
         SPK_OPT_NULLABLE},                                                                                              \
        {"scale",                                                                                                        \
         SPK_OPT_FLOAT,                                                                                                  \
         FIELD(scale),                                                                                                   \
         "none",                                                                                                         \
         1e-9,                                                                                                           \
         1e9,                                                                                                            \
         NULL,                                                                                                           \
         "samples, in -1 .. 1, are multiplied by this; none: 32768",                                                     \
         SPK_OPT_NULLABLE},                                                                                              \
        {"snip_edges",                                                                                                   \
         SPK_OPT_CHOICE,                                                                                                 \
         FIELD(snip_edges),                                                                                              \
         "none",                                                                                                         \
         0,                                                                                                              \
         0,                                                                                                              \
         "false|true",                                                                                                   \
         "frames lie within the audio, otherwise it is mirrored at its ends; none: true",                                \
         SPK_OPT_NULLABLE},                                                                                              \
        {"preemphasis_coefficient",                                                                                      \
         SPK_OPT_FLOAT,                                                                                                  \
         FIELD(preemphasis_coefficient),                                                                                 \
         "0.97",                                                                                                         \
         0,                                                                                                              \
         1,                                                                                                              \
         NULL,                                                                                                           \
         "of each frame",                                                                                                \
         0},                                                                                                             \
        {"remove_dc_offset", SPK_OPT_BOOL, FIELD(remove_dc_offset), "true", 0, 0, NULL, "subtract a frame's mean", 0},   \
        {"low_freq", SPK_OPT_FLOAT, FIELD(low_freq), "20.0", 0, 1e6, NULL, "lowest frequency, Hz", 0},                   \
        {"high_freq",                                                                                                    \
         SPK_OPT_FLOAT,                                                                                                  \
         FIELD(high_freq),                                                                                               \
         "none",                                                                                                         \
         -1e6,                                                                                                           \
         1e6,                                                                                                            \
         NULL,                                                                                                           \
         "highest frequency, Hz; 0 or less: from half of the sample rate; none: 0",                                      \
         SPK_OPT_NULLABLE},                                                                                              \
        {"use_energy", SPK_OPT_BOOL, FIELD(use_energy), "false", 0, 0, NULL, "the frame's log energy comes first", 0},   \
        {"raw_energy", SPK_OPT_BOOL, FIELD(raw_energy), "true", 0, 0, NULL, "energy before pre-emphasis and window", 0}, \
        {"energy_floor", SPK_OPT_FLOAT, FIELD(energy_floor), "1.0", 0, 1e30, NULL, "least energy; 0: 2^-23", 0},         \
        {"round_to_power_of_two",                                                                                        \
         SPK_OPT_BOOL,                                                                                                   \
         FIELD(round_to_power_of_two),                                                                                   \
         "true",                                                                                                         \
         0,                                                                                                              \
         0,                                                                                                              \
         NULL,                                                                                                           \
         "points of the Fourier transform",                                                                              \
         0},                                                                                                             \
        {"cmn",                                                                                                          \
         SPK_OPT_CHOICE,                                                                                                 \
         FIELD(cmn),                                                                                                     \
         "none",                                                                                                         \
         0,                                                                                                              \
         0,                                                                                                              \
         "false|true",                                                                                                   \
         "subtract the mean over time; none: false",                                                                     \
         SPK_OPT_NULLABLE},                                                                                              \
    {                                                                                                                    \
        "sample_rate", SPK_OPT_INT, FIELD(sample_rate), "none", 1000, 1000000, NULL,                                     \
            "Hz; none: that of the audio, which it must be", SPK_OPT_NULLABLE                                            \
    }

static const spk_opt fbank_options[] = {
    {"preset", SPK_OPT_CHOICE, FIELD(preset), "none", 0, 0, "wespeaker|3dspeaker|sherpa",
     "settings of a toolkit, for options that are not given", SPK_OPT_NULLABLE},
    {"num_mel_bins", SPK_OPT_INT, FIELD(num_mel_bins), "none", 4, 4096, NULL, "mel filters; none: 23",
     SPK_OPT_NULLABLE},
    FRAME_OPTIONS,
    {"use_power", SPK_OPT_BOOL, FIELD(use_power), "true", 0, 0, NULL, "power, otherwise magnitude", 0},
    {"use_log_fbank", SPK_OPT_BOOL, FIELD(use_log_fbank), "true", 0, 0, NULL, "natural logarithm", 0},
};

static const spk_opt mfcc_options[] = {
    {"num_mel_bins", SPK_OPT_INT, FIELD(num_mel_bins), "23", 4, 4096, NULL, "mel filters", 0},
    {"num_ceps", SPK_OPT_INT, FIELD(num_ceps), "13", 1, 4096, NULL, "cepstra, with the zeroth", 0},
    {"cepstral_lifter", SPK_OPT_FLOAT, FIELD(cepstral_lifter), "22.0", 0, 1e6, NULL, "scale of the cepstra; 0: none",
     0},
    FRAME_OPTIONS,
};

/* What each toolkit computes: WeSpeaker's dataset processor (dither in training), 3D-Speaker's FBank, sherpa-onnx's
 * feature extractor for speaker models (normalize_samples 1; with scale 32768 it is that of normalize_samples 0). All
 * subtract the mean. The first row is none. */
static const struct {
    int64_t num_mel_bins;
    int window_type, snip_edges, cmn;
    double dither, scale, high_freq;
} presets[] = {{23, POVEY, true, false, 0, 32768, 0},
               {80, HAMMING, true, true, 1, 32768, 0},
               {80, POVEY, true, true, 0, 1, 0},
               {80, POVEY, false, true, 0, 1, -400}};

static void settle(kaldi_conf *c)
{
    const int p = c->preset + 1;
    if (c->num_mel_bins == SPK_NONE) c->num_mel_bins = presets[p].num_mel_bins;
    if (c->window_type < 0) c->window_type = presets[p].window_type;
    if (c->snip_edges < 0) c->snip_edges = presets[p].snip_edges;
    if (c->cmn < 0) c->cmn = presets[p].cmn;
    if (isnan(c->dither)) c->dither = presets[p].dither;
    if (isnan(c->scale)) c->scale = presets[p].scale;
    if (isnan(c->high_freq)) c->high_freq = presets[p].high_freq;
}

/* Samples of so many milliseconds. */
static int64_t samples_of(const kaldi_conf *c, double ms)
{
    return (int64_t)((double)c->sample_rate * ms * 0.001);
}

static int64_t transform_of(const kaldi_conf *c)
{
    int64_t n = 1;
    const int64_t window = samples_of(c, c->frame_length);
    while (n < window)
        n *= 2;
    return c->round_to_power_of_two ? n : window;
}

static double highest(const kaldi_conf *c)
{
    return c->high_freq <= 0 ? c->high_freq + (double)c->sample_rate / 2 : c->high_freq;
}

static spk_status check_kaldi(kaldi_conf *c, const spk_part_in *in)
{
    settle(c);
    SPK_TRY(spk_feature_check_rate("sample_rate", &c->sample_rate, in));
    SPK_TRY(spk_feature_check_band("low_freq", c->low_freq, "high_freq", highest(c), c->sample_rate));
    if (samples_of(c, c->frame_length) < 2 || samples_of(c, c->frame_shift) < 1)
        return spk_fail(SPK_E_CONFIG,
                        "frontend_conf: frame_length %g ms and frame_shift %g ms are too short at %lld Hz: a frame "
                        "needs two samples, a shift one",
                        c->frame_length, c->frame_shift, (long long)c->sample_rate);
    if (transform_of(c) > 65536 || transform_of(c) % 2)
        return spk_fail(SPK_E_CONFIG,
                        "frontend_conf: frame_length %g ms gives a Fourier transform of %lld points, which must be "
                        "even and at most 65536",
                        c->frame_length, (long long)transform_of(c));
    return SPK_OK;
}

static spk_status check_fbank(void *conf, const spk_part_in *in, int64_t *output_size)
{
    kaldi_conf *c = conf;
    SPK_TRY(check_kaldi(c, in));
    *output_size = c->num_mel_bins + c->use_energy;
    return SPK_OK;
}

static spk_status check_mfcc(void *conf, const spk_part_in *in, int64_t *output_size)
{
    kaldi_conf *c = conf;
    c->preset = -1;
    c->use_power = c->use_log_fbank = true;
    SPK_TRY(check_kaldi(c, in));
    if (c->num_ceps > c->num_mel_bins)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: num_ceps %lld is larger than num_mel_bins %lld",
                        (long long)c->num_ceps, (long long)c->num_mel_bins);
    *output_size = c->num_ceps;
    return SPK_OK;
}

static spk_melspec_attr attributes(const kaldi_conf *c)
{
    return (spk_melspec_attr){.n_fft = transform_of(c),
                              .win_length = samples_of(c, c->frame_length),
                              .hop_length = samples_of(c, c->frame_shift),
                              .n_mels = c->num_mel_bins,
                              .log = c->use_log_fbank,
                              .mean_norm = c->cmn > 0,
                              .remove_dc = c->remove_dc_offset,
                              .magnitude = !c->use_power,
                              .edges = c->snip_edges ? SPK_EDGES_SNIP : SPK_EDGES_REPEAT,
                              .energy = !c->use_energy  ? SPK_ENERGY_NONE
                                        : c->raw_energy ? SPK_ENERGY_RAW
                                                        : SPK_ENERGY_WINDOWED,
                              .n_ceps = c->num_ceps,
                              .scale = c->scale,
                              .preemph = c->preemphasis_coefficient,
                              .log_floor = 0x1p-23,
                              .energy_floor = c->energy_floor};
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

static float mel(float hz)
{
    return 1127.0f * logf(1.0f + hz / 700.0f);
}

/* Triangles linear in mel, in float32 like torchaudio's; the bin at half of the sample rate has no weight. */
static float *make_filters(const kaldi_conf *c)
{
    const int64_t n_fft = transform_of(c), n = c->num_mel_bins;
    float *fb = spk_new((size_t)((n_fft / 2 + 1) * n) * sizeof *fb);
    const double low = 1127 * log(1 + c->low_freq / 700), high = 1127 * log(1 + highest(c) / 700);
    const float first = (float)low, step = (float)((high - low) / (double)(n + 1));
    const float bin_width = (float)((double)c->sample_rate / (double)n_fft);
    for (int64_t k = 0; k < n_fft / 2; k++) {
        const float at = mel(bin_width * (float)k);
        for (int64_t j = 0; j < n; j++) {
            const float left = first + (float)j * step, centre = first + ((float)j + 1) * step;
            const float right = first + ((float)j + 2) * step;
            const float up = (at - left) / (centre - left), down = (right - at) / (right - centre);
            const float w = up < down ? up : down;
            fb[k * n + j] = w > 0 ? w : 0;
        }
    }
    return fb;
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    const kaldi_conf *c = conf;
    spk_melspec_attr attr = attributes(c);
    attr.dither = b->train ? c->dither : 0;
    float *window = spk_feature_window((spk_window)window_kinds[c->window_type], attr.win_length, false);
    spk_tensor *shape = spk_feature_constant(b, 1, attr.win_length, window), *dct = NULL;
    spk_tensor *fb = spk_feature_constant(b, attr.n_fft / 2 + 1, attr.n_mels, make_filters(c));
    if (c->num_ceps > 0)
        dct = spk_feature_constant(b, attr.n_mels, c->num_ceps,
                                   spk_feature_cepstra(attr.n_mels, c->num_ceps, c->cepstral_lifter));
    return spk_g_melspec(b->g, wave, NULL, shape, fb, dct, attr);
}

const spk_part spk__frontend_kaldi_fbank = {.name = "kaldi_fbank",
                                            .options = fbank_options,
                                            .n_options = SPK_COUNT(fbank_options),
                                            .conf_bytes = sizeof(kaldi_conf),
                                            .check = check_fbank,
                                            .build = build,
                                            .min_samples = min_samples,
                                            .frames = frames};

const spk_part spk__frontend_mfcc = {.name = "mfcc",
                                     .options = mfcc_options,
                                     .n_options = SPK_COUNT(mfcc_options),
                                     .conf_bytes = sizeof(kaldi_conf),
                                     .check = check_mfcc,
                                     .build = build,
                                     .min_samples = min_samples,
                                     .frames = frames};
