/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a step's last run, in EXP/.recipe/NAME.json: written whole before the step begins and after it has ended,
 * so that a run that was killed at any instant is known to have begun.
 */
#include "recipe/recipe_impl.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const states[] = {"none", "begun", "failed", "done"};

static char *path_of(const spk_recipe *r, int64_t step)
{
    return spk_strf("%s/.recipe/%s.json", r->exp, r->step[step].name);
}

/* ---- to JSON ---- */

static json_t *words_json(const spk_str_list *w)
{
    json_t *all = json_array();
    for (int64_t i = 0; i < w->n; i++)
        json_array_append_new(all, json_string(w->v[i]));
    return all;
}

static json_t *hex(uint64_t x)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, x);
    return json_string(text);
}

static json_t *digests_json(const spk_str_list *paths, const spk_digest *d)
{
    json_t *all = json_array();
    for (int64_t i = 0; i < paths->n; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "path", json_string(paths->v[i]));
        if (d && d[i].there) {
            json_object_set_new(one, "quick", hex(d[i].quick));
            json_object_set_new(one, "content", hex(d[i].content));
        }
        json_array_append_new(all, one);
    }
    return all;
}

spk_status spk_step_record_write(const spk_recipe *r, int64_t step, const spk_step_record *rec)
{
    char *folder = spk_strf("%s/.recipe", r->exp), *path = path_of(r, step);
    json_t *all = json_object();
    json_object_set_new(all, "state", json_string(states[rec->state]));
    json_object_set_new(all, "version", json_string(rec->version));
    json_object_set_new(all, "command", words_json(&rec->command));
    json_object_set_new(all, "inputs", digests_json(&rec->inputs, rec->input));
    json_object_set_new(all, "outputs", digests_json(&rec->outputs, rec->output));
    json_object_set_new(all, "began", json_integer(rec->began));
    json_object_set_new(all, "seconds", json_real(rec->seconds));
    char *text = json_dumps(all, JSON_INDENT(1));
    json_decref(all);
    spk_status status = text ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: a word of the command is no UTF-8", path);
    if (status == SPK_OK) status = spk_make_folders(folder);
    if (status == SPK_OK) status = spk_write_file(path, text, strlen(text));
    free(text); /* jansson's malloc */
    spk_free(folder);
    spk_free(path);
    return status;
}

/* ---- from JSON ---- */

static void read_words(const json_t *list, spk_str_list *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        SPK_PUSH(out->v, out->n) = spk_strdup(word ? word : "");
    }
}

static bool read_hex(const json_t *from, const char *key, uint64_t *out)
{
    const char *text = json_string_value(json_object_get(from, key));
    if (!text) return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

static void read_digests(const json_t *list, spk_str_list *paths, spk_digest **out)
{
    *out = spk_new(sizeof **out * (json_array_size(list) + 1));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *path = json_string_value(json_object_get(one, "path"));
        spk_digest *d = &(*out)[i];
        SPK_PUSH(paths->v, paths->n) = spk_strdup(path ? path : "");
        d->there = read_hex(one, "quick", &d->quick) && read_hex(one, "content", &d->content);
    }
}

void spk_step_record_read(const spk_recipe *r, int64_t step, spk_step_record *out)
{
    char *path = path_of(r, step), *text = NULL;
    size_t n = 0;
    memset(out, 0, sizeof *out);
    json_t *all = spk_is_file(path) && spk_read_file(path, &text, &n) == SPK_OK ? json_loadb(text, n, 0, NULL) : NULL;
    const char *state = json_string_value(json_object_get(all, "state"));
    const char *version = json_string_value(json_object_get(all, "version"));
    for (int i = 0; state && i < (int)(sizeof states / sizeof *states); i++)
        if (strcmp(state, states[i]) == 0) out->state = (spk_step_state)i;
    out->version = spk_strdup(version ? version : "");
    read_words(json_object_get(all, "command"), &out->command);
    read_digests(json_object_get(all, "inputs"), &out->inputs, &out->input);
    read_digests(json_object_get(all, "outputs"), &out->outputs, &out->output);
    out->began = json_integer_value(json_object_get(all, "began"));
    out->seconds = json_number_value(json_object_get(all, "seconds"));
    json_decref(all);
    spk_free(text);
    spk_free(path);
}

void spk_step_record_clear(spk_step_record *rec)
{
    spk_words_clear(&rec->command);
    spk_words_clear(&rec->inputs);
    spk_words_clear(&rec->outputs);
    spk_free(rec->input);
    spk_free(rec->output);
    spk_free(rec->version);
    memset(rec, 0, sizeof *rec);
}

/* ---- as things are ---- */

static void copy(const spk_str_list *from, spk_str_list *to)
{
    for (int64_t i = 0; i < from->n; i++)
        SPK_PUSH(to->v, to->n) = spk_strdup(from->v[i]);
}

static const spk_digest *known_digest(const spk_step_record *before, const char *path)
{
    for (int64_t i = 0; before && i < before->inputs.n; i++)
        if (strcmp(before->inputs.v[i], path) == 0) return &before->input[i];
    return NULL;
}

spk_status spk_step_record_now(const spk_recipe *r, int64_t step, const spk_step_record *before, spk_step_record *out)
{
    const spk_recipe_step *s = &r->step[step];
    spk_str_list later = {0}; /* what this step and those behind it make is no part of a folder that it reads */
    spk_status status = SPK_OK;
    memset(out, 0, sizeof *out);
    for (int64_t i = step; i < r->n; i++)
        copy(&r->step[i].outputs, &later);
    out->version = spk_strdup(spk_version());
    copy(&s->run, &out->command);
    copy(&s->inputs, &out->inputs);
    copy(&s->outputs, &out->outputs);
    out->input = spk_new(sizeof *out->input * (size_t)(s->inputs.n + 1));
    out->output = spk_new(sizeof *out->output * (size_t)(s->outputs.n + 1));
    for (int64_t i = 0; i < s->inputs.n && status == SPK_OK; i++)
        status = spk_digest_take(s->inputs.v[i], &later, known_digest(before, s->inputs.v[i]), &out->input[i]);
    spk_words_clear(&later);
    if (status != SPK_OK) spk_step_record_clear(out);
    return status;
}
