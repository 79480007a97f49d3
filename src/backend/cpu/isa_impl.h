/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fast float kernels of isa/ share. Each file there is compiled once for every instruction set
 * (cmake/kernels.cmake) and names what it exports with SPK_ISA_NAME; omp_tables.c picks by the processor.
 *
 * They are bound by memory: each reads an activation once a pass, along its rows, and the loops over channels are
 * contiguous so that the compiler vectorises them. Sums run in float over a few rows and in double over those groups;
 * threads own disjoint outputs, or partial sums that are added in the threads' order.
 */
#ifndef SPK_CPU_ISA_IMPL_H
#define SPK_CPU_ISA_IMPL_H

#include "backend/backend_impl.h"

/* The ops that have such kernels, as in SPK_OPS. */
#define SPK_OMP_OPS(X)                                                                                                 \
    X(MELSPEC, melspec)                                                                                                \
    X(CONV2D, conv2d)                                                                                                  \
    X(BATCH_NORM, batch_norm)                                                                                          \
    X(ACT, act)                                                                                                        \
    X(ADD, add)                                                                                                        \
    X(SIMAM, simam)                                                                                                    \
    X(COPY, copy)                                                                                                      \
    X(TIME_MEAN, time_mean)                                                                                            \
    X(SCALE_ADD, scale_add)                                                                                            \
    X(ROW_BIAS, row_bias)                                                                                              \
    X(TIME_STATS, time_stats)                                                                                          \
    X(ATTN_STATS, attn_stats)                                                                                          \
    X(SINC, sinc)                                                                                                      \
    X(MAX_POOL, max_pool)                                                                                              \
    X(AFMS, afms)                                                                                                      \
    X(MASK, mask)                                                                                                      \
    X(PAD_TIME, pad_time)                                                                                              \
    X(SK_MIX, sk_mix)                                                                                                  \
    X(FREQ_MEAN, freq_mean)                                                                                            \
    X(FOLD, fold)                                                                                                      \
    X(SEGMENT_MEAN, segment_mean)                                                                                      \
    X(SEGMENT_SCALE, segment_scale)                                                                                    \
    X(MARGIN_SOFTMAX, margin_softmax)                                                                                  \
    X(SPHEREFACE2, sphereface2)                                                                                        \
    X(DEPTHWISE, depthwise)                                                                                            \
    X(MVN, mvn)                                                                                                        \
    X(FEATURE_NORM, feature_norm)                                                                                      \
    X(SPECAUG, specaug)                                                                                                \
    X(LAYER_SUM, layer_sum)                                                                                            \
    X(LAYER_NORM, layer_norm)                                                                                          \
    X(ATTENTION, attention)                                                                                            \
    X(GLU, glu)                                                                                                        \
    X(POS_ADD, pos_add)                                                                                                \
    X(DROPOUT, dropout)                                                                                                \
    X(CHOOSE, choose)

/* Those of them that have a kernel for bfloat16 frames: the same source, where spk_elem is 16 bits wide. */
#define SPK_OMP_BF16_OPS(X)                                                                                            \
    X(BATCH_NORM, batch_norm)                                                                                          \
    X(ACT, act)                                                                                                        \
    X(ADD, add)                                                                                                        \
    X(COPY, copy)                                                                                                      \
    X(TIME_MEAN, time_mean)                                                                                            \
    X(SCALE_ADD, scale_add)                                                                                            \
    X(ROW_BIAS, row_bias)                                                                                              \
    X(TIME_STATS, time_stats)                                                                                          \
    X(ATTN_STATS, attn_stats)                                                                                          \
    X(MAX_POOL, max_pool)                                                                                              \
    X(AFMS, afms)                                                                                                      \
    X(MASK, mask)                                                                                                      \
    X(PAD_TIME, pad_time)                                                                                              \
    X(SK_MIX, sk_mix)                                                                                                  \
    X(FREQ_MEAN, freq_mean)                                                                                            \
    X(FOLD, fold)                                                                                                      \
    X(LAYER_NORM, layer_norm)                                                                                          \
    X(GLU, glu)                                                                                                        \
    X(POS_ADD, pos_add)                                                                                                \
    X(DROPOUT, dropout)                                                                                                \
    X(CHOOSE, choose)

#define SPK_OMP_DECLARE(NAME, name) extern const spk_kernel spk__omp_##name##_v3, spk__omp_##name##_v4;
SPK_OMP_OPS(SPK_OMP_DECLARE)
#undef SPK_OMP_DECLARE
#define SPK_OMP_DECLARE(NAME, name) extern const spk_kernel spk__omp_##name##_bf16_v3, spk__omp_##name##_bf16_v4;
SPK_OMP_BF16_OPS(SPK_OMP_DECLARE)
#undef SPK_OMP_DECLARE

/* The kernels of an op, best first, that this processor can run: at most 2; NULL behind the last. */
void spk__omp_kernels(spk_op op, const spk_kernel *kernels[3]);

/* The same for bfloat16 frames. */
void spk__omp_bf16_kernels(spk_op op, const spk_kernel *kernels[3]);

/* c (m,n) = alpha op(a) op(b) + beta c, op(a) (m,k), rows lda, ldb, ldc elements apart; turn: op transposes. Runs on the
 * calling thread. */
void spk__sgemm(bool turn_a, bool turn_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#ifdef SPK_ISA_SUFFIX

#define SPK_ISA_PASTE_(a, b) a##b
#define SPK_ISA_PASTE(a, b) SPK_ISA_PASTE_(a, b)
#define SPK_ISA_NAME(name) SPK_ISA_PASTE(name, SPK_ISA_SUFFIX)
#define SPK_ISA_TEXT_(a) #a
#define SPK_ISA_TEXT(a) SPK_ISA_TEXT_(a)
#define SPK_KERNEL_NAME "omp" SPK_ISA_TEXT(SPK_ISA_SUFFIX)
#define SPK_INLINE static inline __attribute__((always_inline))

#if SPK_ISA_LEVEL >= 4
#define SPK_VEC_BYTES 64
#else
#define SPK_VEC_BYTES 32
#endif

/* An element of frames: what views that a kernel's frames_in and frames_out name consist of. Parameters, vectors of an
 * utterance and gradients of those are float. */
#ifdef SPK_ISA_BF16
#include "backend/bf16_impl.h"
typedef spk_bf16 spk_elem;
#define SPK_FRAMES(in, out) .frames_in = (in), .frames_out = (out)
#define spk__get spk_from_bf16
#define spk__put spk_to_bf16
#else
typedef float spk_elem;
#define SPK_FRAMES(in, out) .frames_in = 0, .frames_out = 0
#define spk__get(x) (x)
#define spk__put(x) (x)
#endif

/* Channels that a task of a kernel works on at once: its per-channel sums stay in the first cache. */
enum { SPK_CHUNK = 512 };
/* What becomes of a gradient. Given as a constant to inlined loops, one copy of which is made for each. */
enum { SPK_SKIP, SPK_WRITE, SPK_ADD };

SPK_INLINE int spk__mode(const spk_kargs *a, int i)
{
    return !a->din[i].p ? SPK_SKIP : a->add[i] ? SPK_ADD : SPK_WRITE;
}

/* One element of a gradient: of a vector or parameter, and of frames. */
SPK_INLINE void spk__store(float *d, float value, int mode)
{
    if (mode == SPK_WRITE)
        *d = value;
    else if (mode == SPK_ADD)
        *d += value;
}

SPK_INLINE void spk__store_elem(spk_elem *d, float value, int mode)
{
    if (mode == SPK_WRITE)
        *d = spk__put(value);
    else if (mode == SPK_ADD)
        *d = spk__put(spk__get(*d) + value);
}

/* Row r of vectors and parameters, and of frames. */
SPK_INLINE float *spk__row(const spk_view *v, int64_t r)
{
    return (float *)v->p + r * v->ld;
}

SPK_INLINE spk_elem *spk__frame(const spk_view *v, int64_t r)
{
    return (spk_elem *)v->p + r * v->ld;
}

SPK_INLINE int64_t spk__min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

SPK_INLINE int64_t spk__n_frames(const spk_view *v)
{
    return v->h * v->w;
}

/* The rows of dense views of few channels are taken together as wider rows, so that inner loops are long: `rows` rows of
 * `width` elements, the last of `last`; a multiple of the channels each. Views with a stride keep their rows. */
typedef struct spk_span {
    int64_t rows, width, last;
    bool dense;
} spk_span;

SPK_INLINE spk_span spk__span(int64_t rows, int64_t c, bool dense)
{
    const int64_t k = dense && c < SPK_CHUNK ? SPK_CHUNK / c : 1, n = (rows + k - 1) / k;
    return (spk_span){n, k * c, (rows - (n - 1) * k) * c, dense};
}

SPK_INLINE bool spk__dense(const spk_view *v)
{
    return !v->p || v->ld == v->c;
}

SPK_INLINE spk_elem *spk__wide(const spk_view *v, const spk_span *s, int64_t r)
{
    return (spk_elem *)v->p + r * (s->dense ? s->width : v->ld);
}

SPK_INLINE int64_t spk__width(const spk_span *s, int64_t r)
{
    return r == s->rows - 1 ? s->last : s->width;
}

/* Valid frames of item n. */
SPK_INLINE int64_t spk__n_valid(const spk_view *v, int64_t n)
{
    const int64_t t = spk__n_frames(v);
    return !v->len || v->len[n] > t ? t : v->len[n] < 0 ? 0 : v->len[n];
}

/* The same as rows: of sound, or of a picture with all their bins. */
SPK_INLINE int64_t spk__valid_rows(const spk_view *v, int64_t n)
{
    const int64_t bins = v->h > 1 ? v->w : 1, n_t = v->h > 1 ? v->h : v->w;
    return (!v->len || v->len[n] > n_t ? n_t : v->len[n] < 0 ? 0 : v->len[n]) * bins;
}

/* Rows [*from, result) are the first ones in a row of [*from, end) that lie before their item's end: *from moves there;
 * without such rows it becomes `end`. */
SPK_INLINE int64_t spk__valid_run(const spk_view *v, int64_t *from, int64_t end)
{
    const int64_t n_t = spk__n_frames(v);
    for (; v->len && *from < end; *from = (*from / n_t + 1) * n_t) {
        const int64_t stop = *from / n_t * n_t + spk__valid_rows(v, *from / n_t);
        if (*from < stop) return spk__min(stop, end);
    }
    *from = spk__min(*from, end);
    return end;
}

/* Ops with a time axis are cut into tasks: an item and a chunk of channels, frames in their order. */
typedef struct spk_task {
    int64_t n;          /* item */
    int64_t first, n_t; /* its first row, and frames */
    int64_t c0, n_c;    /* channels */
} spk_task;

typedef struct spk_tasks {
    int64_t n, chunk, per_item, n_t, n_c;
} spk_tasks;

/* Chunks become smaller where items are few, so that all threads have work. */
SPK_INLINE spk_tasks spk__tasks(const spk_view *x, int n_threads)
{
    int64_t chunk = SPK_CHUNK;
    while (chunk > 64 && x->n * ((x->c + chunk - 1) / chunk) < 2 * n_threads)
        chunk /= 2;
    const int64_t per_item = (x->c + chunk - 1) / chunk;
    return (spk_tasks){x->n * per_item, chunk, per_item, spk__n_frames(x), x->c};
}

SPK_INLINE spk_task spk__task(const spk_tasks *all, int64_t i)
{
    const int64_t n = i / all->per_item, c0 = i % all->per_item * all->chunk;
    return (spk_task){n, n * all->n_t, all->n_t, c0, spk__min(all->chunk, all->n_c - c0)};
}

/* sum_c += x - shift, square_c += (x - shift)^2 over `rows` rows, a constant after inlining. */
SPK_INLINE void spk__add_moments(const spk_elem *x, int64_t ld, int rows, int64_t n_c, const float *shift, double *sum,
                                 double *square)
{
#pragma omp simd
    for (int64_t c = 0; c < n_c; c++) {
        float s = 0, q = 0;
        for (int i = 0; i < rows; i++) {
            const float d = spk__get(x[i * ld + c]) - shift[c];
            s += d;
            q += d * d;
        }
        sum[c] += (double)s;
        square[c] += (double)q;
    }
}

/* Where thread i's rows begin when they are split evenly, in groups of 8. */
SPK_INLINE int64_t spk__row_begin(int64_t rows, int i, int n_threads)
{
    return spk__min(rows, (rows + 7) / 8 * i / n_threads * 8);
}

/* e^x within 2 units in the last place; x below -87.3 gives about 1e-38, above 88.3 about 2e38; NaN stays. No
 * branches: it vectorises where it is inlined. Remainder of x / ln 2 in two parts and its Taylor series. */
SPK_INLINE float spk__expf(float x)
{
    union {
        uint32_t u;
        float f;
    } power;
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.3f ? 88.3f : x;
    const float whole = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: the fraction is rounded away */
    const float n = whole - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    power.u = (uint32_t)((int32_t)n + 127) << 23;
    return p * power.f;
}

/* Natural logarithm of a positive normal number within 2 units in the last place (absolute 1e-7 near 1): the mantissa
 * is brought to [0.707, 1.414), then 2 atanh((m - 1) / (m + 1)) by its series. */
SPK_INLINE float spk__logf(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {x};
    const uint32_t shifted = v.u - 0x3f3504f3u; /* sqrt(1/2) */
    const float exponent = (float)((int32_t)shifted >> 23);
    v.u = (shifted & 0x007fffffu) + 0x3f3504f3u;
    const float s = (v.f - 1.0f) / (v.f + 1.0f), q = s * s;
    float p = 2.0f / 11;
    p = p * q + 2.0f / 9;
    p = p * q + 2.0f / 7;
    p = p * q + 2.0f / 5;
    p = p * q + 2.0f / 3;
    const float y = exponent * 0.693359375f + ((s * (p * q) + exponent * -2.12194440e-4f) + 2.0f * s);
    return y + (x - x); /* NaN and infinity stay visible */
}

#endif /* SPK_ISA_SUFFIX */
#endif
