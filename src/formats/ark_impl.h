/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a Kaldi ark, opened where its values begin (formats/ark.c), so that a part of it can be read. */
#ifndef SPK_FORMATS_ARK_IMPL_H
#define SPK_FORMATS_ARK_IMPL_H

#include <stdio.h>

#include "base/base_impl.h"
#include "spk/types.h"

typedef struct spk_ark_head {
    spk_dtype dtype; /* SPK_F32 or SPK_F64, little-endian */
    int n_dims;
    int64_t dim[2];
    size_t bytes; /* of the values */
    int64_t at;   /* where they begin */
} spk_ark_head;

/* The entry at `offset`, or the file's first one where that is below 0: *stream stands at the values; close it. */
spk_status spk_ark_open(const char *path, int64_t offset, spk_ark_head *h, FILE **stream);

#endif
