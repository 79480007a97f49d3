/* SPDX-License-Identifier: Apache-2.0 */
/* The draws of backend/draw_impl.h in kernels: the same bits. Seed and step are read on the device, where they change between
 * the replays of a recorded run. */
#ifndef SPK_CUDA_DRAW_CUDA_IMPL_H
#define SPK_CUDA_DRAW_CUDA_IMPL_H

#include "backend/cuda/cuda_impl.h"

extern "C" {
#include "backend/draw_impl.h"
}

/* spk__draw_key: FNV-1a, 64 bits, over seed, step and stream as spk_hash has it. */
__device__ static inline spk_draw_key spk_cuda_draw_key(const spk_draws *draws, uint64_t stream)
{
    const uint64_t name[3] = {draws->seed, draws->step, stream};
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < 3; i++)
        for (int byte = 0; byte < 8; byte++)
            hash = (hash ^ (name[i] >> (8 * byte) & 0xff)) * 1099511628211u;
    spk_draw_key key;
    key.k0 = static_cast<uint32_t>(hash);
    key.k1 = static_cast<uint32_t>(hash >> 32);
    return key;
}

/* That, made by one thread for its block: all threads must come here. */
__device__ static inline spk_draw_key spk_cuda_block_key(const spk_draws *draws, uint64_t stream)
{
    __shared__ spk_draw_key key;
    if (threadIdx.x == 0 && threadIdx.y == 0) key = spk_cuda_draw_key(draws, stream);
    __syncthreads();
    return key;
}

/* spk__draw without an array that is indexed at run time: those lie in slow memory. */
__device__ static inline uint32_t spk_cuda_draw(spk_draw_key key, uint64_t e)
{
    uint32_t word[4];
    spk__draw_block(key, e / SPK_DRAW_CHUNK * SPK_DRAW_LANES + e % SPK_DRAW_LANES, word);
    const uint32_t low = e / SPK_DRAW_LANES % 2 ? word[1] : word[0], high = e / SPK_DRAW_LANES % 2 ? word[3] : word[2];
    return e / (2 * SPK_DRAW_LANES) % 2 ? high : low;
}

#endif
