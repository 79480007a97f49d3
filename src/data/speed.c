/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed perturbation: copies of all utterances that play faster or slower, named as ESPnet's recipe names what it writes
 * ("sp0.9-UTT" of speaker "sp0.9-NAME"). Here a copy is the same file, read at another speed.
 */
#include "data/train_set_impl.h"

#include <math.h>
#include <string.h>

static const char *copy_name(spk_train_set *s, const char *number, const char *name)
{
    return SPK_PUSH(s->own_name, s->n_own_names) = spk_strf("sp%s-%s", number, name);
}

/* The classes of copies: a name that the list has already (it may be an earlier training's), or a new one behind it. */
static void find_classes(spk_train_set *s, const char *number, int64_t n_before, int64_t *class_of)
{
    spk_map known = {0};
    bool *used = spk_new(sizeof *used * (size_t)n_before);
    for (int64_t i = 0; i < s->n_base; i++)
        used[s->label[i]] = true;
    for (int64_t c = 0; c < s->n_speakers; c++)
        spk_map_put(&known, s->speaker[c], c);
    for (int64_t c = 0; c < n_before; c++) {
        if (!used[c]) continue;
        const char *name = copy_name(s, number, s->speaker[c]);
        if (spk_map_get(&known, name, &class_of[c])) continue;
        class_of[c] = s->n_speakers;
        s->speaker = spk_renew(s->speaker, sizeof *s->speaker * (size_t)(s->n_speakers + 1));
        s->speaker[s->n_speakers++] = name;
    }
    spk_free(used);
    spk_map_clear(&known);
}

static void grow(spk_train_set *s, int64_t n)
{
    const size_t room = (size_t)n;
    s->id = spk_renew(s->id, sizeof *s->id * room);
    s->path = spk_renew(s->path, sizeof *s->path * room);
    s->label = spk_renew(s->label, sizeof *s->label * room);
    s->category = spk_renew(s->category, sizeof *s->category * room);
    s->speed = spk_renew(s->speed, sizeof *s->speed * room);
    s->base = spk_renew(s->base, sizeof *s->base * room);
    s->hash = spk_renew(s->hash, sizeof *s->hash * room);
}

static void add_copies(spk_train_set *s, double factor)
{
    const int64_t n_speakers = s->n_speakers, n_categories = s->n_categories;
    const bool same = s->o.augment.speed_same_classes, by_label = s->category2utt.n == 0;
    char number[32];
    int64_t *class_of = spk_new(sizeof *class_of * (size_t)n_speakers);
    spk_format_double(factor, number);
    for (int64_t c = 0; c < n_speakers; c++)
        class_of[c] = c;
    if (!same) find_classes(s, number, n_speakers, class_of);
    grow(s, s->n + s->n_base);
    for (int64_t i = 0; i < s->n_base; i++) {
        const int64_t u = s->n + i;
        s->id[u] = copy_name(s, number, s->id[i]);
        s->path[u] = s->path[i];
        s->label[u] = class_of[s->label[i]];
        s->category[u] = by_label ? s->label[u] : s->category[i] + (same ? 0 : n_categories);
        s->speed[u] = llround(factor * SPK_SPEED_ONE);
        s->base[u] = i;
        s->hash[u] = spk_hash_str(s->id[u]);
    }
    s->n += s->n_base;
    s->n_categories = by_label ? s->n_speakers : n_categories + (same ? 0 : n_categories);
    spk_free(class_of);
}

static spk_status check_factor(const spk_train_set *s, int64_t k)
{
    const spk_augment_options *o = &s->o.augment;
    const double f = o->speed[k];
    if (s->o.audio.feature_size > 0)
        return spk_fail(SPK_E_UNSUPPORTED, "speed_perturb_factors change sound, and the training data are features");
    if (!(f >= SPK_SPEED_LEAST && f <= SPK_SPEED_MOST) || (double)llround(f * SPK_SPEED_ONE) != f * SPK_SPEED_ONE)
        return spk_fail(SPK_E_VALUE, "speed_perturb_factors: %g must lie in %g to %g, with at most three decimals", f,
                        SPK_SPEED_LEAST, SPK_SPEED_MOST);
    for (int64_t i = 0; i < k; i++)
        if (o->speed[i] == f) return spk_fail(SPK_E_VALUE, "speed_perturb_factors: %g is there twice", f);
    return SPK_OK;
}

spk_status spk__train_set_speeds(spk_train_set *s)
{
    const spk_augment_options *o = &s->o.augment;
    for (int64_t k = 0; k < o->n_speed; k++)
        SPK_TRY(check_factor(s, k));
    for (int64_t k = 0; k < o->n_speed; k++)
        if (o->speed[k] != 1) add_copies(s, o->speed[k]);
    return SPK_OK;
}
