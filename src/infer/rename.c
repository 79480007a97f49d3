/* SPDX-License-Identifier: Apache-2.0 */
/* Names of tensors from one program to another, by tables of patterns; and the small maps that configurations are. */
#include <string.h>

#include "infer/convert_impl.h"

enum { MOST_NUMBERS = 4 };

/* ---- one name ---- */

/* The number at *p, which may be a digit string of a name; moves behind it. */
static bool read_number(const char **p, int64_t *out)
{
    const char *s = *p;
    int64_t v = 0;
    if (*s < '0' || *s > '9') return false;
    for (; *s >= '0' && *s <= '9' && v < 1000000; s++)
        v = 10 * v + (*s - '0');
    *p = s;
    *out = v;
    return true;
}

/* Where the pattern's end lies in the name, or NULL: it does not fit. number[i]: what stood at the i-th braces, from 0. */
static const char *match(const char *pattern, const char *name, int64_t number[MOST_NUMBERS])
{
    int n = 0;
    SPK_ASSERT(pattern && name);
    if (!*pattern) return name;
    while (*pattern) {
        if (*pattern == '{' && n < MOST_NUMBERS) {
            int64_t first = 0, at = 0;
            pattern++;
            if (!read_number(&pattern, &first) || *pattern != '}' || !read_number(&name, &at) || at < first)
                return NULL;
            number[n++] = at - first;
            pattern++;
        } else if (*pattern++ != *name++) {
            return NULL;
        }
    }
    return *name == '.' || !*name ? name : NULL;
}

static char *fill(const char *pattern, const int64_t number[MOST_NUMBERS], const char *rest)
{
    spk_text t = {0};
    int n = 0;
    for (const char *p = pattern; *p;) {
        int64_t first = 0;
        if (*p != '{') {
            spk_text_addn(&t, p++, 1);
            continue;
        }
        p++;
        read_number(&p, &first);
        p++;
        spk_text_addf(&t, "%lld", (long long)(number[n++] + first));
    }
    const bool has_dot = *rest == '.';
    if (t.n && *rest && !has_dot) spk_text_add(&t, ".");
    spk_text_add(&t, rest + (t.n == 0 && has_dot));
    char *name = spk_strdup(spk_text_str(&t));
    spk_text_clear(&t);
    return name;
}

char *spk_rename_find(const spk_rename *table, int n, const char *name, bool to_ours, const spk_rename **rule)
{
    for (int i = 0; i < n; i++) {
        int64_t number[MOST_NUMBERS] = {0};
        const char *from = to_ours ? table[i].theirs : table[i].ours, *to = to_ours ? table[i].ours : table[i].theirs;
        const char *rest = match(from, name, number);
        if (!rest) continue;
        if (rule) *rule = &table[i];
        return fill(to, number, rest);
    }
    return NULL;
}

/* ---- all names ---- */

static bool begins_with_any(const char *name, const char *const *list)
{
    for (; list && *list; list++)
        if (spk_starts_with(name, *list)) return true;
    return false;
}

/* Their shape of one of our weights. */
static int shape_theirs(const spk_rename *rule, const char *name, const spk_ndarray *a, int64_t dim[SPK_MAX_DIMS])
{
    int n = a->n_dims;
    memcpy(dim, a->dim, sizeof a->dim);
    if (!spk_ends_with(name, ".weight") || n < 2) return n;
    if (rule->shape == SPK_SHAPE_LINEAR)
        while (n > 2 && dim[n - 1] == 1)
            n--;
    if (rule->shape == SPK_SHAPE_CONV && n == 2) dim[n++] = 1;
    return n;
}

static spk_status add_copy(spk_tensors *out, const char *name, const spk_ndarray *a, int n_dims, const int64_t *dim)
{
    spk_ndarray *to;
    SPK_TRY(spk_tensors_add(out, name, a->dtype, n_dims, dim, &to));
    memcpy(to->data, a->data, (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype));
    return SPK_OK;
}

spk_status spk_rename_all(const spk_rename *table, int n, const spk_tensors *from, const char *const *drop,
                          bool to_ours, const char *what, spk_tensors *out)
{
    int64_t n_dropped = 0;
    for (int64_t i = 0; i < from->n; i++) {
        const char *name = from->item[i].name;
        const spk_ndarray *a = &from->item[i].a;
        const spk_rename *rule = NULL;
        int64_t dim[SPK_MAX_DIMS];
        if (begins_with_any(name, drop)) {
            n_dropped++;
            continue;
        }
        char *other = spk_rename_find(table, n, name, to_ours, &rule);
        if (!other) return spk_fail(SPK_E_MISMATCH, "%s: '%s' belongs to no layer that is known there", what, name);
        int n_dims = a->n_dims;
        if (to_ours)
            memcpy(dim, a->dim, sizeof dim);
        else
            n_dims = shape_theirs(rule, other, a, dim);
        const spk_status status = add_copy(out, other, a, n_dims, dim);
        spk_free(other);
        SPK_TRY(status);
    }
    if (n_dropped)
        spk_info("convert", "%s: %lld tensors are left out, which do not make embeddings (%s...)", what,
                 (long long)n_dropped, drop[0]);
    return SPK_OK;
}

/* ---- maps ---- */

void spk_put_text(spk_yaml *map, const char *key, const char *text)
{
    spk_yaml_set(map, key, spk_yaml_new_scalar(NULL, text, false));
}

void spk_put_int(spk_yaml *map, const char *key, int64_t value)
{
    char *text = spk_strf("%lld", (long long)value);
    spk_put_text(map, key, text);
    spk_free(text);
}

void spk_put_bool(spk_yaml *map, const char *key, bool value)
{
    spk_put_text(map, key, value ? "true" : "false");
}

void spk_put_ints(spk_yaml *map, const char *key, const int64_t *v, int64_t n)
{
    spk_yaml *list = spk_yaml_new_list(NULL);
    for (int64_t i = 0; i < n; i++) {
        char *text = spk_strf("%lld", (long long)v[i]);
        spk_yaml_append(list, spk_yaml_new_scalar(NULL, text, false));
        spk_free(text);
    }
    spk_yaml_set(map, key, list);
}

spk_yaml *spk_put_map(spk_yaml *map, const char *key)
{
    if (!spk_yaml_get(map, key)) spk_yaml_set(map, key, spk_yaml_new_map(NULL));
    return spk_yaml_get(map, key);
}

int64_t spk_extent(const spk_tensors *t, const char *name, int axis)
{
    const spk_ndarray *a = spk_tensors_find(t, name);
    return a && axis < a->n_dims ? a->dim[axis] : 0;
}

int64_t spk_count_tensors(const spk_tensors *t, const char *before, int64_t first, const char *behind)
{
    for (int64_t i = first;; i++) {
        char *name = spk_strf("%s%lld%s", before, (long long)i, behind);
        const bool there = spk_tensors_find(t, name) != NULL;
        spk_free(name);
        if (!there) return i - first;
    }
}

const char *spk_text_of(const spk_yaml *map, const char *key)
{
    const spk_yaml *v = spk_yaml_get(map, key);
    return v && v->kind == SPK_YAML_SCALAR && !spk_yaml_is_null(v) ? v->text : NULL;
}
