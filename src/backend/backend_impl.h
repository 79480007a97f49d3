/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: pure functions on pointers and extents. They know nothing of graphs.
 *
 * Layout: channels last. A tensor is N x H x W x C (H = 1, W = T frames for sound); its N*H*W rows lie `ld`
 * elements apart, ld >= C, so a channel slice of a wider tensor is a view of it. Parameters are dense in
 * PyTorch's order (O, I, K). Letters: N batch, T frames, C/O channels in/out, K taps, S classes, D embedding.
 *
 * Every op has a reference kernel in plain C with double accumulation, compiled for float and for double
 * (`spk_kernel_find(op, SPK_F64, ..)`); it is the specification. Faster kernels stand before it in the op's
 * table and are checked against it. SPK_IMPL=reference in the environment restricts the choice.
 *
 * Threads: a kernel uses ctx->n_threads OpenMP threads. Determinism: the same inputs, kernel and thread count
 * give the same bits (no atomics; reductions in a fixed order). Kernels check nothing in parallel regions;
 * shapes were checked when the graph was built.
 */
#ifndef SPK_BACKEND_IMPL_H
#define SPK_BACKEND_IMPL_H

#include "base/base_impl.h"

typedef struct spk_ctx {
    int n_threads;
} spk_ctx;

typedef struct spk_view {
    void *p; /* NULL: absent */
    int64_t n, h, w, c, ld;
    const int64_t *len; /* N valid frames, for views with a time axis (W); NULL: all full */
} spk_view;

/* Rows of a view. */
static inline int64_t spk_rows(const spk_view *v)
{
    return v->n * v->h * v->w;
}

enum { SPK_MAX_IN = 8, SPK_MAX_OUT = 2 };

/* One list of ops: the enum, the names, the kernel tables and the test rows come from it. */
#define SPK_OPS(X)                                                                                                     \
    X(MELSPEC, melspec)       /* wave -> log-mel features (no gradient) */                                             \
    X(CONV1D, conv1d)         /* convolution over time, with bias and ReLU; K = 1 is a matrix product */               \
    X(BATCH_NORM, batch_norm) /* per channel over rows */                                                              \
    X(ACT, act)               /* ReLU or sigmoid, element by element */                                                \
    X(ADD, add)               /* a + b */                                                                              \
    X(COPY, copy)                                                                                                      \
    X(TIME_MEAN, time_mean)     /* (N,T,C) -> (N,1,C) */                                                               \
    X(SCALE_ADD, scale_add)     /* x * s[n,c] + r : squeeze-excitation and the residual in one pass */                 \
    X(ROW_BIAS, row_bias)       /* relu(x + v[n,c]) */                                                                 \
    X(TIME_STATS, time_stats)   /* (N,T,C) -> (N,1,2C): mean and standard deviation over time */                       \
    X(ATTN_STATS, attn_stats)   /* softmax over time of e weighs x: (N,1,2C) mean and standard deviation */            \
    X(AAM_SOFTMAX, aam_softmax) /* additive angular margin loss; owns the class weights */

typedef enum spk_op {
#define SPK_OP_ENUM(NAME, name) SPK_OP_##NAME,
    SPK_OPS(SPK_OP_ENUM)
#undef SPK_OP_ENUM
        SPK_N_OPS
} spk_op;

/* ---- attributes; inputs and outputs by index ----
 *
 * Besides dout and save, backward passes read these values and no others (all must still be there then):
 * conv1d in 0, in 1, and out 0 when relu && !dy_masked; batch_norm in 0, in 1; act out 0; add, copy, time_mean none;
 * scale_add in 0, in 1; row_bias out 0; time_stats in 0, out 0; attn_stats in 0, in 1, out 0; aam_softmax in 0, 1, 2.
 * Extents and lengths of all views are read. Outputs may not share memory with inputs, except that an element-wise op
 * (act, add, scale_add 0 and 2, row_bias 0, batch_norm in eval mode) may write over an input of the same rows. */

/* melspec: in 0 speech (N,1,S,1) [len: samples of each; frames past 1 + len/hop are zero], 1 filter [-coef, 1] or
 * absent (no pre-emphasis), 2 window (win_length), 3 fb (n_fft/2+1, n_mels). out 0 (N,1,T,n_mels), T = 1 + S/hop
 * when n_fft is even. Source: espnet2.asr.frontend.melspec_torch (specification 2.1). */
typedef struct spk_melspec_attr {
    int64_t n_fft, win_length, hop_length, n_mels;
    bool log, mean_norm;
} spk_melspec_attr;

/* conv1d: in 0 x (N,1,T,C), 1 w (O,C,K), 2 b (O) or absent; out 0 (N,1,U,O),
 * U = (T + 2 pad - dilation (K-1) - 1) / stride + 1. y = [relu](b + sum w x). */
typedef struct spk_conv1d_attr {
    int64_t k, stride, dilation, pad;
    int64_t w_ld; /* elements from one output channel's weights to the next; C*K, or more for a column slice (K = 1) */
    bool relu;    /* ReLU on the result */
    bool dy_masked; /* backward: dout already is zero where the ReLU was (its consumer did that) */
} spk_conv1d_attr;

/* batch_norm: in 0 x, 1 gamma (C), 2 beta (C), 3 running mean (C), 4 running var (C), 5 batches seen (int64 scalar);
 * out 0 like x. Train: batch statistics over all rows (biased variance), running statistics updated with the
 * unbiased one, where the batch is finite; eval: running statistics. eps 1e-5, momentum 0.1. Needs at least 2 rows in train mode. */
typedef struct spk_batch_norm_attr {
    double eps, momentum;
    bool train;
    bool mask_dx; /* backward: x is the output of a ReLU, so dx is zeroed where x <= 0 */
} spk_batch_norm_attr;

typedef enum spk_act { SPK_RELU, SPK_SIGMOID } spk_act;
typedef struct spk_act_attr {
    spk_act act;
} spk_act_attr;

/* add: in 0 a, 1 b. copy: in 0 x. time_mean: in 0 x (with len: over the valid frames). */
/* scale_add: in 0 x (N,1,T,C), 1 s (N,1,1,C), 2 r (N,1,T,C) or absent; out 0 like x. */
/* row_bias: in 0 x (N,1,T,C), 1 v (N,1,1,C); out 0 like x: relu(x + v). */

/* time_stats: in 0 x (N,1,T,C); out 0 (N,1,1,2C): mean, then sqrt(clamp(var, lo, hi)). lo < 0: the machine epsilon of
 * the computation type. var is biased, or divided by T-1 with `unbiased`. With len: over the valid frames.
 * `divide_by`: 0, or a number of frames that replaces the divisor (ESPnet 202611 with longer frontend lengths):
 * mean = sum x / D, var = sum x^2 / D - mean^2 over the valid frames; `unbiased` means nothing then.
 * Gradient of clamp: 1 inside and at the bounds, 0 outside. */
typedef struct spk_time_stats_attr {
    double lo, hi;
    bool unbiased;
    int64_t divide_by;
} spk_time_stats_attr;

/* attn_stats: in 0 e (N,1,T,C), 1 x (N,1,T,C); out 0 (N,1,1,2C): w = softmax over t of e (valid frames only);
 * mu = sum w x, sigma = sqrt(clamp(sum w x^2 - mu^2, lo, hi)). Source: specification 5.1. Lengths are those of e, or
 * of x where e has none; an item without a valid frame weighs all its frames alike. */
typedef struct spk_attn_stats_attr {
    double lo, hi;
} spk_attn_stats_attr;

/* aam_softmax: in 0 e (N,1,1,D), 1 w (S,D), 2 labels (N int64); out 0 (1,1,1,2): loss, accuracy.
 * c = n(e) n(W)^T with n(v) = v / max(|v|, 1e-12); specification 6.1. The backward pass starts here: dout 0 holds the
 * factor of the loss. Walks the classes in blocks. A row whose norm is below the floor gets no gradient. */
typedef struct spk_aam_attr {
    double margin, scale;
    bool easy_margin;
} spk_aam_attr;

/* Any of them. */
typedef union spk_attr {
    spk_melspec_attr melspec;
    spk_conv1d_attr conv1d;
    spk_batch_norm_attr batch_norm;
    spk_act_attr act;
    spk_time_stats_attr time_stats;
    spk_attn_stats_attr attn_stats;
    spk_aam_attr aam;
} spk_attr;

/* ---- kernels ---- */

typedef struct spk_kargs {
    const spk_ctx *ctx;
    const void *attr;
    spk_view in[SPK_MAX_IN], out[SPK_MAX_OUT];
    /* Backward only. din[i].p NULL: this gradient is not wanted. Gradients of activations are written, or added to
     * where add[i]; gradients of parameters are always added to (add[i] is true). */
    spk_view din[SPK_MAX_IN], dout[SPK_MAX_OUT];
    bool add[SPK_MAX_IN];
    void *save;           /* save_bytes, written by fwd, read by bwd; NULL in plans without gradients */
    void *scratch;        /* scratch_bytes, 64-byte aligned; content is lost between calls */
    void *state;          /* what create made */
    bool weights_changed; /* parameters may differ from the last call's: state that derives from them is stale */
} spk_kargs;

/* What is known when a plan is made: extents of the views (p may be NULL then), attributes, and whether a backward
 * pass will follow. */
typedef struct spk_geom {
    spk_op op;
    spk_dtype dtype;
    const void *attr;
    spk_view in[SPK_MAX_IN], out[SPK_MAX_OUT];
    bool has_in[SPK_MAX_IN], want_din[SPK_MAX_IN];
    bool train; /* a backward pass will follow */
    int n_threads;
} spk_geom;

typedef struct spk_kernel {
    const char *name;                    /* "reference", "omp", "onednn" */
    bool (*supports)(const spk_geom *g); /* NULL: always */
    /* Primitives and the like, made once for a geometry; both NULL where there are none. */
    spk_status (*create)(const spk_geom *g, void **state);
    void (*destroy)(void *state);
    size_t (*save_bytes)(const spk_geom *g);                       /* NULL: 0 */
    size_t (*scratch_bytes)(const spk_geom *g, const void *state); /* of the larger of fwd and bwd; NULL: 0 */
    void (*fwd)(const spk_kargs *a);
    void (*bwd)(const spk_kargs *a); /* NULL: no gradient */
} spk_kernel;

/* The best kernel for a geometry; the reference one always fits. */
const spk_kernel *spk_kernel_find(const spk_geom *g);
/* All kernels of an op for a type, best first, NULL-terminated: for tests and benches. */
const spk_kernel *const *spk_kernel_table(spk_op op, spk_dtype dtype);
const char *spk_op_name(spk_op op);

/* "oneDNN 2.6.3", and the instruction set that the kernels use ("avx512_core_bf16", "avx2"). */
const char *spk_backend_version(void);
const char *spk_backend_isa(void);
/* Peak of a large float matrix product on n_threads, GFLOP/s (about 0.2 s). */
double spk_backend_peak_gflops(int n_threads);

#endif
