/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the kernels in the .cu files here: the device, launching, element types, sums over warps and blocks.
 *
 * The same sources are compiled twice: by nvcc for a GPU, and by an ordinary C++ compiler with SPK_EMULATE_CUDA, where
 * emulate.h runs the threads of a block in turn on the processor, so that every kernel is tested on machines without a GPU.
 * What differs is hidden here: kernels are started by spk_launch, never by <<<>>>; shared memory whose size the launch decides is named
 * by SPK_SHARED.
 *
 * Rules of backend_impl.h hold: no atomics, sums in a fixed order, the same bits from run to run. Addresses of views are the
 * device's. A kernel reads nothing of the host at run time but kargs and attributes that never change; what changes
 * from step to step comes from `follow` (lengths, margins, momentum) or ctx->device_draws, because a run may be recorded
 * once and replayed.
 */
#ifndef SPK_BACKEND_CUDA_IMPL_H
#define SPK_BACKEND_CUDA_IMPL_H

extern "C" {
#include "backend/backend_impl.h"
#include "backend/device_impl.h"
}

#ifdef SPK_EMULATE_CUDA
#include <emulate.h>
#else
#include <cuda_runtime.h>
#define SPK_SHARED(type, name)                                                                                         \
    extern __shared__ __align__(16) unsigned char spk_shared_[];                                                       \
    type *name = reinterpret_cast<type *>(spk_shared_)
#endif

/* ---- the device ---- */

struct spk_follow {
    const void *host;
    unsigned char *last; /* what was copied last */
    void *copy;          /* on the device */
    size_t bytes;
    int users;
};
struct spk_piece { /* of the device's memory */
    void *p;
    size_t bytes;
};

struct spk_cuda {
    spk_device_options options;
    cudaStream_t stream;
    int n_sm;               /* multiprocessors */
    void *workspace;        /* for the libraries' kernels, workspace_bytes */
    size_t workspace_bytes; /* (one thing runs at a time) */
    void *lt, *dnn;         /* cublasLtHandle_t, cudnnHandle_t */
    void *products, *convs; /* what the two recommended (gemm.cu, dnn_plans.cu) */
    spk_follow *follow;
    int n_follow;
    double *parts;    /* of norms (update.cu); NULL: none yet */
    spk_piece *piece; /* all that alloc gave */
    int n_pieces;
    size_t used, most_used; /* bytes that alloc gave, and the most at any time */
    void *staging[2];       /* of put: pinned memory of the host that copies pass through in turn, */
    cudaEvent_t staged[2];  /* and when each is free again */
    int next_staging;
};

static inline spk_cuda *spk_cuda_of(const spk_kargs *a)
{
    return static_cast<spk_cuda *>(a->ctx->device);
}
static inline spk_cuda *spk_cuda_of(const spk_geom *g)
{
    return static_cast<spk_cuda *>(g->device->self);
}

void spk_cuda_check(cudaError_t error, const char *file, int line); /* aborts with a sentence */
#define SPK_CUDA(call) spk_cuda_check((call), __FILE__, __LINE__)

/* The functions of the device's table, where plugin.cu wants them (device.cu; for the emulation in its own file). */
extern const spk_device_table spk_cuda_runtime;
const void *spk_cuda_follow_bytes(void *self, const void *host, size_t bytes);
void spk_cuda_unfollow_bytes(void *self, const void *host);
void spk_cuda_refresh(void *self);
double spk_cuda_norm(void *self, const float *gradients, int64_t n, double p);
void spk_cuda_adam(void *self, const spk_device_adam *s, int64_t n, float *w, const float *g, float *m, float *v,
                   float *largest);
void spk_cuda_sgd(void *self, const spk_device_sgd *s, int64_t n, float *w, const float *g, float *momentum);
[[noreturn]] void spk_cuda_short_of_memory(size_t bytes); /* for small things; says so and aborts */

/* A following copy for a kernel's state; NULL for NULL. */
template <typename T> static inline const T *spk_cuda_follow(const spk_geom *g, const T *host, int64_t n)
{
    return host
               ? static_cast<const T *>(g->device->t->follow(g->device->self, host, static_cast<size_t>(n) * sizeof(T)))
               : nullptr;
}
static inline void spk_cuda_unfollow(const spk_device *d, const void *host)
{
    if (host) d->t->unfollow(d->self, host);
}

/* ---- launching ---- */

/* kernel<<<blocks, threads, shared>>>(args...) on the device's stream. */
template <typename... P, typename... A>
static inline void spk_launch(spk_cuda *d, void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared, A... args)
{
    if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
#ifdef SPK_EMULATE_CUDA
    spk_emulate(blocks, threads, shared, [&] { kernel(static_cast<P>(args)...); });
    (void)d;
#else
    if (shared > 48 * 1024)
        SPK_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                      cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)));
    kernel<<<blocks, threads, shared, d->stream>>>(static_cast<P>(args)...);
    SPK_CUDA(cudaGetLastError());
#endif
}

static inline unsigned spk_blocks(int64_t n, int64_t each) /* so many blocks of `each` hold n */
{
    return static_cast<unsigned>((n + each - 1) / each);
}

/* ---- elements ---- */

/* bfloat16. Conversions round to the nearest, ties to even; NaN stays NaN, as in bf16_impl.h. */
struct spk_b16 {
    uint16_t bits;
};

__host__ __device__ static inline float spk_load(const float *p)
{
    return *p;
}
__host__ __device__ static inline float spk_load(const spk_b16 *p)
{
    union {
        uint32_t u;
        float f;
    } v = {static_cast<uint32_t>(p->bits) << 16};
    return v.f;
}
__host__ __device__ static inline void spk_store(float *p, float x)
{
    *p = x;
}
__host__ __device__ static inline void spk_store(spk_b16 *p, float x)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(p->bits) : "f"(x)); /* one instruction for those below */
#else
    union {
        float f;
        uint32_t u;
    } v = {x};
    const uint32_t rounded = (v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16;
    p->bits = static_cast<uint16_t>(x != x ? 0x7fc0u : rounded);
#endif
}
/* Written, or added to where `add`. */
template <typename T> __host__ __device__ static inline void spk_put(T *p, float x, bool add)
{
    spk_store(p, add ? spk_load(p) + x : x);
}

/* So many elements as one access of memory; p must be aligned to all of them. */
template <typename T, int N> struct alignas(N * sizeof(T)) spk_pack {
    T v[N];
};

/* f(pointer of the type): spk_by_type(view.dtype, [&](auto *t) { using T = std::remove_pointer_t<decltype(t)>; ... }). */
template <typename F> static inline void spk_by_type(spk_dtype type, F f)
{
    if (type == SPK_BF16)
        f(static_cast<spk_b16 *>(nullptr));
    else
        f(static_cast<float *>(nullptr));
}
static inline bool spk_is_real(const spk_view *v) /* a type that kernels here can have for frames */
{
    return v->dtype == SPK_F32 || v->dtype == SPK_BF16;
}

/* ---- sums ---- */

/* Over the 32 threads of a warp, to all of them; always in the same order. */
template <typename T> __device__ static inline T spk_warp_sum(T x)
{
    for (int offset = 16; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}
template <typename T> __device__ static inline T spk_warp_max(T x)
{
    for (int offset = 16; offset > 0; offset /= 2) {
        const T y = __shfl_xor_sync(0xffffffffu, x, offset);
        x = y > x ? y : x;
    }
    return x;
}

/* Over a block of whole warps (at most 1024 threads in x), to all of them. `room`: 32 values of shared memory, free
 * again when this returns. */
template <typename T> __device__ static inline T spk_block_sum(T x, T *room)
{
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int n = static_cast<int>(blockDim.x) / 32;
    x = spk_warp_sum(x);
    if (lane == 0) room[warp] = x;
    __syncthreads();
    x = spk_warp_sum(lane < n ? room[lane] : T(0));
    __syncthreads();
    return x;
}
template <typename T> __device__ static inline T spk_block_max(T x, T *room)
{
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
    const int n = static_cast<int>(blockDim.x) / 32;
    x = spk_warp_max(x);
    if (lane == 0) room[warp] = x;
    __syncthreads();
    x = spk_warp_max(lane < n ? room[lane] : room[0]);
    __syncthreads();
    return x;
}

/* ---- matrix products (gemm.cu) ---- */

/* A matrix of rows in device memory: element (i, j) at p[i * ld + j], float or bfloat16. */
struct spk_matrix {
    void *p;
    spk_dtype type;
    int64_t rows, cols, ld;
    int64_t stride; /* elements from one matrix of a batch to the next */
};

/*
 * c = [relu](op(a) op(b) + bias) or c + ..., for each of `batch` matrices, op being the transpose where asked. Sums are float.
 * bias: float, of c's columns, or NULL. With floats the factors are rounded to TF32 only where the device's options have tf32.
 * a and b have one type; c that type or float. Any extents and leading dimensions; slow where they are not multiples of 16 bytes.
 */
struct spk_product {
    bool transpose_a, transpose_b, add, relu;
    const float *bias;
    int64_t batch; /* at least 1 */
};
void spk_cuda_product(spk_cuda *d, const spk_matrix *a, const spk_matrix *b, const spk_matrix *c,
                      const spk_product *how);

/* ---- the kernels, one an op, each in its file; those that are not here run on the host ---- */
#define SPK_CUDA_KERNEL(NAME, name) extern "C" __attribute__((weak)) const spk_kernel spk__cuda_##name;
SPK_OPS(SPK_CUDA_KERNEL)
#undef SPK_CUDA_KERNEL

#endif
