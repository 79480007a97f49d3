/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long each buffer lives, and who writes a gradient first: going backward, the first consumer of a channel range
 * writes the gradient there, later ones add. A range is therefore never cleared beforehand.
 */
#include "graph/plan_inside_impl.h"

/* ---- lifetimes ---- */

unsigned spk__plan_reads_in(const spk_node *node)
{
    switch (node->op) {
    case SPK_OP_CONV1D:
    case SPK_OP_CONV2D:
    case SPK_OP_BATCH_NORM:
    case SPK_OP_TIME_STATS:
    case SPK_OP_DEPTHWISE:
    case SPK_OP_SIMAM:
    case SPK_OP_LAYER_NORM:
    case SPK_OP_GLU:
    case SPK_OP_MVN:
    case SPK_OP_LAYER_SUM:
    case SPK_OP_MARGIN_SOFTMAX:
    case SPK_OP_SPHEREFACE2:
    case SPK_OP_PROTO_LOSS:
        return 1;
    case SPK_OP_SCALE_ADD:
    case SPK_OP_ATTN_STATS:
    case SPK_OP_SEGMENT_SCALE:
        return 3;
    case SPK_OP_AFMS:
        return 5;
    case SPK_OP_ATTENTION:
    case SPK_OP_SK_MIX:
        return 15;
    case SPK_OP_ACT:
        return node->attr.act.act == SPK_SWISH;
    default:
        return 0;
    }
}

bool spk__plan_reads_out(const spk_node *node)
{
    switch (node->op) {
    case SPK_OP_CONV1D:
        return node->attr.conv1d.relu && !node->attr.conv1d.dy_masked;
    case SPK_OP_CONV2D:
        return node->attr.conv2d.relu && !node->attr.conv2d.dy_masked;
    case SPK_OP_BATCH_NORM:
        return node->attr.batch_norm.relu;
    case SPK_OP_ADD:
        return node->attr.add.relu;
    case SPK_OP_ROW_BIAS:
        return node->attr.row_bias.act != SPK_LINEAR;
    case SPK_OP_ACT:
        return node->attr.act.act != SPK_SWISH;
    case SPK_OP_TIME_STATS:
    case SPK_OP_ATTN_STATS:
    case SPK_OP_ATTENTION:
    case SPK_OP_MVN:
        return true;
    default:
        return false;
    }
}

static void touch(spk_plan *p, int *buffer_of, spk_tensor *t, int moment)
{
    if (!t || t->param || t->constant) return;
    spk_tensor *root = spk_tensor_root(t, NULL);
    if (root->is_input) return;
    int *b = &buffer_of[root->id];
    if (*b < 0) {
        *b = p->n_buffers;
        const size_t bytes = (size_t)(root->n * root->h * root->w * root->c) * spk_dtype_size(p->type[root->id]);
        SPK_PUSH(p->buffers, p->n_buffers) = ((spk_buffer){bytes, moment, moment, 0});
    }
    spk_buffer *buffer = &p->buffers[*b];
    if (moment < buffer->start) buffer->start = moment;
    if (moment > buffer->end) buffer->end = moment;
}

/* Values that the backward pass reads. */
static void touch_back(spk_plan *p, const int *again, spk_tensor *t, int moment)
{
    if (!t) return;
    touch(p, again[spk_tensor_root(t, NULL)->id] >= 0 ? p->again_of : p->value_of, t, moment);
}

/* What is made again lives from then on, and what it is made from must be there then. */
static void touch_again(spk_plan *p, const int *again, spk_step *s)
{
    const int moment = again[spk_tensor_root(s->node->out[0], NULL)->id];
    s->again_scratch = -1;
    if (moment < 0) return;
    touch(p, p->again_of, s->node->out[0], moment);
    for (int k = 0; k < s->node->n_in; k++)
        touch_back(p, again, s->node->in[k], moment);
    if (s->scratch < 0) return;
    s->again_scratch = p->n_buffers;
    const size_t bytes = p->buffers[s->scratch].bytes;
    SPK_PUSH(p->buffers, p->n_buffers) = ((spk_buffer){bytes, moment, moment, 0});
}

void spk__plan_find_lifetimes(spk_plan *p, const bool *needs, const int *again)
{
    const int last = 2 * p->n_steps;
    for (int i = 0; i < p->n_steps; i++) {
        spk_step *s = &p->steps[i];
        const spk_node *node = s->node;
        const int back = last - 1 - i;
        for (int k = 0; k < node->n_in; k++) {
            touch(p, p->value_of, node->in[k], i);
            if (s->backward && (spk__plan_reads_in(node) >> k & 1)) touch_back(p, again, node->in[k], back);
            if (s->backward && node->in[k] && !node->in[k]->param && spk__plan_wants_grad(node->in[k], needs))
                touch(p, p->grad_of, node->in[k], back);
        }
        for (int k = 0; k < node->n_out; k++) {
            touch(p, p->value_of, node->out[k], i);
            if (s->backward && spk__plan_reads_out(node)) touch_back(p, again, node->out[k], back);
            if (s->backward && node->out[k] != p->options.loss) touch(p, p->grad_of, node->out[k], back);
        }
        touch_again(p, again, s);
    }
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++) {
        spk_tensor *t = spk_graph_tensor(p->g, i);
        if (t->keep || t == p->options.loss) touch(p, p->value_of, t, last);
    }
}

/* ---- who writes a gradient first ---- */

typedef struct range {
    int root;
    int64_t from, to;
} range;

/* Its channels of the buffer that it lies in; all of them behind a reshape, which takes whole buffers. */
static range range_of(spk_tensor *t)
{
    int64_t c0, c = t->c;
    const spk_tensor *root = spk_tensor_root(t, &c0);
    for (const spk_tensor *v = t; v->parent; v = v->parent)
        if (v->reshaped) c = v->parent->c;
    return (range){root->id, c0, c0 + c};
}

/* Is [from, to) of the root covered by what was written, or untouched by it? Anything between is a bug. */
static bool covered(const range *ranges, int n, int root, int64_t from, int64_t to)
{
    int64_t shared = 0;
    for (int i = 0; i < n; i++) {
        if (ranges[i].root != root) continue;
        const int64_t a = ranges[i].from > from ? ranges[i].from : from, b = ranges[i].to < to ? ranges[i].to : to;
        if (b > a) shared += b - a;
    }
    SPK_ASSERT((shared == 0 || shared == to - from) && "gradient ranges of a buffer overlap in part");
    return shared != 0;
}

void spk__plan_order_gradients(spk_plan *p, const bool *needs)
{
    range *ranges = NULL;
    int n = 0;
    for (int i = p->n_steps - 1; i >= 0; i--) {
        spk_step *s = &p->steps[i];
        if (!s->backward) continue;
        for (int k = 0; k < s->node->n_out; k++) {
            const range r = range_of(s->node->out[k]);
            SPK_ASSERT(s->node->out[k] == p->options.loss || covered(ranges, n, r.root, r.from, r.to));
        }
        for (int k = 0; k < s->node->n_in; k++) {
            spk_tensor *t = s->node->in[k];
            s->args.add[k] = true;
            if (!t || t->param || !spk__plan_wants_grad(t, needs)) continue;
            const range r = range_of(t);
            s->args.add[k] = covered(ranges, n, r.root, r.from, r.to);
            if (!s->args.add[k]) SPK_PUSH(ranges, n) = r;
        }
    }
    spk_free(ranges);
}
