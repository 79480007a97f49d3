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

/* ---- shares ---- */

/* Move item `from` to place `to`, with all that is kept of it. */
static void move_item(spk_epoch_plan *p, int64_t to, int64_t from)
{
    p->item[to] = p->item[from];
    p->nth[to] = p->nth[from];
    if (p->offset) p->offset[to] = p->offset[from];
    if (p->crop) p->crop[to] = p->crop[from];
}

void spk_epoch_plan_share(spk_epoch_plan *p, const spk_share *share)
{
    const int64_t size = share->group;
    int64_t at = 0, begin = 0;
    if (share->n_ranks <= 1) return;
    p->idle = spk_new((size_t)p->n_batches * sizeof *p->idle);
    p->largest = 0;
    for (int64_t b = 0; b < p->n_batches; b++) {
        const int64_t end = p->first[b + 1], n_groups = (end - begin + size - 1) / size;
        int64_t n = n_groups / share->least < share->n_ranks ? n_groups / share->least : share->n_ranks;
        if (n < 1) n = 1;
        p->idle[b] = share->rank >= n;
        p->first[b] = at;
        for (int64_t i = begin; i < end; i++) {
            const int64_t g = (i - begin) / size;
            if (p->idle[b] ? g < share->least : g % n == share->rank) move_item(p, at++, i);
        }
        begin = end;
        p->largest = at - p->first[b] > p->largest ? at - p->first[b] : p->largest;
    }
    p->first[p->n_batches] = at;
}

void spk_epoch_plan_clear(spk_epoch_plan *p)
{
    spk_free(p->first);
    spk_free(p->item);
    spk_free(p->nth);
    spk_free(p->offset);
    spk_free(p->crop);
    spk_free(p->chunk_length);
    spk_free(p->idle);
    *p = (spk_epoch_plan){0};
}
