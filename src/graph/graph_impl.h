/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph: tensors and the ops between them, for one batch size and length. Model code calls builders
 * (spk_g_conv1d(g, x, ...)); shapes are checked there, and a wrong one is a bug of the caller (aborts). A graph holds
 * no data: spk_plan (plan_impl.h) gives it memory, kernels, an order and gradients.
 *
 * Tensors are N x H x W x C, channels last: sound over time has H = 1 and W frames, a picture has H frames and W
 * frequency bins. Slices and concatenations of channels are views of one buffer wherever
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
    bool reshaped;          /* all of parent (dense) with other extents */
    bool pinned;            /* must stay dense: something reads it as one block */
    spk_node *producer;     /* NULL: an input, a parameter, or a concatenation's buffer */
    const spk_param *param; /* a parameter: dense, shape as the op reads it */
    int64_t param_offset;   /* elements into the parameter (a column slice of a weight) */
    spk_dtype dtype;        /* SPK_I64 for labels and counters, otherwise the plan's real type */
    bool is_input;          /* bound to the caller's memory by spk_plan_bind */
    bool keep;              /* readable after the run */
    float *constant;        /* values that are no parameter: own copy, dense */
    int64_t first, step;    /* a constant of positions: its rows are first, first + step, ...; step 0: it is none */
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
/* A table that is made from options and stored nowhere (positions, Kaldi's mel filters): n*h*w*c values, copied. */
spk_tensor *spk_g_constant(spk_graph *g, const float *values, int64_t n, int64_t h, int64_t w, int64_t c);
/* Keep the values until the next run; returns t. */
spk_tensor *spk_g_keep(spk_tensor *t);

/* ---- views ---- */
spk_tensor *spk_g_slice(spk_graph *g, spk_tensor *x, int64_t c0, int64_t c);
spk_tensor *spk_g_concat(spk_graph *g, spk_tensor *const *parts, int n);
/* A buffer of that many channels with the extents of `like`, filled by spk_g_place in any order: dense blocks, whose
 * layers each read the channels so far (a slice) and append to them, share one. */
spk_tensor *spk_g_buffer(spk_graph *g, const spk_tensor *like, int64_t c);
/* t becomes channels [c0, c0 + t->c) of the buffer (a copy is made where it cannot be written there). */
void spk_g_place(spk_graph *g, spk_tensor *buffer, int64_t c0, spk_tensor *t);
/* The same values with other extents; n*h*w*c must agree. Of a slice, a copy is made first. `len` of the result. */
spk_tensor *spk_g_reshape(spk_graph *g, spk_tensor *x, int64_t n, int64_t h, int64_t w, int64_t c, const int64_t *len);
/* Features (N,1,T,F) as a picture (N,T,F,1), and (N,T,F,C) as (N,1,T,F*C), channel fastest: both are views. */
spk_tensor *spk_g_picture(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_flatten(spk_graph *g, spk_tensor *x);

/* ---- lengths ----
 * to = min(most, max(least, floor((from + add) / div) + plus) * times) for each of n items, computed before every
 * forward pass. NULL in, NULL out. */
const int64_t *spk_g_len(spk_graph *g, const int64_t *from, int64_t n, int64_t add, int64_t div, int64_t plus,
                         int64_t times, int64_t least, int64_t most);
/* Of a convolution or pooling over time: (L + 2 pad - dilation (k-1) - 1) / stride + 1, between 0 and `most`. */
const int64_t *spk_g_len_conv(spk_graph *g, const int64_t *from, int64_t n, int64_t k, int64_t stride, int64_t dilation,
                              int64_t pad, int64_t most);
typedef struct spk_len_rule {
    const int64_t *from;
    int64_t *to;
    int64_t n, add, div, plus, times, least, most;
} spk_len_rule;
/* The rule that makes these lengths; false when they are the caller's. */
bool spk_graph_len_rule(const spk_graph *g, const int64_t *len, spk_len_rule *out);
void spk_graph_update_lengths(const spk_graph *g);
/* A stream number for an op that draws: its place among the graph's. */
uint64_t spk_g_stream(spk_graph *g);

/* ---- ops (attributes and shapes: backend_impl.h) ---- */
/* filter and dct may be NULL, window and fb with frames_only; stream is set here. */
spk_tensor *spk_g_melspec(spk_graph *g, spk_tensor *wave, spk_tensor *filter, spk_tensor *window, spk_tensor *fb,
                          spk_tensor *dct, spk_melspec_attr attr);
/* w: (O, C, K) parameter, columns [w_c0, w_c0 + C) of wider rows when K = 1; b may be NULL. */
spk_tensor *spk_g_conv1d(spk_graph *g, spk_tensor *x, const spk_param *w, int64_t w_c0, const spk_param *b,
                         int64_t dilation, int64_t pad, bool relu);
spk_tensor *spk_g_conv1d_strided(spk_graph *g, spk_tensor *x, const spk_param *w, const spk_param *b, int64_t stride,
                                 int64_t dilation, int64_t pad, bool relu);
/* gamma and beta may both be NULL. */
spk_tensor *spk_g_batch_norm(spk_graph *g, spk_tensor *x, const spk_param *gamma, const spk_param *beta,
                             const spk_param *mean, const spk_param *var, const spk_param *count, bool train,
                             bool relu);
spk_tensor *spk_g_act(spk_graph *g, spk_tensor *x, spk_act act);
spk_tensor *spk_g_add(spk_graph *g, spk_tensor *a, spk_tensor *b);
/* [relu](a + factor b) */
spk_tensor *spk_g_add_scaled(spk_graph *g, spk_tensor *a, spk_tensor *b, double factor, bool relu);
spk_tensor *spk_g_time_mean(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_scale_add(spk_graph *g, spk_tensor *x, spk_tensor *s, spk_tensor *r);
spk_tensor *spk_g_row_bias(spk_graph *g, spk_tensor *x, spk_tensor *v, spk_act act);
spk_tensor *spk_g_time_stats(spk_graph *g, spk_tensor *x, spk_time_stats_attr attr);
spk_tensor *spk_g_attn_stats(spk_graph *g, spk_tensor *e, spk_tensor *x, spk_attn_stats_attr attr);

spk_tensor *spk_g_conv2d(spk_graph *g, spk_tensor *x, const spk_param *w, const spk_param *b, spk_conv2d_attr attr);
spk_tensor *spk_g_depthwise(spk_graph *g, spk_tensor *x, const spk_param *w, const spk_param *b, int64_t pad);
spk_tensor *spk_g_simam(spk_graph *g, spk_tensor *x, double lambda);
spk_tensor *spk_g_pad_time(spk_graph *g, spk_tensor *x, int64_t pad);
/* in: the eight inputs of the op, in order. */
spk_tensor *spk_g_sinc(spk_graph *g, spk_tensor *const in[8], spk_sinc_attr attr);
spk_tensor *spk_g_max_pool(spk_graph *g, spk_tensor *x, int64_t k);
spk_tensor *spk_g_afms(spk_graph *g, spk_tensor *x, const spk_param *alpha, spk_tensor *y);
spk_tensor *spk_g_layer_norm(spk_graph *g, spk_tensor *x, const spk_param *gamma, const spk_param *beta, double eps);
/* p, u, v: NULL for plain attention. */
spk_tensor *spk_g_attention(spk_graph *g, spk_tensor *q, spk_tensor *k, spk_tensor *v, spk_tensor *p,
                            const spk_param *u, const spk_param *bias_v, spk_attention_attr attr);
spk_tensor *spk_g_glu(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_pos_add(spk_graph *g, spk_tensor *x, spk_tensor *table, const spk_param *alpha, double scale);
spk_tensor *spk_g_dropout(spk_graph *g, spk_tensor *x, double p); /* p = 0: x itself */
spk_tensor *spk_g_choose(spk_graph *g, spk_tensor *a, spk_tensor *b, double p);
spk_tensor *spk_g_sk_mix(spk_graph *g, spk_tensor *f0, spk_tensor *f1, spk_tensor *a0, spk_tensor *a1, bool over_freq);
spk_tensor *spk_g_freq_mean(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_fold(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_segment_mean(spk_graph *g, spk_tensor *x, int64_t length);
spk_tensor *spk_g_segment_scale(spk_graph *g, spk_tensor *x, spk_tensor *s, int64_t length);
/* x itself where it has no lengths, or is masked already. */
spk_tensor *spk_g_mask(spk_graph *g, spk_tensor *x);
spk_tensor *spk_g_mvn(spk_graph *g, spk_tensor *x, spk_mvn_attr attr);
spk_tensor *spk_g_feature_norm(spk_graph *g, spk_tensor *x, const spk_param *mean, const spk_param *std,
                               spk_feature_norm_attr attr);
spk_tensor *spk_g_specaug(spk_graph *g, spk_tensor *x, spk_specaug_attr attr); /* stream is set here */
spk_tensor *spk_g_layer_sum(spk_graph *g, spk_tensor *x, const spk_param *w, spk_layer_sum_attr attr);
spk_tensor *spk_g_margin_softmax(spk_graph *g, spk_tensor *e, const spk_param *w, spk_tensor *labels,
                                 spk_margin_attr attr);
spk_tensor *spk_g_sphereface2(spk_graph *g, spk_tensor *e, const spk_param *w, spk_tensor *labels,
                              const spk_param *bias, spk_sphere_attr attr);
spk_tensor *spk_g_proto_loss(spk_graph *g, spk_tensor *e, const spk_param *w, const spk_param *b, spk_proto_attr attr);

/* Floating-point operations of one forward pass (2 for a multiply-add), and of a backward pass over it. */
double spk_node_flops(const spk_node *node); /* forward */
double spk_node_flops_backward(const spk_node *node);
double spk_graph_flops_forward(const spk_graph *g);
double spk_graph_flops_backward(const spk_graph *g);

#endif
