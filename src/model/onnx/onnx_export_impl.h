/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a network's graph to an ONNX model. The embedding graph of one utterance is walked node by node; each op has a
 * function here that writes the same computation with ONNX's operators, for any batch size and length.
 *
 * Layout: ours is channels last, ONNX's operators want channels first. A tensor over time (N,1,T,C) is the value
 * (N,C,T), a vector (N,1,1,C) is (N,C,1), a picture (N,T,F,C) is (N,C,T,F). Lengths are int64 values (N).
 */
#ifndef SPK_MODEL_ONNX_EXPORT_IMPL_H
#define SPK_MODEL_ONNX_EXPORT_IMPL_H

#include "formats/onnx_impl.h"
#include "graph/graph_impl.h"

typedef struct xp_mask {
    const int64_t *len;
    spk_value lengths, valid; /* (N) int64; (N,T) bool, NULL until it is needed */
} xp_mask;

typedef struct xp {
    spk_onnx *o;
    spk_graph *g;
    spk_value *value; /* by tensor id */
    xp_mask *mask;
    int n_masks;
    spk_value frames; /* vector (1) of int64: frames out of the frontend */
    spk_value places; /* the same of what positions are added to; NULL before */
} xp;

/* ---- values ---- */

spk_value xp_value(xp *x, spk_tensor *t);
void xp_set(xp *x, const spk_tensor *t, spk_value v);
/* A parameter's values (a slice of `count` elements from the tensor's offset is the caller's business). */
const float *xp_data(const spk_tensor *t);
/* A parameter as a constant of that shape. */
spk_value xp_param(xp *x, const spk_tensor *t, int n_dims, const int64_t *dim);
/* Lengths of a tensor: (N) int64, or NULL. */
spk_value xp_lengths(xp *x, const int64_t *len);
/* Valid frames as bool, shaped to go with v, the value of t: (N,1,T) or (N,1,T,1). NULL: all are. */
spk_value xp_valid(xp *x, const spk_tensor *t, spk_value v);
/* Lengths as float (N,1,1) of t, or the number of its frames where all are valid. */
spk_value xp_count(xp *x, const spk_tensor *t, spk_value v);

/* ---- small sums ---- */

spk_value xp_add(xp *x, spk_value a, spk_value b);
spk_value xp_sub(xp *x, spk_value a, spk_value b);
spk_value xp_mul(xp *x, spk_value a, spk_value b);
spk_value xp_div(xp *x, spk_value a, spk_value b);
spk_value xp_one(xp *x, const char *op, spk_value a);
spk_value xp_num(xp *x, double v);
spk_value xp_clamp(xp *x, spk_value a, double lo, double hi);
spk_value xp_transpose(xp *x, spk_value a, int n, const int64_t *order);
spk_value xp_reshape(xp *x, spk_value a, int n, const int64_t *dim);
spk_value xp_unsqueeze(xp *x, spk_value a, int n, const int64_t *axes);
/* Elements [from, to) of an axis. */
spk_value xp_slice(xp *x, spk_value a, int64_t axis, int64_t from, int64_t to);
/* The extent of an axis: one int64 in a vector (1). */
spk_value xp_extent(xp *x, spk_value a, int64_t axis);
/* 0 .. n-1 of a vector (1) n. */
spk_value xp_range(xp *x, spk_value n);
spk_value xp_where(xp *x, spk_value c, spk_value a, spk_value b);
spk_value xp_cast(xp *x, spk_value a, spk_dtype to);
/* Sum or mean along axes, kept as 1. */
spk_value xp_reduce(xp *x, const char *op, spk_value a, int n, const int64_t *axes);
/* a, zero outside the valid frames of t. */
spk_value xp_masked(xp *x, const spk_tensor *t, spk_value v);
/* Mean over the valid frames of (N,C,T): (N,C,1). */
spk_value xp_time_mean(xp *x, const spk_tensor *t, spk_value v);
/* Places first, first + 1, ... (count of them, a vector (1)) of v (N,C,T) along time, each item continued behind its own
 * ends as `edges` says; lengths NULL: all are full. */
spk_value xp_extend(xp *x, spk_value v, spk_value lengths, int64_t first, spk_value count, spk_edges edges);

/* A constant of positions, for as many frames as there are. */
spk_value xp_positions(xp *x, const spk_tensor *t);

/* ---- ops by group: false when the op is not theirs ---- */

/* f(v). */
spk_value xp_activation(xp *x, spk_value v, spk_act act);

bool xp_op_pointwise(xp *x, const spk_node *node);
bool xp_op_conv(xp *x, const spk_node *node);
bool xp_op_time(xp *x, const spk_node *node);
bool xp_op_attention(xp *x, const spk_node *node);
bool xp_op_select(xp *x, const spk_node *node);
bool xp_op_frontend(xp *x, const spk_node *node);

#endif
