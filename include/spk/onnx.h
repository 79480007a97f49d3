/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as ONNX models. */
#ifndef SPK_ONNX_H
#define SPK_ONNX_H

#include "spk/net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spk_onnx_target {
    /*
     * The whole way from sound: inputs "speech" (N, samples) float32 and "speech_lengths" (N) int64, output "embedding"
     * (N, E), not normalised. Each item comes out as it would alone, whatever stands behind its length. A network
     * without a frontend takes "speech" (N, frames, features).
     */
    SPK_ONNX_WAVE,
    /* For sherpa-onnx: input "x" (N, frames, features), output "embedding" (N, E), and its metadata. Only where the
     * frontend is what sherpa-onnx computes itself. */
    SPK_ONNX_SHERPA
} spk_onnx_target;

typedef struct spk_onnx_options {
    spk_onnx_target target;
    const char *language; /* metadata for sherpa; NULL: "" */
    const char *url;
} spk_onnx_options;

/* Opset 17; batch and length are free. SPK_E_UNSUPPORTED, with the fields that differ, where the frontend cannot be
 * handed to sherpa-onnx, or for an op that has no ONNX form here. The file appears whole or not at all. */
SPK_API spk_status spk_net_export_onnx(spk_net *net, const spk_onnx_options *options, const char *path) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
