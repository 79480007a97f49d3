/* SPDX-License-Identifier: Apache-2.0 */
/* A GPU through CUDA's runtime: opening it, its memory, copies, recorded runs. */
#include "backend/cuda/product_impl.h"

#include <cublasLt.h>
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNED = 256, STAGING_BYTES = 32 << 20, PART_BYTES = 2 << 20, LARGE_BYTES = 1 << 20 };
static const size_t usual_workspace = size_t(64) << 20;
static char sentence[512];

void spk_cuda_check(cudaError_t error, const char *file, int line)
{
    if (error == cudaSuccess) return;
    fprintf(stderr, "spk: the GPU failed: %s (%s, line %d)\n", cudaGetErrorString(error), file, line);
    abort();
}

void spk_cuda_short_of_memory(size_t bytes)
{
    fprintf(stderr, "spk: out of memory on the GPU for %zu bytes; use a smaller batch_size\n", bytes);
    abort();
}

static int count(void)
{
    int n = 0;
    return cudaGetDeviceCount(&n) == cudaSuccess ? n : 0;
}

static void close(void *self)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    if (!d) return;
    spk_cuda_products_close(d);
    spk_cuda_dnn_close(d);
    if (d->dnn) cudnnDestroy(static_cast<cudnnHandle_t>(d->dnn));
    if (d->lt) cublasLtDestroy(static_cast<cublasLtHandle_t>(d->lt));
    for (int i = 0; i < 2; i++) {
        if (d->staging[i]) cudaFreeHost(d->staging[i]);
        if (d->staged[i]) cudaEventDestroy(d->staged[i]);
    }
    if (d->workspace) cudaFree(d->workspace);
    if (d->parts) cudaFree(d->parts);
    if (d->stream) cudaStreamDestroy(d->stream);
    free(d->follow);
    free(d->piece);
    free(d);
}

static const char *give_up(spk_cuda *d, const char *what, const char *why)
{
    snprintf(sentence, sizeof sentence, "%s: %s", what, why);
    close(d);
    return sentence;
}

static const char *open(const spk_device_options *options, void **self, spk_device_info *info)
{
    cudaDeviceProp p;
    spk_cuda *d = static_cast<spk_cuda *>(calloc(1, sizeof *d));
    if (!d) return "out of memory";
    d->options = *options;
    cudaError_t error = cudaSetDevice(options->index);
    if (error == cudaSuccess) error = cudaGetDeviceProperties(&p, options->index);
    if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking);
    d->workspace_bytes = options->workspace_bytes ? options->workspace_bytes : usual_workspace;
    if (error == cudaSuccess) error = cudaMalloc(&d->workspace, d->workspace_bytes);
    for (int i = 0; i < 2 && error == cudaSuccess; i++) {
        error = cudaMallocHost(&d->staging[i], STAGING_BYTES);
        if (error == cudaSuccess) error = cudaEventCreateWithFlags(&d->staged[i], cudaEventDisableTiming);
    }
    if (error != cudaSuccess) return give_up(d, "the GPU cannot be opened", cudaGetErrorString(error));
    d->n_sm = p.multiProcessorCount;
    cublasLtHandle_t lt;
    const cublasStatus_t lt_status = cublasLtCreate(&lt);
    if (lt_status != CUBLAS_STATUS_SUCCESS)
        return give_up(d, "cuBLASLt cannot be opened", cublasLtGetStatusString(lt_status));
    d->lt = lt;
    cudnnHandle_t dnn;
    cudnnStatus_t dnn_status = cudnnCreate(&dnn);
    if (dnn_status == CUDNN_STATUS_SUCCESS) d->dnn = dnn;
    if (dnn_status == CUDNN_STATUS_SUCCESS) dnn_status = cudnnSetStream(dnn, d->stream);
    if (dnn_status != CUDNN_STATUS_SUCCESS)
        return give_up(d, "cuDNN cannot be opened", cudnnGetErrorString(dnn_status));
    const size_t version = cudnnGetVersion();
    snprintf(info->name, sizeof info->name, "%s", p.name);
    snprintf(info->library, sizeof info->library, "CUDA %d.%d, cuDNN %zu.%zu", CUDART_VERSION / 1000,
             CUDART_VERSION % 1000 / 10, version / 10000, version / 100 % 100);
    info->memory_gb = static_cast<double>(p.totalGlobalMem) / 1e9;
    *self = d;
    return nullptr;
}

/* ---- memory ---- */

static void *alloc(void *self, size_t bytes)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    void *p = nullptr;
    const size_t whole = (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    spk_piece *all = static_cast<spk_piece *>(realloc(d->piece, sizeof *all * static_cast<size_t>(d->n_pieces + 1)));
    if (!all) return nullptr;
    d->piece = all;
    if (cudaMalloc(&p, whole) != cudaSuccess) {
        cudaGetLastError(); /* memory that is short is no failure of what comes next */
        return nullptr;
    }
    d->piece[d->n_pieces++] = {p, whole};
    d->used += whole;
    if (d->used > d->most_used) d->most_used = d->used;
    return p;
}

static void free_memory(void *self, void *p)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    SPK_CUDA(cudaStreamSynchronize(d->stream));
    SPK_CUDA(cudaFree(p));
    for (int i = 0; i < d->n_pieces; i++)
        if (d->piece[i].p == p) {
            d->used -= d->piece[i].bytes;
            d->piece[i] = d->piece[--d->n_pieces];
            break;
        }
}

static size_t most_used(void *self)
{
    return static_cast<spk_cuda *>(self)->most_used;
}

static size_t room(void *self)
{
    (void)self;
    size_t free_bytes = 0, all = 0;
    SPK_CUDA(cudaMemGetInfo(&free_bytes, &all));
    return free_bytes;
}

static void copy(spk_cuda *d, void *to, const void *from, const spk_device_rows *r, cudaMemcpyKind kind)
{
    if (r->n <= 0 || r->bytes == 0) return;
    const bool dense = r->n == 1 || (r->to_ld == r->bytes && r->from_ld == r->bytes);
    if (dense)
        SPK_CUDA(cudaMemcpyAsync(to, from, static_cast<size_t>(r->n) * r->bytes, kind, d->stream));
    else
        SPK_CUDA(
            cudaMemcpy2DAsync(to, r->to_ld, from, r->from_ld, r->bytes, static_cast<size_t>(r->n), kind, d->stream));
}

/* A large piece passes through pinned memory, which the device fetches at full speed while the next part is copied. */
static void put_large(spk_cuda *d, char *to, const char *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += STAGING_BYTES) {
        const size_t n = bytes - at < STAGING_BYTES ? bytes - at : size_t(STAGING_BYTES);
        const int s = d->next_staging;
        d->next_staging = 1 - s;
        SPK_CUDA(cudaEventSynchronize(d->staged[s]));
        char *room = static_cast<char *>(d->staging[s]);
        const long parts = static_cast<long>((n + PART_BYTES - 1) / PART_BYTES);
#pragma omp parallel for schedule(static)
        for (long i = 0; i < parts; i++) {
            const size_t begin = static_cast<size_t>(i) * PART_BYTES, left = n - begin;
            memcpy(room + begin, from + at + begin, left < PART_BYTES ? left : size_t(PART_BYTES));
        }
        SPK_CUDA(cudaMemcpyAsync(to + at, room, n, cudaMemcpyHostToDevice, d->stream));
        SPK_CUDA(cudaEventRecord(d->staged[s], d->stream));
    }
}

static void *host_alloc(size_t bytes)
{
    void *p = nullptr;
    if (cudaMallocHost(&p, bytes) == cudaSuccess) return p;
    cudaGetLastError();
    return nullptr;
}

static void host_free(void *p)
{
    SPK_CUDA(cudaFreeHost(p));
}

static bool is_pinned(const void *p)
{
    cudaPointerAttributes about;
    if (cudaPointerGetAttributes(&about, p) == cudaSuccess) return about.type == cudaMemoryTypeHost;
    cudaGetLastError();
    return false;
}

static void put(void *self, void *to, const void *from, const spk_device_rows *rows)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    if (rows->n == 1 && rows->bytes >= LARGE_BYTES && !is_pinned(from))
        put_large(d, static_cast<char *>(to), static_cast<const char *>(from), rows->bytes);
    else
        copy(d, to, from, rows, cudaMemcpyHostToDevice);
}

static void wait(void *self)
{
    SPK_CUDA(cudaStreamSynchronize(static_cast<spk_cuda *>(self)->stream));
}

static void get(void *self, void *to, const void *from, const spk_device_rows *rows)
{
    copy(static_cast<spk_cuda *>(self), to, from, rows, cudaMemcpyDeviceToHost);
    wait(self);
}

static void zero(void *self, void *p, size_t bytes)
{
    SPK_CUDA(cudaMemsetAsync(p, 0, bytes, static_cast<spk_cuda *>(self)->stream));
}

/* ---- recorded runs ---- */

static void begin_record(void *self)
{
    SPK_CUDA(cudaStreamBeginCapture(static_cast<spk_cuda *>(self)->stream, cudaStreamCaptureModeThreadLocal));
}

static void *end_record(void *self)
{
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t made = nullptr;
    if (cudaStreamEndCapture(static_cast<spk_cuda *>(self)->stream, &graph) != cudaSuccess || !graph) {
        cudaGetLastError();
        return nullptr;
    }
    if (cudaGraphInstantiate(&made, graph, 0) != cudaSuccess) {
        cudaGetLastError();
        made = nullptr;
    }
    cudaGraphDestroy(graph);
    return made;
}

static void replay(void *self, void *recorded)
{
    SPK_CUDA(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recorded), static_cast<spk_cuda *>(self)->stream));
}

static void forget(void *self, void *recorded)
{
    wait(self);
    SPK_CUDA(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recorded)));
}

const spk_device_table spk_cuda_runtime = {.version = SPK_DEVICE_VERSION,
                                           .kind = "CUDA",
                                           .count = count,
                                           .open = open,
                                           .close = close,
                                           .alloc = alloc,
                                           .free = free_memory,
                                           .room = room,
                                           .most_used = most_used,
                                           .host_alloc = host_alloc,
                                           .host_free = host_free,
                                           .put = put,
                                           .get = get,
                                           .zero = zero,
                                           .wait = wait,
                                           .kernel = nullptr,
                                           .follow = nullptr,
                                           .unfollow = nullptr,
                                           .refresh = nullptr,
                                           .begin_record = begin_record,
                                           .end_record = end_record,
                                           .replay = replay,
                                           .forget = forget};
