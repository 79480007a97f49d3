/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a step has to run, and why; and whether what it needs is there or will be. */
#include "recipe/recipe_impl.h"

#include <string.h>
#include <sys/stat.h>

/* ---- why ---- */

static bool same_words(const spk_str_list *a, const spk_str_list *b)
{
    if (a->n != b->n) return false;
    for (int64_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i], b->v[i]) != 0) return false;
    return true;
}

/* The first word that is another: "its command has changed: '--seed 1' was '--seed 0'". */
static char *command_reason(const spk_str_list *was, const spk_str_list *is)
{
    int64_t i = 0;
    while (i < was->n && i < is->n && strcmp(was->v[i], is->v[i]) == 0)
        i++;
    const char *before = i > 0 && i < is->n && spk_starts_with(is->v[i - 1], "--") ? is->v[i - 1] : "";
    const char *gap = *before ? " " : "";
    return spk_strf("its command has changed: '%s%s%s' was '%s%s%s'", before, gap, i < is->n ? is->v[i] : "", before,
                    gap, i < was->n ? was->v[i] : "");
}

static const spk_digest *digest_of(const spk_str_list *paths, const spk_digest *d, const char *path)
{
    for (int64_t i = 0; i < paths->n; i++)
        if (strcmp(paths->v[i], path) == 0) return &d[i];
    return NULL;
}

static bool same_input(const spk_step_record *before, const spk_step_record *now, int64_t i)
{
    const spk_digest *was = digest_of(&before->inputs, before->input, now->inputs.v[i]);
    return was && was->there == now->input[i].there && was->content == now->input[i].content;
}

/* An input that is another than it was: a new string, or NULL. */
static char *input_reason(const spk_step_record *before, const spk_step_record *now)
{
    for (int64_t i = 0; i < now->inputs.n; i++)
        if (!same_input(before, now, i)) return spk_strf("%s has changed", now->inputs.v[i]);
    for (int64_t i = 0; i < before->inputs.n; i++)
        if (!digest_of(&now->inputs, now->input, before->inputs.v[i]))
            return spk_strf("%s is no longer among its inputs", before->inputs.v[i]);
    return NULL;
}

static spk_status output_reason(const spk_recipe *r, int64_t step, const spk_step_record *before, char **why)
{
    const spk_str_list *outputs = &r->step[step].outputs;
    spk_str_list later = {0};
    spk_status status = SPK_OK;
    for (int64_t i = step + 1; i < r->n; i++)
        for (int64_t k = 0; k < r->step[i].outputs.n; k++)
            SPK_PUSH(later.v, later.n) = r->step[i].outputs.v[k];
    for (int64_t i = 0; i < outputs->n && !*why && status == SPK_OK; i++) {
        const spk_digest *was = digest_of(&before->outputs, before->output, outputs->v[i]);
        spk_digest is;
        status = spk_digest_take(outputs->v[i], &later, was, &is);
        if (status == SPK_OK && !is.there)
            *why = spk_strf("%s is missing", outputs->v[i]);
        else if (status == SPK_OK && (!was || was->content != is.content))
            *why = spk_strf("%s is not as the step left it", outputs->v[i]);
    }
    spk_free(later.v);
    return status;
}

/* Whether the run that did not end has left a checkpoint of its own; an older one is of other inputs. */
static bool can_go_on(const spk_recipe_step *s, const spk_step_record *before)
{
    struct stat file;
    if (!s->resume.n || stat(s->checkpoint, &file) != 0) return false;
    return (int64_t)file.st_mtim.tv_sec * 1000000000 + file.st_mtim.tv_nsec >= before->began;
}

spk_status spk_recipe_turn(const spk_recipe *r, int64_t step, const spk_step_record *before, const spk_step_record *now,
                           bool any_version, spk_step_turn *turn, char **why)
{
    const spk_recipe_step *s = &r->step[step];
    *why = NULL;
    *turn = s->left_out ? SPK_TURN_LEFT_OUT : SPK_TURN_ANEW;
    if (s->left_out) return SPK_OK;
    if (before->state == SPK_STEP_NONE) {
        *why = spk_strdup("it has not run yet");
        return SPK_OK;
    }
    if (!same_words(&before->command, &now->command)) {
        *why = command_reason(&before->command, &now->command);
        return SPK_OK;
    }
    *why = input_reason(before, now);
    if (*why) return SPK_OK;
    if (before->state != SPK_STEP_DONE) {
        *turn = can_go_on(s, before) ? SPK_TURN_RESUME : SPK_TURN_ANEW;
        *why = spk_strdup(before->state == SPK_STEP_FAILED ? "it failed" : "it was interrupted");
        return SPK_OK;
    }
    if (!any_version && strcmp(before->version, now->version) != 0) {
        *why = spk_strf("version %s of the program made it, this is %s", before->version, now->version);
        return SPK_OK;
    }
    SPK_TRY(output_reason(r, step, before, why));
    if (!*why) *turn = SPK_TURN_UP_TO_DATE;
    return SPK_OK;
}

/* ---- what is needed ---- */

/* A variable whose value the path begins with: its name, or NULL. The longest counts. */
static const char *variable_of(const spk_recipe *r, const char *path)
{
    const char *name = NULL;
    size_t longest = 0;
    for (int64_t i = 0; i < r->n_variables; i++) {
        const spk_recipe_variable *v = &r->variable[i];
        const char *value = v->value.n == 1 && !v->is_list ? v->value.v[0] : "";
        if (strlen(value) <= longest || !spk_starts_with(path, value)) continue;
        longest = strlen(value);
        name = v->name;
    }
    return name;
}

static spk_status missing(const spk_recipe *r, int64_t step, const char *path)
{
    const int64_t maker = spk_recipe_maker(r, path);
    char *where = spk_recipe_where(r, step);
    const char *variable = variable_of(r, path);
    spk_status status;
    if (maker >= 0 && r->step[maker].left_out)
        status =
            spk_fail(SPK_E_MISMATCH, "%s needs %s, which step '%s' makes, but that is left out (its `when` says no)",
                     where, path, r->step[maker].name);
    else if (maker >= step)
        status = spk_fail(SPK_E_MISMATCH, "%s needs %s, which only step '%s' makes: they stand in the wrong order",
                          where, path, r->step[maker].name);
    else if (maker >= 0)
        status = spk_fail(SPK_E_MISMATCH, "%s needs %s, which step '%s' makes: run that first (--stage %s)", where,
                          path, r->step[maker].name, r->step[maker].name);
    else if (variable)
        status = spk_fail(SPK_E_MISMATCH, "%s needs %s, which is not there and no step makes; --%s says where it is",
                          where, path, variable);
    else
        status = spk_fail(SPK_E_MISMATCH, "%s needs %s, which is not there and no step makes", where, path);
    spk_free(where);
    return status;
}

spk_status spk_recipe_check_inputs(const spk_recipe *r, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++) {
        const spk_recipe_step *s = &r->step[i];
        for (int64_t k = 0; !s->left_out && k < s->inputs.n; k++) {
            const int64_t maker = spk_recipe_maker(r, s->inputs.v[k]);
            const bool will_be = maker >= first && maker < i && !r->step[maker].left_out;
            if (!will_be && !spk_exists(s->inputs.v[k])) return missing(r, i, s->inputs.v[k]);
        }
    }
    return SPK_OK;
}
