/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep noise: a data folder with noise added to its recordings. */
#include <string.h>

#include "cli/prep_impl.h"
#include "recipe/noisy_impl.h"

typedef struct noise_options {
    char *noises;
    double snr;
    int64_t sample_rate, seed;
    bool quiet;
} noise_options;

#define FIELD(name) offsetof(noise_options, name)

int prep_noise(int argc, char **argv)
{
    const spk_opt table[] = {
        {"noises", SPK_OPT_STR, FIELD(noises), "none", 0, 0, NULL,
         "list of recordings, a path or a key and a path a line", SPK_OPT_REQUIRED},
        {"snr", SPK_OPT_FLOAT, FIELD(snr), "10", -60, 100, NULL, "dB of speech over noise, over the whole recording",
         0},
        {"sample_rate", SPK_OPT_INT, FIELD(sample_rate), "16000", 4000, 192000, NULL, "Hz of what is written", 0},
        {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the draws: which noise, which part of it", 0},
        {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no progress, and of the log only warnings", 0}};
    const spk_args_spec spec = {
        .command = "spk prep noise",
        .usage = "DIR OUT --noises LIST [OPTION...]",
        .about =
            "Copies the data folder DIR with a part of one noise added to each recording (OUT/audio, 16-bit FLAC):\n"
            "to measure how a model bears noise. Training adds noise by itself (docs/augmentation.md).",
        .words = "the data folder and the folder of the result",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    noise_options o;
    spk_args args;
    int64_t n = 0;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    const spk_noisy_options how = {.input = args.words.v[0],
                                   .output = args.words.v[1],
                                   .noises = o.noises,
                                   .snr = o.snr,
                                   .rate = o.sample_rate,
                                   .seed = (uint64_t)o.seed,
                                   .progress = cli_progress};
    if (strcmp(how.input, how.output) == 0)
        rc = cli_usage("prep noise: %s is the folder that is read; give another one for the result", how.output);
    else
        rc = cli_failed(spk_prep_noisy(&how, &n));
    if (rc == CLI_OK) {
        printf("%s: %lld utterances with noise %g dB below the speech\n", how.output, (long long)n, o.snr);
        rc = cli_flush();
    }
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
