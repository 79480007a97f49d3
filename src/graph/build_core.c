/* SPDX-License-Identifier: Apache-2.0 */
/* Builders of the ops that most networks need, with their shape rules (attributes: backend_impl.h). */
#include "graph/node_impl.h"

/* Frames of each item from its samples. */
static const int64_t *melspec_len(spk_graph *g, const spk_tensor *wave, const spk_melspec_attr *attr, int64_t frames)
{
    const bool centred = attr->edges == SPK_EDGES_REFLECT || attr->edges == SPK_EDGES_ZERO;
    const int64_t span = attr->edges == SPK_EDGES_SNIP ? attr->win_length : attr->n_fft;
    int64_t add = (centred ? attr->n_fft / 2 * 2 : 0) - span, plus = 1;
    if (attr->edges == SPK_EDGES_REPEAT) {
        add = attr->hop_length / 2;
        plus = 0;
    }
    return spk_g_len(g, wave->len, wave->n, add, attr->hop_length, plus, 1, 1, frames);
}

spk_tensor *spk_g_melspec(spk_graph *g, spk_tensor *wave, spk_tensor *filter, spk_tensor *window, spk_tensor *fb,
                          spk_tensor *dct, spk_melspec_attr attr)
{
    spk_node *node = spk__g_node(g, SPK_OP_MELSPEC);
    const int64_t frames = spk_melspec_frames(&attr, wave->w);
    SPK_ASSERT(wave->c == 1 && frames > 0 && attr.win_length <= attr.n_fft && (attr.n_ceps > 0) == (dct != NULL));
    SPK_ASSERT(attr.frames_only || window->c == attr.win_length);
    SPK_ASSERT(attr.frames_only || fb->c == (attr.n_fft / 2 + 1) * attr.n_mels);
    SPK_ASSERT(!dct || dct->c == attr.n_mels * attr.n_ceps);
    if (attr.dither != 0) attr.stream = spk_g_stream(g);
    node->attr.melspec = attr;
    spk__g_in(node, wave);
    spk__g_in(node, filter);
    spk__g_in(node, window);
    spk__g_in(node, fb);
    if (dct) spk__g_in(node, dct);
    const int64_t bands = attr.n_mels + (attr.energy != SPK_ENERGY_NONE);
    const int64_t c = attr.frames_only ? attr.win_length : dct ? attr.n_ceps : bands;
    spk_tensor *y = spk__g_out(g, node, wave->n, 1, frames, c);
    y->len = melspec_len(g, wave, &attr, frames);
    return y;
}

static spk_tensor *conv1d(spk_graph *g, spk_tensor *x, const spk_param *w, int64_t w_c0, const spk_param *b,
                          int64_t stride, int64_t dilation, int64_t pad, bool relu)
{
    const int64_t o = w->dim[0], row = w->n_dims > 1 ? w->dim[1] : 1, k = w->n_dims > 2 ? w->dim[2] : 1;
    const int64_t reach = x->w + 2 * pad - dilation * (k - 1) - 1, u = reach / stride + 1;
    SPK_ASSERT(x->h == 1 && reach >= 0 && w_c0 >= 0 && w_c0 + x->c <= row && (k == 1 || row == x->c));
    SPK_ASSERT(!b || b->count == o);
    x = spk__g_dense(g, x);
    spk_node *node = spk__g_node(g, SPK_OP_CONV1D);
    node->attr.conv1d =
        (spk_conv1d_attr){.k = k, .stride = stride, .dilation = dilation, .pad = pad, .w_ld = row * k, .relu = relu};
    spk__g_in(node, x);
    spk_tensor *weight = spk_g_param(g, w);
    weight->param_offset = w_c0;
    weight->n = o;
    weight->w = k;
    weight->c = x->c;
    spk__g_in(node, weight);
    spk__g_in(node, b ? spk_g_param(g, b) : NULL);
    spk_tensor *y = spk__g_out(g, node, x->n, 1, u, o);
    y->len = u == x->w && stride == 1 ? x->len : spk_g_len_conv(g, x->len, x->n, k, stride, dilation, pad, u);
    return y;
}

spk_tensor *spk_g_conv1d(spk_graph *g, spk_tensor *x, const spk_param *w, int64_t w_c0, const spk_param *b,
                         int64_t dilation, int64_t pad, bool relu)
{
    return conv1d(g, x, w, w_c0, b, 1, dilation, pad, relu);
}

spk_tensor *spk_g_conv1d_strided(spk_graph *g, spk_tensor *x, const spk_param *w, const spk_param *b, int64_t stride,
                                 int64_t dilation, int64_t pad, bool relu)
{
    return conv1d(g, x, w, 0, b, stride, dilation, pad, relu);
}

spk_tensor *spk_g_batch_norm(spk_graph *g, spk_tensor *x, const spk_param *gamma, const spk_param *beta,
                             const spk_param *mean, const spk_param *var, const spk_param *count, bool train, bool relu)
{
    SPK_ASSERT(mean->count == x->c);
    spk_node *node = spk__g_node(g, SPK_OP_BATCH_NORM);
    node->attr.batch_norm = (spk_batch_norm_attr){.eps = 1e-5, .momentum = 0.1, .train = train, .relu = relu};
    spk__g_in(node, x);
    spk__g_in(node, gamma ? spk_g_param(g, gamma) : NULL);
    spk__g_in(node, beta ? spk_g_param(g, beta) : NULL);
    spk__g_in(node, spk_g_param(g, mean));
    spk__g_in(node, spk_g_param(g, var));
    spk__g_in(node, spk_g_param(g, count));
    return spk__g_out_like(g, node, x);
}

spk_tensor *spk_g_act(spk_graph *g, spk_tensor *x, spk_act act)
{
    spk_node *node = spk__g_node(g, SPK_OP_ACT);
    node->attr.act.act = act;
    spk__g_in(node, x);
    return spk__g_out_like(g, node, x);
}

spk_tensor *spk_g_add(spk_graph *g, spk_tensor *a, spk_tensor *b)
{
    return spk_g_add_scaled(g, a, b, 1, false);
}

spk_tensor *spk_g_add_scaled(spk_graph *g, spk_tensor *a, spk_tensor *b, double factor, bool relu)
{
    SPK_ASSERT(spk__g_same(a, b));
    spk_node *node = spk__g_node(g, SPK_OP_ADD);
    node->attr.add = (spk_add_attr){.factor = factor, .relu = relu};
    spk__g_in(node, a);
    spk__g_in(node, b);
    return spk__g_out_like(g, node, a);
}

spk_tensor *spk_g_time_mean(spk_graph *g, spk_tensor *x)
{
    spk_node *node = spk__g_node(g, SPK_OP_TIME_MEAN);
    spk__g_in(node, x);
    return spk__g_out(g, node, x->n, 1, 1, x->c);
}

spk_tensor *spk_g_scale_add(spk_graph *g, spk_tensor *x, spk_tensor *s, spk_tensor *r)
{
    SPK_ASSERT(s->n == x->n && s->w == 1 && s->c == x->c && (!r || spk__g_same(x, r)));
    spk_node *node = spk__g_node(g, SPK_OP_SCALE_ADD);
    spk__g_in(node, x);
    spk__g_in(node, s);
    spk__g_in(node, r);
    return spk__g_out_like(g, node, x);
}

spk_tensor *spk_g_row_bias(spk_graph *g, spk_tensor *x, spk_tensor *v, spk_act act)
{
    SPK_ASSERT(v->n == x->n && v->w == 1 && v->c == x->c);
    spk_node *node = spk__g_node(g, SPK_OP_ROW_BIAS);
    node->attr.row_bias.act = act;
    spk__g_in(node, x);
    spk__g_in(node, v);
    return spk__g_out_like(g, node, x);
}

spk_tensor *spk_g_time_stats(spk_graph *g, spk_tensor *x, spk_time_stats_attr attr)
{
    spk_node *node = spk__g_node(g, SPK_OP_TIME_STATS);
    node->attr.time_stats = attr;
    spk__g_in(node, x);
    return spk__g_out(g, node, x->n, 1, 1, (attr.mean_only ? 1 : 2) * x->c);
}

spk_tensor *spk_g_attn_stats(spk_graph *g, spk_tensor *e, spk_tensor *x, spk_attn_stats_attr attr)
{
    SPK_ASSERT(spk__g_same(e, x));
    spk_node *node = spk__g_node(g, SPK_OP_ATTN_STATS);
    node->attr.attn_stats = attr;
    spk__g_in(node, e);
    spk__g_in(node, x);
    return spk__g_out(g, node, x->n, 1, 1, 2 * x->c);
}
