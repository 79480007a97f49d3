/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions by cuDNN: forward with bias and ReLU, towards the input, towards the weights. Tensors are (n, c, h, w) with the
 * strides of rows that lie ld apart, channels last; weights are (o, taps, c). Plans are kept by geometry, so that equal layers share
 * one and a shape that comes again is not looked up again.
 */
#include "backend/cuda/dnn_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 32, MOST_PLANS = 512, ALIGNED = 16 };
static const size_t most_workspace = size_t(512) << 20;

struct spk_dnn_conv {
    int64_t key[KEY];
    spk_dnn_bag bag;
    cudnnBackendDescriptor_t plan; /* NULL: cuDNN has nothing */
    size_t workspace;
    int users;
    spk_dnn_conv *next;
};

/* ---- the graph ---- */

static cudnnDataType_t type_of(spk_dtype type)
{
    return type == SPK_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

static cudnnBackendDescriptor_t tensor(spk_dnn_bag *bag, int64_t name, spk_dtype type, const int64_t *dims,
                                       const int64_t *strides, bool is_virtual)
{
    const cudnnBackendDescriptor_t t = spk_dnn_make(bag, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const cudnnDataType_t element = type_of(type);
    const int64_t aligned = ALIGNED;
    spk_dnn_set(bag, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &element);
    spk_dnn_set(bag, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
    spk_dnn_set(bag, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    spk_dnn_set(bag, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &name);
    spk_dnn_set(bag, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &aligned);
    if (is_virtual) spk_dnn_set(bag, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    spk_dnn_finish(bag, t);
    return t;
}

static cudnnBackendDescriptor_t picture(spk_dnn_bag *bag, int64_t name, spk_dtype type, const int64_t *dims, int64_t ld,
                                        bool is_virtual)
{
    const int64_t strides[4] = {dims[2] * dims[3] * ld, 1, dims[3] * ld, ld};
    return tensor(bag, name, type, dims, strides, is_virtual);
}

static cudnnBackendDescriptor_t geometry(spk_dnn_bag *bag, const spk_conv *k)
{
    const cudnnBackendDescriptor_t c = spk_dnn_make(bag, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t two = 2, pads[2] = {k->ph, k->pw}, dilations[2] = {k->dh, k->dw}, strides[2] = {k->sh, k->sw};
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &two);
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations);
    spk_dnn_set(bag, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    spk_dnn_finish(bag, c);
    return c;
}

/* The attributes of one pass: descriptors of x, w, y, and of the convolution, factors. */
struct names {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t x, w, y, conv, alpha, beta;
};
static const names passes[3] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

static cudnnBackendDescriptor_t operation(spk_dnn_bag *bag, const names *n, const cudnnBackendDescriptor_t *xwy,
                                          cudnnBackendDescriptor_t conv)
{
    const cudnnBackendDescriptor_t op = spk_dnn_make(bag, n->type);
    const float one = 1, zero = 0;
    spk_dnn_set(bag, op, n->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &xwy[0]);
    spk_dnn_set(bag, op, n->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &xwy[1]);
    spk_dnn_set(bag, op, n->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &xwy[2]);
    spk_dnn_set(bag, op, n->conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &conv);
    spk_dnn_set(bag, op, n->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    spk_dnn_set(bag, op, n->beta, CUDNN_TYPE_FLOAT, 1, &zero);
    spk_dnn_finish(bag, op);
    return op;
}

/* y = x + b, or y = ReLU(x) where b is NULL; computed in float. */
static cudnnBackendDescriptor_t pointwise(spk_dnn_bag *bag, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t b,
                                          cudnnBackendDescriptor_t y)
{
    const cudnnBackendDescriptor_t what = spk_dnn_make(bag, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    const cudnnPointwiseMode_t mode = b ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    spk_dnn_set(bag, what, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    spk_dnn_set(bag, what, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    spk_dnn_finish(bag, what);
    const cudnnBackendDescriptor_t op = spk_dnn_make(bag, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    spk_dnn_set(bag, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &what);
    spk_dnn_set(bag, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
    if (b) spk_dnn_set(bag, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &b);
    spk_dnn_set(bag, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
    spk_dnn_finish(bag, op);
    return op;
}

/* Convolution, then bias, then ReLU; what lies between is float and never in memory. */
static cudnnBackendDescriptor_t graph_of(spk_cuda *d, spk_dnn_bag *bag, const spk_conv *k, const spk_dnn_wish *w)
{
    const int64_t x_dims[4] = {k->n, k->c, k->h, k->w}, y_dims[4] = {k->n, k->o, k->u, k->v};
    const int64_t w_dims[4] = {k->o, k->c, k->kh, k->kw}, b_dims[4] = {1, k->o, 1, 1};
    const bool more = w->bias || w->relu;
    cudnnBackendDescriptor_t ops[3], xwy[3], last;
    int64_t n_ops = 0;
    xwy[0] = picture(bag, SPK_DNN_X, w->x_type, x_dims, w->x_ld, false);
    xwy[1] = picture(bag, SPK_DNN_W, w->w_type, w_dims, k->c, false);
    last = picture(bag, SPK_DNN_Y, w->y_type, y_dims, w->y_ld, false);
    xwy[2] = more ? picture(bag, SPK_DNN_SUM, SPK_F32, y_dims, k->o, true) : last;
    ops[n_ops++] = operation(bag, &passes[w->pass], xwy, geometry(bag, k));
    if (w->bias) {
        const cudnnBackendDescriptor_t b = picture(bag, SPK_DNN_BIAS, SPK_F32, b_dims, k->o, false);
        const cudnnBackendDescriptor_t y = w->relu ? picture(bag, SPK_DNN_BIASED, SPK_F32, y_dims, k->o, true) : last;
        ops[n_ops++] = pointwise(bag, xwy[2], b, y);
        xwy[2] = y;
    }
    if (w->relu) ops[n_ops++] = pointwise(bag, xwy[2], nullptr, last);
    const cudnnBackendDescriptor_t graph = spk_dnn_make(bag, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    cudnnHandle_t handle = static_cast<cudnnHandle_t>(d->dnn);
    spk_dnn_set(bag, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    spk_dnn_set(bag, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, n_ops, ops);
    spk_dnn_finish(bag, graph);
    return graph;
}

/* ---- plans that are kept ---- */

static void key_of(const spk_conv *k, const spk_dnn_wish *w, int64_t *key)
{
    const int64_t all[] = {k->n,      k->h,      k->w,    k->c,    k->u,    k->v,    k->o,    k->kh,   k->kw,
                           k->sh,     k->sw,     k->dh,   k->dw,   k->ph,   k->pw,   k->type, w->pass, w->x_type,
                           w->y_type, w->w_type, w->x_ld, w->y_ld, w->bias, w->relu, w->soon};
    static_assert(sizeof all <= KEY * sizeof *key, "the key is too short");
    memset(key, 0, KEY * sizeof *key);
    memcpy(key, all, sizeof all);
}

static void describe(const spk_dnn_conv *c, char *text, size_t n)
{
    static const char *const names[3] = {"forward", "towards the input", "towards the weights"};
    int64_t v[KEY];
    memcpy(v, c->key, sizeof v);
    const auto at = [&](int i) { return static_cast<int>(v[i]); };
    const auto type = [&](int i) { return v[i] == SPK_BF16 ? "bfloat16" : "float"; };
    snprintf(
        text, n,
        "convolution %s, (%d,%d,%d,%d) to (%d,%d,%d), taps %dx%d, stride %dx%d, dilation %dx%d, padding %dx%d, x %s ld "
        "%d, y %s ld %d, w %s%s%s%s",
        names[at(16)], at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9), at(10), at(11), at(12),
        at(13), at(14), type(17), at(20), type(18), at(21), type(19), v[22] ? ", bias" : "", v[23] ? ", ReLU" : "",
        v[24] ? ", soon" : "");
}

static void tell(const spk_dnn_conv *c)
{
    char text[400];
    if (!spk_cuda_talks()) return;
    describe(c, text, sizeof text);
    if (c->plan)
        fprintf(stderr, "spk: cuDNN runs a %s, workspace %zu\n", text, c->workspace);
    else
        fprintf(stderr, "spk: cuDNN has nothing for a %s: %s\n", text, c->bag.what);
}

static size_t bytes_of(int64_t rows, int64_t ld, spk_dtype type)
{
    return static_cast<size_t>(rows * ld) * spk_conv_size(type);
}

static void make(spk_cuda *d, spk_dnn_conv *c, const spk_conv *k, const spk_dnn_wish *w)
{
    spk_dnn_limits limits = {};
    limits.strict_float = k->type == SPK_F32 && !d->options.tf32;
    limits.deterministic = d->options.deterministic;
    limits.soon = w->soon;
    limits.benchmark = d->options.benchmark;
    limits.workspace = d->options.workspace_bytes > most_workspace ? d->options.workspace_bytes : most_workspace;
    limits.bytes[0] = bytes_of(spk_conv_x_rows(k), w->x_ld, w->x_type);
    limits.bytes[1] = bytes_of(static_cast<int64_t>(k->o) * spk_conv_taps(k), k->c, w->w_type);
    limits.bytes[2] = bytes_of(spk_conv_y_rows(k), w->y_ld, w->y_type);
    limits.bytes[3] = w->bias ? bytes_of(1, k->o, SPK_F32) : 0;
    const cudnnBackendDescriptor_t graph = graph_of(d, &c->bag, k, w);
    c->plan = spk_dnn_plan(d, &c->bag, graph, &limits, &c->workspace);
    if (!c->plan) spk_dnn_empty(&c->bag);
    tell(c);
}

/* Are all rows aligned to 16 bytes, as the graph says? */
static bool aligned(const spk_conv *k, const spk_dnn_wish *w)
{
    return k->c * spk_conv_size(k->type) % ALIGNED == 0 && k->o * spk_conv_size(k->type) % ALIGNED == 0 &&
           w->x_ld * static_cast<int64_t>(spk_conv_size(w->x_type)) % ALIGNED == 0 &&
           w->y_ld * static_cast<int64_t>(spk_conv_size(w->y_type)) % ALIGNED == 0;
}

static void drop(spk_dnn_conv *c)
{
    spk_dnn_empty(&c->bag);
    free(c);
}

/* Room for one more: a plan that nobody uses goes. */
static void make_room(spk_cuda *d)
{
    int n = 0;
    for (spk_dnn_conv *c = static_cast<spk_dnn_conv *>(d->convs); c; c = c->next)
        n++;
    if (n < MOST_PLANS) return;
    spk_dnn_conv *first = static_cast<spk_dnn_conv *>(d->convs), **last = nullptr;
    for (spk_dnn_conv **p = &first; *p; p = &(*p)->next)
        if ((*p)->users == 0) last = p; /* the list begins with the newest */
    if (!last) return;
    spk_dnn_conv *old = *last;
    *last = old->next;
    d->convs = first;
    drop(old);
}

spk_dnn_conv *spk_dnn_conv_new(spk_cuda *d, const spk_conv *k, const spk_dnn_wish *wish)
{
    int64_t key[KEY];
    if (!aligned(k, wish)) return nullptr;
    key_of(k, wish, key);
    spk_dnn_conv *c = static_cast<spk_dnn_conv *>(d->convs);
    while (c && memcmp(c->key, key, sizeof key) != 0)
        c = c->next;
    if (!c) {
        make_room(d);
        c = static_cast<spk_dnn_conv *>(calloc(1, sizeof *c));
        if (!c) spk_cuda_short_of_memory(sizeof *c);
        memcpy(c->key, key, sizeof key);
        make(d, c, k, wish);
        c->next = static_cast<spk_dnn_conv *>(d->convs);
        d->convs = c;
    }
    if (!c->plan) return nullptr;
    c->users++;
    return c;
}

void spk_dnn_conv_free(spk_cuda *, spk_dnn_conv *c)
{
    if (c) c->users--;
}

void spk_cuda_dnn_close(spk_cuda *d)
{
    while (d->convs) {
        spk_dnn_conv *c = static_cast<spk_dnn_conv *>(d->convs);
        d->convs = c->next;
        drop(c);
    }
}

size_t spk_dnn_conv_workspace(const spk_dnn_conv *c)
{
    return c->workspace;
}

void spk_dnn_conv_run(spk_cuda *d, const spk_dnn_conv *c, void *x, void *w, void *y, const float *bias, void *workspace)
{
    void *const xwyb[4] = {x, w, y, const_cast<float *>(bias)};
    const uintptr_t bits = reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(w) |
                           reinterpret_cast<uintptr_t>(y) | reinterpret_cast<uintptr_t>(bias);
    const cudnnStatus_t status =
        bits % ALIGNED ? CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER : spk_dnn_execute(d, c->plan, xwyb, workspace);
    if (status == CUDNN_STATUS_SUCCESS) return;
    char text[400], why[256] = "";
    cudnnGetLastErrorString(why, sizeof why);
    describe(c, text, sizeof text);
    fprintf(stderr, "spk: cuDNN failed in a %s: %s %s\n", text, cudnnGetErrorString(status), why);
    abort();
}
