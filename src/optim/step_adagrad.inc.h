/* SPDX-License-Identifier: Apache-2.0 */
/* A step of AdaGrad over SPK_REAL (both_types.inc.h); what it computes: adagrad.c. */
static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *restrict w = weights;
    const SPK_REAL *restrict g = gradients;
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], rate = s[RATE], eps = s[EPS];
    SPK_REAL *restrict sum = state[0];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        sum[i] += gi * gi;
        w[i] -= rate * gi / (SPK_SQRT(sum[i]) + eps);
    }
}
