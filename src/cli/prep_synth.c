/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep synth: a corpus of synthetic speakers. */
#include "cli/prep_impl.h"
#include "recipe/synth_impl.h"

typedef struct synth_options {
    int64_t seed, threads, train_speakers, train_utterances, valid_speakers, valid_utterances, trials, rate;
    bool quiet;
} synth_options;

#define FIELD(name) offsetof(synth_options, name)

int prep_synth(int argc, char **argv)
{
    const spk_opt table[] = {
        {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of all draws", 0},
        {"train_speakers", SPK_OPT_INT, FIELD(train_speakers), "44", 2, 100000, NULL, "speakers for training", 0},
        {"valid_speakers", SPK_OPT_INT, FIELD(valid_speakers), "22", 2, 100000, NULL, "other speakers, for trials", 0},
        {"train_utterances", SPK_OPT_INT, FIELD(train_utterances), "14", 1, 100000, NULL, "of a speaker", 0},
        {"valid_utterances", SPK_OPT_INT, FIELD(valid_utterances), "10", 2, 100000, NULL, "of a speaker", 0},
        {"trials", SPK_OPT_INT, FIELD(trials), "1800", 2, 10000000, NULL, "half of them target trials", 0},
        {"sample_rate", SPK_OPT_INT, FIELD(rate), "16000", 8000, 48000, NULL, "Hz", 0},
        {"num_threads", SPK_OPT_INT, FIELD(threads), "0", 0, 1024, NULL, "0: all processors", 0},
        PREP_QUIET};
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
    synth_options o;
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
