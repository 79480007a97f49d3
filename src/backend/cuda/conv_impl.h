/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What conv1d and conv2d share: both are a convolution of pictures (sound has height 1), done by matrix products on
 * gathered rows (conv.cu) or by cuDNN (dnn_conv.cu).
 */
#ifndef SPK_BACKEND_CUDA_CONV_IMPL_H
#define SPK_BACKEND_CUDA_CONV_IMPL_H

#include "backend/cuda/cuda_impl.h"

/* x (n, h, w, c), y (n, u, v, o). The weight of output o, input c and tap (i, j) lies at o w_o + c w_c + i w_i + j w_j. */
struct spk_conv {
    int n, h, w, c, u, v, o;
    int kh, kw, sh, sw, dh, dw, ph, pw; /* taps, stride, dilation, padding over height and width */
    int64_t w_o, w_c, w_i, w_j;
    bool relu, masks_dy; /* masks_dy: dy has to be zeroed where y is not positive */
    double bn_eps;
    spk_dtype type; /* of the factors: bfloat16 where x or y is */
};

/* Bytes of an element. */
static inline size_t spk_conv_size(spk_dtype type)
{
    return type == SPK_BF16 ? 2 : 4;
}
static inline int spk_conv_taps(const spk_conv *k)
{
    return k->kh * k->kw;
}
static inline int64_t spk_conv_x_rows(const spk_conv *k)
{
    return static_cast<int64_t>(k->n) * k->h * k->w;
}
static inline int64_t spk_conv_y_rows(const spk_conv *k)
{
    return static_cast<int64_t>(k->n) * k->u * k->v;
}
/* Gathered rows are as long as a multiple of this, with zeros behind their values: products want aligned rows. */
enum { SPK_CONV_PITCH = 8 };
static inline int64_t spk_conv_pitch(const spk_conv *k, int64_t c)
{
    return (spk_conv_taps(k) * c + SPK_CONV_PITCH - 1) / SPK_CONV_PITCH * SPK_CONV_PITCH;
}
/* Is it one product of all rows as they lie? */
static inline bool spk_conv_is_product(const spk_conv *k)
{
    return k->kh == 1 && k->kw == 1 && k->sh == 1 && k->sw == 1 && k->ph == 0 && k->pw == 0;
}

/* ---- kernels beside the products (conv_rows.cu) ---- */

/* Rows of a matrix in device memory. */
struct spk_rows_of {
    void *p;
    spk_dtype type;
    int64_t ld;
};

/*
 * n rows from `first` on, each with what a row of the output (back: of the input) meets under every tap: (taps, c) values
 * of x, or (taps, o) of y; zeros where nothing is met, and behind them up to to->ld. A product of them with the weights is y, or dx: where others
 * scatter the columns' gradient, here each element of dx gathers its sum, in a fixed order.
 */
void spk_conv_gather(spk_cuda *d, const spk_conv *k, bool back, const spk_rows_of *from, int64_t first, int64_t n,
                     const spk_rows_of *to);
/* to = [relu](from + bias); bias may be NULL. add: to += from. */
void spk_conv_finish(spk_cuda *d, const spk_rows_of *from, const spk_rows_of *to, int64_t rows, int64_t c,
                     const float *bias, bool relu, bool add);
/* to = from, or 0 where `sign` (of from's type; NULL: nowhere) is not positive. */
void spk_conv_mask(spk_cuda *d, const spk_rows_of *from, const spk_rows_of *sign, const spk_rows_of *to, int64_t rows,
                   int64_t c);
/* Weights of the type, scaled by the normalisation of inputs 3 to 6: o rows (taps, c), or with taps_first taps x o rows (c).
 * pitch: of the rows, or how many rows; zeros behind the weights. */
void spk_conv_weights(const spk_kargs *a, const spk_conv *k, bool taps_first, int64_t pitch, void *to);
/* bias (o): that of input 2, normalised. */
void spk_conv_bias(const spk_kargs *a, const spk_conv *k, float *to);
/* dw += the sum of n partial gradients, each o rows (taps, c) of that pitch. */
void spk_conv_add_weights(spk_cuda *d, const spk_conv *k, const void *partial, spk_dtype type, int64_t pitch, int64_t n,
                          float *dw);
/* db += the sums of columns; partial: spk_conv_sum_bytes. */
size_t spk_conv_sum_bytes(int64_t rows, int64_t c);
void spk_conv_add_sums(spk_cuda *d, const spk_rows_of *dy, int64_t rows, int64_t c, float *partial, float *db);

/* ---- towards the weights by tensor cores (conv_filter.cu) ---- */

/* How: tiles of tu x tv places, `places` with fillers; they meet xh x xw rows of x, every in_u-th and in_v-th of its own, and are
 * at_u and at_v of those apart. */
struct spk_conv_filter {
    int tu, tv, places, xh, xw, in_u, in_v, at_u, at_v;
    int sixteens, slices, slice_bits; /* a block has so many times 16 outputs, 16 inputs (2^slice_bits) */
    int o_tiles, c_tiles, tiles_u, tiles_v, tiles;
    int taps, inputs; /* as the blocks see them: where `gathers`, one tap of taps x c inputs */
    bool gathers;
    int splits; /* partial sums: splits o taps c floats */
    int threads;
    size_t shared;
};
/* False: not for such a convolution. */
bool spk_conv_filter_plan(const spk_cuda *d, const spk_conv *k, spk_conv_filter *f);
/* x and dy: bfloat16. */
void spk_conv_filter_run(spk_cuda *d, const spk_conv *k, const spk_conv_filter *f, const spk_rows_of *x,
                         const spk_rows_of *dy, float *partial);

/* ---- first layers (conv_first.cu) ---- */

bool spk_conv_is_first(const spk_conv *k);
/* y = [relu](conv + bias); w: k's type, o rows of taps; bias: float or NULL. */
void spk_conv_first(spk_cuda *d, const spk_conv *k, const spk_rows_of *x, const spk_rows_of *w, const float *bias,
                    const spk_rows_of *y);

/* ---- cuDNN (dnn_conv.cu; the emulation has none) ---- */

enum spk_dnn_pass { SPK_DNN_FORWARD, SPK_DNN_DATA, SPK_DNN_FILTER };

/* A pass of a convolution: x and y stand for the gradients where they are what is computed. */
struct spk_dnn_wish {
    spk_dnn_pass pass;
    spk_dtype x_type, y_type, w_type; /* weights are (o, taps, c) */
    int64_t x_ld, y_ld;
    bool bias, relu; /* forward: y = [relu](conv + bias), bias float */
    bool soon;       /* by no engine that has to be compiled first: shapes come and go */
};
struct spk_dnn_conv;
/* NULL: cuDNN has nothing for it. */
spk_dnn_conv *spk_dnn_conv_new(spk_cuda *d, const spk_conv *k, const spk_dnn_wish *wish);
void spk_dnn_conv_free(spk_cuda *d, spk_dnn_conv *c);
size_t spk_dnn_conv_workspace(const spk_dnn_conv *c);
void spk_dnn_conv_run(spk_cuda *d, const spk_dnn_conv *c, void *x, void *w, void *y, const float *bias,
                      void *workspace);

/* ---- both ops (conv.cu) ---- */

struct spk_conv_state;
bool spk_conv_supports(const spk_geom *g, const spk_conv *k);
spk_status spk_conv_create(const spk_geom *g, const spk_conv *k, void **state);
void spk_conv_destroy(void *state);
size_t spk_conv_scratch(const spk_geom *g, const void *state);
void spk_conv_fwd(const spk_kargs *a);
void spk_conv_bwd(const spk_kargs *a);

#endif
