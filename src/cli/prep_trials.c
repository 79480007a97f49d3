/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep trials: trials of a data folder. spk prep split: a fold of its speakers for validation, the others to train on. */
#include "cli/prep_impl.h"

#include <string.h>

typedef struct trials_options {
    char *speakers, *fold, *targets, *cross_session;
    int64_t seed, max_targets, session_parts;
    double nontarget_ratio;
    bool balanced, same_sex, overwrite, quiet;
} trials_options;

#define FIELD(name) offsetof(trials_options, name)

/* Rows of both; what differs stands before them. */
#define COMMON_ROWS                                                                                                    \
    {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of all draws", 0},                                         \
        {"targets",                                                                                                    \
         SPK_OPT_STR,                                                                                                  \
         FIELD(targets),                                                                                               \
         "all",                                                                                                        \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         "target trials of each speaker: a number, or all pairs of its utterances",                                    \
         0},                                                                                                           \
        {"max_targets",                                                                                                \
         SPK_OPT_INT,                                                                                                  \
         FIELD(max_targets),                                                                                           \
         "0",                                                                                                          \
         0,                                                                                                            \
         1e12,                                                                                                         \
         NULL,                                                                                                         \
         "at most so many target trials, drawn; 0: no bound",                                                          \
         0},                                                                                                           \
        {"nontarget_ratio",                                                                                            \
         SPK_OPT_FLOAT,                                                                                                \
         FIELD(nontarget_ratio),                                                                                       \
         "5",                                                                                                          \
         0,                                                                                                            \
         1e6,                                                                                                          \
         NULL,                                                                                                         \
         "nontarget trials for each target trial, at most all there are",                                              \
         0},                                                                                                           \
        {"balanced",                                                                                                   \
         SPK_OPT_BOOL,                                                                                                 \
         FIELD(balanced),                                                                                              \
         "true",                                                                                                       \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         "each speaker stands equally often first in a nontarget trial; false: uniform over pairs of utterances",      \
         0},                                                                                                           \
        {"same_sex",                                                                                                   \
         SPK_OPT_BOOL,                                                                                                 \
         FIELD(same_sex),                                                                                              \
         "false",                                                                                                      \
         0,                                                                                                            \
         0,                                                                                                            \
         NULL,                                                                                                         \
         "nontarget trials between speakers of one sex only, by spk2gender",                                           \
         0},                                                                                                           \
        {"cross_session",                                                                                              \
         SPK_OPT_STR,                                                                                                  \
         FIELD(cross_session),                                                                                         \
         "none",                                                                                                       \
         0,                                                                                                            \
         0,                                                                                                            \
         "utt2sess|id",                                                                                                \
         "target trials between two sessions only: those of the list utt2sess, or by the id",                          \
         SPK_OPT_NULLABLE},                                                                                            \
        {"session_parts",                                                                                              \
         SPK_OPT_INT,                                                                                                  \
         FIELD(session_parts),                                                                                         \
         "2",                                                                                                          \
         1,                                                                                                            \
         100,                                                                                                          \
         NULL,                                                                                                         \
         "with --cross_session id: so many parts of the id name the session (between slashes, else dashes)",           \
         0},                                                                                                           \
        PREP_OVERWRITE, PREP_QUIET

static int read_rules(const trials_options *o, spk_split_options *s)
{
    if (strcmp(o->targets, "all") != 0 && (!spk_parse_int(o->targets, &s->targets) || s->targets < 1))
        return cli_usage("prep: --targets is a number above 0, or all; not '%s'", o->targets);
    s->seed = (uint64_t)o->seed;
    s->max_targets = o->max_targets;
    s->nontarget_ratio = o->nontarget_ratio;
    s->balanced = o->balanced;
    s->same_sex = o->same_sex;
    s->utt2sess = o->cross_session && strcmp(o->cross_session, "utt2sess") == 0;
    s->session_parts = o->cross_session && !s->utt2sess ? o->session_parts : 0;
    s->overwrite = o->overwrite;
    return CLI_OK;
}

int prep_trials(int argc, char **argv)
{
    const spk_opt table[] = {{"speakers", SPK_OPT_STR, FIELD(speakers), "none", 0, 0, NULL,
                              "who takes part: a file with a speaker a line, or a number of them to draw; none: all",
                              SPK_OPT_NULLABLE},
                             COMMON_ROWS};
    const spk_args_spec spec = {
        .command = "spk prep trials",
        .usage = "DIR OUT [OPTION...]",
        .about =
            "Draws trials among a data folder's utterances: OUT/trials, trial.scp, trial2.scp, trial_label, and the\n"
            "lists of who takes part. No utterance meets itself, no pair comes twice. OUT may be DIR.",
        .words = "the data folder and the folder of the result",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    trials_options o;
    spk_args args;
    spk_prep_report report = {0};
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_split_options s = {.input = args.words.v[0], .output = args.words.v[1]};
    rc = read_rules(&o, &s);
    if (o.speakers && !spk_parse_int(o.speakers, &s.n_speakers)) s.speakers = o.speakers;
    if (rc == CLI_OK && o.speakers && !s.speakers && s.n_speakers < 2)
        rc = cli_usage("prep trials: --speakers must be at least 2, not '%s'", o.speakers);
    if (rc == CLI_OK) rc = prep_end(spk_prep_split(&s, &report), &report);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}

static bool read_fold(const char *text, spk_split_options *s)
{
    char *copy = spk_strdup(text), *slash = strchr(copy, '/');
    if (slash) *slash = '\0';
    const bool good = slash && spk_parse_int(copy, &s->fold) && spk_parse_int(slash + 1, &s->n_folds) && s->n_folds > 0;
    spk_free(copy);
    return good;
}

int prep_split(int argc, char **argv)
{
    const spk_opt table[] = {
        {"fold", SPK_OPT_STR, FIELD(fold), "none", 0, 0, NULL,
         "K/N: the speakers are dealt to N folds (by sex, where spk2gender is there), and fold K is held back",
         SPK_OPT_REQUIRED},
        COMMON_ROWS};
    const spk_args_spec spec = {
        .command = "spk prep split",
        .usage = "DIR OUT --fold K/N [OPTION...]",
        .about = "Splits a data folder by speakers: OUT/valid has fold K, with trials, and OUT/train the others. The N "
                 "folds\n"
                 "of one seed are disjoint: N trainings are a cross-validation over the training speakers.",
        .words = "the data folder and the folder of the result",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    trials_options o;
    spk_args args;
    spk_prep_report report = {0};
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_split_options s = {.input = args.words.v[0], .output = args.words.v[1]};
    rc = read_rules(&o, &s);
    if (rc == CLI_OK && !read_fold(o.fold, &s))
        rc = cli_usage("prep split: --fold is K/N, such as 1/5; not '%s'", o.fold);
    if (rc == CLI_OK) rc = prep_end(spk_prep_split(&s, &report), &report);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
