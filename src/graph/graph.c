/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: leaves, views and op builders with their shape rules (graph_impl.h). */
#include "graph/graph_impl.h"

#include <string.h>

struct spk_graph {
    int n_nodes, n_tensors;
    spk_node **node;
    spk_tensor **tensor;
};

spk_graph *spk_graph_new(void)
{
    return spk_new(sizeof(spk_graph));
}

void spk_graph_free(spk_graph *g)
{
    if (!g) return;
    for (int i = 0; i < g->n_nodes; i++)
        spk_free(g->node[i]);
    for (int i = 0; i < g->n_tensors; i++)
        spk_free(g->tensor[i]);
    spk_free(g->node);
    spk_free(g->tensor);
    spk_free(g);
}

int spk_graph_n_nodes(const spk_graph *g)
{
    return g->n_nodes;
}

spk_node *spk_graph_node(const spk_graph *g, int i)
{
    return g->node[i];
}

int spk_graph_n_tensors(const spk_graph *g)
{
    return g->n_tensors;
}

spk_tensor *spk_graph_tensor(const spk_graph *g, int i)
{
    return g->tensor[i];
}

/* ---- tensors ---- */

static spk_tensor *new_tensor(spk_graph *g, int64_t n, int64_t h, int64_t w, int64_t c)
{
    SPK_ASSERT(n > 0 && h > 0 && w > 0 && c > 0);
    spk_tensor *t = spk_new(sizeof *t);
    *t = (spk_tensor){.n = n, .h = h, .w = w, .c = c, .dtype = SPK_F32, .id = g->n_tensors};
    SPK_PUSH(g->tensor, g->n_tensors) = t;
    return t;
}

spk_tensor *spk_tensor_root(spk_tensor *t, int64_t *c0)
{
    int64_t at = 0;
    for (; t->parent; t = t->parent)
        at += t->c0;
    if (c0) *c0 = at;
    return t;
}

spk_tensor *spk_g_input(spk_graph *g, spk_dtype dtype, int64_t n, int64_t w, int64_t c)
{
    spk_tensor *t = new_tensor(g, n, 1, w, c);
    t->dtype = dtype;
    t->is_input = true;
    return t;
}

spk_tensor *spk_g_param(spk_graph *g, const spk_param *p)
{
    spk_tensor *t = new_tensor(g, 1, 1, 1, p->count);
    t->param = p;
    t->dtype = p->dtype;
    return t;
}

spk_tensor *spk_g_keep(spk_tensor *t)
{
    t->keep = true;
    return t;
}

/* ---- nodes ---- */

static spk_node *new_node(spk_graph *g, spk_op op)
{
    spk_node *node = spk_new(sizeof *node);
    node->op = op;
    SPK_PUSH(g->node, g->n_nodes) = node;
    return node;
}

static void add_in(spk_node *node, spk_tensor *t)
{
    SPK_ASSERT(node->n_in < SPK_MAX_IN);
    node->in[node->n_in++] = t; /* NULL: this optional input is absent */
}

static spk_tensor *add_out(spk_graph *g, spk_node *node, int64_t n, int64_t h, int64_t w, int64_t c)
{
    spk_tensor *t = new_tensor(g, n, h, w, c);
    t->producer = node;
    node->out[node->n_out++] = t;
    return t;
}

static spk_tensor *out_like(spk_graph *g, spk_node *node, const spk_tensor *x)
{
    spk_tensor *t = add_out(g, node, x->n, x->h, x->w, x->c);
    t->len = x->len;
    return t;
}

static bool same_extents(const spk_tensor *a, const spk_tensor *b)
{
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}

/* ---- views ---- */

spk_tensor *spk_g_slice(spk_graph *g, spk_tensor *x, int64_t c0, int64_t c)
{
    const spk_tensor *root = spk_tensor_root(x, NULL);
    SPK_ASSERT(c0 >= 0 && c0 + c <= x->c);
    SPK_ASSERT(!root->is_input && !root->param && "only what ops write lies in the arena");
    spk_tensor *t = new_tensor(g, x->n, x->h, x->w, c);
    t->parent = x;
    t->c0 = c0;
    t->len = x->len;
    return t;
}

static spk_tensor *copy(spk_graph *g, spk_tensor *x)
{
    spk_node *node = new_node(g, SPK_OP_COPY);
    add_in(node, x);
    return out_like(g, node, x);
}

/* A convolution's library wants dense rows; every kernel of ours takes a row stride. */
static bool can_write_into_a_slice(const spk_tensor *t)
{
    return t->producer && !t->parent && t->producer->op != SPK_OP_CONV1D;
}

spk_tensor *spk_g_concat(spk_graph *g, spk_tensor *const *parts, int n)
{
    int64_t c = 0;
    SPK_ASSERT(n > 0);
    for (int i = 0; i < n; i++)
        c += parts[i]->c;
    spk_tensor *whole = new_tensor(g, parts[0]->n, parts[0]->h, parts[0]->w, c);
    whole->len = parts[0]->len;
    for (int64_t i = 0, at = 0; i < n; at += parts[i]->c, i++) {
        spk_tensor *t = parts[i];
        SPK_ASSERT(t->n == whole->n && t->h == whole->h && t->w == whole->w);
        if (!can_write_into_a_slice(t)) t = copy(g, t);
        t->parent = whole;
        t->c0 = at;
    }
    return whole;
}

/* ---- ops ---- */

spk_tensor *spk_g_melspec(spk_graph *g, spk_tensor *wave, spk_tensor *filter, spk_tensor *window, spk_tensor *fb,
                          spk_melspec_attr attr)
{
    spk_node *node = new_node(g, SPK_OP_MELSPEC);
    SPK_ASSERT(wave->c == 1 && wave->w > attr.n_fft / 2 && attr.win_length <= attr.n_fft);
    SPK_ASSERT(window->c == attr.win_length && fb->c == (attr.n_fft / 2 + 1) * attr.n_mels);
    node->attr.melspec = attr;
    add_in(node, wave);
    add_in(node, filter);
    add_in(node, window);
    add_in(node, fb);
    const int64_t padded = wave->w + 2 * (attr.n_fft / 2);
    return add_out(g, node, wave->n, 1, 1 + (padded - attr.n_fft) / attr.hop_length, attr.n_mels);
}

spk_tensor *spk_g_conv1d(spk_graph *g, spk_tensor *x, const spk_param *w, int64_t w_c0, const spk_param *b,
                         int64_t dilation, int64_t pad, bool relu)
{
    const int64_t o = w->dim[0], row = w->n_dims > 1 ? w->dim[1] : 1, k = w->n_dims > 2 ? w->dim[2] : 1;
    const int64_t u = x->w + 2 * pad - dilation * (k - 1);
    SPK_ASSERT(x->h == 1 && u > 0 && w_c0 >= 0 && w_c0 + x->c <= row && (k == 1 || row == x->c));
    SPK_ASSERT(!b || b->count == o);
    if (spk_tensor_root(x, NULL)->c != x->c) x = copy(g, x);
    spk_node *node = new_node(g, SPK_OP_CONV1D);
    node->attr.conv1d =
        (spk_conv1d_attr){.k = k, .stride = 1, .dilation = dilation, .pad = pad, .w_ld = row * k, .relu = relu};
    add_in(node, x);
    spk_tensor *weight = spk_g_param(g, w);
    weight->param_offset = w_c0;
    weight->n = o;
    weight->w = k;
    weight->c = x->c;
    add_in(node, weight);
    add_in(node, b ? spk_g_param(g, b) : NULL);
    spk_tensor *y = add_out(g, node, x->n, 1, u, o);
    y->len = u == x->w ? x->len : NULL;
    return y;
}

spk_tensor *spk_g_batch_norm(spk_graph *g, spk_tensor *x, const spk_param *gamma, const spk_param *beta,
                             const spk_param *mean, const spk_param *var, const spk_param *count, bool train)
{
    SPK_ASSERT(gamma->count == x->c && (!train || x->n * x->h * x->w > 1));
    spk_node *node = new_node(g, SPK_OP_BATCH_NORM);
    node->attr.batch_norm = (spk_batch_norm_attr){.eps = 1e-5, .momentum = 0.1, .train = train};
    add_in(node, x);
    add_in(node, spk_g_param(g, gamma));
    add_in(node, spk_g_param(g, beta));
    add_in(node, spk_g_param(g, mean));
    add_in(node, spk_g_param(g, var));
    add_in(node, spk_g_param(g, count));
    return out_like(g, node, x);
}

spk_tensor *spk_g_act(spk_graph *g, spk_tensor *x, spk_act act)
{
    spk_node *node = new_node(g, SPK_OP_ACT);
    node->attr.act.act = act;
    add_in(node, x);
    return out_like(g, node, x);
}

spk_tensor *spk_g_add(spk_graph *g, spk_tensor *a, spk_tensor *b)
{
    SPK_ASSERT(same_extents(a, b));
    spk_node *node = new_node(g, SPK_OP_ADD);
    add_in(node, a);
    add_in(node, b);
    return out_like(g, node, a);
}

spk_tensor *spk_g_time_mean(spk_graph *g, spk_tensor *x)
{
    spk_node *node = new_node(g, SPK_OP_TIME_MEAN);
    add_in(node, x);
    return add_out(g, node, x->n, 1, 1, x->c);
}

spk_tensor *spk_g_scale_add(spk_graph *g, spk_tensor *x, spk_tensor *s, spk_tensor *r)
{
    SPK_ASSERT(s->n == x->n && s->w == 1 && s->c == x->c && (!r || same_extents(x, r)));
    spk_node *node = new_node(g, SPK_OP_SCALE_ADD);
    add_in(node, x);
    add_in(node, s);
    add_in(node, r);
    return out_like(g, node, x);
}

spk_tensor *spk_g_row_bias(spk_graph *g, spk_tensor *x, spk_tensor *v)
{
    SPK_ASSERT(v->n == x->n && v->w == 1 && v->c == x->c);
    spk_node *node = new_node(g, SPK_OP_ROW_BIAS);
    add_in(node, x);
    add_in(node, v);
    return out_like(g, node, x);
}

spk_tensor *spk_g_time_stats(spk_graph *g, spk_tensor *x, spk_time_stats_attr attr)
{
    spk_node *node = new_node(g, SPK_OP_TIME_STATS);
    node->attr.time_stats = attr;
    add_in(node, x);
    return add_out(g, node, x->n, 1, 1, 2 * x->c);
}

spk_tensor *spk_g_attn_stats(spk_graph *g, spk_tensor *e, spk_tensor *x, spk_attn_stats_attr attr)
{
    SPK_ASSERT(same_extents(e, x));
    spk_node *node = new_node(g, SPK_OP_ATTN_STATS);
    node->attr.attn_stats = attr;
    add_in(node, e);
    add_in(node, x);
    return add_out(g, node, x->n, 1, 1, 2 * x->c);
}

spk_tensor *spk_g_aam_softmax(spk_graph *g, spk_tensor *e, const spk_param *w, spk_tensor *labels, spk_aam_attr attr)
{
    SPK_ASSERT(w->n_dims == 2 && w->dim[1] == e->c && e->w == 1 && labels->n == e->n);
    spk_node *node = new_node(g, SPK_OP_AAM_SOFTMAX);
    node->attr.aam = attr;
    add_in(node, e);
    spk_tensor *weight = spk_g_param(g, w);
    weight->n = w->dim[0];
    weight->c = w->dim[1];
    add_in(node, weight);
    add_in(node, labels);
    return add_out(g, node, 1, 1, 1, 2);
}

/* ---- work ---- */

/* Multiply-adds of the matrix-like ops; all else is less than a hundredth of them. */
static double node_macs(const spk_node *node)
{
    if (node->op == SPK_OP_CONV1D) {
        const spk_tensor *y = node->out[0], *x = node->in[0];
        return (double)(y->n * y->w) * (double)(y->c * x->c * node->attr.conv1d.k);
    }
    if (node->op == SPK_OP_AAM_SOFTMAX) return (double)(node->in[0]->n * node->in[1]->n) * (double)node->in[0]->c;
    return 0;
}

double spk_graph_flops_forward(const spk_graph *g)
{
    double macs = 0;
    for (int i = 0; i < g->n_nodes; i++)
        macs += node_macs(g->node[i]);
    return 2 * macs;
}

double spk_graph_flops_backward(const spk_graph *g)
{
    double macs = 0; /* towards the weights, and towards the input unless that is data */
    for (int i = 0; i < g->n_nodes; i++) {
        const spk_tensor *x = g->node[i]->in[0];
        const bool data = x->is_input || (x->producer && x->producer->op == SPK_OP_MELSPEC);
        macs += (data ? 1 : 2) * node_macs(g->node[i]);
    }
    return 2 * macs;
}
