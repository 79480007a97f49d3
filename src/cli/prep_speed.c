/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep speed: copies at other speeds, as lists. */
#include "cli/prep_impl.h"

#include <string.h>

typedef struct speed_options {
    spk_str_list factors;
    char *pipes;
    bool overwrite, quiet;
} speed_options;

#define FIELD(name) offsetof(speed_options, name)

int prep_speed(int argc, char **argv)
{
    const spk_opt table[] = {
        {"factors", SPK_OPT_STRS, FIELD(factors), "[0.9, 1.0, 1.1]", 0, 0, NULL,
         "of the speeds; 1.0 stands for the recordings as they are", SPK_OPT_MANY},
        {"pipes", SPK_OPT_STR, FIELD(pipes), "none", 0, 0, "sox",
         "name the copies as commands of that program, as ESPnet's recipe does (--allow_pipes true at training)",
         SPK_OPT_NULLABLE},
        PREP_OVERWRITE,
        PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep speed",
        .usage = "DIR OUT [--factors F...] [OPTION...]",
        .about =
            "Lists a data folder's recordings at other speeds as utterances and speakers of their own (sp0.9-UTT of\n"
            "sp0.9-SPEAKER). No audio is written: an entry is FILE[speed:0.9]. The same while training, without\n"
            "lists: `preprocessor_conf: {speed_perturb_factors: [0.9, 1.0, 1.1]}`.",
        .words = "the data folder and the folder of the result",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    speed_options o;
    spk_args args;
    spk_prep_report report = {0};
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    double *factor = spk_new(sizeof *factor * (size_t)(o.factors.n + 1));
    rc = CLI_OK;
    for (int64_t i = 0; i < o.factors.n && rc == CLI_OK; i++)
        if (!spk_parse_double(o.factors.v[i], &factor[i]))
            rc = cli_usage("prep speed: --factors are numbers; '%s' is none", o.factors.v[i]);
    const spk_speed_options s = {.input = args.words.v[0],
                                 .output = args.words.v[1],
                                 .factor = factor,
                                 .n_factors = o.factors.n,
                                 .sox = o.pipes != NULL,
                                 .overwrite = o.overwrite};
    if (rc == CLI_OK) rc = prep_end(spk_prep_speed(&s, &report), &report);
    spk_free(factor);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
