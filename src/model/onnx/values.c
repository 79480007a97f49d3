/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors as ONNX values: inputs, constants, views, lengths; and the small operators that all ops are made of. */
#include "model/onnx/onnx_export_impl.h"

/* ---- small sums ---- */

spk_value xp_add(xp *x, spk_value a, spk_value b)
{
    return SPK_ONNX_2(x->o, "Add", a, b);
}

spk_value xp_sub(xp *x, spk_value a, spk_value b)
{
    return SPK_ONNX_2(x->o, "Sub", a, b);
}

spk_value xp_mul(xp *x, spk_value a, spk_value b)
{
    return SPK_ONNX_2(x->o, "Mul", a, b);
}

spk_value xp_div(xp *x, spk_value a, spk_value b)
{
    return SPK_ONNX_2(x->o, "Div", a, b);
}

spk_value xp_one(xp *x, const char *op, spk_value a)
{
    return SPK_ONNX_1(x->o, op, a);
}

spk_value xp_num(xp *x, double v)
{
    return spk_onnx_float(x->o, v);
}

spk_value xp_clamp(xp *x, spk_value a, double lo, double hi)
{
    return SPK_ONNX_3(x->o, "Clip", a, xp_num(x, lo), xp_num(x, hi));
}

spk_value xp_transpose(xp *x, spk_value a, int n, const int64_t *order)
{
    const spk_value v = xp_one(x, "Transpose", a);
    spk_onnx_attr_ints(x->o, "perm", n, order);
    return v;
}

spk_value xp_reshape(xp *x, spk_value a, int n, const int64_t *dim)
{
    return SPK_ONNX_2(x->o, "Reshape", a, spk_onnx_ints(x->o, dim, n));
}

spk_value xp_unsqueeze(xp *x, spk_value a, int n, const int64_t *axes)
{
    return SPK_ONNX_2(x->o, "Unsqueeze", a, spk_onnx_ints(x->o, axes, n));
}

spk_value xp_slice(xp *x, spk_value a, int64_t axis, int64_t from, int64_t to)
{
    const spk_value in[] = {a, spk_onnx_ints(x->o, &from, 1), spk_onnx_ints(x->o, &to, 1),
                            spk_onnx_ints(x->o, &axis, 1)};
    return spk_onnx_op(x->o, "Slice", 4, in);
}

spk_value xp_extent(xp *x, spk_value a, int64_t axis)
{
    const spk_value v = xp_one(x, "Shape", a);
    spk_onnx_attr_int(x->o, "start", axis);
    spk_onnx_attr_int(x->o, "end", axis + 1);
    return v;
}

spk_value xp_range(xp *x, spk_value n)
{
    const spk_value scalar = SPK_ONNX_1(x->o, "Squeeze", n);
    return SPK_ONNX_3(x->o, "Range", spk_onnx_int(x->o, 0), scalar, spk_onnx_int(x->o, 1));
}

spk_value xp_where(xp *x, spk_value c, spk_value a, spk_value b)
{
    return SPK_ONNX_3(x->o, "Where", c, a, b);
}

spk_value xp_cast(xp *x, spk_value a, spk_dtype to)
{
    const spk_value v = xp_one(x, "Cast", a);
    spk_onnx_attr_int(x->o, "to", to == SPK_I64 ? 7 : 1); /* TensorProto's INT64 and FLOAT */
    return v;
}

spk_value xp_reduce(xp *x, const char *op, spk_value a, int n, const int64_t *axes)
{
    /* Only the sum takes its axes as an input in opset 17. */
    if (op[6] == 'S') {
        const spk_value v = SPK_ONNX_2(x->o, op, a, spk_onnx_ints(x->o, axes, n));
        spk_onnx_attr_int(x->o, "keepdims", 1);
        return v;
    }
    const spk_value v = xp_one(x, op, a);
    spk_onnx_attr_ints(x->o, "axes", n, axes);
    spk_onnx_attr_int(x->o, "keepdims", 1);
    return v;
}

/* ---- lengths ---- */

static xp_mask *find_mask(xp *x, const int64_t *len)
{
    for (int i = 0; i < x->n_masks; i++)
        if (x->mask[i].len == len) return &x->mask[i];
    return NULL;
}

static spk_value derived_lengths(xp *x, const int64_t *len)
{
    spk_len_rule r;
    SPK_ASSERT(spk_graph_len_rule(x->g, len, &r));
    spk_value v = xp_lengths(x, r.from);
    if (r.add) v = xp_add(x, v, spk_onnx_int(x->o, r.add));
    if (r.div != 1) v = xp_div(x, v, spk_onnx_int(x->o, r.div));
    if (r.plus) v = xp_add(x, v, spk_onnx_int(x->o, r.plus));
    v = SPK_ONNX_2(x->o, "Max", v, spk_onnx_int(x->o, r.least));
    return r.times == 1 ? v : xp_mul(x, v, spk_onnx_int(x->o, r.times));
}

spk_value xp_lengths(xp *x, const int64_t *len)
{
    if (!len) return NULL;
    const xp_mask *m = find_mask(x, len);
    if (m) return m->lengths;
    const spk_value v = derived_lengths(x, len);
    SPK_PUSH(x->mask, x->n_masks) = (xp_mask){len, v, NULL};
    return v;
}

spk_value xp_valid(xp *x, const spk_tensor *t, spk_value v)
{
    const spk_value lengths = xp_lengths(x, t->len);
    if (!lengths) return NULL;
    if (!find_mask(x, t->len)->valid) {
        const spk_value frames = xp_unsqueeze(x, xp_range(x, xp_extent(x, v, 2)), 1, (int64_t[]){0});
        const spk_value valid = SPK_ONNX_2(x->o, "Less", frames, xp_unsqueeze(x, lengths, 1, (int64_t[]){1}));
        find_mask(x, t->len)->valid = valid;
    }
    return t->h == 1 ? xp_unsqueeze(x, find_mask(x, t->len)->valid, 1, (int64_t[]){1})
                     : xp_unsqueeze(x, find_mask(x, t->len)->valid, 2, (int64_t[]){1, 3});
}

spk_value xp_count(xp *x, const spk_tensor *t, spk_value v)
{
    const spk_value lengths = xp_lengths(x, t->len);
    if (!lengths) return xp_cast(x, xp_extent(x, v, 2), SPK_F32);
    return xp_unsqueeze(x, xp_cast(x, lengths, SPK_F32), 2, (int64_t[]){1, 2});
}

spk_value xp_masked(xp *x, const spk_tensor *t, spk_value v)
{
    const spk_value valid = xp_valid(x, t, v);
    return valid ? xp_where(x, valid, v, xp_num(x, 0)) : v;
}

spk_value xp_time_mean(xp *x, const spk_tensor *t, spk_value v)
{
    if (!t->len) return xp_reduce(x, "ReduceMean", v, 1, (int64_t[]){2});
    const spk_value sum = xp_reduce(x, "ReduceSum", xp_masked(x, t, v), 1, (int64_t[]){2});
    return xp_div(x, sum, xp_count(x, t, v));
}

spk_value xp_extend(xp *x, spk_value v, spk_value lengths, int64_t first, spk_value count, spk_edges edges)
{
    spk_onnx *o = x->o;
    const int64_t repeat = edges == SPK_EDGES_REPEAT;
    const spk_value zero = spk_onnx_int(o, 0);
    spk_value n = xp_extent(x, v, 2); /* of each item: (1) or (N,1,1) */
    if (lengths) n = xp_unsqueeze(x, lengths, 2, (int64_t[]){1, 2});
    const spk_value place = xp_add(x, xp_range(x, count), spk_onnx_int(o, first));
    const spk_value raw = xp_unsqueeze(x, place, 2, (int64_t[]){0, 1}); /* (1,1,count) */
    /* Mirrored at the beginning, then at the end. */
    spk_value at = raw;
    const spk_value left = xp_sub(x, xp_one(x, "Neg", raw), spk_onnx_int(o, repeat));
    if (first < 0) at = xp_where(x, SPK_ONNX_2(o, "Less", raw, zero), left, raw);
    const spk_value right = xp_sub(x, xp_add(x, xp_add(x, n, n), spk_onnx_int(o, repeat - 2)), at);
    at = xp_where(x, SPK_ONNX_2(o, "Less", at, n), at, right);
    at = SPK_ONNX_2(o, "Max", at, zero); /* past a short item's mirror: masked later */
    const spk_value dims[] = {xp_extent(x, v, 0), xp_extent(x, v, 1), count};
    const spk_value shape = spk_onnx_op(o, "Concat", 3, dims);
    spk_onnx_attr_int(o, "axis", 0);
    const spk_value got = SPK_ONNX_2(o, "GatherElements", v, SPK_ONNX_2(o, "Expand", at, shape));
    spk_onnx_attr_int(o, "axis", 2);
    if (edges != SPK_EDGES_ZERO) return got;
    const spk_value inside =
        SPK_ONNX_2(o, "And", SPK_ONNX_2(o, "GreaterOrEqual", raw, zero), SPK_ONNX_2(o, "Less", raw, n));
    return xp_where(x, inside, got, xp_num(x, 0));
}

/* ---- tensors ---- */

void xp_set(xp *x, const spk_tensor *t, spk_value v)
{
    x->value[t->id] = v;
}

const float *xp_data(const spk_tensor *t)
{
    if (t->constant) return t->constant;
    return t->param ? (const float *)t->param->data + t->param_offset : NULL;
}

spk_value xp_param(xp *x, const spk_tensor *t, int n_dims, const int64_t *dim)
{
    return spk_onnx_floats(x->o, xp_data(t), n_dims, dim);
}

/* A constant (1,1,W,C) as (1,C,W). */
static spk_value constant(xp *x, const spk_tensor *t)
{
    const spk_value v = spk_onnx_floats(x->o, t->constant, 3, (int64_t[]){t->n, t->w, t->c});
    return xp_transpose(x, v, 3, (int64_t[]){0, 2, 1});
}

/* The same elements, other extents: the three kinds that models use (graph_impl.h). */
static spk_value reshaped(xp *x, const spk_tensor *t)
{
    const spk_tensor *from = t->parent;
    const spk_value v = xp_value(x, t->parent);
    if (from->h == 1 && t->c == 1 && t->h == from->w && t->w == from->c) /* features to a picture */
        return xp_unsqueeze(x, xp_transpose(x, v, 3, (int64_t[]){0, 2, 1}), 1, (int64_t[]){1});
    if (t->h == 1 && t->w == from->h && t->c == from->w * from->c) /* (N,C,T,F) to (N,F*C,T) */
        return xp_reshape(x, xp_transpose(x, v, 4, (int64_t[]){0, 3, 1, 2}), 3, (int64_t[]){0, t->c, -1});
    SPK_ASSERT(t->h == 1 && t->c == from->c && t->w == from->h * from->w);
    return xp_reshape(x, v, 3, (int64_t[]){0, t->c, -1});
}

/* Channels [c0, c0 + c) of a buffer that several ops fill: the parts that lie there, side by side. */
static spk_value gather_parts(xp *x, const spk_tensor *buffer, int64_t c0, int64_t c)
{
    spk_value *parts = NULL;
    int n = 0;
    for (int64_t at = c0; at < c0 + c;) {
        int64_t next = -1;
        for (int i = 0; i < spk_graph_n_tensors(x->g) && next < 0; i++) {
            spk_tensor *t = spk_graph_tensor(x->g, i);
            if (t->parent != buffer || !t->producer || t->c0 != at) continue;
            SPK_PUSH(parts, n) = xp_value(x, t);
            next = at + t->c;
        }
        SPK_ASSERT(next > 0 && next <= c0 + c);
        at = next;
    }
    const spk_value v = n == 1 ? parts[0] : spk_onnx_op(x->o, "Concat", n, parts);
    if (n > 1) spk_onnx_attr_int(x->o, "axis", 1);
    spk_free(parts);
    return v;
}

spk_value xp_value(xp *x, spk_tensor *t)
{
    if (x->value[t->id]) return x->value[t->id];
    spk_value v;
    if (t->constant)
        v = t->step ? xp_positions(x, t) : constant(x, t);
    else if (t->reshaped)
        v = reshaped(x, t);
    else if (!t->parent)
        v = gather_parts(x, t, 0, t->c);
    else if (t->parent->producer || t->parent->parent)
        v = xp_slice(x, xp_value(x, t->parent), 1, t->c0, t->c0 + t->c);
    else
        v = gather_parts(x, t->parent, t->c0, t->c);
    return x->value[t->id] = v;
}
