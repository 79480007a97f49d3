/* SPDX-License-Identifier: Apache-2.0 */
/* Windows, mel filters and checks of the frontends of fixed filters (features_impl.h). Tables are made in double. */
#include "model/features_impl.h"

#include <math.h>

#define PI 3.14159265358979323846

/* ---- windows ---- */

/* The modified Bessel function of order 0, by its series. */
static double bessel0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 100 && term > 1e-18 * sum; k++) {
        term *= x * x / (4.0 * k * k);
        sum += term;
    }
    return sum;
}

/* At x turns of the period. */
static double window_at(spk_window kind, double x)
{
    enum { KAISER_BETA = 12 }; /* torch's */
    const double side = 2 * x - 1;
    switch (kind) {
    case SPK_WINDOW_HANN:
        return 0.5 - 0.5 * cos(2 * PI * x);
    case SPK_WINDOW_HAMMING:
        return 0.54 - 0.46 * cos(2 * PI * x);
    case SPK_WINDOW_BLACKMAN:
        return 0.42 - 0.5 * cos(2 * PI * x) + 0.08 * cos(4 * PI * x);
    case SPK_WINDOW_BARTLETT:
        return 1 - fabs(side);
    case SPK_WINDOW_KAISER:
        return bessel0(KAISER_BETA * sqrt(1 - side * side)) / bessel0(KAISER_BETA);
    case SPK_WINDOW_POVEY:
        return pow(0.5 - 0.5 * cos(2 * PI * x), 0.85);
    default:
        return 1;
    }
}

float *spk_feature_window(spk_window kind, int64_t n, bool periodic)
{
    float *window = spk_new((size_t)n * sizeof *window);
    const int64_t turn = periodic ? n : n - 1;
    for (int64_t i = 0; i < n; i++)
        window[i] = turn > 0 ? (float)window_at(kind, (double)i / (double)turn) : 1;
    return window;
}

/* ---- mel scales ---- */

double spk_mel_of(double hz, spk_mel_scale scale)
{
    if (scale == SPK_MEL_HTK) return 2595 * log10(1 + hz / 700);
    return hz < 1000 ? 3 * hz / 200 : 15 + 27 * log(hz / 1000) / log(6.4);
}

double spk_mel_to_hz(double mel, spk_mel_scale scale)
{
    if (scale == SPK_MEL_HTK) return 700 * (pow(10, mel / 2595) - 1);
    return mel < 15 ? 200 * mel / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15));
}

double *spk_mel_edges(int64_t n_mels, double low, double high, spk_mel_scale scale)
{
    double *hz = spk_new((size_t)(n_mels + 2) * sizeof *hz);
    const double from = spk_mel_of(low, scale), to = spk_mel_of(high, scale);
    for (int64_t j = 0; j < n_mels + 2; j++)
        hz[j] = spk_mel_to_hz(from + (to - from) * (double)j / (double)(n_mels + 1), scale);
    return hz;
}

float *spk_feature_cepstra(int64_t n_mels, int64_t n_ceps, double lifter)
{
    float *dct = spk_new((size_t)(n_mels * n_ceps) * sizeof *dct);
    for (int64_t c = 0; c < n_ceps; c++) {
        const double norm = sqrt((c == 0 ? 1.0 : 2.0) / (double)n_mels);
        const double lift = lifter != 0 ? 1 + 0.5 * lifter * sin(PI * (double)c / lifter) : 1;
        for (int64_t m = 0; m < n_mels; m++)
            dct[m * n_ceps + c] = (float)(lift * norm * cos(PI / (double)n_mels * ((double)m + 0.5) * (double)c));
    }
    return dct;
}

/* ---- checks ---- */

spk_status spk_feature_check_band(const char *low_key, double low, const char *high_key, double high, int64_t rate)
{
    const double nyquist = (double)rate / 2;
    if (high > nyquist)
        return spk_fail(SPK_E_CONFIG,
                        "frontend_conf: %s: %g Hz is above %g Hz, half of the sample rate %lld: set %s to %g or less",
                        high_key, high, nyquist, (long long)rate, high_key, nyquist);
    if (low < 0 || high <= low)
        return spk_fail(SPK_E_CONFIG, "frontend_conf: %s %g Hz and %s %g Hz are no band: the first must be the lower",
                        low_key, low, high_key, high);
    return SPK_OK;
}

spk_status spk_feature_check_rate(const char *key, int64_t *rate, const spk_part_in *in)
{
    if (*rate == SPK_NONE) *rate = in->sample_rate;
    if (*rate == in->sample_rate) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "frontend_conf: %s: the features are for %lld Hz, but the audio is brought to %lld Hz "
                    "(preprocessor_conf.sample_rate): set both alike",
                    key, (long long)*rate, (long long)in->sample_rate);
}

void spk_feature_say_rate(const spk_build *b, const char *table, int64_t rate)
{
    if (b->sample_rate <= 0 || rate == b->sample_rate || spk_params_find(b->params, table)) return;
    spk_warn("model", "%s: the mel filters are for %lld Hz although the audio has %lld Hz, as in ESPnet", table,
             (long long)rate, (long long)b->sample_rate);
}

int64_t spk_feature_min_samples(const spk_melspec_attr *attr)
{
    switch (attr->edges) {
    case SPK_EDGES_REFLECT:
        return attr->n_fft / 2 + 1; /* what is mirrored must be there */
    case SPK_EDGES_ZERO:
        return 1 + attr->n_fft % 2;
    case SPK_EDGES_INSIDE:
        return attr->n_fft;
    case SPK_EDGES_REPEAT:
        if (attr->hop_length - attr->hop_length / 2 > attr->win_length) return attr->hop_length;
        return attr->win_length;
    default:
        return attr->win_length;
    }
}

/* ---- tables ---- */

spk_tensor *spk_feature_table(spk_build *b, const char *name, int n_dims, const int64_t *dim, float *values)
{
    const spk_param *p = spk_params_find(b->params, name);
    if (!p) p = spk_params_declare(b->params, name, false, n_dims, dim, (spk_init){SPK_INIT_TABLE, 0, values});
    spk_free(values);
    return spk_g_param(b->g, p);
}

spk_tensor *spk_feature_constant(spk_build *b, int64_t rows, int64_t c, float *values)
{
    spk_tensor *t = spk_g_constant(b->g, values, 1, 1, 1, rows * c);
    spk_free(values);
    return t;
}
