/* SPDX-License-Identifier: Apache-2.0 */
/* What sherpa-onnx computes itself before it asks a speaker model, and what it wants to know of the model. */
#ifndef SPK_MODEL_ONNX_SHERPA_IMPL_H
#define SPK_MODEL_ONNX_SHERPA_IMPL_H

#include "formats/onnx_impl.h"
#include "spk/onnx.h"

/* SPK_E_UNSUPPORTED, naming the options that differ, unless the network's frontend is sherpa-onnx's. */
spk_status spk__sherpa_check(const spk_net *net);
/* Metadata of the model: those keys without which sherpa-onnx refuses it. */
void spk__sherpa_metadata(spk_onnx *o, spk_net *net, const spk_onnx_options *options);

#endif
