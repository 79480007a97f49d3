/* SPDX-License-Identifier: Apache-2.0 */
/* What the backend is, and how fast a matrix product runs on this processor. */
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/dnnl_impl.h"

const char *spk_backend_version(void)
{
    static char text[64];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

const char *spk_backend_isa(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return __builtin_cpu_supports("avx512bf16") ? "avx512_bf16" : "avx512";
    return "avx2";
}

bool spk_backend_has_bf16(void)
{
    const char *forced = getenv("SPK_BF16");
    return (forced && strcmp(forced, "1") == 0) || strcmp(spk_backend_isa(), "avx512_bf16") == 0;
}

double spk_backend_peak_gflops(int n_threads)
{
    enum { SIZE = 2048, RUNS = 8 };
    (void)n_threads; /* the library uses OpenMP's number of threads */
    float *a = spk_alloc_zero(sizeof(float) * SIZE * SIZE), *b = spk_alloc_zero(sizeof(float) * SIZE * SIZE);
    float *c = spk_alloc_zero(sizeof(float) * SIZE * SIZE);
    double best = 0;
    for (int i = 0; a && b && c && i < RUNS; i++) {
        const double start = spk_now();
        SPK_DNNL(dnnl_sgemm('N', 'N', SIZE, SIZE, SIZE, 1, a, SIZE, b, SIZE, 0, c, SIZE));
        const double rate = 2e-9 * SIZE * SIZE * (double)SIZE / (spk_now() - start);
        if (rate > best) best = rate;
    }
    spk_free(a);
    spk_free(b);
    spk_free(c);
    return best;
}
