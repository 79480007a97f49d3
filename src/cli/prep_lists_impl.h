/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of `spk prep` that draw lists for scoring. */
#ifndef SPK_CLI_PREP_LISTS_IMPL_H
#define SPK_CLI_PREP_LISTS_IMPL_H

#include "cli/cli_impl.h"

int prep_cohort(int argc, char **argv);
int prep_qmf(int argc, char **argv);

#endif
