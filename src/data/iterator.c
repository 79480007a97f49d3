/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers over spk/iterator.h. */
#include "spk/data.h"

#include <string.h>

const spk_array *spk_batch_find(const spk_batch *batch, const char *name)
{
    for (int i = 0; i < batch->n_arrays; i++)
        if (strcmp(batch->arrays[i].name, name) == 0) return &batch->arrays[i];
    return NULL;
}

void spk_iterator_close(spk_iterator *it)
{
    if (it && it->close) it->close(it->self);
}
