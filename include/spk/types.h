/* SPDX-License-Identifier: Apache-2.0 */
/* Element types and named arrays that cross room borders. */
#ifndef SPK_TYPES_H
#define SPK_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "spk/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spk_dtype {
    SPK_F32 = 0,
    SPK_F64,
    SPK_BF16,
    SPK_F16,
    SPK_I64,
    SPK_I32,
    SPK_I16,
    SPK_I8,
    SPK_U8,
    SPK_BOOL
} spk_dtype;

SPK_API size_t spk_dtype_size(spk_dtype dtype);      /* bytes of an element */
SPK_API const char *spk_dtype_name(spk_dtype dtype); /* "float32", ... */

enum { SPK_MAX_DIMS = 8 };

/* A dense row-major array that owns its data (64-byte aligned). n_dims 0 is a scalar of 1 element. */
typedef struct spk_ndarray {
    spk_dtype dtype;
    int n_dims;
    int64_t dim[SPK_MAX_DIMS];
    void *data;
} spk_ndarray;

SPK_API int64_t spk_ndarray_count(const spk_ndarray *a); /* elements */
/* Allocate zeroed data for the given shape. */
SPK_API spk_status spk_ndarray_init(spk_ndarray *a, spk_dtype dtype, int n_dims, const int64_t *dim) SPK_NODISCARD;
SPK_API void spk_ndarray_clear(spk_ndarray *a); /* frees the data; zeroes the struct */

/* Named arrays in a fixed order: a state_dict, the members of an .npz. */
typedef struct spk_tensors {
    int64_t n;
    struct spk_named {
        char *name;
        spk_ndarray a;
    } * item;
} spk_tensors;

SPK_API spk_ndarray *spk_tensors_find(const spk_tensors *t, const char *name); /* NULL: not there */
/* Append a copy of the name with a zeroed array; *out points into t until the next add. */
SPK_API spk_status spk_tensors_add(spk_tensors *t, const char *name, spk_dtype dtype, int n_dims, const int64_t *dim,
                                   spk_ndarray **out) SPK_NODISCARD;
SPK_API void spk_tensors_clear(spk_tensors *t);

#ifdef __cplusplus
}
#endif
#endif
