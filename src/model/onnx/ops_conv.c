/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions, normalisations and element-wise ops in ONNX. */
#include "model/onnx/onnx_export_impl.h"

static spk_value relu_if(xp *x, spk_value v, bool relu)
{
    return relu ? xp_one(x, "Relu", v) : v;
}

spk_value xp_activation(xp *x, spk_value v, spk_act act)
{
    switch (act) {
    case SPK_RELU:
        return xp_one(x, "Relu", v);
    case SPK_SIGMOID:
        return xp_one(x, "Sigmoid", v);
    case SPK_TANH:
        return xp_one(x, "Tanh", v);
    case SPK_SWISH:
        return xp_mul(x, v, xp_one(x, "Sigmoid", v));
    case SPK_HARDTANH:
        return xp_clamp(x, v, -1, 1);
    case SPK_SELU:
        return xp_one(x, "Selu", v);
    case SPK_LINEAR:
        break;
    }
    return v;
}

/* ---- convolutions ---- */

/* The weight (O,C,K), cut out of wider rows where only some columns are read. */
static spk_value conv1d_weight(xp *x, const spk_tensor *w, const spk_conv1d_attr *a)
{
    const int64_t row = w->c * a->k, dim[] = {w->n, w->c, a->k};
    const float *from = xp_data(w);
    float *dense = spk_new((size_t)(w->n * row) * sizeof *dense);
    for (int64_t o = 0; o < w->n; o++)
        for (int64_t i = 0; i < row; i++)
            dense[o * row + i] = from[o * a->w_ld + i];
    const spk_value v = spk_onnx_floats(x->o, dense, 3, dim);
    spk_free(dense);
    return v;
}

static spk_value bias(xp *x, const spk_tensor *b)
{
    return b ? xp_param(x, b, 1, (int64_t[]){b->param->count}) : NULL;
}

static spk_value conv1d(xp *x, const spk_node *node)
{
    const spk_conv1d_attr *a = &node->attr.conv1d;
    const spk_value v =
        SPK_ONNX_3(x->o, "Conv", xp_value(x, node->in[0]), conv1d_weight(x, node->in[1], a), bias(x, node->in[2]));
    spk_onnx_attr_ints(x->o, "kernel_shape", 1, &a->k);
    spk_onnx_attr_ints(x->o, "strides", 1, &a->stride);
    spk_onnx_attr_ints(x->o, "dilations", 1, &a->dilation);
    spk_onnx_attr_ints(x->o, "pads", 2, (int64_t[]){a->pad, a->pad});
    return relu_if(x, v, a->relu);
}

/* Our taps (time, frequency) from a weight that may lie (frequency, time). */
static spk_value conv2d_weight(xp *x, const spk_tensor *w, const spk_conv2d_attr *a)
{
    const int64_t o = w->param->dim[0], c = w->param->dim[1], taps = a->kt * a->kf;
    const float *from = xp_data(w);
    float *turned = spk_new((size_t)(o * c * taps) * sizeof *turned);
    for (int64_t i = 0; i < o * c; i++)
        for (int64_t t = 0; t < a->kt; t++)
            for (int64_t f = 0; f < a->kf; f++)
                turned[i * taps + t * a->kf + f] = from[i * taps + (a->freq_first ? f * a->kt + t : t * a->kf + f)];
    const spk_value v = spk_onnx_floats(x->o, turned, 4, (int64_t[]){o, c, a->kt, a->kf});
    spk_free(turned);
    return v;
}

static spk_value conv2d(xp *x, const spk_node *node)
{
    const spk_conv2d_attr *a = &node->attr.conv2d;
    const spk_value v =
        SPK_ONNX_3(x->o, "Conv", xp_value(x, node->in[0]), conv2d_weight(x, node->in[1], a), bias(x, node->in[2]));
    spk_onnx_attr_ints(x->o, "kernel_shape", 2, (int64_t[]){a->kt, a->kf});
    spk_onnx_attr_ints(x->o, "strides", 2, (int64_t[]){a->st, a->sf});
    spk_onnx_attr_ints(x->o, "pads", 4, (int64_t[]){a->pt, a->pf, a->pt, a->pf});
    return relu_if(x, v, a->relu);
}

static spk_value depthwise(xp *x, const spk_node *node)
{
    const spk_depthwise_attr *a = &node->attr.depthwise;
    const int64_t c = node->in[0]->c;
    const spk_value w = xp_param(x, node->in[1], 3, (int64_t[]){c, 1, a->k});
    const spk_value v = SPK_ONNX_3(x->o, "Conv", xp_value(x, node->in[0]), w, bias(x, node->in[2]));
    spk_onnx_attr_ints(x->o, "kernel_shape", 1, &a->k);
    spk_onnx_attr_ints(x->o, "pads", 2, (int64_t[]){a->pad, a->pad});
    spk_onnx_attr_int(x->o, "group", c);
    return v;
}

/* ---- normalisations ---- */

/* One value for each channel, all the same. */
static spk_value filled(xp *x, int64_t c, float value)
{
    float *data = spk_new((size_t)c * sizeof *data);
    for (int64_t i = 0; i < c; i++)
        data[i] = value;
    const spk_value v = spk_onnx_floats(x->o, data, 1, &c);
    spk_free(data);
    return v;
}

static spk_value batch_norm(xp *x, const spk_node *node)
{
    const int64_t c = node->in[0]->c;
    const spk_value in[] = {xp_value(x, node->in[0]), node->in[1] ? bias(x, node->in[1]) : filled(x, c, 1),
                            node->in[2] ? bias(x, node->in[2]) : filled(x, c, 0), bias(x, node->in[3]),
                            bias(x, node->in[4])};
    const spk_value v = spk_onnx_op(x->o, "BatchNormalization", 5, in);
    spk_onnx_attr_float(x->o, "epsilon", node->attr.batch_norm.eps);
    return relu_if(x, v, node->attr.batch_norm.relu);
}

static spk_value layer_norm(xp *x, const spk_node *node)
{
    const int64_t c = node->in[0]->c, axis = 1, dim[] = {c, 1};
    const spk_value v = xp_value(x, node->in[0]);
    const spk_value d = xp_sub(x, v, xp_reduce(x, "ReduceMean", v, 1, &axis));
    const spk_value var = xp_reduce(x, "ReduceMean", xp_mul(x, d, d), 1, &axis);
    const spk_value std = xp_one(x, "Sqrt", xp_add(x, var, xp_num(x, node->attr.layer_norm.eps)));
    const spk_value scaled = xp_mul(x, xp_div(x, d, std), xp_param(x, node->in[1], 2, dim));
    return xp_add(x, scaled, xp_param(x, node->in[2], 2, dim));
}

/* ---- element by element ---- */

static spk_value add(xp *x, const spk_node *node)
{
    spk_value b = xp_value(x, node->in[1]);
    if (node->attr.add.factor != 1) b = xp_mul(x, b, xp_num(x, node->attr.add.factor));
    return relu_if(x, xp_add(x, xp_value(x, node->in[0]), b), node->attr.add.relu);
}

static spk_value scale_add(xp *x, const spk_node *node)
{
    const spk_value v = xp_mul(x, xp_value(x, node->in[0]), xp_value(x, node->in[1]));
    return node->in[2] ? xp_add(x, v, xp_value(x, node->in[2])) : v;
}

static spk_value afms(xp *x, const spk_node *node)
{
    const spk_value alpha = xp_param(x, node->in[1], 2, (int64_t[]){node->in[0]->c, 1});
    return xp_mul(x, xp_add(x, xp_value(x, node->in[0]), alpha), xp_value(x, node->in[2]));
}

bool xp_op_conv(xp *x, const spk_node *node)
{
    spk_value v;
    switch (node->op) {
    case SPK_OP_CONV1D:
        v = conv1d(x, node);
        break;
    case SPK_OP_CONV2D:
        v = conv2d(x, node);
        break;
    case SPK_OP_DEPTHWISE:
        v = depthwise(x, node);
        break;
    case SPK_OP_BATCH_NORM:
        v = batch_norm(x, node);
        break;
    case SPK_OP_LAYER_NORM:
        v = layer_norm(x, node);
        break;
    default:
        return false;
    }
    xp_set(x, node->out[0], v);
    return true;
}

bool xp_op_pointwise(xp *x, const spk_node *node)
{
    spk_value v;
    switch (node->op) {
    case SPK_OP_ACT:
        v = xp_activation(x, xp_value(x, node->in[0]), node->attr.act.act);
        break;
    case SPK_OP_ADD:
        v = add(x, node);
        break;
    case SPK_OP_COPY:
        v = xp_value(x, node->in[0]);
        break;
    case SPK_OP_SCALE_ADD:
        v = scale_add(x, node);
        break;
    case SPK_OP_ROW_BIAS:
        v = xp_activation(x, xp_add(x, xp_value(x, node->in[0]), xp_value(x, node->in[1])), node->attr.row_bias.act);
        break;
    case SPK_OP_AFMS:
        v = afms(x, node);
        break;
    default:
        return false;
    }
    xp_set(x, node->out[0], v);
    return true;
}
