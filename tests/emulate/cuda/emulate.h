/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CUDA on the processor, for testing kernels where there is no GPU: the words of CUDA C++ that src/backend/cuda uses, and
 * spk_emulate, which runs a grid's blocks one after the other and the threads of a block in turn, each on a stack of its
 * own, changing at barriers and shuffles. It finds wrong indices, missing writes (memory begins as NaN) and barriers that
 * some threads of a block never reach; it does not find races between threads that happen to run in order here.
 */
#ifndef SPK_TESTS_EMULATE_CUDA_H
#define SPK_TESTS_EMULATE_CUDA_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define SPK_SHARED(type, name) type *name = reinterpret_cast<type *>(spk_emulated.shared)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

/* What the running thread sees. */
struct spk_emulated_thread {
    dim3 thread, block, n_threads, n_blocks;
    unsigned char *shared;
};
extern spk_emulated_thread spk_emulated;
#define threadIdx (spk_emulated.thread)
#define blockIdx (spk_emulated.block)
#define blockDim (spk_emulated.n_threads)
#define gridDim (spk_emulated.n_blocks)

void spk_emulate(dim3 blocks, dim3 threads, size_t shared, const std::function<void()> &kernel);

/* All threads of the block, or all lanes of the warp, that have not ended. */
void spk_emulate_sync_block(void);
void spk_emulate_sync_warp(void);
/* Every lane of the warp gives 8 bytes and gets those of lane `from`. */
uint64_t spk_emulate_exchange(uint64_t mine, int from);
int spk_emulate_lane(void);

static inline void __syncthreads(void)
{
    spk_emulate_sync_block();
}
static inline void __syncwarp(unsigned mask = 0xffffffffu)
{
    (void)mask;
    spk_emulate_sync_warp();
}

template <typename T> static inline T __shfl_sync(unsigned, T x, int from, int width = 32)
{
    uint64_t bits = 0;
    static_assert(sizeof(T) <= sizeof bits, "a shuffle moves 8 bytes at most");
    const int lane = spk_emulate_lane(), base = lane / width * width;
    memcpy(&bits, &x, sizeof x);
    bits = spk_emulate_exchange(bits, base + (from & (width - 1)));
    memcpy(&x, &bits, sizeof x);
    return x;
}
template <typename T> static inline T __shfl_xor_sync(unsigned mask, T x, int with, int width = 32)
{
    return __shfl_sync(mask, x, (spk_emulate_lane() ^ with) & (width - 1), width);
}
template <typename T> static inline T __shfl_down_sync(unsigned mask, T x, unsigned by, int width = 32)
{
    const int place = spk_emulate_lane() % width, from = place + static_cast<int>(by);
    return __shfl_sync(mask, x, from < width ? from : place, width);
}
template <typename T> static inline T __shfl_up_sync(unsigned mask, T x, unsigned by, int width = 32)
{
    const int place = spk_emulate_lane() % width, from = place - static_cast<int>(by);
    return __shfl_sync(mask, x, from >= 0 ? from : place, width);
}
static inline unsigned __ballot_sync(unsigned mask, int yes)
{
    unsigned all = 0;
    for (int lane = 0; lane < 32; lane++)
        all |= (__shfl_sync(mask, yes != 0 ? 1u : 0u, lane) & 1u) << lane;
    return all;
}

template <typename T> static inline T __ldg(const T *p)
{
    return *p;
}
static inline float rsqrtf(float x)
{
    return 1 / sqrtf(x);
}
static inline double rsqrt(double x)
{
    return 1 / sqrt(x);
}
#define __expf(x) expf(x)
#define __logf(x) logf(x)
static inline float __fdividef(float x, float y)
{
    return x / y;
}
static inline float __int_as_float(int x)
{
    float y;
    memcpy(&y, &x, sizeof y);
    return y;
}
static inline int __float_as_int(float x)
{
    int y;
    memcpy(&y, &x, sizeof y);
    return y;
}
static inline unsigned __umulhi(unsigned x, unsigned y)
{
    return static_cast<unsigned>(static_cast<uint64_t>(x) * y >> 32);
}
template <typename T> static inline T min(T a, T b)
{
    return b < a ? b : a;
}
template <typename T> static inline T max(T a, T b)
{
    return a < b ? b : a;
}
static inline void sincospi(double x, double *s, double *c)
{
    *s = sin(M_PI * x);
    *c = cos(M_PI * x);
}
static inline void sincospif(float x, float *s, float *c)
{
    *s = static_cast<float>(sin(M_PI * static_cast<double>(x)));
    *c = static_cast<float>(cos(M_PI * static_cast<double>(x)));
}

/* ---- the runtime ---- */

typedef int cudaError_t;
typedef struct spk_emulated_stream *cudaStream_t;
typedef struct spk_emulated_event *cudaEvent_t;
enum { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 };

#endif
