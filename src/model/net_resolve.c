/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a network's parts as they count. Some defaults depend on whether the configuration has ESPnet's
 * `version`; a saved configuration holds what came of them, and the log says which choices were made.
 */
#include <math.h>
#include <string.h>

#include "model/espnet_names_impl.h"
#include "model/net_impl.h"
#include "model/net_model_impl.h"

/* ---- options read again under other circumstances ---- */

/* The options of `given` after the part's check, told that the configuration is one of release 202611 or not: new;
 * NULL where they do not stand alone. */
static spk_yaml *options_with(const spk_part *part, const spk_yaml *given, spk_part_in in, bool like_202611)
{
    spk_yaml *map = NULL;
    int64_t size = in.input_size;
    void *conf = spk_new(part->conf_bytes + 1);
    in.like_202611 = like_202611;
    if (spk_opts_read(part->options, part->n_options, given, "", conf) == SPK_OK) {
        if (!part->check || part->check(conf, &in, &size) == SPK_OK)
            map = spk_opts_dump(part->options, part->n_options, conf);
        spk_opts_clear(part->options, part->n_options, conf);
    }
    spk_free(conf);
    return map;
}

static spk_yaml *without(const spk_yaml *map, const char *key)
{
    spk_yaml *rest = spk_yaml_new_map(NULL);
    for (int64_t i = 0; map && i < map->n; i++)
        if (strcmp(map->key[i], key) != 0) spk_yaml_set(rest, map->key[i], spk_yaml_copy(map->item[i]));
    return rest;
}

static bool same(const spk_yaml *a, const spk_yaml *b)
{
    spk_text x = {0}, y = {0};
    if (!a || !b) return false;
    spk_yaml_print(a, &x);
    spk_yaml_print(b, &y);
    const bool equal = strcmp(spk_text_str(&x), spk_text_str(&y)) == 0;
    spk_text_clear(&x);
    spk_text_clear(&y);
    return equal;
}

/* ---- the saved configuration ---- */

spk_yaml *spk_net_resolved_conf(const spk_net *net, spk_part_kind kind)
{
    spk_part_in in;
    const spk_part *part = spk__net_part(net, kind);
    const void *conf = spk__net_conf(net, kind, &in);
    return part ? spk_opts_dump(part->options, part->n_options, conf) : NULL;
}

/* Whether an option that was given says nothing: without it the part would be the same. */
static bool is_default(const spk_part *part, const spk_yaml *given, const char *key, spk_part_in in,
                       const spk_yaml *resolved)
{
    spk_yaml *rest = without(given, key), *map = options_with(part, rest, in, true);
    const bool equal = same(map, resolved);
    spk_yaml_free(rest);
    spk_yaml_free(map);
    return equal;
}

/* What ESPnet may read of an option: whole numbers without a point, since its type checks take 20 and not 20.0 where they
 * want a whole number, and either where they want any. */
static spk_yaml *value_for_espnet(const spk_opt *option, const spk_yaml *written)
{
    double x;
    const bool whole = option->kind == SPK_OPT_FLOAT && spk_yaml_double(written, &x) && x == floor(x) &&
                       fabs(x) < 1e15 &&
                       strcmp(option->key, "stochastic_depth_rate") != 0; /* the one that must have a point */
    if (!whole) return spk_yaml_copy(written);
    char *text = spk_strf("%.0f", x);
    spk_yaml *node = spk_yaml_new_scalar(NULL, text, false);
    spk_free(text);
    return node;
}

/*
 * For a file that carries ESPnet's version, and that ESPnet therefore may read: what was given, as it was written (its
 * type checks take 20 and not 20.0), but nothing that only this program knows and that says nothing; and those options
 * that would become others by the version.
 */
static spk_yaml *conf_for_espnet(const spk_net *net, spk_part_kind kind, const spk_yaml *given)
{
    spk_part_in in;
    const spk_part *part = spk__net_part(net, kind);
    spk__net_conf(net, kind, &in);
    spk_yaml *out = spk_yaml_new_map(NULL), *resolved = spk_net_resolved_conf(net, kind);
    spk_yaml *release = options_with(part, given, in, true);
    for (int i = 0; i < part->n_options; i++) {
        const char *key = part->options[i].key;
        const spk_yaml *written = spk_yaml_get(given, key), *value = spk_yaml_get(resolved, key);
        if (!value) continue;
        if (written) {
            const bool empty = spk_yaml_is_null(written) || (written->kind != SPK_YAML_SCALAR && written->n == 0);
            const bool plain = spk_espnet_has_option(kind, part->name, key) && !empty;
            if (plain || !is_default(part, given, key, in, resolved))
                spk_yaml_set(out, key, value_for_espnet(&part->options[i], written));
        } else if (!same(value, spk_yaml_get(release, key))) {
            spk_yaml_set(out, key, value_for_espnet(&part->options[i], value));
        }
    }
    spk_yaml_free(resolved);
    spk_yaml_free(release);
    return out;
}

static spk_yaml **conf_of(spk_config *c, spk_part_kind kind)
{
    spk_yaml **const all[SPK_N_PARTS] = {&c->frontend_conf, &c->specaug_conf,   &c->normalize_conf, &c->encoder_conf,
                                         &c->pooling_conf,  &c->projector_conf, &c->loss_conf};
    return all[kind];
}

void spk_net_resolve(const spk_net *net, spk_config *config)
{
    const bool for_espnet = spk__net_pool_lengths(net) == SPK_POOL_FRONTEND;
    for (spk_part_kind kind = 0; kind < SPK_N_PARTS; kind++) {
        spk_yaml **conf = conf_of(config, kind);
        if (!spk__net_part(net, kind)) continue;
        spk_yaml *now = for_espnet ? conf_for_espnet(net, kind, *conf) : spk_net_resolved_conf(net, kind);
        spk_yaml_free(*conf);
        *conf = now;
    }
}

/* ---- the log ---- */

static void say_choices(const spk_net *net, spk_part_kind kind, const spk_yaml *given)
{
    spk_part_in in;
    const spk_part *part = spk__net_part(net, kind);
    spk__net_conf(net, kind, &in);
    spk_yaml *ours = options_with(part, given, in, false), *theirs = options_with(part, given, in, true);
    for (int64_t i = 0; ours && theirs && i < ours->n; i++) {
        const spk_yaml *mine = ours->item[i], *release = spk_yaml_get(theirs, ours->key[i]);
        if (same(mine, release) || mine->kind != SPK_YAML_SCALAR) continue;
        if (in.like_202611)
            spk_info("model", "%s_conf.%s: %s, as in ESPnet 202611 (without `version` the default is %s)",
                     spk_part_kind_name(kind), ours->key[i], release->text, mine->text);
        else
            spk_info("model", "%s_conf.%s: %s (ESPnet 202611: %s; set it to reproduce that release)",
                     spk_part_kind_name(kind), ours->key[i], mine->text, release->text);
    }
    spk_yaml_free(ours);
    spk_yaml_free(theirs);
}

void spk_net_log_choices(const spk_net *net, const spk_config *config)
{
    static const char *const lengths[] = {
        [SPK_POOL_ENCODER] = "encoder: the pooling gets the encoder's frames (ESPnet 202611 divides by the frontend's; "
                             "set frontend to reproduce it)",
        [SPK_POOL_FRONTEND] = "frontend: the pooling divides by the frontend's frames, as ESPnet 202611 does (encoder "
                              "would be right)",
        [SPK_POOL_NONE] = "none: the pooling gets no lengths and uses the formulas of ESPnet's older releases"};
    spk_info("model", "pool_lengths: %s", lengths[spk__net_pool_lengths(net)]);
    spk_config copy = *config;
    for (spk_part_kind kind = 0; kind < SPK_N_PARTS; kind++)
        if (spk__net_part(net, kind)) say_choices(net, kind, *conf_of(&copy, kind));
}
