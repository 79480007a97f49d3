/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over rows by channel, for batch_norm and simam: each thread sums its rows column by column (spk_span: several
 * columns may be of one channel), two sums at a time, and one thread adds up all columns and threads in their order.
 * The scratch of such a kernel holds those sums, then some floats of each column.
 */
#ifndef SPK_CPU_COLUMN_SUMS_H
#define SPK_CPU_COLUMN_SUMS_H

#include <omp.h>
#include <string.h>

#include "backend/cpu/isa_impl.h"

enum { SPK_SUM_GROUP = 8 }; /* rows that are summed in float */

/* Columns of the widest rows that a call may use. */
SPK_INLINE int64_t spk__most_columns(int64_t n_c)
{
    return n_c > SPK_CHUNK ? n_c : SPK_CHUNK;
}

SPK_INLINE size_t spk__column_scratch(const spk_geom *g, int n_coefs)
{
    return (size_t)spk__most_columns(g->in[0].c) *
           ((size_t)g->n_threads * 2 * sizeof(double) + (size_t)n_coefs * sizeof(float));
}

/* The two sums of each column of a thread. */
SPK_INLINE double *spk__sums_of(const spk_kargs *a, int thread)
{
    return (double *)a->scratch + 2 * spk__most_columns(a->in[0].c) * thread;
}

/* Float i of each column. */
SPK_INLINE float *spk__column_coef(const spk_kargs *a, int i)
{
    return (float *)(void *)spk__sums_of(a, a->ctx->n_threads) + i * spk__most_columns(a->in[0].c);
}

/* Repeat the first n_c columns over the width. */
SPK_INLINE void spk__repeat(float *p, int64_t n_c, int64_t width)
{
    for (int64_t i = n_c; i < width; i++)
        p[i] = p[i - n_c];
}

/* Sum i (0 or 1) of channel c. In a parallel region, behind a barrier. */
SPK_INLINE double spk__column_total(const spk_kargs *a, const spk_span *w, int i, int64_t c)
{
    double sum = 0;
    for (int thread = 0; thread < omp_get_num_threads(); thread++)
        for (int64_t column = c; column < w->width; column += a->in[0].c)
            sum += spk__sums_of(a, thread)[i * w->width + column];
    return sum;
}

/* This thread's sums begin at 0. */
SPK_INLINE double *spk__clear_sums(const spk_kargs *a, const spk_span *w)
{
    double *sum = spk__sums_of(a, omp_get_thread_num());
    memset(sum, 0, (size_t)w->width * 2 * sizeof(double));
    return sum;
}

/* Sums of x - shift and of its square over rows [begin, end) of the span are added to this thread's. */
SPK_INLINE void spk__sum_moments(const spk_kargs *a, const spk_view *x, const spk_span *w, const float *shift,
                                 int64_t begin, int64_t end)
{
    const int64_t ld = w->dense ? w->width : x->ld;
    double *sum = spk__sums_of(a, omp_get_thread_num()), *square = sum + w->width;
    for (int64_t r = begin; r < end;) {
        const bool whole = r + SPK_SUM_GROUP <= end && r + SPK_SUM_GROUP < w->rows;
        if (whole)
            spk__add_moments(spk__wide(x, w, r), ld, SPK_SUM_GROUP, w->width, shift, sum, square);
        else
            spk__add_moments(spk__wide(x, w, r), ld, 1, spk__width(w, r), shift, sum, square);
        r += whole ? SPK_SUM_GROUP : 1;
    }
}

#endif
