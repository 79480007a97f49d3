/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the losses over class weights share: the rows of the weights are taken in blocks, shared out among the threads.
 * A block's cosines with all embeddings are a small matrix product of the rows as they lie in memory, divided by their
 * norms behind it: no copy of the weights is made. Only what a loss gathers of the cosines leaves the block. The backward
 * pass makes the cosines again and turns them into gradients in place. Each pass reads a row once from memory; memory
 * does not grow with the classes. A block holds whole classes: all K rows (centres) of each.
 */
#ifndef SPK_CPU_CLASS_BLOCK_H
#define SPK_CPU_CLASS_BLOCK_H

#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/cpu/isa/product_impl.h"

enum { BLOCK = 64 };

/* ---- memory: one piece of scratch ---- */

typedef struct classes {
    int64_t n, d;             /* embeddings and their size */
    int64_t n_wide;           /* n and padding: whole tiles of the product */
    int64_t s, k;             /* classes, and rows of each */
    int64_t block, n_blocks;  /* classes of a block */
    char *shared;             /* the loss's own, of all threads */
    float *unit, *inv;        /* (N,D) unit embeddings; N: 1 / norm, 0 below the floor */
    float *turned;            /* (D,N_WIDE): unit embeddings as columns, zero in the padding */
    char *threads;            /* thread_bytes each */
    size_t thread_bytes, own; /* own: bytes of a thread that are the loss's */
} classes;

/* One thread's. */
typedef struct block {
    float *scale,
        *inv;    /* BLOCK each, of the rows: 1 / max(norm, floor), 0 where there is no row; the same, 0 at the floor */
    float *dots; /* (BLOCK,N_WIDE): rows times unit embeddings */
    float *cosine;   /* (N,BLOCK); gradients in the backward pass */
    float *dw, *de;  /* (BLOCK,D), (N,D): with respect to unit rows */
    char *own;       /* the loss's */
    int64_t c0, n_c; /* the loaded classes */
} block;

static inline size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static inline int64_t widened(int64_t n)
{
    return (n + SPK_PRODUCT_WIDTH - 1) / SPK_PRODUCT_WIDTH * SPK_PRODUCT_WIDTH;
}

static inline size_t thread_floats(int64_t n, int64_t n_d)
{
    return (size_t)(BLOCK * n_d + 2 * BLOCK + BLOCK * widened(n) + n * BLOCK + n * n_d);
}

static inline size_t unit_floats(int64_t n, int64_t n_d)
{
    return (size_t)(n * n_d + n + widened(n) * n_d);
}

/* With `shared` bytes for the loss, and `own` bytes for it in each thread. */
static inline size_t classes_bytes(const spk_geom *g, size_t shared, size_t own)
{
    const int64_t n = g->in[0].n, n_d = g->in[0].c;
    return padded(shared) + padded(unit_floats(n, n_d) * sizeof(float)) +
           (size_t)g->n_threads * (padded(thread_floats(n, n_d) * sizeof(float)) + padded(own));
}

static inline classes classes_of(const spk_kargs *a, int64_t k, size_t shared, size_t own)
{
    classes p = {.n = a->in[0].n, .d = a->in[0].c, .n_wide = widened(a->in[0].n), .k = k, .block = BLOCK / k};
    p.s = spk_rows(&a->in[1]) * a->in[1].c / p.d / k;
    p.n_blocks = (p.s + p.block - 1) / p.block;
    p.shared = a->scratch;
    p.unit = (float *)(void *)(p.shared + padded(shared));
    p.turned = p.unit + p.n * p.d;
    p.inv = p.turned + p.n_wide * p.d;
    p.threads = (char *)p.unit + padded(unit_floats(p.n, p.d) * sizeof(float));
    p.own = padded(own);
    p.thread_bytes = padded(thread_floats(p.n, p.d) * sizeof(float)) + p.own;
    return p;
}

static inline block block_of(const classes *p, int thread)
{
    char *at = p->threads + p->thread_bytes * (size_t)thread;
    block b = {.dw = (float *)(void *)at};
    b.dots = b.dw + BLOCK * p->d;
    b.scale = b.dots + BLOCK * p->n_wide;
    b.inv = b.scale + BLOCK;
    b.cosine = b.inv + BLOCK;
    b.de = b.cosine + p->n * BLOCK;
    b.own = at + p->thread_bytes - p->own;
    return b;
}

/* ---- unit rows and cosines ---- */

enum { SUMS = 4 };

/* |v|, summed in double. */
static inline double norm_of(const float *v, int64_t n_d)
{
    const int64_t part = n_d / SUMS;
    double square = 0, more = 0, again = 0, last = 0; /* several sums, as one would wait for itself */
#pragma omp simd reduction(+ : square, more, again, last)
    for (int64_t d = 0; d < part; d++) {
        const double x = (double)v[d], y = (double)v[d + part], z = (double)v[d + 2 * part];
        const double w = (double)v[d + 3 * part];
        square += x * x;
        more += y * y;
        again += z * z;
        last += w * w;
    }
    for (int64_t d = SUMS * part; d < n_d; d++)
        square += (double)v[d] * (double)v[d];
    return sqrt((square + more) + (again + last));
}

/* Embedding n as a unit row and a unit column: v / max(|v|, 1e-12); 1 / |v|, or 0 below the floor, where no gradient
 * passes. With the last one the padding is made zero. */
static inline void unit_embedding(const spk_kargs *a, const classes *p, int64_t n)
{
    const float *v = spk__row(&a->in[0], n);
    float *u = p->unit + n * p->d;
    const double norm = norm_of(v, p->d);
    const float inv = (float)(1 / fmax(norm, 1e-12));
    for (int64_t d = 0; d < p->d; d++)
        u[d] = p->turned[d * p->n_wide + n] = v[d] * inv;
    p->inv[n] = norm < 1e-12 ? 0 : inv;
    for (int64_t i = p->n; n == p->n - 1 && i < p->n_wide; i++)
        for (int64_t d = 0; d < p->d; d++)
            p->turned[d * p->n_wide + i] = 0;
}

/* The cosine of embedding n with row r of the weights, in double. */
static inline double exact_cosine(const spk_kargs *a, const classes *p, int64_t n, int64_t r)
{
    const float *e = spk__row(&a->in[0], n), *w = (const float *)a->in[1].p + r * p->d;
    double dot = 0, ee = 0, ww = 0;
#pragma omp simd reduction(+ : dot, ee, ww)
    for (int64_t d = 0; d < p->d; d++) {
        const double x = (double)e[d], y = (double)w[d];
        dot += x * y;
        ee += x * x;
        ww += y * y;
    }
    return dot / (fmax(sqrt(ee), 1e-12) * fmax(sqrt(ww), 1e-12));
}

static inline const float *rows_of(const spk_kargs *a, const classes *p, const block *b)
{
    return (const float *)a->in[1].p + b->c0 * p->k * p->d;
}

/* Block i: its cosines with all embeddings. Columns without a row are zero. */
static inline void load_block(const spk_kargs *a, const classes *p, block *b, int64_t i)
{
    b->c0 = i * p->block;
    b->n_c = spk__min(p->block, p->s - b->c0);
    const int64_t rows = b->n_c * p->k;
    const float *w = rows_of(a, p, b);
    for (int64_t j = 0; j < rows; j++) {
        const double norm = norm_of(w + j * p->d, p->d);
        b->scale[j] = (float)(1 / fmax(norm, 1e-12));
        b->inv[j] = norm < 1e-12 ? 0 : b->scale[j];
    }
    for (int64_t j = rows; j < BLOCK; j++)
        b->scale[j] = b->inv[j] = 0;
    memset(b->dots, 0, (size_t)(BLOCK * p->n_wide) * sizeof(float));
    spk__product(rows, p->n_wide, p->d, w, p->d, 1, p->turned, p->n_wide, b->dots, p->n_wide);
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t j = 0; j < BLOCK; j++)
            b->cosine[n * BLOCK + j] = b->dots[j * p->n_wide + n] * b->scale[j];
}

/* ---- gradients ---- */

/* d += (du - u (u . du)) inv */
static inline void through_norm(float *d, bool add, const float *u, const float *du, int64_t n_d, float inv)
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

/* d += dv - v (v . dv) inv^2: dv is that of the unit row, times inv. */
static inline void through_row(float *d, const float *v, const float *dv, int64_t n_d, float inv)
{
    double along = 0;
    if (inv == 0) return;
#pragma omp simd reduction(+ : along)
    for (int64_t i = 0; i < n_d; i++)
        along += (double)v[i] * (double)dv[i];
    const float f = (float)(along * (double)inv * (double)inv);
#pragma omp simd
    for (int64_t i = 0; i < n_d; i++)
        d[i] += dv[i] - v[i] * f;
}

/* The gradients of the block's cosines into the thread's gradients of embeddings, and into those of its weights. */
static inline void block_backward(const spk_kargs *a, const classes *p, const block *b)
{
    const int64_t rows = b->n_c * p->k;
    const float *w = rows_of(a, p, b);
    for (int64_t n = 0; n < p->n; n++) { /* of cosines: now of the rows' dots with unit embeddings */
#pragma omp simd
        for (int64_t j = 0; j < BLOCK; j++)
            b->cosine[n * BLOCK + j] *= b->scale[j];
    }
    if (a->din[0].p) spk__product(p->n, p->d, rows, b->cosine, BLOCK, 1, w, p->d, b->de, p->d);
    if (!a->din[1].p) return;
    memset(b->dw, 0, (size_t)(rows * p->d) * sizeof(float));
    spk__product(rows, p->d, p->n, b->cosine, 1, BLOCK, p->unit, p->d, b->dw, p->d);
    for (int64_t j = 0; j < rows; j++)
        through_row((float *)a->din[1].p + (b->c0 * p->k + j) * p->d, w + j * p->d, b->dw + j * p->d, p->d, b->inv[j]);
}

/* The gradient of embedding n from those of `team` threads, in their order. */
static inline void embedding_backward(const spk_kargs *a, const classes *p, int team, int64_t n)
{
    float *de = block_of(p, 0).de + n * p->d;
    for (int thread = 1; thread < team; thread++) {
        const float *more = block_of(p, thread).de + n * p->d;
#pragma omp simd
        for (int64_t d = 0; d < p->d; d++)
            de[d] += more[d];
    }
    through_norm(spk__row(&a->din[0], n), a->add[0], p->unit + n * p->d, de, p->d, p->inv[n]);
}

#endif
