/* SPDX-License-Identifier: Apache-2.0 */
/* The program `spk`: a table of commands, each in a file of its own. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_impl.h"

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *brief;
} commands[] = {
    {"demo", cmd_demo, "make synthetic speakers, train, validate, extract: the whole way in minutes"},
    {"prep", cmd_prep, "data folders of recordings and known corpora, checks, folds, trials"},
    {"recipe", cmd_recipe, "a whole recipe: steps from the data to RESULTS.md; what is up to date is skipped"},
    {"train", cmd_train, "train a model and measure it on unseen speakers after every epoch"},
    {"validate", cmd_validate, "EER and minDCF of a model on a list of trials"},
    {"extract", cmd_extract, "embeddings of recordings or of a list of trials"},
    {"backend", cmd_backend, "learn LDA, WCCN, whitening or PLDA from embeddings; to and from Kaldi's files"},
    {"verify", cmd_verify, "are two recordings of one speaker?"},
    {"enroll", cmd_enroll, "put speakers into a gallery, a small file of names and embeddings"},
    {"identify", cmd_identify, "who of a gallery speaks in a recording?"},
    {"score", cmd_score, "scores of trials from embeddings, normalised by a cohort if wanted"},
    {"calibrate", cmd_calibrate, "scores of one system or of several to log likelihood ratios"},
    {"eval", cmd_eval, "EER, minDCF, Cllr of scores, with intervals, by condition, as pictures"},
    {"convert", cmd_convert, "a model to or from ESPnet, WeSpeaker, SpeechBrain, 3D-Speaker, safetensors"},
    {"model", cmd_model, "the layers of a configuration's network: shapes, parameters, FLOPs"},
    {"pack", cmd_pack, "a trained model and what goes with it as one file"},
    {"export", cmd_export, "a trained model as an ONNX file, for other programs"},
    {"bench", cmd_bench, "training steps and embeddings a second on this machine"},
    {"help", cmd_help, "this text, or the help of a command"},
    {"version", cmd_version, "the program's version"},
};
enum { N_COMMANDS = (int)(sizeof commands / sizeof *commands) };

static const struct command *find(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[N_COMMANDS];
    for (int i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = spk_nearest(name, names, N_COMMANDS);
    if (near) return cli_usage("there is no command '%s'; did you mean '%s'? (`spk help` lists all)", name, near);
    return cli_usage("there is no command '%s'; `spk help` lists all", name);
}

static void print_help(void)
{
    puts("spk trains speaker-embedding extractors and measures them on speakers that they have never heard.\n"
         "\nusage: spk COMMAND [OPTION...]\n");
    for (int i = 0; i < N_COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].brief);
    puts("\n`spk COMMAND --help` tells the options of a command. Results go to stdout, log and progress to stderr;\n"
         "--quiet leaves the latter out, but warnings and errors. Exit status: 0 done, 1 failed, 2 wrong usage.");
}

static int cmd_help(int argc, char **argv)
{
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_help();
        return cli_flush();
    }
    if (argc > 1) return cli_usage("help takes one command: spk help COMMAND");
    const struct command *c = find(argv[0]);
    if (!c) return unknown(argv[0]);
    if (c->run == cmd_help || c->run == cmd_version) {
        print_help();
        return cli_flush();
    }
    char word[] = "--help", *words[] = {word, NULL};
    return c->run(1, words);
}

int cli_command(const char *name, int argc, char **argv)
{
    const struct command *c = find(name);
    return c ? c->run(argc, argv) : unknown(name);
}

static int cmd_version(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        puts("usage: spk version\n\nPrints the program's version.");
        return cli_flush();
    }
    if (argc > 0) return cli_usage("version takes nothing: '%s'", argv[0]);
    printf("spk %s\n", spk_version());
    return cli_flush();
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help();
        cli_flush();
        return CLI_USAGE;
    }
    const char *name = argv[1];
    int status;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        status = cmd_help(argc - 2, argv + 2);
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        status = cmd_version(argc - 2, argv + 2);
    else {
        const struct command *c = find(name);
        status = c && c->run != cmd_help && c->run != cmd_version ? cli_team_open(name) : CLI_GO_ON;
        if (status == CLI_GO_ON) status = cli_command(name, argc - 2, argv + 2);
        cli_team_close();
    }
    cli_log_stop();
    return status;
}
