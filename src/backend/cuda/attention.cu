/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention: its passes, their scratch, and the matrix products (attention_impl.h). Saves the probabilities, pass after
 * pass (heads, items of the pass, T, T padded).
 */
#include "backend/cuda/attention_impl.h"

#include <math.h>

/* What scratch of a pass may be; small where kernels are tested, so that there are several passes. */
#ifdef SPK_EMULATE_CUDA
static const size_t MOST_BYTES = 48 * 1024;
#else
static const size_t MOST_BYTES = size_t(512) << 20;
#endif
static const int64_t MOST_PARTS = 32; /* of the items of a pass, in the sum for the gradient of positions */

struct attention_state {
    const spk_device *device;
    const int64_t *host_len, *len;
    int64_t items, rows; /* of a pass; rows: of queries, forward */
};

/* Scratch of a pass; packed tensors where nothing else is said. void: of the weights' type. */
struct attention_room {
    float *p;              /* positions; of all passes */
    float *qu, *qv, *k;    /* q + u, q + v bias */
    void *v, *out;         /* out: or dy */
    float *s;              /* scores, or gradients of probabilities, then of scores */
    void *kept;            /* probabilities after dropout */
    float *pos;            /* products with positions, or their gradients */
    float *dq, *dqv, *dkv; /* dqv: what positions give to dq; dkv: of keys, then of values */
    float *dp, *sums;      /* parts of the gradient of positions, of biases */
    size_t bytes;
};

static size_t size_of(spk_dtype type)
{
    return type == SPK_BF16 ? sizeof(spk_b16) : sizeof(float);
}

static int64_t padded(int64_t n)
{
    return (n + 7) / 8 * 8;
}

static spk_attention attention_of(const spk_attention_attr *attr, const spk_view *in)
{
    spk_attention w = {};
    w.attr = attr;
    w.n = in[0].n;
    w.heads = attr->heads;
    w.t = in[0].w;
    w.d_k = in[0].c / attr->heads;
    w.n_p = attr->kind != SPK_ATTN_PLAIN ? in[3].w : 0;
    w.s_ld = padded(w.t);
    w.weights = in[0].dtype;
    w.scale = static_cast<float>(1 / sqrt(static_cast<double>(w.d_k)));
    return w;
}

static spk_attention_pass pass_of(const spk_attention *w, int64_t item0, int64_t m, int64_t i0, int64_t rows)
{
    spk_attention_pass s = {item0, m, i0, rows, rows, 0, w->n_p, 0};
    if (w->attr->kind == SPK_ATTN_RELATIVE) {
        s.p0 = w->t - i0 - rows;
        s.p_n = w->t + rows - 1;
    } else if (i0 + rows < w->t) {
        s.q_rows++;
    }
    s.p_ld = padded(s.p_n);
    return s;
}

/* Parts of m items, all of the same size: m had better not be a prime. */
static int64_t parts_of(int64_t m)
{
    int64_t parts = m < MOST_PARTS ? m : MOST_PARTS;
    while (m % parts != 0)
        parts--;
    return parts;
}

/* ---- scratch ---- */

static void *take(attention_room *r, char *base, int64_t n, size_t size)
{
    void *p = base + r->bytes;
    r->bytes += (static_cast<size_t>(n) * size + 255) / 256 * 256;
    return p;
}
static float *take_floats(attention_room *r, char *base, int64_t n)
{
    return static_cast<float *>(take(r, base, n, sizeof(float)));
}

/* base may be NULL, where the size alone is wanted. */
static attention_room room_of(const spk_attention *w, const spk_attention_pass *s, bool backward, char *base)
{
    attention_room r = {};
    const size_t size = size_of(w->weights);
    const int64_t blocks = w->heads * s->m, packed = blocks * w->t * w->d_k, scores = blocks * s->rows * w->s_ld;
    r.p = take_floats(&r, base, w->heads * w->n_p * w->d_k);
    r.qu = take_floats(&r, base, packed);
    r.qv = take_floats(&r, base, w->n_p ? packed : 0);
    r.k = take_floats(&r, base, packed);
    r.v = take(&r, base, packed, size);
    r.out = take(&r, base, blocks * s->rows * w->d_k, size);
    r.s = take_floats(&r, base, scores);
    r.kept = take(&r, base, scores, size);
    r.pos = take_floats(&r, base, blocks * s->q_rows * s->p_ld);
    if (!backward) return r;
    r.dq = take_floats(&r, base, packed);
    r.dqv = take_floats(&r, base, w->n_p ? packed : 0);
    r.dkv = take_floats(&r, base, packed);
    r.dp = take_floats(&r, base, w->heads * parts_of(s->m) * w->n_p * w->d_k);
    r.sums = take_floats(&r, base, spk_attention_strips(s->m * w->t) * w->heads * w->d_k);
    return r;
}

static size_t bytes_of(const spk_attention *w, int64_t m, int64_t rows, bool backward)
{
    const spk_attention_pass s = pass_of(w, 0, m, 0, rows);
    return room_of(w, &s, backward, nullptr).bytes;
}

/* Items of a pass, in both directions, because the second reads what the first saved. They divide into parts. */
static int64_t items_of_pass(const spk_attention *w, bool train)
{
    const size_t one = bytes_of(w, 1, w->t, train);
    const int64_t fit = static_cast<int64_t>(MOST_BYTES / one);
    int64_t even = MOST_PARTS;
    if (fit >= w->n) return w->n;
    while (even > fit)
        even /= 2;
    return even > 1 ? fit / even * even : 1;
}

/* Query rows of a forward pass: all of an item, or what fits beside the packed tensors. */
static int64_t rows_of_pass(const spk_attention *w, int64_t items)
{
    if (items > 1 || bytes_of(w, 1, w->t, false) <= MOST_BYTES) return w->t;
    const size_t of_row = static_cast<size_t>(w->heads * (2 * w->s_ld + padded(w->n_p))) * sizeof(float);
    const int64_t fit = static_cast<int64_t>(MOST_BYTES / of_row);
    return fit < 1 ? 1 : fit > w->t ? w->t : fit;
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    const spk_attention w = attention_of(static_cast<const spk_attention_attr *>(g->attr), g->in);
    const attention_state *s = static_cast<const attention_state *>(state);
    const size_t forward = bytes_of(&w, s->items, s->rows, false);
    const size_t backward = g->train ? bytes_of(&w, s->items, w.t, true) : 0;
    return forward > backward ? forward : backward;
}

static size_t save_bytes(const spk_geom *g)
{
    const spk_attention w = attention_of(static_cast<const spk_attention_attr *>(g->attr), g->in);
    return static_cast<size_t>(w.n * w.heads * w.t * w.s_ld) * size_of(w.weights);
}

/* ---- what both directions begin with ---- */

static spk_attention attention_for(const spk_kargs *a)
{
    spk_attention w = attention_of(static_cast<const spk_attention_attr *>(a->attr), a->in);
    w.d = spk_cuda_of(a);
    w.len = static_cast<const attention_state *>(a->state)->len;
    w.draws = a->ctx->device_draws;
    return w;
}

/* Is what is saved what weighs the values? Not behind dropout, and not halves (attention_rows.cu). */
static bool saves_weights(const spk_attention *w)
{
    return w->attr->dropout <= 0 && w->weights == SPK_F32;
}

/* Where the probabilities of a pass over whole items are saved. */
static void *saved(const spk_attention *w, const spk_kargs *a, int64_t item0)
{
    const size_t before = static_cast<size_t>(item0 * w->heads * w->t * w->s_ld) * size_of(w->weights);
    return a->save ? static_cast<char *>(a->save) + before : nullptr;
}

static void pack(const spk_attention *w, const spk_attention_pass *s, const spk_kargs *a, const attention_room *r,
                 bool backward)
{
    const float *u = static_cast<const float *>(a->in[4].p), *v_bias = static_cast<const float *>(a->in[5].p);
    spk_attention_pack packs[SPK_ATTENTION_PACKS] = {};
    packs[0] = {&a->in[0], u, v_bias, r->qu, w->n_p ? r->qv : nullptr, nullptr};
    packs[1].from = &a->in[1];
    packs[1].to = r->k;
    packs[2].from = &a->in[2];
    packs[2].rounded = r->v;
    packs[3].from = &a->dout[0];
    packs[3].rounded = r->out;
    if (w->n_p && s->item0 == 0) spk_attention_pack_positions(w, &a->in[3], r->p);
    spk_attention_pack_items(w, s, packs, backward ? 4 : 3);
}

/* From element `first` on. */
static spk_matrix matrix(const void *p, spk_dtype type, int64_t first, int64_t rows, int64_t cols, int64_t ld,
                         int64_t stride)
{
    char *at = static_cast<char *>(const_cast<void *>(p)) + static_cast<size_t>(first) * size_of(type);
    return {at, type, rows, cols, ld, stride};
}

/* All frames of a packed tensor. */
static spk_matrix packed(const spk_attention *w, const void *p, spk_dtype type)
{
    return matrix(p, type, 0, w->t, w->d_k, w->d_k, w->t * w->d_k);
}
static spk_matrix packed(const spk_attention *w, const float *p)
{
    return packed(w, p, SPK_F32);
}
static spk_matrix rounded(const spk_attention *w, const void *p)
{
    return packed(w, p, w->weights);
}

/* The positions that a pass looks at, of each head. */
static spk_matrix positions(const spk_attention *w, const spk_attention_pass *s, const float *p)
{
    return matrix(p, SPK_F32, s->p0 * w->d_k, s->p_n, w->d_k, w->d_k, w->n_p * w->d_k);
}

/* c = op(a) op(b) for each of `batch`. */
static void product(const spk_attention *w, int64_t batch, bool transpose_a, spk_matrix a, bool transpose_b,
                    spk_matrix b, spk_matrix c)
{
    const spk_product how = {transpose_a, transpose_b, false, false, nullptr, batch};
    spk_cuda_product(w->d, &a, &b, &c, &how);
}

/* ---- forward ---- */

static void scores(const spk_attention *w, const spk_attention_pass *s, const attention_room *r)
{
    const int64_t d = w->d_k, td = w->t * d, q_rows = s->m * s->q_rows;
    product(w, w->heads * s->m, false, matrix(r->qu, SPK_F32, s->i0 * d, s->rows, d, d, td), true, packed(w, r->k),
            matrix(r->s, SPK_F32, 0, s->rows, w->t, w->s_ld, s->rows * w->s_ld));
    if (w->n_p == 0) return;
    product(w, w->heads, false, matrix(r->qv, SPK_F32, s->i0 * d, q_rows, d, d, s->m * td), true, positions(w, s, r->p),
            matrix(r->pos, SPK_F32, 0, q_rows, s->p_n, s->p_ld, q_rows * s->p_ld));
}

static void forward_rows(const spk_attention *w, const spk_attention_pass *s, const spk_kargs *a,
                         const attention_room *r)
{
    const int64_t t = w->t, ld = w->s_ld;
    void *save = saved(w, a, s->item0);
    const bool reuse = save && saves_weights(w);
    scores(w, s, r);
    spk_attention_softmax(w, s, r->s, w->n_p ? r->pos : nullptr, save, reuse ? nullptr : r->kept);
    const spk_matrix weights = reuse ? matrix(save, w->weights, s->i0 * ld, s->rows, t, ld, t * ld)
                                     : matrix(r->kept, w->weights, 0, s->rows, t, ld, s->rows * ld);
    product(w, w->heads * s->m, false, weights, false, rounded(w, r->v),
            matrix(r->out, w->weights, 0, s->rows, w->d_k, w->d_k, s->rows * w->d_k));
    spk_attention_unpack(w, s, r->out, w->weights, nullptr, &a->out[0], false);
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

static void fwd(const spk_kargs *a)
{
    const spk_attention w = attention_for(a);
    const attention_state *state = static_cast<const attention_state *>(a->state);
    for (int64_t item = 0; item < w.n; item += state->items) {
        for (int64_t i = 0; i < w.t; i += state->rows) {
            const spk_attention_pass s =
                pass_of(&w, item, at_most(w.n - item, state->items), i, at_most(w.t - i, state->rows));
            const attention_room r = room_of(&w, &s, false, static_cast<char *>(a->scratch));
            if (i == 0) pack(&w, &s, a, &r, false);
            forward_rows(&w, &s, a, &r);
        }
    }
}

/* ---- backward ---- */

/* Of the products with positions: to queries, positions and the bias. */
static void backward_positions(const spk_attention *w, const spk_attention_pass *s, const spk_kargs *a,
                               const attention_room *r)
{
    const int64_t d = w->d_k, rows = s->m * w->t, parts = parts_of(s->m), of_part = rows / parts;
    if (a->din[0].p || a->din[5].p)
        product(w, w->heads, false, matrix(r->pos, SPK_F32, 0, rows, s->p_n, s->p_ld, rows * s->p_ld), false,
                positions(w, s, r->p), matrix(r->dqv, SPK_F32, 0, rows, d, d, rows * d));
    if (a->din[5].p) spk_attention_add_columns(w, rows, r->dqv, r->sums, static_cast<float *>(a->din[5].p));
    if (!a->din[3].p) return;
    const spk_matrix dpos = matrix(r->pos, SPK_F32, 0, of_part, s->p_n, s->p_ld, of_part * s->p_ld),
                     dp = matrix(r->dp, SPK_F32, 0, w->n_p, d, d, w->n_p * d);
    product(w, w->heads * parts, true, dpos, false, matrix(r->qv, SPK_F32, 0, of_part, d, d, of_part * d), dp);
    spk_attention_add_positions(w, r->dp, parts, &a->din[3], a->add[3] || s->item0 > 0);
}

/* The gradient of keys or values: weights^T of all queries. What is added to is rounded once, there. */
static void backward_keys(const spk_attention *w, const spk_attention_pass *s, const spk_kargs *a, int i,
                          const spk_matrix &weights, const spk_matrix &of, float *room)
{
    const spk_dtype type = a->add[i] ? SPK_F32 : of.type;
    if (!a->din[i].p) return;
    product(w, w->heads * s->m, true, weights, false, of, packed(w, room, type));
    spk_attention_unpack(w, s, room, type, nullptr, &a->din[i], a->add[i]);
}

static void backward_pass(const spk_attention *w, const spk_attention_pass *s, const spk_kargs *a,
                          const attention_room *r)
{
    const int64_t t = w->t, ld = w->s_ld, blocks = w->heads * s->m;
    void *save = saved(w, a, s->item0), *kept = saves_weights(w) ? nullptr : r->kept;
    const spk_matrix ds = matrix(r->s, SPK_F32, 0, t, t, ld, t * ld),
                     weights = matrix(kept ? kept : save, w->weights, 0, t, t, ld, t * ld);
    pack(w, s, a, r, true);
    product(w, blocks, false, rounded(w, r->out), true, rounded(w, r->v), ds);
    spk_attention_softmax_backward(w, s, save, r->s, kept, w->n_p ? r->pos : nullptr);
    backward_keys(w, s, a, 2, weights, rounded(w, r->out), r->dkv);
    backward_keys(w, s, a, 1, ds, packed(w, r->qu), r->dkv);
    if (a->din[0].p || a->din[4].p) product(w, blocks, false, ds, false, packed(w, r->k), packed(w, r->dq));
    if (a->din[4].p) spk_attention_add_columns(w, s->m * t, r->dq, r->sums, static_cast<float *>(a->din[4].p));
    if (w->n_p) backward_positions(w, s, a, r);
    if (a->din[0].p) spk_attention_unpack(w, s, r->dq, SPK_F32, w->n_p ? r->dqv : nullptr, &a->din[0], a->add[0]);
}

static void bwd(const spk_kargs *a)
{
    const spk_attention w = attention_for(a);
    const int64_t most = static_cast<const attention_state *>(a->state)->items;
    for (int64_t item = 0; item < w.n; item += most) {
        const spk_attention_pass s = pass_of(&w, item, at_most(w.n - item, most), 0, w.t);
        const attention_room r = room_of(&w, &s, true, static_cast<char *>(a->scratch));
        backward_pass(&w, &s, a, &r);
    }
}

/* ---- the kernel ---- */

/* Queries, keys, values and the result of one type. */
static bool supports(const spk_geom *g)
{
    const spk_dtype type = g->in[0].dtype;
    return spk_is_real(&g->in[0]) && g->in[1].dtype == type && g->in[2].dtype == type && g->out[0].dtype == type &&
           (!g->has_in[3] || spk_is_real(&g->in[3]));
}

static spk_status create(const spk_geom *g, void **state)
{
    const spk_attention w = attention_of(static_cast<const spk_attention_attr *>(g->attr), g->in);
    const int64_t items = items_of_pass(&w, g->train);
    *state = new attention_state{g->device, g->in[0].len, spk_cuda_follow(g, g->in[0].len, g->in[0].n), items,
                                 rows_of_pass(&w, items)};
    return SPK_OK;
}

static void destroy(void *state)
{
    attention_state *s = static_cast<attention_state *>(state);
    if (s) spk_cuda_unfollow(s->device, s->host_len);
    delete s;
}

const spk_kernel spk__cuda_attention = {.name = "cuda",
                                        .supports = supports,
                                        .create = create,
                                        .destroy = destroy,
                                        .save_bytes = save_bytes,
                                        .scratch_bytes = scratch_bytes,
                                        .fwd = fwd,
                                        .bwd = bwd};
