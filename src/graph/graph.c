/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs: leaves, nodes, views, lengths (graph_impl.h). */
#include "graph/graph_impl.h"

#include <string.h>

#include "graph/node_impl.h"

struct spk_graph {
    int n_nodes, n_tensors, n_rules;
    spk_node **node;
    spk_tensor **tensor;
    spk_len_rule *rule;
    uint64_t n_streams;
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
    for (int i = 0; i < g->n_tensors; i++) {
        spk_free(g->tensor[i]->constant);
        spk_free(g->tensor[i]);
    }
    for (int i = 0; i < g->n_rules; i++)
        spk_free(g->rule[i].to);
    spk_free(g->node);
    spk_free(g->tensor);
    spk_free(g->rule);
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

spk_tensor *spk__g_tensor(spk_graph *g, int64_t n, int64_t h, int64_t w, int64_t c)
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
    spk_tensor *t = spk__g_tensor(g, n, 1, w, c);
    t->dtype = dtype;
    t->is_input = true;
    return t;
}

spk_tensor *spk_g_param(spk_graph *g, const spk_param *p)
{
    spk_tensor *t = spk__g_tensor(g, 1, 1, 1, p->count);
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

spk_node *spk__g_node(spk_graph *g, spk_op op)
{
    spk_node *node = spk_new(sizeof *node);
    node->op = op;
    SPK_PUSH(g->node, g->n_nodes) = node;
    return node;
}

void spk__g_in(spk_node *node, spk_tensor *t)
{
    SPK_ASSERT(node->n_in < SPK_MAX_IN);
    node->in[node->n_in++] = t; /* NULL: this optional input is absent */
}

spk_tensor *spk__g_out(spk_graph *g, spk_node *node, int64_t n, int64_t h, int64_t w, int64_t c)
{
    spk_tensor *t = spk__g_tensor(g, n, h, w, c);
    t->producer = node;
    node->out[node->n_out++] = t;
    return t;
}

spk_tensor *spk__g_out_like(spk_graph *g, spk_node *node, const spk_tensor *x)
{
    spk_tensor *t = spk__g_out(g, node, x->n, x->h, x->w, x->c);
    t->len = x->len;
    return t;
}

bool spk__g_same(const spk_tensor *a, const spk_tensor *b)
{
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c;
}

/* ---- views ---- */

spk_tensor *spk_g_slice(spk_graph *g, spk_tensor *x, int64_t c0, int64_t c)
{
    const spk_tensor *root = spk_tensor_root(x, NULL);
    SPK_ASSERT(c0 >= 0 && c0 + c <= x->c);
    SPK_ASSERT(!root->is_input && !root->param && !root->constant && "only what ops write lies in the arena");
    for (const spk_tensor *t = x; t; t = t->parent)
        SPK_ASSERT(!t->reshaped && "a slice of a reshaped tensor");
    spk_tensor *t = spk__g_tensor(g, x->n, x->h, x->w, c);
    t->parent = x;
    t->c0 = c0;
    t->len = x->len;
    return t;
}

static spk_tensor *copy(spk_graph *g, spk_tensor *x)
{
    spk_node *node = spk__g_node(g, SPK_OP_COPY);
    spk__g_in(node, x);
    return spk__g_out_like(g, node, x);
}

/* A convolution's library wants dense rows; every kernel of ours takes a row stride. */
static bool can_write_into_a_slice(const spk_tensor *t)
{
    return t->producer && !t->parent && !t->pinned && t->producer->op != SPK_OP_CONV1D &&
           t->producer->op != SPK_OP_CONV2D && t->producer->op != SPK_OP_FOLD;
}

spk_tensor *spk__g_dense(spk_graph *g, spk_tensor *x)
{
    for (const spk_tensor *t = x; t->parent; t = t->parent) {
        if (t->reshaped || t->c == t->parent->c) continue;
        x = copy(g, x);
        break;
    }
    x->pinned = true;
    return x;
}

void spk_g_place(spk_graph *g, spk_tensor *buffer, int64_t c0, spk_tensor *t)
{
    SPK_ASSERT(t->n == buffer->n && t->h == buffer->h && t->w == buffer->w && c0 >= 0 && c0 + t->c <= buffer->c);
    if (!can_write_into_a_slice(t)) t = copy(g, t);
    t->parent = buffer;
    t->c0 = c0;
}

spk_tensor *spk_g_buffer(spk_graph *g, const spk_tensor *like, int64_t c)
{
    spk_tensor *t = spk__g_tensor(g, like->n, like->h, like->w, c);
    t->len = like->len;
    return t;
}

spk_tensor *spk_g_reshape(spk_graph *g, spk_tensor *x, int64_t n, int64_t h, int64_t w, int64_t c, const int64_t *len)
{
    SPK_ASSERT(n * h * w * c == x->n * x->h * x->w * x->c && !x->param);
    x = spk__g_dense(g, x);
    spk_tensor *t = spk__g_tensor(g, n, h, w, c);
    t->parent = x;
    t->reshaped = true;
    t->len = len;
    t->pinned = true;
    return t;
}

spk_tensor *spk_g_picture(spk_graph *g, spk_tensor *x)
{
    SPK_ASSERT(x->h == 1);
    return spk_g_reshape(g, x, x->n, x->w, x->c, 1, x->len);
}

spk_tensor *spk_g_flatten(spk_graph *g, spk_tensor *x)
{
    return spk_g_reshape(g, x, x->n, 1, x->h, x->w * x->c, x->len);
}

/* ---- lengths, streams ---- */

const int64_t *spk_g_len(spk_graph *g, const int64_t *from, int64_t n, int64_t add, int64_t div, int64_t plus,
                         int64_t times, int64_t least, int64_t most)
{
    if (!from) return NULL;
    int64_t *to = spk_new((size_t)n * sizeof *to);
    SPK_ASSERT(div > 0);
    SPK_PUSH(g->rule, g->n_rules) = ((spk_len_rule){from, to, n, add, div, plus, times, least, most});
    return to;
}

const int64_t *spk_g_len_conv(spk_graph *g, const int64_t *from, int64_t n, int64_t k, int64_t stride, int64_t dilation,
                              int64_t pad, int64_t most)
{
    return spk_g_len(g, from, n, 2 * pad - dilation * (k - 1) - 1, stride, 1, 1, 0, most);
}

bool spk_graph_len_rule(const spk_graph *g, const int64_t *len, spk_len_rule *out)
{
    for (int r = 0; r < g->n_rules; r++)
        if (g->rule[r].to == len) {
            *out = g->rule[r];
            return true;
        }
    return false;
}

void spk_graph_update_lengths(const spk_graph *g)
{
    for (int r = 0; r < g->n_rules; r++) {
        const spk_len_rule *rule = &g->rule[r];
        for (int64_t i = 0; i < rule->n; i++) {
            const int64_t a = rule->from[i] + rule->add;
            int64_t v = a / rule->div - (a % rule->div < 0) + rule->plus;
            v = (v < rule->least ? rule->least : v) * rule->times;
            rule->to[i] = v > rule->most ? rule->most : v;
        }
    }
}

uint64_t spk_g_stream(spk_graph *g)
{
    return ++g->n_streams;
}

spk_tensor *spk_g_constant(spk_graph *g, const float *values, int64_t n, int64_t h, int64_t w, int64_t c)
{
    spk_tensor *t = spk__g_tensor(g, n, h, w, c);
    const size_t bytes = (size_t)(n * h * w * c) * sizeof *values;
    t->constant = spk_new(bytes);
    memcpy(t->constant, values, bytes);
    return t;
}

spk_tensor *spk_g_concat(spk_graph *g, spk_tensor *const *parts, int n)
{
    int64_t c = 0;
    SPK_ASSERT(n > 0);
    for (int i = 0; i < n; i++)
        c += parts[i]->c;
    spk_tensor *whole = spk__g_tensor(g, parts[0]->n, parts[0]->h, parts[0]->w, c);
    whole->len = parts[0]->len;
    for (int64_t i = 0, at = 0; i < n; at += parts[i]->c, i++)
        spk_g_place(g, whole, at, parts[i]);
    return whole;
}
