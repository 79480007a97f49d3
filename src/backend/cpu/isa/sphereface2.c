/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sphereface2 over blocks of classes (class_block.h): every class is a decision of its own, so a row's loss is a sum
 * over its logits and nothing needs to be known of the others. Own classes are done apart, in double.
 */
#include "backend/cpu/isa/class_block.h"
#include "backend/margin_impl.h"

/* What a thread gathers of a row. */
typedef struct gathered {
    double loss, bias; /* of the other classes; with respect to the bias */
    double best;       /* largest cosine */
    int64_t best_class;
} gathered;

/* Of a row's own class. */
typedef struct own {
    double cosine, loss, gradient, bias; /* derivatives with respect to the cosine and the bias */
} own;

typedef struct loss {
    classes p;
    const spk_sphere_attr *attr;
    const int64_t *label;
    float scale, bias, cos_m, sin_m, margin;
    own *own; /* N */
} loss;

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    const size_t n = (size_t)g->in[0].n;
    return classes_bytes(g, n * sizeof(own), n * sizeof(gathered));
}

static loss loss_of(const spk_kargs *a)
{
    const spk_sphere_attr *attr = a->attr;
    const size_t n = (size_t)a->in[0].n;
    loss l = {.attr = attr, .label = a->in[2].p, .scale = (float)attr->scale, .bias = *(const float *)a->in[3].p};
    l.margin = (float)attr->margin[0];
    l.cos_m = (float)cos(attr->margin[0]);
    l.sin_m = (float)sin(attr->margin[0]);
    l.p = classes_of(a, 1, n * sizeof(own), n * sizeof(gathered));
    l.own = (own *)(void *)l.p.shared;
    return l;
}

static gathered *gathered_at(const block *b, int64_t n)
{
    return (gathered *)(void *)b->own + n;
}

/* lambda ln(1 + exp(-z)) of the own class. */
static void prepare_row(const spk_kargs *a, const loss *l, int64_t n)
{
    const classes *p = &l->p;
    double slope;
    own *o = &l->own[n];
    unit_embedding(a, p, n);
    *o = (own){0};
    if (l->label[n] < 0 || l->label[n] >= p->s) return; /* another process's class */
    o->cosine = exact_cosine(a, p, n, l->label[n]);
    const double z = l->attr->scale * spk__sphere_own(l->attr, o->cosine, &slope) + (double)l->bias;
    const double lambda = l->attr->lambda;
    o->loss = lambda * (fmax(-z, 0) + log1p(exp(-fabs(z))));
    o->bias = -lambda / (1 + exp(z));
    o->gradient = o->bias * l->attr->scale * slope;
}

/* The logit of another class, and its derivative with respect to the cosine. */
SPK_INLINE float other(const loss *l, float c, float *slope)
{
    float angle = c, turn = 1;
    if (l->attr->angular) {
        const float square = 1 - c * c, sine = square > 0 ? __builtin_sqrtf(square) : 0;
        angle = c * l->cos_m + sine * l->sin_m;
        turn = l->cos_m - c / (sine > (float)SPK_LEAST_SINE ? sine : (float)SPK_LEAST_SINE) * l->sin_m;
    }
    const float half = 0.5f * (angle + 1);
    float power = 1;
    for (int64_t i = 1; i < l->attr->t; i++)
        power *= half;
    *slope = l->scale * (float)l->attr->t * power * turn;
    return l->scale * (2 * power * half - 1 + (l->attr->angular ? 0 : l->margin)) + l->bias;
}

/* ---- forward ---- */

static void gather_row(const loss *l, const block *b, int64_t n)
{
    const int64_t mine = l->label[n] - b->c0;
    const float part = (float)(1 - l->attr->lambda);
    float *c = b->cosine + n * BLOCK;
    gathered *g = gathered_at(b, n);
    float top = -INFINITY, sum = 0;
    if (mine >= 0 && mine < b->n_c) c[mine] = (float)l->own[n].cosine;
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
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < b->n_c; j++) {
        float slope;
        const float z = other(l, c[j], &slope);
        const float soft = (z > 0 ? z : 0) + spk__logf(1 + spk__expf(z > 0 ? -z : z));
        sum += j == mine ? 0 : soft;
    }
    g->loss += (double)(part * sum);
}

/* Row n over all threads, in their order: adds its losses to *sum, and gives the class with the largest cosine, *best. */
static int64_t add_row(const loss *l, int team, int64_t n, double *sum, double *best)
{
    int64_t best_class = 0;
    *sum += l->own[n].loss;
    for (int thread = 0; thread < team; thread++) {
        const block b = block_of(&l->p, thread);
        const gathered *g = gathered_at(&b, n);
        *sum += g->loss;
        if (!(g->best > *best)) continue;
        *best = g->best;
        best_class = g->best_class;
    }
    return best_class;
}

/* Of each row what is so over the classes of all processes. */
static void share_rows(const spk_kargs *a, const loss *l, int team)
{
    for (int64_t n = 0; n < l->p.n; n++) {
        spk_class_row *r = &a->classes->row[n];
        *r = (spk_class_row){.best = -INFINITY};
        r->best_class = add_row(l, team, n, &r->sum, &r->best);
    }
    spk_class_share_rows(a->classes, l->p.n, l->label);
}

static void fwd(const spk_kargs *a)
{
    const loss l = loss_of(a);
    const classes *p = &l.p;
    int team = 1;
    double sum = 0;
    int64_t n_right = 0;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        block b = block_of(p, omp_get_thread_num());
        for (int64_t n = 0; n < p->n; n++)
            *gathered_at(&b, n) = (gathered){.best = -INFINITY};
#pragma omp single
        team = omp_get_num_threads();
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->n; n++)
            prepare_row(a, &l, n);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < p->n_blocks; i++) {
            load_block(a, p, &b, i);
            for (int64_t n = 0; n < p->n; n++)
                gather_row(&l, &b, n);
        }
    }
    if (a->classes) share_rows(a, &l, team);
    for (int64_t n = 0; n < p->n; n++) {
        if (a->classes) {
            sum += a->classes->row[n].sum;
            n_right += a->classes->row[n].right;
            continue;
        }
        double best = -INFINITY;
        const int64_t best_class = add_row(&l, team, n, &sum, &best);
        n_right += best_class == l.label[n];
    }
    ((float *)a->out[0].p)[0] = (float)(sum / (double)p->n);
    ((float *)a->out[0].p)[1] = (float)((double)n_right / (double)p->n);
}

/* ---- backward ---- */

static void gradient_row(const spk_kargs *a, const loss *l, const block *b, int64_t n)
{
    const double factor = (double)*(const float *)a->dout[0].p / (double)l->p.n;
    const int64_t mine = l->label[n] - b->c0;
    const float part = (float)(1 - l->attr->lambda), f = (float)factor;
    float *c = b->cosine + n * BLOCK, sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < BLOCK; j++) {
        float slope;
        const float z = other(l, c[j], &slope), e = spk__expf(z > 0 ? -z : z);
        const float steep = j < b->n_c && j != mine ? part * (z > 0 ? 1 : e) / (1 + e) : 0;
        sum += steep;
        c[j] = j < b->n_c && j != mine ? f * steep * slope : 0;
    }
    gathered_at(b, n)->bias += (double)sum;
    if (mine >= 0 && mine < b->n_c) c[mine] = (float)(factor * l->own[n].gradient);
}

static void bwd(const spk_kargs *a)
{
    const loss l = loss_of(a);
    const classes *p = &l.p;
    int team = 1;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        block b = block_of(p, omp_get_thread_num());
        memset(b.de, 0, (size_t)(p->n * p->d) * sizeof(float));
        for (int64_t n = 0; n < p->n; n++)
            *gathered_at(&b, n) = (gathered){.best = -INFINITY};
#pragma omp single
        team = omp_get_num_threads();
#pragma omp for schedule(static)
        for (int64_t n = 0; n < p->n; n++)
            prepare_row(a, &l, n);
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
    if (!a->din[3].p) return;
    double bias = 0;
    for (int64_t n = 0; n < p->n; n++) {
        bias += l.own[n].bias;
        for (int thread = 0; thread < team; thread++) {
            const block b = block_of(p, thread);
            bias += gathered_at(&b, n)->bias;
        }
    }
    *(float *)a->din[3].p += (float)(bias * (double)*(const float *)a->dout[0].p / (double)p->n);
}

const spk_kernel SPK_ISA_NAME(spk__omp_sphereface2) = {
    .name = SPK_KERNEL_NAME, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
