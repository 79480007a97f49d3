/* SPDX-License-Identifier: Apache-2.0 */
/* Voice activity by energy (vad_impl.h). */
#include "data/vad_impl.h"

#include <float.h>
#include <math.h>

enum { BLOCK_FRAMES = 1000 }; /* that are read at once: ten seconds */
static const double FULL_SCALE = 32768;

void spk_vad_options_init(spk_vad_options *o)
{
    *o = (spk_vad_options){.energy_threshold = 5, .energy_mean_scale = 0.5, .proportion_threshold = 0.6};
}

/* Kaldi cuts both to whole samples. */
int64_t spk_vad_window(int64_t rate)
{
    return rate * 25 / 1000;
}

int64_t spk_vad_shift(int64_t rate)
{
    return rate * 10 / 1000;
}

int64_t spk_vad_frames(int64_t n, int64_t rate)
{
    const int64_t window = spk_vad_window(rate);
    return n < window ? 0 : 1 + (n - window) / spk_vad_shift(rate);
}

void spk_vad_log_energy(const float *x, int64_t n, int64_t rate, float *log_energy)
{
    const int64_t window = spk_vad_window(rate), shift = spk_vad_shift(rate);
    for (int64_t t = 0; t < n; t++, x += shift) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < window; i++)
            sum += (double)x[i];
        const double mean = sum / (double)window;
        for (int64_t i = 0; i < window; i++)
            squares += ((double)x[i] - mean) * ((double)x[i] - mean);
        log_energy[t] = (float)log(fmax(squares * FULL_SCALE * FULL_SCALE, (double)FLT_EPSILON));
    }
}

void spk_vad_decide(const spk_vad_options *o, const float *log_energy, int64_t n, uint8_t *speech)
{
    const int64_t C = o->frames_context;
    double threshold = o->energy_threshold, sum = 0;
    for (int64_t t = 0; t < n; t++)
        sum += (double)log_energy[t];
    if (n > 0) threshold += o->energy_mean_scale * sum / (double)n;
    int64_t above = 0; /* among the frames [t - C, t + C] that there are */
    for (int64_t t = 0; t < C && t < n; t++)
        above += (double)log_energy[t] > threshold;
    for (int64_t t = 0; t < n; t++) {
        if (t + C < n) above += (double)log_energy[t + C] > threshold;
        if (t - C - 1 >= 0) above -= (double)log_energy[t - C - 1] > threshold;
        const int64_t first = t > C ? t - C : 0, last = t + C < n ? t + C : n - 1;
        speech[t] = (float)above >= (float)(last - first + 1) * (float)o->proportion_threshold; /* in float, as Kaldi */
    }
}

void spk_vad_parts(const uint8_t *speech, int64_t n_frames, int64_t n, int64_t shift, spk_spans *out)
{
    for (int64_t t = 0; t < n_frames; t++)
        if (speech[t]) spk_spans_add(out, t * shift, t + 1 < n_frames ? (t + 1) * shift : n);
    spk_spans_settle(out, n);
}

static spk_status read_energies(spk_audio_reader *r, int64_t n_frames, int64_t rate, float *log_energy)
{
    const int64_t window = spk_vad_window(rate), shift = spk_vad_shift(rate);
    spk_status status = SPK_OK;
    float *x = spk_new(sizeof *x * (size_t)((BLOCK_FRAMES - 1) * shift + window));
    for (int64_t t = 0; t < n_frames && status == SPK_OK; t += BLOCK_FRAMES) {
        const int64_t n = n_frames - t < BLOCK_FRAMES ? n_frames - t : BLOCK_FRAMES;
        status = spk_audio_part(r, t * shift, (n - 1) * shift + window, x);
        if (status == SPK_OK) spk_vad_log_energy(x, n, rate, log_energy + t);
    }
    spk_free(x);
    return status;
}

spk_status spk_vad_energy(const spk_vad_options *o, spk_audio_reader *r, int64_t n, int64_t rate, spk_spans *out)
{
    const int64_t T = spk_vad_frames(n, rate);
    float *log_energy = spk_new(sizeof *log_energy * (size_t)(T + 1));
    uint8_t *speech = spk_new((size_t)T + 1);
    const spk_status status = read_energies(r, T, rate, log_energy);
    if (status == SPK_OK) {
        spk_vad_decide(o, log_energy, T, speech);
        spk_vad_parts(speech, T, n, spk_vad_shift(rate), out);
    }
    spk_free(speech);
    spk_free(log_energy);
    return status;
}
