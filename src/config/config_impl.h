/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a training's options, for the files of this room. */
#ifndef SPK_CONFIG_CONFIG_IMPL_H
#define SPK_CONFIG_CONFIG_IMPL_H

#include "config/args_impl.h"
#include "config/preprocess_impl.h"
#include "spk/config.h"

extern const spk_options spk__config_options;
extern const spk_args_spec spk__config_spec;
/* Defaults, then the tree, which is taken also on failure. */
spk_status spk__config_from_tree(spk_yaml *tree, spk_config *config);
/* Fill what is derived (preprocess, i_channel, pool_lengths) and take `source`. *usage as spk_args has it.
 * On failure the configuration is cleared. */
spk_status spk__config_derive(spk_config *config, spk_yaml *source, bool *usage);

/* The lengths that chunk_length names; *out is empty before, and the caller's. */
spk_status spk__chunk_lengths(const spk_config *config, spk_int_list *out);

#endif
