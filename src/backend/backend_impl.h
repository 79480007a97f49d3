/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: pure functions on pointers and extents. They know nothing of graphs.
 *
 * Layout: channels last. A tensor is N x H x W x C; its N*H*W rows lie `ld` elements apart, ld >= C, so a channel
 * slice of a wider tensor is a view of it. Sound over time has H = 1, W = T frames; a picture of time and frequency has
 * H = T frames, W = frequency bins (features (N,1,T,F) are the picture (N,T,F,1) as they lie). Parameters are dense in
 * PyTorch's order (O, I, K). Letters: N batch, T frames, C/O channels in/out, K taps, S classes, D embedding.
 *
 * Every op has a reference kernel in plain C with double accumulation, compiled for float and for double
 * (`spk_kernel_find(op, SPK_F64, ..)`); it is the specification. Faster kernels stand before it in the op's
 * table and are checked against it. SPK_IMPL=reference in the environment restricts the choice.
 *
 * bfloat16 is a way to store frames and pictures: values that have rows of their own (view.dtype SPK_BF16). Parameters, their
 * gradients, vectors of an utterance, statistics and sums are float there too. A kernel of the bfloat16 table says which
 * of its views may be so (frames_in, frames_out); where none fits, the float kernel runs on copies (widen.c).
 *
 * Threads: a kernel uses ctx->n_threads OpenMP threads. Determinism: the same inputs, kernel and thread count
 * give the same bits (no atomics; reductions in a fixed order). Kernels check nothing in parallel regions;
 * shapes were checked when the graph was built.
 */
#ifndef SPK_BACKEND_IMPL_H
#define SPK_BACKEND_IMPL_H

#include "base/base_impl.h"
#include "spk/model.h"

/* What random ops draw from. A draw is a function of these, the op's own stream and an index, never of threads or of
 * what ran before, and the backward pass repeats the forward pass's draws. */
typedef struct spk_draws {
    uint64_t seed, step;  /* of the run; a key of this batch (epoch and position) */
    const uint64_t *item; /* N keys, one an utterance (its identity and epoch); NULL: use the index in the batch */
} spk_draws;

typedef struct spk_ctx {
    int n_threads;
    spk_draws draws;
    const spk_reduction *sync;     /* sums of a batch's statistics over processes; NULL: this one's batch is all */
    void *device;                  /* where the views lie, the plugin's own handle; NULL: in the processor's memory */
    const spk_draws *device_draws; /* the draws there, `item` too */
} spk_ctx;

struct spk_device; /* device_impl.h */

typedef struct spk_view {
    void *p; /* NULL: absent */
    int64_t n, h, w, c, ld;
    const int64_t *len; /* N valid frames, for views with a time axis (W, or H in pictures); NULL: all full */
    /* SPK_BF16: of a plan in bfloat16; SPK_I64: labels and counters; otherwise that of the kernel (its table). */
    spk_dtype dtype;
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
    X(ADD, add)               /* [relu](a + factor b) */                                                               \
    X(COPY, copy)                                                                                                      \
    X(TIME_MEAN, time_mean)   /* (N,T,C) -> (N,1,C) */                                                                 \
    X(SCALE_ADD, scale_add)   /* x * s[n,c] + r : squeeze-excitation and the residual in one pass */                   \
    X(ROW_BIAS, row_bias)     /* relu(x + v[n,c]) */                                                                   \
    X(TIME_STATS, time_stats) /* (N,T,C) -> (N,1,2C): mean and standard deviation over time */                         \
    X(ATTN_STATS, attn_stats) /* softmax over time of e weighs x: (N,1,2C) mean and standard deviation */              \
    /* pictures and depthwise */                                                                                       \
    X(CONV2D, conv2d)       /* convolution over time and frequency */                                                  \
    X(DEPTHWISE, depthwise) /* one filter over time for each channel */                                                \
    X(SIMAM, simam)         /* parameter-free attention of SimAM */                                                    \
    X(PAD_TIME, pad_time)   /* reflect both ends of the time axis */                                                   \
    /* RawNet3 */                                                                                                      \
    X(SINC, sinc)         /* learned sinc filter bank: wave -> log features, with gradients */                         \
    X(MAX_POOL, max_pool) /* over time */                                                                              \
    X(AFMS, afms)         /* (x + alpha) y */                                                                          \
    /* Conformer */                                                                                                    \
    X(LAYER_NORM, layer_norm)                                                                                          \
    X(ATTENTION, attention) /* multi-head self-attention, plain or with relative positions */                          \
    X(GLU, glu)                                                                                                        \
    X(POS_ADD, pos_add) /* scale x + alpha table[t] */                                                                 \
    X(DROPOUT, dropout)                                                                                                \
    X(CHOOSE, choose) /* stochastic depth: one of two tensors for the whole batch */                                   \
    /* selective kernels, CAM++ */                                                                                     \
    X(SK_MIX, sk_mix)               /* two branches weighed by a softmax over them */                                  \
    X(FREQ_MEAN, freq_mean)         /* (N,T,F,C) -> (N,1,1,F) */                                                       \
    X(FOLD, fold)                   /* (N,T,F,C) -> (N,1,T,C*F), channel-major */                                      \
    X(SEGMENT_MEAN, segment_mean)   /* means over segments of time, plus the mean of all */                            \
    X(SEGMENT_SCALE, segment_scale) /* x * s[segment of t] */                                                          \
    /* between frontend and encoder */                                                                                 \
    X(MASK, mask)                 /* zero behind each item's length */                                                 \
    X(MVN, mvn)                   /* per utterance mean and variance */                                                \
    X(FEATURE_NORM, feature_norm) /* (x - mean[c]) / std[c] */                                                         \
    X(SPECAUG, specaug)           /* time warp, frequency and time masks */                                            \
    X(LAYER_SUM, layer_sum)       /* softmax-weighted sum of layers of features */                                     \
    /* losses */                                                                                                       \
    X(MARGIN_SOFTMAX, margin_softmax) /* softmax over cosines with a margin, sub-centres, inter-top-k penalty */       \
    X(SPHEREFACE2, sphereface2)       /* a decision of its own for every class */                                      \
    X(PROTO_LOSS, proto_loss)         /* prototypical and end-to-end metric losses */

typedef enum spk_op {
#define SPK_OP_ENUM(NAME, name) SPK_OP_##NAME,
    SPK_OPS(SPK_OP_ENUM)
#undef SPK_OP_ENUM
        SPK_N_OPS
} spk_op;

/* ---- attributes; inputs and outputs by index ----
 *
 * Besides dout and save, backward passes read these values and no others (all must still be there then):
 * conv1d, conv2d in 0, in 1, and out 0 when relu && !dy_masked; batch_norm in 0, in 1, and out 0 when relu; act out 0,
 * or in 0 alone for swish; add out 0 when relu; copy, time_mean, dropout, choose, max_pool (it saves), freq_mean, fold,
 * mask, pad_time, feature_norm none; scale_add in 0, in 1; row_bias out 0 unless linear; time_stats in 0, out 0; attn_stats
 * in 0, in 1, out 0; margin_softmax, sphereface2, proto_loss all inputs; depthwise in 0, in 1; simam in 0; sinc all
 * inputs (all are caller's or parameters); afms in 0, 1, 2; layer_norm in 0, 1; attention all inputs and out 0; glu in
 * 0; pos_add in 1; sk_mix all inputs; segment_mean none; segment_scale in 0, 1; mvn in 0, out 0; layer_sum in 0, 1.
 * Extents and lengths of all views are read. Outputs may not share memory with inputs, except that an element-wise op
 * (act, add, scale_add 0 and 2, row_bias 0, batch_norm in eval mode) may write over an input of the same rows. */

/* Which samples frame t has, and how many frames there are (spk_melspec_frames). */
typedef enum spk_edges {
    SPK_EDGES_REFLECT, /* centred on sample t hop; mirrored at the ends, the end samples not repeated */
    SPK_EDGES_ZERO,    /* centred on sample t hop; zeros outside */
    SPK_EDGES_INSIDE,  /* n_fft samples from t hop on, all of them inside */
    SPK_EDGES_SNIP,    /* win_length samples from t hop on, all of them inside (Kaldi) */
    SPK_EDGES_REPEAT   /* centred on sample t hop + hop/2; mirrored, the end samples repeated (Kaldi, no snip_edges) */
} spk_edges;

/* Logarithm of a frame's energy as a feature: none, or that of the samples before or after pre-emphasis and window. */
typedef enum spk_energy { SPK_ENERGY_NONE, SPK_ENERGY_RAW, SPK_ENERGY_WINDOWED } spk_energy;

/* melspec: features of fixed filters. in 0 speech (N,1,S,1) [len: samples of each; an item is treated as if it were
 * alone, frames behind its own are 0], 1 filter [-coef, 1] or absent (no pre-emphasis of the signal), 2 window
 * (win_length), 3 fb (n_fft/2+1, n_mels), 4 dct (n_mels, n_ceps) or absent. out 0 (N,1,T,C).
 *
 *   samples   scale x + dither times normal noise (of seed, step, item, stream and position), then the filter
 *   frame     minus its mean (remove_dc); y[i] = x[i] - preemph x[i-1] with x[-1] = x[0]; times the window
 *   bands     |X|^2, or |X| with magnitude, of n_fft points, times fb
 *   log       log_scale ln(x + 1e-6), or with log_floor > 0: log_scale ln(max(x, log_floor))
 *   top_db    values of an item are at least its largest one less this
 *   cepstra   times dct; then C = n_ceps and an energy replaces column 0. Otherwise C = n_mels, and an energy is put
 *             before: C = n_mels + 1. ln(max(sum x^2, 2^-23)), at least ln(energy_floor)
 *   mean_norm minus the mean over the item's frames
 *
 * frames_only: the frames themselves, C = win_length, without window or transform (in 2 and 3 absent).
 * Zeros (scale and log_scale: 1) are melspec_torch. No gradient. Sources: espnet2.asr.frontend.melspec_torch and
 * .default (specification 2.1, 2.2), Kaldi's compute-fbank-feats and compute-mfcc-feats, SpeechBrain's Fbank. */
typedef struct spk_melspec_attr {
    int64_t n_fft, win_length, hop_length, n_mels;
    bool log, mean_norm;
    bool remove_dc, magnitude, frames_only;
    spk_edges edges;
    spk_energy energy;
    int64_t n_ceps;
    double scale, dither, preemph, log_floor, log_scale, top_db, energy_floor;
    uint64_t stream; /* of the dither */
} spk_melspec_attr;

/* Frames of so many samples; 0: too few for one. */
static inline int64_t spk_melspec_frames(const spk_melspec_attr *a, int64_t samples)
{
    const int64_t outside = a->edges == SPK_EDGES_REFLECT || a->edges == SPK_EDGES_ZERO ? a->n_fft / 2 * 2 : 0;
    const int64_t frame = a->edges == SPK_EDGES_SNIP ? a->win_length : a->n_fft;
    if (samples < 1) return 0;
    if (a->edges == SPK_EDGES_REPEAT) return (samples + a->hop_length / 2) / a->hop_length;
    return samples + outside < frame ? 0 : 1 + (samples + outside - frame) / a->hop_length;
}

/* The first sample of frame t that the window's first point meets; may lie outside. */
static inline int64_t spk_melspec_begin(const spk_melspec_attr *a, int64_t t)
{
    const int64_t at = t * a->hop_length, offset = (a->n_fft - a->win_length) / 2;
    switch (a->edges) {
    case SPK_EDGES_INSIDE:
        return at + offset;
    case SPK_EDGES_SNIP:
        return at;
    case SPK_EDGES_REPEAT:
        return at + a->hop_length / 2 - a->win_length / 2;
    default:
        return at + offset - a->n_fft / 2;
    }
}

/* Where sample i of a signal of n is found; -1: it is zero. */
static inline int64_t spk_melspec_sample(spk_edges edges, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    if (edges == SPK_EDGES_ZERO) return -1;
    const int64_t repeat = edges == SPK_EDGES_REPEAT;
    while (n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i - repeat : 2 * n - 2 + repeat - i;
    return n > 1 ? i : 0;
}

/* conv1d: in 0 x (N,1,T,C), 1 w (O,C,K), 2 b (O) or absent; out 0 (N,1,U,O),
 * U = (T + 2 pad - dilation (K-1) - 1) / stride + 1. y = [relu](b + sum w x). Frames past a length are read as they
 * are (mask before). Where no gradients follow, plans may add a normalisation before the ReLU, of conv2d too: 3 gamma and
 * 4 beta (or both absent), 5 mean, 6 variance, as batch_norm has them in eval mode. */
typedef struct spk_conv1d_attr {
    int64_t k, stride, dilation, pad;
    int64_t w_ld; /* elements from one output channel's weights to the next; C*K, or more for a column slice (K = 1) */
    bool relu;    /* ReLU on the result */
    bool dy_masked; /* backward: dout already is zero where the ReLU was (its consumer did that) */
    double bn_eps;  /* with a normalisation */
} spk_conv1d_attr;

/* batch_norm: in 0 x, 1 gamma (C), 2 beta (C) (both absent: 1 and 0), 3 running mean (C), 4 running var (C), 5 batches seen (int64 scalar);
 * out 0 like x. Train: batch statistics over all rows (biased variance), running statistics updated with the
 * unbiased one, where the batch is finite; eval: running statistics. eps 1e-5, momentum 0.1. Needs at least 2 rows in train mode.
 * Train, with len: statistics over the rows of valid frames; the others become 0, and so does their gradient. */
typedef struct spk_batch_norm_attr {
    double eps, momentum;
    bool train;
    bool mask_dx; /* backward: x is the output of a ReLU, so dx is zeroed where x <= 0 */
    bool relu;    /* ReLU on the result; backward masks dout by out > 0 */
} spk_batch_norm_attr;

/* swish: x sigmoid(x). hardtanh: clamp to [-1, 1], gradient 0 at the bounds. selu: PyTorch's constants. linear: x. */
typedef enum spk_act { SPK_RELU, SPK_SIGMOID, SPK_TANH, SPK_SWISH, SPK_HARDTANH, SPK_SELU, SPK_LINEAR } spk_act;
typedef struct spk_act_attr {
    spk_act act;
} spk_act_attr;

/* add: in 0 a, 1 b; out 0 = a + factor b, and ReLU of it with relu. */
typedef struct spk_add_attr {
    double factor;
    bool relu;
} spk_add_attr;

/* copy: in 0 x. time_mean: in 0 x (with len: over the valid frames). */
/* scale_add: in 0 x (N,1,T,C), 1 s (N,1,1,C), 2 r (N,1,T,C) or absent; out 0 like x. */
/* row_bias: in 0 x (N,1,T,C), 1 v (N,1,1,C); out 0 like x: act(x + v); relu, tanh or linear. */
typedef struct spk_row_bias_attr {
    spk_act act;
} spk_row_bias_attr;

/* time_stats: in 0 x (N,1,T,C); out 0 (N,1,1,2C): mean, then sqrt(clamp(var, lo, hi)). lo < 0: the machine epsilon of
 * the computation type. var is biased, or divided by T-1 with `unbiased`. With len: over the valid frames.
 * `divide_by`: 0, or a number of frames that replaces the divisor (ESPnet 202611 with longer frontend lengths):
 * mean = sum x / D, var = sum x^2 / D - mean^2 over the valid frames; `unbiased` means nothing then. With `centred`
 * var = sum (x - mean)^2 / D instead, around that mean (pooling stats). `divide_len`, where not NULL, has D for each
 * item. `add_var` is added to the variance before clamping (WeSpeaker's 1e-7). mean_only: out 0 is (N,1,1,C), the mean.
 * Gradient of clamp: 1 inside and at the bounds, 0 outside. */
typedef struct spk_time_stats_attr {
    double lo, hi;
    bool unbiased;
    int64_t divide_by;
    bool centred, mean_only;
    double add_var;
    const int64_t *divide_len;
} spk_time_stats_attr;

/* attn_stats: in 0 e (N,1,T,C), 1 x (N,1,T,C); out 0 (N,1,1,2C): w = softmax over t of e (valid frames only);
 * mu = sum w x, sigma = sqrt(clamp(sum w x^2 - mu^2, lo, hi)). Source: specification 5.1. Lengths are those of e, or
 * of x where e has none; an item without a valid frame weighs all its frames alike. */
typedef struct spk_attn_stats_attr {
    double lo, hi;
} spk_attn_stats_attr;

/* ---- pictures and depthwise ---- */

/* conv2d: in 0 x (N,T,F,C), 1 w, 2 b (O) or absent; out 0 (N,U,V,O), U from T by kt, st, pt (taps, stride, padding over
 * time), V from F by kf, sf, pf, dilation 1: U = (T + 2 pt - kt) / st + 1. The weight lies as (O, C, kt, kf), or as
 * (O, C, kf, kt) with `freq_first` (ESPnet's networks that have frequency as height). */
typedef struct spk_conv2d_attr {
    int64_t kt, kf, st, sf, pt, pf;
    bool freq_first, relu, dy_masked;
    double bn_eps;
} spk_conv2d_attr;

/* depthwise: in 0 x (N,1,T,C), 1 w (C,1,K), 2 b (C) or absent; out 0 (N,1,T + 2 pad - K + 1,C). */
typedef struct spk_depthwise_attr {
    int64_t k, pad;
} spk_depthwise_attr;

/* simam: in 0 x (N,T,F,C); per n and c over the m = T F places: d = (x - mean)^2, v = sum d / (m - 1),
 * y = x sigmoid(d / (4 (v + lambda)) + 0.5); with len: places of the valid frames. Source: Yang et al., ICML 2021. */
typedef struct spk_simam_attr {
    double lambda; /* 1e-4 */
} spk_simam_attr;

/* pad_time: in 0 x (N,1,T,C); out 0 (N,1,T + 2 pad,C), mirrored without repeating the edge (at each item's own end). */
typedef struct spk_pad_time_attr {
    int64_t pad;
} spk_pad_time_attr;

/* ---- RawNet3 ---- */

/* sinc: the whole asteroid_frontend (specification 2.3): in 0 speech (N,1,S,1) [len], 1 filter [-coef, 1], 2 norm weight
 * (1), 3 norm bias (1), 4 low (M), 5 band (M), 6 window (K/2), 7 n (K/2); out 0 (N,1,T,2M), T = (S - K) / stride + 1.
 * Gradients of 2, 3, 4, 5. */
typedef struct spk_sinc_attr {
    int64_t kernel_size, stride;
    double log_term, sample_rate;
} spk_sinc_attr;

/* max_pool: in 0 x (N,1,T,C); out 0 (N,1,T / k,C). The first of equal values gets the gradient. */
typedef struct spk_max_pool_attr {
    int64_t k;
} spk_max_pool_attr;

/* afms: in 0 x (N,1,T,C), 1 alpha (C), 2 y (N,1,1,C); out 0 = (x + alpha) y. */

/* ---- Conformer ---- */

/* layer_norm: over the channels of each row: in 0 x, 1 gamma (C), 2 beta (C); out 0 like x. */
typedef struct spk_layer_norm_attr {
    double eps;
} spk_layer_norm_attr;

typedef enum spk_attention_kind { SPK_ATTN_PLAIN, SPK_ATTN_RELATIVE, SPK_ATTN_LEGACY } spk_attention_kind;
/* attention: in 0 q, 1 k, 2 v (N,1,T,C), each heads x C/heads; relative kinds: 3 p (1,1,P,C) the projected positions,
 * 4 u (heads, C/heads), 5 v bias. RELATIVE: P = 2T-1, row m is position T-1-m; LEGACY: P = T, row m is
 * position max(T, table_len) - 1 - m; each item counts from its own length L in a table of max(L, table_len) rows
 * (specification 4.7.4). out 0 (N,1,T,C): heads next to each other. Keys past an item's length (of
 * in 0) get no weight, rows past it are zero. `stream`: of the dropout on probabilities (train only; p = 0: none). */
typedef struct spk_attention_attr {
    int64_t heads;
    spk_attention_kind kind;
    bool zero_triu;
    int64_t table_len; /* legacy */
    double dropout;
    uint64_t stream;
} spk_attention_attr;

/* glu: in 0 x (N,1,T,2C); out 0 (N,1,T,C): first half times the sigmoid of the second. */
/* pos_add: in 0 x (N,1,T,C), 1 table (1,1,T,C) or absent, 2 alpha (1) or absent (1): out 0 = scale x + alpha table.
 * The table is a constant. */
typedef struct spk_pos_add_attr {
    double scale;
} spk_pos_add_attr;

/* dropout: in 0 x; out 0 = x / (1-p) or 0, each element by its own draw of (seed, step, stream, element). */
typedef struct spk_dropout_attr {
    double p;
    uint64_t stream;
} spk_dropout_attr;

/* choose: in 0 a, 1 b of equal extents; out 0 = a with probability p (one draw of (seed, step, stream)), else b. */
typedef struct spk_choose_attr {
    double p;
    uint64_t stream;
} spk_choose_attr;

/* ---- selective kernels, CAM++ ---- */

/* sk_mix: in 0 f0, 1 f1 (N,T,F,C), 2 a0, 3 a1 (N,1,1,C), or (N,1,1,F) with over_freq: out 0 = s f0 + (1-s) f1,
 * s = sigmoid(a0 - a1). */
typedef struct spk_sk_mix_attr {
    bool over_freq;
} spk_sk_mix_attr;
/* freq_mean: in 0 x (N,T,F,C); out 0 (N,1,1,F): mean over channels and (valid) frames. */
/* fold: in 0 x (N,T,F,C); out 0 (N,1,T,C*F): channel c, bin f go to c*F + f. (The other order is a view: reshape.) */
/* segment_mean: in 0 x (N,1,T,C); out 0 (N,1,ceil(T/length),C): mean over each segment's (valid) frames plus the mean
 * over all (valid) frames. segment_scale: in 0 x (N,1,T,C), 1 s (N,1,ceil(T/length),C); out 0 = x s[t / length]. */
typedef struct spk_segment_attr {
    int64_t length;
} spk_segment_attr;

/* ---- between frontend and encoder ---- */

/* mask: in 0 x (N,1,T,C) or a picture; out 0 = x, zero from frame len on. */
/* mvn: in 0 x (N,1,T,C); over the valid frames of each item and channel (specification 3.3); padding becomes 0. */
typedef struct spk_mvn_attr {
    bool means, vars;
    double eps;
} spk_mvn_attr;
/* feature_norm: in 0 x, 1 mean (C), 2 std (C); out 0 = (x - mean) / std (specification 3.2); padding becomes 0. */
typedef struct spk_feature_norm_attr {
    bool means, vars;
} spk_feature_norm_attr;
/* specaug: in 0 x (N,1,T,C); out 0 like x, every item by its own draws (specification 3.1, D15). Widths: lo..hi
 * inclusive. */
typedef struct spk_specaug_attr {
    bool time_warp, freq_mask, time_mask, replace_with_zero;
    int64_t warp_window, n_freq, freq_lo, freq_hi, n_time, time_lo, time_hi;
    double time_ratio_lo, time_ratio_hi; /* hi > 0: widths as shares of the frames instead */
    int warp_mode;                       /* 0 bicubic, 1 linear, 2 nearest */
    uint64_t stream;
} spk_specaug_attr;
/* layer_sum: in 0 x (N,1,T,L*C): layer l at channels l*C; 1 w (L); out 0 (N,1,T,C) = sum softmax(w)_l x_l, with
 * `normalize` of (x_l - mean) / sqrt(var + eps) over the channels of each layer and frame; padding becomes 0. */
typedef struct spk_layer_sum_attr {
    bool normalize;
    double eps;
} spk_layer_sum_attr;

/* ---- losses ---- */

/* All of them: out 0 (1,1,1,2): loss, accuracy (share of rows whose largest cosine is their own, the first of equal ones
 * counts). The backward pass starts here: dout 0 holds the factor of the loss. c = n(e) n(W)^T with
 * n(v) = v / max(|v|, 1e-12); a row whose norm is below the floor gets no gradient. `margin` is read by every pass and
 * may change between steps: it must outlive the plan. */
typedef enum spk_margin_kind { SPK_MARGIN_NONE, SPK_MARGIN_AAM, SPK_MARGIN_AM } spk_margin_kind;
/* margin_softmax: in 0 e (N,1,1,D), 1 w (S*K,D) [row class*K + sub-centre], 2 labels (N int64): mean cross-entropy of the
 * logits s c_j, s phi of the row's own class, and s phi' of the k_top nearest other ones while m' is not 0; a class's
 * cosine is that of its nearest sub-centre (specification 6.1 to 6.3). phi = cos(theta + m) (AAM) where c > -cos m, or
 * c > 0 with easy_margin; else c - m sin m, or c with easy_margin; c - m (AM). phi' = cos(theta - m'). */
typedef struct spk_margin_attr {
    spk_margin_kind kind;
    const double *margin; /* 2: m and m' */
    double scale;
    int64_t k, k_top; /* k_top < S */
    bool easy_margin;
    bool continuous; /* below -cos m: c - (1 - cos m), which meets phi there */
} spk_margin_attr;

/* Both losses over class weights can have a part of the classes alone (kargs.classes), the others being other processes'.
 * N is then the whole batch on each; labels count from the first class here, so that those of other processes are below 0
 * or not below S. Forward tells of each row what is so over all classes; backward gives the class weights' gradients, and
 * of those of e (and bias) this process's part: the whole is their sum. */
typedef struct spk_class_row {
    /* Before spk_class_share_rows of the classes here, then of all: the largest logit, sum of exp(z - max) (or of the
     * classes' losses, with max 0), the own class's logit (0 where it is not here), the largest cosine. */
    double max, sum, own, best;
    int64_t best_class; /* the first that has it, here */
    bool right;         /* then: the own class is the first with the largest cosine of all */
} spk_class_row;

/* One of the classes nearest to a row; class_row < 0: there are not so many here. */
typedef struct spk_near_class {
    double cosine;
    int64_t class_row; /* row of w */
} spk_near_class;

typedef struct spk_class_share {
    const spk_class_team *team;
    spk_class_row *row;              /* N */
    double *values;                  /* room: 3 N */
    int64_t *counts;                 /* room: team->size */
    spk_near_class *near, *all_near; /* room: N k_top, and that of all processes */
    int64_t *n_kept;                 /* N: of the nearest here, the first so many are among the k_top nearest of all */
} spk_class_share;

/* Of each row what the processes have of it becomes what is so over all. label: N. */
void spk_class_share_rows(const spk_class_share *s, int64_t n, const int64_t *label);
/* n_kept from `near`: k of each row, falling cosines. */
void spk_class_share_near(const spk_class_share *s, int64_t n, int64_t k);

/* sphereface2: in 0 e (N,1,1,D), 1 w (S,D), 2 labels (N int64), 3 bias (1): mean over the rows of
 * lambda ln(1 + exp(-z_y)) + (1 - lambda) sum_{j != y} ln(1 + exp(z_j)), z = scale h(c) + bias; of the own class
 * h = g(c) - m, of others g(c) + m; or g(phi) with `angular`, phi = cos(theta + m) (c - (1 - cos m) where c <= -cos m) and
 * cos(theta - m); g(c) = 2 ((c + 1) / 2)^t - 1. Source: Wen et al., ICLR 2022; Han et al., ICASSP 2023. */
typedef struct spk_sphere_attr {
    const double *margin; /* 1 */
    double scale, lambda;
    int64_t t; /* from 1 */
    bool angular;
} spk_sphere_attr;

typedef enum spk_proto_kind { SPK_PROTO_ANGLE, SPK_PROTO_GE2E } spk_proto_kind;
/* proto_loss: in 0 e (N,1,1,D), N = P x K: K >= 2 consecutive rows of one speaker; 1 w (1), 2 b (1) or both absent (1, 0).
 * Cross-entropy of the logits max(w, 1e-6) cos + b of queries against the centroids of all speakers. Angle: the first
 * rows against the means of the others (Chung et al., Interspeech 2020); GE2E: all rows against the means of all K, their
 * own speaker's without themselves, cosines at least 1e-6 (Wan et al., ICASSP 2018). */
typedef struct spk_proto_attr {
    spk_proto_kind kind;
    int64_t per_speaker;
    bool no_accuracy; /* out 1 is 0: what is added to another loss leaves that one's accuracy alone */
} spk_proto_attr;

/* Any of them. */
typedef union spk_attr {
    spk_melspec_attr melspec;
    spk_conv1d_attr conv1d;
    spk_batch_norm_attr batch_norm;
    spk_act_attr act;
    spk_time_stats_attr time_stats;
    spk_attn_stats_attr attn_stats;
    spk_add_attr add;
    spk_row_bias_attr row_bias;
    spk_conv2d_attr conv2d;
    spk_depthwise_attr depthwise;
    spk_simam_attr simam;
    spk_pad_time_attr pad_time;
    spk_sinc_attr sinc;
    spk_max_pool_attr max_pool;
    spk_layer_norm_attr layer_norm;
    spk_attention_attr attention;
    spk_pos_add_attr pos_add;
    spk_dropout_attr dropout;
    spk_choose_attr choose;
    spk_sk_mix_attr sk_mix;
    spk_segment_attr segment;
    spk_mvn_attr mvn;
    spk_feature_norm_attr feature_norm;
    spk_specaug_attr specaug;
    spk_layer_sum_attr layer_sum;
    spk_margin_attr margin;
    spk_sphere_attr sphere;
    spk_proto_attr proto;
} spk_attr;

/* ---- kernels ---- */

typedef struct spk_kargs {
    const spk_ctx *ctx;
    const void *attr;
    const spk_class_share *classes; /* NULL: all classes are here */
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
    spk_dtype dtype; /* SPK_BF16: some view is */
    const void *attr;
    spk_view in[SPK_MAX_IN], out[SPK_MAX_OUT];
    bool has_in[SPK_MAX_IN], want_din[SPK_MAX_IN];
    bool reads_in[SPK_MAX_IN], reads_out[SPK_MAX_OUT]; /* the backward pass finds these values there */
    /* What saves room: this input's gradient is written, never added to; dout 0 may be written over. */
    bool writes_din[SPK_MAX_IN], spoils_dout;
    bool train; /* a backward pass will follow */
    int n_threads;
    const struct spk_device *device; /* where the views lie; NULL: in the processor's memory */
} spk_geom;

typedef struct spk_kernel {
    const char *name;                    /* "reference", "omp", "onednn" */
    bool (*supports)(const spk_geom *g); /* NULL: always */
    /* Of the bfloat16 table: bits of the views that are bfloat16, gradients alike; the others are float. */
    unsigned frames_in, frames_out;
    /* Primitives and the like, made once for a geometry; both NULL where there are none. */
    spk_status (*create)(const spk_geom *g, void **state);
    void (*destroy)(void *state);
    size_t (*save_bytes)(const spk_geom *g);                       /* NULL: 0 */
    size_t (*scratch_bytes)(const spk_geom *g, const void *state); /* of the larger of fwd and bwd; NULL: 0 */
    void (*fwd)(const spk_kargs *a);
    void (*bwd)(const spk_kargs *a); /* NULL: no gradient */
    /* After fwd, from in and save alone: the same bits in out once more, and nothing else is touched. Cheap next to a
     * convolution; a plan then need not keep out for the backward pass. NULL: out is kept. */
    void (*again)(const spk_kargs *a);
} spk_kernel;

/* The best kernel for a geometry; the reference one always fits. */
const spk_kernel *spk_kernel_find(const spk_geom *g);
bool spk_kernel_fits(const spk_kernel *k, const spk_geom *g); /* a kernel of that type's table */
/* All kernels of an op for a type, best first, NULL-terminated: for tests and benches. The bfloat16 table holds those that
 * read and write such views themselves, then "widened". */
const spk_kernel *const *spk_kernel_table(spk_op op, spk_dtype dtype);
const char *spk_op_name(spk_op op);

/* "oneDNN 2.6.3", and the instruction set that the kernels use ("avx512_core_bf16", "avx2"). */
const char *spk_backend_version(void);
const char *spk_backend_isa(void);
/* Is there arithmetic in bfloat16? SPK_BF16=1 in the environment claims it: for tests, which are slow then. */
bool spk_backend_has_bf16(void);
/* Peak of a large matrix product on n_threads, in float or bfloat16, GFLOP/s (about 0.2 s). */
double spk_backend_peak_gflops(int n_threads, bool bf16);
/* 1e9 bytes a second that n_threads read and write in large arrays, two thirds of them reads; 0 when memory is short
 * (256 MB, about 0.1 s). */
double spk_backend_memory_gbs(int n_threads);

#endif
