/* SPDX-License-Identifier: Apache-2.0 */
/* Where buffers with known lifetimes lie in one arena. */
#ifndef SPK_GRAPH_MEMORY_IMPL_H
#define SPK_GRAPH_MEMORY_IMPL_H

#include "base/base_impl.h"

typedef struct spk_buffer {
    size_t bytes;
    int start, end; /* first and last moment of use, both included */
    size_t offset;  /* found by spk_memory_place; a multiple of 64 */
} spk_buffer;

/* Gives every buffer an offset such that no two that live at one moment overlap: largest first, each at the lowest
 * place that is free during its life. Returns the bytes in all. */
size_t spk_memory_place(spk_buffer *buffer, int n, bool no_reuse);

#endif
