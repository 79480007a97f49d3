/* SPDX-License-Identifier: Apache-2.0 */
/*
 * margin_softmax over blocks of classes (class_block.h). Of each row only the running maximum, the sum of exponentials,
 * the best class and, for the inter-top-k penalty, the nearest classes so far leave a block; what falls out of that
 * list joins the sum. The cosines of a row with its own class and with its nearest ones are made apart, in double; they
 * and the log-sum are what the backward pass is given.
 *
 * Where other processes have the other classes, a row whose own class is not here has an own special of row -1, which no
 * block meets; and what was gathered goes round before the rows are finished (share).
 */
#include "backend/cpu/isa/class_block.h"
#include "backend/margin_impl.h"

/* A logit that is no plain scaled cosine. */
typedef struct special {
    int64_t row; /* of the weights */
    double z, slope;
} special;

/* One of the nearest classes. */
typedef struct near {
    float cosine;
    int64_t row;
} near;

/* What a thread gathers of a row over its blocks; n_top entries of `near` come behind it, the largest first. */
typedef struct gathered {
    double sum; /* of exp(z - max), without the own class and the nearest */
    double max;
    double best; /* largest cosine */
    int64_t best_class;
    int64_t n_near, n_taken;
} gathered;

typedef struct loss {
    classes p;
    const spk_margin_attr *attr;
    const int64_t *label;
    int64_t n_top; /* classes that get the penalty */
} loss;

/* ---- memory ---- */

/* Of a row, from forward to backward: the log-sum, then the own class and the nearest ones. */
static size_t record_bytes(int64_t k_top)
{
    return sizeof(double) + (size_t)(1 + k_top) * sizeof(special);
}

static size_t gathered_bytes(int64_t k_top)
{
    return sizeof(gathered) + (size_t)k_top * sizeof(near);
}

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)g->in[0].n * record_bytes(((const spk_margin_attr *)g->attr)->k_top);
}

static size_t shared_bytes(int64_t n, int64_t k_top)
{
    return (size_t)n * (record_bytes(k_top) + 2 * sizeof(double)); /* records; losses; whether right */
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    const int64_t n = g->in[0].n, k_top = ((const spk_margin_attr *)g->attr)->k_top;
    return classes_bytes(g, shared_bytes(n, k_top), (size_t)n * gathered_bytes(k_top));
}

static bool supports(const spk_geom *g)
{
    return ((const spk_margin_attr *)g->attr)->k <= BLOCK;
}

static loss loss_of(const spk_kargs *a)
{
    loss l = {.attr = a->attr, .label = a->in[2].p, .n_top = spk__margin_n_top(a->attr)};
    const int64_t n = a->in[0].n, k_top = l.attr->k_top;
    l.p = classes_of(a, l.attr->k, shared_bytes(n, k_top), (size_t)n * gathered_bytes(k_top));
    return l;
}

static double *log_sum_at(const loss *l, const void *records, int64_t n)
{
    return (double *)(void *)((char *)(uintptr_t)records + (size_t)n * record_bytes(l->attr->k_top));
}

static special *specials_at(const loss *l, const void *records, int64_t n)
{
    return (special *)(void *)(log_sum_at(l, records, n) + 1);
}

static gathered *gathered_at(const loss *l, const block *b, int64_t n)
{
    return (gathered *)(void *)(b->own + (size_t)n * gathered_bytes(l->attr->k_top));
}

static near *near_of(gathered *g)
{
    return (near *)(void *)(g + 1);
}

/* ---- the row's own class ---- */

static special special_of(const spk_kargs *a, const loss *l, int64_t n, int64_t row, double *cosine)
{
    double slope;
    *cosine = exact_cosine(a, &l->p, n, row);
    const bool own = row / l->p.k == l->label[n];
    const double z = own ? spk__margin_own(l->attr, *cosine, &slope) : spk__margin_other(l->attr, *cosine, &slope);
    return (special){row, l->attr->scale * z, l->attr->scale * slope};
}

/* Unit embedding, own class with its nearest centre; gives the cosine with it. */
static double prepare_row(const spk_kargs *a, const loss *l, int64_t n)
{
    const classes *p = &l->p;
    double cosine, best;
    unit_embedding(a, p, n);
    special *own = specials_at(l, p->shared, n);
    if (l->label[n] < 0 || l->label[n] >= p->s) {
        own[0] = (special){.row = -1, .z = -INFINITY};
        return -INFINITY;
    }
    own[0] = special_of(a, l, n, l->label[n] * p->k, &best);
    for (int64_t k = 1; k < p->k; k++) {
        const special other = special_of(a, l, n, l->label[n] * p->k + k, &cosine);
        if (!(cosine > best)) continue;
        own[0] = other;
        best = cosine;
    }
    return best;
}

/* ---- forward ---- */

/* The largest cosine of each class, and which centre has it: in place where a class has one centre. */
static const float *class_cosines(const loss *l, const block *b, const float *cosine, float best[BLOCK],
                                  int64_t centre[BLOCK])
{
    if (l->p.k == 1) return cosine;
    for (int64_t c = 0; c < b->n_c; c++) {
        int64_t at = c * l->p.k;
        for (int64_t r = at + 1; r < (c + 1) * l->p.k; r++)
            if (cosine[r] > cosine[at]) at = r;
        best[c] = cosine[at];
        centre[c] = at;
    }
    return best;
}

/* Put the block's nearest classes into the row's list. What is in it is taken out of the block's sum; what falls out and
 * came from an earlier block goes back into the row's. */
static void gather_near(const loss *l, gathered *g, float *c, const int64_t *centre, const block *b, int64_t mine)
{
    near *list = near_of(g);
    for (int64_t j = 0; j < b->n_c; j++) {
        if (j == mine || (g->n_near == l->n_top && !(c[j] > list[g->n_near - 1].cosine))) continue;
        if (g->n_near == l->n_top && list[--g->n_near].row / l->p.k < b->c0)
            g->sum += exp(l->attr->scale * (double)list[g->n_near].cosine - g->max);
        int64_t at = g->n_near++;
        for (; at > 0 && list[at - 1].cosine < c[j]; at--)
            list[at] = list[at - 1];
        list[at] = (near){c[j], b->c0 * l->p.k + (l->p.k == 1 ? j : centre[j])};
    }
    for (int64_t i = 0; i < g->n_near; i++) {
        const int64_t j = list[i].row / l->p.k - b->c0;
        if (j >= 0) c[j] = -INFINITY;
    }
}

/* Take the block's classes into what row n has gathered. */
static void gather_row(const loss *l, const block *b, int64_t n)
{
    const float scale = (float)l->attr->scale;
    const int64_t mine = l->label[n] - b->c0;
    float best[BLOCK];
    int64_t centre[BLOCK];
    gathered *g = gathered_at(l, b, n);
    float *c = (float *)(uintptr_t)class_cosines(l, b, b->cosine + n * BLOCK, best, centre);
    float top = -INFINITY;
    if (mine >= 0 && mine < b->n_c) c[mine] = (float)log_sum_at(l, l->p.shared, n)[0]; /* its cosine, until the end */
#pragma omp simd reduction(max : top)
    for (int64_t j = 0; j < b->n_c; j++)
        top = c[j] > top ? c[j] : top;
    if ((double)top > g->best) {
        int64_t j = 0;
        while (j < b->n_c - 1 && c[j] != top)
            j++;
        g->best = (double)top;
        g->best_class = b->c0 + j;
    }
    const float max = scale * top;
    if ((double)max > g->max) {
        g->sum *= exp(g->max - (double)max);
        g->max = (double)max;
    }
    if (l->n_top && (g->n_near < l->n_top || top > near_of(g)[g->n_near - 1].cosine))
        gather_near(l, g, c, centre, b, mine);
    const float against = (float)g->max;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < b->n_c; j++)
        sum += j == mine ? 0 : spk__expf(scale * c[j] - against);
    g->sum += (double)sum;
}

/* The nearest class of row n that was not taken yet, over all threads, in their order. NULL: there is none. */
static const near *take_near(const loss *l, int team, int64_t n)
{
    gathered *from = NULL;
    for (int thread = 0; thread < team; thread++) {
        const block b = block_of(&l->p, thread);
        gathered *g = gathered_at(l, &b, n);
        if (g->n_taken < g->n_near && (!from || near_of(g)[g->n_taken].cosine > near_of(from)[from->n_taken].cosine))
            from = g;
    }
    return from ? &near_of(from)[from->n_taken++] : NULL;
}

/* The nearest classes become specials of row n; the rest joins the sum. */
static double merge_near(const spk_kargs *a, const loss *l, int team, int64_t n, double *max)
{
    special *list = specials_at(l, l->p.shared, n) + 1;
    double sum = 0, cosine;
    const spk_class_share *s = a->classes;
    for (int64_t i = 0; i < l->n_top; i++) {
        const near *from = s ? NULL : take_near(l, team, n);
        const int64_t at = from ? from->row : s && i < s->n_kept[n] ? s->near[n * l->n_top + i].class_row : -1;
        list[i] = (special){.row = -1, .z = -INFINITY};
        if (at >= 0) list[i] = special_of(a, l, n, at, &cosine);
        *max = fmax(*max, list[i].z);
    }
    for (int64_t i = 0; i < l->n_top; i++)
        sum += exp(list[i].z - *max);
    for (int64_t i = s ? s->n_kept[n] : l->n_top; i < l->n_top; i++) /* taken, and not among the nearest of all */
        sum += exp(l->attr->scale * s->near[n * l->n_top + i].cosine - *max);
    for (int thread = 0; thread < team; thread++) {
        const block b = block_of(&l->p, thread);
        gathered *g = gathered_at(l, &b, n);
        for (; g->n_taken < g->n_near; g->n_taken++)
            sum += exp(l->attr->scale * (double)near_of(g)[g->n_taken].cosine - *max);
    }
    return sum;
}

/* Which of the nearest classes here are among the nearest of all processes. */
static void share_near(const spk_kargs *a, const loss *l, int team)
{
    for (int64_t n = 0; n < l->p.n; n++)
        for (int64_t i = 0; i < l->n_top; i++) {
            const near *from = take_near(l, team, n);
            a->classes->near[n * l->n_top + i] =
                from ? (spk_near_class){(double)from->cosine, from->row} : (spk_near_class){-INFINITY, -1};
        }
    spk_class_share_near(a->classes, l->p.n, l->n_top);
}

/* From the classes here to all: the log-sums, and in `row` each row's loss and whether it is right. */
static void share_rows(const spk_kargs *a, const loss *l, double *row)
{
    spk_class_share_rows(a->classes, l->p.n, l->label);
    for (int64_t n = 0; n < l->p.n; n++) {
        const spk_class_row *r = &a->classes->row[n];
        const double log_sum = r->max + log(r->sum);
        *log_sum_at(l, l->p.shared, n) = log_sum;
        row[2 * n] = log_sum - r->own;
        row[2 * n + 1] = r->right;
    }
}

/* Rows over all threads, in their order: the log-sum; the loss and whether the own class is the best one in out. */
static void finish_row(const spk_kargs *a, const loss *l, int team, int64_t n, double out[2])
{
    const double own = specials_at(l, l->p.shared, n)[0].z;
    double max = own, best = -INFINITY;
    int64_t best_class = 0;
    for (int thread = 0; thread < team; thread++) {
        const block b = block_of(&l->p, thread);
        max = fmax(max, gathered_at(l, &b, n)->max);
    }
    double sum = merge_near(a, l, team, n, &max);
    for (int thread = 0; thread < team; thread++) {
        const block b = block_of(&l->p, thread);
        const gathered *g = gathered_at(l, &b, n);
        sum += g->sum > 0 ? g->sum * exp(g->max - max) : g->sum;
        if (g->best > best) {
            best = g->best;
            best_class = g->best_class;
        }
    }
    sum += exp(own - max);
    if (a->classes) { /* with the log-sum of the classes of all, in share */
        spk_class_row *r = &a->classes->row[n];
        *r = (spk_class_row){max, sum, own > -INFINITY || own != own ? own : 0, best, best_class, false};
        return;
    }
    const double log_sum = max + log(sum);
    *log_sum_at(l, l->p.shared, n) = log_sum;
    out[0] = log_sum - own;
    out[1] = best_class == l->label[n];
}

static void fwd(const spk_kargs *a)
{
    const loss l = loss_of(a);
    const classes *p = &l.p;
    double *row = (double *)(void *)(p->shared + (size_t)p->n * record_bytes(l.attr->k_top));
    double sum = 0, right = 0;
    int team = 1;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        block b = block_of(p, omp_get_thread_num());
        for (int64_t n = 0; n < p->n; n++)
            *gathered_at(&l, &b, n) = (gathered){.max = -INFINITY, .best = -INFINITY};
#pragma omp single
        team = omp_get_num_threads();
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->n; n++)
            *log_sum_at(&l, p->shared, n) = prepare_row(a, &l, n);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < p->n_blocks; i++) {
            load_block(a, p, &b, i);
            for (int64_t n = 0; n < p->n; n++)
                gather_row(&l, &b, n);
        }
#pragma omp single
        if (a->classes && l.n_top) share_near(a, &l, team);
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->n; n++)
            finish_row(a, &l, team, n, row + 2 * n);
    }
    if (a->classes) share_rows(a, &l, row);
    for (int64_t n = 0; n < p->n; n++) {
        sum += row[2 * n];
        right += row[2 * n + 1];
    }
    ((float *)a->out[0].p)[0] = (float)(sum / (double)p->n);
    ((float *)a->out[0].p)[1] = (float)(right / (double)p->n);
    if (a->save) memcpy(a->save, p->shared, (size_t)p->n * record_bytes(l.attr->k_top));
}

/* ---- backward ---- */

/* The block's cosines with row n become the gradient with respect to them. */
static void gradient_row(const spk_kargs *a, const loss *l, const block *b, int64_t n)
{
    const double log_sum = *log_sum_at(l, a->save, n);
    const double factor = (double)*(const float *)a->dout[0].p / (double)l->p.n;
    const float s = (float)l->attr->scale, ls = (float)log_sum, f = (float)(factor * l->attr->scale);
    const int64_t k = l->p.k, r0 = b->c0 * k, rows = b->n_c * k;
    float *c = b->cosine + n * BLOCK, best[BLOCK];
    int64_t centre[BLOCK];
    if (k == 1) {
#pragma omp simd
        for (int64_t j = 0; j < BLOCK; j++)
            c[j] = j < rows ? f * spk__expf(s * c[j] - ls) : 0;
    } else {
        class_cosines(l, b, c, best, centre);
        memset(c, 0, BLOCK * sizeof *c);
        for (int64_t j = 0; j < b->n_c; j++)
            c[centre[j]] = f * spk__expf(s * best[j] - ls);
    }
    const special *list = specials_at(l, a->save, n);
    for (int64_t i = 0; i <= l->n_top; i++) {
        const int64_t at = list[i].row - r0;
        if (at < 0 || at >= rows) continue;
        memset(c + at / k * k, 0, (size_t)k * sizeof *c);
        const double share = i == 0 ? expm1(list[i].z - log_sum) : exp(list[i].z - log_sum);
        c[at] = (float)(factor * list[i].slope * share);
    }
}

static void bwd(const spk_kargs *a)
{
    const loss l = loss_of(a);
    const classes *p = &l.p;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        block b = block_of(p, omp_get_thread_num());
        const int team = omp_get_num_threads();
        memset(b.de, 0, (size_t)(p->n * p->d) * sizeof(float));
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->n; n++)
            unit_embedding(a, p, n);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < p->n_blocks; i++) {
            load_block(a, p, &b, i);
            for (int64_t n = 0; n < p->n; n++)
                gradient_row(a, &l, &b, n);
            block_backward(a, p, &b);
        }
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->n; n++)
            if (a->din[0].p) embedding_backward(a, p, team, n);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_margin_softmax) = {.name = SPK_KERNEL_NAME,
                                                          .supports = supports,
                                                          .save_bytes = save_bytes,
                                                          .scratch_bytes = scratch_bytes,
                                                          .fwd = fwd,
                                                          .bwd = bwd};
