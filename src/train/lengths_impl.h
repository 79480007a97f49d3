/* SPDX-License-Identifier: Apache-2.0 */
/* Training batches of utterances of different lengths: what `speech_lengths` says goes to the model before each call. */
#ifndef SPK_TRAIN_LENGTHS_IMPL_H
#define SPK_TRAIN_LENGTHS_IMPL_H

#include "base/base_impl.h"
#include "spk/iterator.h"
#include "spk/model.h"

/* Before forward_backward, renew_statistics or find_anomaly on a batch: tell the model how long its items are, where the
 * batch says so; it must stay until that call has returned. SPK_E_SHAPE, SPK_E_VALUE for lengths that cannot be;
 * SPK_E_UNSUPPORTED where the model takes full items only. */
spk_status spk_train_lengths(const spk_model *model, const spk_batch *batch, const spk_array *speech) SPK_NODISCARD;

#endif
