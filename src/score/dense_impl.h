/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dense matrices in double precision: LAPACK and BLAS behind the few calls that statistics of embeddings need. Matrices are
 * row-major, without padding. Products are split by rows of the result, so that they do not depend on the number of threads.
 */
#ifndef SPK_SCORE_DENSE_IMPL_H
#define SPK_SCORE_DENSE_IMPL_H

#include "base/base_impl.h"

/* C (m, n) = op(A) op(B), op(A) (m, k), op(B) (k, n): transposed where `at`, `bt`. */
void spk_dense_product(bool at, bool bt, int64_t m, int64_t n, int64_t k, const double *A, const double *B, double *C);
/* C (D, D) = X'X of N rows. */
void spk_dense_gram(const double *X, int64_t N, int64_t D, double *C);
/* C (R, R) = T A T' of T (R, D), A (D, D). SPK_E_NOMEM. */
spk_status spk_dense_project(const double *T, int64_t R, int64_t D, const double *A, double *C);
/* A (n, n) symmetric becomes inv(L), lower triangular, where A = L L'. False: A is singular, or nearly, or not positive
 * definite; A is then destroyed. */
bool spk_dense_whitener(double *A, int64_t n);
/* A (n, n) symmetric becomes its eigenvectors, one a row, by falling eigenvalue. SPK_E_NOMEM, SPK_E_VALUE: no convergence. */
spk_status spk_dense_eigen(double *A, int64_t n, double *value);

#endif
