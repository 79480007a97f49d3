/* SPDX-License-Identifier: Apache-2.0 */
/* Floating-point operations of a graph. */
#include "graph/graph_impl.h"

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

double spk_graph_flops_forward(const spk_graph *g)
{
    double macs = 0;
    for (int i = 0; i < spk_graph_n_nodes(g); i++)
        macs += node_macs(spk_graph_node(g, i));
    return 2 * macs;
}

double spk_graph_flops_backward(const spk_graph *g)
{
    double macs = 0; /* towards the weights, and towards the input unless that is data */
    for (int i = 0; i < spk_graph_n_nodes(g); i++) {
        const spk_tensor *x = spk_graph_node(g, i)->in[0];
        const bool data = x->is_input || (x->producer && x->producer->op == SPK_OP_MELSPEC);
        macs += (data ? 1 : 2) * node_macs(spk_graph_node(g, i));
    }
    return 2 * macs;
}
