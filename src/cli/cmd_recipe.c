/* SPDX-License-Identifier: Apache-2.0 */
/* spk recipe: run, show, check and list recipes. */
#include <stdlib.h>
#include <string.h>

#include "cli/recipe_impl.h"

typedef struct recipe_options {
    char *stage, *stop_stage;
    bool dry_run, anew, any_version, quiet;
} recipe_options;

#define FIELD(name) offsetof(recipe_options, name)
static const spk_opt run_table[] = {
    {"stage", SPK_OPT_STR, FIELD(stage), "none", 0, 0, NULL,
     "first step: its name, or a stage's number as in ESPnet's recipes", SPK_OPT_NULLABLE},
    {"stop_stage", SPK_OPT_STR, FIELD(stop_stage), "none", 0, 0, NULL, "last step, said the same way",
     SPK_OPT_NULLABLE},
    {"dry_run", SPK_OPT_BOOL, FIELD(dry_run), "false", 0, 0, NULL, "only print what would run, and why", 0},
    {"anew", SPK_OPT_BOOL, FIELD(anew), "false", 0, 0, NULL, "run the steps also where they are up to date", 0},
    {"any_version", SPK_OPT_BOOL, FIELD(any_version), "false", 0, 0, NULL,
     "what another version of the program has made counts as up to date", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no line for each step on stderr", 0},
};

/* ---- options that are the recipe's variables ---- */

/* Rows of the run's options and of the variables; the fields of the latter lie behind the struct, in order. */
static spk_status make_table(const spk_recipe *r, bool run, spk_opt **rows, int *n, size_t *size)
{
    const int own = run ? SPK_COUNT(run_table) : 0;
    *rows = spk_new(sizeof **rows * (size_t)(own + r->n_variables + 1));
    *n = own + (int)r->n_variables;
    *size = sizeof(recipe_options) + sizeof(char *) * (size_t)r->n_variables;
    memcpy(*rows, run_table, sizeof **rows * (size_t)own);
    for (int64_t i = 0; i < r->n_variables; i++) {
        const spk_recipe_variable *v = &r->variable[i];
        for (int k = 0; k < SPK_COUNT(run_table); k++)
            if (strcmp(run_table[k].key, v->name) == 0) {
                char where[512];
                return spk_fail(SPK_E_CONFIG,
                                "%s: a variable cannot be called '%s': that is an option of spk recipe run",
                                spk_yaml_where(v->node, where, sizeof where), v->name);
            }
        (*rows)[own + i] = (spk_opt){v->name,   SPK_OPT_STR, sizeof(recipe_options) + sizeof(char *) * (size_t)i,
                                     v->preset, 0,           0,
                                     NULL,      v->help,     0};
    }
    return SPK_OK;
}

/* A value with blanks is one, also where it begins with dashes: --train_args "--max_epoch 2" becomes --train_args="...". A new
 * array of new words. */
static char **join_values(const spk_recipe *r, int *argc, char **argv)
{
    char **out = spk_new(sizeof *out * (size_t)(*argc + 1));
    int n = 0;
    for (int i = 0; i < *argc; i++) {
        const char *next =
            i + 1 < *argc && spk_starts_with(argv[i + 1], "--") && strchr(argv[i + 1], ' ') ? argv[i + 1] : NULL;
        bool joins = false;
        for (int64_t k = 0; next && k < r->n_variables; k++)
            joins |= spk_starts_with(argv[i], "--") && strcmp(argv[i] + 2, r->variable[k].name) == 0;
        out[n++] = joins ? spk_strf("%s=%s", argv[i], next) : spk_strdup(argv[i]);
        i += joins;
    }
    *argc = n;
    return out;
}

/* The texts that were given, as they were written: "007" and "none" stay what they are. */
static spk_status set_variables(spk_recipe *r, const spk_args *args)
{
    for (int64_t i = 0; i < r->n_variables; i++) {
        const spk_yaml *given = spk_yaml_get(args->given, r->variable[i].name);
        if (given) SPK_TRY(spk_recipe_set(r, r->variable[i].name, given->text ? given->text : ""));
    }
    return SPK_OK;
}

/* ---- a recipe with its options read ---- */

typedef struct opened {
    spk_recipe recipe;
    recipe_options o;
} opened;

/* Read the command line by the table; CLI_GO_ON: the recipe has its values and `o` its words. */
static int read_options(const spk_args_spec *spec, bool run, size_t size, int argc, char **argv, opened *out)
{
    void *fields = spk_new(size);
    const int own = run ? SPK_COUNT(run_table) : 0;
    char **words = join_values(&out->recipe, &argc, argv);
    spk_args args;
    int rc = cli_args(spec, argc, words, fields, &args);
    if (rc == CLI_GO_ON) {
        memcpy(&out->o, fields, sizeof out->o); /* takes its words */
        spk_opts_clear(spec->options.table + own, (int)out->recipe.n_variables, fields);
        spk_status status = set_variables(&out->recipe, &args);
        if (status == SPK_OK) status = spk_recipe_settle(&out->recipe);
        if (status != SPK_OK) {
            rc = cli_failed(status);
            spk_opts_clear(run_table, own, &out->o);
        }
        spk_args_clear(&args);
    }
    for (int i = 0; i < argc; i++)
        spk_free(words[i]);
    spk_free(words);
    spk_free(fields);
    return rc;
}

static int load_recipe(const char *path, const char *command, const char *about, bool run, int argc, char **argv,
                       opened *out)
{
    spk_opt *rows = NULL;
    int n = 0;
    size_t size = 0;
    spk_status status = spk_recipe_load(path, &out->recipe);
    if (status != SPK_OK) return cli_failed(status);
    status = make_table(&out->recipe, run, &rows, &n, &size);
    int rc = cli_failed(status);
    if (status == SPK_OK) {
        char *text = spk_strf("%s\n%s", out->recipe.title, about);
        const spk_args_spec spec = {.command = command,
                                    .usage = "[OPTION...] [--VARIABLE VALUE...]",
                                    .about = text,
                                    .no_file = true,
                                    .options = {rows, NULL, n}};
        rc = read_options(&spec, run, size, argc, argv, out);
        spk_free(text);
    }
    spk_free(rows);
    if (rc != CLI_GO_ON) spk_recipe_clear(&out->recipe);
    return rc;
}

/* CLI_GO_ON: the recipe is to be cleared, and the options of `run`. */
static int open_recipe(const char *what, const char *about, bool run, int argc, char **argv, opened *out)
{
    memset(out, 0, sizeof *out);
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) return recipe_usage();
    if (argc == 0 || spk_starts_with(argv[0], "-"))
        return cli_usage("recipe %s: say which recipe first: spk recipe %s NAME or FILE.yaml (spk recipe list)", what,
                         what);
    char *path = recipe_find(argv[0]), *command = spk_strf("spk recipe %s %s", what, argv[0]);
    const int rc = load_recipe(path, command, about, run, argc - 1, argv + 1, out);
    spk_free(path);
    spk_free(command);
    return rc;
}

/* ---- run ---- */

static int run(int argc, char **argv)
{
    opened it;
    spk_recipe_run_options how = {.tell = recipe_tell};
    int rc = open_recipe(
        "run",
        "Runs the steps in order. A step is skipped whose command, inputs and program version are those that made\n"
        "its outputs; one that was interrupted goes on. Each writes EXP/logs/NN-NAME.log.",
        true, argc, argv, &it);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(it.o.quiet, SPK_LOG_WARNING);
    how.anew = it.o.anew;
    how.any_version = it.o.any_version;
    how.dry_run = it.o.dry_run;
    recipe_view view = {.recipe = &it.recipe, .dry_run = it.o.dry_run, .began = spk_now()};
    how.user = &view;
    spk_status status = spk_recipe_range(&it.recipe, it.o.stage, it.o.stop_stage, &how.first, &how.last);
    if (status != SPK_OK) {
        cli_failed(status);
        rc = CLI_USAGE;
    } else {
        view.first = how.first;
        view.last = how.last;
        rc = recipe_check_commands(&it.recipe, how.first, how.last)
                 ? recipe_report(&view, spk_recipe_run(&it.recipe, &how))
                 : CLI_FAILED;
    }
    spk_opts_clear(run_table, SPK_COUNT(run_table), &it.o);
    spk_recipe_clear(&it.recipe);
    return rc == CLI_OK ? cli_flush() : rc;
}

/* ---- show, check, list ---- */

static void show_words(const char *title, const spk_str_list *w)
{
    for (int64_t i = 0; i < w->n; i++)
        printf("    %-8s %s\n", i ? "" : title, w->v[i]);
}

static int show(int argc, char **argv)
{
    opened it;
    const int rc = open_recipe("show", "Prints the variables and the steps as they would run.", false, argc, argv, &it);
    if (rc != CLI_GO_ON) return rc;
    const spk_recipe *r = &it.recipe;
    printf("%s: %s\n\nvariables\n", r->path, r->title);
    for (int64_t i = 0; i < r->n_variables; i++) {
        char *value = spk_words_line(&r->variable[i].value);
        printf("  --%-18s %s%s%s\n", r->variable[i].name, value, *r->variable[i].help ? "    # " : "",
               r->variable[i].help);
        spk_free(value);
    }
    for (int64_t i = 0; i < r->n; i++) {
        const spk_recipe_step *s = &r->step[i];
        char *line = spk_words_line(&s->run);
        printf("\n%lld. %s (stage %lld)%s%s%s\n    spk %s\n", (long long)i + 1, s->name, (long long)s->stage,
               s->about ? ": " : "", s->about ? s->about : "", s->left_out ? " [left out]" : "", line);
        show_words("reads", &s->inputs);
        show_words("makes", &s->outputs);
        spk_free(line);
    }
    spk_recipe_clear(&it.recipe);
    return cli_flush();
}

static int check(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk recipe check",
        .usage = "[NAME or FILE.yaml...]",
        .about = "Reads recipes and every step's options by the tables of the commands, also of steps that\n"
                 "are left out; without words, all that `spk recipe list` names.",
        .words = "recipes",
        .max_words = -1};
    char none[1];
    spk_args args;
    int rc = cli_args(&spec, argc, argv, none, &args);
    if (rc != CLI_GO_ON) return rc;
    spk_str_list files = {0};
    for (int64_t i = 0; i < args.words.n; i++)
        SPK_PUSH(files.v, files.n) = recipe_find(args.words.v[i]);
    if (args.words.n == 0) recipe_all(&files);
    rc = files.n ? CLI_OK : cli_usage("there is no recipe here; name one: spk recipe check FILE.yaml");
    for (int64_t i = 0; i < files.n; i++)
        if (!recipe_check_file(files.v[i])) rc = CLI_FAILED;
    spk_words_clear(&files);
    spk_args_clear(&args);
    return rc == CLI_OK ? cli_flush() : rc;
}

static int list(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk recipe list", .usage = "", .about = "Names the recipes that are at hand."};
    char none[1];
    spk_args args;
    const int rc = cli_args(&spec, argc, argv, none, &args);
    if (rc != CLI_GO_ON) return rc;
    spk_args_clear(&args);
    spk_str_list files = {0};
    recipe_all(&files);
    for (int64_t i = 0; i < files.n; i++) {
        spk_recipe r;
        if (spk_recipe_load(files.v[i], &r) != SPK_OK) {
            cli_complain("%s", spk_errmsg());
            continue;
        }
        const char *file = spk_path_name(files.v[i]); /* its name is what `run` takes */
        printf("%-16.*s %s\n", (int)(strlen(file) - strlen(".yaml")), file, r.title);
        spk_recipe_clear(&r);
    }
    if (files.n == 0) cli_note("there is no recipe in recipes/ or beside the installed program");
    spk_words_clear(&files);
    return cli_flush();
}

int recipe_usage(void)
{
    puts("usage: spk recipe run   NAME|FILE.yaml [--stage A] [--stop_stage B] [--VARIABLE VALUE...]   run its steps\n"
         "       spk recipe show  NAME|FILE.yaml [--VARIABLE VALUE...]     the steps as they would run\n"
         "       spk recipe check [NAME|FILE.yaml...]                      are all commands right?\n"
         "       spk recipe list                                           the recipes at hand\n\n"
         "`spk recipe run NAME --help` tells a recipe's variables. A name is looked for in recipes/ here, then beside "
         "the\n"
         "installed program (share/spk/recipes).");
    return cli_flush();
}

int cmd_recipe(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"run", run}, {"show", show}, {"check", check}, {"list", list}};
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) return recipe_usage();
    for (int i = 0; argc > 0 && i < SPK_COUNT(verbs); i++)
        if (strcmp(argv[0], verbs[i].name) == 0) return verbs[i].run(argc - 1, argv + 1);
    return cli_usage("recipe: say run, show, check or list (spk recipe --help)%s%s", argc > 0 ? "; there is no " : "",
                     argc > 0 ? argv[0] : "");
}
