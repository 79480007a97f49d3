/* SPDX-License-Identifier: Apache-2.0 */
/* Builders of the ops that only some networks need, with their shape rules (attributes: backend_impl.h). */
#include "graph/node_impl.h"

static spk_tensor *param_or_null(spk_graph *g, const spk_param *p)
{
    return p ? spk_g_param(g, p) : NULL;
}

/* A node of inputs a, b (b may be NULL) whose output is like a. */
static spk_tensor *like_first(spk_graph *g, spk_op op, spk_tensor *a, spk_tensor *b, spk_tensor *c, spk_node **out)
{
    spk_node *node = spk__g_node(g, op);
    spk__g_in(node, a);
    spk__g_in(node, b);
    spk__g_in(node, c);
    *out = node;
    return spk__g_out_like(g, node, a);
}

/* ---- pictures and depthwise ---- */

spk_tensor *spk_g_conv2d(spk_graph *g, spk_tensor *x, const spk_param *w, const spk_param *b, spk_conv2d_attr attr)
{
    const int64_t u = (x->h + 2 * attr.pt - attr.kt) / attr.st + 1, v = (x->w + 2 * attr.pf - attr.kf) / attr.sf + 1;
    SPK_ASSERT(w->n_dims == 4 && w->dim[1] == x->c && (!b || b->count == w->dim[0]));
    SPK_ASSERT(w->dim[2] == (attr.freq_first ? attr.kf : attr.kt) &&
               w->dim[3] == (attr.freq_first ? attr.kt : attr.kf));
    SPK_ASSERT(x->h + 2 * attr.pt >= attr.kt && x->w + 2 * attr.pf >= attr.kf);
    x = spk__g_dense(g, x);
    spk_node *node = spk__g_node(g, SPK_OP_CONV2D);
    node->attr.conv2d = attr;
    spk__g_in(node, x);
    spk_tensor *weight = spk_g_param(g, w);
    weight->n = w->dim[0];
    weight->h = w->dim[1];
    weight->w = w->dim[2];
    weight->c = w->dim[3];
    spk__g_in(node, weight);
    spk__g_in(node, param_or_null(g, b));
    spk_tensor *y = spk__g_out(g, node, x->n, u, v, w->dim[0]);
    y->len = u == x->h && attr.st == 1 ? x->len : spk_g_len_conv(g, x->len, x->n, attr.kt, attr.st, 1, attr.pt, u);
    return y;
}

spk_tensor *spk_g_depthwise(spk_graph *g, spk_tensor *x, const spk_param *w, const spk_param *b, int64_t pad)
{
    const int64_t k = w->dim[w->n_dims - 1], u = x->w + 2 * pad - k + 1;
    SPK_ASSERT(x->h == 1 && w->dim[0] == x->c && w->count == x->c * k && u > 0);
    spk_node *node = spk__g_node(g, SPK_OP_DEPTHWISE);
    node->attr.depthwise = (spk_depthwise_attr){.k = k, .pad = pad};
    spk__g_in(node, x);
    spk_tensor *weight = spk_g_param(g, w);
    weight->n = x->c;
    weight->w = k;
    weight->c = 1;
    spk__g_in(node, weight);
    spk__g_in(node, param_or_null(g, b));
    spk_tensor *y = spk__g_out(g, node, x->n, 1, u, x->c);
    y->len = u == x->w ? x->len : spk_g_len_conv(g, x->len, x->n, k, 1, 1, pad, u);
    return y;
}

spk_tensor *spk_g_simam(spk_graph *g, spk_tensor *x, double lambda)
{
    spk_node *node;
    spk_tensor *y = like_first(g, SPK_OP_SIMAM, x, NULL, NULL, &node);
    node->attr.simam.lambda = lambda;
    return y;
}

spk_tensor *spk_g_pad_time(spk_graph *g, spk_tensor *x, int64_t pad)
{
    SPK_ASSERT(x->h == 1 && x->w > pad);
    spk_node *node = spk__g_node(g, SPK_OP_PAD_TIME);
    node->attr.pad_time.pad = pad;
    spk__g_in(node, x);
    spk_tensor *y = spk__g_out(g, node, x->n, 1, x->w + 2 * pad, x->c);
    y->len = spk_g_len(g, x->len, x->n, 2 * pad, 1, 0, 1, 0, y->w);
    return y;
}

/* ---- RawNet3 ---- */

spk_tensor *spk_g_sinc(spk_graph *g, spk_tensor *const in[8], spk_sinc_attr attr)
{
    const int64_t t = (in[0]->w - attr.kernel_size) / attr.stride + 1;
    SPK_ASSERT(in[0]->c == 1 && in[0]->w >= attr.kernel_size);
    spk_node *node = spk__g_node(g, SPK_OP_SINC);
    node->attr.sinc = attr;
    for (int i = 0; i < 8; i++)
        spk__g_in(node, in[i]);
    spk_tensor *y = spk__g_out(g, node, in[0]->n, 1, t, 2 * in[4]->c);
    y->len = spk_g_len_conv(g, in[0]->len, in[0]->n, attr.kernel_size, attr.stride, 1, 0, t);
    return y;
}

spk_tensor *spk_g_max_pool(spk_graph *g, spk_tensor *x, int64_t k)
{
    SPK_ASSERT(x->h == 1 && x->w >= k && k > 0);
    spk_node *node = spk__g_node(g, SPK_OP_MAX_POOL);
    node->attr.max_pool.k = k;
    spk__g_in(node, x);
    spk_tensor *y = spk__g_out(g, node, x->n, 1, x->w / k, x->c);
    y->len = spk_g_len(g, x->len, x->n, 0, k, 0, 1, 0, y->w);
    return y;
}

spk_tensor *spk_g_afms(spk_graph *g, spk_tensor *x, const spk_param *alpha, spk_tensor *y)
{
    spk_node *node;
    SPK_ASSERT(alpha->count == x->c && y->n == x->n && y->w == 1 && y->c == x->c);
    return like_first(g, SPK_OP_AFMS, x, spk_g_param(g, alpha), y, &node);
}

/* ---- Conformer ---- */

spk_tensor *spk_g_layer_norm(spk_graph *g, spk_tensor *x, const spk_param *gamma, const spk_param *beta, double eps)
{
    spk_node *node;
    SPK_ASSERT(gamma->count == x->c && beta->count == x->c);
    spk_tensor *y = like_first(g, SPK_OP_LAYER_NORM, x, spk_g_param(g, gamma), spk_g_param(g, beta), &node);
    node->attr.layer_norm.eps = eps;
    return y;
}

spk_tensor *spk_g_attention(spk_graph *g, spk_tensor *q, spk_tensor *k, spk_tensor *v, spk_tensor *p,
                            const spk_param *u, const spk_param *bias_v, spk_attention_attr attr)
{
    SPK_ASSERT(spk__g_same(q, k) && spk__g_same(q, v) && q->c % attr.heads == 0);
    SPK_ASSERT(attr.kind == SPK_ATTN_PLAIN || (p && p->w == (attr.kind == SPK_ATTN_LEGACY ? q->w : 2 * q->w - 1)));
    spk_node *node = spk__g_node(g, SPK_OP_ATTENTION);
    node->attr.attention = attr;
    node->attr.attention.stream = spk_g_stream(g);
    spk__g_in(node, q);
    spk__g_in(node, k);
    spk__g_in(node, v);
    spk__g_in(node, p);
    spk__g_in(node, param_or_null(g, u));
    spk__g_in(node, param_or_null(g, bias_v));
    return spk__g_out_like(g, node, q);
}

spk_tensor *spk_g_glu(spk_graph *g, spk_tensor *x)
{
    SPK_ASSERT(x->c % 2 == 0);
    spk_node *node = spk__g_node(g, SPK_OP_GLU);
    spk__g_in(node, x);
    spk_tensor *y = spk__g_out(g, node, x->n, x->h, x->w, x->c / 2);
    y->len = x->len;
    return y;
}

spk_tensor *spk_g_pos_add(spk_graph *g, spk_tensor *x, spk_tensor *table, const spk_param *alpha, double scale)
{
    spk_node *node;
    SPK_ASSERT(!table || (table->n == 1 && table->w == x->w && table->c == x->c));
    spk_tensor *y = like_first(g, SPK_OP_POS_ADD, x, table, param_or_null(g, alpha), &node);
    node->attr.pos_add.scale = scale;
    return y;
}

spk_tensor *spk_g_dropout(spk_graph *g, spk_tensor *x, double p)
{
    spk_node *node;
    if (p == 0) return x;
    spk_tensor *y = like_first(g, SPK_OP_DROPOUT, x, NULL, NULL, &node);
    node->attr.dropout = (spk_dropout_attr){p, spk_g_stream(g)};
    return y;
}

spk_tensor *spk_g_choose(spk_graph *g, spk_tensor *a, spk_tensor *b, double p)
{
    spk_node *node;
    SPK_ASSERT(spk__g_same(a, b));
    spk_tensor *y = like_first(g, SPK_OP_CHOOSE, a, b, NULL, &node);
    node->attr.choose = (spk_choose_attr){p, spk_g_stream(g)};
    return y;
}

/* ---- selective kernels, CAM++ ---- */

spk_tensor *spk_g_sk_mix(spk_graph *g, spk_tensor *f0, spk_tensor *f1, spk_tensor *a0, spk_tensor *a1, bool over_freq)
{
    SPK_ASSERT(spk__g_same(f0, f1) && spk__g_same(a0, a1) && a0->n == f0->n && a0->w == 1);
    SPK_ASSERT(a0->c == (over_freq ? f0->w : f0->c));
    spk_node *node = spk__g_node(g, SPK_OP_SK_MIX);
    node->attr.sk_mix.over_freq = over_freq;
    spk__g_in(node, f0);
    spk__g_in(node, f1);
    spk__g_in(node, a0);
    spk__g_in(node, a1);
    return spk__g_out_like(g, node, f0);
}

spk_tensor *spk_g_freq_mean(spk_graph *g, spk_tensor *x)
{
    spk_node *node = spk__g_node(g, SPK_OP_FREQ_MEAN);
    spk__g_in(node, x);
    return spk__g_out(g, node, x->n, 1, 1, x->w);
}

spk_tensor *spk_g_fold(spk_graph *g, spk_tensor *x)
{
    spk_node *node = spk__g_node(g, SPK_OP_FOLD);
    spk__g_in(node, x);
    spk_tensor *y = spk__g_out(g, node, x->n, 1, x->h, x->c * x->w);
    y->len = x->len;
    return y;
}

spk_tensor *spk_g_segment_mean(spk_graph *g, spk_tensor *x, int64_t length)
{
    SPK_ASSERT(x->h == 1 && length > 0);
    spk_node *node = spk__g_node(g, SPK_OP_SEGMENT_MEAN);
    node->attr.segment.length = length;
    spk__g_in(node, x);
    return spk__g_out(g, node, x->n, 1, (x->w + length - 1) / length, x->c);
}

spk_tensor *spk_g_segment_scale(spk_graph *g, spk_tensor *x, spk_tensor *s, int64_t length)
{
    spk_node *node;
    SPK_ASSERT(x->h == 1 && s->n == x->n && s->c == x->c && s->w == (x->w + length - 1) / length);
    spk_tensor *y = like_first(g, SPK_OP_SEGMENT_SCALE, x, s, NULL, &node);
    node->attr.segment.length = length;
    return y;
}

/* ---- between frontend and encoder ---- */

/* Is it zero behind its items' ends already? */
static bool is_masked(const spk_tensor *x)
{
    const spk_node *from = x->producer;
    return from && (from->op == SPK_OP_MASK || (from->op == SPK_OP_BATCH_NORM && from->attr.batch_norm.train));
}

spk_tensor *spk_g_mask(spk_graph *g, spk_tensor *x)
{
    spk_node *node;
    const bool done = !x->len || is_masked(x);
    return done ? x : like_first(g, SPK_OP_MASK, x, NULL, NULL, &node);
}

spk_tensor *spk_g_mvn(spk_graph *g, spk_tensor *x, spk_mvn_attr attr)
{
    spk_node *node;
    spk_tensor *y = like_first(g, SPK_OP_MVN, x, NULL, NULL, &node);
    node->attr.mvn = attr;
    return y;
}

spk_tensor *spk_g_feature_norm(spk_graph *g, spk_tensor *x, const spk_param *mean, const spk_param *std,
                               spk_feature_norm_attr attr)
{
    spk_node *node;
    SPK_ASSERT(mean->count == x->c && std->count == x->c);
    spk_tensor *y = like_first(g, SPK_OP_FEATURE_NORM, x, spk_g_param(g, mean), spk_g_param(g, std), &node);
    node->attr.feature_norm = attr;
    return y;
}

spk_tensor *spk_g_specaug(spk_graph *g, spk_tensor *x, spk_specaug_attr attr)
{
    spk_node *node;
    spk_tensor *y = like_first(g, SPK_OP_SPECAUG, x, NULL, NULL, &node);
    node->attr.specaug = attr;
    node->attr.specaug.stream = spk_g_stream(g);
    return y;
}

spk_tensor *spk_g_layer_sum(spk_graph *g, spk_tensor *x, const spk_param *w, spk_layer_sum_attr attr)
{
    SPK_ASSERT(x->c % w->count == 0);
    spk_node *node = spk__g_node(g, SPK_OP_LAYER_SUM);
    node->attr.layer_sum = attr;
    spk__g_in(node, x);
    spk__g_in(node, spk_g_param(g, w));
    spk_tensor *y = spk__g_out(g, node, x->n, x->h, x->w, x->c / w->count);
    y->len = x->len;
    return y;
}

/* ---- losses ---- */

/* A loss over class weights: embeddings, weights (rows, D), labels. */
static spk_node *class_loss(spk_graph *g, spk_op op, spk_tensor *e, const spk_param *w, spk_tensor *labels)
{
    SPK_ASSERT(w->n_dims == 2 && w->dim[1] == e->c && e->w == 1 && labels->n == e->n);
    spk_node *node = spk__g_node(g, op);
    spk__g_in(node, e);
    spk_tensor *weight = spk_g_param(g, w);
    weight->n = w->dim[0];
    weight->c = w->dim[1];
    spk__g_in(node, weight);
    spk__g_in(node, labels);
    return node;
}

spk_tensor *spk_g_margin_softmax(spk_graph *g, spk_tensor *e, const spk_param *w, spk_tensor *labels,
                                 spk_margin_attr attr)
{
    SPK_ASSERT(attr.margin && attr.k > 0 && w->dim[0] % attr.k == 0);
    spk_node *node = class_loss(g, SPK_OP_MARGIN_SOFTMAX, e, w, labels);
    node->attr.margin = attr;
    return spk__g_out(g, node, 1, 1, 1, 2);
}

spk_tensor *spk_g_sphereface2(spk_graph *g, spk_tensor *e, const spk_param *w, spk_tensor *labels,
                              const spk_param *bias, spk_sphere_attr attr)
{
    SPK_ASSERT(attr.margin && attr.t > 0 && bias->count == 1);
    spk_node *node = class_loss(g, SPK_OP_SPHEREFACE2, e, w, labels);
    node->attr.sphere = attr;
    spk__g_in(node, spk_g_param(g, bias));
    return spk__g_out(g, node, 1, 1, 1, 2);
}

spk_tensor *spk_g_proto_loss(spk_graph *g, spk_tensor *e, const spk_param *w, const spk_param *b, spk_proto_attr attr)
{
    SPK_ASSERT(e->w == 1 && attr.per_speaker > 1 && e->n % attr.per_speaker == 0);
    spk_node *node = spk__g_node(g, SPK_OP_PROTO_LOSS);
    node->attr.proto = attr;
    spk__g_in(node, e);
    spk__g_in(node, param_or_null(g, w));
    spk__g_in(node, param_or_null(g, b));
    return spk__g_out(g, node, 1, 1, 1, 2);
}
