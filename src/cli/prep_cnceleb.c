/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep cnceleb: CN-Celeb 1 and 2 as data folders. */
#include "cli/prep_impl.h"

typedef struct cnceleb_options {
    char *cnceleb1, *cnceleb2;
    bool allow_missing, overwrite, quiet;
} cnceleb_options;

#define FIELD(name) offsetof(cnceleb_options, name)

int prep_cnceleb(int argc, char **argv)
{
    const spk_opt table[] = {{"cnceleb1", SPK_OPT_STR, FIELD(cnceleb1), "none", 0, 0, NULL,
                              "folder of CN-Celeb1 (CN-Celeb_flac), with data, dev and eval", SPK_OPT_REQUIRED},
                             {"cnceleb2", SPK_OPT_STR, FIELD(cnceleb2), "none", 0, 0, NULL,
                              "folder of CN-Celeb2 (CN-Celeb2_flac), with data and spk.lst", SPK_OPT_NULLABLE},
                             {"allow_missing", SPK_OPT_BOOL, FIELD(allow_missing), "false", 0, 0, NULL,
                              "go on without speakers and trials whose recordings are not there", 0},
                             PREP_OVERWRITE,
                             PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep cnceleb",
        .usage = "--cnceleb1 DIR [--cnceleb2 DIR] OUT",
        .about = "Turns CN-Celeb into OUT/cnceleb1_dev, cnceleb2, cnceleb_train (both); OUT/cnceleb1_eval, where each "
                 "model\n"
                 "is its one file of eval/enroll, with trials; and OUT/cnceleb1_eval_sep, where a model is the "
                 "utterances of\n"
                 "enroll.map: `spk score --trials enroll_trials --enroll enroll.map`. Audio is not copied.",
        .words = "the folder of the result",
        .min_words = 1,
        .max_words = 1,
        .options = {table, NULL, SPK_COUNT(table)}};
    cnceleb_options o;
    spk_args args;
    spk_prep_report report = {0};
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    const spk_cnceleb_options c = {.cnceleb1 = o.cnceleb1,
                                   .cnceleb2 = o.cnceleb2,
                                   .output = args.words.v[0],
                                   .allow_missing = o.allow_missing,
                                   .overwrite = o.overwrite,
                                   .progress = cli_progress};
    rc = prep_end(spk_prep_cnceleb(&c, &report), &report);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
