/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element: add, copy. */
#include "backend/cpu/isa_impl.h"

#include <math.h>

/* The rows of `from` written into `to`, or added. */
SPK_INLINE void move_rows(const spk_kargs *a, const spk_view *from, const spk_view *to, int mode)
{
    const int64_t rows = spk_rows(from), n_c = from->c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(from, r);
        spk_elem *y = spk__frame(to, r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(y + c, spk__get(x[c]), mode);
    }
}

static void pass_gradient(const spk_kargs *a, int i)
{
    if (spk__mode(a, i) == SPK_ADD)
        move_rows(a, &a->dout[0], &a->din[i], SPK_ADD);
    else if (spk__mode(a, i) == SPK_WRITE)
        move_rows(a, &a->dout[0], &a->din[i], SPK_WRITE);
}

static void copy_fwd(const spk_kargs *a)
{
    move_rows(a, &a->in[0], &a->out[0], SPK_WRITE);
}

static void copy_bwd(const spk_kargs *a)
{
    pass_gradient(a, 0);
}

/* ---- add ---- */

SPK_INLINE void sum_rows(const spk_kargs *a, bool relu)
{
    const float factor = (float)((const spk_add_attr *)a->attr)->factor;
    const spk_view *x0 = &a->in[0], *x1 = &a->in[1], *y = &a->out[0];
    const spk_span w = spk__span(spk_rows(y), y->c, spk__dense(x0) && spk__dense(x1) && spk__dense(y));
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < w.rows; r++) {
        const spk_elem *p0 = spk__wide(x0, &w, r), *p1 = spk__wide(x1, &w, r);
        spk_elem *q = spk__wide(y, &w, r);
        const int64_t n = spk__width(&w, r);
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            const float v = spk__get(p0[c]) + factor * spk__get(p1[c]);
            q[c] = spk__put(relu && v < 0 ? 0 : v);
        }
    }
}

static void add_fwd(const spk_kargs *a)
{
    if (((const spk_add_attr *)a->attr)->relu)
        sum_rows(a, true);
    else
        sum_rows(a, false);
}

/* Both gradients in one pass over dy. */
SPK_INLINE void share_rows(const spk_kargs *a, int mode0, int mode1, bool relu)
{
    const float factor = (float)((const spk_add_attr *)a->attr)->factor;
    const spk_view *dy = &a->dout[0], *d0 = &a->din[0], *d1 = &a->din[1], *y = &a->out[0];
    const bool dense = spk__dense(dy) && (!relu || spk__dense(y)) && (mode0 == SPK_SKIP || spk__dense(d0)) &&
                       (mode1 == SPK_SKIP || spk__dense(d1));
    const spk_span w = spk__span(spk_rows(dy), dy->c, dense);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < w.rows; r++) {
        const spk_elem *p = spk__wide(dy, &w, r), *v = relu ? spk__wide(y, &w, r) : p;
        spk_elem *q0 = mode0 != SPK_SKIP ? spk__wide(d0, &w, r) : NULL;
        spk_elem *q1 = mode1 != SPK_SKIP ? spk__wide(d1, &w, r) : NULL;
        const int64_t n = spk__width(&w, r);
#pragma omp simd
        for (int64_t c = 0; c < n; c++) {
            const float d = relu && !(spk__get(v[c]) > 0) ? 0 : spk__get(p[c]);
            spk__store_elem(q0 + c, d, mode0);
            spk__store_elem(q1 + c, factor * d, mode1);
        }
    }
}

/* The modes apart, so that each has its own loop. */
SPK_INLINE void share(const spk_kargs *a, int mode0, int mode1, bool relu)
{
    if (mode0 == SPK_SKIP && mode1 == SPK_WRITE)
        share_rows(a, SPK_SKIP, SPK_WRITE, relu);
    else if (mode0 == SPK_SKIP && mode1 == SPK_ADD)
        share_rows(a, SPK_SKIP, SPK_ADD, relu);
    else if (mode0 == SPK_WRITE && mode1 == SPK_SKIP)
        share_rows(a, SPK_WRITE, SPK_SKIP, relu);
    else if (mode0 == SPK_WRITE && mode1 == SPK_WRITE)
        share_rows(a, SPK_WRITE, SPK_WRITE, relu);
    else if (mode0 == SPK_WRITE && mode1 == SPK_ADD)
        share_rows(a, SPK_WRITE, SPK_ADD, relu);
    else if (mode0 == SPK_ADD && mode1 == SPK_SKIP)
        share_rows(a, SPK_ADD, SPK_SKIP, relu);
    else if (mode0 == SPK_ADD && mode1 == SPK_WRITE)
        share_rows(a, SPK_ADD, SPK_WRITE, relu);
    else if (mode0 == SPK_ADD && mode1 == SPK_ADD)
        share_rows(a, SPK_ADD, SPK_ADD, relu);
}

static void add_bwd(const spk_kargs *a)
{
    const bool relu = ((const spk_add_attr *)a->attr)->relu;
    const bool one = a->din[0].p == a->din[1].p; /* x + x: one buffer gets both, one after the other */
    const int mode0 = spk__mode(a, 0), mode1 = spk__mode(a, 1);
    if (relu)
        share(a, mode0, one ? SPK_SKIP : mode1, true);
    else
        share(a, mode0, one ? SPK_SKIP : mode1, false);
    if (one && relu)
        share(a, SPK_SKIP, mode1, true);
    else if (one)
        share(a, SPK_SKIP, mode1, false);
}

const spk_kernel SPK_ISA_NAME(spk__omp_add) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(3, 1), .fwd = add_fwd, .bwd = add_bwd, .again = add_fwd};
const spk_kernel SPK_ISA_NAME(spk__omp_copy) = {
    .name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = copy_fwd, .bwd = copy_bwd, .again = copy_fwd};
