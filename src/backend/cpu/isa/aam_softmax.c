/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aam_softmax over blocks of classes, shared out among the threads. A block's weights are made unit rows, their cosines
 * with all embeddings are a small matrix product, and only the running maximum, sum of exponentials and best class of
 * each row leave the block. The backward pass makes the cosines again from the saved log-sums (N doubles). The cosine
 * of a row with its own class is computed apart, in double.
 */
#include "backend/cpu/isa_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { BLOCK = 64, ROWS = 4, LANES = SPK_VEC_BYTES / 4, WIDTH = 2 * LANES };

typedef float vec __attribute__((vector_size(SPK_VEC_BYTES)));

/* ---- a small matrix product ---- */

/* c[i][j] += sum_k a[i*am + k*ak] b[k*ldb + j] for `rows` rows (a constant after inlining) and WIDTH columns. */
SPK_INLINE void product_tile(int rows, int64_t n_k, const float *a, int64_t am, int64_t ak, const float *b, int64_t ldb,
                             float *c, int64_t ldc)
{
    vec sum[ROWS][2];
    for (int i = 0; i < rows; i++)
        memcpy(sum[i], c + i * ldc, sizeof sum[i]);
    for (int64_t k = 0; k < n_k; k++) {
        vec b0, b1;
        memcpy(&b0, b + k * ldb, sizeof b0);
        memcpy(&b1, b + k * ldb + LANES, sizeof b1);
        for (int i = 0; i < rows; i++) {
            const float v = a[i * am + k * ak];
            sum[i][0] += v * b0;
            sum[i][1] += v * b1;
        }
    }
    for (int i = 0; i < rows; i++)
        memcpy(c + i * ldc, sum[i], sizeof sum[i]);
}

/* As above for any extents. */
static void product(int64_t n_i, int64_t n_j, int64_t n_k, const float *a, int64_t am, int64_t ak, const float *b,
                    int64_t ldb, float *c, int64_t ldc)
{
    const int64_t whole_j = n_j / WIDTH * WIDTH;
    for (int64_t j = 0; j < whole_j; j += WIDTH) {
        int64_t i = 0;
        for (; i + ROWS <= n_i; i += ROWS)
            product_tile(ROWS, n_k, a + i * am, am, ak, b + j, ldb, c + i * ldc + j, ldc);
        for (; i < n_i; i++)
            product_tile(1, n_k, a + i * am, am, ak, b + j, ldb, c + i * ldc + j, ldc);
    }
    for (int64_t i = 0; i < n_i && whole_j < n_j; i++) {
        for (int64_t k = 0; k < n_k; k++) {
            const float v = a[i * am + k * ak];
#pragma omp simd
            for (int64_t j = whole_j; j < n_j; j++)
                c[i * ldc + j] += v * b[k * ldb + j];
        }
    }
}

/* ---- memory ---- */

/* What a thread gathers over its blocks. */
typedef struct gathered {
    double sum; /* of exp(z - max), without the row's own class */
    double max;
    double best; /* largest cosine */
    int64_t best_class;
} gathered;

typedef struct own {
    double cosine, z, slope; /* with the row's own class: logit and its derivative with respect to the cosine */
} own;

typedef struct parts {
    int64_t n, s, d, n_blocks;
    own *own;          /* N */
    float *unit, *inv; /* (N,D) unit embeddings; N: 1 / norm, 0 below the floor */
    char *threads;     /* thread_bytes each */
    size_t thread_bytes;
} parts;

/* One thread's: BLOCK classes, then what it gathers. */
typedef struct block {
    float *w, *wt, *inv; /* (BLOCK,D) unit rows, (D,BLOCK), BLOCK */
    float *cosine;       /* (N,BLOCK); gradients in the backward pass */
    float *dw, *de;      /* (BLOCK,D), (N,D): with respect to unit rows */
    gathered *rows;      /* N */
} block;

static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static int64_t classes_of(const spk_view *w, int64_t n_d)
{
    return spk_rows(w) * w->c / n_d;
}

static size_t own_bytes(int64_t n)
{
    return padded((size_t)n * sizeof(own));
}

static size_t unit_bytes(int64_t n, int64_t n_d)
{
    return padded((size_t)(n * n_d + n) * sizeof(float));
}

static size_t block_bytes(int64_t n, int64_t n_d)
{
    const size_t floats = (size_t)(3 * BLOCK * n_d + BLOCK + n * BLOCK + n * n_d);
    return padded(floats * sizeof(float)) + padded((size_t)n * sizeof(gathered));
}

static size_t save_bytes(const spk_geom *g)
{
    return (size_t)g->in[0].n * sizeof(double);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    const int64_t n = g->in[0].n, n_d = g->in[0].c;
    return own_bytes(n) + unit_bytes(n, n_d) + (size_t)g->n_threads * block_bytes(n, n_d);
}

static parts parts_of(const spk_kargs *a)
{
    parts p = {.n = a->in[0].n, .d = a->in[0].c};
    p.s = classes_of(&a->in[1], p.d);
    p.n_blocks = (p.s + BLOCK - 1) / BLOCK;
    char *at = a->scratch;
    p.own = (own *)(void *)at;
    at += own_bytes(p.n);
    p.unit = (float *)(void *)at;
    p.inv = p.unit + p.n * p.d;
    p.threads = at + unit_bytes(p.n, p.d);
    p.thread_bytes = block_bytes(p.n, p.d);
    return p;
}

static block block_of(const parts *p, int thread)
{
    char *at = p->threads + p->thread_bytes * (size_t)thread;
    float *f = (float *)(void *)at;
    block b = {.w = f};
    b.wt = b.w + BLOCK * p->d;
    b.dw = b.wt + BLOCK * p->d;
    b.inv = b.dw + BLOCK * p->d;
    b.cosine = b.inv + BLOCK;
    b.de = b.cosine + p->n * BLOCK;
    b.rows = (gathered *)(void *)(at + p->thread_bytes - padded((size_t)p->n * sizeof(gathered)));
    return b;
}

/* ---- unit rows and cosines ---- */

/* u = v / max(|v|, 1e-12); gives 1 / |v|, or 0 below the floor, where no gradient passes. */
static float unit_row(const float *v, int64_t n_d, float *u)
{
    double square = 0;
#pragma omp simd reduction(+ : square)
    for (int64_t d = 0; d < n_d; d++)
        square += (double)v[d] * (double)v[d];
    const double norm = sqrt(square);
    const float inv = (float)(1 / fmax(norm, 1e-12));
#pragma omp simd
    for (int64_t d = 0; d < n_d; d++)
        u[d] = v[d] * inv;
    return norm < 1e-12 ? 0 : inv;
}

/* Logit of the own class and its slope: phi(c) = cos(theta + m) while theta allows. */
static own own_of(const spk_aam_attr *attr, double c)
{
    const double square = 1 - c * c, sine = square > 0 ? sqrt(square) : 0;
    const double cos_m = cos(attr->margin), sin_m = sin(attr->margin);
    own o = {.cosine = c, .slope = attr->scale};
    if (c > (attr->easy_margin ? 0 : -cos_m)) {
        o.slope = attr->scale * (cos_m + (sine > 0 ? c / sine * sin_m : 0));
        o.z = attr->scale * (c * cos_m - sine * sin_m);
    } else {
        o.z = attr->scale * (attr->easy_margin ? c : c - attr->margin * sin_m);
    }
    return o;
}

/* Unit embeddings and own classes. */
static void prepare_rows(const spk_kargs *a, const parts *p)
{
    const int64_t *label = a->in[2].p;
#pragma omp for schedule(static)
    for (int64_t n = 0; n < p->n; n++) {
        const float *e = spk__row(&a->in[0], n), *w = (const float *)a->in[1].p + label[n] * p->d;
        p->inv[n] = unit_row(e, p->d, p->unit + n * p->d);
        double dot = 0, ee = 0, ww = 0;
#pragma omp simd reduction(+ : dot, ee, ww)
        for (int64_t d = 0; d < p->d; d++) {
            const double x = (double)e[d], y = (double)w[d];
            dot += x * y;
            ee += x * x;
            ww += y * y;
        }
        p->own[n] = own_of(a->attr, dot / (fmax(sqrt(ee), 1e-12) * fmax(sqrt(ww), 1e-12)));
    }
}

/* Classes [j0, j0 + n_j) into b: unit rows and the cosines. Columns past n_j are zero. */
static void load_block(const spk_kargs *a, const parts *p, const block *b, int64_t j0, int64_t n_j)
{
    for (int64_t j = 0; j < BLOCK; j++) {
        if (j < n_j)
            b->inv[j] = unit_row((const float *)a->in[1].p + (j0 + j) * p->d, p->d, b->w + j * p->d);
        else
            memset(b->w + j * p->d, 0, (size_t)p->d * sizeof(float));
        for (int64_t d = 0; d < p->d; d++)
            b->wt[d * BLOCK + j] = b->w[j * p->d + d];
    }
    memset(b->cosine, 0, (size_t)(p->n * BLOCK) * sizeof(float));
    product(p->n, BLOCK, p->d, p->unit, p->d, 1, b->wt, BLOCK, b->cosine, BLOCK);
}

/* ---- forward ---- */

/* Take the block's classes into what row n has gathered. */
static void gather_row(const spk_kargs *a, const parts *p, const block *b, int64_t n, int64_t j0, int64_t n_j)
{
    const float scale = (float)((const spk_aam_attr *)a->attr)->scale;
    const int64_t mine = ((const int64_t *)a->in[2].p)[n] - j0;
    float *c = b->cosine + n * BLOCK;
    gathered *g = &b->rows[n];
    if (mine >= 0 && mine < n_j) c[mine] = (float)p->own[n].cosine;
    float top = -INFINITY;
#pragma omp simd reduction(max : top)
    for (int64_t j = 0; j < n_j; j++)
        top = c[j] > top ? c[j] : top;
    if ((double)top > g->best) {
        int64_t j = 0;
        while (j < n_j - 1 && c[j] != top)
            j++;
        g->best = (double)top;
        g->best_class = j0 + j;
    }
    const float max = scale * top;
    if ((double)max > g->max) {
        g->sum *= exp(g->max - (double)max);
        g->max = (double)max;
    }
    const float against = (float)g->max;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n_j; j++)
        sum += j == mine ? 0 : spk__expf(scale * c[j] - against);
    g->sum += (double)sum;
}

/* Rows over all threads, in their order: the log-sum, and whether the own class is the best one. */
static void finish_row(const spk_kargs *a, const parts *p, int n_threads, int64_t n, double *log_sum, bool *right)
{
    double max = p->own[n].z, sum = 0, best = -INFINITY;
    int64_t best_class = 0;
    for (int thread = 0; thread < n_threads; thread++)
        max = fmax(max, block_of(p, thread).rows[n].max);
    for (int thread = 0; thread < n_threads; thread++) {
        const block b = block_of(p, thread);
        const gathered *g = &b.rows[n];
        sum += g->sum > 0 ? g->sum * exp(g->max - max) : g->sum;
        if (g->best > best) {
            best = g->best;
            best_class = g->best_class;
        }
    }
    *log_sum = max + log(sum + exp(p->own[n].z - max));
    *right = best_class == ((const int64_t *)a->in[2].p)[n];
}

static void fwd(const spk_kargs *a)
{
    const parts p = parts_of(a);
    int team = 1;
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const block b = block_of(&p, omp_get_thread_num());
        prepare_rows(a, &p);
        for (int64_t n = 0; n < p.n; n++)
            b.rows[n] = (gathered){.sum = 0, .max = -INFINITY, .best = -INFINITY};
#pragma omp single
        team = omp_get_num_threads();
#pragma omp for schedule(static)
        for (int64_t i = 0; i < p.n_blocks; i++) {
            const int64_t j0 = i * BLOCK, n_j = spk__min(BLOCK, p.s - j0);
            load_block(a, &p, &b, j0, n_j);
            for (int64_t n = 0; n < p.n; n++)
                gather_row(a, &p, &b, n, j0, n_j);
        }
    }
    double loss = 0, *save = a->save;
    int64_t n_right = 0;
    for (int64_t n = 0; n < p.n; n++) {
        double log_sum;
        bool right;
        finish_row(a, &p, team, n, &log_sum, &right);
        loss += log_sum - p.own[n].z;
        n_right += right;
        if (save) save[n] = log_sum;
    }
    float *out = a->out[0].p;
    out[0] = (float)(loss / (double)p.n);
    out[1] = (float)((double)n_right / (double)p.n);
}

/* ---- backward ---- */

/* The block's cosines become the gradient with respect to them. */
static void gradient_row(const spk_kargs *a, const parts *p, const block *b, int64_t n, int64_t j0, int64_t n_j)
{
    const double scale = ((const spk_aam_attr *)a->attr)->scale, log_sum = ((const double *)a->save)[n];
    const double factor = (double)*(const float *)a->dout[0].p / (double)p->n;
    const int64_t mine = ((const int64_t *)a->in[2].p)[n] - j0;
    const float s = (float)scale, l = (float)log_sum, f = (float)(factor * scale);
    float *c = b->cosine + n * BLOCK;
#pragma omp simd
    for (int64_t j = 0; j < BLOCK; j++)
        c[j] = j < n_j ? f * spk__expf(s * c[j] - l) : 0;
    if (mine >= 0 && mine < n_j) c[mine] = (float)(factor * p->own[n].slope * expm1(p->own[n].z - log_sum));
}

/* d += (du - u (u . du)) inv */
static void through_norm(float *d, bool add, const float *u, const float *du, int64_t n_d, float inv)
{
    double along = 0;
#pragma omp simd reduction(+ : along)
    for (int64_t i = 0; i < n_d; i++)
        along += (double)u[i] * (double)du[i];
    const float f = (float)along;
#pragma omp simd
    for (int64_t i = 0; i < n_d; i++)
        d[i] = (add ? d[i] : 0) + (du[i] - u[i] * f) * inv;
}

static void block_gradients(const spk_kargs *a, const parts *p, const block *b, int64_t j0, int64_t n_j)
{
    load_block(a, p, b, j0, n_j);
    for (int64_t n = 0; n < p->n; n++)
        gradient_row(a, p, b, n, j0, n_j);
    if (a->din[0].p) product(p->n, p->d, n_j, b->cosine, BLOCK, 1, b->w, p->d, b->de, p->d);
    if (!a->din[1].p) return;
    memset(b->dw, 0, (size_t)(n_j * p->d) * sizeof(float));
    product(n_j, p->d, p->n, b->cosine, 1, BLOCK, p->unit, p->d, b->dw, p->d);
    for (int64_t j = 0; j < n_j; j++)
        through_norm((float *)a->din[1].p + (j0 + j) * p->d, true, b->w + j * p->d, b->dw + j * p->d, p->d, b->inv[j]);
}

static void bwd(const spk_kargs *a)
{
    const parts p = parts_of(a);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        const block b = block_of(&p, omp_get_thread_num());
        const int team = omp_get_num_threads();
        prepare_rows(a, &p);
        memset(b.de, 0, (size_t)(p.n * p.d) * sizeof(float));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < p.n_blocks; i++)
            block_gradients(a, &p, &b, i * BLOCK, spk__min(BLOCK, p.s - i * BLOCK));
        if (a->din[0].p) {
#pragma omp for schedule(static)
            for (int64_t n = 0; n < p.n; n++) {
                float *de = block_of(&p, 0).de + n * p.d;
                for (int thread = 1; thread < team; thread++) {
                    const float *more = block_of(&p, thread).de + n * p.d;
#pragma omp simd
                    for (int64_t d = 0; d < p.d; d++)
                        de[d] += more[d];
                }
                through_norm(spk__row(&a->din[0], n), a->add[0], p.unit + n * p.d, de, p.d, p.inv[n]);
            }
        }
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_aam_softmax) = {
    .name = SPK_KERNEL_NAME, .save_bytes = save_bytes, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
