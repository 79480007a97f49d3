/* SPDX-License-Identifier: Apache-2.0 */
/* Where the program's plugins may lie. */
#ifndef SPK_BASE_PLUGIN_IMPL_H
#define SPK_BASE_PLUGIN_IMPL_H

#include "base/base_impl.h"

/* Folders in which plugins are looked for, a line each: `given` (NULL: none), beside the program or libspk, installed. */
void spk_plugin_folders(const char *given, spk_text *out);

#endif
