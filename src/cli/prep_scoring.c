/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep cohort and spk prep qmf: lists for score normalisation and for calibration by quality. */
#include "cli/prep_impl.h"
#include "data/prep_lists_impl.h"

typedef struct list_options {
    int64_t seed, speakers, utterances, trials;
    double least_s, long_s;
    char *exclude;
    bool overwrite, quiet;
} list_options;

#define FIELD(name) offsetof(list_options, name)
#define SPEAKERS "speakers that are drawn; 0: all"
static const spk_opt cohort_table[] = {
    {"num_cohort_spk", SPK_OPT_INT, FIELD(speakers), "0", 0, 1e9, NULL, SPEAKERS, 0},
    {"num_utt_per_spk", SPK_OPT_INT, FIELD(utterances), "20", 0, 1e9, NULL, "utterances of a speaker, at most; 0: all",
     0},
    {"utt_select_sec", SPK_OPT_FLOAT, FIELD(least_s), "0", 0, 1e6, NULL, "utterances of at least so many seconds", 0},
    {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the draws", 0},
    {"overwrite", SPK_OPT_BOOL, FIELD(overwrite), "false", 0, 0, NULL, "write over lists that were made otherwise", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0}};
static const spk_opt qmf_table[] = {
    {"exclude", SPK_OPT_STR, FIELD(exclude), "none", 0, 0, NULL,
     "a list whose utterances are left out: the cohort's wav.scp", SPK_OPT_NULLABLE},
    {"num_cohort_spk", SPK_OPT_INT, FIELD(speakers), "0", 0, 1e9, NULL, SPEAKERS, 0},
    {"qmf_num_trial_per_condition", SPK_OPT_INT, FIELD(trials), "5000", 1, 1e7, NULL,
     "trials of each of the six conditions, exactly, or all that there are", 0},
    {"qmf_dur_thresh", SPK_OPT_FLOAT, FIELD(long_s), "6", 0, 1e6, NULL, "seconds from which on an utterance is long",
     0},
    {"min_duration", SPK_OPT_FLOAT, FIELD(least_s), "2", 0, 1e6, NULL, "shorter utterances are left out (ESPnet: 2)",
     0},
    {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the draws", 0},
    {"overwrite", SPK_OPT_BOOL, FIELD(overwrite), "false", 0, 0, NULL, "write over lists that were made otherwise", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0}};

static int make_cohort(const list_options *o, const spk_str_list *folders)
{
    const spk_cohort_options c = {.input = folders->v[0],
                                  .output = folders->v[1],
                                  .n_speakers = o->speakers,
                                  .n_utterances = o->utterances,
                                  .least_s = o->least_s,
                                  .seed = (uint64_t)o->seed,
                                  .overwrite = o->overwrite};
    spk_cohort_summary s;
    const int rc = cli_failed(spk_prep_cohort(&c, &s));
    if (rc != CLI_OK) return rc;
    if (s.was_there) {
        printf("%s: these lists are there already\n", c.output);
        return cli_flush();
    }
    if (s.short_speakers > 0)
        spk_warn("prep", "%s: %lld speakers have no utterance of %g s and are left out", c.input,
                 (long long)s.short_speakers, c.least_s);
    printf("%s: %lld utterances of %lld speakers\n", c.output, (long long)s.utterances, (long long)s.speakers);
    return cli_flush();
}

static int make_qmf(const list_options *o, const spk_str_list *folders)
{
    static const char *const names[SPK_N_QUALITY] = {"short-short target",  "long-long target",
                                                     "long-short target",   "short-short nontarget",
                                                     "long-long nontarget", "short-long nontarget"};
    const spk_quality_options q = {.input = folders->v[0],
                                   .output = folders->v[1],
                                   .exclude = o->exclude,
                                   .n_speakers = o->speakers,
                                   .n_trials = o->trials,
                                   .least_s = o->least_s,
                                   .long_s = o->long_s,
                                   .seed = (uint64_t)o->seed,
                                   .overwrite = o->overwrite};
    spk_quality_summary s;
    const int rc = cli_failed(spk_prep_quality(&q, &s));
    if (rc != CLI_OK) return rc;
    if (s.was_there) {
        printf("%s: these lists are there already\n", q.output);
        return cli_flush();
    }
    for (int k = 0; k < SPK_N_QUALITY; k++) {
        if (s.trials[k] < q.n_trials)
            spk_warn("prep", "%s: only %lld %s trials are there", q.input, (long long)s.trials[k], names[k]);
        printf("%s: %lld %s trials\n", q.output, (long long)s.trials[k], names[k]);
    }
    printf("%s: %lld utterances\n", q.output, (long long)s.utterances);
    return cli_flush();
}

static int run(const spk_args_spec *spec, int argc, char **argv,
               int (*make)(const list_options *, const spk_str_list *))
{
    list_options o = {0};
    spk_args args;
    int rc = cli_args(spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    rc = make(&o, &args.words);
    spk_args_clear(&args);
    spk_opts_clear(spec->options.table, spec->options.n, &o);
    return rc;
}

int prep_cohort(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk prep cohort",
        .usage = "DIR OUT [OPTION...]",
        .about = "Draws a cohort for score normalisation from the data folder DIR (wav.scp, utt2spk, utt2dur or the "
                 "recordings):\n"
                 "OUT/wav.scp, utt2spk, spk2utt, for `spk extract --valid_dir OUT` and `spk score --cohort`.",
        .words = "the data folder and the folder of the lists",
        .min_words = 2,
        .max_words = 2,
        .options = {cohort_table, NULL, SPK_COUNT(cohort_table)}};
    return run(&spec, argc, argv, make_cohort);
}

int prep_qmf(int argc, char **argv)
{
    const spk_args_spec spec = {.command = "spk prep qmf",
                                .usage = "DIR OUT [OPTION...]",
                                .about = "Draws trials by duration from the data folder DIR, to train `spk calibrate "
                                         "--kind qmf` on: OUT/trial_label,\n"
                                         "trial.scp, trial2.scp, wav.scp, utt2spk, utt2dur. Pairs of short, of long, "
                                         "and of a short and a long utterance,\n"
                                         "of one speaker and of two, the latter among the utterances of the former.",
                                .words = "the data folder and the folder of the lists",
                                .min_words = 2,
                                .max_words = 2,
                                .options = {qmf_table, NULL, SPK_COUNT(qmf_table)}};
    return run(&spec, argc, argv, make_qmf);
}
