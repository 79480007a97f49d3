/* SPDX-License-Identifier: Apache-2.0 */
/* A step of Rprop over SPK_REAL (both_types.inc.h); what it computes: rprop.c. */
static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *restrict w = weights;
    const SPK_REAL *restrict g = gradients;
    const SPK_REAL scale = s[SCALE], shrink = s[SHRINK], grow = s[GROW], least = s[LEAST], most = s[MOST];
    SPK_REAL *restrict before = state[0], *restrict size = state[1];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i], turn = gi * before[i];
        SPK_REAL d = size[i] * (turn > 0 ? grow : turn < 0 ? shrink : 1);
        d = d < least ? least : d > most ? most : d;
        const SPK_REAL kept = turn < 0 ? 0 : gi;
        w[i] -= kept > 0 ? d : kept < 0 ? -d : 0;
        size[i] = d;
        before[i] = kept;
    }
}
