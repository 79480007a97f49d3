/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk_cuda_product by cuBLASLt. The library's matrices are columns of columns: our c = a b is its c^T = b^T a^T, with the same
 * memory read the other way round, so its first factor is our b. What it recommends for a geometry is kept, with its descriptors, in
 * a table of fixed size, so that a step asks it for nothing; where it has nothing (odd alignments), tile.cu does the product.
 */
#include "backend/cuda/conv_impl.h"
#include "backend/cuda/product_impl.h"

#include <cublasLt.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS = 4096, WAYS = 4, THREADS = 256 };
static const size_t bias_bytes = size_t(64) << 10; /* the end of the workspace: a bias in bfloat16 */

/* All that the library's choice depends on; compared byte by byte. */
struct shape {
    int64_t rows, cols, inner, batch, a_ld, b_ld, c_ld, a_stride, b_stride, c_stride;
    int32_t factor, result; /* spk_dtype */
    int32_t transpose_a, transpose_b, add, relu, bias, a_align, b_align, c_align, bias_align, unused;
};

struct slot {
    shape key;
    bool used, tile; /* tile: the library has nothing, at least not with this epilogue */
    cublasLtMatmulDescOpaque_t op;
    cublasLtMatrixLayoutOpaque_t a, b, c;
    cublasLtMatmulAlgo_t algo;
};

static void describe(const shape *s, char *text, size_t n)
{
    snprintf(text, n, "%lld x %lld of %lld%s%s, batch %lld, ld %lld %lld %lld, %s to %s%s%s%s, aligned %d %d %d",
             static_cast<long long>(s->rows), static_cast<long long>(s->cols), static_cast<long long>(s->inner),
             s->transpose_a ? " a^T" : "", s->transpose_b ? " b^T" : "", static_cast<long long>(s->batch),
             static_cast<long long>(s->a_ld), static_cast<long long>(s->b_ld), static_cast<long long>(s->c_ld),
             s->factor == SPK_BF16 ? "bfloat16" : "float", s->result == SPK_BF16 ? "bfloat16" : "float",
             s->add ? ", added" : "", s->bias ? ", bias" : "", s->relu ? ", ReLU" : "", s->a_align, s->b_align,
             s->c_align);
}

static void check(cublasStatus_t status, const char *what, const shape *s)
{
    if (status == CUBLAS_STATUS_SUCCESS) return;
    char text[256];
    describe(s, text, sizeof text);
    fprintf(stderr, "spk: a matrix product failed in cuBLASLt: %s: %s (%s)\n", what, cublasLtGetStatusString(status),
            text);
    abort();
}
#define LT(call) check((call), #call, s)

/* ---- asking ---- */

static int32_t alignment(const void *p, int64_t stride, spk_dtype type)
{
    const uintptr_t bits = reinterpret_cast<uintptr_t>(p) |
                           static_cast<uintptr_t>(stride) * static_cast<uintptr_t>(type == SPK_BF16 ? 2 : 4) | 16;
    return static_cast<int32_t>(bits & (~bits + 1));
}

static void set_layout(cublasLtMatrixLayoutOpaque_t *l, const spk_matrix *m, const shape *s)
{
    const int32_t batch = static_cast<int32_t>(s->batch);
    LT(cublasLtMatrixLayoutInit(l, m->type == SPK_BF16 ? CUDA_R_16BF : CUDA_R_32F, static_cast<uint64_t>(m->cols),
                                static_cast<uint64_t>(m->rows), m->ld));
    if (batch == 1) return;
    LT(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch));
    LT(cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &m->stride, sizeof m->stride));
}

static void set_bias(slot *p, const void *bias)
{
    const shape *s = &p->key;
    LT(cublasLtMatmulDescSetAttribute(&p->op, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
}

static void set_op(slot *p, const void *bias, bool tf32)
{
    const shape *s = &p->key;
    const bool fast = tf32 && s->factor == SPK_F32;
    const int32_t first = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                  second = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint32_t epilogue = s->relu && s->bias ? CUBLASLT_EPILOGUE_RELU_BIAS
                              : s->relu          ? CUBLASLT_EPILOGUE_RELU
                              : s->bias          ? CUBLASLT_EPILOGUE_BIAS
                                                 : CUBLASLT_EPILOGUE_DEFAULT;
    LT(cublasLtMatmulDescInit(&p->op, fast ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    LT(cublasLtMatmulDescSetAttribute(&p->op, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
    LT(cublasLtMatmulDescSetAttribute(&p->op, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
    LT(cublasLtMatmulDescSetAttribute(&p->op, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    if (s->bias) set_bias(p, bias);
}

/* The library's first recommendation. Partial sums of a split product are float and summed in a fixed order. */
static void choose(spk_cuda *d, slot *p)
{
    const shape *s = &p->key;
    const uint64_t room = d->workspace_bytes > bias_bytes ? d->workspace_bytes - bias_bytes : 0;
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const uint32_t a = static_cast<uint32_t>(s->a_align), b = static_cast<uint32_t>(s->b_align),
                   c = static_cast<uint32_t>(s->c_align);
    cublasLtMatmulPreferenceOpaque_t wish;
    cublasLtMatmulHeuristicResult_t found = {};
    int n = 0;
    LT(cublasLtMatmulPreferenceInit(&wish));
    LT(cublasLtMatmulPreferenceSetAttribute(&wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room));
    LT(cublasLtMatmulPreferenceSetAttribute(&wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                                            sizeof schemes));
    LT(cublasLtMatmulPreferenceSetAttribute(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &b, sizeof b));
    LT(cublasLtMatmulPreferenceSetAttribute(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &a, sizeof a));
    LT(cublasLtMatmulPreferenceSetAttribute(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &c, sizeof c));
    LT(cublasLtMatmulPreferenceSetAttribute(&wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &c, sizeof c));
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(static_cast<cublasLtHandle_t>(d->lt), &p->op, &p->b,
                                                                 &p->a, &p->c, &p->c, &wish, 1, &found, &n);
    p->tile = status != CUBLAS_STATUS_SUCCESS || n < 1 || found.state != CUBLAS_STATUS_SUCCESS;
    p->algo = found.algo;
    if (!p->tile || !spk_cuda_talks()) return;
    char text[256];
    describe(s, text, sizeof text);
    fprintf(stderr, "spk: cuBLASLt has nothing for %s: %s\n", text, cublasLtGetStatusString(status));
}

/* ---- the table ---- */

static shape shape_of(const spk_matrix *a, const spk_matrix *b, const spk_matrix *c, const spk_product *how,
                      const void *bias)
{
    shape s;
    memset(&s, 0, sizeof s);
    s.rows = c->rows;
    s.cols = c->cols;
    s.inner = how->transpose_a ? a->rows : a->cols;
    s.batch = how->batch;
    s.a_ld = a->ld;
    s.b_ld = b->ld;
    s.c_ld = c->ld;
    s.a_stride = s.batch > 1 ? a->stride : 0;
    s.b_stride = s.batch > 1 ? b->stride : 0;
    s.c_stride = s.batch > 1 ? c->stride : 0;
    s.factor = a->type;
    s.result = c->type;
    s.transpose_a = how->transpose_a;
    s.transpose_b = how->transpose_b;
    s.add = how->add;
    s.relu = how->relu;
    s.bias = bias != nullptr;
    s.a_align = alignment(a->p, s.a_stride, a->type);
    s.b_align = alignment(b->p, s.b_stride, b->type);
    s.c_align = alignment(c->p, s.c_stride, c->type);
    s.bias_align = alignment(bias, 0, SPK_F32);
    return s;
}

static uint64_t hash_of(const shape *s)
{
    const unsigned char *p = reinterpret_cast<const unsigned char *>(s);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof *s; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* Where this shape's slot is, or where it may be made. */
static slot *find(spk_cuda *d, const shape *s)
{
    if (!d->products) d->products = calloc(SLOTS, sizeof(slot));
    if (!d->products) spk_cuda_short_of_memory(SLOTS * sizeof(slot));
    slot *ways = static_cast<slot *>(d->products) + hash_of(s) % (SLOTS / WAYS) * WAYS;
    for (int i = 0; i < WAYS; i++)
        if (ways[i].used && memcmp(&ways[i].key, s, sizeof *s) == 0) return &ways[i];
    for (int i = 0; i < WAYS; i++)
        if (!ways[i].used) return &ways[i];
    static unsigned turn; /* one of them goes */
    slot *p = &ways[turn++ % WAYS];
    p->used = false;
    return p;
}

void spk_cuda_products_close(spk_cuda *d)
{
    free(d->products);
    d->products = nullptr;
}

/* ---- products ---- */

static __global__ void round_bias(const float *bias, spk_b16 *to, int64_t n)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < n) spk_store(to + i, bias[i]);
}

/* The library wants a bias of the result's type. NULL: there is no room for one. */
static const void *bias_of(spk_cuda *d, const spk_matrix *c, const float *bias)
{
    if (!bias || c->type == SPK_F32) return bias;
    if (static_cast<size_t>(c->cols) * sizeof(spk_b16) > bias_bytes || d->workspace_bytes < bias_bytes) return nullptr;
    spk_b16 *to =
        reinterpret_cast<spk_b16 *>(static_cast<char *>(d->workspace) + (d->workspace_bytes - bias_bytes) / 256 * 256);
    spk_launch(d, round_bias, spk_blocks(c->cols, THREADS), THREADS, 0, bias, to, c->cols);
    return to;
}

/* Where the library has a product but not with this epilogue: bias and ReLU in a pass of their own. */
static void product_then_epilogue(spk_cuda *d, const spk_matrix *a, const spk_matrix *b, const spk_matrix *c,
                                  const spk_product *how)
{
    spk_product bare = *how;
    bare.bias = nullptr;
    bare.relu = false;
    spk_cuda_product(d, a, b, c, &bare);
    for (int64_t i = 0; i < how->batch; i++) {
        char *p = static_cast<char *>(c->p) + static_cast<size_t>(i * c->stride) * spk_conv_size(c->type);
        const spk_rows_of rows = {p, c->type, c->ld};
        spk_conv_finish(d, &rows, &rows, c->rows, c->cols, how->bias, how->relu, false);
    }
}

static bool by_tiles(void)
{
    static const char *path = getenv("SPK_CUDA_PRODUCT");
    return path && strcmp(path, "tile") == 0;
}

void spk_cuda_product(spk_cuda *d, const spk_matrix *a, const spk_matrix *b, const spk_matrix *c,
                      const spk_product *how)
{
    const bool both = how->add && (how->relu || how->bias); /* the library would add first */
    if (c->rows < 1 || c->cols < 1 || how->batch < 1) return;
    const void *bias = both || by_tiles() ? nullptr : bias_of(d, c, how->bias);
    if (both || by_tiles() || (how->bias && !bias) || how->batch > INT32_MAX) {
        spk_tile_product(d, a, b, c, how);
        return;
    }
    const shape key = shape_of(a, b, c, how, bias), *s = &key;
    slot *p = find(d, s);
    if (!p->used) {
        memset(p, 0, sizeof *p);
        p->key = key;
        set_layout(&p->a, a, s);
        set_layout(&p->b, b, s);
        set_layout(&p->c, c, s);
        set_op(p, bias, d->options.tf32);
        choose(d, p);
        p->used = true;
    }
    if (p->tile) {
        if (how->bias || how->relu)
            product_then_epilogue(d, a, b, c, how);
        else
            spk_tile_product(d, a, b, c, how);
        return;
    }
    if (bias) set_bias(p, bias);
    const float one = 1, beta = how->add ? 1 : 0;
    const size_t room = d->workspace_bytes > bias_bytes ? d->workspace_bytes - bias_bytes : 0;
    LT(cublasLtMatmul(static_cast<cublasLtHandle_t>(d->lt), &p->op, &one, b->p, &p->b, a->p, &p->a, &beta, c->p, &p->c,
                      c->p, &p->c, &p->algo, d->workspace, room, d->stream));
}
