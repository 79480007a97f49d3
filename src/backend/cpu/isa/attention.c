/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention (formulas: backend/reference/ref_attention.inc.h) as matrix products of one head of one item, a block of
 * query rows at a time, so that scratch grows with the length and not with its square. Saves the probabilities
 * (N, heads, T, T). A thread's scratch is listed in room_of.
 *
 * The products of queries with positions are taken for all distances that a block meets; row r of that product is
 * skewed into the scores by where its distances begin.
 *
 * Backward, a task is a head of a group of items: the gradients of positions and biases are summed inside of a task,
 * then over the groups in their order.
 */
#include "backend/cpu/isa/draw_chunk.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { ROWS = 64 };

/* What all tasks share. */
typedef struct whole {
    const spk_kargs *a;
    const spk_attention_attr *attr;
    int64_t n, t, d, n_p; /* items, frames, d_k, rows of the table of positions */
    int64_t groups;       /* backward: of items */
    float scale;
} whole;

/* A thread's scratch. */
typedef struct room {
    float *qu, *qv;      /* (T,d) each: scale (q + u), scale (q + v) */
    float *s, *drop;     /* (ROWS,T) each: scores or their gradients; probabilities after dropout */
    float *pos;          /* (ROWS+1,T+ROWS): products with positions, or their gradients */
    float *dq, *dk, *dv; /* (T,d) each, backward */
    float *dqv;          /* (T,d), backward: what positions give to dq */
} room;

/* A head of an item. */
typedef struct head {
    const whole *w;
    room m;
    int64_t item, h, len;
    const float *q, *k, *v, *p; /* first frame, at the head's channels; p: first row that it uses */
    int64_t p_first;            /* that row */
} head;

/* Rows i0 .. i0 + n of a head's queries. */
typedef struct rows {
    int64_t i0, n;
    int64_t p0, p_n; /* products with positions: first of them (from head.p), how many */
    int64_t q_n;     /* query rows that take part: n, or one more (legacy) */
} rows;

static int64_t groups_of(int64_t n, int64_t heads, int n_threads)
{
    return spk__min(n, (2 * n_threads + heads - 1) / heads);
}

static whole whole_of(const spk_kargs *a)
{
    const spk_attention_attr *attr = a->attr;
    const int64_t d = a->in[0].c / attr->heads;
    return (whole){.a = a,
                   .attr = attr,
                   .n = a->in[0].n,
                   .t = a->in[0].w,
                   .d = d,
                   .n_p = attr->kind != SPK_ATTN_PLAIN ? a->in[3].w : 0,
                   .groups = groups_of(a->in[0].n, attr->heads, a->ctx->n_threads),
                   .scale = (float)(1 / sqrt((double)d))};
}

/* ---- memory ---- */

static size_t save_bytes(const spk_geom *g)
{
    const spk_attention_attr *attr = g->attr;
    return (size_t)(g->in[0].n * attr->heads * g->in[0].w * g->in[0].w) * sizeof(float);
}

static int64_t room_floats(int64_t t, int64_t d)
{
    return 6 * t * d + 2 * ROWS * t + (ROWS + 1) * (t + ROWS);
}

/* Gradients of a head's positions and biases: (P,d), (d), (d). */
static int64_t shared_floats(int64_t n_p, int64_t d)
{
    return (n_p + 2) * d;
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    const spk_attention_attr *attr = g->attr;
    const int64_t t = g->in[0].w, d = g->in[0].c / attr->heads, n_p = g->has_in[3] ? g->in[3].w : 0;
    const int64_t tasks = g->train ? attr->heads * groups_of(g->in[0].n, attr->heads, g->n_threads) : 0;
    (void)state;
    return (size_t)(g->n_threads * room_floats(t, d) + tasks * shared_floats(n_p, d)) * sizeof(float);
}

static room room_of(const whole *w, int thread)
{
    const int64_t td = w->t * w->d, block = ROWS * w->t;
    float *p = (float *)w->a->scratch + thread * room_floats(w->t, w->d);
    return (room){.qu = p,
                  .qv = p + td,
                  .dq = p + 2 * td,
                  .dk = p + 3 * td,
                  .dv = p + 4 * td,
                  .dqv = p + 5 * td,
                  .s = p + 6 * td,
                  .drop = p + 6 * td + block,
                  .pos = p + 6 * td + 2 * block};
}

static float *shared_of(const whole *w, int64_t task)
{
    float *p = (float *)w->a->scratch + w->a->ctx->n_threads * room_floats(w->t, w->d);
    return p + task * shared_floats(w->n_p, w->d);
}

/* Row i of a head's saved probabilities. */
static float *saved(const head *at, int64_t i)
{
    const whole *w = at->w;
    return (float *)w->a->save + ((at->item * w->attr->heads + at->h) * w->t + i) * w->t;
}

/* ---- a head ---- */

/* to = scale (q + bias) */
static void biased_queries(const head *at, const float *bias, float *to)
{
    const whole *w = at->w;
    const int64_t ld = w->a->in[0].ld, d = w->d;
    for (int64_t i = 0; i < at->len; i++) {
#pragma omp simd
        for (int64_t c = 0; c < d; c++)
            to[i * d + c] = w->scale * (at->q[i * ld + c] + (bias ? bias[c] : 0));
    }
}

/* Legacy: rows of the batch's table before those of an item's own. */
static int64_t first_position(const whole *w, int64_t len)
{
    const int64_t table = w->attr->table_len;
    if (w->attr->kind == SPK_ATTN_RELATIVE) return w->t - len;
    return w->t <= table ? 0 : w->t - (len > table ? len : table);
}

static head head_of(const whole *w, int64_t item, int64_t h)
{
    const spk_kargs *a = w->a;
    const int64_t c0 = h * w->d, first = item * w->t;
    head at = {.w = w,
               .m = room_of(w, omp_get_thread_num()),
               .item = item,
               .h = h,
               .len = spk__n_valid(&a->in[0], item),
               .q = spk__row(&a->in[0], first) + c0,
               .k = spk__row(&a->in[1], first) + c0,
               .v = spk__row(&a->in[2], first) + c0};
    biased_queries(&at, a->in[4].p ? (const float *)a->in[4].p + c0 : NULL, at.m.qu);
    if (w->n_p == 0) return at;
    biased_queries(&at, a->in[5].p ? (const float *)a->in[5].p + c0 : NULL, at.m.qv);
    at.p_first = first_position(w, at.len);
    at.p = spk__row(&a->in[3], at.p_first) + c0;
    return at;
}

static rows rows_of(const head *at, int64_t i0)
{
    rows r = {.i0 = i0, .n = spk__min(ROWS, at->len - i0)};
    r.q_n = r.n;
    if (at->w->attr->kind == SPK_ATTN_RELATIVE) {
        r.p0 = at->len - i0 - r.n;
        r.p_n = at->len + r.n - 1;
    } else if (at->w->attr->kind == SPK_ATTN_LEGACY) {
        r.p_n = at->len;
        r.q_n += i0 + r.n < at->len;
    }
    return r;
}

/* ---- positions into scores ---- */

/* sum += the product's entries of query i0 + r, or the other way round. */
SPK_INLINE void move(float *s, float *pos, int64_t n, bool back)
{
    if (back) {
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            pos[j] = s[j];
    } else {
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            s[j] += pos[j];
    }
}

/* The skew of each row: scores of query i0 + r lie in the products' row r (or r + 1) from some place on. */
SPK_INLINE void skew(const head *at, const rows *r, int64_t i, bool back)
{
    const int64_t ld = r->p_n, t = at->w->t, query = r->i0 + i;
    float *s = at->m.s + i * t, *pos = at->m.pos + i * ld;
    if (at->w->attr->kind == SPK_ATTN_RELATIVE) {
        move(s, pos + r->n - 1 - i, at->w->attr->zero_triu ? query + 1 : at->len, back);
    } else {
        move(s, pos + at->len - 1 - query, query + 1, back);
        if (query + 2 < at->len) move(s + query + 2, pos + ld, at->len - query - 2, back);
    }
}

/* ---- forward ---- */

static void scores(const head *at, const rows *r)
{
    const whole *w = at->w;
    const int64_t d = w->d;
    spk__sgemm(false, true, r->n, at->len, d, 1, at->m.qu + r->i0 * d, d, at->k, w->a->in[1].ld, 0, at->m.s, w->t);
    if (w->n_p == 0) return;
    spk__sgemm(false, true, r->q_n, r->p_n, d, 1, at->m.qv + r->i0 * d, d, at->p + r->p0 * w->a->in[3].ld,
               w->a->in[3].ld, 0, at->m.pos, r->p_n);
    for (int64_t i = 0; i < r->n; i++)
        skew(at, r, i, false);
}

static void softmax(float *s, int64_t n)
{
    float max = s[0], sum = 0;
#pragma omp simd reduction(max : max)
    for (int64_t j = 0; j < n; j++)
        max = s[j] > max ? s[j] : max;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++)
        sum += s[j] = spk__expf(s[j] - max);
    const float inv = 1 / sum;
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        s[j] *= inv;
}

/* to = from without what is dropped of row i. */
static void drop(const head *at, int64_t i, const float *from, float *to)
{
    const whole *w = at->w;
    const spk_draw_key key = spk__draw_key(&w->a->ctx->draws, w->attr->stream);
    const uint32_t bound = spk__drop_below(w->attr->dropout);
    const float scale = (float)spk__drop_scale(w->attr->dropout);
    const int64_t e = ((at->item * w->attr->heads + at->h) * w->t + i) * w->t;
    for (int64_t j = 0, n; j < at->len; j += n) {
        uint32_t draw[SPK_DRAW_CHUNK];
        const uint32_t *u = spk__draw_from(key, (uint64_t)(e + j), draw, &n);
        n = spk__min(n, at->len - j);
#pragma omp simd
        for (int64_t m = 0; m < n; m++)
            to[j + m] = u[m] >= bound ? from[j + m] * scale : 0;
    }
}

static void zero_rows(const spk_view *v, int64_t first, int64_t n, int64_t c0, int64_t d)
{
    for (int64_t r = first; r < first + n; r++)
        memset(spk__row(v, r) + c0, 0, (size_t)d * sizeof(float));
}

static void head_fwd(const head *at)
{
    const whole *w = at->w;
    const spk_view *y = &w->a->out[0];
    const int64_t c0 = at->h * w->d, first = at->item * w->t;
    for (int64_t i0 = 0; i0 < at->len; i0 += ROWS) {
        const rows r = rows_of(at, i0);
        scores(at, &r);
        for (int64_t i = 0; i < r.n; i++) {
            float *s = at->m.s + i * w->t;
            softmax(s, at->len);
            if (w->a->save) memcpy(saved(at, i0 + i), s, (size_t)at->len * sizeof *s);
            if (w->attr->dropout > 0) drop(at, i0 + i, s, s);
        }
        spk__sgemm(false, false, r.n, w->d, at->len, 1, at->m.s, w->t, at->v, w->a->in[2].ld, 0,
                   spk__row(y, first + i0) + c0, y->ld);
    }
    zero_rows(y, first + at->len, w->t - at->len, c0, w->d);
}

static void fwd(const spk_kargs *a)
{
    const whole w = whole_of(a);
    const int64_t heads = w.attr->heads;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < w.n * heads; i++) {
        const head at = head_of(&w, i / heads, i % heads);
        head_fwd(&at);
    }
}

/* ---- backward ---- */

/* m.s: gradients of the scores of these rows; m.drop: their probabilities after dropout. */
static void score_gradients(const head *at, const rows *r)
{
    const whole *w = at->w;
    const spk_view *dy = &w->a->dout[0];
    const int64_t n = at->len;
    spk__sgemm(false, true, r->n, n, w->d, 1, spk__row(dy, at->item * w->t + r->i0) + at->h * w->d, dy->ld, at->v,
               w->a->in[2].ld, 0, at->m.s, w->t);
    for (int64_t i = 0; i < r->n; i++) {
        const float *p = saved(at, r->i0 + i);
        float *s = at->m.s + i * w->t, *kept = at->m.drop + i * w->t, dot = 0;
        if (w->attr->dropout > 0) {
            drop(at, r->i0 + i, p, kept);
            drop(at, r->i0 + i, s, s);
        } else {
            memcpy(kept, p, (size_t)n * sizeof *p);
        }
#pragma omp simd reduction(+ : dot)
        for (int64_t j = 0; j < n; j++)
            dot += p[j] * s[j];
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            s[j] = p[j] * (s[j] - dot);
    }
}

/* From m.s to the queries' part of positions, and to the positions' own gradient. */
static void position_gradients(const head *at, const rows *r, float *dp)
{
    const whole *w = at->w;
    const int64_t d = w->d, ld = w->a->in[3].ld;
    memset(at->m.pos, 0, (size_t)(r->q_n * r->p_n) * sizeof(float));
    for (int64_t i = 0; i < r->n; i++)
        skew(at, r, i, true);
    spk__sgemm(false, false, r->q_n, d, r->p_n, w->scale, at->m.pos, r->p_n, at->p + r->p0 * ld, ld, 1,
               at->m.dqv + r->i0 * d, d);
    spk__sgemm(true, false, r->p_n, d, r->q_n, 1, at->m.pos, r->p_n, at->m.qv + r->i0 * d, d, 1,
               dp + (at->p_first + r->p0) * d, d);
}

/* sum += each column of x (n, d) */
static void add_columns(const float *x, int64_t n, int64_t d, float *sum)
{
    for (int64_t c = 0; c < d; c++) {
        float s = 0;
        for (int64_t i = 0; i < n; i++)
            s += x[i * d + c];
        sum[c] += s;
    }
}

/* x (len, d) into a gradient; zeros behind it. */
static void put(const head *at, int i, const float *x)
{
    const whole *w = at->w;
    const spk_view *to = &w->a->din[i];
    const int64_t first = at->item * w->t, c0 = at->h * w->d;
    if (!to->p) return;
    for (int64_t r = 0; r < at->len; r++) {
        float *y = spk__row(to, first + r) + c0;
        const float *from = x + r * w->d;
        const bool add = w->a->add[i];
#pragma omp simd
        for (int64_t c = 0; c < w->d; c++)
            y[c] = add ? y[c] + from[c] : from[c];
    }
    if (!w->a->add[i]) zero_rows(to, first + at->len, w->t - at->len, c0, w->d);
}

static void head_bwd(const head *at, float *shared)
{
    const whole *w = at->w;
    const spk_view *dy = &w->a->dout[0];
    const int64_t d = w->d, t = w->t, n = at->len;
    const room *m = &at->m;
    memset(m->dq, 0, (size_t)(4 * t * d) * sizeof(float)); /* dq, dk, dv, dqv */
    for (int64_t i0 = 0; i0 < n; i0 += ROWS) {
        const rows r = rows_of(at, i0);
        score_gradients(at, &r);
        spk__sgemm(true, false, n, d, r.n, 1, m->drop, t, spk__row(dy, at->item * t + i0) + at->h * d, dy->ld, 1, m->dv,
                   d);
        spk__sgemm(false, false, r.n, d, n, w->scale, m->s, t, at->k, w->a->in[1].ld, 0, m->dq + i0 * d, d);
        spk__sgemm(true, false, n, d, r.n, 1, m->s, t, m->qu + i0 * d, d, 1, m->dk, d);
        if (w->n_p > 0) position_gradients(at, &r, shared);
    }
    add_columns(m->dq, n, d, shared + w->n_p * d);
    add_columns(m->dqv, n, d, shared + (w->n_p + 1) * d);
    for (int64_t i = 0; i < n * d; i++)
        m->dq[i] += m->dqv[i];
    put(at, 0, m->dq);
    put(at, 1, m->dk);
    put(at, 2, m->dv);
}

/* The tasks' sums of a head into the gradients of positions and biases. */
static void finish_head(const whole *w, int64_t h)
{
    const spk_kargs *a = w->a;
    const int64_t d = w->d, c0 = h * d;
    for (int64_t r = 0; r < w->n_p + 2; r++) {
        const int i = r < w->n_p ? 3 : r == w->n_p ? 4 : 5;
        if (!a->din[i].p) continue;
        float *y = i == 3 ? spk__row(&a->din[3], r) + c0 : (float *)a->din[i].p + c0;
        for (int64_t c = 0; c < d; c++) {
            float sum = a->add[i] ? y[c] : 0;
            for (int64_t g = 0; g < w->groups; g++)
                sum += shared_of(w, h * w->groups + g)[r * d + c];
            y[c] = sum;
        }
    }
}

static void bwd(const spk_kargs *a)
{
    const whole w = whole_of(a);
#pragma omp parallel for schedule(dynamic, 1) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < w.attr->heads * w.groups; i++) {
        const int64_t g = i % w.groups;
        float *shared = shared_of(&w, i);
        memset(shared, 0, (size_t)shared_floats(w.n_p, w.d) * sizeof(float));
        for (int64_t item = w.n * g / w.groups; item < w.n * (g + 1) / w.groups; item++) {
            const head at = head_of(&w, item, i / w.groups);
            head_bwd(&at, shared);
        }
    }
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t h = 0; h < w.attr->heads; h++)
        finish_head(&w, h);
}

const spk_kernel SPK_ISA_NAME(spk__omp_attention) = {
    .name = SPK_KERNEL_NAME, .save_bytes = save_bytes, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
