/* SPDX-License-Identifier: Apache-2.0 */
/* Greedy placement by size: within a few percent of the lower bound on our graphs, and a few hundred buffers only. */
#include "graph/memory_impl.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 };

static int larger_first(const void *a, const void *b)
{
    const spk_buffer *const *x = a, *const *y = b;
    if ((*x)->bytes != (*y)->bytes) return (*x)->bytes < (*y)->bytes ? 1 : -1;
    return *x < *y ? -1 : *x > *y;
}

static int lower_first(const void *a, const void *b)
{
    const spk_buffer *const *x = a, *const *y = b;
    return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

static bool together(const spk_buffer *a, const spk_buffer *b)
{
    return a->start <= b->end && b->start <= a->end;
}

static size_t round_up(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The lowest gap of b's size among the placed buffers that live with it. `near` has room for n. */
static size_t find_place(const spk_buffer *b, spk_buffer *const *placed, int n, spk_buffer **near)
{
    int n_near = 0;
    size_t at = 0;
    for (int i = 0; i < n; i++)
        if (together(b, placed[i])) near[n_near++] = placed[i];
    qsort(near, (size_t)n_near, sizeof *near, lower_first);
    for (int i = 0; i < n_near; i++) {
        if (near[i]->offset >= at + round_up(b->bytes)) break;
        const size_t end = near[i]->offset + round_up(near[i]->bytes);
        if (end > at) at = end;
    }
    return at;
}

size_t spk_memory_place(spk_buffer *buffer, int n, bool no_reuse)
{
    spk_buffer **order = spk_new((size_t)n * sizeof *order), **near = spk_new((size_t)n * sizeof *near);
    size_t total = 0;
    for (int i = 0; i < n; i++)
        order[i] = &buffer[i];
    qsort(order, (size_t)n, sizeof *order, larger_first);
    for (int i = 0; i < n; i++) {
        order[i]->offset = no_reuse ? total : find_place(order[i], order, i, near);
        const size_t end = order[i]->offset + round_up(order[i]->bytes);
        if (end > total) total = end;
    }
    spk_free(order);
    spk_free(near);
    return total;
}
