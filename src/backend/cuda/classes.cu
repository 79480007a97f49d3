/* SPDX-License-Identifier: Apache-2.0 */
/* What the losses over class weights share (classes_impl.h). */
#include "backend/cuda/classes_impl.h"

enum { WARPS = SPK_CLASS_THREADS / 32 };

/* ---- places ---- */

void spk_classes_lay(spk_classes *c, const spk_view *e, const spk_view *w, int64_t k, spk_places *at)
{
    *c = {};
    c->n = e->n;
    c->d = e->c;
    c->k = k;
    c->s = spk_rows(w) * w->c / c->d / k; /* dense, however the view is cut */
    c->block = SPK_CLASS_BLOCK / k < 1 ? 1 : SPK_CLASS_BLOCK / k < c->s ? SPK_CLASS_BLOCK / k : c->s;
    c->n_blocks = (c->s + c->block - 1) / c->block;
    c->ld = (c->block * k + 7) / 8 * 8; /* the products like rows of whole 32 bytes */
    c->parts = (c->block + SPK_CLASS_PART - 1) / SPK_CLASS_PART;
    c->n_parts = c->parts * c->n_blocks;
    c->unit = at->take<float>(c->n * c->d);
    c->e_inv = at->take<float>(c->n);
    c->own = at->take<double>(c->n);
    c->own_row = at->take<int64_t>(c->n);
    c->dots = at->take<float>(c->n * c->ld);
    c->scale = at->take<float>(c->block * k);
    c->w_inv = at->take<float>(c->block * k);
    c->de = at->take<float>(c->n * c->d);
    c->dw = at->take<float>(c->block * k * c->d);
    c->row = at->take<double>(2 * c->n);
}

spk_classes spk_classes_of(const spk_kargs *a, int64_t k, spk_places *at)
{
    spk_classes c;
    spk_classes_lay(&c, &a->in[0], &a->in[1], k, at);
    c.e = static_cast<const float *>(a->in[0].p);
    c.e_ld = a->in[0].ld;
    c.w = static_cast<const float *>(a->in[1].p);
    c.label = static_cast<const int64_t *>(a->in[2].p);
    return c;
}

spk_status spk_margins_create(const spk_geom *g, const double *margin, int64_t n, void **state)
{
    spk_margins *m = static_cast<spk_margins *>(malloc(sizeof *m));
    if (!m) spk_cuda_short_of_memory(sizeof *m);
    *m = {g->device, margin, spk_cuda_follow(g, margin, n)};
    *state = m;
    return SPK_OK;
}

void spk_margins_destroy(void *state)
{
    spk_margins *m = static_cast<spk_margins *>(state);
    if (!m) return;
    spk_cuda_unfollow(m->device, m->host);
    free(m);
}

/* ---- unit rows and dots ---- */

/* Row n: v / max(|v|, 1e-12), and the nearest centre of its own class. */
static __global__ void prepare_row(spk_classes c)
{
    __shared__ double room[32];
    const int64_t n = blockIdx.x;
    const float *e = c.e + n * c.e_ld;
    double square = 0, best = 0;
    for (int64_t d = threadIdx.x; d < c.d; d += blockDim.x)
        square += static_cast<double>(e[d]) * static_cast<double>(e[d]);
    const double norm = sqrt(spk_block_sum(square, room));
    const float inv = static_cast<float>(1 / fmax(norm, 1e-12));
    for (int64_t d = threadIdx.x; d < c.d; d += blockDim.x)
        c.unit[n * c.d + d] = e[d] * inv;
    const int64_t first = c.label[n] * c.k;
    int64_t at = first;
    for (int64_t r = first; r < first + c.k; r++) {
        const double cosine = spk_exact_cosine(c, n, r, room);
        if (r > first && !(cosine > best)) continue;
        best = cosine;
        at = r;
    }
    if (threadIdx.x > 0) return;
    c.e_inv[n] = norm < 1e-12 ? 0 : inv;
    c.own[n] = best;
    c.own_row[n] = at;
}

void spk_classes_prepare(const spk_kargs *a, const spk_classes *c)
{
    spk_launch(spk_cuda_of(a), prepare_row, static_cast<unsigned>(c->n), SPK_ROW_THREADS, 0, *c);
}

/* A warp for each row of the block. */
static __global__ void norm_rows(spk_classes c, spk_class_block b)
{
    const int64_t r = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (r >= b.rows) return;
    const float *w = c.w + (b.r0 + r) * c.d;
    double square = 0;
    for (int64_t d = threadIdx.x % 32; d < c.d; d += 32)
        square += static_cast<double>(w[d]) * static_cast<double>(w[d]);
    const double norm = sqrt(spk_warp_sum(square));
    if (threadIdx.x % 32 > 0) return;
    c.scale[r] = static_cast<float>(1 / fmax(norm, 1e-12));
    c.w_inv[r] = norm < 1e-12 ? 0 : c.scale[r];
}

static spk_matrix matrix_of(const float *p, int64_t rows, int64_t cols, int64_t ld)
{
    return {const_cast<float *>(p), SPK_F32, rows, cols, ld, 0};
}

spk_class_block spk_classes_load(const spk_kargs *a, const spk_classes *c, int64_t i)
{
    spk_class_block b = {};
    b.i = i;
    b.c0 = i * c->block;
    b.n_c = c->s - b.c0 < c->block ? c->s - b.c0 : c->block;
    b.r0 = b.c0 * c->k;
    b.rows = b.n_c * c->k;
    spk_launch(spk_cuda_of(a), norm_rows, spk_blocks(b.rows, WARPS), SPK_CLASS_THREADS, 0, *c, b);
    const spk_matrix unit = matrix_of(c->unit, c->n, c->d, c->d), dots = matrix_of(c->dots, c->n, b.rows, c->ld);
    const spk_matrix w = matrix_of(c->w + b.r0 * c->d, b.rows, c->d, c->d);
    spk_product how = {};
    how.transpose_b = true;
    how.batch = 1;
    spk_cuda_product(spk_cuda_of(a), &unit, &w, &dots, &how);
    return b;
}

/* ---- gradients ---- */

/* d += dv - v (v . dv) inv^2: dv is that of the unit row, times inv. A warp for each row of the block. */
static __global__ void through_rows(spk_classes c, spk_class_block b, float *all)
{
    const int64_t r = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    if (r >= b.rows || c.w_inv[r] == 0) return;
    const float *v = c.w + (b.r0 + r) * c.d, *dv = c.dw + r * c.d;
    float *d = all + (b.r0 + r) * c.d;
    const double inv = static_cast<double>(c.w_inv[r]);
    double along = 0;
    for (int64_t i = threadIdx.x % 32; i < c.d; i += 32)
        along += static_cast<double>(v[i]) * static_cast<double>(dv[i]);
    const float f = static_cast<float>(spk_warp_sum(along) * inv * inv);
    for (int64_t i = threadIdx.x % 32; i < c.d; i += 32)
        d[i] += dv[i] - v[i] * f;
}

void spk_classes_back(const spk_kargs *a, const spk_classes *c, const spk_class_block *b)
{
    const spk_matrix dots = matrix_of(c->dots, c->n, b->rows, c->ld);
    const spk_matrix w = matrix_of(c->w + b->r0 * c->d, b->rows, c->d, c->d),
                     unit = matrix_of(c->unit, c->n, c->d, c->d);
    const spk_matrix de = matrix_of(c->de, c->n, c->d, c->d), dw = matrix_of(c->dw, b->rows, c->d, c->d);
    spk_product to_e = {}, to_w = {};
    to_e.batch = to_w.batch = 1;
    to_e.add = b->i > 0;
    to_w.transpose_a = true;
    if (a->din[0].p) spk_cuda_product(spk_cuda_of(a), &dots, &w, &de, &to_e);
    if (!a->din[1].p) return;
    spk_cuda_product(spk_cuda_of(a), &dots, &unit, &dw, &to_w);
    spk_launch(spk_cuda_of(a), through_rows, spk_blocks(b->rows, WARPS), SPK_CLASS_THREADS, 0, *c, *b,
               static_cast<float *>(a->din[1].p));
}

/* (du - u (u . du)) inv, written or added to. */
static __global__ void through_embedding(spk_classes c, float *all, int64_t ld, bool add)
{
    __shared__ double room[32];
    const int64_t n = blockIdx.x;
    const float *u = c.unit + n * c.d, *du = c.de + n * c.d, inv = c.e_inv[n];
    double along = 0;
    for (int64_t d = threadIdx.x; d < c.d; d += blockDim.x)
        along += static_cast<double>(u[d]) * static_cast<double>(du[d]);
    const float f = static_cast<float>(spk_block_sum(along, room));
    for (int64_t d = threadIdx.x; d < c.d; d += blockDim.x)
        spk_put(all + n * ld + d, (du[d] - u[d] * f) * inv, add);
}

void spk_classes_finish(const spk_kargs *a, const spk_classes *c)
{
    if (a->din[0].p)
        spk_launch(spk_cuda_of(a), through_embedding, static_cast<unsigned>(c->n), SPK_ROW_THREADS, 0, *c,
                   static_cast<float *>(a->din[0].p), a->din[0].ld, a->add[0]);
}

/* ---- the loss ---- */

static __global__ void total(const double *row, int64_t n, bool silent, float *out)
{
    __shared__ double room[32];
    double loss = 0, right = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        loss += row[2 * i];
        right += row[2 * i + 1];
    }
    loss = spk_block_sum(loss, room);
    right = spk_block_sum(right, room);
    if (threadIdx.x > 0) return;
    out[0] = static_cast<float>(loss / static_cast<double>(n));
    out[1] = silent ? 0 : static_cast<float>(right / static_cast<double>(n));
}

void spk_loss_total(const spk_kargs *a, const double *row, int64_t n, bool silent)
{
    spk_launch(spk_cuda_of(a), total, 1, SPK_CLASS_THREADS, 0, row, n, silent, static_cast<float *>(a->out[0].p));
}
