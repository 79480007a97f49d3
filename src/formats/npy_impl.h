/* SPDX-License-Identifier: Apache-2.0 */
/* The header of NumPy's .npy format (numpy.lib.format, versions 1.0 to 3.0), shared by .npy and .npz. */
#ifndef SPK_FORMATS_NPY_IMPL_H
#define SPK_FORMATS_NPY_IMPL_H

#include <stdio.h>

#include "base/base_impl.h"

typedef struct spk_npy_header {
    spk_dtype dtype;
    bool swapped; /* the other byte order than this machine's */
    bool fortran; /* first index runs fastest */
    int n_dims;
    int64_t dim[SPK_MAX_DIMS];
} spk_npy_header;

/* Where bytes come from: exactly n of them, or a failure. */
typedef spk_status (*spk_npy_source)(void *user, void *data, int64_t n);

/* Read a whole array of `bytes` bytes in all (header and data must come to exactly that); `what` names it in messages
 * ("a.npz: 'feats'"). On failure *out is empty. */
spk_status spk_npy_from(spk_npy_source next, void *user, int64_t bytes, const char *what, spk_ndarray *out);
/* Open a .npy file and read its header: *stream stands at the data, which begin at *at and are all there. */
spk_status spk_npy_open(const char *path, spk_npy_header *h, FILE **stream, int64_t *at);
/* Append the header of a C-ordered array, padded to a multiple of 64 bytes. SPK_E_UNSUPPORTED for bfloat16. */
spk_status spk_npy_print_header(spk_text *out, spk_dtype dtype, int n_dims, const int64_t *dim);

#endif
