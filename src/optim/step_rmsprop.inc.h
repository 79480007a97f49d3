/* SPDX-License-Identifier: Apache-2.0 */
/* A step of RMSprop over SPK_REAL (both_types.inc.h); what it computes: rmsprop.c. */
/* Without `mean` it is not centered, without `buffer` there is no momentum: one loop is made for each pair. */
static inline void SPK_NAME(loop)(const SPK_REAL *s, int64_t n, SPK_REAL *restrict w, const SPK_REAL *restrict g,
                                  SPK_REAL *restrict square, SPK_REAL *restrict mean, SPK_REAL *restrict buffer)
{
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], alpha = s[ALPHA], rest = s[REST], rate = s[RATE], eps = s[EPS];
    const SPK_REAL mu = s[MOMENTUM];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        square[i] = alpha * square[i] + rest * (gi * gi);
        SPK_REAL h = square[i];
        if (mean) {
            mean[i] += rest * (gi - mean[i]);
            h -= mean[i] * mean[i];
            h = h > 0 ? h : 0;
        }
        SPK_REAL d = gi / (SPK_SQRT(h) + eps);
        if (buffer) d = buffer[i] = mu * buffer[i] + d;
        w[i] -= rate * d;
    }
}

static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *w = weights;
    const SPK_REAL *g = gradients;
    const bool centered = s[CENTERED] > 0;
    SPK_REAL *buffer = centered ? state[2] : state[1];
    if (centered && buffer)
        SPK_NAME(loop)(s, n, w, g, state[0], state[1], buffer);
    else if (centered)
        SPK_NAME(loop)(s, n, w, g, state[0], state[1], NULL);
    else if (buffer)
        SPK_NAME(loop)(s, n, w, g, state[0], NULL, buffer);
    else
        SPK_NAME(loop)(s, n, w, g, state[0], NULL, NULL);
}
