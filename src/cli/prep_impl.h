/* SPDX-License-Identifier: Apache-2.0 */
/* The sub-commands of `spk prep`: argv holds what follows the sub-command's name. cmd_prep.c has their table. */
#ifndef SPK_CLI_PREP_IMPL_H
#define SPK_CLI_PREP_IMPL_H

#include "cli/cli_impl.h"
#include "data/prep_impl.h"

int prep_check(int argc, char **argv);
int prep_cnceleb(int argc, char **argv);
int prep_cohort(int argc, char **argv);
int prep_musan(int argc, char **argv);
int prep_noise(int argc, char **argv);
int prep_qmf(int argc, char **argv);
int prep_rirs(int argc, char **argv);
int prep_speed(int argc, char **argv);
int prep_split(int argc, char **argv);
int prep_synth(int argc, char **argv);
int prep_tree(int argc, char **argv);
int prep_trials(int argc, char **argv);
int prep_voxceleb(int argc, char **argv);

/* Rows that most of them have; FIELD is the including file's. */
#define PREP_OVERWRITE                                                                                                 \
    {                                                                                                                  \
        "overwrite", SPK_OPT_BOOL, FIELD(overwrite), "false", 0, 0, NULL,                                              \
            "write over lists of an earlier run that differ", 0                                                        \
    }
#define PREP_QUIET                                                                                                     \
    {                                                                                                                  \
        "quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no progress, and of the log only warnings", 0       \
    }

/* The exit status of what ended so: the report's rows on standard output, or the failure's sentence. Clears the report. */
int prep_end(spk_status status, spk_prep_report *report);

#endif
