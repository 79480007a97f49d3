/* SPDX-License-Identifier: Apache-2.0 */
/* Conformer's own ops in ONNX: attention with its relative positions, gates, position tables. */
#include <math.h>

#include "model/conformer_impl.h"
#include "model/onnx/onnx_export_impl.h"

/* Tables of positions reach so far: 100 s of audio at 20 ms a frame, at 4 bytes a number. */
enum { MOST_PLACES = 5000 };

/* (N or 1, C, T) to (N or 1, heads, T, C/heads). */
static spk_value split_heads(xp *x, spk_value v, int64_t heads, int64_t c)
{
    const spk_value split = xp_reshape(x, v, 4, (int64_t[]){0, heads, c / heads, -1});
    return xp_transpose(x, split, 4, (int64_t[]){0, 1, 3, 2});
}

static spk_value with_bias(xp *x, spk_value q, const spk_tensor *u, int64_t heads, int64_t c)
{
    return u ? xp_add(x, q, xp_param(x, u, 4, (int64_t[]){1, heads, 1, c / heads})) : q;
}

static spk_value product(xp *x, spk_value a, spk_value b)
{
    return SPK_ONNX_2(x->o, "MatMul", a, xp_transpose(x, b, 4, (int64_t[]){0, 1, 3, 2}));
}

/* Row i and column j of a square of T places, as (T,1) and (1,T). */
static void places(xp *x, spk_value frames, spk_value *i, spk_value *j)
{
    const spk_value range = xp_range(x, frames);
    *i = xp_unsqueeze(x, range, 1, (int64_t[]){1});
    *j = xp_unsqueeze(x, range, 1, (int64_t[]){0});
}

/* The last two axes of `from` flattened, picked at `at` (T,T): (N,heads,T,T). */
static spk_value pick(xp *x, spk_value from, int64_t heads, spk_value at, spk_value frames)
{
    spk_onnx *o = x->o;
    const spk_value flat = xp_reshape(x, from, 3, (int64_t[]){0, heads, -1});
    const spk_value got = SPK_ONNX_2(o, "Gather", flat, xp_reshape(x, at, 1, (int64_t[]){-1}));
    spk_onnx_attr_int(o, "axis", 2);
    const spk_value dims[] = {spk_onnx_ints(o, (int64_t[]){0, heads}, 2), frames, frames};
    const spk_value shape = spk_onnx_op(o, "Concat", 3, dims);
    spk_onnx_attr_int(o, "axis", 0);
    return SPK_ONNX_2(o, "Reshape", got, shape);
}

/* Row T-1-i+j of the 2T-1 positions is i-j. */
static spk_value relative(xp *x, const spk_node *node, spk_value qv, spk_value p, spk_value frames)
{
    const int64_t heads = node->attr.attention.heads;
    spk_value i, j;
    places(x, frames, &i, &j);
    const spk_value one = spk_onnx_int(x->o, 1), last = xp_sub(x, frames, one);
    const spk_value columns = xp_add(x, xp_add(x, frames, frames), spk_onnx_int(x->o, -1));
    const spk_value column = xp_add(x, xp_sub(x, last, i), j);
    const spk_value term = pick(x, product(x, qv, p), heads, xp_add(x, xp_mul(x, i, columns), column), frames);
    if (!node->attr.attention.zero_triu) return term;
    return xp_where(x, SPK_ONNX_2(x->o, "Less", i, j), xp_num(x, 0), term);
}

/* The older form (specification 4.7.4): right of the diagonal it reads the next row. */
static spk_value legacy(xp *x, const spk_node *node, spk_value qv, spk_value p, spk_value frames)
{
    const int64_t heads = node->attr.attention.heads;
    spk_value i, j;
    places(x, frames, &i, &j);
    const spk_value one = spk_onnx_int(x->o, 1), last = xp_sub(x, frames, one);
    const spk_value here = xp_add(x, xp_mul(x, i, frames), xp_add(x, xp_sub(x, last, i), j));
    const spk_value next =
        xp_add(x, xp_mul(x, xp_add(x, i, one), frames), xp_sub(x, xp_sub(x, j, i), spk_onnx_int(x->o, 2)));
    const spk_value right = SPK_ONNX_2(x->o, "Greater", j, xp_add(x, i, one));
    const spk_value gap = SPK_ONNX_2(x->o, "Equal", j, xp_add(x, i, one));
    spk_value at = xp_where(x, right, next, here);
    at = xp_where(x, gap, spk_onnx_int(x->o, 0), at);
    return xp_where(x, gap, xp_num(x, 0), pick(x, product(x, qv, p), heads, at, frames));
}

static spk_value attention(xp *x, const spk_node *node)
{
    const spk_attention_attr *a = &node->attr.attention;
    const int64_t c = node->in[0]->c;
    const spk_value in = xp_value(x, node->in[0]), frames = xp_extent(x, in, 2);
    const spk_value q = split_heads(x, in, a->heads, c);
    const spk_value k = split_heads(x, xp_value(x, node->in[1]), a->heads, c);
    const spk_value v = split_heads(x, xp_value(x, node->in[2]), a->heads, c);
    spk_value score = product(x, with_bias(x, q, node->in[4], a->heads, c), k);
    if (a->kind != SPK_ATTN_PLAIN) {
        const spk_value qv = with_bias(x, q, node->in[5], a->heads, c);
        const spk_value p = split_heads(x, xp_value(x, node->in[3]), a->heads, c);
        const bool old = a->kind == SPK_ATTN_LEGACY;
        score = xp_add(x, score, old ? legacy(x, node, qv, p, frames) : relative(x, node, qv, p, frames));
    }
    const int64_t width = c / a->heads;
    score = xp_div(x, score, xp_num(x, sqrt((double)width)));
    const spk_value valid = xp_valid(x, node->in[0], in); /* (N,1,T) */
    if (valid) score = xp_where(x, xp_unsqueeze(x, valid, 1, (int64_t[]){1}), score, xp_num(x, -1e30));
    const spk_value w = xp_one(x, "Softmax", score);
    spk_onnx_attr_int(x->o, "axis", 3);
    const spk_value y = xp_transpose(x, SPK_ONNX_2(x->o, "MatMul", w, v), 4, (int64_t[]){0, 1, 3, 2});
    return xp_reshape(x, y, 3, (int64_t[]){0, c, -1});
}

static spk_value glu(xp *x, const spk_node *node)
{
    const int64_t c = node->out[0]->c;
    const spk_value v = xp_value(x, node->in[0]);
    return xp_mul(x, xp_slice(x, v, 1, 0, c), xp_one(x, "Sigmoid", xp_slice(x, v, 1, c, 2 * c)));
}

/* Rows from, from + step, ... of a table (1,d,n). */
static spk_value positions(xp *x, int64_t d, int64_t from, int64_t step, int64_t n)
{
    float *values = spk_new((size_t)(n * d) * sizeof *values);
    for (int64_t m = 0; m < n; m++)
        spk__conformer_position(values + m * d, d, from + step * m);
    const spk_value v = spk_onnx_floats(x->o, values, 3, (int64_t[]){1, n, d});
    spk_free(values);
    return xp_transpose(x, v, 3, (int64_t[]){0, 2, 1});
}

spk_value xp_positions(xp *x, const spk_tensor *t)
{
    const int64_t axis = 2, zero = 0;
    SPK_ASSERT(x->places);
    spk_value begin = spk_onnx_ints(x->o, &zero, 1), end = x->places, table;
    if (t->step < 0 && t->w == 2 * t->first + 1) { /* from T-1 down to -(T-1): the middle of a longer table */
        table = positions(x, t->c, MOST_PLACES - 1, -1, 2 * MOST_PLACES - 1);
        begin = xp_sub(x, spk_onnx_int(x->o, MOST_PLACES), x->places);
        end = xp_add(x, x->places, spk_onnx_int(x->o, MOST_PLACES - 1));
    } else if (t->step < 0) { /* from the end of a table of fixed length */
        table = positions(x, t->c, t->first, -1, t->first + 1);
    } else {
        table = positions(x, t->c, 0, 1, MOST_PLACES);
    }
    const spk_value in[] = {table, begin, end, spk_onnx_ints(x->o, &axis, 1)};
    return spk_onnx_op(x->o, "Slice", 4, in);
}

static spk_value pos_add(xp *x, const spk_node *node)
{
    spk_value v = xp_value(x, node->in[0]);
    x->places = xp_extent(x, v, 2);
    if (node->attr.pos_add.scale != 1) v = xp_mul(x, v, xp_num(x, node->attr.pos_add.scale));
    if (!node->in[1]) return v;
    spk_value table = xp_value(x, node->in[1]);
    if (node->in[2]) table = xp_mul(x, table, xp_param(x, node->in[2], 1, (int64_t[]){1}));
    return xp_add(x, v, table);
}

bool xp_op_attention(xp *x, const spk_node *node)
{
    spk_value v;
    switch (node->op) {
    case SPK_OP_ATTENTION:
        v = attention(x, node);
        break;
    case SPK_OP_GLU:
        v = glu(x, node);
        break;
    case SPK_OP_POS_ADD:
        v = pos_add(x, node);
        break;
    default:
        return false;
    }
    xp_set(x, node->out[0], v);
    return true;
}
