/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan: a graph with an order, kernels, gradients and memory. Making one derives the backward ops, fuses neighbours,
 * gives every buffer an offset in one arena by its lifetime, and creates the backend's primitives. Running one
 * allocates nothing and looks nothing up.
 *
 * Plans of several shapes share an arena: it grows when a larger plan is made, and a plan's data is lost when another
 * plan runs. One thread at a time may use an arena and its plans.
 */
#ifndef SPK_GRAPH_PLAN_IMPL_H
#define SPK_GRAPH_PLAN_IMPL_H

#include "backend/device_impl.h"
#include "graph/graph_impl.h"

typedef struct spk_arena spk_arena;
typedef struct spk_plan spk_plan;

spk_arena *spk_arena_new(void);
/* In the memory of a device, on which the plans then run; it must outlive the arena. NULL: the processor. */
spk_arena *spk_arena_new_on(const spk_device *device);
void spk_arena_free(spk_arena *a);
size_t spk_arena_bytes(const spk_arena *a);

typedef struct spk_plan_options {
    /* SPK_F32, SPK_F64 for the reference kernels in double, or SPK_BF16: frames between the frontend and the pooling
     * are bfloat16, all else is float. What the caller sees is float then. */
    spk_dtype real;
    bool train;       /* a backward pass follows; loss must be given */
    spk_tensor *loss; /* (1,1,1,2): loss, accuracy; NULL when not training */
    int n_threads;
    bool no_reuse; /* every buffer its own memory: for finding lifetimes that are too short */
    bool no_again; /* keep every value that a backward kernel reads: for finding values that are made again wrong */
} spk_plan_options;

/* Takes the graph, also when it fails. */
spk_status spk_plan_new(spk_graph *g, spk_arena *arena, const spk_plan_options *options, spk_plan **out);
void spk_plan_free(spk_plan *p);

/* Bind an input tensor to the caller's memory for the next runs. */
void spk_plan_bind(spk_plan *p, const spk_tensor *input, const void *data);
/* What the next runs' random ops draw from; `item` must outlive the backward pass. */
void spk_plan_draws(spk_plan *p, const spk_draws *draws);
/* weights_changed: parameters may differ from the last run's of this plan. */
void spk_plan_forward(spk_plan *p, bool weights_changed);
/* After forward: adds scale * dloss to the parameters' gradients. */
void spk_plan_backward(spk_plan *p, double scale);

/* Several processes. In the next runs of a training plan sums of a batch's statistics go round (NULL: they do not); and the
 * backward pass calls ready(user, from) after each step: the gradients from `from` on, counted from `gradients`, are final
 * (NULL: nobody wants to know). */
void spk_plan_synchronise(spk_plan *p, const spk_reduction *reduction);
void spk_plan_watch_gradients(spk_plan *p, const void *gradients, void (*ready)(void *user, int64_t from), void *user);

/* How far BatchNorm's running statistics move towards a batch's in the next runs of a training plan. */
enum { SPK_PLAN_USUAL_MOMENTUM = 0 };
void spk_plan_momentum(spk_plan *p, double momentum); /* SPK_PLAN_USUAL_MOMENTUM: 0.1, as PyTorch's */

/* The same from any tensor that was given as loss: `gradient` is that of its values (N, W, C), in the real type. */
void spk_plan_backward_from(spk_plan *p, const void *gradient);

/* A kept tensor's values after a run (view: rows are ld elements apart). Of a plan on a device, a copy of them, which waits for
 * the run to end and is the plan's until the next call for that tensor. */
spk_view spk_plan_value(const spk_plan *p, spk_tensor *t);

size_t spk_plan_bytes(const spk_plan *p); /* of the arena that this plan uses */

#endif
