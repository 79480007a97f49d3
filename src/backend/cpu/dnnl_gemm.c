/* SPDX-License-Identifier: Apache-2.0 */
/* Small matrix products for kernels that are made of them, on the calling thread alone. */
#include "backend/cpu/dnnl_impl.h"
#include "backend/cpu/isa_impl.h"

void spk__sgemm(bool turn_a, bool turn_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    SPK_DNNL(dnnl_sgemm(turn_a ? 'T' : 'N', turn_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc));
}
