/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the parameters of a network between their declaration and spk_params_commit. */
#ifndef SPK_MODEL_INIT_IMPL_H
#define SPK_MODEL_INIT_IMPL_H

#include "graph/params_impl.h"
#include "spk/config.h"

/* Initial values by xavier_uniform, xavier_normal, kaiming_uniform or kaiming_normal; NULL: as declared. */
void spk_init_choose(spk_params *params, const char *choice);
/* The parameters that a prefix names (all of the name, or up to a dot) are not trained: they get no gradient and the
 * optimiser does not see them. SPK_E_CONFIG: a prefix names none; the nearest is said. After spk_init_choose. */
spk_status spk_init_freeze(spk_params *params, const spk_str_list *prefixes);

#endif
