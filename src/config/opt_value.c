/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of an option table: read by its option's kind. Whatever is wrong is told with the place where it stood,
 * the option's full name, and what would be right. "none" (any case, also quoted) and null mean "no value" where an
 * option allows it, as in ESPnet; numbers in quotes are numbers, as there.
 */
#include "config/opt_value_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- messages ---- */

enum { WHERE_ROOM = 512 };

bool spk__from_command_line(const spk_yaml *node)
{
    return node->file && spk_starts_with(node->file, "--");
}

static spk_status wrong(const spk_opt *o, const spk_yaml *node, const char *what, const char *fmt, ...)
    SPK_PRINTF(4, 5);
static spk_status wrong(const spk_opt *o, const spk_yaml *node, const char *what, const char *fmt, ...)
{
    char where[WHERE_ROOM], text[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (spk__from_command_line(node)) { /* one word: no line or column */
        if (strcmp(node->file + 2, o->key) == 0) return spk_fail(SPK_E_CONFIG, "%s: %s", node->file, text);
        return spk_fail(SPK_E_CONFIG, "%s: %s%s%s: %s", node->file, what, *what ? "." : "", o->key, text);
    }
    return spk_fail(SPK_E_CONFIG, "%s: %s%s%s: %s", spk_yaml_where(node, where, sizeof where), what, *what ? "." : "",
                    o->key, text);
}

static spk_status wrong_kind(const spk_opt *o, const spk_yaml *node, const char *what, const char *wanted)
{
    if (node->kind == SPK_YAML_SCALAR && !spk_yaml_is_null(node))
        return wrong(o, node, what, "'%s' is not %s", node->text, wanted);
    const char *given = node->kind == SPK_YAML_LIST ? "a list" : node->kind == SPK_YAML_MAP ? "a map" : "nothing";
    return wrong(o, node, what, "needs %s, not %s", wanted, given);
}

static spk_status check_range(const spk_opt *o, const spk_yaml *node, const char *what, double v)
{
    if ((o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max)) return SPK_OK;
    char lo[32], hi[32];
    spk_format_double(o->min, lo);
    spk_format_double(o->max, hi);
    if (o->max > 1e18) return wrong(o, node, what, "%s is out of range: it must be at least %s", node->text, lo);
    if (o->min < -1e18) return wrong(o, node, what, "%s is out of range: it must be at most %s", node->text, hi);
    return wrong(o, node, what, "%s is out of range: it must be from %s to %s", node->text, lo, hi);
}

/* ---- words of choices ---- */

/* The i-th of "a|b|c" as a new string, or NULL behind the last. */
static char *choice_word(const char *choices, int i)
{
    for (; i > 0 && choices; i--) {
        choices = strchr(choices, '|');
        choices += choices != NULL;
    }
    return choices ? spk_strndup(choices, strcspn(choices, "|")) : NULL;
}

static spk_status find_choice(const spk_opt *o, const spk_yaml *node, const char *what, int *index, char **word)
{
    if (node->kind != SPK_YAML_SCALAR || spk_yaml_is_null(node)) return wrong_kind(o, node, what, "one word");
    char *words[64] = {0};
    int n = 0, found = -1;
    spk_text all = {0};
    while (n < 64 && (words[n] = choice_word(o->choices, n)) != NULL) {
        if (strcasecmp(words[n], node->text) == 0) found = n;
        spk_text_addf(&all, "%s%s", n ? ", " : "", words[n]);
        n++;
    }
    spk_status status = SPK_OK;
    if (found < 0) {
        const char *near = spk_nearest(node->text, (const char *const *)words, n);
        status = near ? wrong(o, node, what, "'%s' is not known; did you mean '%s'? (one of %s)", node->text, near,
                              spk_text_str(&all))
                      : wrong(o, node, what, "'%s' is not known; it must be one of %s", node->text, spk_text_str(&all));
    } else {
        *index = found;
        if (word) *word = spk_strdup(words[found]);
    }
    for (int i = 0; i < n; i++)
        spk_free(words[i]);
    spk_text_clear(&all);
    return status;
}

/* ---- values by kind ---- */

bool spk__means_none(const spk_yaml *node)
{
    if (node->kind != SPK_YAML_SCALAR) return false;
    return spk_yaml_is_null(node) || strcasecmp(node->text, "none") == 0 || strcasecmp(node->text, "null") == 0 ||
           strcasecmp(node->text, "nil") == 0;
}

static bool get_double(const spk_yaml *node, double *v)
{
    if (spk_yaml_is_null(node) || node->kind != SPK_YAML_SCALAR) return false;
    return (spk_yaml_double(node, v) || spk_parse_double(node->text, v)) && !isnan(*v);
}

static bool get_int(const spk_yaml *node, int64_t *v)
{
    if (spk_yaml_is_null(node) || node->kind != SPK_YAML_SCALAR) return false;
    return spk_yaml_int(node, v) || spk_parse_int(node->text, v);
}

/* "10MB", "1.5 GiB", "0.0": bytes. */
static bool get_size(const spk_yaml *node, int64_t *v)
{
    if (node->kind != SPK_YAML_SCALAR || !node->text[0]) return false;
    char *end;
    double x = strtod(node->text, &end);
    if (end == node->text || !(x >= 0)) return false;
    while (*end == ' ')
        end++;
    static const char units[] = "kmgt";
    const char *unit = *end ? strchr(units, (*end | 0x20)) : NULL;
    if (unit) {
        const double base = end[1] == 'i' ? 1024.0 : 1000.0;
        for (const char *u = units; u <= unit; u++)
            x *= base;
        end += end[1] == 'i' ? 2 : 1;
    }
    if (*end == 'B' || *end == 'b') end++;
    if (*end || x > 9e18) return false;
    *v = (int64_t)x;
    return true;
}

static spk_status read_int(const spk_opt *o, const spk_yaml *node, const char *what, int64_t *v)
{
    int64_t x;
    if (!get_int(node, &x) && !((o->flags & SPK_OPT_SIZE) && get_size(node, &x)))
        return wrong_kind(o, node, what, o->flags & SPK_OPT_SIZE ? "a size such as 10MB" : "a whole number");
    SPK_TRY(check_range(o, node, what, (double)x));
    *v = x;
    return SPK_OK;
}

static spk_status read_double(const spk_opt *o, const spk_yaml *node, const char *what, double *v)
{
    double x;
    if (!get_double(node, &x)) return wrong_kind(o, node, what, "a number");
    SPK_TRY(check_range(o, node, what, x));
    *v = x;
    return SPK_OK;
}

static spk_status read_str(const spk_opt *o, const spk_yaml *node, const char *what, char **v)
{
    int i;
    if (o->choices) return find_choice(o, node, what, &i, v);
    if (node->kind != SPK_YAML_SCALAR) return wrong_kind(o, node, what, "text");
    *v = spk_strdup(spk_yaml_is_null(node) ? "" : node->text);
    return SPK_OK;
}

/* A list, or a single item that stands for a list of one. */
static int64_t n_items(const spk_yaml *node)
{
    return node->kind == SPK_YAML_LIST ? node->n : 1;
}
static const spk_yaml *get_item(const spk_yaml *node, int64_t i)
{
    return node->kind == SPK_YAML_LIST ? node->item[i] : node;
}

static spk_status read_ints(const spk_opt *o, const spk_yaml *node, const char *what, spk_int_list *v)
{
    for (int64_t i = 0; i < n_items(node); i++) {
        int64_t x;
        if (!get_int(get_item(node, i), &x)) return wrong_kind(o, get_item(node, i), what, "a whole number");
        SPK_TRY(check_range(o, get_item(node, i), what, (double)x));
        SPK_PUSH(v->v, v->n) = x;
    }
    return SPK_OK;
}

static spk_status check_count(const spk_opt *o, const spk_yaml *node, const char *what, int64_t n)
{
    if ((o->min == 0 && o->max == 0) || ((double)n >= o->min && (double)n <= o->max)) return SPK_OK;
    return wrong(o, node, what, "needs %d words, not %lld", (int)o->min, (long long)n);
}

static spk_status read_strs(const spk_opt *o, const spk_yaml *node, const char *what, spk_str_list *v)
{
    for (int64_t i = 0; i < n_items(node); i++) {
        if (get_item(node, i)->kind != SPK_YAML_SCALAR) return wrong_kind(o, get_item(node, i), what, "text");
        SPK_PUSH(v->v, v->n) = spk_strdup(get_item(node, i)->text);
    }
    return check_count(o, node, what, v->n);
}

/* "a,b,c", with brackets and quotes as Python writes them allowed: new words. */
static bool split_triple(const char *s, spk_triple *t)
{
    memset(t, 0, sizeof *t);
    for (int k = 0; k < 3; k++) {
        const char *comma = strchr(s, ',');
        if ((comma != NULL) != (k < 2)) return false;
        size_t n = comma ? (size_t)(comma - s) : strlen(s);
        const char *next = s + n + 1;
        while (n > 0 && strchr(" ([\"'", *s))
            s++, n--;
        while (n > 0 && strchr(" )]\"'", s[n - 1]))
            n--;
        if (n == 0) return false;
        t->part[k] = spk_strndup(s, n);
        s = next;
    }
    return true;
}

void spk__triple_clear(spk_triple *t)
{
    for (int k = 0; k < 3; k++)
        spk_free(t->part[k]);
    memset(t, 0, sizeof *t);
}

static bool is_triple(const spk_yaml *node)
{
    if (node->kind != SPK_YAML_LIST || node->n != 3) return false;
    for (int k = 0; k < 3; k++)
        if (node->item[k]->kind != SPK_YAML_SCALAR || !node->item[k]->text[0] || strchr(node->item[k]->text, ','))
            return false;
    return true;
}

static spk_status read_triples(const spk_opt *o, const spk_yaml *node, const char *what, spk_triple_list *v)
{
    const bool single = is_triple(node);
    for (int64_t i = 0; i < (single ? 1 : n_items(node)); i++) {
        const spk_yaml *item = single ? node : get_item(node, i);
        spk_triple t = {{0}};
        if (is_triple(item)) {
            for (int k = 0; k < 3; k++)
                t.part[k] = spk_strdup(item->item[k]->text);
        } else if (item->kind != SPK_YAML_SCALAR || !split_triple(item->text, &t)) {
            spk__triple_clear(&t);
            return wrong_kind(o, item, what, "three words with commas between");
        }
        SPK_PUSH(v->v, v->n) = t;
    }
    return SPK_OK;
}

static spk_status read_doubles2(const spk_opt *o, const spk_yaml *node, const char *what, double *v)
{
    if (node->kind != SPK_YAML_LIST || node->n != 2) return wrong_kind(o, node, what, "a list of two numbers");
    for (int i = 0; i < 2; i++)
        SPK_TRY(read_double(o, node->item[i], what, &v[i]));
    return SPK_OK;
}

static spk_status read_tree(const spk_opt *o, const spk_yaml *node, const char *what, spk_yaml **v)
{
    if ((o->flags & SPK_OPT_MAP) && spk__means_none(node)) return SPK_OK;
    if ((o->flags & SPK_OPT_MAP) && node->kind != SPK_YAML_MAP)
        return wrong_kind(o, node, what, "a map such as {key: value}");
    *v = spk_yaml_copy(node);
    return SPK_OK;
}

static void set_none(const spk_opt *o, void *p)
{
    switch (o->kind) {
    case SPK_OPT_INT:
        *(int64_t *)p = SPK_NONE;
        break;
    case SPK_OPT_FLOAT:
        *(double *)p = NAN;
        break;
    case SPK_OPT_CHOICE:
        *(int *)p = -1;
        break;
    case SPK_OPT_FLOATS2:
        ((double *)p)[0] = ((double *)p)[1] = NAN;
        break;
    default:
        break; /* the others are zero already */
    }
}

/* The field at p is zero before. */
spk_status spk__opt_value(const spk_opt *o, const spk_yaml *node, const char *what, void *p)
{
    if ((o->flags & SPK_OPT_NULLABLE) && spk__means_none(node)) {
        set_none(o, p);
        return SPK_OK;
    }
    const bool is_list = o->kind == SPK_OPT_INTS || o->kind == SPK_OPT_STRS || o->kind == SPK_OPT_TRIPLES;
    if (is_list && spk_yaml_is_null(node)) return SPK_OK; /* an empty list */
    switch (o->kind) {
    case SPK_OPT_BOOL:
        if (node->kind != SPK_YAML_SCALAR || !spk_parse_bool(node->text, p))
            return wrong_kind(o, node, what, "true or false");
        return SPK_OK;
    case SPK_OPT_INT:
        return read_int(o, node, what, p);
    case SPK_OPT_FLOAT:
        return read_double(o, node, what, p);
    case SPK_OPT_STR:
        return read_str(o, node, what, p);
    case SPK_OPT_CHOICE:
        return find_choice(o, node, what, p, NULL);
    case SPK_OPT_INTS:
        return read_ints(o, node, what, p);
    case SPK_OPT_STRS:
        return read_strs(o, node, what, p);
    case SPK_OPT_FLOATS2:
        return read_doubles2(o, node, what, p);
    case SPK_OPT_TREE:
        return read_tree(o, node, what, p);
    case SPK_OPT_TRIPLES:
        return read_triples(o, node, what, p);
    }
    return SPK_OK;
}
