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
        const float *x = spk__row(from, r);
        float *y = spk__row(to, r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store(y + c, x[c], mode);
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

static void add_fwd(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const float *x0 = spk__row(&a->in[0], r), *x1 = spk__row(&a->in[1], r);
        float *y = spk__row(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            y[c] = x0[c] + x1[c];
    }
}

/* Both gradients in one pass over dy. */
SPK_INLINE void add_rows(const spk_kargs *a, int mode0, int mode1)
{
    const int64_t rows = spk_rows(&a->dout[0]), n_c = a->dout[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const float *dy = spk__row(&a->dout[0], r);
        float *d0 = spk__row(&a->din[0], r), *d1 = spk__row(&a->din[1], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++) {
            const float d = dy[c];
            spk__store(d0 + c, d, mode0);
            spk__store(d1 + c, d, mode1);
        }
    }
}

static void add_bwd(const spk_kargs *a)
{
    const int mode0 = spk__mode(a, 0), mode1 = spk__mode(a, 1);
    /* One buffer may be the gradient of both (x + x): then one after the other. */
    if (mode0 == SPK_SKIP || mode1 == SPK_SKIP || a->din[0].p == a->din[1].p) {
        pass_gradient(a, 0);
        pass_gradient(a, 1);
    } else if (mode0 == SPK_WRITE && mode1 == SPK_WRITE) {
        add_rows(a, SPK_WRITE, SPK_WRITE);
    } else if (mode0 == SPK_WRITE) {
        add_rows(a, SPK_WRITE, SPK_ADD);
    } else if (mode1 == SPK_WRITE) {
        add_rows(a, SPK_ADD, SPK_WRITE);
    } else {
        add_rows(a, SPK_ADD, SPK_ADD);
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_add) = {.name = SPK_KERNEL_NAME, .fwd = add_fwd, .bwd = add_bwd};
const spk_kernel SPK_ISA_NAME(spk__omp_copy) = {.name = SPK_KERNEL_NAME, .fwd = copy_fwd, .bwd = copy_bwd};
