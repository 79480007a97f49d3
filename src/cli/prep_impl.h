/* SPDX-License-Identifier: Apache-2.0 */
/* The sub-commands of `spk prep`: argv holds what follows the sub-command's name. cmd_prep.c has their table. */
#ifndef SPK_CLI_PREP_IMPL_H
#define SPK_CLI_PREP_IMPL_H

#include "cli/cli_impl.h"

int prep_tree(int argc, char **argv);
int prep_synth(int argc, char **argv);

#endif
