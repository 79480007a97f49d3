/* SPDX-License-Identifier: Apache-2.0 */
/* conv2d (backend_impl.h): time is the height, frequency the width. */
#include "backend/cuda/conv_impl.h"

static spk_conv conv_of(const spk_geom *g)
{
    const spk_conv2d_attr *a = static_cast<const spk_conv2d_attr *>(g->attr);
    const spk_view *x = &g->in[0], *y = &g->out[0];
    spk_conv k = {};
    k.n = static_cast<int>(x->n);
    k.h = static_cast<int>(x->h);
    k.w = static_cast<int>(x->w);
    k.c = static_cast<int>(x->c);
    k.u = static_cast<int>(y->h);
    k.v = static_cast<int>(y->w);
    k.o = static_cast<int>(y->c);
    k.kh = static_cast<int>(a->kt);
    k.kw = static_cast<int>(a->kf);
    k.sh = static_cast<int>(a->st);
    k.sw = static_cast<int>(a->sf);
    k.dh = k.dw = 1;
    k.ph = static_cast<int>(a->pt);
    k.pw = static_cast<int>(a->pf);
    k.w_o = x->c * a->kt * a->kf;
    k.w_c = a->kt * a->kf;
    k.w_i = a->freq_first ? 1 : a->kf;
    k.w_j = a->freq_first ? a->kt : 1;
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

const spk_kernel spk__cuda_conv2d = {.name = "cuda",
                                     .supports = supports,
                                     .create = create,
                                     .destroy = spk_conv_destroy,
                                     .scratch_bytes = spk_conv_scratch,
                                     .fwd = spk_conv_fwd,
                                     .bwd = spk_conv_bwd};
