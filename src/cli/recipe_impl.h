/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of `spk recipe`: where recipes lie, whether their commands are right, what is shown while one runs. */
#ifndef SPK_CLI_RECIPE_IMPL_H
#define SPK_CLI_RECIPE_IMPL_H

#include "cli/cli_impl.h"
#include "recipe/recipe_impl.h"

int recipe_usage(void);

/* ---- recipe_files.c ---- */

/* The file of a name ("demo": recipes/demo.yaml here, or the installed one), or the word itself: a new string. */
char *recipe_find(const char *word);
/* All recipes here, else all installed ones. */
void recipe_all(spk_str_list *out);
/* Whether the options of the steps first..last are what the commands take; says what is not. */
bool recipe_check_commands(const spk_recipe *r, int64_t first, int64_t last);
/* The same of a whole file with its presets, also for steps that are left out; prints a line. */
bool recipe_check_file(const char *path);

/* ---- recipe_view.c ---- */

typedef struct recipe_view {
    const spk_recipe *recipe;
    int64_t first, last, n_ran, n_skipped;
    bool dry_run;
    double began;
} recipe_view;
/* For spk_recipe_run. */
void recipe_tell(void *user, spk_step_event event, int64_t step, spk_step_turn turn, const char *why, double seconds);
/* The end of a run: the results, or what went wrong; the exit status. */
int recipe_report(const recipe_view *view, spk_status status);

#endif
