/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reverberation as ESPnet's SpkPreprocessor does it: the response is divided by the root of its energy, the convolution
 * is as long as the crop and keeps the response's delay. With `align` the delay of the direct sound, the largest
 * sample, is taken away, so that the crop's beginning is not silent.
 */
#include "data/augment_impl.h"

#include <math.h>

enum { LONGEST_S = 30 };

spk_status spk_reverb_open(const spk_augment_options *o, spk_sound_budget *budget, spk_reverb *out)
{
    *out = (spk_reverb){.prob = o->rir_apply_prob, .align = o->rir_align};
    if (!o->rir_scp || o->rir_apply_prob <= 0) return SPK_OK;
    return spk_sounds_open(o->rir_scp, budget, &out->responses);
}

void spk_reverb_close(spk_reverb *v)
{
    spk_sounds_close(v->responses);
    v->responses = NULL;
}

spk_status spk_reverb_prepare(const char *path, float *h, int64_t *n)
{
    double energy = 0, rest = 0;
    for (int64_t i = 0; i < *n; i++)
        energy += (double)h[i] * h[i];
    if (!(energy > 0)) return spk_fail(SPK_E_VALUE, "%s: a room response of zeros; take it out of the list", path);
    const double scale = 1 / sqrt(energy);
    while (*n > 1 && (rest += (double)h[*n - 1] * h[*n - 1]) < 1e-12 * energy)
        --*n;
    for (int64_t i = 0; i < *n; i++)
        h[i] = (float)(h[i] * scale);
    return SPK_OK;
}

static int64_t find_direct(const float *h, int64_t n)
{
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++)
        if (fabsf(h[i]) > fabsf(h[at])) at = i;
    return at;
}

spk_status spk_reverb_apply(const spk_reverb *v, spk_augment_bench *b, int64_t rate, spk_rng *draw, int64_t T, float *x)
{
    const float *h;
    int64_t n;
    if (!v->responses || spk_rng_uniform(draw) >= v->prob) return SPK_OK;
    const int64_t i = spk_rng_below(draw, spk_sounds_count(v->responses));
    SPK_TRY(spk_sounds_whole(v->responses, i, b->reader, LONGEST_S * rate, spk_reverb_prepare, &b->response, &h, &n));
    const int64_t skip = v->align ? find_direct(h, n) : 0;
    const int64_t reach = skip + T < n ? skip + T : n; /* later samples reach nothing that stays */
    return spk_convolve(b->convolver, x, T, h, reach, skip, x);
}
