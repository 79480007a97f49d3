/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What preprocessor_conf says of augmentation, and what follows from what it leaves out. ESPnet's two probabilities are
 * 1 by default, and without a list they make it fail (noise) or do nothing (responses); here they are 1 with a list.
 */
#include "config/preprocess_impl.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Many speakers at once, as the recipes mix MUSAN's speech. */
static const spk_noise_kind default_babble = {.weight = 1, .n_min = 4, .n_max = 7, .snr_lo = 13, .snr_hi = 20};

/* ---- noise_info ---- */

static const char *where_of(const spk_yaml *node, char *out, size_t room)
{
    return node->file && spk_starts_with(node->file, "--") ? node->file : spk_yaml_where(node, out, room);
}

static spk_status wrong(const spk_yaml *node, const char *what)
{
    char where[512];
    return spk_fail(SPK_E_CONFIG,
                    "%s: preprocessor_conf.noise_info: %s; an entry is [weight, FILE.scp or babble, [least, most "
                    "recordings], [lowest, highest dB]]",
                    where_of(node, where, sizeof where), what);
}

/* [a, b], or a for both. */
static spk_status read_range(const spk_yaml *node, const char *what, double out[2])
{
    for (int i = 0; i < 2; i++) {
        const spk_yaml *one = node->kind != SPK_YAML_LIST ? node : i < node->n ? node->item[i] : NULL;
        if (!one || one->kind != SPK_YAML_SCALAR || !spk_yaml_double(one, &out[i]) || !isfinite(out[i]))
            return wrong(node, what);
    }
    if ((node->kind == SPK_YAML_LIST && node->n != 2) || out[0] > out[1]) return wrong(node, what);
    return SPK_OK;
}

static spk_status read_kind(const spk_yaml *node, spk_noise_kind *kind)
{
    double number[2], db[2];
    *kind = (spk_noise_kind){0};
    if (node->kind != SPK_YAML_LIST || node->n != 4) return wrong(node, "an entry needs four parts");
    if (!spk_yaml_double(node->item[0], &kind->weight) || !(kind->weight < INFINITY))
        return wrong(node->item[0], "the weight is no number");
    if (node->item[1]->kind != SPK_YAML_SCALAR) return wrong(node->item[1], "the list is no file name");
    SPK_TRY(read_range(node->item[2], "the numbers of recordings are no range", number));
    SPK_TRY(read_range(node->item[3], "the ratios are no range of dB", db));
    if (number[0] < 1 || number[1] > 1000 || number[0] != floor(number[0]) || number[1] != floor(number[1]))
        return wrong(node->item[2], "the numbers of recordings must be whole, from 1 on");
    const char *scp = node->item[1]->text;
    kind->scp = spk_yaml_is_null(node->item[1]) || strcasecmp(scp, "babble") == 0 ? NULL : scp;
    kind->n_min = (int64_t)number[0];
    kind->n_max = (int64_t)number[1];
    kind->snr_lo = db[0];
    kind->snr_hi = db[1];
    return SPK_OK;
}

static spk_status read_kinds(spk_preprocess_options *p)
{
    const spk_yaml *list = p->noise_info;
    if (!list) return SPK_OK;
    if (list->kind != SPK_YAML_LIST) return wrong(list, "needs a list of entries");
    for (int64_t i = 0; i < list->n; i++) {
        spk_noise_kind kind;
        SPK_TRY(read_kind(list->item[i], &kind));
        SPK_PUSH(p->noise, p->n_noise) = kind;
    }
    return SPK_OK;
}

/* ---- the other ways to say it ---- */

/* "13_15" or "13" of ESPnet's noise_db_range. */
static spk_status read_db_range(const char *text, double *lo, double *hi)
{
    const char *bar = strchr(text, '_');
    char *first = spk_strndup(text, bar ? (size_t)(bar - text) : strlen(text));
    const bool good = spk_parse_double(first, lo) && spk_parse_double(bar ? bar + 1 : first, hi) && *lo <= *hi;
    spk_free(first);
    if (good) return SPK_OK;
    return spk_fail(SPK_E_CONFIG, "preprocessor_conf.noise_db_range: '%s' is no range of dB such as 13_15", text);
}

static spk_status add_noise_scp(spk_preprocess_options *p)
{
    if (!p->noise_scp) return SPK_OK;
    spk_noise_kind kind = {.weight = 1, .scp = p->noise_scp, .n_min = 1, .n_max = 1};
    if (p->noise_info)
        return spk_fail(SPK_E_CONFIG, "preprocessor_conf: noise_info and noise_scp both name noises; give one of them");
    SPK_TRY(read_db_range(p->noise_db_range, &kind.snr_lo, &kind.snr_hi));
    SPK_PUSH(p->noise, p->n_noise) = kind;
    return SPK_OK;
}

/* [0.9, 1.0, 1.1], or "0.9 1.0 1.1" as spk.sh has it. */
static spk_status read_speeds(spk_preprocess_options *p)
{
    for (int64_t i = 0; i < p->speed_perturb_factors.n; i++)
        for (const char *at = p->speed_perturb_factors.v[i]; *(at += strspn(at, " "));) {
            const size_t n = strcspn(at, " ");
            char *word = spk_strndup(at, n);
            double factor;
            const bool good = spk_parse_double(word, &factor);
            const spk_status status =
                good ? SPK_OK
                     : spk_fail(SPK_E_CONFIG, "preprocessor_conf.speed_perturb_factors: '%s' is no number", word);
            spk_free(word);
            SPK_TRY(status);
            SPK_PUSH(p->speed, p->n_speed) = factor;
            at += n;
        }
    return SPK_OK;
}

spk_status spk__preprocess_derive(spk_preprocess_options *p)
{
    SPK_TRY(read_kinds(p));
    SPK_TRY(add_noise_scp(p));
    SPK_TRY(read_speeds(p));
    if (isnan(p->noise_apply_prob)) p->noise_apply_prob = p->n_noise > 0 ? 1 : 0;
    if (isnan(p->rir_apply_prob)) p->rir_apply_prob = p->rir_scp ? 1 : 0;
    if (isnan(p->volume_apply_prob)) p->volume_apply_prob = isnan(p->volume_db_range[0]) ? 0 : 1;
    if (p->noise_apply_prob > 0 && p->n_noise == 0) SPK_PUSH(p->noise, p->n_noise) = default_babble;
    return SPK_OK;
}

void spk__preprocess_clear(spk_preprocess_options *p)
{
    spk_opts_clear(spk__preprocess_table, spk__n_preprocess, p);
    spk_free(p->noise);
    spk_free(p->speed);
    memset(p, 0, sizeof *p);
}

/* ---- for the data room ---- */

spk_status spk__preprocess_check(const spk_preprocess_options *p)
{
    if (p->rir_apply_prob > 0 && (!p->rir_scp || !p->rir_scp[0]))
        return spk_fail(
            SPK_E_CONFIG,
            "preprocessor_conf.rir_apply_prob is %g and there is no rir_scp; give the list of room responses, "
            "or set it to 0",
            p->rir_apply_prob);
    if (p->volume_apply_prob > 0 && !(p->volume_db_range[0] <= p->volume_db_range[1]))
        return spk_fail(SPK_E_CONFIG, "preprocessor_conf.volume_db_range must be given as [lowest, highest] dB where "
                                      "volume_apply_prob is above 0");
    return SPK_OK;
}

void spk_config_augment(const spk_config *c, spk_augment_options *out)
{
    const spk_preprocess_options *p = &c->preprocess;
    *out = (spk_augment_options){.rir_scp = p->rir_scp,
                                 .rir_apply_prob = p->rir_apply_prob,
                                 .rir_align = p->rir_align,
                                 .noise = p->noise,
                                 .n_noise = p->n_noise,
                                 .noise_apply_prob = p->noise_apply_prob,
                                 .noise_power_floor = p->noise_power_floor,
                                 .volume_apply_prob = p->volume_apply_prob,
                                 .volume_lo = p->volume_db_range[0],
                                 .volume_hi = p->volume_db_range[1],
                                 .speed = p->speed,
                                 .n_speed = p->n_speed,
                                 .speed_same_classes = !p->speed_perturb_classes,
                                 .cache_bytes = p->augment_cache_size};
}
