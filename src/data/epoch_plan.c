/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of batches (epoch_plan_impl.h). */
#include "data/epoch_plan_impl.h"

#include <string.h>

void spk_epoch_plan_add(spk_epoch_plan *p, const int64_t *items, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        SPK_PUSH(p->item, p->n_items) = items[i];
    int64_t n_firsts = p->n_batches ? p->n_batches + 1 : 0;
    if (n_firsts == 0) SPK_PUSH(p->first, n_firsts) = 0;
    SPK_PUSH(p->first, n_firsts) = p->n_items;
    p->n_batches++;
    p->largest = n > p->largest ? n : p->largest;
}

void spk_epoch_plan_count(spk_epoch_plan *p, int64_t n)
{
    uint32_t *drawn = spk_new(sizeof *drawn * (size_t)(n + 1));
    spk_free(p->nth);
    p->nth = spk_new(sizeof *p->nth * (size_t)(p->n_items + 1));
    p->distinct = 0;
    for (int64_t i = 0; i < p->n_items; i++) {
        p->nth[i] = drawn[p->item[i]]++;
        p->distinct += p->nth[i] == 0;
    }
    spk_free(drawn);
}

void spk_epoch_plan_clear(spk_epoch_plan *p)
{
    spk_free(p->first);
    spk_free(p->item);
    spk_free(p->nth);
    spk_free(p->offset);
    spk_free(p->crop);
    spk_free(p->chunk_length);
    *p = (spk_epoch_plan){0};
}
