/* SPDX-License-Identifier: Apache-2.0 */
/* What ESPnet 202611 can build, for configurations and weights that it is to read. */
#ifndef SPK_MODEL_ESPNET_NAMES_IMPL_H
#define SPK_MODEL_ESPNET_NAMES_IMPL_H

#include "model/build_impl.h"

bool spk_espnet_has_part(spk_part_kind kind, const char *part);
/* Whether that part takes the option `key` from YAML. */
bool spk_espnet_has_option(spk_part_kind kind, const char *part, const char *key);

#endif
