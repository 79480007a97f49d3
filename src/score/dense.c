/* SPDX-License-Identifier: Apache-2.0 */
/* LAPACK reads matrices by columns, so it sees the transpose of ours: "upper" there is the lower triangle here. */
#include "score/dense_impl.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 16 }; /* rows of a result that one call makes */
/* A pivot that is so much smaller than the largest variance is rounding, not data. */
static const double singular_below = 1e-12;

void spk_dense_product(bool at, bool bt, int64_t m, int64_t n, int64_t k, const double *A, const double *B, double *C)
{
    const int64_t lda = at ? m : k, ldb = bt ? k : n;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < m; i += BLOCK) {
        const int64_t rows = m - i < BLOCK ? m - i : BLOCK;
        cblas_dgemm(CblasRowMajor, at ? CblasTrans : CblasNoTrans, bt ? CblasTrans : CblasNoTrans, (int)rows, (int)n,
                    (int)k, 1, at ? A + i : A + i * lda, (int)lda, B, (int)ldb, 0, C + i * n, (int)n);
    }
}

void spk_dense_gram(const double *X, int64_t N, int64_t D, double *C)
{
    spk_dense_product(true, false, D, D, N, X, X, C);
}

spk_status spk_dense_project(const double *T, int64_t R, int64_t D, const double *A, double *C)
{
    double *half = spk_alloc(sizeof *half * (size_t)(R * D));
    if (!half)
        return spk_fail(SPK_E_NOMEM, "not enough memory for matrices of %lld x %lld", (long long)R, (long long)D);
    spk_dense_product(false, false, R, D, D, T, A, half);
    spk_dense_product(false, true, R, R, D, half, T, C);
    spk_free(half);
    return SPK_OK;
}

bool spk_dense_whitener(double *A, int64_t n)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, A[i * n + i]);
    if (!(largest > 0) || LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)n, A, (lapack_int)n) != 0) return false;
    for (int64_t i = 0; i < n; i++)
        if (!(A[i * n + i] * A[i * n + i] > singular_below * largest)) return false;
    if (LAPACKE_dtrtri(LAPACK_COL_MAJOR, 'U', 'N', (lapack_int)n, A, (lapack_int)n) != 0) return false;
    for (int64_t i = 0; i < n; i++)
        memset(A + i * n + i + 1, 0, sizeof *A * (size_t)(n - 1 - i));
    return true;
}

spk_status spk_dense_eigen(double *A, int64_t n, double *value)
{
    const lapack_int rc = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', (lapack_int)n, A, (lapack_int)n, value);
    if (rc == LAPACK_WORK_MEMORY_ERROR || rc == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return spk_fail(SPK_E_NOMEM, "not enough memory for the eigenvectors of a %lld x %lld matrix", (long long)n,
                        (long long)n);
    if (rc != 0)
        return spk_fail(SPK_E_VALUE, "the eigenvectors of a %lld x %lld matrix were not found", (long long)n,
                        (long long)n);
    for (int64_t i = 0, j = n - 1; i < j; i++, j--) { /* rising to falling */
        const double v = value[i];
        value[i] = value[j];
        value[j] = v;
        for (int64_t k = 0; k < n; k++) {
            const double a = A[i * n + k];
            A[i * n + k] = A[j * n + k];
            A[j * n + k] = a;
        }
    }
    return SPK_OK;
}
