/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How model parts are written. A part (a frontend, an encoder, a pooling, a projector, a loss) is one file: its
 * options as a table, its checks, and a builder that adds its ops to a graph. Building a network for the first time
 * declares its parameters; later builds, for other shapes or modes, find them by name.
 */
#ifndef SPK_MODEL_BUILD_IMPL_H
#define SPK_MODEL_BUILD_IMPL_H

#include "config/opt_impl.h"
#include "graph/graph_impl.h"

/* Which lengths the pooling is given (specification D1). */
typedef enum spk_pool_lengths { SPK_POOL_ENCODER, SPK_POOL_FRONTEND, SPK_POOL_NONE } spk_pool_lengths;

typedef struct spk_build {
    spk_graph *g;
    spk_params *params;
    bool train;
    spk_pool_lengths pool_lengths;
    int64_t frontend_frames; /* frames out of the frontend */
} spk_build;

typedef struct spk_part {
    const char *name;
    const spk_opt *options;
    int n_options;
    size_t conf_bytes; /* of the struct that the options fill */
    /* Check values that depend on each other and on the input; *output_size: features, channels or embedding size.
     * `where` begins the message ("encoder_conf"). NULL: the output is as wide as the input. */
    spk_status (*check)(const void *conf, int64_t input_size, int64_t *output_size);
    /* Frontend: wave (N,1,S,1) -> features (N,1,T,F). Encoder: features -> frames. Pooling: frames -> (N,1,1,P).
     * Projector: (N,1,1,P) -> (N,1,1,E). */
    spk_tensor *(*build)(spk_build *b, const void *conf, spk_tensor *x);
    /* Loss: (N,1,1,E) and labels -> (1,1,1,2). */
    spk_tensor *(*build_loss)(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels,
                              int64_t n_classes);
    /* Frontend: shortest wave in samples. NULL: 1. */
    int64_t (*min_samples)(const void *conf);
} spk_part;

typedef enum spk_part_kind {
    SPK_FRONTEND,
    SPK_ENCODER,
    SPK_POOLING,
    SPK_PROJECTOR,
    SPK_LOSS,
    SPK_N_PARTS
} spk_part_kind;

/* The part of that name, or NULL. */
const spk_part *spk_part_find(spk_part_kind kind, const char *name);
const char *spk_part_kind_name(spk_part_kind kind); /* "encoder" */

/* ---- layers: named parameters with PyTorch's initialisation, and the op that uses them ---- */

/* Convolution "NAME.weight" (O,C,K), "NAME.bias" (O): uniform in +-1/sqrt(C*K). */
spk_tensor *spk_layer_conv1d(spk_build *b, spk_tensor *x, const char *name, int64_t out, int64_t k, int64_t dilation,
                             int64_t pad, bool relu);
/* "NAME.weight" (O,C), "NAME.bias" (O). */
spk_tensor *spk_layer_linear(spk_build *b, spk_tensor *x, const char *name, int64_t out);
/* BN of "NAME.weight", .bias, .running_mean, .running_var, .num_batches_tracked. */
spk_tensor *spk_layer_batch_norm(spk_build *b, spk_tensor *x, const char *name);
/* The parameter "NAME.LEAF" with the default initialisation of a layer of that fan-in. */
const spk_param *spk_layer_param(spk_build *b, const char *name, const char *leaf, int n_dims, const int64_t *dim,
                                 int64_t fan_in);

#endif
