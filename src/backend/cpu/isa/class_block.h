/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the losses over class weights share: the rows of the weights are taken in blocks, shared out among the threads.
 * A block's rows are made unit rows, and their cosines with all embeddings are a small matrix product; only what a loss
 * gathers of them leaves the block. The backward pass makes the cosines again and turns them into gradients in place.
 * A block holds whole classes: all K rows (centres) of each.
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
    int64_t s, k;             /* classes, and rows of each */
    int64_t block, n_blocks;  /* classes of a block */
    char *shared;             /* the loss's own, of all threads */
    float *unit, *inv;        /* (N,D) unit embeddings; N: 1 / norm, 0 below the floor */
    char *threads;            /* thread_bytes each */
    size_t thread_bytes, own; /* own: bytes of a thread that are the loss's */
} classes;

/* One thread's. */
typedef struct block {
    float *w, *wt, *inv; /* (BLOCK,D) unit rows, (D,BLOCK), BLOCK */
    float *cosine;       /* (N,BLOCK); gradients in the backward pass */
    float *dw, *de;      /* (BLOCK,D), (N,D): with respect to unit rows */
    char *own;           /* the loss's */
    int64_t c0, n_c;     /* the loaded classes */
} block;

static inline size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static inline size_t thread_floats(int64_t n, int64_t n_d)
{
    return (size_t)(3 * BLOCK * n_d + BLOCK + n * BLOCK + n * n_d);
}

/* With `shared` bytes for the loss, and `own` bytes for it in each thread. */
static inline size_t classes_bytes(const spk_geom *g, size_t shared, size_t own)
{
    const int64_t n = g->in[0].n, n_d = g->in[0].c;
    return padded(shared) + padded((size_t)(n * n_d + n) * sizeof(float)) +
           (size_t)g->n_threads * (padded(thread_floats(n, n_d) * sizeof(float)) + padded(own));
}

static inline classes classes_of(const spk_kargs *a, int64_t k, size_t shared, size_t own)
{
    classes p = {.n = a->in[0].n, .d = a->in[0].c, .k = k, .block = BLOCK / k};
    p.s = spk_rows(&a->in[1]) * a->in[1].c / p.d / k;
    p.n_blocks = (p.s + p.block - 1) / p.block;
    p.shared = a->scratch;
    p.unit = (float *)(void *)(p.shared + padded(shared));
    p.inv = p.unit + p.n * p.d;
    p.threads = (char *)p.unit + padded((size_t)(p.n * p.d + p.n) * sizeof(float));
    p.own = padded(own);
    p.thread_bytes = padded(thread_floats(p.n, p.d) * sizeof(float)) + p.own;
    return p;
}

static inline block block_of(const classes *p, int thread)
{
    char *at = p->threads + p->thread_bytes * (size_t)thread;
    block b = {.w = (float *)(void *)at};
    b.wt = b.w + BLOCK * p->d;
    b.dw = b.wt + BLOCK * p->d;
    b.inv = b.dw + BLOCK * p->d;
    b.cosine = b.inv + BLOCK;
    b.de = b.cosine + p->n * BLOCK;
    b.own = at + p->thread_bytes - p->own;
    return b;
}

/* ---- unit rows and cosines ---- */

/* u = v / max(|v|, 1e-12); gives 1 / |v|, or 0 below the floor, where no gradient passes. */
static inline float unit_row(const float *v, int64_t n_d, float *u)
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

/* Block i: its unit rows and their cosines with all embeddings. Columns without a row are zero. */
static inline void load_block(const spk_kargs *a, const classes *p, block *b, int64_t i)
{
    b->c0 = i * p->block;
    b->n_c = spk__min(p->block, p->s - b->c0);
    for (int64_t j = 0; j < BLOCK; j++) {
        if (j < b->n_c * p->k)
            b->inv[j] = unit_row((const float *)a->in[1].p + (b->c0 * p->k + j) * p->d, p->d, b->w + j * p->d);
        else
            memset(b->w + j * p->d, 0, (size_t)p->d * sizeof(float));
        for (int64_t d = 0; d < p->d; d++)
            b->wt[d * BLOCK + j] = b->w[j * p->d + d];
    }
    memset(b->cosine, 0, (size_t)(p->n * BLOCK) * sizeof(float));
    spk__product(p->n, BLOCK, p->d, p->unit, p->d, 1, b->wt, BLOCK, b->cosine, BLOCK);
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

/* The gradients of the block's cosines into the thread's gradients of embeddings, and into those of its weights. */
static inline void block_backward(const spk_kargs *a, const classes *p, const block *b)
{
    const int64_t rows = b->n_c * p->k, r0 = b->c0 * p->k;
    if (a->din[0].p) spk__product(p->n, p->d, rows, b->cosine, BLOCK, 1, b->w, p->d, b->de, p->d);
    if (!a->din[1].p) return;
    memset(b->dw, 0, (size_t)(rows * p->d) * sizeof(float));
    spk__product(rows, p->d, p->n, b->cosine, 1, BLOCK, p->unit, p->d, b->dw, p->d);
    for (int64_t j = 0; j < rows; j++)
        through_norm((float *)a->din[1].p + (r0 + j) * p->d, true, b->w + j * p->d, b->dw + j * p->d, p->d, b->inv[j]);
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
