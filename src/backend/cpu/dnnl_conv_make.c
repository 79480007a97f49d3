/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primitives of conv1d and conv2d by oneDNN, channels last. With one tap and no stride the frames (and bins) of all
 * utterances are one long sequence: (N,T,C) is taken as (1,N*T,C), a matrix product. Pictures are (N,C,T,F) to the library,
 * time as height; the order of a weight's axes is a matter of strides, as it copies weights into its own layouts anyway.
 * Letters as in backend_impl.h.
 */
#include <string.h>

#include "backend/cpu/dnnl_conv_impl.h"

/* One tap, no padding, but not all rows. */
static bool is_strided_tap(const spk_geom *g)
{
    const spk_conv1d_attr *a = g->attr;
    const spk_conv2d_attr *p = g->attr;
    if (g->op == SPK_OP_CONV1D) return a->k == 1 && a->pad == 0 && a->stride > 1;
    return p->kt == 1 && p->kf == 1 && p->pt == 0 && p->pf == 0 && (p->st > 1 || p->sf > 1);
}

bool spk__conv_supports(const spk_geom *g)
{
    const spk_conv1d_attr *a = g->op == SPK_OP_CONV1D ? g->attr : NULL;
    return g->in[0].ld == g->in[0].c && g->out[0].ld == g->out[0].c &&
           (!a || a->w_ld == g->in[0].c * a->k || (a->k == 1 && !g->has_in[5])) &&
           (g->want_din[1] || !g->want_din[2]); /* the bias's gradient comes with that of the weights */
}

/* The library has bfloat16 from AVX-512 on. Its gradient of strided ones of one tap is not trusted (dnnl_conv.c). */
bool spk__conv_supports_bf16(const spk_geom *g)
{
    return spk_backend_has_bf16() && strncmp(spk_backend_isa(), "avx512", 6) == 0 && spk__conv_supports(g) &&
           !(g->train && is_strided_tap(g));
}

/* What a convolution is to the library. */
typedef struct shape {
    dnnl_data_type_t type; /* of frames and of the weights' copies */
    spk_conv_md md;
    spk_md plain;
    bool relu, dy_masked, flat, strided;
    int64_t w_ld;
    double bn_eps;
} shape;

/* (n,t,c) -> (n,u,o) with a kernel of k taps. */
static void describe_sequence(shape *s, int64_t n, int64_t t, int64_t u, int64_t c, int64_t o, int64_t k)
{
    s->md.src = spk__md_strided(s->type, 3, (int64_t[]){n, c, t}, (int64_t[]){t * c, 1, c});
    s->md.dst = spk__md_strided(s->type, 3, (int64_t[]){n, o, u}, (int64_t[]){u * o, 1, o});
    s->md.weights = spk__md_any(s->type, 3, (int64_t[]){o, c, k});
    s->md.weights_grad = spk__md_any(dnnl_f32, 3, (int64_t[]){o, c, k});
    s->plain = spk__md_strided(dnnl_f32, 3, (int64_t[]){o, c, k}, (int64_t[]){s->w_ld, k, 1});
}

static void describe_flat(shape *s, const spk_geom *g)
{
    const int64_t rows = spk_rows(&g->in[0]);
    s->flat = true;
    s->md.stride[0] = 1;
    describe_sequence(s, 1, rows, rows, g->in[0].c, g->out[0].c, 1);
}

static void describe_conv1d(shape *s, const spk_geom *g)
{
    const spk_conv1d_attr *a = g->attr;
    s->relu = a->relu;
    s->dy_masked = a->dy_masked;
    s->bn_eps = a->bn_eps;
    s->w_ld = a->w_ld;
    if (a->k == 1 && a->stride == 1 && a->pad == 0) {
        describe_flat(s, g);
        return;
    }
    s->strided = a->k == 1 && a->pad == 0;
    s->md.stride[0] = a->stride;
    s->md.dilation[0] = a->dilation - 1;
    s->md.pad[0] = a->pad;
    describe_sequence(s, g->in[0].n, g->in[0].w, g->out[0].w, g->in[0].c, g->out[0].c, a->k);
}

/* A picture's (n,t,f,c), channels last, as (n,c,t,f). */
static spk_md picture(dnnl_data_type_t type, const spk_view *v)
{
    return spk__md_strided(type, 4, (int64_t[]){v->n, v->c, v->h, v->w},
                           (int64_t[]){v->h * v->w * v->c, 1, v->w * v->c, v->c});
}

static void describe_conv2d(shape *s, const spk_geom *g)
{
    const spk_conv2d_attr *a = g->attr;
    const int64_t taps = a->kt * a->kf, c = g->in[0].c, o = g->out[0].c;
    s->relu = a->relu;
    s->dy_masked = a->dy_masked;
    s->bn_eps = a->bn_eps;
    s->w_ld = c * taps;
    if (taps == 1 && a->st == 1 && a->sf == 1 && a->pt == 0 && a->pf == 0) {
        describe_flat(s, g);
        return;
    }
    s->strided = taps == 1 && a->pt == 0 && a->pf == 0;
    s->md.stride[0] = a->st;
    s->md.stride[1] = a->sf;
    s->md.pad[0] = a->pt;
    s->md.pad[1] = a->pf;
    s->md.src = picture(s->type, &g->in[0]);
    s->md.dst = picture(s->type, &g->out[0]);
    s->md.weights = spk__md_any(s->type, 4, (int64_t[]){o, c, a->kt, a->kf});
    s->md.weights_grad = spk__md_any(dnnl_f32, 4, (int64_t[]){o, c, a->kt, a->kf});
    s->plain = spk__md_strided(dnnl_f32, 4, (int64_t[]){o, c, a->kt, a->kf},
                               (int64_t[]){c * taps, taps, a->freq_first ? 1 : a->kf, a->freq_first ? a->kt : 1});
}

static shape describe(const spk_geom *g)
{
    shape s = {.type = g->dtype == SPK_BF16 ? dnnl_bf16 : dnnl_f32};
    if (g->op == SPK_OP_CONV1D)
        describe_conv1d(&s, g);
    else
        describe_conv2d(&s, g);
    s.md.has_bias = g->has_in[2] || g->has_in[5];
    if (s.md.has_bias) s.md.bias = spk__md_strided(dnnl_f32, 1, &g->out[0].c, (int64_t[]){1});
    return s;
}

static void forget(shape *s)
{
    spk__md_free(&s->md.src);
    spk__md_free(&s->md.dst);
    spk__md_free(&s->md.weights);
    spk__md_free(&s->md.weights_grad);
    if (s->md.has_bias) spk__md_free(&s->md.bias);
    spk__md_free(&s->plain);
}

static void finish(spk_conv_pass *p, dnnl_primitive_attr_t attr)
{
    const spk_md_ref pad = spk__pd_md(p->pd, dnnl_query_scratchpad_md);
    SPK_DNNL(dnnl_primitive_create(&p->primitive, p->pd));
    p->scratch_bytes = spk__pd_scratch_bytes(p->pd);
    if (p->scratch_bytes) p->scratchpad = spk__memory(pad);
    SPK_DNNL(dnnl_primitive_attr_destroy(attr));
}

/* Weights in the layout `to`: memory with room of its own. */
static void own_layout(spk_md_ref plain, spk_md_ref to, dnnl_memory_t *memory, void **p, dnnl_primitive_t *reorder)
{
    *memory = spk__memory(to);
    *p = spk_alloc(spk__md_bytes(to));
    SPK_ASSERT(*p);
    *reorder = spk__reorder(plain, to, false);
}

static size_t whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static void make_backward(spk_conv_state *s, const shape *d, const spk_geom *g)
{
    const spk_md_ref plain = spk__md_ref(&d->plain);
    if (g->want_din[0]) {
        dnnl_primitive_attr_t attr = spk__attr_new();
        s->bwd_data.pd = spk__conv_bwd_data_pd(&d->md, s->fwd.pd, attr);
        finish(&s->bwd_data, attr);
        own_layout(plain, spk__pd_md(s->bwd_data.pd, dnnl_query_weights_md), &s->w_data, &s->w_data_p, &s->to_data);
    }
    if (s->strided) s->w_grad_bytes = whole_lines((size_t)(spk_rows(&g->out[0]) * g->in[0].c) * sizeof(float));
    if (g->want_din[1] && !s->flat) {
        dnnl_primitive_attr_t attr = spk__attr_new();
        s->bwd_weights.pd = spk__conv_bwd_weights_pd(&d->md, s->fwd.pd, attr);
        finish(&s->bwd_weights, attr);
        const spk_md_ref grad = spk__pd_md(s->bwd_weights.pd, dnnl_query_diff_weights_md);
        s->w_grad = spk__memory(grad);
        s->w_grad_bytes = whole_lines(spk__md_bytes(grad));
        s->from_grad = spk__reorder(grad, plain, true);
    }
    s->bias_bytes = whole_lines((size_t)g->out[0].c * sizeof(double) * (size_t)g->n_threads);
    s->dst_bytes = s->mask_dy && !g->spoils_dout ? whole_lines(spk__md_bytes(spk__md_ref(&d->md.dst))) : 0;
    if (g->want_din[0] && !g->writes_din[0]) s->src_bytes = whole_lines(spk__md_bytes(spk__md_ref(&d->md.src)));
}

spk_status spk__conv_create(const spk_geom *g, void **out)
{
    spk_conv_state *s = spk_new(sizeof *s);
    shape d = describe(g);
    dnnl_primitive_attr_t attr = spk__attr_new();
    s->bf16 = g->dtype == SPK_BF16;
    s->flat = (d.flat || d.strided) && !s->bf16;
    s->strided = d.strided;
    s->over_time = g->op == SPK_OP_CONV1D;
    s->w_ld = d.w_ld;
    s->bn_eps = d.bn_eps;
    s->mask_dy = d.relu && !d.dy_masked;
    if (g->has_in[5]) {
        s->n_fold = d.w_ld;
        s->fold = spk_new((size_t)(2 * g->out[0].c) * sizeof *s->fold);
        s->folded = spk_new((size_t)(g->out[0].c * s->n_fold) * sizeof *s->folded);
    }
    s->fwd.pd = spk__conv_fwd_pd(&d.md, g->train, d.relu, attr);
    finish(&s->fwd, attr);
    s->src = spk__memory(spk__md_ref(&d.md.src));
    s->dst = spk__memory(spk__md_ref(&d.md.dst));
    if (d.md.has_bias) s->bias = spk__memory(spk__md_ref(&d.md.bias));
    s->plain = spk__memory(spk__md_ref(&d.plain));
    own_layout(spk__md_ref(&d.plain), spk__pd_md(s->fwd.pd, dnnl_query_weights_md), &s->w_fwd, &s->w_fwd_p, &s->to_fwd);
    make_backward(s, &d, g);
    forget(&d);
    *out = s;
    return SPK_OK;
}

static void pass_clear(spk_conv_pass *p)
{
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    if (p->pd) dnnl_primitive_desc_destroy(p->pd);
    if (p->scratchpad) dnnl_memory_destroy(p->scratchpad);
}

void spk__conv_destroy(void *state)
{
    spk_conv_state *s = state;
    if (!s) return;
    pass_clear(&s->fwd);
    pass_clear(&s->bwd_data);
    pass_clear(&s->bwd_weights);
    dnnl_memory_t memory[] = {s->src, s->dst, s->bias, s->plain, s->w_fwd, s->w_data, s->w_grad};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i]) dnnl_memory_destroy(memory[i]);
    dnnl_primitive_t reorder[] = {s->to_fwd, s->to_data, s->from_grad};
    for (size_t i = 0; i < sizeof reorder / sizeof *reorder; i++)
        if (reorder[i]) dnnl_primitive_destroy(reorder[i]);
    spk_free(s->w_fwd_p);
    spk_free(s->w_data_p);
    spk_free(s->fold);
    spk_free(s->folded);
    spk_free(s);
}

size_t spk__conv_library_bytes(const spk_conv_state *s)
{
    size_t most = s->fwd.scratch_bytes;
    if (s->bwd_data.scratch_bytes > most) most = s->bwd_data.scratch_bytes;
    if (s->bwd_weights.scratch_bytes > most) most = s->bwd_weights.scratch_bytes;
    return whole_lines(most);
}

/* The library's own, the gradient behind the ReLU, the gradients of weights and bias, dx before it is added. */
size_t spk__conv_scratch_bytes(const spk_geom *g, const void *state)
{
    const spk_conv_state *s = state;
    return spk__conv_library_bytes(s) + (g->train ? s->dst_bytes + s->w_grad_bytes + s->bias_bytes + s->src_bytes : 0);
}
