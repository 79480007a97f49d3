/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asteroid_frontend: learned band-pass filters on the waveform, for RawNet3. Source: espnet2.asr.frontend.
 * asteroid_frontend with asteroid_filterbanks' parameterised filters (Pariente et al., "Filterbank design for end-to-end
 * speech separation", ICASSP 2020; specification 2.3): pre-emphasis, normalisation of the utterance, filters, logarithm
 * of the magnitude less its mean over time.
 *
 * The normalisation adds 1e-4 to the variance, so features depend on the scale of the samples: they are taken in -1..1,
 * which is how spk reads sound. ESPnet's filters always assume 16 kHz; here they know the rate of the data, unless
 * the configuration is ESPnet's or sample_rate says otherwise.
 */
#include <math.h>

#include "model/build_impl.h"

typedef struct asteroid_conf {
    int64_t sinc_filters, sinc_kernel_size, sinc_stride, sample_rate;
    double preemph_coef, log_term;
} asteroid_conf;

enum { ESPNET_RATE = 16000, LOWEST_RATE = 2000 };
static const double PI = 3.14159265358979323846;

#define FIELD(name) offsetof(asteroid_conf, name)
static const spk_opt options[] = {
    {"sinc_filters", SPK_OPT_INT, FIELD(sinc_filters), "256", 2, 65536, NULL, "filters, half of them even, half odd",
     0},
    {"sinc_kernel_size", SPK_OPT_INT, FIELD(sinc_kernel_size), "251", 3, 65535, NULL, "samples of a filter", 0},
    {"sinc_stride", SPK_OPT_INT, FIELD(sinc_stride), "16", 1, 65536, NULL, "samples from frame to frame", 0},
    {"preemph_coef", SPK_OPT_FLOAT, FIELD(preemph_coef), "0.97", -1, 1, NULL, "pre-emphasis", 0},
    {"log_term", SPK_OPT_FLOAT, FIELD(log_term), "1e-6", 1e-30, 1, NULL, "added before the logarithm", 0},
    {"sample_rate", SPK_OPT_INT, FIELD(sample_rate), "none", LOWEST_RATE, 1e6, NULL,
     "Hz that the filters assume; none: the data's, or 16000 with ESPnet's version", SPK_OPT_NULLABLE},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    asteroid_conf *c = conf;
    if (c->sinc_filters % 2)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: sinc_filters is %lld; it must be even, as filters come in pairs",
                        (long long)c->sinc_filters);
    if (c->sinc_kernel_size % 2 == 0)
        return spk_fail(SPK_E_CONFIG,
                        "frontend_conf: sinc_kernel_size is %lld; it must be odd, as filters have a centre",
                        (long long)c->sinc_kernel_size);
    if (c->sample_rate == SPK_NONE) c->sample_rate = in->like_202611 ? ESPNET_RATE : in->sample_rate;
    if (c->sample_rate < LOWEST_RATE)
        return spk_fail(SPK_E_CONFIG,
                        "frontend_conf: asteroid_frontend needs a sample rate of %d Hz at least, not %lld", LOWEST_RATE,
                        (long long)c->sample_rate);
    *output_size = c->sinc_filters;
    return SPK_OK;
}

static int64_t min_samples(const void *conf)
{
    return ((const asteroid_conf *)conf)->sinc_kernel_size;
}

static int64_t frames(const void *conf, int64_t samples)
{
    const asteroid_conf *c = conf;
    return (samples - c->sinc_kernel_size) / c->sinc_stride + 1;
}

/* ---- initial values, in float32 as their source makes them ---- */

static double to_mel(double hz)
{
    return 2595 * log10(1 + hz / 700);
}

/* Edge i of the filters: equally spaced in mel from 30 Hz to 100 Hz below half the sample rate. */
static float edge_hz(const asteroid_conf *c, int64_t i)
{
    const double low = to_mel(30), high = to_mel((double)c->sample_rate / 2 - 100);
    const float mel = (float)(low + (high - low) * (double)(2 * i) / (double)c->sinc_filters);
    return 700.0f * (powf(10.0f, mel / 2595.0f) - 1.0f);
}

static float low_at(const asteroid_conf *c, int64_t i)
{
    return edge_hz(c, i);
}

static float band_at(const asteroid_conf *c, int64_t i)
{
    return edge_hz(c, i + 1) - edge_hz(c, i);
}

/* The left half of a symmetric Hamming window. */
static float window_at(const asteroid_conf *c, int64_t i)
{
    return (float)(0.54 - 0.46 * cos(2 * PI * (double)i / (double)(c->sinc_kernel_size - 1)));
}

/* Time before the centre, in radians a Hz. */
static float time_at(const asteroid_conf *c, int64_t i)
{
    const int64_t place = i - c->sinc_kernel_size / 2;
    return (float)(2 * PI) * ((float)place / (float)c->sample_rate);
}

static float preemph_at(const asteroid_conf *c, int64_t i)
{
    return i == 0 ? (float)-c->preemph_coef : 1;
}

/* The parameter or buffer frontend.LEAF; its values are made only the first time. */
static spk_tensor *table(spk_build *b, const asteroid_conf *c, const char *leaf, bool trainable, int n_dims,
                         const int64_t *dim, float (*at)(const asteroid_conf *, int64_t))
{
    char name[128];
    const spk_param *p = spk_params_find(b->params, spk_layer_name(name, "frontend", leaf, -1));
    if (!p) {
        int64_t n = 1;
        for (int i = 0; i < n_dims; i++)
            n *= dim[i];
        float *values = spk_new((size_t)n * sizeof *values);
        for (int64_t i = 0; i < n; i++)
            values[i] = at(c, i);
        p = spk_params_declare(b->params, name, trainable, n_dims, dim, (spk_init){SPK_INIT_TABLE, 0, values});
        spk_free(values);
    }
    return spk_g_param(b->g, p);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    const asteroid_conf *c = conf;
    const int64_t m = c->sinc_filters / 2, half = c->sinc_kernel_size / 2;
    spk_tensor *const in[8] = {
        wave,
        table(b, c, "flipped_filter", false, 3, (int64_t[]){1, 1, 2}, preemph_at),
        spk_g_param(b->g, spk_layer_constant(b, "frontend.norm", "weight", true, 1, 1)),
        spk_g_param(b->g, spk_layer_constant(b, "frontend.norm", "bias", true, 1, 0)),
        table(b, c, "conv.filterbank.low_hz_", true, 2, (int64_t[]){m, 1}, low_at),
        table(b, c, "conv.filterbank.band_hz_", true, 2, (int64_t[]){m, 1}, band_at),
        table(b, c, "conv.filterbank.window_", false, 1, (int64_t[]){half}, window_at),
        table(b, c, "conv.filterbank.n_", false, 2, (int64_t[]){1, half}, time_at),
    };
    const spk_sinc_attr attr = {.kernel_size = c->sinc_kernel_size,
                                .stride = c->sinc_stride,
                                .log_term = c->log_term,
                                .sample_rate = (double)c->sample_rate};
    return spk_g_sinc(b->g, in, attr);
}

const spk_part spk__frontend_asteroid_frontend = {.name = "asteroid_frontend",
                                                  .options = options,
                                                  .n_options = SPK_COUNT(options),
                                                  .conf_bytes = sizeof(asteroid_conf),
                                                  .check = check,
                                                  .build = build,
                                                  .min_samples = min_samples,
                                                  .frames = frames};
