/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a recipe's YAML: variables and steps, every mistake with its place. */
#include "config/opt_impl.h"
#include "recipe/recipe_impl.h"

#include <string.h>

static spk_status bad(const spk_yaml *node, const char *what, const char *should)
{
    char where[512];
    return spk_fail(SPK_E_CONFIG, "%s: %s %s", spk_yaml_where(node, where, sizeof where), what, should);
}

/* A text (split at blanks) or a list of words. */
static spk_status read_words(const spk_yaml *node, const char *what, spk_str_list *out)
{
    char where[512];
    if (!node || spk_yaml_is_null(node)) return SPK_OK;
    if (node->kind == SPK_YAML_SCALAR)
        return spk_words_split(node->text, spk_yaml_where(node, where, sizeof where), out);
    if (node->kind != SPK_YAML_LIST) return bad(node, what, "is a text or a list of words");
    for (int64_t i = 0; i < node->n; i++) {
        if (node->item[i]->kind != SPK_YAML_SCALAR) return bad(node->item[i], what, "is a list of words");
        SPK_PUSH(out->v, out->n) = spk_strdup(node->item[i]->text);
    }
    return SPK_OK;
}

/* ---- variables ---- */

static bool good_name(const char *s)
{
    return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s) && !(*s >= '0' && *s <= '9');
}

static spk_status read_variable(const char *name, const spk_yaml *node, spk_recipe_variable *v)
{
    const spk_yaml *value = node;
    char *help = NULL;
    if (node->kind == SPK_YAML_MAP) {
        struct {
            spk_yaml *value;
            char *help;
        } o;
        const spk_opt table[] = {
            {"default", SPK_OPT_TREE, 0, "none", 0, 0, NULL, "its value", SPK_OPT_NULLABLE},
            {"help", SPK_OPT_STR, sizeof(spk_yaml *), "none", 0, 0, NULL, "what it is for", SPK_OPT_NULLABLE}};
        SPK_TRY(spk_opts_read(table, SPK_COUNT(table), node, name, &o));
        help = o.help;
        spk_yaml_free(o.value);
        value = spk_yaml_get(node, "default");
    }
    v->name = spk_strdup(name);
    v->help = help ? help : spk_strdup("");
    v->node = value ? value : node;
    v->is_list = value && value->kind == SPK_YAML_LIST;
    if (!good_name(name)) return bad(v->node, name, "cannot be a variable: a name has small letters, digits and _");
    if (value && value->kind == SPK_YAML_MAP) return bad(value, name, "is a value, or has the keys default and help");
    spk_str_list words = {0};
    spk_status status = SPK_OK;
    if (v->is_list)
        status = read_words(value, name, &words);
    else if (value)
        SPK_PUSH(words.v, words.n) = spk_strdup(value->text);
    v->preset = spk_words_line(&words);
    if (!v->is_list && words.n) {
        spk_free(v->preset);
        v->preset = spk_strdup(words.v[0]);
    }
    v->value = words;
    return status;
}

static spk_status read_variables(spk_recipe *r, const spk_yaml *map)
{
    for (int64_t i = 0; map && i < map->n; i++) {
        spk_recipe_variable *v = &SPK_PUSH(r->variable, r->n_variables);
        *v = (spk_recipe_variable){0};
        SPK_TRY(read_variable(map->key[i], map->item[i], v));
    }
    return SPK_OK;
}

/* ---- steps ---- */

typedef struct step_options {
    char *name, *about, *when, *checkpoint;
    int64_t stage;
    spk_yaml *run, *anew, *resume, *inputs, *outputs;
} step_options;

#define FIELD(field) offsetof(step_options, field)
#define WORDS(key, help)                                                                                               \
    {                                                                                                                  \
#key, SPK_OPT_TREE, FIELD(key), "none", 0, 0, NULL, help, SPK_OPT_NULLABLE                                     \
    }
static const spk_opt step_table[] = {
    {"name", SPK_OPT_STR, FIELD(name), "none", 0, 0, NULL, "of the step", SPK_OPT_REQUIRED},
    {"about", SPK_OPT_STR, FIELD(about), "none", 0, 0, NULL, "what it does", SPK_OPT_NULLABLE},
    {"when", SPK_OPT_STR, FIELD(when), "true", 0, 0, NULL, "whether it is done", 0},
    {"stage", SPK_OPT_INT, FIELD(stage), "none", 1, 1000, NULL, "ESPnet's number", SPK_OPT_NULLABLE},
    {"run", SPK_OPT_TREE, FIELD(run), "none", 0, 0, NULL, "the command line behind spk", SPK_OPT_REQUIRED},
    WORDS(anew, "more words where there may be leavings"),
    WORDS(resume, "more words for one that was interrupted"),
    {"checkpoint", SPK_OPT_STR, FIELD(checkpoint), "none", 0, 0, NULL, "file that `resume` goes on from",
     SPK_OPT_NULLABLE},
    WORDS(inputs, "files that are read"),
    WORDS(outputs, "files that are made"),
};

static spk_status read_step(const spk_recipe *r, spk_yaml *node, spk_recipe_step *s)
{
    step_options o;
    if (node->kind != SPK_YAML_MAP) return bad(node, "a step", "is a map with the keys name, run, inputs, outputs");
    SPK_TRY(spk_opts_read(step_table, SPK_COUNT(step_table), node, "a step", &o));
    spk_status status;
    *s = (spk_recipe_step){.name = o.name, .about = o.about, .when = o.when, .checkpoint = o.checkpoint, .node = node};
    o.name = o.about = o.when = o.checkpoint = NULL;
    s->has_stage = o.stage != SPK_NONE;
    s->stage = s->has_stage ? o.stage : r->n > 1 ? s[-1].stage : 0;
    SPK_GO(read_words(spk_yaml_get(node, "run"), "run", &s->run));
    SPK_GO(read_words(spk_yaml_get(node, "anew"), "anew", &s->anew));
    SPK_GO(read_words(spk_yaml_get(node, "resume"), "resume", &s->resume));
    SPK_GO(read_words(spk_yaml_get(node, "inputs"), "inputs", &s->inputs));
    SPK_GO(read_words(spk_yaml_get(node, "outputs"), "outputs", &s->outputs));
    if (s->run.n == 0) status = bad(node, s->name, "has an empty command");
    if (status == SPK_OK && s->outputs.n == 0)
        status = bad(node, s->name, "names no outputs: without them nobody knows whether it is done");
    if (status == SPK_OK && strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(s->name))
        status = bad(spk_yaml_get(node, "name"), s->name, "is no name for a step: small letters, digits, _ and -");
    if (status == SPK_OK && r->n > 1 && s->stage < s[-1].stage)
        status = bad(spk_yaml_get(node, "stage"), s->name,
                     "has a lower stage than the step before it: steps stand in order");
    if (status == SPK_OK && (s->resume.n > 0) != (s->checkpoint != NULL))
        status = bad(node, s->name,
                     "has only one of resume and checkpoint: words to go on with, and the file to go on from");
    for (int64_t i = 0; i + 1 < r->n && status == SPK_OK; i++)
        if (strcmp(r->step[i].name, s->name) == 0) status = bad(node, s->name, "is the name of two steps");
done:
    spk_opts_clear(step_table, SPK_COUNT(step_table), &o);
    return status;
}

/* ---- the file ---- */

typedef struct file_options {
    char *title;
    spk_yaml *results, *variables, *steps;
} file_options;

static spk_status read_file(spk_recipe *r, file_options *o)
{
    const spk_yaml *variables = spk_yaml_get(r->root, "variables"), *steps = spk_yaml_get(r->root, "steps");
    r->title = o->title ? spk_strdup(o->title) : spk_strdup("");
    SPK_TRY(read_words(spk_yaml_get(r->root, "results"), "results", &r->results));
    SPK_TRY(read_variables(r, variables));
    if (!spk_yaml_get(variables, "exp"))
        return bad(variables ? variables : r->root, "the variable exp", "is missing: the folder of results and logs");
    if (steps->kind != SPK_YAML_LIST || steps->n == 0) return bad(steps, "steps", "is a list of steps");
    r->step = spk_new(sizeof *r->step * (size_t)steps->n);
    for (int64_t i = 0; i < steps->n; i++) {
        r->n = i + 1;
        SPK_TRY(read_step(r, steps->item[i], &r->step[i]));
    }
    return SPK_OK;
}

spk_status spk_recipe_load(const char *path, spk_recipe *out)
{
    const spk_opt table[] = {
        {"title", SPK_OPT_STR, offsetof(file_options, title), "none", 0, 0, NULL, "one line", SPK_OPT_NULLABLE},
        {"results", SPK_OPT_TREE, offsetof(file_options, results), "none", 0, 0, NULL,
         "files that are shown at the end", SPK_OPT_NULLABLE},
        {"variables", SPK_OPT_TREE, offsetof(file_options, variables), "{}", 0, 0, NULL, "names and values",
         SPK_OPT_MAP},
        {"steps", SPK_OPT_TREE, offsetof(file_options, steps), "none", 0, 0, NULL, "the steps", SPK_OPT_REQUIRED}};
    file_options o;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_yaml_load(path, &out->root));
    out->path = spk_strdup(path);
    spk_status status = SPK_OK;
    if (out->root->kind != SPK_YAML_MAP || (!spk_yaml_get(out->root, "steps") && spk_yaml_get(out->root, "encoder")))
        status = spk_fail(SPK_E_CONFIG,
                          "%s: is no recipe: it has no steps (a training's configuration goes to spk train)", path);
    if (status == SPK_OK) {
        status = spk_opts_read(table, SPK_COUNT(table), out->root, "", &o);
        if (status == SPK_OK) {
            status = read_file(out, &o);
            spk_opts_clear(table, SPK_COUNT(table), &o);
        }
    }
    if (status != SPK_OK) spk_recipe_clear(out);
    return status;
}

void spk_recipe_clear(spk_recipe *r)
{
    for (int64_t i = 0; i < r->n_variables; i++) {
        spk_recipe_variable *v = &r->variable[i];
        spk_free(v->name);
        spk_free(v->help);
        spk_free(v->preset);
        spk_words_clear(&v->value);
    }
    for (int64_t i = 0; i < r->n; i++) {
        spk_recipe_step *s = &r->step[i];
        spk_str_list *words[] = {&s->run, &s->anew, &s->resume, &s->inputs, &s->outputs};
        for (int k = 0; k < SPK_COUNT(words); k++)
            spk_words_clear(words[k]);
        spk_free(s->name);
        spk_free(s->about);
        spk_free(s->when);
        spk_free(s->checkpoint);
    }
    spk_free(r->variable);
    spk_free(r->step);
    spk_free(r->path);
    spk_free(r->title);
    spk_free(r->exp);
    spk_words_clear(&r->results);
    spk_yaml_free(r->root);
    memset(r, 0, sizeof *r);
}
