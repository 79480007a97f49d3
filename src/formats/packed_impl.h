/* SPDX-License-Identifier: Apache-2.0 */
/* Other members of a packed model (spk/state.h), and packing one. */
#ifndef SPK_FORMATS_PACKED_IMPL_H
#define SPK_FORMATS_PACKED_IMPL_H

#include "base/base_impl.h"

/* The text that lies beside the packed model's configuration under that name: new (n bytes and a NUL; spk_free), or NULL
 * where there is none. SPK_E_IO, SPK_E_FORMAT name the file. */
spk_status spk_packed_text(const char *path, const char *name, char **text, size_t *n) SPK_NODISCARD;

#endif
