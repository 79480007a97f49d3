/* SPDX-License-Identifier: Apache-2.0 */
/* The one oneDNN engine and stream of the process, and what differs between its versions 2 and 3. */
#include <pthread.h>
#include <string.h>

#include "backend/cpu/dnnl_impl.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static dnnl_engine_t engine;
static dnnl_stream_t stream;

void spk__dnnl_check(dnnl_status_t status, const char *call)
{
    if (status != dnnl_success) spk__assert_failed(call, "oneDNN, status", (int)status);
}

static void start(void)
{
    SPK_DNNL(dnnl_engine_create(&engine, dnnl_cpu, 0));
    SPK_DNNL(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
}

dnnl_engine_t spk__dnnl_engine(void)
{
    pthread_once(&once, start);
    return engine;
}

dnnl_stream_t spk__dnnl_stream(void)
{
    pthread_once(&once, start);
    return stream;
}

/* ---- memory descriptors ---- */

spk_md spk__md_strided(dnnl_data_type_t type, int n, const int64_t *dim, const int64_t *stride)
{
    spk_md md;
    memset(&md, 0, sizeof md);
#if DNNL_VERSION_MAJOR >= 3
    SPK_DNNL(dnnl_memory_desc_create_with_strides(&md, n, dim, type, stride));
#else
    SPK_DNNL(dnnl_memory_desc_init_by_strides(&md, n, dim, type, stride));
#endif
    return md;
}

spk_md spk__md_any(dnnl_data_type_t type, int n, const int64_t *dim)
{
    spk_md md;
    memset(&md, 0, sizeof md);
#if DNNL_VERSION_MAJOR >= 3
    SPK_DNNL(dnnl_memory_desc_create_with_tag(&md, n, dim, type, dnnl_format_tag_any));
#else
    SPK_DNNL(dnnl_memory_desc_init_by_tag(&md, n, dim, type, dnnl_format_tag_any));
#endif
    return md;
}

void spk__md_free(spk_md *md)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*md) dnnl_memory_desc_destroy(*md);
#endif
    memset(md, 0, sizeof *md);
}

spk_md_ref spk__md_ref(const spk_md *md)
{
#if DNNL_VERSION_MAJOR >= 3
    return *md;
#else
    return md;
#endif
}

size_t spk__md_bytes(spk_md_ref a)
{
    return dnnl_memory_desc_get_size(a);
}

dnnl_memory_t spk__memory(spk_md_ref md)
{
    dnnl_memory_t memory;
    SPK_DNNL(dnnl_memory_create(&memory, md, spk__dnnl_engine(), DNNL_MEMORY_NONE));
    return memory;
}

spk_md_ref spk__pd_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

/* ---- convolutions ---- */

#if DNNL_VERSION_MAJOR >= 3
#define BIAS(c) ((c)->has_bias ? (c)->bias : NULL)
#else
#define BIAS(c) ((c)->has_bias ? &(c)->bias : NULL)
static dnnl_primitive_desc_t pd_of(const dnnl_convolution_desc_t *desc, dnnl_primitive_attr_t attr,
                                   const_dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t pd;
    SPK_DNNL(dnnl_primitive_desc_create(&pd, desc, attr, spk__dnnl_engine(), hint));
    return pd;
}
#endif

static void add_relu(dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops;
    SPK_DNNL(dnnl_post_ops_create(&ops));
#if DNNL_VERSION_MAJOR >= 3
    SPK_DNNL(dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0));
#else
    SPK_DNNL(dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0));
#endif
    SPK_DNNL(dnnl_primitive_attr_set_post_ops(attr, ops));
    SPK_DNNL(dnnl_post_ops_destroy(ops));
}

dnnl_primitive_desc_t spk__conv_fwd_pd(const spk_conv_md *c, bool train, bool relu, dnnl_primitive_attr_t attr)
{
    const dnnl_prop_kind_t kind = train ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_primitive_desc_t pd;
    if (relu) add_relu(attr);
#if DNNL_VERSION_MAJOR >= 3
    SPK_DNNL(dnnl_convolution_forward_primitive_desc_create(&pd, spk__dnnl_engine(), kind, dnnl_convolution_direct,
                                                            c->src, c->weights, BIAS(c), c->dst, c->stride, c->dilation,
                                                            c->pad, c->pad, attr));
#else
    dnnl_convolution_desc_t desc;
    SPK_DNNL(dnnl_dilated_convolution_forward_desc_init(&desc, kind, dnnl_convolution_direct, &c->src, &c->weights,
                                                        BIAS(c), &c->dst, c->stride, c->dilation, c->pad, c->pad));
    pd = pd_of(&desc, attr, NULL);
#endif
    return pd;
}

dnnl_primitive_desc_t spk__conv_bwd_data_pd(const spk_conv_md *c, const_dnnl_primitive_desc_t hint,
                                            dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd;
#if DNNL_VERSION_MAJOR >= 3
    SPK_DNNL(dnnl_convolution_backward_data_primitive_desc_create(&pd, spk__dnnl_engine(), dnnl_convolution_direct,
                                                                  c->src, c->weights, c->dst, c->stride, c->dilation,
                                                                  c->pad, c->pad, hint, attr));
#else
    dnnl_convolution_desc_t desc;
    SPK_DNNL(dnnl_dilated_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &c->src, &c->weights,
                                                              &c->dst, c->stride, c->dilation, c->pad, c->pad));
    pd = pd_of(&desc, attr, hint);
#endif
    return pd;
}

dnnl_primitive_desc_t spk__conv_bwd_weights_pd(const spk_conv_md *c, const_dnnl_primitive_desc_t hint,
                                               dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd;
#if DNNL_VERSION_MAJOR >= 3
    SPK_DNNL(dnnl_convolution_backward_weights_primitive_desc_create(
        &pd, spk__dnnl_engine(), dnnl_convolution_direct, c->src, c->weights_grad, BIAS(c), c->dst, c->stride,
        c->dilation, c->pad, c->pad, hint, attr));
#else
    dnnl_convolution_desc_t desc;
    SPK_DNNL(dnnl_dilated_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &c->src,
                                                                 &c->weights_grad, BIAS(c), &c->dst, c->stride,
                                                                 c->dilation, c->pad, c->pad));
    pd = pd_of(&desc, attr, hint);
#endif
    return pd;
}

/* ---- reorders, attributes, execution ---- */

dnnl_primitive_t spk__reorder(spk_md_ref from, spk_md_ref to, bool add)
{
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    SPK_DNNL(dnnl_primitive_attr_create(&attr));
    if (add) {
        dnnl_post_ops_t ops;
        SPK_DNNL(dnnl_post_ops_create(&ops));
#if DNNL_VERSION_MAJOR >= 3
        SPK_DNNL(dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef));
#else
        SPK_DNNL(dnnl_post_ops_append_sum(ops, 1));
#endif
        SPK_DNNL(dnnl_primitive_attr_set_post_ops(attr, ops));
        SPK_DNNL(dnnl_post_ops_destroy(ops));
    }
    SPK_DNNL(dnnl_reorder_primitive_desc_create(&pd, from, spk__dnnl_engine(), to, spk__dnnl_engine(), attr));
    SPK_DNNL(dnnl_primitive_create(&primitive, pd));
    SPK_DNNL(dnnl_primitive_desc_destroy(pd));
    SPK_DNNL(dnnl_primitive_attr_destroy(attr));
    return primitive;
}

dnnl_primitive_attr_t spk__attr_new(void)
{
    dnnl_primitive_attr_t attr;
    SPK_DNNL(dnnl_primitive_attr_create(&attr));
    SPK_DNNL(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    return attr;
}

size_t spk__pd_scratch_bytes(const_dnnl_primitive_desc_t pd)
{
    return spk__md_bytes(spk__pd_md(pd, dnnl_query_scratchpad_md));
}

void spk__execute(dnnl_primitive_t primitive, const spk_dnnl_arg *args, int n)
{
    enum { MOST = 8 };
    dnnl_exec_arg_t list[MOST];
    int used = 0;
    SPK_ASSERT(n <= MOST);
    for (int i = 0; i < n; i++) {
        if (!args[i].memory) continue;
        SPK_DNNL(dnnl_memory_set_data_handle(args[i].memory, args[i].p));
        list[used].arg = args[i].index;
        list[used++].memory = args[i].memory;
    }
    SPK_DNNL(dnnl_primitive_execute(primitive, spk__dnnl_stream(), used, list));
}
