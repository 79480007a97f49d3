/* SPDX-License-Identifier: Apache-2.0 */
/* Activations, element by element. The kind and what becomes of the gradient are constants of the inlined loops. */
#include "backend/cpu/isa_impl.h"

static const float SELU_ALPHA = 1.67326324f, SELU_SCALE = 1.05070099f;

SPK_INLINE float value_of(spk_act act, float x)
{
    switch (act) {
    case SPK_SIGMOID:
        return 1 / (1 + spk__expf(-x));
    case SPK_TANH:
        return 1 - 2 / (1 + spk__expf(2 * x));
    case SPK_SWISH:
        return x / (1 + spk__expf(-x));
    case SPK_HARDTANH:
        x = x < -1 ? -1 : x;
        return x > 1 ? 1 : x;
    case SPK_SELU:
        return SELU_SCALE * (x < 0 ? SELU_ALPHA * (spk__expf(x) - 1) : x);
    case SPK_LINEAR:
        return x;
    case SPK_RELU:
    default:
        return x < 0 ? 0 : x;
    }
}

/* dy times the slope where x became y; swish looks at x alone, the others at y alone. */
SPK_INLINE float gradient_of(spk_act act, float x, float y, float dy)
{
    switch (act) {
    case SPK_SIGMOID:
        return dy * y * (1 - y);
    case SPK_TANH:
        return dy * (1 - y * y);
    case SPK_SWISH:
        y = 1 / (1 + spk__expf(-x)); /* the gate */
        return dy * y * (1 + x * (1 - y));
    case SPK_HARDTANH:
        return y > -1 && y < 1 ? dy : 0;
    case SPK_SELU:
        return dy * (y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA);
    case SPK_LINEAR:
        return dy;
    case SPK_RELU:
    default:
        return y > 0 ? dy : 0;
    }
}

SPK_INLINE void fwd_rows(const spk_kargs *a, spk_act act)
{
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *x = spk__frame(&a->in[0], r);
        spk_elem *y = spk__frame(&a->out[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            y[c] = spk__put(value_of(act, spk__get(x[c])));
    }
}

SPK_INLINE void bwd_rows(const spk_kargs *a, spk_act act, int mode)
{
    const int64_t rows = spk_rows(&a->out[0]), n_c = a->out[0].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_elem *y = spk__frame(act == SPK_SWISH ? &a->in[0] : &a->out[0], r);
        const spk_elem *dy = spk__frame(&a->dout[0], r);
        spk_elem *dx = spk__frame(&a->din[0], r);
#pragma omp simd
        for (int64_t c = 0; c < n_c; c++)
            spk__store_elem(dx + c, gradient_of(act, spk__get(y[c]), spk__get(y[c]), spk__get(dy[c])), mode);
    }
}

#define KINDS(X) X(SPK_RELU) X(SPK_SIGMOID) X(SPK_TANH) X(SPK_SWISH) X(SPK_HARDTANH) X(SPK_SELU) X(SPK_LINEAR)

static void fwd(const spk_kargs *a)
{
    switch (((const spk_act_attr *)a->attr)->act) {
#define FWD(kind)                                                                                                      \
    case kind:                                                                                                         \
        fwd_rows(a, kind);                                                                                             \
        break;
        KINDS(FWD)
#undef FWD
    }
}

static void bwd(const spk_kargs *a)
{
    const int mode = spk__mode(a, 0);
    if (mode == SPK_SKIP) return;
    switch (((const spk_act_attr *)a->attr)->act) {
#define BWD(kind)                                                                                                      \
    case kind:                                                                                                         \
        if (mode == SPK_ADD)                                                                                           \
            bwd_rows(a, kind, SPK_ADD);                                                                                \
        else                                                                                                           \
            bwd_rows(a, kind, SPK_WRITE);                                                                              \
        break;
        KINDS(BWD)
#undef BWD
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_act) = {.name = SPK_KERNEL_NAME, SPK_FRAMES(1, 1), .fwd = fwd, .bwd = bwd};
