/* SPDX-License-Identifier: Apache-2.0 */
/* Where recipes lie, and whether what they say is what the commands take. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/recipe_impl.h"

/* PREFIX/share/spk/recipes of a program that lies in PREFIX/bin: a new string, or NULL. */
static char *installed_folder(void)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return NULL;
    path[n] = 0;
    char *bin = spk_path_folder(path), *prefix = spk_path_folder(bin);
    char *folder = spk_strf("%s/share/spk/recipes", prefix);
    spk_free(bin);
    spk_free(prefix);
    return folder;
}

char *recipe_find(const char *word)
{
    if (strchr(word, '/') || spk_ends_with(word, ".yaml") || spk_ends_with(word, ".yml")) return spk_strdup(word);
    char *here = spk_strf("recipes/%s.yaml", word);
    if (spk_is_file(here)) return here;
    char *folder = installed_folder(), *there = folder ? spk_strf("%s/%s.yaml", folder, word) : NULL;
    spk_free(folder);
    if (there && spk_is_file(there)) {
        spk_free(here);
        return there;
    }
    spk_free(there);
    return here; /* its absence will be told */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether a YAML file has steps; anything else in recipes/ is a training's configuration. */
static bool has_steps(const char *path)
{
    spk_yaml *root = NULL;
    if (spk_yaml_load(path, &root) != SPK_OK) return true; /* its mistake will be told */
    const bool has = spk_yaml_get(root, "steps") != NULL;
    spk_yaml_free(root);
    return has;
}

static void add_folder(const char *folder, spk_str_list *out)
{
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char *path = spk_path_join(folder, e->d_name);
        if (spk_ends_with(path, ".yaml") && spk_is_file(path) && has_steps(path))
            SPK_PUSH(out->v, out->n) = path;
        else
            spk_free(path);
    }
    closedir(dir);
    if (out->n) qsort(out->v, (size_t)out->n, sizeof *out->v, by_name);
}

void recipe_all(spk_str_list *out)
{
    add_folder("recipes", out);
    char *folder = out->n ? NULL : installed_folder();
    if (folder) add_folder(folder, out);
    spk_free(folder);
}

/* ---- commands ---- */

/* One command line, by the command's own table of options; its message says what is wrong. */
static bool options_right(const spk_str_list *words, const spk_str_list *more)
{
    char **argv = spk_new(sizeof *argv * (size_t)(words->n + more->n + 1));
    int n = 0;
    for (int64_t i = 0; i < words->n; i++)
        argv[n++] = words->v[i];
    for (int64_t i = 0; i < more->n; i++)
        argv[n++] = more->v[i];
    cli_check_only(true);
    const bool right = cli_command(argv[0], n - 1, argv + 1) == CLI_OK;
    cli_check_only(false);
    spk_free(argv);
    return right;
}

static bool step_right(const spk_recipe *r, int64_t i)
{
    const spk_recipe_step *s = &r->step[i];
    const spk_str_list none = {0};
    char *where = spk_recipe_where(r, i);
    bool right = false;
    if (strcmp(s->run.v[0], "recipe") == 0)
        cli_usage("%s: a step of a recipe cannot run a recipe", where);
    else if (options_right(&s->run, &none) && (s->anew.n == 0 || options_right(&s->run, &s->anew)) &&
             (s->resume.n == 0 || options_right(&s->run, &s->resume)))
        right = true;
    else
        cli_complain("%s: that is what its command says", where);
    spk_free(where);
    return right;
}

bool recipe_check_commands(const spk_recipe *r, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++)
        if (!r->step[i].left_out && !step_right(r, i)) return false;
    return true;
}

bool recipe_check_file(const char *path)
{
    spk_recipe r;
    bool right = true;
    spk_status status = spk_recipe_load(path, &r);
    if (status != SPK_OK) {
        cli_failed(status);
        return false;
    }
    status = spk_recipe_settle(&r);
    if (status != SPK_OK) {
        cli_failed(status);
        right = false;
    }
    for (int64_t i = 0; i < r.n && status == SPK_OK; i++)
        if (!step_right(&r, i)) right = false;
    if (right) printf("%s: %lld steps, all commands are right\n", path, (long long)r.n);
    spk_recipe_clear(&r);
    return right;
}
