/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a command line become a YAML map like that of a file, each value called "--key" as the place where it
 * stood; then the two maps are merged and read by the option's table. Every value is tried on its own first, so that
 * a mistake on the command line is known as one.
 */
#include "config/args_impl.h"

#include <string.h>

typedef struct reader {
    const spk_args_spec *spec;
    int argc, i;
    char *const *argv;
    spk_yaml *given;
    spk_args *args;
} reader;

static bool is_option(const char *word)
{
    return spk_starts_with(word, "--") && word[2];
}

/* ---- which option a word names ---- */

static bool on_command_line(const spk_opt *o)
{
    return !(o->flags & SPK_OPT_FILE_ONLY);
}

static spk_status unknown_option(const spk_args_spec *spec, const char *name)
{
    spk_text full = {0};
    int n_full = 0, n_names = 0;
    const char **names = spk_new(sizeof *names * (size_t)(spec->options.n + 1));
    for (int i = 0; i < spec->options.n; i++) {
        const spk_opt *o = &spec->options.table[i];
        if (!on_command_line(o)) continue;
        names[n_names++] = o->key;
        if (*name && spk_starts_with(o->key, name)) spk_text_addf(&full, "%s--%s", n_full++ ? " or " : "", o->key);
    }
    const char *near = spk_nearest(name, names, n_names);
    spk_status status;
    if (n_full > 0)
        status = spk_fail(SPK_E_CONFIG, "--%s is short for %s: write it out", name, spk_text_str(&full));
    else if (near)
        status = spk_fail(SPK_E_CONFIG, "unknown option --%s; did you mean --%s?", name, near);
    else
        status = spk_fail(SPK_E_CONFIG, "unknown option --%s; %s --help lists all", name, spec->command);
    spk_text_clear(&full);
    spk_free(names);
    return status;
}

static const spk_opt *find_option(const spk_args_spec *spec, const char *name)
{
    for (int i = 0; i < spec->options.n; i++)
        if (on_command_line(&spec->options.table[i]) && strcmp(spec->options.table[i].key, name) == 0)
            return &spec->options.table[i];
    return NULL;
}

/* ---- values ---- */

/* "a.b=1" as {a: {b: 1}}. */
static spk_status nested(const char *text, const char *origin, spk_yaml **out)
{
    const char *equals = strchr(text, '=');
    spk_yaml *value = NULL;
    if (!equals || equals == text)
        return spk_fail(SPK_E_CONFIG, "%s: '%s' is neither key=value nor \"{key: value}\"", origin, text);
    SPK_TRY(spk_yaml_parse(equals + 1, strlen(equals + 1), origin, &value));
    if (value->kind == SPK_YAML_MAP && value->n == 0 && strchr(equals, '{') == NULL) { /* "key=" */
        spk_yaml_free(value);
        value = spk_yaml_new_scalar(origin, "", false);
    }
    char *path = spk_strndup(text, (size_t)(equals - text));
    for (;;) {
        char *dot = strrchr(path, '.');
        const char *name = dot ? dot + 1 : path;
        spk_yaml *map = spk_yaml_new_map(origin);
        spk_yaml_set(map, name, value);
        value = map;
        if (!dot) break;
        *dot = 0;
    }
    spk_free(path);
    *out = value;
    return SPK_OK;
}

static bool is_list(const spk_opt *o)
{
    return o->kind == SPK_OPT_INTS || o->kind == SPK_OPT_STRS || o->kind == SPK_OPT_TRIPLES;
}

/* Add a value to those of an option that stand before it: lists grow, maps merge, the last of anything else counts. */
static void add_value(reader *r, const spk_opt *o, spk_yaml *value, const char *origin)
{
    spk_yaml *before = spk_yaml_get(r->given, o->key);
    if (o->flags & SPK_OPT_MAP && before && before->kind == SPK_YAML_MAP && value->kind == SPK_YAML_MAP) {
        spk__yaml_merge(before, value);
        spk_yaml_free(value);
        return;
    }
    if (!is_list(o)) {
        spk_yaml_set(r->given, o->key, value);
        return;
    }
    if (!before) {
        before = spk_yaml_new_list(origin);
        spk_yaml_set(r->given, o->key, before);
    }
    if (value->kind != SPK_YAML_LIST) {
        spk_yaml_append(before, value);
        return;
    }
    for (int64_t i = 0; i < value->n; i++)
        spk_yaml_append(before, spk_yaml_copy(value->item[i]));
    spk_yaml_free(value);
}

static spk_status take_text(reader *r, const spk_opt *o, const char *text, const char *origin)
{
    spk_yaml *value = NULL;
    spk_status status;
    if ((o->flags & SPK_OPT_MAP) && text[strspn(text, " ")] != '{')
        SPK_GO(nested(text, origin, &value));
    else
        SPK_GO(spk__opt_node(o, text, origin, &value));
    if (!is_list(o) || o->min == 0 || o->kind == SPK_OPT_INTS) /* lists of fixed length are tried when complete */
        SPK_GO(spk__opt_try(o, value));
    add_value(r, o, value, origin);
    value = NULL;
done:
    spk_yaml_free(value);
    return status;
}

/* The words behind an option that takes many. They replace what an earlier mention gave. */
static spk_status take_many(reader *r, const spk_opt *o, const char *origin)
{
    spk_yaml_set(r->given, o->key, spk_yaml_new_list(origin));
    while (r->i < r->argc && !is_option(r->argv[r->i]))
        SPK_TRY(take_text(r, o, r->argv[r->i++], origin));
    return spk__opt_try(o, spk_yaml_get(r->given, o->key));
}

/* What follows an option without "=". */
static spk_status take_following(reader *r, const spk_opt *o, const char *origin)
{
    const char *next = r->i < r->argc && !is_option(r->argv[r->i]) ? r->argv[r->i] : NULL;
    bool word;
    if (o->flags & SPK_OPT_MANY) return take_many(r, o, origin);
    if (o->kind == SPK_OPT_BOOL && (!next || (r->spec->words && !spk_parse_bool(next, &word))))
        return take_text(r, o, "true", origin);
    if (!next) return spk_fail(SPK_E_CONFIG, "%s needs a value (%s)", origin, o->help);
    r->i++;
    return take_text(r, o, next, origin);
}

static spk_status take_option(reader *r, const char *word)
{
    const char *equals = strchr(word, '=');
    char *name = spk_strndup(word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
    const spk_opt *o = find_option(r->spec, name);
    spk_status status;
    if (!o) {
        status = unknown_option(r->spec, name);
    } else {
        char *origin = spk_strf("--%s", name);
        if (equals && (o->flags & SPK_OPT_MANY)) spk_yaml_set(r->given, o->key, spk_yaml_new_list(origin));
        status = equals ? take_text(r, o, equals + 1, origin) : take_following(r, o, origin);
        spk_free(origin);
    }
    spk_free(name);
    return status;
}

static spk_status take_word(reader *r, const char *word)
{
    if (!r->spec->words) {
        const bool dash = word[0] == '-' && word[1];
        return spk_fail(SPK_E_CONFIG, "'%s' is %s; %s --help lists the options", word,
                        dash ? "no option: they begin with two dashes" : "not expected here", r->spec->command);
    }
    if (r->spec->max_words >= 0 && r->args->words.n >= r->spec->max_words)
        return spk_fail(SPK_E_CONFIG, "'%s' is one word too many; %s takes at most %d: %s", word, r->spec->command,
                        r->spec->max_words, r->spec->words);
    SPK_PUSH(r->args->words.v, r->args->words.n) = spk_strdup(word);
    return SPK_OK;
}

static spk_status read_words(reader *r)
{
    bool options = true;
    while (r->i < r->argc) {
        const char *word = r->argv[r->i++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && is_option(word))
            SPK_TRY(take_option(r, word));
        else
            SPK_TRY(take_word(r, word));
    }
    if (r->args->words.n < r->spec->min_words)
        return spk_fail(SPK_E_CONFIG, "%s needs %s; %s --help says more", r->spec->command, r->spec->words,
                        r->spec->command);
    for (int k = 0; k < r->spec->options.n; k++) { /* lists of fixed length */
        const spk_yaml *value = spk_yaml_get(r->given, r->spec->options.table[k].key);
        if (value) SPK_TRY(spk__opt_try(&r->spec->options.table[k], value));
    }
    return SPK_OK;
}

/* ---- files ---- */

void spk__yaml_merge(spk_yaml *into, const spk_yaml *from)
{
    for (int64_t i = 0; i < from->n; i++) {
        spk_yaml *before = spk_yaml_get(into, from->key[i]);
        if (before && before->kind == SPK_YAML_MAP && from->item[i]->kind == SPK_YAML_MAP)
            spk__yaml_merge(before, from->item[i]);
        else
            spk_yaml_set(into, from->key[i], spk_yaml_copy(from->item[i]));
    }
}

/* The file of --config under what the command line gave. */
static spk_status read_file(reader *r)
{
    const spk_yaml *path = find_option(r->spec, "config") ? spk_yaml_get(r->given, "config") : NULL;
    if (r->spec->no_file || !path || spk_yaml_is_null(path)) return SPK_OK;
    spk_yaml *file = NULL;
    SPK_TRY(spk_yaml_load(path->text, &file));
    if (file->kind != SPK_YAML_MAP) {
        const spk_status status = spk_fail(SPK_E_CONFIG, "%s: a configuration is a map of keys and values", path->text);
        spk_yaml_free(file);
        return status;
    }
    spk__yaml_merge(file, r->given);
    spk_yaml_free(r->given);
    r->given = file;
    return SPK_OK;
}

static spk_status check_required(reader *r)
{
    for (int k = 0; k < r->spec->options.n; k++) {
        const spk_opt *o = &r->spec->options.table[k];
        if ((o->flags & SPK_OPT_REQUIRED) && !spk_yaml_get(r->given, o->key))
            return spk_fail(SPK_E_CONFIG, "--%s is missing: %s", o->key, o->help);
    }
    return SPK_OK;
}

static bool wants_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

/* Defaults where there are required options: as if the table had none. */
static void set_defaults(const spk_options *o, void *out)
{
    for (int i = 0; i < o->n; i++) {
        spk_opt one = o->table[i];
        one.flags &= ~SPK_OPT_REQUIRED;
        SPK_ASSERT(spk_opts_read(&one, 1, NULL, "", out) == SPK_OK);
    }
}

spk_status spk_args_parse(const spk_args_spec *spec, int argc, char *const *argv, void *out, spk_args *args)
{
    reader r = {.spec = spec, .argc = argc, .argv = argv, .args = args};
    spk_status status = SPK_OK;
    memset(args, 0, sizeof *args);
    if (wants_help(argc, argv)) {
        args->help = true;
        set_defaults(&spec->options, out);
        return SPK_OK;
    }
    r.given = spk_yaml_new_map(NULL);
    args->usage = true;
    SPK_GO(read_words(&r));
    args->usage = false;
    SPK_GO(read_file(&r));
    args->usage = true;
    SPK_GO(check_required(&r));
    args->usage = false;
    SPK_GO(spk_opts_read(spec->options.table, spec->options.n, r.given, "", out));
    if (spec->options.meta) {
        status = spk_options_check(&spec->options, out, r.given, 0, &args->usage);
        if (status != SPK_OK) spk_opts_clear(spec->options.table, spec->options.n, out);
    }
done:
    args->given = r.given;
    return status;
}

void spk_args_clear(spk_args *args)
{
    for (int64_t i = 0; i < args->words.n; i++)
        spk_free(args->words.v[i]);
    spk_free(args->words.v);
    spk_yaml_free(args->given);
    memset(args, 0, sizeof *args);
}

bool spk_args_given(const spk_args *args, const char *key)
{
    return spk_yaml_get(args->given, key) != NULL;
}
