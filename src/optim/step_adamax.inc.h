/* SPDX-License-Identifier: Apache-2.0 */
/* A step of AdaMax over SPK_REAL (both_types.inc.h); what it computes: adamax.c. */
static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *restrict w = weights;
    const SPK_REAL *restrict g = gradients;
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], c1 = s[C1], b2 = s[B2], rate = s[RATE];
    const SPK_REAL eps = s[EPS];
    SPK_REAL *restrict m = state[0], *restrict u = state[1];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i], before = b2 * u[i], now = SPK_ABS(gi) + eps;
        m[i] += c1 * (gi - m[i]);
        u[i] = before > now ? before : now;
        w[i] -= rate * m[i] / u[i];
    }
}
