/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oneDNN, behind one header: builds with 2.6 (operation descriptors) and 3.x (primitive descriptors only). Only files
 * of this folder named dnnl_* include it. A failure in here is a bug or a lack of memory: it aborts with the call's
 * text, as nothing of it depends on the user's data.
 */
#ifndef SPK_BACKEND_CPU_DNNL_IMPL_H
#define SPK_BACKEND_CPU_DNNL_IMPL_H

#include <dnnl.h>

#include "backend/backend_impl.h"

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t spk_md; /* a pointer that is owned */
typedef const_dnnl_memory_desc_t spk_md_ref;
#else
typedef dnnl_memory_desc_t spk_md; /* a struct */
typedef const dnnl_memory_desc_t *spk_md_ref;
#endif

#define SPK_DNNL(call) spk__dnnl_check((call), #call)
void spk__dnnl_check(dnnl_status_t status, const char *call);

dnnl_engine_t spk__dnnl_engine(void);
dnnl_stream_t spk__dnnl_stream(void);

/* A descriptor of extents; by strides, or by tag (dnnl_format_tag_any: the library chooses). */
spk_md spk__md_strided(dnnl_data_type_t type, int n, const int64_t *dim, const int64_t *stride);
spk_md spk__md_any(dnnl_data_type_t type, int n, const int64_t *dim);
void spk__md_free(spk_md *md);
spk_md_ref spk__md_ref(const spk_md *md);
size_t spk__md_bytes(spk_md_ref a);
/* Memory without data: set the handle before each use. */
dnnl_memory_t spk__memory(spk_md_ref md);
/* What a primitive wants at a place (dnnl_query_src_md, ...); owned by the primitive descriptor. */
spk_md_ref spk__pd_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what);

typedef struct spk_conv_md {
    spk_md src, weights, weights_grad, bias, dst; /* bias: only where has_bias */
    bool has_bias;
    dnnl_dims_t stride, dilation, pad;
} spk_conv_md;
/* Forward with an optional ReLU; hint is NULL, or the forward descriptor for the two backward ones. */
dnnl_primitive_desc_t spk__conv_fwd_pd(const spk_conv_md *c, bool train, bool relu, dnnl_primitive_attr_t attr);
dnnl_primitive_desc_t spk__conv_bwd_data_pd(const spk_conv_md *c, const_dnnl_primitive_desc_t hint,
                                            dnnl_primitive_attr_t attr);
dnnl_primitive_desc_t spk__conv_bwd_weights_pd(const spk_conv_md *c, const_dnnl_primitive_desc_t hint,
                                               dnnl_primitive_attr_t attr);
/* Copy between layouts; `add`: the destination keeps what it had and the source is added. */
dnnl_primitive_t spk__reorder(spk_md_ref from, spk_md_ref to, bool add);
/* Scratchpads are the caller's. */
dnnl_primitive_attr_t spk__attr_new(void);
size_t spk__pd_scratch_bytes(const_dnnl_primitive_desc_t pd);

typedef struct spk_dnnl_arg {
    int index;
    dnnl_memory_t memory;
    void *p;
} spk_dnnl_arg;
/* Set the handles and execute; arguments with a NULL memory are left out. */
void spk__execute(dnnl_primitive_t primitive, const spk_dnnl_arg *args, int n);

#endif
