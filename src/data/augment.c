/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of changes to a crop (augment_impl.h): reverberation, noise, volume. */
#include "data/augment_impl.h"

#include <math.h>

struct spk_augment {
    spk_reverb reverb;
    spk_noise noise;
    double volume_prob, volume_lo, volume_hi;
    int64_t rate, T;
    uint64_t seed;
    spk_sound_budget budget;
};

static bool changes_nothing(const spk_augment_options *o)
{
    return !(o->rir_scp && o->rir_apply_prob > 0) && o->noise_apply_prob <= 0 && o->volume_apply_prob <= 0;
}

spk_status spk_augment_open(const spk_augment_options *o, const spk_babble_source *babble, int64_t rate, int64_t T,
                            uint64_t seed, spk_augment **out)
{
    spk_status status;
    *out = NULL;
    if (changes_nothing(o)) return SPK_OK;
    spk_augment *a = spk_new(sizeof *a);
    *a = (spk_augment){.volume_prob = o->volume_apply_prob,
                       .volume_lo = o->volume_lo,
                       .volume_hi = o->volume_hi,
                       .rate = rate,
                       .T = T,
                       .seed = seed,
                       .budget = {.bytes = o->cache_bytes > 0 ? (size_t)o->cache_bytes : 0}};
    SPK_GO(spk_reverb_open(o, &a->budget, &a->reverb));
    SPK_GO(spk_noise_open(o, babble, &a->budget, &a->noise));
    *out = a;
    a = NULL;
done:
    spk_augment_close(a);
    return status;
}

void spk_augment_close(spk_augment *a)
{
    if (!a) return;
    spk_reverb_close(&a->reverb);
    spk_noise_close(&a->noise);
    spk_free(a);
}

spk_augment_bench *spk_augment_bench_new(const spk_augment *a, spk_audio_reader *reader)
{
    spk_augment_bench *b = spk_new(sizeof *b);
    *b = (spk_augment_bench){.reader = reader, .convolver = spk_convolver_new()};
    b->noise = spk_new(sizeof *b->noise * (size_t)a->T);
    b->sum = spk_new(sizeof *b->sum * (size_t)a->T);
    return b;
}

void spk_augment_bench_free(spk_augment_bench *b)
{
    if (!b) return;
    spk_convolver_free(b->convolver);
    spk_sound_room_clear(&b->response);
    spk_free(b->noise);
    spk_free(b->sum);
    spk_free(b);
}

static spk_rng stream(const spk_augment *a, const spk_augment_item *item, int purpose)
{
    return spk_rng_make(a->seed, purpose, item->epoch, item->hash, item->nth);
}

static void change_volume(const spk_augment *a, spk_rng *draw, float *x)
{
    if (a->volume_prob <= 0 || spk_rng_uniform(draw) >= a->volume_prob) return;
    const double db = a->volume_lo + spk_rng_uniform(draw) * (a->volume_hi - a->volume_lo);
    const float gain = (float)pow(10, db / 20);
    for (int64_t t = 0; t < a->T; t++)
        x[t] *= gain;
}

spk_status spk_augment_apply(spk_augment *a, spk_augment_bench *b, const spk_augment_item *item, float *x)
{
    spk_rng rir = stream(a, item, SPK_PURPOSE_RIR), noise = stream(a, item, SPK_PURPOSE_NOISE),
            volume = stream(a, item, SPK_PURPOSE_VOLUME);
    SPK_TRY(spk_reverb_apply(&a->reverb, b, a->rate, &rir, a->T, x));
    SPK_TRY(spk_noise_apply(&a->noise, b, item->speaker, &noise, a->T, x));
    change_volume(a, &volume, x);
    return SPK_OK;
}
