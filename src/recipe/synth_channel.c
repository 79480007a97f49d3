/* SPDX-License-Identifier: Apache-2.0 */
/* What lies between a synthetic mouth and the file: equaliser, room, noise, level. */
#include "recipe/synth_parts_impl.h"

#include <math.h>
#include <string.h>

static double between(spk_rng *r, double low, double high)
{
    return low + (high - low) * spk_rng_uniform(r);
}

static double power(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return n > 0 ? sum / (double)n : 0;
}

/* ---- equaliser: biquads after R. Bristow-Johnson's cookbook ---- */

typedef struct biquad {
    double b0, b1, b2, a1, a2;
} biquad;

static biquad peaking(double hz, double rate, double db, double q)
{
    const double gain = pow(10, db / 40), w = 6.283185307179586 * hz / rate, alpha = sin(w) / (2 * q),
                 a0 = 1 + alpha / gain;
    return (biquad){(1 + alpha * gain) / a0, -2 * cos(w) / a0, (1 - alpha * gain) / a0, -2 * cos(w) / a0,
                    (1 - alpha / gain) / a0};
}

/* A first-order shelf, `db` above (high) or below the corner: (s sqrt(G) + 1) / (s / sqrt(G) + 1), bilinear. */
static biquad shelf(double hz, double rate, double db, bool high)
{
    const double gain = pow(10, (high ? db : -db) / 20), k = tan(3.141592653589793 * hz / rate), root = sqrt(gain);
    const double a0 = k + 1 / root, scale = high ? 1 : 1 / gain;
    return (biquad){scale * (k + root) / a0, scale * (k - root) / a0, 0, (k - 1 / root) / a0, 0};
}

static void filter(const biquad *f, float *x, int64_t n)
{
    double z1 = 0, z2 = 0;
    for (int64_t i = 0; i < n; i++) {
        const double in = (double)x[i], y = f->b0 * in + z1;
        z1 = f->b1 * in - f->a1 * y + z2;
        z2 = f->b2 * in - f->a2 * y;
        x[i] = (float)y;
    }
}

void spk__synth_equalise(spk_rng *r, synth_signal *s, int rate, double db)
{
    const double hz = rate;
    const biquad low = shelf(between(r, 150, 400), hz, between(r, -db, db), false);
    const biquad middle =
        peaking(exp(between(r, log(400), log(0.2 * hz))), hz, between(r, -db, db), between(r, 0.7, 2));
    const biquad high = shelf(between(r, 0.1 * hz, 0.25 * hz), hz, between(r, -db, db), true);
    filter(&low, s->x, s->n);
    filter(&middle, s->x, s->n);
    filter(&high, s->x, s->n);
}

/* ---- room ---- */

/*
 * A tail of single echoes at random times, 2000 a second with random signs ("velvet noise"): sounds as dense as filtered
 * noise and costs a hundredth of a full convolution.
 */
spk_status spk__synth_reverberate(spk_rng *r, synth_signal *s, int rate, double rt60)
{
    const double density = 2000, ratio_db = between(r, 4, 14), first_s = between(r, 0.002, 0.01);
    const int64_t n_echoes = (int64_t)(density * rt60);
    float *y = spk_alloc((size_t)s->n * sizeof *y);
    double *gain = spk_new(sizeof *gain * (size_t)(n_echoes + 1));
    int64_t *delay = spk_new(sizeof *delay * (size_t)(n_echoes + 1));
    if (!y) {
        spk_free(gain);
        spk_free(delay);
        return spk_fail(SPK_E_NOMEM, "no memory for the reverberation of %lld samples", (long long)s->n);
    }
    double energy = 0;
    for (int64_t i = 0; i < n_echoes; i++) {
        const double t = ((double)i + spk_rng_uniform(r)) / density;
        gain[i] = (spk_rng_u32(r) & 1 ? 1 : -1) * exp(-6.907755 * t / rt60);
        delay[i] = (int64_t)((first_s + t) * rate);
        energy += gain[i] * gain[i];
    }
    const double scale = energy > 0 ? sqrt(pow(10, -ratio_db / 10) / energy) : 0;
    memcpy(y, s->x, (size_t)s->n * sizeof *y);
    for (int64_t i = 0; i < n_echoes; i++) {
        const float g = (float)(gain[i] * scale);
        const int64_t d = delay[i];
        for (int64_t t = d; t < s->n; t++)
            y[t] += g * s->x[t - d];
    }
    spk_free(gain);
    spk_free(delay);
    spk_free(s->x);
    s->x = y;
    return SPK_OK;
}

/* ---- noise ---- */

/* The sum of four uniforms: near enough to normal for the ear, and cheaper than a logarithm. Variance 1. */
static double rough_normal(spk_rng *r)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (double)spk_rng_u32(r) * (1.0 / 4294967296.0) - 0.5;
    return sum * 1.7320508;
}

static void white(spk_rng *r, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)rough_normal(r);
}

/* About -3 dB an octave: white noise through three slow averages, each a factor 7 slower and stronger. */
static void pink(spk_rng *r, float *x, int64_t n)
{
    double slow[3] = {0, 0, 0};
    const double keep[3] = {0.55, 0.92, 0.988};
    for (int64_t i = 0; i < n; i++) {
        const double w = rough_normal(r);
        double sum = 0.15 * w;
        for (int k = 0; k < 3; k++) {
            slow[k] = keep[k] * slow[k] + sqrt(1 - keep[k]) * w;
            sum += slow[k] * 0.5;
        }
        x[i] = (float)sum;
    }
}

/* Five talkers far away: low-passed noise that comes and goes with the rhythm of syllables. */
static void babble(spk_rng *r, float *x, int64_t n, int rate)
{
    enum { TALKERS = 5 };
    double low[TALKERS] = {0}, lower[TALKERS] = {0}, step[TALKERS], phase[TALKERS], keep[TALKERS];
    for (int k = 0; k < TALKERS; k++) {
        step[k] = 6.283185307 * between(r, 2.5, 6) / rate;
        phase[k] = between(r, 0, 6.283185307);
        keep[k] = exp(-6.283185307 * between(r, 500, 1500) / rate);
    }
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < TALKERS; k++) {
            low[k] = keep[k] * low[k] + (1 - keep[k]) * rough_normal(r);
            lower[k] = 0.99 * lower[k] + 0.01 * low[k]; /* taken away: nothing below 25 Hz */
            const double loud = 0.5 + 0.5 * sin(phase[k] + step[k] * (double)i);
            sum += (low[k] - lower[k]) * loud * loud;
        }
        x[i] = (float)sum;
    }
}

spk_status spk__synth_add_noise(spk_rng *r, synth_signal *s, int rate, double snr_db)
{
    float *x = spk_alloc((size_t)s->n * sizeof *x);
    if (!x) return spk_fail(SPK_E_NOMEM, "no memory for noise of %lld samples", (long long)s->n);
    const int64_t kind = spk_rng_below(r, 3);
    if (kind == 0)
        white(r, x, s->n);
    else if (kind == 1)
        pink(r, x, s->n);
    else
        babble(r, x, s->n, rate);
    const double p = power(x, s->n);
    const float gain = (float)(p > 0 ? sqrt(power(s->x, s->n) / p * pow(10, -snr_db / 10)) : 0);
    for (int64_t i = 0; i < s->n; i++)
        s->x[i] += gain * x[i];
    spk_free(x);
    return SPK_OK;
}

void spk__synth_set_level(synth_signal *s, double db)
{
    double peak = 0;
    for (int64_t i = 0; i < s->n; i++)
        peak = fmax(peak, fabs((double)s->x[i]));
    const double rms = sqrt(power(s->x, s->n));
    if (rms <= 0) return;
    double gain = pow(10, db / 20) / rms;
    if (gain * peak > 0.98) gain = 0.98 / peak;
    for (int64_t i = 0; i < s->n; i++)
        s->x[i] = (float)((double)s->x[i] * gain);
}
