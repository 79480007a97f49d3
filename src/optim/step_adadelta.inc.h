/* SPDX-License-Identifier: Apache-2.0 */
/* A step of AdaDelta over SPK_REAL (both_types.inc.h); what it computes: adadelta.c. */
static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *restrict w = weights;
    const SPK_REAL *restrict g = gradients;
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], rho = s[RHO], rest = s[REST], rate = s[RATE];
    const SPK_REAL eps = s[EPS];
    SPK_REAL *restrict square = state[0], *restrict moved = state[1];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        square[i] = rho * square[i] + rest * (gi * gi);
        const SPK_REAL d = SPK_SQRT(moved[i] + eps) / SPK_SQRT(square[i] + eps) * gi;
        moved[i] = rho * moved[i] + rest * (d * d);
        w[i] -= rate * d;
    }
}
