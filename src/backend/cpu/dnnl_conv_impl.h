/* SPDX-License-Identifier: Apache-2.0 */
/* Between dnnl_conv_make.c, which makes the primitives of a convolution, and dnnl_conv.c, which runs them. */
#ifndef SPK_BACKEND_CPU_DNNL_CONV_IMPL_H
#define SPK_BACKEND_CPU_DNNL_CONV_IMPL_H

#include "backend/cpu/dnnl_impl.h"

typedef struct spk_conv_pass {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_memory_t scratchpad;
    size_t scratch_bytes;
} spk_conv_pass;

/* The state of one convolution, over time or over pictures. */
typedef struct spk_conv_state {
    spk_conv_pass fwd, bwd_data, bwd_weights;
    dnnl_memory_t src, dst, bias;        /* activations and bias: also their gradients */
    dnnl_memory_t plain;                 /* weights as PyTorch has them, and their gradient */
    dnnl_memory_t w_fwd, w_data, w_grad; /* in the layouts of the three passes */
    dnnl_primitive_t to_fwd, to_data, from_grad;
    void *w_fwd_p, *w_data_p; /* own copies */
    size_t w_grad_bytes, bias_bytes, dst_bytes, src_bytes;
    bool bf16;      /* frames are bfloat16 */
    bool mask_dy;   /* dy is to be zeroed where the ReLU was */
    bool flat;      /* one tap: the weights' gradient is a matrix product */
    bool over_time; /* conv1d */
    bool strided;   /* and of some rows only: they are packed for it */
    int64_t w_ld;   /* of flat ones: from one output channel's weights to the next */
    bool data_stale;
    float *fold, *folded; /* with a normalisation: factors and offsets of the outputs, and the weights times factors */
    int64_t n_fold;       /* weights of an output */
    double bn_eps;
} spk_conv_state;

bool spk__conv_supports(const spk_geom *g);
bool spk__conv_supports_bf16(const spk_geom *g);
spk_status spk__conv_create(const spk_geom *g, void **out);
void spk__conv_destroy(void *state);
/* The library's own part of the scratch, and all. */
size_t spk__conv_library_bytes(const spk_conv_state *s);
size_t spk__conv_scratch_bytes(const spk_geom *g, const void *state);

#endif
