/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep noise, for the table of `spk prep`. */
#ifndef SPK_CLI_PREP_NOISE_IMPL_H
#define SPK_CLI_PREP_NOISE_IMPL_H

#include "cli/cli_impl.h"

int prep_noise(int argc, char **argv);

#endif
