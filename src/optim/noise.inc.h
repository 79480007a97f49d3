/* SPDX-License-Identifier: Apache-2.0 */
/* Noise on a stretch of gradients over SPK_REAL (both_types.inc.h). */
static void SPK_NAME(add_to_piece)(SPK_REAL *g, int32_t n, spk_rng rng, float sigma)
{
    for (int32_t i = 0; i < n; i += 2) {
        float x[2];
        const uint32_t a = spk_rng_u32(&rng), b = spk_rng_u32(&rng);
        normal_pair(a, b, sigma, x);
        g[i] += (SPK_REAL)x[0];
        if (i + 1 < n) g[i + 1] += (SPK_REAL)x[1];
    }
}
