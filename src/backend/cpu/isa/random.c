/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that draw: dropout, choose. Both passes draw the same (draw_impl.h), so nothing is saved. */
#include "backend/cpu/isa/draw_chunk.h"

#include <string.h>

/* ---- dropout ---- */

/* The rows of `from` into `to`, or added, without what is dropped. */
SPK_INLINE void drop_rows(const spk_kargs *a, const spk_view *from, const spk_view *to, int mode)
{
    const spk_dropout_attr *attr = a->attr;
    const spk_draw_key key = spk__draw_key(&a->ctx->draws, attr->stream);
    const uint32_t bound = spk__drop_below(attr->p);
    const float scale = (float)spk__drop_scale(attr->p);
    const int64_t rows = spk_rows(from), n_c = from->c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(from, r);
        spk_elem *y = spk__frame(to, r);
        for (int64_t c = 0, n; c < n_c; c += n) {
            uint32_t draw[SPK_DRAW_CHUNK];
            const uint32_t *d = spk__draw_from(key, (uint64_t)(r * n_c + c), draw, &n);
            n = spk__min(n, n_c - c);
#pragma omp simd
            for (int64_t i = 0; i < n; i++)
                spk__store_elem(y + c + i, d[i] >= bound ? spk__get(x[c + i]) * scale : 0, mode);
        }
    }
}

static void dropout_fwd(const spk_kargs *a)
{
    drop_rows(a, &a->in[0], &a->out[0], SPK_WRITE);
}

static void dropout_bwd(const spk_kargs *a)
{
    if (spk__mode(a, 0) == SPK_ADD)
        drop_rows(a, &a->dout[0], &a->din[0], SPK_ADD);
    else if (spk__mode(a, 0) == SPK_WRITE)
        drop_rows(a, &a->dout[0], &a->din[0], SPK_WRITE);
}

/* ---- choose ---- */

static int which(const spk_kargs *a)
{
    const spk_choose_attr *attr = a->attr;
    return spk__draw(spk__draw_key(&a->ctx->draws, attr->stream), 0) < spk__drop_below(attr->p) ? 0 : 1;
}

/* The rows of `from` (NULL: zeros) into `to`. */
SPK_INLINE void move_rows(const spk_kargs *a, const spk_view *from, const spk_view *to, int mode)
{
    const int64_t rows = spk_rows(to), n_c = to->c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        spk_elem *y = spk__frame(to, r);
        if (!from) {
            memset(y, 0, (size_t)n_c * sizeof *y);
            continue;
        }
        const spk_elem *x = spk__frame(from, r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(y + c, spk__get(x[c]), mode);
    }
}

static void choose_fwd(const spk_kargs *a)
{
    move_rows(a, &a->in[which(a)], &a->out[0], SPK_WRITE);
}

static void choose_bwd(const spk_kargs *a)
{
    const int chosen = which(a);
    for (int i = 0; i < 2; i++) {
        const int mode = spk__mode(a, i);
        if (mode == SPK_WRITE && i == chosen)
            move_rows(a, &a->dout[0], &a->din[i], SPK_WRITE);
        else if (mode == SPK_WRITE)
            move_rows(a, NULL, &a->din[i], SPK_WRITE);
        else if (mode == SPK_ADD && i == chosen)
            move_rows(a, &a->dout[0], &a->din[i], SPK_ADD);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_dropout) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = dropout_fwd, .bwd = dropout_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_choose) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(3, 1), .fwd = choose_fwd, .bwd = choose_bwd};
