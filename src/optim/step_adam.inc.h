/* SPDX-License-Identifier: Apache-2.0 */
/* A step of Adam and AdamW over SPK_REAL (both_types.inc.h); what it computes: adam.c. */
static void SPK_NAME(update_plain)(const SPK_REAL *s, int64_t n, SPK_REAL *restrict w, const SPK_REAL *restrict g,
                                   SPK_REAL *restrict m, SPK_REAL *restrict v)
{
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], shrink = s[SHRINK], c1 = s[C1], b2 = s[B2], c2 = s[C2];
    const SPK_REAL rate = s[RATE], root = s[ROOT], eps = s[EPS];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        m[i] += c1 * (gi - m[i]);
        v[i] = b2 * v[i] + c2 * (gi * gi);
        w[i] = shrink * w[i] - rate * m[i] / (SPK_SQRT(v[i]) * root + eps);
    }
}

static void SPK_NAME(update_largest)(const SPK_REAL *s, int64_t n, SPK_REAL *restrict w, const SPK_REAL *restrict g,
                                     SPK_REAL *restrict m, SPK_REAL *restrict v, SPK_REAL *restrict largest)
{
    const SPK_REAL scale = s[SCALE], decay = s[DECAY], shrink = s[SHRINK], c1 = s[C1], b2 = s[B2], c2 = s[C2];
    const SPK_REAL rate = s[RATE], root = s[ROOT], eps = s[EPS];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const SPK_REAL gi = scale * g[i] + decay * w[i];
        m[i] += c1 * (gi - m[i]);
        v[i] = b2 * v[i] + c2 * (gi * gi);
        largest[i] = largest[i] > v[i] ? largest[i] : v[i];
        w[i] = shrink * w[i] - rate * m[i] / (SPK_SQRT(largest[i]) * root + eps);
    }
}

static void SPK_NAME(update)(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                             void *const *state)
{
    const SPK_REAL *s = scalars->SPK_FIELD;
    SPK_REAL *w = weights;
    const SPK_REAL *g = gradients;
    if (state[2])
        SPK_NAME(update_largest)(s, n, w, g, state[0], state[1], state[2]);
    else
        SPK_NAME(update_plain)(s, n, w, g, state[0], state[1]);
}
