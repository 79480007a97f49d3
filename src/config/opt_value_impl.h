/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files that read option tables: values by kind, and fields and maps. */
#ifndef SPK_CONFIG_OPT_VALUE_IMPL_H
#define SPK_CONFIG_OPT_VALUE_IMPL_H

#include "config/args_impl.h"

/* Read a node into the field at p, which is zero before; after a failure it may hold a part and must be cleared.
 * `what` is the map's name for messages ("" at the top). */
spk_status spk__opt_value(const spk_opt *o, const spk_yaml *node, const char *what, void *p);
/* null, none, nil: "no value". */
bool spk__means_none(const spk_yaml *node);
/* Its place is an option of the command line ("--lr"), so line and column say nothing. */
bool spk__from_command_line(const spk_yaml *node);
void spk__triple_clear(spk_triple *t);

#endif
