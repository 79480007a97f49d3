/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pieces of a Conformer block (Gulati et al., "Conformer: Convolution-augmented Transformer for Speech
 * Recognition", Interspeech 2020), with ESPnet's variants and names (specification 4.7.2 to 4.7.6). Every function adds
 * ops to the graph under parameters that begin with `name`; dropout happens in training only.
 */
#ifndef SPK_MODEL_CONFORMER_IMPL_H
#define SPK_MODEL_CONFORMER_IMPL_H

#include "model/build_impl.h"

typedef enum spk_positions { SPK_POS_ABS, SPK_POS_SCALED_ABS, SPK_POS_REL, SPK_POS_LEGACY_REL } spk_positions;
typedef enum spk_ffn_kind { SPK_FFN_LINEAR, SPK_FFN_CONV1D, SPK_FFN_CONV1D_LINEAR } spk_ffn_kind;

typedef struct spk_conformer {
    int64_t d, heads, units; /* width of the blocks, heads, width of the feed-forward layers */
    double dropout, pos_dropout, attn_dropout;
    spk_positions positions;
    int64_t table_len; /* of the legacy table of positions */
    spk_attention_kind attention;
    bool zero_triu;
    spk_ffn_kind ffn;
    int64_t ffn_kernel, cnn_kernel;
    spk_act act;
} spk_conformer;

/* LayerNorm as ESPnet's Conformer has it. */
spk_tensor *spk__conformer_norm(spk_build *b, spk_tensor *x, const char *name);
spk_tensor *spk__conformer_dropout(spk_build *b, spk_tensor *x, double p);
/* Sines and cosines of position r, d of them. */
void spk__conformer_position(float *row, int64_t d, int64_t r);
/* Positions into x (N,1,T,d); *table: the projected attention's positions (1,1,P,d), NULL for absolute ones. */
spk_tensor *spk__conformer_positions(spk_build *b, const spk_conformer *c, spk_tensor *x, const char *name,
                                     spk_tensor **table);
spk_tensor *spk__conformer_attention(spk_build *b, const spk_conformer *c, spk_tensor *x, spk_tensor *table,
                                     const char *name);
spk_tensor *spk__conformer_feed_forward(spk_build *b, const spk_conformer *c, spk_tensor *x, const char *name);
spk_tensor *spk__conformer_convolution(spk_build *b, const spk_conformer *c, spk_tensor *x, const char *name);

#endif
