/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which buffers of a plan in bfloat16 are so: frames and pictures behind the first convolution, up to the pooling. What
 * the frontend makes, vectors of an utterance (they are few and feed the loss), and what the caller reads are float.
 */
#include "graph/plan_inside_impl.h"

/* May this op write bfloat16, given what its inputs are? */
static bool writes_bf16(const spk_plan *p, const spk_node *node)
{
    switch (node->op) {
    case SPK_OP_CONV1D:
    case SPK_OP_CONV2D:
        return true;
    case SPK_OP_BATCH_NORM:
    case SPK_OP_ACT:
    case SPK_OP_ADD:
    case SPK_OP_COPY:
    case SPK_OP_SCALE_ADD:
    case SPK_OP_ROW_BIAS:
    case SPK_OP_DEPTHWISE:
    case SPK_OP_SIMAM:
    case SPK_OP_PAD_TIME:
    case SPK_OP_MAX_POOL:
    case SPK_OP_AFMS:
    case SPK_OP_LAYER_NORM:
    case SPK_OP_ATTENTION:
    case SPK_OP_GLU:
    case SPK_OP_POS_ADD:
    case SPK_OP_DROPOUT:
    case SPK_OP_CHOOSE:
    case SPK_OP_SK_MIX:
    case SPK_OP_FOLD:
    case SPK_OP_SEGMENT_SCALE:
    case SPK_OP_MASK:
        return spk__plan_dtype(p, node->in[0]) == SPK_BF16;
    default:
        return false;
    }
}

/* All candidates at first; then what an op cannot write so is float, and with it what depends on that, until nothing
 * changes. */
void spk__plan_choose_types(spk_plan *p)
{
    const spk_dtype real = p->options.real == SPK_F64 ? SPK_F64 : SPK_F32;
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++) {
        const spk_tensor *t = spk_graph_tensor(p->g, i);
        const bool frames = !t->param && !t->constant && !t->is_input && t->dtype != SPK_I64 && t->h * t->w > 1;
        p->type[i] = t->dtype == SPK_I64 ? SPK_I64 : frames ? p->options.real : real;
    }
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++) {
        spk_tensor *t = spk_graph_tensor(p->g, i);
        if (t->keep || t == p->options.loss) p->type[spk_tensor_root(t, NULL)->id] = real;
    }
    for (bool changed = p->options.real == SPK_BF16; changed;) {
        changed = false;
        for (int i = 0; i < p->n_steps; i++) {
            const spk_node *node = p->steps[i].node;
            for (int k = 0; k < node->n_out; k++) {
                spk_dtype *type = &p->type[spk_tensor_root(node->out[k], NULL)->id];
                if (*type != SPK_BF16 || writes_bf16(p, node)) continue;
                *type = SPK_F32;
                changed = true;
            }
        }
    }
}

spk_dtype spk__plan_dtype(const spk_plan *p, const spk_tensor *t)
{
    return p->type[spk_tensor_root((spk_tensor *)(uintptr_t)t, NULL)->id];
}
