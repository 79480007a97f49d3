/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: filling the struct that a table describes from a YAML map or from words of a command line. */
#include "config/opt_value_impl.h"

#include <string.h>

enum { WHERE_ROOM = 512 };

/* ---- fields ---- */

static size_t field_bytes(spk_opt_kind kind)
{
    static const size_t bytes[] = {sizeof(bool),       sizeof(int64_t),        sizeof(double),       sizeof(char *),
                                   sizeof(int),        sizeof(spk_int_list),   sizeof(spk_str_list), 2 * sizeof(double),
                                   sizeof(spk_yaml *), sizeof(spk_triple_list)};
    return bytes[kind];
}

static void *field(const spk_opt *o, void *out)
{
    return (char *)out + o->offset;
}

static void clear_field(const spk_opt *o, void *p)
{
    spk_str_list *s = p;
    spk_triple_list *t = p;
    switch (o->kind) {
    case SPK_OPT_STR:
        spk_free(*(char **)p);
        break;
    case SPK_OPT_INTS:
        spk_free(((spk_int_list *)p)->v);
        break;
    case SPK_OPT_STRS:
        for (int64_t i = 0; i < s->n; i++)
            spk_free(s->v[i]);
        spk_free(s->v);
        break;
    case SPK_OPT_TRIPLES:
        for (int64_t i = 0; i < t->n; i++)
            spk__triple_clear(&t->v[i]);
        spk_free(t->v);
        break;
    case SPK_OPT_TREE:
        spk_yaml_free(*(spk_yaml **)p);
        break;
    default:
        break;
    }
    memset(p, 0, field_bytes(o->kind));
}

void spk_opts_clear(const spk_opt *table, int n, void *out)
{
    for (int i = 0; i < n; i++)
        clear_field(&table[i], field(&table[i], out));
}

/* Text of a command line as a node: a new one. Lists: one item, or several in [..] or, for numbers, between commas. */
spk_status spk__opt_node(const spk_opt *o, const char *text, const char *origin, spk_yaml **out)
{
    const bool list = o->kind == SPK_OPT_INTS || o->kind == SPK_OPT_FLOATS2;
    if (o->kind == SPK_OPT_TREE || (text[0] == '[' && (list || o->kind == SPK_OPT_STRS || o->kind == SPK_OPT_TRIPLES)))
        return spk_yaml_parse(text, strlen(text), origin, out);
    if (list && strchr(text, ',')) {
        char *flow = spk_strf("[%s]", text);
        const spk_status status = spk_yaml_parse(flow, strlen(flow), origin, out);
        spk_free(flow);
        return status;
    }
    *out = spk_yaml_new_scalar(origin, text, false);
    return SPK_OK;
}

static void set_preset(const spk_opt *o, void *p)
{
    memset(p, 0, field_bytes(o->kind));
    if (!o->preset) return;
    spk_yaml *node = NULL;
    spk_status status = spk__opt_node(o, o->preset, "default", &node);
    if (status == SPK_OK) status = spk__opt_value(o, node, "", p);
    spk_yaml_free(node);
    SPK_ASSERT(status == SPK_OK && "a table's default is wrong");
}

/* Lists grow by what `more` holds; anything else is replaced. `more` is left empty. */
static void take_value(const spk_opt *o, void *p, void *more)
{
    if (o->kind == SPK_OPT_INTS) {
        spk_int_list *a = p, *b = more;
        for (int64_t i = 0; i < b->n; i++)
            SPK_PUSH(a->v, a->n) = b->v[i];
    } else if (o->kind == SPK_OPT_STRS) {
        spk_str_list *a = p, *b = more;
        for (int64_t i = 0; i < b->n; i++)
            SPK_PUSH(a->v, a->n) = b->v[i];
        b->n = 0;
    } else if (o->kind == SPK_OPT_TRIPLES) {
        spk_triple_list *a = p, *b = more;
        for (int64_t i = 0; i < b->n; i++)
            SPK_PUSH(a->v, a->n) = b->v[i];
        b->n = 0;
    } else {
        clear_field(o, p);
        memcpy(p, more, field_bytes(o->kind));
        return;
    }
    clear_field(o, more);
}

spk_status spk_opts_set(const spk_opt *opt, const char *text, const char *origin, void *out)
{
    max_align_t space[2] = {0};
    spk_yaml *node = NULL;
    spk_status status;
    SPK_ASSERT(field_bytes(opt->kind) <= sizeof space);
    SPK_GO(spk__opt_node(opt, text, origin, &node));
    SPK_GO(spk__opt_value(opt, node, "", space));
    take_value(opt, field(opt, out), space);
done:
    if (status != SPK_OK) clear_field(opt, space);
    spk_yaml_free(node);
    return status;
}

spk_status spk__opt_try(const spk_opt *opt, const spk_yaml *node)
{
    max_align_t space[2] = {0};
    SPK_ASSERT(field_bytes(opt->kind) <= sizeof space);
    const spk_status status = spk__opt_value(opt, node, "", space);
    clear_field(opt, space);
    return status;
}

/* ---- maps ---- */

int64_t spk_yaml_index(const spk_yaml *map, const char *key)
{
    for (int64_t i = 0; map && map->kind == SPK_YAML_MAP && i < map->n; i++)
        if (strcmp(map->key[i], key) == 0) return i;
    return -1;
}

static spk_status unknown_key(const spk_opt *table, int n, const spk_yaml *map, int64_t i, const char *what)
{
    const char *file = map->item[i]->file ? map->item[i]->file : map->file;
    char place[64] = "";
    if (map->key_line[i] > 0 && !spk__from_command_line(map->item[i]))
        snprintf(place, sizeof place, ":%d:%d", map->key_line[i], map->key_column[i]);
    const char **names = spk_new(sizeof *names * (size_t)(n + 1));
    spk_text all = {0};
    for (int k = 0; k < n; k++) {
        names[k] = table[k].key;
        spk_text_addf(&all, "%s%s", k ? ", " : "", table[k].key);
    }
    const char *near = spk_nearest(map->key[i], names, n);
    spk_text tail = {0};
    if (near)
        spk_text_addf(&tail, "; did you mean '%s'?", near);
    else if (n == 0)
        spk_text_add(&tail, "; there are no options here");
    else if (n <= 16)
        spk_text_addf(&tail, "; known are %s", spk_text_str(&all));
    const spk_status status = spk_fail(SPK_E_CONFIG, "%s%s: unknown key '%s'%s%s%s", file ? file : "configuration",
                                       place, map->key[i], *what ? " in " : "", what, spk_text_str(&tail));
    spk_text_clear(&all);
    spk_text_clear(&tail);
    spk_free(names);
    return status;
}

static spk_status read_map(const spk_opt *table, int n, const spk_yaml *map, const char *what, void *out)
{
    for (int64_t i = 0; map && i < map->n; i++) {
        int k = 0;
        while (k < n && strcmp(table[k].key, map->key[i]) != 0)
            k++;
        if (k == n) return unknown_key(table, n, map, i, what);
        clear_field(&table[k], field(&table[k], out));
        SPK_TRY(spk__opt_value(&table[k], map->item[i], what, field(&table[k], out)));
    }
    for (int k = 0; k < n; k++)
        if ((table[k].flags & SPK_OPT_REQUIRED) && spk_yaml_index(map, table[k].key) < 0) {
            char where[WHERE_ROOM] = "";
            if (map) spk_yaml_where(map, where, sizeof where);
            return spk_fail(SPK_E_CONFIG, "%s%s%s%s%s is missing: %s", where, *where ? ": " : "", what,
                            *what ? "." : "", table[k].key, table[k].help);
        }
    return SPK_OK;
}

spk_status spk_opts_read(const spk_opt *table, int n, const spk_yaml *map, const char *what, void *out)
{
    char where[WHERE_ROOM];
    for (int i = 0; i < n; i++)
        set_preset(&table[i], field(&table[i], out));
    spk_status status = SPK_OK;
    if (map && spk__means_none(map)) map = NULL;
    if (map && map->kind != SPK_YAML_MAP)
        status = spk_fail(SPK_E_CONFIG, "%s: %s%sneeds a map of keys and values, not %s",
                          spk_yaml_where(map, where, sizeof where), what, *what ? ": " : "",
                          map->kind == SPK_YAML_LIST ? "a list" : "a single value");
    if (status == SPK_OK) status = read_map(table, n, map, what, out);
    if (status != SPK_OK) spk_opts_clear(table, n, out);
    return status;
}
