/* SPDX-License-Identifier: Apache-2.0 */
/* Floating-point operations of a graph, and the bytes that the steps of a plan move. */
#include "graph/plan_inside_impl.h"

/* Multiply-adds of the matrix-like ops; all else is less than a hundredth of them. */
static double node_macs(const spk_node *node)
{
    if (node->op == SPK_OP_CONV1D) {
        const spk_tensor *y = node->out[0], *x = node->in[0];
        return (double)(y->n * y->w) * (double)(y->c * x->c * node->attr.conv1d.k);
    }
    if (node->op == SPK_OP_CONV2D) {
        const spk_tensor *y = node->out[0], *x = node->in[0];
        return (double)(y->n * y->h * y->w * y->c) * (double)(x->c * node->attr.conv2d.kt * node->attr.conv2d.kf);
    }
    if (node->op == SPK_OP_DEPTHWISE)
        return (double)(node->out[0]->n * node->out[0]->w * node->out[0]->c) * (double)node->attr.depthwise.k;
    if (node->op == SPK_OP_ATTENTION) {
        const spk_tensor *q = node->in[0], *p = node->in[3];
        return (double)(q->n * q->w * q->c) * (double)(2 * q->w + (p ? p->w : 0));
    }
    if (node->op == SPK_OP_SINC) {
        const spk_tensor *y = node->out[0];
        return (double)(y->n * y->w * y->c) * (double)node->attr.sinc.kernel_size;
    }
    if (node->op == SPK_OP_MARGIN_SOFTMAX || node->op == SPK_OP_SPHEREFACE2)
        return (double)(node->in[0]->n * node->in[1]->n) * (double)node->in[0]->c;
    return 0;
}

double spk_node_flops(const spk_node *node)
{
    return 2 * node_macs(node);
}

/* Towards the weights, and towards the input unless that is data. */
double spk_node_flops_backward(const spk_node *node)
{
    const spk_tensor *x = node->in[0];
    const bool data = x->is_input || (x->producer && x->producer->op == SPK_OP_MELSPEC);
    return (data ? 2 : 4) * node_macs(node);
}

double spk_graph_flops_forward(const spk_graph *g)
{
    double flops = 0;
    for (int i = 0; i < spk_graph_n_nodes(g); i++)
        flops += spk_node_flops(spk_graph_node(g, i));
    return flops;
}

double spk_graph_flops_backward(const spk_graph *g)
{
    double flops = 0;
    for (int i = 0; i < spk_graph_n_nodes(g); i++)
        flops += spk_node_flops_backward(spk_graph_node(g, i));
    return flops;
}

/* ---- bytes ---- */

static double view_bytes(const spk_plan *p, const spk_tensor *t)
{
    const spk_dtype dtype = t->dtype == SPK_I64 ? SPK_I64 : spk__plan_dtype(p, t);
    return (double)(t->n * t->h * t->w * t->c) * (double)spk_dtype_size(dtype);
}

double spk__step_bytes_forward(const spk_plan *p, const spk_step *s)
{
    double bytes = s->save < 0 ? 0 : (double)p->buffers[s->save].bytes;
    for (int k = 0; k < s->node->n_in; k++)
        if (s->node->in[k]) bytes += view_bytes(p, s->node->in[k]);
    for (int k = 0; k < s->node->n_out; k++)
        bytes += view_bytes(p, s->node->out[k]);
    return bytes;
}

double spk__step_bytes_backward(const spk_plan *p, const spk_step *s)
{
    double bytes = s->save < 0 ? 0 : (double)p->buffers[s->save].bytes;
    const unsigned reads_in = spk__plan_reads_in(s->node);
    for (int k = 0; k < s->node->n_in; k++) {
        const spk_tensor *t = s->node->in[k];
        if (!t) continue;
        if (t->param || reads_in >> k & 1) bytes += view_bytes(p, t);
        if (s->args.din[k].p) bytes += (s->args.add[k] ? 2 : 1) * view_bytes(p, t);
    }
    for (int k = 0; k < s->node->n_out; k++) {
        if (spk__plan_reads_out(s->node)) bytes += view_bytes(p, s->node->out[k]);
        if (s->args.dout[k].p) bytes += view_bytes(p, s->node->out[k]);
    }
    return bytes;
}
