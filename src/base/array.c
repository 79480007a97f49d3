/* SPDX-License-Identifier: Apache-2.0 */
/* Element types, arrays and lists of named arrays (spk/types.h). */
#include "base/base_impl.h"

#include <string.h>

static const struct {
    size_t size;
    const char *name;
} dtypes[] = {
    [SPK_F32] = {4, "float32"}, [SPK_F64] = {8, "float64"}, [SPK_BF16] = {2, "bfloat16"}, [SPK_F16] = {2, "float16"},
    [SPK_I64] = {8, "int64"},   [SPK_I32] = {4, "int32"},   [SPK_I16] = {2, "int16"},     [SPK_I8] = {1, "int8"},
    [SPK_U8] = {1, "uint8"},    [SPK_BOOL] = {1, "bool"}};

size_t spk_dtype_size(spk_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *spk_dtype_name(spk_dtype dtype)
{
    return dtypes[dtype].name;
}

int64_t spk_ndarray_count(const spk_ndarray *a)
{
    int64_t n = 1;
    for (int i = 0; i < a->n_dims; i++)
        n *= a->dim[i];
    return n;
}

spk_status spk_ndarray_init(spk_ndarray *a, spk_dtype dtype, int n_dims, const int64_t *dim)
{
    bool overflow = false;
    size_t bytes = spk_dtype_size(dtype);
    SPK_ASSERT(n_dims >= 0 && n_dims <= SPK_MAX_DIMS);
    memset(a, 0, sizeof *a);
    a->dtype = dtype;
    a->n_dims = n_dims;
    for (int i = 0; i < n_dims; i++) {
        SPK_ASSERT(dim[i] >= 0);
        a->dim[i] = dim[i];
        bytes = spk_mul(bytes, (size_t)dim[i], &overflow);
    }
    a->data = overflow ? NULL : spk_alloc_zero(bytes);
    if (!a->data) return spk_fail(SPK_E_NOMEM, "out of memory for an array of %zu bytes", bytes);
    return SPK_OK;
}

void spk_ndarray_clear(spk_ndarray *a)
{
    spk_free(a->data);
    memset(a, 0, sizeof *a);
}

spk_ndarray *spk_tensors_find(const spk_tensors *t, const char *name)
{
    for (int64_t i = 0; i < t->n; i++)
        if (strcmp(t->item[i].name, name) == 0) return &t->item[i].a;
    return NULL;
}

spk_status spk_tensors_add(spk_tensors *t, const char *name, spk_dtype dtype, int n_dims, const int64_t *dim,
                           spk_ndarray **out)
{
    spk_ndarray a;
    SPK_TRY(spk_ndarray_init(&a, dtype, n_dims, dim));
    struct spk_named *item = &SPK_PUSH(t->item, t->n);
    *item = (struct spk_named){spk_strdup(name), a};
    *out = &item->a;
    return SPK_OK;
}

void spk_tensors_clear(spk_tensors *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        spk_free(t->item[i].name);
        spk_ndarray_clear(&t->item[i].a);
    }
    spk_free(t->item);
    memset(t, 0, sizeof *t);
}
