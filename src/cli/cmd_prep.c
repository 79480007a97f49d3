/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep tree: data folders from a folder of recordings. spk prep synth: a corpus of synthetic speakers. */
#include <string.h>

#include "cli/cli_impl.h"
#include "data/tree_impl.h"
#include "recipe/synth_impl.h"

typedef struct prep_options {
    int64_t seed, valid_speakers, max_targets, threads;
    int64_t train_speakers, train_utterances, valid_utterances, trials, rate;
    double nontarget_ratio;
    bool overwrite, quiet;
} prep_options;

#define FIELD(name) offsetof(prep_options, name)
static const spk_opt quiet_row = {
    "quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no progress, and of the log only warnings", 0};

/* ---- tree ---- */

static int prep_tree(int argc, char **argv)
{
    const spk_opt table[] = {
        {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the draw of speakers and trials", 0},
        {"valid_speakers", SPK_OPT_INT, FIELD(valid_speakers), "0", 0, 1e9, NULL,
         "speakers held back for validation; 0: a fifth, at least 2", 0},
        {"max_targets", SPK_OPT_INT, FIELD(max_targets), "0", 0, 1e9, NULL, "at most so many target trials; 0: 10000",
         0},
        {"nontarget_ratio", SPK_OPT_FLOAT, FIELD(nontarget_ratio), "0", 0, 1e6, NULL,
         "nontarget trials for each target trial; 0: 5", 0},
        {"overwrite", SPK_OPT_BOOL, FIELD(overwrite), "false", 0, 0, NULL, "write over the lists of an earlier run", 0},
        quiet_row};
    const spk_args_spec spec = {
        .command = "spk prep tree",
        .usage = "DIR OUT [OPTION...]",
        .about = "Turns a folder DIR with one folder of recordings for each speaker into OUT/train (wav.scp, utt2spk,\n"
                 "spk2utt) and OUT/valid: the same of held-back speakers, with trials. Audio is not copied.",
        .words = "the folder of recordings and the folder of the result",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    prep_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    const spk_tree_options tree = {.input = args.words.v[0],
                                   .output = args.words.v[1],
                                   .valid_speakers = o.valid_speakers,
                                   .max_targets = o.max_targets,
                                   .nontarget_ratio = o.nontarget_ratio,
                                   .seed = (uint64_t)o.seed,
                                   .overwrite = o.overwrite};
    spk_tree_summary s;
    rc = cli_failed(spk_prep_tree(&tree, &s));
    if (rc == CLI_OK) {
        printf("%s/train: %lld speakers, %lld utterances\n", tree.output, (long long)s.train_speakers,
               (long long)s.train_utterances);
        printf("%s/valid: %lld speakers, %lld utterances, %lld target and %lld nontarget trials\n", tree.output,
               (long long)s.valid_speakers, (long long)s.valid_utterances, (long long)s.n_targets,
               (long long)s.n_nontargets);
        if (s.ignored_files)
            cli_note("%lld files were left out: not audio, or not in a speaker's folder", (long long)s.ignored_files);
        rc = cli_flush();
    }
    spk_args_clear(&args);
    return rc;
}

/* ---- synth ---- */

static int prep_synth(int argc, char **argv)
{
    const spk_opt table[] = {
        {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of all draws", 0},
        {"train_speakers", SPK_OPT_INT, FIELD(train_speakers), "44", 2, 100000, NULL, "speakers for training", 0},
        {"valid_speakers", SPK_OPT_INT, FIELD(valid_speakers), "22", 2, 100000, NULL, "other speakers, for trials", 0},
        {"train_utterances", SPK_OPT_INT, FIELD(train_utterances), "14", 1, 100000, NULL, "of a speaker", 0},
        {"valid_utterances", SPK_OPT_INT, FIELD(valid_utterances), "10", 2, 100000, NULL, "of a speaker", 0},
        {"trials", SPK_OPT_INT, FIELD(trials), "1800", 2, 10000000, NULL, "half of them target trials", 0},
        {"sample_rate", SPK_OPT_INT, FIELD(rate), "16000", 8000, 48000, NULL, "Hz", 0},
        {"threads", SPK_OPT_INT, FIELD(threads), "0", 0, 1024, NULL, "0: all processors", 0},
        quiet_row};
    const spk_args_spec spec = {
        .command = "spk prep synth",
        .usage = "OUT [OPTION...]",
        .about =
            "Makes a corpus of synthetic speakers (espeak-ng speaks): OUT/audio, OUT/train, OUT/valid with trials.\n"
            "For trying things out; figures measured on it say nothing about real speech.",
        .words = "the folder of the result",
        .min_words = 1,
        .max_words = 1,
        .options = {table, NULL, SPK_COUNT(table)}};
    prep_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    spk_synth_options s;
    spk_synth_report r;
    spk_synth_defaults(&s);
    s.folder = args.words.v[0];
    s.seed = (uint64_t)o.seed;
    s.n_train_speakers = (int)o.train_speakers;
    s.n_valid_speakers = (int)o.valid_speakers;
    s.n_train_utterances = (int)o.train_utterances;
    s.n_valid_utterances = (int)o.valid_utterances;
    s.n_trials = (int)o.trials;
    s.rate = (int)o.rate;
    s.threads = (int)o.threads;
    s.progress = cli_progress;
    rc = cli_failed(spk_synth_corpus(&s, &r));
    if (rc == CLI_OK) {
        printf("%s: %lld synthetic speakers, %lld utterances, %.0f s of audio, %lld trials\n", s.folder,
               (long long)r.n_speakers, (long long)r.n_utterances, r.audio_s, (long long)r.n_trials);
        rc = cli_flush();
    }
    spk_args_clear(&args);
    return rc;
}

/* ---- both ---- */

int cmd_prep(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "tree") == 0) return prep_tree(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "synth") == 0) return prep_synth(argc - 1, argv + 1);
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        puts("usage: spk prep tree DIR OUT [OPTION...]    data folders from a folder of recordings\n"
             "       spk prep synth OUT [OPTION...]       a corpus of synthetic speakers\n\n"
             "`spk prep tree --help` and `spk prep synth --help` tell the options.");
        return cli_flush();
    }
    if (argc > 0)
        return cli_usage("prep: there is no '%s'; it is `spk prep tree DIR OUT` or `spk prep synth OUT`", argv[0]);
    return cli_usage("prep: say what: `spk prep tree DIR OUT` or `spk prep synth OUT`");
}
