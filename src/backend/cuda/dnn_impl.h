/* SPDX-License-Identifier: Apache-2.0 */
/* cuDNN's descriptors: a graph of operations (dnn_conv.cu) and the choice of what runs it (dnn_plans.cu). */
#ifndef SPK_BACKEND_CUDA_DNN_IMPL_H
#define SPK_BACKEND_CUDA_DNN_IMPL_H

#include <cudnn.h>

#include "backend/cuda/conv_impl.h"
#include "backend/cuda/product_impl.h"

/* Names of the tensors of a graph; X, W and Y are given addresses in this order, BIAS where there is one. */
enum spk_dnn_name { SPK_DNN_X = 1, SPK_DNN_W, SPK_DNN_Y, SPK_DNN_BIAS, SPK_DNN_SUM, SPK_DNN_BIASED };

enum { SPK_DNN_MOST = 32 };

/* Descriptors that live as long as the plan, and what went wrong while they were made. */
struct spk_dnn_bag {
    cudnnBackendDescriptor_t all[SPK_DNN_MOST];
    int n;
    cudnnStatus_t status; /* the first that failed */
    char what[256];
};

cudnnBackendDescriptor_t spk_dnn_make(spk_dnn_bag *bag, cudnnBackendDescriptorType_t type);
/* Attributes; nothing happens once something has failed. */
void spk_dnn_set(spk_dnn_bag *bag, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                 cudnnBackendAttributeType_t type, int64_t n, const void *values);
void spk_dnn_finish(spk_dnn_bag *bag, cudnnBackendDescriptor_t d);
void spk_dnn_empty(spk_dnn_bag *bag);

/* What may run a graph, and for how large buffers of x, w, y and bias it is tried. */
struct spk_dnn_limits {
    bool strict_float;                   /* no factor is rounded, and no transform of tiles */
    bool deterministic, soon, benchmark; /* soon: no engine is compiled when the plan is made */
    size_t workspace, bytes[4];
};

/* The plan for a graph; NULL: there is none. It is in the bag; *workspace: the bytes that it wants. */
cudnnBackendDescriptor_t spk_dnn_plan(spk_cuda *d, spk_dnn_bag *bag, cudnnBackendDescriptor_t graph,
                                      const spk_dnn_limits *limits, size_t *workspace);
cudnnStatus_t spk_dnn_execute(spk_cuda *d, cudnnBackendDescriptor_t plan, void *const *xwyb, void *workspace);

#endif
