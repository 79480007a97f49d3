/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep: a table of sub-commands that make and check data folders, each in a file of its own (prep_*.c). */
#include <string.h>

#include "cli/prep_impl.h"

static const struct sub_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage, *brief;
} subs[] = {
    {"tree", prep_tree, "DIR OUT", "data folders from a folder of recordings for each speaker"},
    {"voxceleb", prep_voxceleb, "--vox1 DIR --vox2 DIR OUT", "VoxCeleb 1 and 2, and their trials"},
    {"cnceleb", prep_cnceleb, "--cnceleb1 DIR OUT", "CN-Celeb 1 and 2, enrolment and trials"},
    {"musan", prep_musan, "DIR OUT", "lists of noises for augmentation"},
    {"rirs", prep_rirs, "DIR OUT", "a list of room responses for augmentation"},
    {"check", prep_check, "DIR...", "what is wrong with data folders; a copy without it"},
    {"split", prep_split, "DIR OUT --fold K/N", "a fold of the speakers for validation, the others to train on"},
    {"trials", prep_trials, "DIR OUT", "trials drawn by stated rules"},
    {"speed", prep_speed, "DIR OUT", "copies at other speeds, as lists"},
    {"cohort", prep_cohort, "DIR OUT", "utterances of a cohort, for score normalisation"},
    {"qmf", prep_qmf, "DIR OUT", "trials to train a calibration by quality on"},
    {"noise", prep_noise, "DIR OUT --noises LIST", "a data folder with noise added to its recordings"},
    {"synth", prep_synth, "OUT", "a corpus of synthetic speakers"},
};
enum { N_SUBS = (int)(sizeof subs / sizeof *subs) };

static void print_help(void)
{
    puts("usage: spk prep WHAT ... [OPTION...]    makes and checks data folders\n");
    for (int i = 0; i < N_SUBS; i++)
        printf("  %-9s %-34s %s\n", subs[i].name, subs[i].usage, subs[i].brief);
    puts("\n`spk prep WHAT --help` tells the options.");
}

static int unknown(const char *name)
{
    const char *names[N_SUBS];
    for (int i = 0; i < N_SUBS; i++)
        names[i] = subs[i].name;
    const char *near = spk_nearest(name, names, N_SUBS);
    if (near)
        return cli_usage("prep: there is no '%s'; did you mean 'prep %s'? (`spk prep --help` lists all)", name, near);
    return cli_usage("prep: there is no '%s'; `spk prep --help` lists what there is", name);
}

int cmd_prep(int argc, char **argv)
{
    if (argc == 0) return cli_usage("prep: say what: `spk prep tree DIR OUT`, or see `spk prep --help`");
    for (int i = 0; i < N_SUBS; i++)
        if (strcmp(argv[0], subs[i].name) == 0) return subs[i].run(argc - 1, argv + 1);
    if (strcmp(argv[0], "--help") != 0 && strcmp(argv[0], "-h") != 0) return unknown(argv[0]);
    print_help();
    return cli_flush();
}
