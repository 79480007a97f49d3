/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a network, for the golden runner, benches and tests. */
#ifndef SPK_MODEL_NET_IMPL_H
#define SPK_MODEL_NET_IMPL_H

#include "graph/plan_impl.h"
#include "graph/profile_impl.h"
#include "model/build_impl.h"
#include "spk/net.h"

/* What a plan computes. FROM_FEATURES begins behind the frontend; FEATURES ends there. */
typedef enum spk_net_mode { SPK_NET_EMBED, SPK_NET_TRAIN, SPK_NET_TRAIN_FROM_FEATURES, SPK_NET_FEATURES } spk_net_mode;

/* The lengths of a batch's waves: all as long as the batch; unequal but with as many frames; unequal. */
typedef enum spk_net_lengths { SPK_NET_EVEN, SPK_NET_SAME_FRAMES, SPK_NET_RAGGED } spk_net_lengths;

/* A plan and the tensors that the outside reads. */
typedef struct spk_net_plan {
    spk_net_mode mode;
    int64_t n, samples;   /* or frames, from features */
    spk_net_lengths kind; /* unless EVEN, `lengths` are obeyed */
    spk_graph *graph;
    spk_plan *plan;
    spk_tensor *speech, *labels, *feats, *frames, *embedding, *loss; /* those of the mode; NULL otherwise */
    int64_t *lengths;                                                /* samples of each wave */
    double *wide;    /* of a network in double: its copy of the speech, once there was one */
    int64_t version; /* of the weights that its last run saw */
    int64_t used;    /* for eviction: larger is later */
} spk_net_plan;

/* The plan for that shape; made, or found. Valid until the next call (old ones may be dropped). `keep_all` keeps
 * feats and frames too. */
spk_status spk_net_plan_for(spk_net *net, spk_net_mode mode, int64_t n, int64_t samples, spk_net_lengths kind,
                            spk_net_plan **out);
/* What the random ops of the next training steps draw from; the n keys of `item` (NULL: none) are copied, as a step may be
 * looked at again when it is over. */
void spk_net_set_draws(spk_net *net, const spk_draws *draws, int64_t n);
/* Keep features and frames readable in plans that are made from now on. */
void spk_net_keep_all(spk_net *net);
/* What the frontend makes of one wave (or the frames of one utterance): (1,1,T,F), float32, or of a network in
 * double float64; valid until the next call.
 * SPK_E_VALUE where it is too short for the frontend. */
spk_status spk_net_features(spk_net *net, const float *speech, int64_t samples, spk_view *feats);
/* Bind a batch's speech (or features), which must stay until the plan has run; a network in double makes a copy. */
void spk_net_bind(const spk_net *net, spk_net_plan *p, const float *speech);
/* Forward with the current weights. */
void spk_net_forward(spk_net *net, spk_net_plan *p);
spk_params *spk_net_params(spk_net *net);
/* As spk_net_load, of tensors in memory; the loss's are removed from `t` where the network only embeds. */
spk_status spk_net_take(spk_net *net, spk_tensors *t);
/* One op of a network, as `spk model` lists them. */
typedef struct spk_net_layer {
    spk_part_kind part;
    char *name;      /* of its weights, without the last word: "encoder.layer1.conv1"; "" where it has none */
    const char *op;  /* "conv1d" */
    int64_t h, w, c; /* of its output, for one utterance: h = 1 over time */
    int64_t n_parameters, n_buffers; /* elements; 0 where a layer before has them already */
    double flops;                    /* forward, one utterance */
} spk_net_layer;
/* All ops in the order of the data that have weights or work, for waves of so many samples: a new array of *n. Free with
 * spk_net_layers_free. SPK_E_VALUE: too short. */
spk_status spk_net_layers(spk_net *net, int64_t samples, spk_net_layer **out, int64_t *n);
void spk_net_layers_free(spk_net_layer *layers, int64_t n);
/* A part's options as they count, its defaults settled: a new map, or NULL where there is no such part. */
spk_yaml *spk_net_resolved_conf(const spk_net *net, spk_part_kind kind);
size_t spk_net_arena_bytes(const spk_net *net);
/* The GPU that computes, and the most memory there that was in use at any time; NULL: the processor computes. */
const char *spk_net_gpu(const spk_net *net, double *gigabytes);
/* Clocks on every op of all plans, those that are made later too; off forgets what they showed. */
void spk_net_profile(spk_net *net, bool on);
/* Add what the clocks showed to *into, and set them to zero. */
void spk_net_profile_take(spk_net *net, spk_profile *into);

#endif
