/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other direction: the values of a struct as YAML that reads back as the same values, also by PyYAML, to which
 * 1e-3 is text and 1.0e-3 is a number.
 */
#include "config/opt_impl.h"

#include <math.h>
#include <string.h>

static char *number_text(double x)
{
    char digits[32];
    if (isnan(x)) return spk_strdup("null");
    if (isinf(x)) return spk_strdup(x < 0 ? "-.inf" : ".inf");
    spk_format_double(x, digits);
    const char *e = strchr(digits, 'e');
    if (!e) return spk_strf("%s%s", digits, strchr(digits, '.') ? "" : ".0");
    return spk_strf("%.*s%s%s", (int)(e - digits), digits, strchr(digits, '.') ? "" : ".0", e);
}

static spk_yaml *scalar(const char *text, bool quoted)
{
    return spk_yaml_new_scalar(NULL, text, quoted);
}

static spk_yaml *take_scalar(char *text)
{
    spk_yaml *node = scalar(text, false);
    spk_free(text);
    return node;
}

static spk_yaml *int_node(int64_t v)
{
    return v == SPK_NONE ? scalar("null", false) : take_scalar(spk_strf("%lld", (long long)v));
}

/* Rewrite numbers such as 1e-3 that PyYAML would take for text. */
static void normalise(spk_yaml *node)
{
    double x;
    for (int64_t i = 0; i < node->n; i++)
        normalise(node->item[i]);
    if (node->kind == SPK_YAML_SCALAR && !node->quoted && strpbrk(node->text, "eE") && spk_yaml_double(node, &x)) {
        spk_free(node->text);
        node->text = number_text(x);
    }
}

static spk_yaml *tree_node(const spk_yaml *tree)
{
    if (!tree) return NULL;
    spk_yaml *copy = spk_yaml_copy(tree);
    normalise(copy);
    return copy;
}

static spk_yaml *triples_node(const spk_triple_list *t)
{
    spk_yaml *list = spk_yaml_new_list(NULL);
    for (int64_t i = 0; i < t->n; i++) {
        spk_yaml *item = spk_yaml_new_list(NULL);
        for (int k = 0; k < 3; k++)
            spk_yaml_append(item, scalar(t->v[i].part[k], true));
        spk_yaml_append(list, item);
    }
    return list;
}

static spk_yaml *choice_node(const spk_opt *o, int i)
{
    const char *word = o->choices;
    if (i < 0) return scalar("null", false);
    for (; i > 0; i--)
        word = strchr(word, '|') + 1;
    return take_scalar(spk_strndup(word, strcspn(word, "|")));
}

static spk_yaml *value_node(const spk_opt *o, const void *p)
{
    const spk_int_list *ints = p;
    const spk_str_list *strs = p;
    const double *d = p;
    spk_yaml *node;
    switch (o->kind) {
    case SPK_OPT_BOOL:
        return scalar(*(const bool *)p ? "true" : "false", false);
    case SPK_OPT_INT:
        return int_node(*(const int64_t *)p);
    case SPK_OPT_FLOAT:
        return take_scalar(number_text(*d));
    case SPK_OPT_STR: {
        const char *s = *(char *const *)p;
        return s ? scalar(s, true) : scalar("null", false);
    }
    case SPK_OPT_CHOICE:
        return choice_node(o, *(const int *)p);
    case SPK_OPT_INTS:
        node = spk_yaml_new_list(NULL);
        for (int64_t i = 0; i < ints->n; i++)
            spk_yaml_append(node, int_node(ints->v[i]));
        return node;
    case SPK_OPT_STRS:
        node = spk_yaml_new_list(NULL);
        for (int64_t i = 0; i < strs->n; i++)
            spk_yaml_append(node, scalar(strs->v[i], true));
        return node;
    case SPK_OPT_FLOATS2:
        node = spk_yaml_new_list(NULL);
        spk_yaml_append(node, take_scalar(number_text(d[0])));
        spk_yaml_append(node, take_scalar(number_text(d[1])));
        return node;
    case SPK_OPT_TREE:
        node = tree_node(*(spk_yaml *const *)p);
        if (!node) node = o->flags & SPK_OPT_MAP ? spk_yaml_new_map(NULL) : scalar("null", false);
        return node;
    case SPK_OPT_TRIPLES:
        return triples_node(p);
    }
    return scalar("null", false);
}

spk_yaml *spk_opts_dump(const spk_opt *table, int n, const void *in)
{
    spk_yaml *map = spk_yaml_new_map(NULL);
    for (int i = 0; i < n; i++)
        if (!(table[i].flags & SPK_OPT_NO_DUMP))
            spk_yaml_set(map, table[i].key, value_node(&table[i], (const char *)in + table[i].offset));
    return map;
}

/* Words of a node, lists with commas between and no brackets. */
static void add_words(const spk_yaml *node, spk_text *t)
{
    if (node->kind == SPK_YAML_SCALAR) {
        spk_text_add(t, spk_yaml_is_null(node) ? "none" : node->text);
        return;
    }
    for (int64_t i = 0; i < node->n; i++) {
        if (i) spk_text_add(t, ",");
        if (node->kind == SPK_YAML_MAP) spk_text_addf(t, "%s: ", node->key[i]);
        add_words(node->item[i], t);
    }
}

char *spk_opt_text(const spk_opt *opt, const void *in)
{
    const void *p = (const char *)in + opt->offset;
    if (opt->kind == SPK_OPT_FLOAT && !isnan(*(const double *)p)) { /* 5, not 5.0 */
        char digits[32];
        spk_format_double(*(const double *)p, digits);
        return spk_strdup(digits);
    }
    spk_text t = {0};
    spk_yaml *node = value_node(opt, p);
    add_words(node, &t);
    spk_yaml_free(node);
    char *text = spk_strdup(spk_text_str(&t));
    spk_text_clear(&t);
    return text;
}
