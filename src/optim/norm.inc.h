/* SPDX-License-Identifier: Apache-2.0 */
/* What a stretch of gradients over SPK_REAL (both_types.inc.h) gives to the norm (clip.c), in double. */
static double SPK_NAME(part_of_squares)(const SPK_REAL *g, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += (double)g[i] * (double)g[i];
    return sum;
}

static double SPK_NAME(part_of_magnitudes)(const SPK_REAL *g, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += fabs((double)g[i]);
    return sum;
}

static double SPK_NAME(part_of_powers)(const SPK_REAL *g, int64_t n, double p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += pow(fabs((double)g[i]), p);
    return sum;
}

/* A comparison would lose NaN; a sum of 0 * g does not (0 for every finite g). */
static double SPK_NAME(part_of_largest)(const SPK_REAL *g, int64_t n)
{
    SPK_REAL largest = 0, nothing = 0;
#pragma omp simd reduction(max : largest) reduction(+ : nothing)
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL magnitude = SPK_ABS(g[i]);
        largest = largest > magnitude ? largest : magnitude;
        nothing += 0 * g[i];
    }
    return (double)(largest + nothing);
}

static double SPK_NAME(part)(const SPK_REAL *g, int64_t n, double p)
{
    if (p == 2) return SPK_NAME(part_of_squares)(g, n);
    if (p == 1) return SPK_NAME(part_of_magnitudes)(g, n);
    return isinf(p) ? SPK_NAME(part_of_largest)(g, n) : SPK_NAME(part_of_powers)(g, n, p);
}
