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
    int packed;   /* 0; or one of Kaldi's compressed kinds, 1 to 3 (CM, CM2, CM3), of float32 */
    float least, range;
} spk_ark_head;

/* The entry at `offset`, or the file's first one where that is below 0: *stream stands at the values; close it. */
spk_status spk_ark_open(const char *path, int64_t offset, spk_ark_head *h, FILE **stream);

/* Compressed matrices (ark_compressed.c): their bytes, and from bytes that were read to (dim[0], dim[1]) values. */
size_t spk_ark_packed_bytes(int kind, int64_t rows, int64_t columns, bool *overflow);
void spk_ark_expand(const spk_ark_head *h, const void *packed, float *out);

#endif
