/* SPDX-License-Identifier: Apache-2.0 */
/* A step of RAdam over SPK_REAL (both_types.inc.h); what it computes: radam.c. */
static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *restrict w = weights;
    const SPK_REAL *restrict g = gradients;
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], shrink = s[SHRINK], c1 = s[C1], b2 = s[B2];
    const SPK_REAL c2 = s[C2], rate = s[RATE], eps = s[EPS];
    const bool adapts = s[ADAPTS] > 0;
    SPK_REAL *restrict m = state[0], *restrict v = state[1];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        m[i] += c1 * (gi - m[i]);
        v[i] = b2 * v[i] + c2 * (gi * gi);
        w[i] = shrink * w[i] - rate * m[i] / (adapts ? SPK_SQRT(v[i]) + eps : 1);
    }
}
