/* SPDX-License-Identifier: Apache-2.0 */
/* Behind spk_cuda_product: a product without a library (tile.cu), and what gemm.cu and dnn_*.cu say and keep. */
#ifndef SPK_BACKEND_CUDA_PRODUCT_IMPL_H
#define SPK_BACKEND_CUDA_PRODUCT_IMPL_H

#include "backend/cuda/cuda_impl.h"

#include <stdlib.h>

void spk_tile_product(spk_cuda *d, const spk_matrix *a, const spk_matrix *b, const spk_matrix *c,
                      const spk_product *how);

/* What spk_cuda keeps for the libraries, given back when it is closed. */
void spk_cuda_products_close(spk_cuda *d);
void spk_cuda_dnn_close(spk_cuda *d);

/* SPK_CUDA_LOG=1 in the environment tells on stderr what the libraries chose, and what they had nothing for. */
static inline bool spk_cuda_talks(void)
{
    static const bool talks = getenv("SPK_CUDA_LOG") != nullptr;
    return talks;
}

#endif
