/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference kernels: plain loops that say what each op computes, with double accumulation. The files
 * ref_*.inc.h are written over SPK_REAL and compiled twice, by ref_f32.c and ref_f64.c.
 *
 * They allocate nothing, take any leading dimension, and are as simple as they can be while a double-precision
 * golden run still ends in seconds. Their results do not depend on the number of threads.
 */
#ifndef SPK_REF_IMPL_H
#define SPK_REF_IMPL_H

#include "backend/backend_impl.h"

/* By op. Every entry has fwd; melspec has no bwd. */
extern const spk_kernel spk__ref_f32[SPK_N_OPS];
extern const spk_kernel spk__ref_f64[SPK_N_OPS];

/* Frames of a view's time axis, and the valid ones of item n. */
static inline int64_t spk__frames(const spk_view *v)
{
    return v->h * v->w;
}

static inline int64_t spk__valid(const spk_view *v, int64_t n)
{
    const int64_t t = spk__frames(v);
    if (!v->len || v->len[n] > t) return t;
    return v->len[n] < 0 ? 0 : v->len[n];
}

#endif
