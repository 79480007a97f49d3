/* SPDX-License-Identifier: Apache-2.0 */
/* Triples path,name,type and the audio files that lists name. */
#include "data/lists_impl.h"

#include "data/source_impl.h"
#include "formats/h5_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const spk_data_list *spk__triple_find(const spk_data_list *lists, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++)
        if (strcmp(lists[i].name, name) == 0) return &lists[i];
    return NULL;
}

static const char TOKENS[] = "task_tokens"; /* may stand in any set */

/* Types that ESPnet reads and this program does not, yet. */
static const char *const other_types[] = {
    "csv_float",  "text_float", "multi_columns_sound",    "score",  "duration",  "rttm",    "random_text",
    "rand_float", "json",       "variable_columns_sound", "metric", "text_int1", "rand_int"};

/* Features are read whatever of the two types is given: the file says which it is. */
static spk_status check_speech(const spk_data_list *t, bool features)
{
    if (features && strcmp(t->type, "sound") == 0)
        return spk_fail(SPK_E_CONFIG, "%s,%s,%s: the model takes features; give npy, kaldi_ark or hdf5", t->path,
                        t->name, t->type);
    if (!features && strcmp(t->type, "npy") == 0)
        return spk_fail(SPK_E_CONFIG,
                        "%s,%s,%s: the model has a frontend and takes sound; leave the frontend out and set input_size "
                        "to train on features",
                        t->path, t->name, t->type);
    return SPK_OK;
}

static spk_status check_type(const spk_data_list *t, bool features)
{
    const bool sound = spk_starts_with(t->name, "speech");
    if (sound) SPK_TRY(check_speech(t, features));
    if (sound &&
        (strcmp(t->type, features ? "npy" : "sound") == 0 || strcmp(t->type, "kaldi_ark") == 0 || spk__is_hdf5(t)))
        return SPK_OK;
    if (!sound && (strcmp(t->type, "text") == 0 || strcmp(t->type, "text_int") == 0 || strcmp(t->type, "csv_int") == 0))
        return SPK_OK; /* one number is the same text in all of them */
    for (size_t i = 0; i < sizeof other_types / sizeof *other_types; i++)
        if (strcmp(t->type, other_types[i]) == 0 || spk_starts_with(t->type, "rand_int_"))
            return spk_fail(SPK_E_UNSUPPORTED, "%s,%s,%s: the type '%s' is not supported yet; give '%s'", t->path,
                            t->name, t->type, t->type, sound ? "sound" : "text");
    return spk_fail(SPK_E_CONFIG, "%s,%s,%s: '%s' cannot be the type of '%s'; give '%s'", t->path, t->name, t->type,
                    t->type, t->name, sound ? "sound" : "text");
}

spk_status spk__triples_check(const spk_data_list *lists, int64_t n, const char *const *names, int n_names,
                              bool features)
{
    for (int64_t i = 0; i < n; i++) {
        bool known = false;
        for (int k = 0; k < n_names; k++)
            known = known || strcmp(lists[i].name, names[k]) == 0;
        if (!known && strcmp(lists[i].name, TOKENS) != 0)
            return spk_fail(SPK_E_CONFIG, "%s,%s,%s: '%s' is no name that is read here; known are %s, %s%s%s",
                            lists[i].path, lists[i].name, lists[i].type, lists[i].name, names[0], names[1],
                            n_names > 2 ? ", " : "", n_names > 2 ? names[2] : "");
        if (spk__triple_find(lists, i, lists[i].name))
            return spk_fail(SPK_E_CONFIG, "%s,%s,%s: a list for '%s' was given already", lists[i].path, lists[i].name,
                            lists[i].type, lists[i].name);
        SPK_TRY(check_type(&lists[i], features));
    }
    return SPK_OK;
}

spk_status spk__tokens_check(const spk_data_list *lists, int64_t n, const spk_list *items)
{
    const spk_data_list *t = spk__triple_find(lists, n, TOKENS);
    spk_list tokens = {0};
    int64_t value;
    if (!t) return SPK_OK;
    spk_status status = spk_list_read(t->path, SPK_LIST_NO_VALUE_OK, &tokens);
    if (status == SPK_OK) status = spk__keys_within(items, &tokens);
    for (int64_t i = 0; i < tokens.n && status == SPK_OK; i++)
        if (!spk_parse_int(tokens.entry[i].value, &value))
            status = spk_fail(SPK_E_VALUE, "%s:%lld: the task token of '%s' is '%s'; it must be a whole number",
                              t->path, (long long)tokens.entry[i].line, tokens.entry[i].key, tokens.entry[i].value);
    if (status == SPK_OK) spk_info("data", "%s: task tokens are whole numbers; no model here reads them", t->path);
    spk_list_clear(&tokens);
    return status;
}

static spk_status check_file(const spk_list *list, const spk_list_entry *e, const char *path)
{
    struct stat st;
    const char *why = NULL;
    if (stat(path, &st) != 0)
        why = errno == ENOENT ? (e->value[0] == '/' ? "is not there" : "is not there, nor beside the list")
                              : strerror(errno);
    else if (!S_ISREG(st.st_mode))
        why = "is not a file";
    else if (access(path, R_OK) != 0)
        why = strerror(errno);
    if (!why) return SPK_OK;
    return spk_fail(SPK_E_IO, "%s:%lld: file of '%s': %s: %s", list->path, (long long)e->line, e->key, e->value, why);
}

/* ---- HDF5 ---- */

bool spk__is_hdf5(const spk_data_list *t)
{
    return t && strcmp(t->type, "hdf5") == 0;
}

/* A list of all arrays of a file: lines "NAME hdf5:FILE::NAME". */
static spk_status list_arrays(const char *path, spk_text *out)
{
    spk_h5 *h;
    spk_text names = {0};
    SPK_TRY(spk_h5_open(path, &h));
    const spk_status status = spk_h5_names(h, &names);
    for (const char *at = spk_text_str(&names); *at && status == SPK_OK;) {
        const size_t n = strcspn(at, "\n");
        spk_text_addf(out, "%.*s hdf5:%s::%.*s\n", (int)n, at, path, (int)n, at);
        at += n + 1;
    }
    spk_text_clear(&names);
    spk_h5_close(h);
    return status;
}

spk_status spk__speech_read(const char *path, bool hdf5, spk_list *out)
{
    spk_text text = {0};
    if (!hdf5) return spk_list_read(path, SPK_LIST_NO_VALUE_OK, out);
    const spk_status status = list_arrays(path, &text);
    if (status == SPK_OK && text.n == 0)
        return spk_fail(SPK_E_FORMAT, "%s: holds no array", path);             /* nothing was allocated */
    if (status == SPK_OK) return spk_list_parse(text.s, text.n, path, 0, out); /* takes the text */
    spk_text_clear(&text);
    return status;
}

/* The array with its file's name resolved; that the file holds it is found where it is read. */
static spk_status find_array(const spk_list *list, const spk_list_entry *e, char **out)
{
    const char *file, *name;
    size_t n_file = 0;
    if (!spk_h5_parse(e->value, &n_file, &file, &name)) return SPK_OK;
    char *found = spk_list_resolve_path(list->path, e->value);
    spk_h5_parse(found, &n_file, &file, &name);
    char *there = spk_strndup(file, n_file);
    const spk_status status = check_file(list, e, there);
    spk_free(there);
    if (status == SPK_OK)
        *out = found;
    else
        spk_free(found);
    return status;
}

/* ---- recordings ---- */

static spk_status check_command(const spk__paths *p, const spk_list *list, const spk_list_entry *e,
                                const spk_locator *l)
{
    if (e->value[0] == '|' || (l->command && !p->allow_pipes))
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%s:%lld: '%s' is read from a command (a pipe); allow it with --allow_pipes true, or write the "
                        "audio to a file and name that",
                        list->path, (long long)e->line, e->key);
    return SPK_OK;
}

/* The recording with its file's name resolved; a command stays as it is. */
static char *resolve(const spk_list *list, const char *value, const spk_locator *l)
{
    char *name = spk_strndup(value, l->n_file), *found = spk_list_resolve_path(list->path, name);
    char *all = spk_strf("%s%s", found, value + l->n_file);
    spk_free(name);
    spk_free(found);
    return all;
}

static spk_status find_recording(const spk__paths *p, const spk_list *list, const spk_list_entry *e, char **out)
{
    spk_locator l;
    if (e->value[0] == '\0')
        return spk_fail(SPK_E_FORMAT, "%s:%lld: no path after '%s'", list->path, (long long)e->line, e->key);
    SPK_TRY(find_array(list, e, out));
    if (*out) return SPK_OK;
    char *whole = spk_list_resolve_path(list->path, e->value);
    if (spk_exists(whole)) { /* most */
        const spk_status status = check_file(list, e, whole);
        if (status == SPK_OK)
            *out = whole;
        else
            spk_free(whole);
        return status;
    }
    spk_free(whole);
    spk_locator_parse(e->value, &l);
    SPK_TRY(check_command(p, list, e, &l));
    if (l.command) {
        *out = spk_strdup(e->value);
        return SPK_OK;
    }
    char *found = resolve(list, e->value, &l), *file;
    spk_locator_find(found, &l);
    file = spk_strndup(found, l.n_file);
    const spk_status status = check_file(list, e, file);
    spk_free(file);
    if (status == SPK_OK)
        *out = found;
    else
        spk_free(found);
    return status;
}

spk_status spk__paths_get(spk__paths *p, const spk_list *list, int64_t i, const char **path)
{
    const spk_list_entry *e = &list->entry[i];
    int64_t at = 0;
    if (!spk_map_get(&p->seen, e->value, &at)) {
        char *found = NULL;
        SPK_TRY(find_recording(p, list, e, &found));
        at = p->n;
        SPK_PUSH(p->path, p->n) = found;
        spk_map_put(&p->seen, e->value, at);
    }
    *path = p->path[at];
    return SPK_OK;
}

void spk__paths_clear(spk__paths *p)
{
    for (int64_t i = 0; i < p->n; i++)
        spk_free(p->path[i]);
    spk_free(p->path);
    spk_map_clear(&p->seen);
    *p = (spk__paths){0};
}

spk_status spk__keys_within(const spk_list *a, const spk_list *b)
{
    for (int64_t i = 0; i < a->n; i++)
        if (spk_list_find(b, a->entry[i].key) < 0)
            return spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' is not in %s", a->path, (long long)a->entry[i].line,
                            a->entry[i].key, b->path);
    return SPK_OK;
}
