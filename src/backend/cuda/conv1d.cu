/* SPDX-License-Identifier: Apache-2.0 */
/* conv1d (backend_impl.h): a convolution of pictures of height 1. */
#include "backend/cuda/conv_impl.h"

static spk_conv conv_of(const spk_geom *g)
{
    const spk_conv1d_attr *a = static_cast<const spk_conv1d_attr *>(g->attr);
    const spk_view *x = &g->in[0], *y = &g->out[0];
    spk_conv k = {};
    k.n = static_cast<int>(x->n);
    k.h = k.u = k.kh = k.sh = k.dh = 1;
    k.w = static_cast<int>(x->h * x->w);
    k.v = static_cast<int>(y->h * y->w);
    k.c = static_cast<int>(x->c);
    k.o = static_cast<int>(y->c);
    k.kw = static_cast<int>(a->k);
    k.sw = static_cast<int>(a->stride);
    k.dw = static_cast<int>(a->dilation);
    k.pw = static_cast<int>(a->pad);
    k.w_o = a->w_ld;
    k.w_c = a->k;
    k.w_i = 0;
    k.w_j = 1;
    k.relu = a->relu;
    k.masks_dy = a->relu && !a->dy_masked;
    k.bn_eps = a->bn_eps;
    k.type = x->dtype == SPK_BF16 || y->dtype == SPK_BF16 ? SPK_BF16 : SPK_F32;
    return k;
}

static bool supports(const spk_geom *g)
{
    const spk_conv k = conv_of(g);
    return spk_conv_supports(g, &k);
}

static spk_status create(const spk_geom *g, void **state)
{
    const spk_conv k = conv_of(g);
    return spk_conv_create(g, &k, state);
}

const spk_kernel spk__cuda_conv1d = {.name = "cuda",
                                     .supports = supports,
                                     .create = create,
                                     .destroy = spk_conv_destroy,
                                     .scratch_bytes = spk_conv_scratch,
                                     .fwd = spk_conv_fwd,
                                     .bwd = spk_conv_bwd};
