/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the losses over class weights share on a GPU (classes.cu). The rows of the weights are taken in blocks of whole
 * classes, so that room does not grow with the classes: a block's dots with all unit embeddings are one matrix product
 * of the weights as they lie in memory, divided by their norms where they are read. What is gathered of a row and a
 * share of a block's classes (a part, one thread block) is written to its own place and joined over all parts at the
 * end, in their order. The backward pass makes the dots again and turns them into gradients in place.
 */
#ifndef SPK_CUDA_CLASSES_IMPL_H
#define SPK_CUDA_CLASSES_IMPL_H

#include "backend/cuda/cuda_impl.h"
#include "backend/margin_impl.h"

enum {
    SPK_CLASS_THREADS = 256,
    SPK_CLASS_ITEMS = 4, /* classes of a thread */
    SPK_CLASS_PART = SPK_CLASS_THREADS * SPK_CLASS_ITEMS,
    SPK_CLASS_BLOCK = 8192, /* rows of weights */
    SPK_ROW_THREADS = 128   /* where a block has one row of D elements */
};

/* Places in a piece of memory, one behind the other; without memory it counts bytes. */
struct spk_places {
    char *base;
    size_t bytes;
    template <typename T> T *take(int64_t n)
    {
        T *p = base ? reinterpret_cast<T *>(base + bytes) : nullptr;
        bytes += (static_cast<size_t>(n) * sizeof(T) + 63) / 64 * 64;
        return p;
    }
};

/* Kernels get it by value. */
struct spk_classes {
    int64_t n, d;            /* embeddings and their size */
    int64_t s, k;            /* classes, and rows of each (centres) */
    int64_t block, n_blocks; /* classes of a block */
    int64_t ld;              /* of dots */
    int64_t parts, n_parts;  /* of a block, of all */
    const float *e, *w;
    int64_t e_ld;
    const int64_t *label;
    float *unit, *e_inv;  /* (N,D) unit embeddings; N: 1 / norm, 0 below the floor, where no gradient passes */
    double *own;          /* N: the cosine with the row's own class */
    int64_t *own_row;     /* N: which row of the weights gave it */
    float *dots;          /* (N,LD): unit embeddings with the block's rows; gradients in the backward pass */
    float *scale, *w_inv; /* of the block's rows: 1 / max(norm, floor); the same, 0 below the floor */
    float *de, *dw;       /* (N,D), (block's rows,D): with respect to unit rows */
    double *row;          /* (N,2): loss, and whether it is right */
};

struct spk_class_block {
    int64_t i, c0, n_c; /* the block's classes begin at c0 */
    int64_t r0, rows;
};

/* Extents of a geometry or of arguments, and the places of all but e, w and label. */
void spk_classes_lay(spk_classes *c, const spk_view *e, const spk_view *w, int64_t k, spk_places *at);
/* With the addresses of a run. */
spk_classes spk_classes_of(const spk_kargs *a, int64_t k, spk_places *at);
static inline bool spk_classes_fit(const spk_geom *g)
{
    return g->in[0].dtype == SPK_F32 && g->in[1].dtype == SPK_F32 && g->in[2].dtype == SPK_I64;
}

/* A loss's state: its margins, which follow the host's. */
struct spk_margins {
    const spk_device *device;
    const double *host, *there;
};
spk_status spk_margins_create(const spk_geom *g, const double *margin, int64_t n, void **state);
void spk_margins_destroy(void *state);

/* Unit embeddings and own classes. */
void spk_classes_prepare(const spk_kargs *a, const spk_classes *c);
/* Block i: norms and dots. */
spk_class_block spk_classes_load(const spk_kargs *a, const spk_classes *c, int64_t i);
/* The gradients with respect to the block's dots go into de and, through the norms, to the weights. */
void spk_classes_back(const spk_kargs *a, const spk_classes *c, const spk_class_block *b);
/* From de to the embeddings. */
void spk_classes_finish(const spk_kargs *a, const spk_classes *c);
/* out: the mean of n rows (loss, right); no accuracy where `silent`. */
void spk_loss_total(const spk_kargs *a, const double *row, int64_t n, bool silent);

/* Blocks of a launch with a thread block for each part of block b and each row. */
static inline dim3 spk_class_grid(const spk_classes *c)
{
    return dim3(static_cast<unsigned>(c->parts * c->n));
}

/* ---- in kernels ---- */

/* A class by its cosine and the row that gave it (there is no memory for 2^31 rows); row < 0: none. */
struct spk_near {
    float cosine;
    int32_t row;
};

/* Falling cosines, equal ones in the order of their rows; none is last. NaN never stands before another. */
__device__ static inline bool spk_before(spk_near a, spk_near b)
{
    return a.row >= 0 &&
           (a.cosine > b.cosine || (a.cosine == b.cosine && a.row < b.row) || (b.row < 0 && a.cosine == a.cosine));
}

/* The first in that order over the block, to all; room: 32. */
__device__ static inline spk_near spk_block_first(spk_near x, spk_near *room)
{
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int n = static_cast<int>(blockDim.x) / 32;
    for (int round = 0; round < 2; round++) {
        for (int offset = 16; offset > 0; offset /= 2) {
            spk_near y;
            y.cosine = __shfl_xor_sync(0xffffffffu, x.cosine, offset);
            y.row = __shfl_xor_sync(0xffffffffu, x.row, offset);
            if (spk_before(y, x)) x = y;
        }
        if (round == 0) {
            if (lane == 0) room[warp] = x;
            __syncthreads();
            x = room[lane < n ? lane : 0];
        }
    }
    __syncthreads();
    return x;
}

/* Class j of the block: the cosine of its nearest centre, the first of equal ones. The own class's is the exact one, so
 * that all passes see the same. */
__device__ static inline spk_near spk_class_cosine(const spk_classes &c, const spk_class_block &b, int64_t n, int64_t j)
{
    spk_near best = {-INFINITY, -1};
    if (j >= b.n_c) return best;
    const float *dots = c.dots + n * c.ld + j * c.k, *scale = c.scale + j * c.k;
    for (int64_t r = 0; r < c.k; r++) {
        const spk_near x = {dots[r] * scale[r], static_cast<int32_t>(b.r0 + j * c.k + r)};
        if (r == 0 || x.cosine > best.cosine) best = x;
    }
    if (b.c0 + j == c.label[n]) best.cosine = static_cast<float>(c.own[n]);
    return best;
}

/* The cosine of a row of embeddings with one of weights, in double, by all threads of the block; room: 32. */
__device__ static inline double spk_exact_cosine(const spk_classes &c, int64_t n, int64_t r, double *room)
{
    const float *e = c.e + n * c.e_ld, *w = c.w + r * c.d;
    double dot = 0, ee = 0, ww = 0;
    for (int64_t d = threadIdx.x; d < c.d; d += blockDim.x) {
        const double x = static_cast<double>(e[d]), y = static_cast<double>(w[d]);
        dot += x * y;
        ee += x * x;
        ww += y * y;
    }
    dot = spk_block_sum(dot, room);
    ee = spk_block_sum(ee, room);
    ww = spk_block_sum(ww, room);
    return dot / (fmax(sqrt(ee), 1e-12) * fmax(sqrt(ww), 1e-12));
}

#endif
