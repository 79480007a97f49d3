/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two embeddings are. */
#include <math.h>

#include "base/base_impl.h"
#include "spk/embedder.h"

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

double spk_embedding_cosine(const float *a, const float *b, int64_t n)
{
    const double aa = dot(a, a, n), bb = dot(b, b, n);
    if (!(aa > 0) || !(bb > 0)) return 0;
    const double c = dot(a, b, n) / sqrt(aa * bb);
    return c > 1 ? 1 : c < -1 ? -1 : c;
}

/* Of the two vectors at norm 1; from the differences, so that near-equal ones lose no digits. */
static double distance(const float *a, const float *b, int64_t n)
{
    const double na = fmax(sqrt(dot(a, a, n)), 1e-12), nb = fmax(sqrt(dot(b, b, n)), 1e-12);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)a[i] / na - (double)b[i] / nb;
        sum += d * d;
    }
    return sqrt(sum);
}

double spk_embedding_score(const float *a, int64_t n_a, const float *b, int64_t n_b, int64_t n)
{
    double sum = 0;
    if (n_a < 1 || n_b < 1) return 0;
    for (int64_t i = 0; i < n_a; i++)
        for (int64_t j = 0; j < n_b; j++)
            sum += distance(a + i * n, b + j * n, n);
    return -sum / ((double)n_a * (double)n_b);
}
