/* SPDX-License-Identifier: Apache-2.0 */
/* How fast memory is: y += s x over arrays that no cache holds, so that no line is fetched only to be overwritten. */
#include <omp.h>

#include "backend/backend_impl.h"

double spk_backend_memory_gbs(int n_threads)
{
    enum { COUNT = 1 << 25, RUNS = 8 };
    float *x = spk_alloc(sizeof(float) * COUNT), *y = spk_alloc(sizeof(float) * COUNT);
    double best = 0;
    for (int run = -1; x && y && run < RUNS; run++) {
        const double start = spk_now();
#pragma omp parallel for simd schedule(static) num_threads(n_threads)
        for (int64_t i = 0; i < COUNT; i++) {
            if (run < 0) x[i] = y[i] = 0; /* pages, on the thread that will use them */
            y[i] += 0.5F * x[i];
        }
        const double rate = 1e-9 * 3 * sizeof(float) * COUNT / (spk_now() - start);
        if (run >= 0 && rate > best) best = rate;
    }
    spk_free(x);
    spk_free(y);
    return best;
}
