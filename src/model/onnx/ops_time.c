/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics, pooling and masks over time in ONNX. */
#include <float.h>

#include "model/onnx/onnx_export_impl.h"

static const int64_t TIME = 2;

static spk_value join(xp *x, spk_value a, spk_value b)
{
    const spk_value v = SPK_ONNX_2(x->o, "Concat", a, b);
    spk_onnx_attr_int(x->o, "axis", 1);
    return v;
}

/* ---- statistics ---- */

/* The divisor of the sums: (N,1,1) or (1). */
static spk_value divisor(xp *x, const spk_node *node, spk_value count)
{
    const spk_time_stats_attr *a = &node->attr.time_stats;
    if (a->divide_len) return xp_unsqueeze(x, xp_cast(x, xp_lengths(x, a->divide_len), SPK_F32), 2, (int64_t[]){1, 2});
    return a->divide_by ? xp_cast(x, x->frames, SPK_F32) : count;
}

/* The variance: squares around the true mean, and what another divisor than the count leaves of it. */
static spk_value variance(xp *x, const spk_node *node, spk_value v, spk_value count, spk_value by, spk_value mean)
{
    const spk_time_stats_attr *a = &node->attr.time_stats;
    const bool other = a->divide_by > 0 || a->divide_len;
    const spk_value around = a->centred || !other ? mean : xp_time_mean(x, node->in[0], v);
    const spk_value d = xp_masked(x, node->in[0], xp_sub(x, v, around));
    const spk_value sum = xp_reduce(x, "ReduceSum", xp_mul(x, d, d), 1, &TIME);
    if (!other) {
        const spk_value less = xp_sub(x, count, xp_num(x, a->unbiased ? 1 : 0));
        return xp_div(x, sum, SPK_ONNX_2(x->o, "Max", less, xp_num(x, 1)));
    }
    if (a->centred) return xp_div(x, sum, by);
    const spk_value rest = xp_div(x, xp_mul(x, count, xp_mul(x, around, around)), by);
    return xp_add(x, xp_div(x, sum, by), xp_sub(x, rest, xp_mul(x, mean, mean)));
}

static spk_value time_stats(xp *x, const spk_node *node)
{
    const spk_time_stats_attr *a = &node->attr.time_stats;
    const spk_value v = xp_value(x, node->in[0]), count = xp_count(x, node->in[0], v);
    const spk_value by = divisor(x, node, count);
    const spk_value sum = xp_reduce(x, "ReduceSum", xp_masked(x, node->in[0], v), 1, &TIME);
    const spk_value mean = xp_div(x, sum, by);
    if (a->mean_only) return mean;
    spk_value var = variance(x, node, v, count, by, mean);
    if (a->add_var != 0) var = xp_add(x, var, xp_num(x, a->add_var));
    return join(x, mean, xp_one(x, "Sqrt", xp_clamp(x, var, a->lo < 0 ? FLT_EPSILON : a->lo, a->hi)));
}

static spk_value attn_stats(xp *x, const spk_node *node)
{
    const spk_attn_stats_attr *a = &node->attr.attn_stats;
    spk_value e = xp_value(x, node->in[0]);
    const spk_value v = xp_value(x, node->in[1]);
    const spk_value valid = xp_valid(x, node->in[0]->len ? node->in[0] : node->in[1], e);
    if (valid) e = xp_where(x, valid, e, xp_num(x, -1e30));
    const spk_value w = xp_one(x, "Softmax", e);
    spk_onnx_attr_int(x->o, "axis", TIME);
    const spk_value mean = xp_reduce(x, "ReduceSum", xp_mul(x, w, v), 1, &TIME), d = xp_sub(x, v, mean);
    const spk_value var = xp_reduce(x, "ReduceSum", xp_mul(x, w, xp_mul(x, d, d)), 1, &TIME);
    return join(x, mean, xp_one(x, "Sqrt", xp_clamp(x, var, a->lo, a->hi)));
}

/* ---- pooling, padding ---- */

static spk_value max_pool(xp *x, const spk_node *node)
{
    const spk_value v = xp_one(x, "MaxPool", xp_value(x, node->in[0]));
    spk_onnx_attr_ints(x->o, "kernel_shape", 1, &node->attr.max_pool.k);
    spk_onnx_attr_ints(x->o, "strides", 1, &node->attr.max_pool.k);
    return v;
}

static spk_value pad_time(xp *x, const spk_node *node)
{
    const int64_t pad = node->attr.pad_time.pad;
    const spk_value v = xp_value(x, node->in[0]);
    const spk_value count = xp_add(x, xp_extent(x, v, 2), spk_onnx_int(x->o, 2 * pad));
    return xp_extend(x, v, xp_lengths(x, node->in[0]->len), -pad, count, SPK_EDGES_REFLECT);
}

/* ---- normalisation of features ---- */

static spk_value mvn(xp *x, const spk_node *node)
{
    const spk_mvn_attr *a = &node->attr.mvn;
    const spk_tensor *t = node->in[0];
    const spk_value v = xp_value(x, node->in[0]), d = xp_sub(x, v, xp_time_mean(x, t, v));
    spk_value y = a->means ? d : v;
    if (a->vars) {
        const spk_value std = xp_one(x, "Sqrt", xp_time_mean(x, t, xp_mul(x, d, d)));
        y = xp_div(x, y, SPK_ONNX_2(x->o, "Max", std, xp_num(x, a->eps)));
    }
    return xp_masked(x, t, y);
}

static spk_value feature_norm(xp *x, const spk_node *node)
{
    const int64_t dim[] = {node->in[0]->c, 1};
    spk_value v = xp_value(x, node->in[0]);
    if (node->attr.feature_norm.means) v = xp_sub(x, v, xp_param(x, node->in[1], 2, dim));
    if (node->attr.feature_norm.vars) v = xp_div(x, v, xp_param(x, node->in[2], 2, dim));
    return xp_masked(x, node->in[0], v);
}

static spk_value layer_sum(xp *x, const spk_node *node)
{
    const int64_t layers = node->in[1]->param->count, c = node->in[0]->c / layers;
    const spk_value w = xp_one(x, "Softmax", xp_param(x, node->in[1], 3, (int64_t[]){layers, 1, 1}));
    spk_onnx_attr_int(x->o, "axis", 0);
    /* (N, L*C, T) to (N, L, C, T) */
    spk_value v = xp_reshape(x, xp_value(x, node->in[0]), 4, (int64_t[]){0, layers, c, -1});
    if (node->attr.layer_sum.normalize) {
        v = xp_sub(x, v, xp_reduce(x, "ReduceMean", v, 1, (int64_t[]){2}));
        const spk_value var = xp_reduce(x, "ReduceMean", xp_mul(x, v, v), 1, (int64_t[]){2});
        v = xp_div(x, v, xp_one(x, "Sqrt", xp_add(x, var, xp_num(x, node->attr.layer_sum.eps))));
    }
    const spk_value sum = xp_reduce(x, "ReduceSum", xp_mul(x, v, w), 1, (int64_t[]){1});
    return SPK_ONNX_2(x->o, "Squeeze", sum, spk_onnx_ints(x->o, (int64_t[]){1}, 1));
}

bool xp_op_time(xp *x, const spk_node *node)
{
    spk_value v;
    switch (node->op) {
    case SPK_OP_TIME_MEAN:
        v = xp_time_mean(x, node->in[0], xp_value(x, node->in[0]));
        break;
    case SPK_OP_TIME_STATS:
        v = time_stats(x, node);
        break;
    case SPK_OP_ATTN_STATS:
        v = attn_stats(x, node);
        break;
    case SPK_OP_MAX_POOL:
        v = max_pool(x, node);
        break;
    case SPK_OP_PAD_TIME:
        v = pad_time(x, node);
        break;
    case SPK_OP_MASK:
        v = xp_masked(x, node->in[0], xp_value(x, node->in[0]));
        break;
    case SPK_OP_MVN:
        v = mvn(x, node);
        break;
    case SPK_OP_FEATURE_NORM:
        v = feature_norm(x, node);
        break;
    case SPK_OP_LAYER_SUM:
        v = layer_sum(x, node);
        break;
    default:
        return false;
    }
    xp_set(x, node->out[0], v);
    return true;
}
