/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep tree: data folders from a folder of recordings. */
#include "cli/prep_impl.h"
#include "data/tree_impl.h"

typedef struct tree_options {
    int64_t seed, valid_speakers, max_targets;
    double nontarget_ratio;
    bool train_only, overwrite, quiet;
} tree_options;

#define FIELD(name) offsetof(tree_options, name)

int prep_tree(int argc, char **argv)
{
    const spk_opt table[] = {
        {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the draw of speakers and trials", 0},
        {"valid_speakers", SPK_OPT_INT, FIELD(valid_speakers), "0", 0, 1e9, NULL,
         "speakers held back for validation; 0: a fifth, at least 2", 0},
        {"max_targets", SPK_OPT_INT, FIELD(max_targets), "0", 0, 1e9, NULL, "at most so many target trials; 0: 10000",
         0},
        {"nontarget_ratio", SPK_OPT_FLOAT, FIELD(nontarget_ratio), "0", 0, 1e6, NULL,
         "nontarget trials for each target trial; 0: 5", 0},
        {"train_only", SPK_OPT_BOOL, FIELD(train_only), "false", 0, 0, NULL, "hold nobody back: OUT/train alone", 0},
        PREP_OVERWRITE,
        PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep tree",
        .usage = "DIR OUT [OPTION...]",
        .about = "Turns a folder DIR with one folder of recordings for each speaker into OUT/train (wav.scp, utt2spk,\n"
                 "spk2utt) and OUT/valid: the same of held-back speakers, with trials. Audio is not copied.",
        .words = "the folder of recordings and the folder of the result",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    tree_options o;
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
                                   .train_only = o.train_only,
                                   .overwrite = o.overwrite};
    spk_tree_summary s;
    rc = cli_failed(spk_prep_tree(&tree, &s));
    if (rc == CLI_OK) {
        printf("%s/train: %lld speakers, %lld utterances\n", tree.output, (long long)s.train_speakers,
               (long long)s.train_utterances);
        if (!o.train_only)
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
