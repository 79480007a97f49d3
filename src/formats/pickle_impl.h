/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pickle in a PyTorch file as a set of nodes. The machine knows the opcodes that torch.save writes
 * and exactly these names: torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter,
 * collections.OrderedDict and the storages torch.*Storage. Any other name is refused: nothing is ever called.
 */
#ifndef SPK_FORMATS_PICKLE_IMPL_H
#define SPK_FORMATS_PICKLE_IMPL_H

#include "base/base_impl.h"

typedef enum spk_pickle_kind {
    SPK_PICKLE_NONE,
    SPK_PICKLE_BOOL,
    SPK_PICKLE_INT,
    SPK_PICKLE_FLOAT,
    SPK_PICKLE_STR,
    SPK_PICKLE_TUPLE,
    SPK_PICKLE_LIST,
    SPK_PICKLE_DICT, /* items: key, value, key, value, ... */
    SPK_PICKLE_NAME, /* one of the known names */
    SPK_PICKLE_STORAGE,
    SPK_PICKLE_TENSOR
} spk_pickle_kind;

typedef struct spk_pickle_node {
    spk_pickle_kind kind;
    int64_t i;       /* BOOL, INT; NAME: which; TENSOR: storage offset in elements */
    double x;        /* FLOAT */
    const char *s;   /* STR: n bytes, not terminated; STORAGE: its record's name */
    int64_t n;       /* STR: bytes; TUPLE, LIST, DICT: items; STORAGE: elements; TENSOR: dimensions */
    int64_t *item;   /* TUPLE, LIST, DICT: indices of nodes */
    spk_dtype dtype; /* STORAGE */
    int64_t storage; /* TENSOR: index of its storage node */
    int64_t dim[SPK_MAX_DIMS], stride[SPK_MAX_DIMS]; /* TENSOR */
} spk_pickle_node;

typedef struct spk_pickle {
    int64_t n;
    spk_pickle_node *node;
    int64_t root;
} spk_pickle;

/* Run the pickle of `n` bytes; strings in *out point into `data`. `what` names the file in messages. SPK_E_FORMAT for
 * anything unexpected; *out is then empty. */
spk_status spk_pickle_read(const unsigned char *data, size_t n, const char *what, spk_pickle *out);
void spk_pickle_clear(spk_pickle *p);

#endif
