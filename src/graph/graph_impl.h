/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph: tensors and the ops between them, for one batch size and length. Model code calls builders
 * (spk_g_conv1d(g, x, ...)); shapes are checked there, and a wrong one is a bug of the caller (aborts). A graph holds
 * no data: spk_plan (plan_impl.h) gives it memory, kernels, an order and gradients.
 *
 * Tensors are N x H x W x C, channels last. Slices and concatenations of channels are views of one buffer wherever
 * the op that makes the part can write with a row stride; no copy is made then.
 */
#ifndef SPK_GRAPH_IMPL_H
#define SPK_GRAPH_IMPL_H

#include "backend/backend_impl.h"
#include "graph/params_impl.h"

typedef struct spk_tensor spk_tensor;
typedef struct spk_node spk_node;
typedef struct spk_graph spk_graph;

struct spk_tensor {
    int64_t n, h, w, c;
    spk_tensor *parent; /* this tensor is channels [c0, c0+c) of parent; NULL: a buffer of its own */
    int64_t c0;
    spk_node *producer;     /* NULL: an input, a parameter, or a concatenation's buffer */
    const spk_param *param; /* a parameter: dense, shape as the op reads it */
    int64_t param_offset;   /* elements into the parameter (a column slice of a weight) */
    spk_dtype dtype;        /* SPK_I64 for labels and counters, otherwise the plan's real type */
    bool is_input;          /* bound to the caller's memory by spk_plan_bind */
    bool keep;              /* readable after the run */
    int id;                 /* position in the graph */
    const int64_t *len;     /* valid frames, N of them; NULL: all. Must outlive the plan */
};

struct spk_node {
    spk_op op;
    spk_attr attr;
    spk_tensor *in[SPK_MAX_IN];
    spk_tensor *out[SPK_MAX_OUT];
    int n_in, n_out;
};

spk_graph *spk_graph_new(void);
void spk_graph_free(spk_graph *g);
int spk_graph_n_nodes(const spk_graph *g);
spk_node *spk_graph_node(const spk_graph *g, int i);
int spk_graph_n_tensors(const spk_graph *g);
spk_tensor *spk_graph_tensor(const spk_graph *g, int i);

/* The buffer that a tensor lies in, and its first channel there. */
spk_tensor *spk_tensor_root(spk_tensor *t, int64_t *c0);

/* ---- leaves ---- */
spk_tensor *spk_g_input(spk_graph *g, spk_dtype dtype, int64_t n, int64_t w, int64_t c);
spk_tensor *spk_g_param(spk_graph *g, const spk_param *p);
/* Keep the values until the next run; returns t. */
spk_tensor *spk_g_keep(spk_tensor *t);

/* ---- views ---- */
spk_tensor *spk_g_slice(spk_graph *g, spk_tensor *x, int64_t c0, int64_t c);
spk_tensor *spk_g_concat(spk_graph *g, spk_tensor *const *parts, int n);

/* ---- ops (attributes and shapes: backend_impl.h) ---- */
spk_tensor *spk_g_melspec(spk_graph *g, spk_tensor *wave, spk_tensor *filter, spk_tensor *window, spk_tensor *fb,
                          spk_melspec_attr attr);
/* w: (O, C, K) parameter, columns [w_c0, w_c0 + C) of wider rows when K = 1; b may be NULL. */
spk_tensor *spk_g_conv1d(spk_graph *g, spk_tensor *x, const spk_param *w, int64_t w_c0, const spk_param *b,
                         int64_t dilation, int64_t pad, bool relu);
spk_tensor *spk_g_batch_norm(spk_graph *g, spk_tensor *x, const spk_param *gamma, const spk_param *beta,
                             const spk_param *mean, const spk_param *var, const spk_param *count, bool train);
spk_tensor *spk_g_act(spk_graph *g, spk_tensor *x, spk_act act);
spk_tensor *spk_g_add(spk_graph *g, spk_tensor *a, spk_tensor *b);
spk_tensor *spk_g_time_mean(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_scale_add(spk_graph *g, spk_tensor *x, spk_tensor *s, spk_tensor *r);
spk_tensor *spk_g_row_bias(spk_graph *g, spk_tensor *x, spk_tensor *v);
spk_tensor *spk_g_time_stats(spk_graph *g, spk_tensor *x, spk_time_stats_attr attr);
spk_tensor *spk_g_attn_stats(spk_graph *g, spk_tensor *e, spk_tensor *x, spk_attn_stats_attr attr);
spk_tensor *spk_g_aam_softmax(spk_graph *g, spk_tensor *e, const spk_param *w, spk_tensor *labels, spk_aam_attr attr);

/* Floating-point operations of one forward pass (2 for a multiply-add), and of a backward pass over it. */
double spk_graph_flops_forward(const spk_graph *g);
double spk_graph_flops_backward(const spk_graph *g);

#endif
