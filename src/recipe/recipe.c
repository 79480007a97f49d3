/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe with its values put in: which steps there are, who makes what. */
#include "recipe/recipe_impl.h"

#include <string.h>

spk_status spk_recipe_set(spk_recipe *r, const char *name, const char *text)
{
    for (int64_t i = 0; i < r->n_variables; i++) {
        spk_recipe_variable *v = &r->variable[i];
        if (strcmp(v->name, name) != 0) continue;
        char *where = spk_strf("--%s", name);
        spk_words_clear(&v->value);
        v->set = true;
        spk_status status = SPK_OK;
        if (v->is_list)
            status = spk_words_split(text, where, &v->value);
        else
            SPK_PUSH(v->value.v, v->value.n) = spk_strdup(text);
        spk_free(where);
        return status;
    }
    return spk_fail(SPK_E_CONFIG, "%s: there is no variable '%s'", r->path, name);
}

char *spk_recipe_where(const spk_recipe *r, int64_t step)
{
    return spk_strf("%s:%d: step '%s'", r->path, r->step[step].node->line, r->step[step].name);
}

/* ---- values ---- */

static spk_status settle_variable(spk_recipe *r, int64_t i)
{
    spk_recipe_variable *v = &r->variable[i];
    char where[512];
    spk_str_list words = {0};
    if (v->set) return SPK_OK;
    const spk_status status = spk_recipe_expand(r, i, &v->value, spk_yaml_where(v->node, where, sizeof where), &words);
    if (status != SPK_OK) {
        spk_words_clear(&words);
        return status;
    }
    spk_words_clear(&v->value);
    v->value = words;
    return SPK_OK;
}

static spk_status settle_words(const spk_recipe *r, const char *where, spk_str_list *w)
{
    spk_str_list words = {0};
    const spk_status status = spk_recipe_expand(r, r->n_variables, w, where, &words);
    spk_words_clear(w);
    *w = words;
    return status;
}

/* One text with values in it. */
static spk_status settle_text(const spk_recipe *r, const char *where, char **text)
{
    spk_str_list word = {0};
    SPK_PUSH(word.v, word.n) = spk_strdup(*text);
    const spk_status status = settle_words(r, where, &word);
    if (status == SPK_OK) {
        spk_free(*text);
        *text = spk_strdup(word.n ? word.v[0] : "");
    }
    spk_words_clear(&word);
    return status;
}

static bool means_no(const char *word)
{
    bool value;
    return !*word || strcmp(word, "none") == 0 || (spk_parse_bool(word, &value) && !value);
}

static spk_status settle_step(spk_recipe *r, int64_t i)
{
    spk_recipe_step *s = &r->step[i];
    spk_status status;
    char *where = spk_recipe_where(r, i);
    SPK_GO(settle_text(r, where, &s->when));
    s->left_out = means_no(s->when);
    SPK_GO(settle_words(r, where, &s->run));
    SPK_GO(settle_words(r, where, &s->anew));
    SPK_GO(settle_words(r, where, &s->resume));
    if (s->checkpoint) SPK_GO(settle_text(r, where, &s->checkpoint));
    SPK_GO(settle_words(r, where, &s->inputs));
    SPK_GO(settle_words(r, where, &s->outputs));
    for (int64_t k = 0; k < i && status == SPK_OK; k++)
        for (int64_t a = 0; a < s->outputs.n && status == SPK_OK; a++)
            for (int64_t b = 0; b < r->step[k].outputs.n; b++)
                if (!s->left_out && !r->step[k].left_out && strcmp(s->outputs.v[a], r->step[k].outputs.v[b]) == 0)
                    status = spk_fail(SPK_E_CONFIG, "%s: makes %s, which step '%s' makes, too", where, s->outputs.v[a],
                                      r->step[k].name);
done:
    spk_free(where);
    return status;
}

spk_status spk_recipe_settle(spk_recipe *r)
{
    for (int64_t i = 0; i < r->n_variables; i++)
        SPK_TRY(settle_variable(r, i));
    char *exp = spk_strdup("${exp}");
    const spk_status status = settle_text(r, r->path, &exp);
    r->exp = exp;
    SPK_TRY(status);
    if (!*exp)
        return spk_fail(SPK_E_CONFIG, "%s: exp is empty: give the folder of results and logs, --exp DIR", r->path);
    SPK_TRY(settle_words(r, r->path, &r->results));
    for (int64_t i = 0; i < r->n; i++)
        SPK_TRY(settle_step(r, i));
    return SPK_OK;
}

/* ---- which steps ---- */

static int64_t find(const spk_recipe *r, const char *word, bool last)
{
    int64_t stage, found = -1;
    for (int64_t i = 0; i < r->n; i++)
        if (strcmp(r->step[i].name, word) == 0) return i;
    if (!spk_parse_int(word, &stage)) return -1;
    for (int64_t i = 0; i < r->n; i++) {
        if (!last && r->step[i].stage >= stage) return i;
        if (last && r->step[i].stage <= stage) found = i;
    }
    return found;
}

static spk_status no_step(const spk_recipe *r, const char *option, const char *word)
{
    const char **names = spk_new(sizeof *names * (size_t)r->n);
    spk_text all = {0};
    for (int64_t i = 0; i < r->n; i++) {
        names[i] = r->step[i].name;
        spk_text_addf(&all, "%s%s (%lld)", i ? ", " : "", r->step[i].name, (long long)r->step[i].stage);
    }
    const char *near = spk_nearest(word, names, (int)r->n);
    spk_status status;
    if (near)
        status = spk_fail(SPK_E_CONFIG, "--%s: there is no step '%s'; did you mean '%s'?", option, word, near);
    else
        status = spk_fail(SPK_E_CONFIG, "--%s: there is no step or stage '%s'; the steps (and stages) are %s", option,
                          word, spk_text_str(&all));
    spk_free(names);
    spk_text_clear(&all);
    return status;
}

spk_status spk_recipe_range(const spk_recipe *r, const char *from, const char *to, int64_t *first, int64_t *last)
{
    *first = from ? find(r, from, false) : 0;
    *last = to ? find(r, to, true) : r->n - 1;
    if (*first < 0) return no_step(r, "stage", from);
    if (*last < 0) return no_step(r, "stop_stage", to);
    if (*first > *last)
        return spk_fail(SPK_E_CONFIG, "step '%s' of --stage lies behind step '%s' of --stop_stage",
                        r->step[*first].name, r->step[*last].name);
    return SPK_OK;
}

/* ---- who makes what ---- */

/* Whether `path` is `folder` or lies under it. */
static bool under(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    return strncmp(path, folder, n) == 0 && (path[n] == 0 || path[n] == '/');
}

int64_t spk_recipe_maker(const spk_recipe *r, const char *path)
{
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t k = 0; k < r->step[i].outputs.n; k++)
            if (under(path, r->step[i].outputs.v[k]) || under(r->step[i].outputs.v[k], path)) return i;
    return -1;
}
