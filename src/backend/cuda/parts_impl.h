/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of many blocks, each in a row of its own, added up in their order. */
#ifndef SPK_CUDA_PARTS_IMPL_H
#define SPK_CUDA_PARTS_IMPL_H

#include "backend/cuda/cuda_impl.h"

enum { SPK_PARTS_SLICES = 32 };

/* y[c] = or += the sum of x[part * stride + c] over the parts. A block: 32 columns, each in 32 slices of the parts. */
static __global__ void spk_add_parts(const float *x, int64_t stride, int64_t parts, int64_t n, float *y, bool add)
{
    __shared__ double room[SPK_PARTS_SLICES][32];
    const int64_t c = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x;
    double sum = 0;
    for (int64_t i = threadIdx.y; i < parts && c < n; i += SPK_PARTS_SLICES)
        sum += static_cast<double>(x[i * stride + c]);
    room[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || c >= n) return;
    sum = add ? static_cast<double>(y[c]) : 0;
    for (int i = 0; i < SPK_PARTS_SLICES; i++)
        sum += room[i][threadIdx.x];
    y[c] = static_cast<float>(sum);
}

static inline void spk_cuda_add_parts(spk_cuda *d, const float *x, int64_t stride, int64_t parts, int64_t n, float *y,
                                      bool add)
{
    spk_launch(d, spk_add_parts, spk_blocks(n, 32), dim3(32, SPK_PARTS_SLICES), 0, x, stride, parts, n, y, add);
}

#endif
