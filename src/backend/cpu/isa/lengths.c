/* SPDX-License-Identifier: Apache-2.0 */
/* Where items end: mask, pad_time. */
#include "backend/cpu/isa_impl.h"

#include <string.h>

/* ---- mask: frames are rows of sound, or rows of a picture with all their bins ---- */

SPK_INLINE void move_row(spk_elem *to, const spk_elem *from, int64_t n_c, int mode)
{
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++)
        spk__store_elem(to + c, spk__get(from[c]), mode);
}

/* `x` has the lengths; rows of `from` into `to` where they are not hidden. */
SPK_INLINE void mask_rows(const spk_kargs *a, const spk_view *from, const spk_view *to, int mode)
{
    const spk_view *x = &a->in[0];
    const int64_t rows = spk_rows(x), n_c = x->c, bins = x->h > 1 ? x->w : 1, n_t = x->h > 1 ? x->h : x->w;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        if (!x->len || r / bins % n_t < x->len[r / bins / n_t])
            move_row(spk__frame(to, r), spk__frame(from, r), n_c, mode);
        else if (mode == SPK_WRITE)
            memset(spk__frame(to, r), 0, (size_t)n_c * sizeof(spk_elem));
    }
}

static void mask_fwd(const spk_kargs *a)
{
    mask_rows(a, &a->in[0], &a->out[0], SPK_WRITE);
}

static void mask_bwd(const spk_kargs *a)
{
    if (spk__mode(a, 0) == SPK_ADD)
        mask_rows(a, &a->dout[0], &a->din[0], SPK_ADD);
    else if (spk__mode(a, 0) == SPK_WRITE)
        mask_rows(a, &a->dout[0], &a->din[0], SPK_WRITE);
}

/* ---- pad_time ---- */

/* The frame that frame u of the result repeats; -1: none, it is zero. */
static int64_t source(const spk_view *x, int64_t n, int64_t pad, int64_t u)
{
    const int64_t len = spk__n_valid(x, n);
    return u < len + 2 * pad && len > 0 ? spk_melspec_sample(SPK_EDGES_REFLECT, u - pad, len) : -1;
}

static void pad_time_fwd(const spk_kargs *a)
{
    const int64_t pad = ((const spk_pad_time_attr *)a->attr)->pad, n_t = spk__n_frames(&a->in[0]), n_u = n_t + 2 * pad;
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->in[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t n = r / n_u, t = source(&a->in[0], n, pad, r % n_u);
        if (t < 0)
            memset(spk__frame(&a->out[0], r), 0, (size_t)n_c * sizeof(spk_elem));
        else
            move_row(spk__frame(&a->out[0], r), spk__frame(&a->in[0], n * n_t + t), n_c, SPK_WRITE);
    }
}

/* An item's frames one after the other: several may go to one. */
static void pad_time_bwd(const spk_kargs *a)
{
    const int64_t pad = ((const spk_pad_time_attr *)a->attr)->pad, n_t = spk__n_frames(&a->in[0]), n_u = n_t + 2 * pad;
    const int64_t n_items = a->in[0].n, n_c = a->in[0].c;
    if (spk__mode(a, 0) == SPK_SKIP) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < n_items; n++) {
        for (int64_t t = 0; t < n_t && !a->add[0]; t++)
            memset(spk__frame(&a->din[0], n * n_t + t), 0, (size_t)n_c * sizeof(spk_elem));
        for (int64_t u = 0; u < n_u; u++) {
            const int64_t t = source(&a->in[0], n, pad, u);
            if (t >= 0)
                move_row(spk__frame(&a->din[0], n * n_t + t), spk__frame(&a->dout[0], n * n_u + u), n_c, SPK_ADD);
        }
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_mask) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = mask_fwd, .bwd = mask_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_pad_time) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = pad_time_fwd, .bwd = pad_time_bwd};
