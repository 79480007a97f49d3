/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention in parts (formulas: backend/reference/ref_attention.inc.h). Matrix products (spk_cuda_product) want one stride
 * from a matrix to the next, so queries, keys and values are packed: heads outermost, (heads, items, T, d). A product is then
 * one call for all heads and items, and one with the positions, which all items share, is one for all heads.
 *
 * What probabilities weigh has the frames' type, and so have the probabilities that weigh it. All else in between is
 * float, also where frames are bfloat16: queries with a bias rounded to 8 bits would cost scores, and gradients of scores
 * rounded to 8 bits, which cancel in a row, would cost gradients more than frames of 8 bits do. Saved probabilities are float,
 * with bfloat16 halves. Rows of scores and of products with positions are padded to 8 elements; what lies behind their end
 * is never read.
 *
 * A pass takes some items whole, or, forward and where one is too long for scratch, a block of one item's queries.
 */
#ifndef SPK_CUDA_ATTENTION_IMPL_H
#define SPK_CUDA_ATTENTION_IMPL_H

#include "backend/cuda/cuda_impl.h"

/* Of a whole call. */
struct spk_attention {
    spk_cuda *d;
    const spk_attention_attr *attr;
    const int64_t *len; /* on the device; NULL: all full */
    const spk_draws *draws;
    int64_t n, heads, t, d_k, n_p;
    int64_t s_ld;      /* of scores and probabilities */
    spk_dtype weights; /* the type of probabilities and of what they weigh, that of the frames */
    float scale;
};

/* Items item0 .. item0 + m, their queries i0 .. i0 + rows. A row of products with positions begins at position p0;
 * there are q_rows of them an item: legacy scores look at the next query's too. */
struct spk_attention_pass {
    int64_t item0, m, i0, rows;
    int64_t q_rows, p0, p_n, p_ld;
};

/* One tensor to pack: to = from + bias, zero behind an item's end; to2 = from + bias2 where to2 is not NULL. */
struct spk_attention_pack {
    const spk_view *from;
    const float *bias, *bias2; /* NULL: none */
    float *to, *to2;
    void *rounded; /* instead of `to`: weighed by probabilities */
};
enum { SPK_ATTENTION_PACKS = 4 };
/* Of the pass's items, all frames; the views have one type, `rounded` is of the weights' type. */
void spk_attention_pack_items(const spk_attention *w, const spk_attention_pass *s, const spk_attention_pack *packs,
                              int n);
/* The positions (heads, P, d). */
void spk_attention_pack_positions(const spk_attention *w, const spk_view *p, float *to);

/* view = or += a + b, packed of the pass's rows; a is of the type, b float or NULL. */
void spk_attention_unpack(const spk_attention *w, const spk_attention_pass *s, const void *a, spk_dtype type,
                          const float *b, const spk_view *view, bool add);

/* From scores (heads, m, rows, s_ld) and products with positions (heads, m q_rows, p_ld; NULL: none): probabilities into
 * `save` (heads, m, T, s_ld), and after dropout into `kept`, of the weights' type and laid like the scores; either may be NULL. */
void spk_attention_softmax(const spk_attention *w, const spk_attention_pass *s, const float *scores, const float *pos,
                           void *save, void *kept);

/* grad, in place: from the gradients of the probabilities after dropout to those of the products that the scores are made
 * of. kept: the probabilities after dropout, or NULL where `save` has those. All (heads, m, T, s_ld). dpos: of the products with
 * positions (heads, m T, p_ld), or NULL. */
void spk_attention_softmax_backward(const spk_attention *w, const spk_attention_pass *s, const void *save, float *grad,
                                    void *kept, float *dpos);

/* x (heads, m T, d): its sum over rows += into y (heads d). parts: room for spk_attention_strips(m T) heads d floats. */
int64_t spk_attention_strips(int64_t rows);
void spk_attention_add_columns(const spk_attention *w, int64_t rows, const float *x, float *parts, float *y);

/* view (P, C) = or += the sum over the parts of x (heads, parts, P, d). */
void spk_attention_add_positions(const spk_attention *w, const float *x, int64_t parts, const spk_view *view, bool add);

#endif
