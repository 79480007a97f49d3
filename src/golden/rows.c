/* SPDX-License-Identifier: Apache-2.0 */
/* A row for each array: name, shape, error, tolerance, cosine, pass or fail. */
#include <math.h>
#include <string.h>

#include "golden/golden_impl.h"

static double value_at(const spk_ndarray *a, int64_t i)
{
    switch (a->dtype) {
    case SPK_F32:
        return ((const float *)a->data)[i];
    case SPK_F64:
        return ((const double *)a->data)[i];
    case SPK_I64:
        return (double)((const int64_t *)a->data)[i];
    default:
        return NAN;
    }
}

const spk_ndarray *golden_find(const golden *g, const char *name)
{
    char *full = spk_strf("%s%s", g->prefix, name);
    const spk_ndarray *a = spk_tensors_find(&g->arrays, full);
    spk_free(full);
    return a;
}

/* "tol/NAME" or "scale/NAME"; NaN when the file has none, which nothing passes. */
static double scalar(const golden *g, const char *kind, const char *name)
{
    char *full = spk_strf("%s/%s", kind, name);
    const spk_ndarray *a = golden_find(g, full);
    spk_free(full);
    return a && spk_ndarray_count(a) == 1 ? value_at(a, 0) : NAN;
}

static void print_row(golden *g, const char *name, const spk_ndarray *a, double error, double tol, double cosine)
{
    char shape[96] = "";
    size_t at = 0;
    for (int i = 0; i < a->n_dims && at < sizeof shape; i++)
        at += (size_t)snprintf(shape + at, sizeof shape - at, i ? ",%lld" : "%lld", (long long)a->dim[i]);
    const bool pass = error <= tol; /* false for NaN */
    printf("%-52s (%s) error %.3e tolerance %.3e cosine %.9f %s\n", name, shape, error, tol, cosine,
           pass ? "pass" : "FAIL");
    if (pass)
        g->n_pass++;
    else
        g->n_fail++;
}

/* The map borrows its keys, so they are the file's own names. */
static void mark_compared(golden *g, const spk_ndarray *a)
{
    for (int64_t i = 0; i < g->arrays.n; i++)
        if (&g->arrays.item[i].a == a) spk_map_put(&g->compared, g->arrays.item[i].name + strlen(g->prefix), 1);
}

static void compare(golden *g, const char *name, const double *ours, int64_t n, double scale, double tol)
{
    const spk_ndarray *a = golden_find(g, name);
    double worst = 0, dot = 0, left = 0, right = 0;
    if (!a) return;
    mark_compared(g, a);
    if (spk_ndarray_count(a) != n) {
        printf("%-52s has %lld values, ours %lld FAIL\n", name, (long long)spk_ndarray_count(a), (long long)n);
        g->n_fail++;
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const double theirs = value_at(a, i), off = fabs(ours[i] - theirs);
        if (!(off <= worst)) worst = off; /* a NaN stays */
        dot += ours[i] * theirs;
        left += ours[i] * ours[i];
        right += theirs * theirs;
    }
    const double cosine = left > 0 && right > 0 ? dot / sqrt(left * right) : left == right;
    print_row(g, name, a, scale > 0 ? worst / scale : worst, tol, cosine);
}

void golden_row(golden *g, const char *name, const double *ours, int64_t n)
{
    compare(g, name, ours, n, scalar(g, "scale", name), scalar(g, "tol", name));
}

void golden_row_within(golden *g, const char *name, const double *ours, int64_t n, double scale, double tol)
{
    compare(g, name, ours, n, scale, tol);
}

void golden_exact(golden *g, const char *name, const double *ours, int64_t n)
{
    compare(g, name, ours, n, 1, 0);
}

double *golden_copy(spk_view v, spk_dtype dtype, bool channel_major)
{
    const int64_t rows = v.h * v.w;
    double *out = spk_new((size_t)(v.n * rows * v.c) * sizeof *out);
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t t = 0; t < rows; t++)
            for (int64_t c = 0; c < v.c; c++) {
                const int64_t from = (n * rows + t) * v.ld + c;
                const int64_t to = channel_major ? (n * v.c + c) * rows + t : (n * rows + t) * v.c + c;
                out[to] = dtype == SPK_F64 ? ((const double *)v.p)[from] : ((const float *)v.p)[from];
            }
    return out;
}

double *golden_block(const void *p, spk_dtype dtype, int64_t n)
{
    return golden_copy((spk_view){(void *)(uintptr_t)p, 1, 1, 1, n, n, NULL, SPK_F32}, dtype, false);
}
