/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Noise as ESPnet's SpkPreprocessor adds it: one kind is chosen by weight, then so many of its recordings, each with a
 * ratio of its own to the speech; their sum is added. Babble is crops of other speakers of the training set.
 */
#include "data/augment_impl.h"

#include <math.h>
#include <string.h>

/* ---- opening ---- */

static spk_status open_kind(const spk_noise_kind *kind, spk_noise *v, spk_sound_budget *budget)
{
    if (kind->weight <= 0) return SPK_OK;
    struct spk_noise_list l = {.kind = *kind, .babble = !kind->scp};
    if (!(kind->n_min >= 1 && kind->n_min <= kind->n_max && kind->snr_lo <= kind->snr_hi))
        return spk_fail(SPK_E_VALUE,
                        "noise %s: numbers [%lld, %lld] and ratios [%g, %g] dB must be ranges, and at "
                        "least one recording be added",
                        kind->scp ? kind->scp : "babble", (long long)kind->n_min, (long long)kind->n_max, kind->snr_lo,
                        kind->snr_hi);
    if (l.babble)
        l.sounds = spk_sounds_of(v->babble.path, v->babble.n, budget);
    else
        SPK_TRY(spk_sounds_open(kind->scp, budget, &l.sounds));
    l.kind.scp = NULL;
    v->total_weight += kind->weight;
    SPK_PUSH(v->list, v->n_kinds) = l;
    return SPK_OK;
}

static spk_status check_babble(const spk_noise *v)
{
    bool wanted = false;
    for (int64_t k = 0; k < v->n_kinds; k++)
        wanted = wanted || v->list[k].babble;
    for (int64_t i = 1; wanted && i < v->babble.n; i++)
        if (v->babble.speaker[i] != v->babble.speaker[0]) return SPK_OK;
    return wanted ? spk_fail(SPK_E_VALUE, "noise: babble is made of other speakers, and the training set has one")
                  : SPK_OK;
}

spk_status spk_noise_open(const spk_augment_options *o, const spk_babble_source *babble, spk_sound_budget *budget,
                          spk_noise *out)
{
    *out = (spk_noise){.prob = o->noise_apply_prob, .floor = o->noise_power_floor};
    if (babble) out->babble = *babble;
    if (o->noise_apply_prob <= 0) return SPK_OK;
    for (int64_t k = 0; k < o->n_noise; k++)
        SPK_TRY(open_kind(&o->noise[k], out, budget));
    if (out->n_kinds == 0)
        return spk_fail(SPK_E_VALUE,
                        "noise_apply_prob is %g and no kind of noise has a weight above 0; give noise_info "
                        "or set it to 0",
                        o->noise_apply_prob);
    return check_babble(out);
}

void spk_noise_close(spk_noise *v)
{
    for (int64_t k = 0; k < v->n_kinds; k++)
        spk_sounds_close(v->list[k].sounds);
    spk_free(v->list);
    *v = (spk_noise){0};
}

/* ---- adding ---- */

double spk_noise_scale(double speech, double noise, double snr_db, double floor)
{
    if (!(noise + floor > 0)) return 0;
    return sqrt((speech + floor) / (noise + floor) * pow(10, -snr_db / 10));
}

static double mean_square(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum / (double)n;
}

static const struct spk_noise_list *choose_kind(const spk_noise *v, spk_rng *draw)
{
    double at = spk_rng_uniform(draw) * v->total_weight;
    int64_t k = 0;
    while (k + 1 < v->n_kinds && at >= v->list[k].kind.weight)
        at -= v->list[k++].kind.weight;
    return &v->list[k];
}

/* An utterance of another speaker; where draws keep meeting the same one, the next of another. */
static int64_t choose_babble(const spk_noise *v, int64_t speaker, spk_rng *draw)
{
    int64_t i = spk_rng_below(draw, v->babble.n);
    for (int tries = 0; tries < 16 && v->babble.speaker[i] == speaker; tries++)
        i = spk_rng_below(draw, v->babble.n);
    while (v->babble.speaker[i] == speaker)
        i = (i + 1) % v->babble.n;
    return i;
}

static spk_status read_noise(const spk_noise *v, const struct spk_noise_list *l, spk_augment_bench *b, int64_t speaker,
                             spk_rng *draw, int64_t T)
{
    if (!l->babble)
        return spk_sounds_part(l->sounds, spk_rng_below(draw, spk_sounds_count(l->sounds)), b->reader, T, draw,
                               b->noise);
    const int64_t first = choose_babble(v, speaker, draw);
    int64_t i = first;
    spk_status status = spk_sounds_part(l->sounds, i, b->reader, T, draw, b->noise);
    while (status != SPK_OK && v->babble.pass_over_bad && (i = (i + 1) % v->babble.n) != first)
        if (v->babble.speaker[i] != speaker) status = spk_sounds_part(l->sounds, i, b->reader, T, draw, b->noise);
    return status;
}

spk_status spk_noise_apply(const spk_noise *v, spk_augment_bench *b, int64_t speaker, spk_rng *draw, int64_t T,
                           float *x)
{
    if (v->n_kinds == 0 || spk_rng_uniform(draw) >= v->prob) return SPK_OK;
    const struct spk_noise_list *l = choose_kind(v, draw);
    const spk_noise_kind *kind = &l->kind;
    const int64_t n = kind->n_min + spk_rng_below(draw, kind->n_max - kind->n_min + 1);
    const double speech = mean_square(x, T);
    memset(b->sum, 0, sizeof *b->sum * (size_t)T);
    for (int64_t k = 0; k < n; k++) {
        SPK_TRY(read_noise(v, l, b, speaker, draw, T));
        const double snr = kind->snr_lo + spk_rng_uniform(draw) * (kind->snr_hi - kind->snr_lo);
        const float scale = (float)spk_noise_scale(speech, mean_square(b->noise, T), snr, v->floor);
        for (int64_t t = 0; t < T; t++)
            b->sum[t] += scale * b->noise[t];
    }
    for (int64_t t = 0; t < T; t++)
        x[t] += b->sum[t];
    return SPK_OK;
}
