/* SPDX-License-Identifier: Apache-2.0 */
/* A step of SGD over SPK_REAL (both_types.inc.h); what it computes: sgd.c. */
static void SPK_NAME(update_plain)(const SPK_REAL *s, int64_t n, SPK_REAL *restrict w, const SPK_REAL *restrict g)
{
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], rate = s[RATE];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        w[i] -= rate * (scale * g[i] + decay * w[i]);
}

static void SPK_NAME(update_momentum)(const SPK_REAL *s, int64_t n, SPK_REAL *restrict w, const SPK_REAL *restrict g,
                                      SPK_REAL *restrict b)
{
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], keep = s[KEEP], add = s[ADD], direct = s[DIRECT];
    const SPK_REAL through = s[THROUGH];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        b[i] = keep * b[i] + add * gi;
        w[i] -= direct * gi + through * b[i];
    }
}

static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *w = weights;
    const SPK_REAL *g = gradients;
    if (state[0])
        SPK_NAME(update_momentum)(s, n, w, g, state[0]);
    else
        SPK_NAME(update_plain)(s, n, w, g);
}
