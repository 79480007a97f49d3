/* SPDX-License-Identifier: Apache-2.0 */
/* Other members of a packed model (spk/state.h), and packing one. */
#ifndef SPK_FORMATS_PACKED_IMPL_H
#define SPK_FORMATS_PACKED_IMPL_H

#include "base/base_impl.h"

/* The text that lies beside the packed model's configuration under that name: new (n bytes and a NUL; spk_free), or NULL
 * where there is none. SPK_E_IO, SPK_E_FORMAT name the file. */
spk_status spk_packed_text(const char *path, const char *name, char **text, size_t *n) SPK_NODISCARD;

typedef struct spk_packed_member {
    char *name, *data; /* owned: spk_packed_members_clear */
    size_t bytes;
} spk_packed_member;
typedef struct spk_packed_members {
    spk_packed_member *v;
    int64_t n;
} spk_packed_members;

/* Takes data; copies the name. SPK_E_VALUE: a member of that name is there. */
spk_status spk_packed_members_add(spk_packed_members *m, const char *name, char *data, size_t bytes) SPK_NODISCARD;
void spk_packed_members_clear(spk_packed_members *m);
/* A zip file as ESPnet packs it: meta.yaml, which names the members config and weights, and then all members. It appears
 * whole or not at all, and equal members give equal bytes. */
spk_status spk_packed_write(const char *path, const char *config, const char *weights,
                            const spk_packed_members *m) SPK_NODISCARD;

#endif
