/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines of recipes as words, and the values that stand in them. No shell reads them. */
#include "recipe/recipe_impl.h"

#include <stdlib.h>
#include <string.h>

void spk_words_clear(spk_str_list *w)
{
    for (int64_t i = 0; i < w->n; i++)
        spk_free(w->v[i]);
    spk_free(w->v);
    *w = (spk_str_list){0};
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

spk_status spk_words_split(const char *text, const char *where, spk_str_list *out)
{
    spk_text word = {0};
    bool in_word = false;
    for (const char *c = text; *c; c++) {
        if (blank(*c)) {
            if (in_word) SPK_PUSH(out->v, out->n) = spk_strdup(spk_text_str(&word));
            in_word = false;
            spk_text_clear(&word);
        } else if (*c == '\'' || *c == '"') {
            const char *end = strchr(c + 1, *c);
            if (!end) {
                spk_text_clear(&word);
                return spk_fail(SPK_E_CONFIG, "%s: the quote %c in '%s' does not end", where, *c, text);
            }
            spk_text_addn(&word, c + 1, (size_t)(end - c - 1));
            in_word = true;
            c = end;
        } else {
            spk_text_addn(&word, c, 1);
            in_word = true;
        }
    }
    if (in_word) SPK_PUSH(out->v, out->n) = spk_strdup(spk_text_str(&word));
    spk_text_clear(&word);
    return SPK_OK;
}

/* Characters that no shell takes for more than themselves. */
static bool plain(const char *word)
{
    return *word &&
           strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,%@^") == strlen(word);
}

char *spk_words_line(const spk_str_list *w)
{
    spk_text line = {0};
    for (int64_t i = 0; i < w->n; i++) {
        if (i) spk_text_add(&line, " ");
        if (plain(w->v[i])) {
            spk_text_add(&line, w->v[i]);
            continue;
        }
        spk_text_add(&line, "'");
        for (const char *c = w->v[i]; *c; c++)
            if (*c == '\'')
                spk_text_add(&line, "'\\''");
            else
                spk_text_addn(&line, c, 1);
        spk_text_add(&line, "'");
    }
    char *copy = spk_strdup(spk_text_str(&line));
    spk_text_clear(&line);
    return copy;
}

/* ---- values ---- */

static spk_status unknown(const spk_recipe *r, int64_t n_known, const char *name, const char *where)
{
    const char **names = spk_new(sizeof *names * (size_t)(r->n_variables + 1));
    int n = 0;
    bool later = false;
    for (int64_t i = 0; i < r->n_variables; i++)
        if (i < n_known)
            names[n++] = r->variable[i].name;
        else
            later |= strcmp(r->variable[i].name, name) == 0;
    names[n++] = "here";
    const char *near = spk_nearest(name, names, n);
    spk_status status;
    if (later)
        status = spk_fail(SPK_E_CONFIG, "%s: ${%s} stands further down; a variable knows those before it", where, name);
    else if (near)
        status = spk_fail(SPK_E_CONFIG, "%s: there is no variable '%s'; did you mean '%s'?", where, name, near);
    else
        status = spk_fail(SPK_E_CONFIG, "%s: there is no variable '%s' among the recipe's variables", where, name);
    spk_free(names);
    return status;
}

static const spk_recipe_variable *find(const spk_recipe *r, int64_t n_known, const char *name)
{
    for (int64_t i = 0; i < n_known; i++)
        if (strcmp(r->variable[i].name, name) == 0) return &r->variable[i];
    return NULL;
}

/* The text for one ${...}, whose inside is `inner`. */
static spk_status add_value(const spk_recipe *r, int64_t n_known, const char *inner, const char *where, spk_text *out)
{
    if (spk_starts_with(inner, "env.")) {
        const char *otherwise = strstr(inner, ":-");
        char *name = otherwise ? spk_strndup(inner + 4, (size_t)(otherwise - inner - 4)) : spk_strdup(inner + 4);
        const char *value = getenv(name);
        spk_status status = SPK_OK;
        if (value && *value)
            spk_text_add(out, value);
        else if (otherwise)
            spk_text_add(out, otherwise + 2);
        else
            status = spk_fail(SPK_E_CONFIG, "%s: the environment has no %s", where, name);
        spk_free(name);
        return status;
    }
    if (strcmp(inner, "here") == 0) {
        char *folder = spk_path_folder(r->path);
        spk_text_add(out, folder);
        spk_free(folder);
        return SPK_OK;
    }
    const spk_recipe_variable *v = find(r, n_known, inner);
    if (!v) return unknown(r, n_known, inner, where);
    if (v->is_list)
        return spk_fail(SPK_E_CONFIG, "%s: ${%s} is a list of words and can only stand as a word of its own", where,
                        inner);
    spk_text_add(out, v->value.n ? v->value.v[0] : "");
    return SPK_OK;
}

static spk_status expand_word(const spk_recipe *r, int64_t n_known, const char *word, const char *where, spk_text *out)
{
    for (const char *c = word; *c; c++) {
        if (c[0] == '$' && c[1] == '$') {
            spk_text_add(out, "$");
            c++;
        } else if (c[0] == '$' && c[1] == '{') {
            const char *end = strchr(c, '}');
            if (!end) return spk_fail(SPK_E_CONFIG, "%s: '%s' has a ${ without }", where, word);
            char *inner = spk_strndup(c + 2, (size_t)(end - c - 2));
            const spk_status status = add_value(r, n_known, inner, where, out);
            spk_free(inner);
            if (status != SPK_OK) return status;
            c = end;
        } else {
            spk_text_addn(out, c, 1);
        }
    }
    return SPK_OK;
}

/* The list variable that the whole word names, or NULL. */
static const spk_recipe_variable *list_of(const spk_recipe *r, int64_t n_known, const char *word)
{
    const size_t n = strlen(word);
    if (n < 4 || !spk_starts_with(word, "${") || strchr(word, '}') != word + n - 1) return NULL;
    char *name = spk_strndup(word + 2, n - 3);
    const spk_recipe_variable *v = find(r, n_known, name);
    spk_free(name);
    return v && v->is_list ? v : NULL;
}

spk_status spk_recipe_expand(const spk_recipe *r, int64_t n_known, const spk_str_list *words, const char *where,
                             spk_str_list *out)
{
    for (int64_t i = 0; i < words->n; i++) {
        const spk_recipe_variable *list = list_of(r, n_known, words->v[i]);
        if (list) {
            for (int64_t k = 0; k < list->value.n; k++)
                SPK_PUSH(out->v, out->n) = spk_strdup(list->value.v[k]);
            continue;
        }
        spk_text text = {0};
        const spk_status status = expand_word(r, n_known, words->v[i], where, &text);
        if (status == SPK_OK) SPK_PUSH(out->v, out->n) = spk_strdup(spk_text_str(&text));
        spk_text_clear(&text);
        if (status != SPK_OK) return status;
    }
    return SPK_OK;
}
