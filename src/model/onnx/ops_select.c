/* SPDX-License-Identifier: Apache-2.0 */
/* Selective kernels, CAM++ segments, SimAM and changes of layout in ONNX. */
#include "model/onnx/onnx_export_impl.h"

static spk_value sk_mix(xp *x, const spk_node *node)
{
    spk_value s = xp_one(x, "Sigmoid", xp_sub(x, xp_value(x, node->in[2]), xp_value(x, node->in[3])));
    if (node->attr.sk_mix.over_freq) /* (N,F,1) to (N,1,1,F) */
        s = xp_unsqueeze(x, xp_transpose(x, s, 3, (int64_t[]){0, 2, 1}), 1, (int64_t[]){1});
    else if (node->in[0]->h > 1 || node->out[0]->h > 1)
        s = xp_unsqueeze(x, s, 1, (int64_t[]){3});
    const spk_value a = xp_value(x, node->in[0]), b = xp_value(x, node->in[1]);
    return xp_add(x, b, xp_mul(x, s, xp_sub(x, a, b)));
}

/* (N,C,T,F): mean over channels and valid frames: (N,F,1). */
static spk_value freq_mean(xp *x, const spk_node *node)
{
    const spk_tensor *t = node->in[0];
    const spk_value v = xp_value(x, node->in[0]);
    const spk_value by_frame = xp_reduce(x, "ReduceMean", v, 1, (int64_t[]){1}); /* (N,1,T,F) */
    spk_value sum = xp_reduce(x, "ReduceSum", xp_masked(x, t, by_frame), 1, (int64_t[]){2});
    sum = xp_reshape(x, sum, 3, (int64_t[]){0, t->w, 1});
    return xp_div(x, sum, xp_count(x, t, v));
}

static spk_value fold(xp *x, const spk_node *node)
{
    const spk_tensor *t = node->in[0];
    const spk_value v = xp_transpose(x, xp_value(x, node->in[0]), 4, (int64_t[]){0, 1, 3, 2});
    return xp_reshape(x, v, 3, (int64_t[]){0, t->c * t->w, -1});
}

/* ---- segments ---- */

/* v (N,C,T), filled up with zeros to whole segments: (N,C,S,length). */
static spk_value segments(xp *x, spk_value v, int64_t c, int64_t length)
{
    spk_onnx *o = x->o;
    const spk_value n = spk_onnx_ints(o, &length, 1);
    const spk_value frames = xp_extent(x, v, 2);
    const spk_value whole = xp_mul(x, xp_div(x, xp_add(x, frames, spk_onnx_ints(o, (int64_t[]){length - 1}, 1)), n), n);
    const spk_value pads[] = {spk_onnx_ints(o, (int64_t[]){0, 0, 0, 0, 0}, 5), xp_sub(x, whole, frames)};
    const spk_value pad = spk_onnx_op(o, "Concat", 2, pads);
    spk_onnx_attr_int(o, "axis", 0);
    return xp_reshape(x, SPK_ONNX_2(o, "Pad", v, pad), 4, (int64_t[]){0, c, -1, length});
}

static spk_value segment_mean(xp *x, const spk_node *node)
{
    const spk_tensor *t = node->in[0];
    const int64_t length = node->attr.segment.length, last = 3;
    const spk_value v = xp_masked(x, t, xp_value(x, node->in[0])), all = xp_time_mean(x, t, v);
    spk_value ones; /* (N or 1, 1, T): which frames count */
    if (t->len) {
        ones = xp_cast(x, xp_valid(x, t, v), SPK_F32);
    } else {
        const spk_value frames = xp_unsqueeze(x, xp_range(x, xp_extent(x, v, 2)), 2, (int64_t[]){0, 1});
        ones = xp_cast(x, SPK_ONNX_2(x->o, "Less", frames, xp_extent(x, v, 2)), SPK_F32);
    }
    spk_value sum = xp_reduce(x, "ReduceSum", segments(x, v, t->c, length), 1, &last);
    spk_value count = xp_reduce(x, "ReduceSum", segments(x, ones, 1, length), 1, &last);
    count = SPK_ONNX_2(x->o, "Max", count, xp_num(x, 1));
    const spk_value mean = SPK_ONNX_2(x->o, "Squeeze", xp_div(x, sum, count), spk_onnx_ints(x->o, &last, 1));
    return xp_add(x, mean, all);
}

static spk_value segment_scale(xp *x, const spk_node *node)
{
    const int64_t length = node->attr.segment.length;
    const spk_value v = xp_value(x, node->in[0]);
    spk_value s = xp_unsqueeze(x, xp_value(x, node->in[1]), 1, (int64_t[]){3});
    s = SPK_ONNX_2(x->o, "Expand", s, spk_onnx_ints(x->o, (int64_t[]){1, 1, 1, length}, 4));
    s = xp_reshape(x, s, 3, (int64_t[]){0, node->in[0]->c, -1});
    const int64_t zero = 0, axis = 2;
    const spk_value in[] = {s, spk_onnx_ints(x->o, &zero, 1), xp_extent(x, v, 2), spk_onnx_ints(x->o, &axis, 1)};
    return xp_mul(x, v, spk_onnx_op(x->o, "Slice", 4, in));
}

/* ---- SimAM ---- */

static spk_value simam(xp *x, const spk_node *node)
{
    const spk_tensor *t = node->in[0];
    const int64_t axes[] = {2, 3};
    const spk_value v = xp_value(x, node->in[0]);
    spk_value n = xp_cast(x, xp_extent(x, v, 2), SPK_F32);
    if (t->len) n = xp_unsqueeze(x, xp_cast(x, xp_lengths(x, t->len), SPK_F32), 3, (int64_t[]){1, 2, 3});
    n = xp_mul(x, n, xp_num(x, (double)t->w));
    const spk_value mean = xp_div(x, xp_reduce(x, "ReduceSum", xp_masked(x, t, v), 2, axes), n);
    const spk_value d0 = xp_sub(x, v, mean), d = xp_mul(x, d0, d0);
    const spk_value sum = xp_reduce(x, "ReduceSum", xp_masked(x, t, d), 2, axes);
    const spk_value var = xp_div(x, sum, xp_sub(x, n, xp_num(x, 1)));
    const spk_value low = xp_mul(x, xp_add(x, var, xp_num(x, node->attr.simam.lambda)), xp_num(x, 4));
    return xp_mul(x, v, xp_one(x, "Sigmoid", xp_add(x, xp_div(x, d, low), xp_num(x, 0.5))));
}

bool xp_op_select(xp *x, const spk_node *node)
{
    spk_value v;
    switch (node->op) {
    case SPK_OP_SK_MIX:
        v = sk_mix(x, node);
        break;
    case SPK_OP_FREQ_MEAN:
        v = freq_mean(x, node);
        break;
    case SPK_OP_FOLD:
        v = fold(x, node);
        break;
    case SPK_OP_SEGMENT_MEAN:
        v = segment_mean(x, node);
        break;
    case SPK_OP_SEGMENT_SCALE:
        v = segment_scale(x, node);
        break;
    case SPK_OP_SIMAM:
        v = simam(x, node);
        break;
    default:
        return false;
    }
    xp_set(x, node->out[0], v);
    return true;
}
