/* SPDX-License-Identifier: Apache-2.0 */
/* There is no cuDNN here: convolutions are products. */
#include "backend/cuda/conv_impl.h"

spk_dnn_conv *spk_dnn_conv_new(spk_cuda *, const spk_conv *, const spk_dnn_wish *)
{
    return nullptr;
}

void spk_dnn_conv_free(spk_cuda *, spk_dnn_conv *)
{
}

size_t spk_dnn_conv_workspace(const spk_dnn_conv *)
{
    return 0;
}

void spk_dnn_conv_run(spk_cuda *, const spk_dnn_conv *, void *, void *, void *, const float *, void *)
{
    abort();
}
