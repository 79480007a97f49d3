/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a plan, for the files plan*.c.
 *
 * Moments: node i runs forward at i and backward at 2n-1-i. A buffer lives from its first writer to its last reader,
 * so placement (memory.c) can overlap all that is never needed at once.
 */
#ifndef SPK_GRAPH_PLAN_INSIDE_IMPL_H
#define SPK_GRAPH_PLAN_INSIDE_IMPL_H

#include "graph/memory_impl.h"
#include "graph/plan_impl.h"

typedef struct spk_plan_there spk_plan_there;

struct spk_arena {
    const spk_device *device; /* NULL: the processor's memory */
    void *p;
    size_t bytes;
    int64_t generation; /* counts moves */
};

typedef struct spk_step {
    spk_node *node;
    spk_node *own; /* a copy that `node` is then: a convolution with the normalisation behind it; the graph stays */
    const spk_kernel *kernel;
    void *state;
    spk_kargs args;
    spk_kargs back;           /* backward: values that are made again lie elsewhere then */
    int save, scratch;        /* buffers, -1: none */
    int again_scratch;        /* of making its result again, -1: none */
    int first_again, n_again; /* in spk_plan.again: steps that are run again before this one's backward kernel */
    bool backward;            /* has something to do backward */
    double seconds[2];        /* forward, backward, since the clocks were last read */
} spk_step;

struct spk_plan {
    spk_graph *g;
    spk_arena *arena;
    spk_plan_options options;
    int n_steps, n_buffers;
    spk_step *steps;
    spk_buffer *buffers;
    spk_dtype *type;         /* of a root tensor's elements by tensor id */
    int *value_of, *grad_of; /* buffer of a root tensor's values and gradient by tensor id, -1: none */
    int *again_of;           /* buffer of values that are made again, by tensor id; -1: they are kept */
    int *again, n_again;     /* steps */
    const void **bound;      /* input pointers by tensor id */
    double **wide;           /* constants in double by tensor id */
    spk_draws draws;
    size_t bytes, bytes_sum;
    int64_t generation; /* of the arena when pointers were last set */
    double seed[2];     /* gradient of the loss tensor: room for either type */
    bool profile, weights_changed;
    int64_t runs[2];                         /* forward, backward, since the clocks were last read */
    struct spk_plan_watch *watch;            /* NULL: nobody looks */
    const spk_reduction *sync;               /* NULL: this process's batch is all */
    void (*ready)(void *user, int64_t from); /* NULL: nobody wants to know */
    void *ready_user;
    int64_t *ready_from; /* by step: gradients from there on are final after its backward kernel; NULL: not known yet */
    spk_plan_there *there; /* of a plan on a device; NULL: it is not */
};

/* needs[id]: a trainable parameter reaches that tensor. */
bool spk__plan_wants_grad(const spk_tensor *t, const bool *needs);
spk_view spk__plan_view(const spk_plan *p, const spk_tensor *t);
/* Where a tensor's values (value_of) or gradient (grad_of) lie; NULL: nowhere. */
void *spk__plan_at(const spk_plan *p, const int *buffer_of, spk_tensor *t);
void spk__plan_set_pointers(spk_plan *p);

/* plan_there.c: plans on a device. What the caller binds, constants, the loss's gradient and draws have copies there. */
spk_status spk__plan_there_new(spk_plan *p);
void spk__plan_there_free(spk_plan *p);
void *spk__plan_there_tensor(const spk_plan *p, const spk_tensor *t); /* of a bound input or a constant */
void *spk__plan_there_seed(const spk_plan *p);
spk_view spk__plan_there_value(const spk_plan *p, const spk_tensor *t, const spk_view *v);
/* Before a pass: what has changed here is copied there; the context that its kernels get. */
spk_ctx spk__plan_there_begin(spk_plan *p, bool backward);
/* Runs a pass's steps, or replays them as they were recorded. */
typedef void (*spk_plan_pass)(spk_plan *p, const spk_ctx *ctx);
void spk__plan_there_run(spk_plan *p, bool backward, const spk_ctx *ctx, spk_plan_pass run);

/* plan_types.c */
void spk__plan_choose_types(spk_plan *p);
spk_dtype spk__plan_dtype(const spk_plan *p, const spk_tensor *t);
/* plan_fuse.c */
void spk__plan_fuse_masks(const spk_plan *p);
void spk__plan_fold_norms(spk_plan *p);
/* plan_memory.c */
/* What a backward kernel reads of the forward pass: bits of inputs, and whether it reads the output. */
unsigned spk__plan_reads_in(const spk_node *node);
bool spk__plan_reads_out(const spk_node *node);
/* again[id]: the moment at which that root's values are made again, or -1: they are kept. */
void spk__plan_find_lifetimes(spk_plan *p, const bool *needs, const int *again);
void spk__plan_order_gradients(spk_plan *p, const bool *needs);
/* work.c: bytes that a pass of a step moves at least: each view that it reads or writes once, one that it adds to twice,
 * and what the forward pass saves. Its scratch is not counted. */
double spk__step_bytes_forward(const spk_plan *p, const spk_step *s);
double spk__step_bytes_backward(const spk_plan *p, const spk_step *s);

/* plan_again.c */
/* Chooses the values that are made again, and finds all lifetimes. */
void spk__plan_lay_out(spk_plan *p, const bool *needs);
/* Arguments of the backward pass from those of the forward pass. */
void spk__plan_set_back(const spk_plan *p, spk_step *s);
void spk__plan_run_again(spk_plan *p, const spk_step *s, const spk_ctx *ctx);

#endif
