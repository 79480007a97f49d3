/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter groups: which parameters have no weight decay, another rate, or wait for their first update. Biases are what
 * ends in "bias"; weights of normalisations are those of one dimension; there are no embedding tables. Source:
 * espnet2/optimizers/optim_groups.py; the factors on rates and the waiting are this program's own.
 */
#include <inttypes.h>
#include <string.h>

#include "optim/kind_impl.h"

/* ---- "encoder=0.1,loss=10" ---- */

/* A value for parameters that are named so, or whose names go on behind it with a dot; "" means all. */
typedef struct rule {
    char *prefix;
    double value;
    bool fits; /* some parameter */
} rule;

typedef struct rules {
    const char *option;
    rule *item;
    int64_t n;
} rules;

static void clear_rules(rules *r)
{
    for (int64_t i = 0; i < r->n; i++)
        spk_free(r->item[i].prefix);
    spk_free(r->item);
}

static spk_status add_rule(rules *r, const char *prefix, double value)
{
    for (int64_t i = 0; i < r->n; i++)
        if (strcmp(r->item[i].prefix, prefix) == 0)
            return spk_fail(SPK_E_CONFIG, "%s: %s is given twice", r->option, *prefix ? prefix : "the value for all");
    SPK_PUSH(r->item, r->n) = (rule){.prefix = spk_strdup(prefix), .value = value};
    return SPK_OK;
}

/* One "NAME=VALUE"; of steps also a number alone: it is for all but the loss. */
static spk_status read_item(rules *r, char *text, bool steps)
{
    char *equals = strchr(text, '=');
    int64_t whole = 0;
    double value = 0;
    const char *number = equals ? equals + 1 : text;
    const bool good = steps ? spk_parse_int(number, &whole) && whole >= 0
                            : spk_parse_double(number, &value) && value >= 0 && isfinite(value);
    if (!good || (!equals && !steps) || equals == text)
        return spk_fail(SPK_E_CONFIG, "%s: '%s' is not %s", r->option, text,
                        steps ? "NAME=STEPS or STEPS, steps being a whole number from 0"
                              : "NAME=FACTOR, the factor being a number from 0");
    if (equals) *equals = '\0';
    SPK_TRY(add_rule(r, equals ? text : "", steps ? (double)whole : value));
    return equals ? SPK_OK : add_rule(r, "loss", 0);
}

static spk_status read_rules(const char *option, const char *text, bool steps, rules *out)
{
    spk_status status = SPK_OK;
    *out = (rules){.option = option};
    for (const char *at = text; at && *at && status == SPK_OK;) {
        const size_t n = strcspn(at, ",");
        char *item = spk_strndup(at, n);
        status = read_item(out, item, steps);
        spk_free(item);
        at += n + (at[n] == ',');
    }
    return status;
}

static bool fits(const char *prefix, const char *name)
{
    const size_t n = strlen(prefix);
    return n == 0 || (strncmp(name, prefix, n) == 0 && (name[n] == '\0' || name[n] == '.'));
}

/* The value of the longest prefix that fits. */
static double value_of(const rules *r, const char *name, double otherwise)
{
    const rule *best = NULL;
    for (int64_t i = 0; i < r->n; i++) {
        rule *one = &r->item[i];
        if (!fits(one->prefix, name)) continue;
        one->fits = true;
        if (!best || strlen(one->prefix) > strlen(best->prefix)) best = one;
    }
    return best ? best->value : otherwise;
}

/* A prefix that no parameter has is a mistake; "loss" behind a number alone is not. */
static spk_status check_fits(const rules *r, const spk_optim_param *params, int64_t n_params)
{
    for (int64_t i = 0; i < r->n; i++) {
        const char *prefix = r->item[i].prefix, *near;
        if (r->item[i].fits || (i > 0 && !*r->item[i - 1].prefix && strcmp(prefix, "loss") == 0)) continue;
        const char **names = NULL;
        int64_t n = 0;
        for (int64_t k = 0; k < n_params; k++) { /* the first parts of names */
            const size_t length = strcspn(params[k].name, ".");
            if (n && strlen(names[n - 1]) == length && strncmp(names[n - 1], params[k].name, length) == 0) continue;
            SPK_PUSH(names, n) = spk_strndup(params[k].name, length);
        }
        near = spk_nearest(prefix, names, (int)n);
        spk_fail(SPK_E_CONFIG, "%s: no trained parameter is named '%s' or begins with '%s.'%s%s%s", r->option, prefix,
                 prefix, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        for (int64_t k = 0; k < n; k++)
            spk_free((void *)(uintptr_t)names[k]);
        spk_free(names);
        return SPK_E_CONFIG;
    }
    return SPK_OK;
}

/* ---- weight decay ---- */

typedef struct decay_conf {
    bool bias_weight_decay, normalization_weight_decay;
} decay_conf;

#define AT(field) offsetof(decay_conf, field)
static const spk_opt decay_options[] = {
    {"bias_weight_decay", SPK_OPT_BOOL, AT(bias_weight_decay), "false", 0, 0, NULL, "biases decay", 0},
    {"normalization_weight_decay", SPK_OPT_BOOL, AT(normalization_weight_decay), "false", 0, 0, NULL,
     "weights of normalisations decay", 0},
};

static bool decays(const spk_optim_group_conf *conf, const decay_conf *decay, const spk_optim_param *p)
{
    if (!conf->exclude_weight_decay) return true;
    if (spk_ends_with(p->name, "bias") && !decay->bias_weight_decay) return false;
    return decay->normalization_weight_decay || p->n_dims != 1 || !spk_ends_with(p->name, ".weight");
}

/* ---- all that the configuration says ---- */

typedef struct wishes {
    const spk_optim_group_conf *conf;
    decay_conf decay;
    rules scale, freeze;
} wishes;

static spk_status read_wishes(const spk_optim_group_conf *conf, wishes *out)
{
    *out = (wishes){.conf = conf};
    SPK_TRY(spk_opts_read(decay_options, SPK_COUNT(decay_options), conf->exclude_weight_decay_conf,
                          "exclude_weight_decay_conf", &out->decay));
    SPK_TRY(read_rules("lr_scale", conf->lr_scale, false, &out->scale));
    return read_rules("freeze_steps", conf->freeze_steps, true, &out->freeze);
}

static void clear_wishes(wishes *w)
{
    clear_rules(&w->scale);
    clear_rules(&w->freeze);
}

spk_status spk_optim_check_groups(const spk_optim_group_conf *conf)
{
    wishes w;
    const spk_status status = read_wishes(conf, &w);
    clear_wishes(&w);
    return status;
}

/* ---- the groups ---- */

void spk__optim_cut(spk_optim_piece **list, int64_t *n_list, int64_t at, int64_t n, int group)
{
    for (int64_t part; n > 0; at += part, n -= part) {
        part = n < SPK_OPTIM_PIECE ? n : SPK_OPTIM_PIECE;
        SPK_PUSH(*list, *n_list) = (spk_optim_piece){at, (int32_t)part, group};
    }
}

/* The group of a parameter, which is made when it is the first of its kind. */
static int group_of(spk_optim *o, wishes *w, const spk_optim_param *p)
{
    const spk_optim_group wanted = {.lr_scale = value_of(&w->scale, p->name, 1),
                                    .decays = decays(w->conf, &w->decay, p),
                                    .freeze_steps = (int64_t)value_of(&w->freeze, p->name, 0)};
    int i = 0;
    for (; i < o->n_groups; i++) {
        const spk_optim_group *g = &o->group[i];
        if (g->lr_scale == wanted.lr_scale && g->decays == wanted.decays && g->freeze_steps == wanted.freeze_steps)
            break;
    }
    if (i == o->n_groups) SPK_PUSH(o->group, o->n_groups) = wanted;
    o->group[i].n_params++;
    o->group[i].n += p->n;
    return i;
}

/* Pieces of neighbours of one group, whatever parameters they hold; padding belongs to what stands before it. */
static void divide(spk_optim *o, wishes *w, const spk_optim_param *params, int64_t n_params)
{
    int64_t from = 0;
    int last = 0;
    for (int64_t i = 0; i < n_params; i++) {
        const int group = group_of(o, w, &params[i]);
        spk__optim_cut(&o->span, &o->n_spans, params[i].at, params[i].n, group);
        if (i > 0 && group != last) {
            spk__optim_cut(&o->piece, &o->n_pieces, from, params[i].at - from, last);
            from = params[i].at;
        }
        last = group;
    }
    spk__optim_cut(&o->piece, &o->n_pieces, from, o->n - from, last);
}

spk_status spk_optim_set_groups(spk_optim *o, const spk_optim_param *params, int64_t n_params,
                                const spk_optim_group_conf *conf)
{
    wishes w;
    spk_status status = SPK_OK;
    SPK_ASSERT(o->steps == 0 && !o->device);
    SPK_GO(read_wishes(conf, &w));
    spk_free(o->group);
    spk_free(o->piece);
    spk_free(o->span);
    o->group = NULL;
    o->piece = o->span = NULL;
    o->n_groups = 0;
    o->n_pieces = o->n_spans = 0;
    divide(o, &w, params, n_params);
    o->own_from = 0;
    o->own_to = o->n_pieces;
    if (o->n_groups == 0) SPK_PUSH(o->group, o->n_groups) = (spk_optim_group){.lr_scale = 1, .decays = true};
    o->scalars = spk_renew(o->scalars, (size_t)o->n_groups * sizeof *o->scalars);
    o->part = spk_renew(o->part, (size_t)(o->n_pieces + 1) * sizeof *o->part);
    SPK_GO(check_fits(&w.scale, params, n_params));
    SPK_GO(check_fits(&w.freeze, params, n_params));
done:
    clear_wishes(&w);
    return status;
}

int spk_optim_n_groups(const spk_optim *o)
{
    return o->n_groups;
}

const spk_optim_group *spk_optim_group_at(const spk_optim *o, int i)
{
    return &o->group[i];
}

bool spk_optim_group_frozen(const spk_optim *o, int i)
{
    return o->steps < o->group[i].freeze_steps;
}
