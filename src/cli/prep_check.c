/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep check: what is wrong with data folders, and copies without it. */
#include "cli/prep_impl.h"

#include <string.h>

#include "data/check_impl.h"

typedef struct check_options {
    spk_str_list against;
    char *output;
    int audio;
    int64_t max_findings, threads;
    bool allow_pipes, fix, overwrite, quiet;
} check_options;

#define FIELD(name) offsetof(check_options, name)

/* The findings of a kind; of each file at most so many. */
static void print_kind(const spk_check_report *r, bool errors, int64_t most)
{
    spk_map index = {0};
    struct file {
        char *name;
        int64_t n;
    } *file = NULL;
    int64_t n_files = 0;
    for (int64_t i = 0; i < r->n; i++) {
        const struct spk_finding *f = &r->finding[i];
        int64_t at = n_files;
        if (f->error != errors) continue;
        const struct file new_one = {spk_strndup(f->text, strcspn(f->text, ":")), 0};
        if (spk_map_get(&index, new_one.name, &at)) {
            spk_free(new_one.name);
        } else {
            spk_map_put(&index, new_one.name, at);
            SPK_PUSH(file, n_files) = new_one;
        }
        if (file && file[at].n++ < most) printf("%s%s\n", f->text, errors ? "" : " (warning)");
    }
    for (int64_t k = 0; k < n_files; k++) {
        if (file[k].n > most)
            printf("%s: and %lld more %s\n", file[k].name, (long long)(file[k].n - most),
                   errors ? "errors" : "warnings");
        spk_free(file[k].name);
    }
    spk_free(file);
    spk_map_clear(&index);
}

static void print_summary(const char *dir, const spk_check_report *r)
{
    printf("%s: %lld speakers, %lld utterances", dir, (long long)r->n_speakers, (long long)r->n_utterances);
    if (r->n_trials > 0)
        printf(", %lld target and %lld nontarget trials", (long long)r->n_targets,
               (long long)(r->n_trials - r->n_targets));
    if (r->n_heard > 0) {
        printf(", %.2f hours, %.2f to %.2f s", r->seconds / 3600, r->shortest, r->longest);
        if (r->n_rates == 1) printf(", %lld Hz", (long long)r->rate[0].hz);
        for (int64_t i = 0; i < r->n_rates && r->n_rates > 1; i++)
            printf("%s%lld of %lld Hz", i ? " and " : ", ", (long long)r->rate[i].n, (long long)r->rate[i].hz);
    }
    printf(": %lld error%s, %lld warning%s\n", (long long)r->n_errors, r->n_errors == 1 ? "" : "s",
           (long long)r->n_warnings, r->n_warnings == 1 ? "" : "s");
}

/* CLI_FAILED where the folder has errors; *broken where it could not be looked at, or the copy not written. */
static int check_one(const check_options *o, spk_check_options *c, const char *dir, bool *broken)
{
    spk_check_report r = {0};
    c->dir = dir;
    const spk_status status = o->fix ? spk_check_fix(c, o->output, o->overwrite, &r) : spk_check_folder(c, &r);
    int rc = cli_failed(status);
    if (rc != CLI_OK) {
        *broken = true;
        return rc;
    }
    print_kind(&r, true, o->max_findings);
    print_kind(&r, false, o->max_findings);
    print_summary(dir, &r);
    rc = r.n_errors > 0 ? CLI_FAILED : CLI_OK;
    spk_check_report_clear(&r);
    return rc;
}

static int check_all(const check_options *o, const spk_str_list *dirs)
{
    int rc = CLI_OK;
    spk_check_options c = {.audio = (spk_check_audio)o->audio,
                           .allow_pipes = o->allow_pipes,
                           .threads = o->threads > 0 ? (int)o->threads : spk_cpu_count(),
                           .against = (const char *const *)o->against.v,
                           .n_against = o->against.n,
                           .progress = cli_progress};
    bool broken = false;
    for (int64_t i = 0; i < dirs->n; i++) {
        const int one = check_one(o, &c, dirs->v[i], &broken);
        rc = one != CLI_OK ? one : rc;
    }
    if (!o->fix || broken) return rc;
    check_options again = *o; /* what was written must be good, and says so itself; the recordings were heard already */
    again.fix = false;
    c.audio = SPK_CHECK_NAMES;
    c.n_against = 0;
    return check_one(&again, &c, o->output, &broken);
}

int prep_check(int argc, char **argv)
{
    const spk_opt table[] = {
        {"audio", SPK_OPT_CHOICE, FIELD(audio), "header", 0, 0, "false|header|decode",
         "look at recordings: whether they are there, open them, or decode them to the end", 0},
        {"against", SPK_OPT_STRS, FIELD(against), "[]", 0, 0, NULL,
         "a folder whose speakers must not be in these (may stand several times)", 0},
        {"allow_pipes", SPK_OPT_BOOL, FIELD(allow_pipes), "false", 0, 0, NULL,
         "run the commands that lists name, to look at what they write", 0},
        {"max_findings", SPK_OPT_INT, FIELD(max_findings), "20", 1, 1e12, NULL,
         "of each file at most so many are printed", 0},
        {"fix", SPK_OPT_BOOL, FIELD(fix), "false", 0, 0, NULL,
         "write a copy of what is good to --output: sorted, without wrong lines, utterances and trials", 0},
        {"output", SPK_OPT_STR, FIELD(output), "none", 0, 0, NULL, "folder of the copy", SPK_OPT_NULLABLE},
        {"num_threads", SPK_OPT_INT, FIELD(threads), "0", 0, 1024, NULL, "0: all processors", 0},
        PREP_OVERWRITE,
        PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep check",
        .usage = "DIR... [OPTION...]",
        .about =
            "Checks data folders: order and keys of the lists, speakers, segments, lengths, trials, recordings. "
            "Prints\n"
            "all that it finds as FILE:LINE: CAUSE, and a summary. Exit status 1 where something is wrong; warnings\n"
            "alone are not. With --fix true: where the copy is wrong.",
        .words = "data folders",
        .min_words = 1,
        .max_words = -1,
        .options = {table, NULL, SPK_COUNT(table)}};
    check_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    if (o.fix && (!o.output || args.words.n != 1))
        rc = cli_usage("prep check: --fix true makes a copy of one folder: give --output DIR");
    else if (o.output && !o.fix)
        rc = cli_usage("prep check: --output is the folder of a fixed copy: give --fix true too");
    else
        rc = check_all(&o, &args.words);
    if (rc != CLI_USAGE) rc = cli_flush() == CLI_OK ? rc : CLI_FAILED;
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
