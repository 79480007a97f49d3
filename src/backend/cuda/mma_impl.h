/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of small matrices of bfloat16 by a warp's tensor cores, and copies into shared memory that run on meanwhile
 * (PTX: ldmatrix, mma.m16n8k16, cp.async). All 32 lanes must come to spk_mma_*. With g = lane / 4 and t = lane % 4 a lane
 * of a 16 x 8 result has elements (g, 2t), (g, 2t + 1), (g + 8, 2t) and (g + 8, 2t + 1).
 */
#ifndef SPK_BACKEND_CUDA_MMA_IMPL_H
#define SPK_BACKEND_CUDA_MMA_IMPL_H

#include "backend/cuda/cuda_impl.h"

#ifdef SPK_EMULATE_CUDA

/* Four 8 x 8 matrices, transposed; lane 8 i + r names row r of matrix i, 16 aligned bytes of shared memory. */
static inline void spk_mma_load_turned(uint32_t *to, const spk_b16 *row)
{
    const int lane = spk_emulate_lane();
    for (int i = 0; i < 4; i++) {
        const spk_b16 *low = __shfl_sync(0xffffffffu, row, 8 * i + lane % 4 * 2);
        const spk_b16 *high = __shfl_sync(0xffffffffu, row, 8 * i + lane % 4 * 2 + 1);
        to[i] = low[lane / 4].bits | static_cast<uint32_t>(high[lane / 4].bits) << 16;
    }
}

static inline float spk_mma_half(uint32_t pair, int high)
{
    const spk_b16 x = {static_cast<uint16_t>(high ? pair >> 16 : pair)};
    return spk_load(&x);
}

/* c (16 x 8) += a (16 x 16) b (16 x 8). */
static inline void spk_mma(float *c, const uint32_t *a, const uint32_t *b)
{
    const int g = spk_emulate_lane() / 4, t = spk_emulate_lane() % 4;
    for (int from = 0; from < 4; from++)
        for (int half = 0; half < 2; half++) { /* k = 8 half + 2 from, and the next */
            const uint32_t top = __shfl_sync(0xffffffffu, a[2 * half], 4 * g + from);
            const uint32_t bottom = __shfl_sync(0xffffffffu, a[2 * half + 1], 4 * g + from);
            const uint32_t left = __shfl_sync(0xffffffffu, b[half], 8 * t + from);
            const uint32_t right = __shfl_sync(0xffffffffu, b[half], 8 * t + 4 + from);
            for (int i = 0; i < 2; i++) {
                c[0] += spk_mma_half(top, i) * spk_mma_half(left, i);
                c[1] += spk_mma_half(top, i) * spk_mma_half(right, i);
                c[2] += spk_mma_half(bottom, i) * spk_mma_half(left, i);
                c[3] += spk_mma_half(bottom, i) * spk_mma_half(right, i);
            }
        }
}

/* 16 aligned bytes into shared memory; zeros where not `there`. They are to be seen after spk_copy_wait and a barrier. */
static inline void spk_copy_16(spk_b16 *to, const spk_b16 *from, bool there)
{
    if (there)
        memcpy(to, from, 16);
    else
        memset(to, 0, 16);
}
static inline void spk_copy_group(void)
{
}
template <int N> static inline void spk_copy_wait(void)
{
}
/* The kernel wants shared memory more than a cache: so that several of its blocks fit. */
template <typename F> static inline void spk_much_shared(F)
{
}

#else

__device__ static inline unsigned spk_shared_place(const void *p)
{
    return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

__device__ static inline void spk_mma_load_turned(uint32_t *to, const spk_b16 *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(spk_shared_place(row))
                 : "memory");
}

__device__ static inline void spk_mma(float *c, const uint32_t *a, const uint32_t *b)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ static inline void spk_copy_16(spk_b16 *to, const spk_b16 *from, bool there)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(spk_shared_place(to)), "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
                 : "memory");
}
/* Closes a group of copies; waiting is for all groups but the last N. */
__device__ static inline void spk_copy_group(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int N> __device__ static inline void spk_copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
template <typename F> static inline void spk_much_shared(F kernel)
{
    SPK_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                  cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared));
}

#endif
#endif
