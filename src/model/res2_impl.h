/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The middle of ECAPA-TDNN's and RawNet3's blocks (specification 4.1): a layer over channels, convolutions over time in
 * groups of which each sees the one before too (Gao et al., "Res2Net", 2019), a layer over channels; each with ReLU,
 * then BatchNorm.
 */
#ifndef SPK_MODEL_RES2_IMPL_H
#define SPK_MODEL_RES2_IMPL_H

#include "model/build_impl.h"

/* x (N,1,T,any) to `width` channels by way of `scale` groups of width / scale. Parameters: NAME.conv1, bn1, convs.I,
 * bns.I, conv3, bn3. */
spk_tensor *spk_layer_res2(spk_build *b, spk_tensor *x, const char *name, int64_t width, int64_t scale,
                           int64_t dilation);

#endif
