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

/*
 * Lengths: in a batch of unequal utterances the wave (or the features) carries `len`, and each op hands lengths on. An
 * op that looks at neighbouring frames (a convolution of several taps) must see zeros behind an item's end, as it would
 * alone, so the layers below mask their input first; where there are no lengths that costs nothing. With this an
 * embedding does not depend on what else is in its batch.
 */
typedef struct spk_build {
    spk_graph *g;
    spk_params *params;
    bool train;
    spk_pool_lengths pool_lengths;
    int64_t frontend_frames;     /* frames out of the frontend */
    const int64_t *frontend_len; /* of each item; NULL: all */
    int64_t sample_rate;
    int64_t n_classes, first_class,
        own_classes; /* own_classes 0: all; else the class weights are those of these alone */
} spk_build;

/* What a part's check is told. */
typedef struct spk_part_in {
    int64_t input_size;  /* features, channels or width that come in; 1 for waves */
    int64_t sample_rate; /* Hz */
    int64_t n_classes;   /* 0: none (a model that only embeds) */
    bool has_weights;    /* weights will be loaded: a file that only gives initial values may be missing */
    int64_t per_speaker; /* consecutive utterances of one speaker in training batches; 0: anyhow */
    bool like_202611;    /* the configuration has `version`: defaults are that release's where they differ from ours */
} spk_part_in;

typedef struct spk_part {
    const char *name;
    const spk_opt *options;
    int n_options;
    size_t conf_bytes; /* of the struct that the options fill */
    /* Check values that depend on each other and on the input, and settle defaults that depend on them (options that
     * are none); *output_size: features, channels or embedding size. Messages begin with "encoder_conf: ". NULL: the
     * output is as wide as the input. */
    spk_status (*check)(void *conf, const spk_part_in *in, int64_t *output_size);
    /* Frontend: wave (N,1,S,1) -> features (N,1,T,F). Specaug, normalize: features -> features. Encoder: features ->
     * frames. Pooling: frames -> (N,1,1,P). Projector: (N,1,1,P) -> (N,1,1,E). */
    spk_tensor *(*build)(spk_build *b, const void *conf, spk_tensor *x);
    /* Loss: (N,1,1,E) and labels -> (1,1,1,2). */
    spk_tensor *(*build_loss)(spk_build *b, const void *conf, spk_tensor *embedding, spk_tensor *labels,
                              int64_t n_classes);
    /* Loss with a margin (loss_impl.h): the margin of the next steps; a check has set the option's. NULL: none. */
    void (*set_margin)(void *conf, double margin);
    bool in_groups; /* Loss: training batches must be groups of per_speaker utterances of one speaker */
    /* Frontend: values of a frame, where it takes features from files instead of waves. NULL: waves. */
    int64_t (*input_size)(const void *conf);
    /* Frontend: shortest wave in samples. NULL: 1. */
    int64_t (*min_samples)(const void *conf);
    /* Frontend: frames of a wave that is long enough. */
    int64_t (*frames)(const void *conf, int64_t samples);
    /* Encoder: fewest frames that it takes. NULL: 1. */
    int64_t (*min_frames)(const void *conf);
    /* What a tensor of an older release is called now: a new text, empty where it is to be left out, NULL where the
     * name stands. NULL: all names stand. */
    char *(*renamed)(const char *name);
} spk_part;

/* In the order of the data. Frontend, specaug and normalize may be none. */
typedef enum spk_part_kind {
    SPK_FRONTEND,
    SPK_SPECAUG,
    SPK_NORMALIZE,
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

/* "A.B" of a part's name and a leaf, in the caller's room; nth >= 0: "A.B.nth". Returns room. */
const char *spk_layer_name(char room[128], const char *name, const char *leaf, int64_t nth);

/* Convolution over time. */
typedef struct spk_conv_shape {
    int64_t out, k, stride, dilation, pad; /* k, stride, dilation 0: 1 */
    bool no_bias, relu;
} spk_conv_shape;
/* "NAME.weight" (O,C,K), "NAME.bias" (O): uniform in +-1/sqrt(C*K). */
spk_tensor *spk_layer_conv(spk_build *b, spk_tensor *x, const char *name, spk_conv_shape shape);
/* The usual one, stride 1. */
spk_tensor *spk_layer_conv1d(spk_build *b, spk_tensor *x, const char *name, int64_t out, int64_t k, int64_t dilation,
                             int64_t pad, bool relu);
/* "NAME.weight" (O,C,.,.), "NAME.bias" (O) if `bias`; taps, strides, paddings, order and ReLU as in attr. */
spk_tensor *spk_layer_conv2d(spk_build *b, spk_tensor *x, const char *name, int64_t out, bool bias,
                             spk_conv2d_attr attr);
/* "NAME.weight" (C,1,K), "NAME.bias" (C). */
spk_tensor *spk_layer_depthwise(spk_build *b, spk_tensor *x, const char *name, int64_t k, int64_t pad);
/* "NAME.weight" (O,C), "NAME.bias" (O). */
spk_tensor *spk_layer_linear(spk_build *b, spk_tensor *x, const char *name, int64_t out);
/* Without bias. */
spk_tensor *spk_layer_linear_plain(spk_build *b, spk_tensor *x, const char *name, int64_t out);
/* BN of "NAME.weight", .bias, .running_mean, .running_var, .num_batches_tracked. */
spk_tensor *spk_layer_batch_norm(spk_build *b, spk_tensor *x, const char *name);
typedef struct spk_norm_shape {
    bool relu, no_affine;
} spk_norm_shape;
spk_tensor *spk_layer_norm(spk_build *b, spk_tensor *x, const char *name, spk_norm_shape shape);
/* LayerNorm of "NAME.weight", "NAME.bias". */
spk_tensor *spk_layer_layer_norm(spk_build *b, spk_tensor *x, const char *name, double eps);
/* The parameter "NAME.LEAF" with the default initialisation of a layer of that fan-in. */
const spk_param *spk_layer_param(spk_build *b, const char *name, const char *leaf, int n_dims, const int64_t *dim,
                                 int64_t fan_in);
/* A vector "NAME.LEAF" of one value. */
const spk_param *spk_layer_constant(spk_build *b, const char *name, const char *leaf, bool trainable, int64_t n,
                                    double value);

#endif
