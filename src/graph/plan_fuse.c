/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours that become one: the mask of a ReLU into the normalisation behind it, normalisations into convolutions. */
#include "graph/plan_inside_impl.h"

static int n_consumers(const spk_plan *p, const spk_tensor *t)
{
    int n = 0;
    for (int i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].node->n_in; k++)
            n += p->steps[i].node->in[k] == t;
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++)
        n += spk_graph_tensor(p->g, i)->parent == t;
    return n;
}

/* Convolution, ReLU, BatchNorm: the normalisation's backward pass reads the ReLU's result anyway, so it zeroes the
 * gradient where that was not positive, and the convolution needs no pass of its own for it. */
void spk__plan_fuse_masks(const spk_plan *p)
{
    for (int i = 0; i < p->n_steps; i++) {
        spk_node *bn = p->steps[i].node;
        if (bn->op != SPK_OP_BATCH_NORM || !bn->attr.batch_norm.train) continue;
        spk_tensor *x = bn->in[0];
        spk_node *from = x->producer;
        if (!from || x->parent || n_consumers(p, x) != 1) continue;
        if (from->op == SPK_OP_CONV1D && from->attr.conv1d.relu)
            bn->attr.batch_norm.mask_dx = from->attr.conv1d.dy_masked = true;
        if (from->op == SPK_OP_CONV2D && from->attr.conv2d.relu)
            bn->attr.batch_norm.mask_dx = from->attr.conv2d.dy_masked = true;
    }
}

/* Can this normalisation by running statistics be part of the convolution that its input comes from? */
static bool folds(const spk_plan *p, const spk_node *bn)
{
    if (bn->op != SPK_OP_BATCH_NORM || bn->attr.batch_norm.train) return false;
    const spk_tensor *x = bn->in[0];
    const spk_node *from = x->producer;
    if (!from || x->parent || x->keep || bn->out[0]->parent || n_consumers(p, x) != 1) return false;
    if (from->op == SPK_OP_CONV1D)
        return !from->attr.conv1d.relu && from->attr.conv1d.w_ld == from->in[0]->c * from->attr.conv1d.k;
    return from->op == SPK_OP_CONV2D && !from->attr.conv2d.relu;
}

/* The convolution's step does the work of both. */
static void fold(spk_step *conv, const spk_node *bn)
{
    const spk_batch_norm_attr *attr = &bn->attr.batch_norm;
    spk_node *node = conv->own = spk_new(sizeof *node);
    *node = *conv->node;
    for (int k = 3; k < 7; k++) /* gamma, beta, mean, variance */
        node->in[k] = bn->in[k - 2];
    node->n_in = 7;
    node->out[0] = bn->out[0];
    if (node->op == SPK_OP_CONV1D) {
        node->attr.conv1d.relu = attr->relu;
        node->attr.conv1d.bn_eps = attr->eps;
    } else {
        node->attr.conv2d.relu = attr->relu;
        node->attr.conv2d.bn_eps = attr->eps;
    }
    conv->node = node;
}

/* Where no gradients follow: convolution, BatchNorm with or without ReLU are one step. */
void spk__plan_fold_norms(spk_plan *p)
{
    int n = 0;
    bool *gone = spk_new((size_t)p->n_steps * sizeof *gone);
    for (int i = 0; i < p->n_steps; i++) {
        const spk_node *bn = p->steps[i].node;
        if (!folds(p, bn)) continue;
        for (int k = 0; k < i; k++)
            if (p->steps[k].node == bn->in[0]->producer) {
                fold(&p->steps[k], bn);
                gone[i] = true;
            }
    }
    for (int i = 0; i < p->n_steps; i++)
        if (!gone[i]) p->steps[n++] = p->steps[i];
    p->n_steps = n;
    spk_free(gone);
}
