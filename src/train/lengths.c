/* SPDX-License-Identifier: Apache-2.0 */
/* Training batches of utterances of different lengths (lengths_impl.h). */
#include "train/lengths_impl.h"

#include <inttypes.h>

spk_status spk_train_lengths(const spk_model *model, const spk_batch *batch, const spk_array *speech)
{
    const spk_array *a = spk_batch_find(batch, "speech_lengths");
    if (!a) return SPK_OK;
    if (a->dtype != SPK_I64 || a->n_dims < 1 || a->dim[0] != batch->n)
        return spk_fail(SPK_E_SHAPE, "utterance %s: 'speech_lengths' must be int64 (%" PRId64 " items)", batch->ids[0],
                        batch->n);
    const int64_t *lengths = a->data;
    for (int64_t i = 0; i < batch->n; i++) {
        if (lengths[i] < 1 || lengths[i] > speech->dim[1])
            return spk_fail(SPK_E_VALUE, "utterance %s: its length is %" PRId64 " in a batch of %" PRId64,
                            batch->ids[i], lengths[i], speech->dim[1]);
        if (lengths[i] != speech->dim[1] && !model->set_lengths)
            return spk_fail(SPK_E_UNSUPPORTED, "utterance %s: this model takes utterances of one length only",
                            batch->ids[i]);
    }
    if (model->set_lengths) model->set_lengths(model->self, lengths, batch->n);
    return SPK_OK;
}
