/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of parameters on a device, and which side was written last (params_impl.h). */
#ifndef SPK_GRAPH_PARAMS_THERE_IMPL_H
#define SPK_GRAPH_PARAMS_THERE_IMPL_H

#include "graph/params_impl.h"

typedef struct spk_params_there spk_params_there;

/* Blocks for values (and their gradients, zero) and buffers; what lies here counts as written last. */
spk_status spk__params_there_new(const spk_device *device, void *values, size_t value_bytes, void *buffers,
                                 size_t buffer_bytes, spk_params_there **out);
void spk__params_there_free(spk_params_there *t); /* NULL is allowed */
/* Where a parameter lies that begins `at` bytes into its block. */
void spk__params_there_place(const spk_params_there *t, bool trainable, size_t at, spk_param *q);
void spk__params_there_stale(spk_params_there *t, unsigned what, bool there); /* that side is out of date */
void spk__params_there_bring(spk_params_there *t, bool here);
void spk__params_there_gradients(const spk_params_there *t, void *grad, size_t bytes);
void spk__params_there_zero(const spk_params_there *t, size_t bytes);
void spk__params_there_blocks(const spk_params_there *t, float **data, float **grad);

#endif
