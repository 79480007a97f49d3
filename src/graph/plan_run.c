/* SPDX-License-Identifier: Apache-2.0 */
/* Running a plan; what it took: plan_profile.c. */
#include <string.h>

#include "graph/plan_inside_impl.h"
#include "graph/plan_watch_impl.h"

void spk_plan_bind(spk_plan *p, const spk_tensor *input, const void *data)
{
    SPK_ASSERT(input->is_input);
    p->bound[input->id] = data;
    if (!p->there) p->generation = -1; /* a device has its copy at one place */
}

void spk_plan_draws(spk_plan *p, const spk_draws *draws)
{
    p->draws = *draws;
}

static void *scratch_at(const spk_plan *p, const spk_step *s, int which)
{
    return s->scratch < 0 ? NULL : (char *)p->arena->p + p->buffers[s->scratch + which].offset;
}

static spk_ctx context(spk_plan *p, bool backward)
{
    if (p->there) return spk__plan_there_begin(p, backward);
    return (spk_ctx){.n_threads = p->options.n_threads, .draws = p->draws, .sync = p->sync};
}

/* A clock; what a device was asked for has then been done. */
static double now(const spk_plan *p)
{
    if (!p->profile) return 0;
    if (p->there) p->arena->device->t->wait(p->arena->device->self);
    return spk_now();
}

static void forward_steps(spk_plan *p, const spk_ctx *ctx)
{
    for (int i = 0; i < p->n_steps; i++) {
        spk_step *s = &p->steps[i];
        const double start = now(p);
        s->args.ctx = ctx;
        s->args.scratch = scratch_at(p, s, 0);
        s->args.weights_changed = p->weights_changed;
        s->kernel->fwd(&s->args);
        if (p->profile) s->seconds[0] += now(p) - start;
        if (p->watch) spk__plan_watch_step(p->watch, p, i, false);
    }
}

void spk_plan_forward(spk_plan *p, bool weights_changed)
{
    spk_graph_update_lengths(p->g);
    if (p->generation != p->arena->generation) spk__plan_set_pointers(p);
    const spk_ctx ctx = context(p, false);
    p->weights_changed = weights_changed || p->there; /* a recorded pass serves all weights */
    if (p->there)
        spk__plan_there_run(p, false, &ctx, forward_steps);
    else
        forward_steps(p, &ctx);
    p->runs[0]++;
}

static void backward_steps(spk_plan *p, const spk_ctx *ctx)
{
    for (int i = p->n_steps - 1; i >= 0; i--) {
        spk_step *s = &p->steps[i];
        if (!s->backward) continue;
        if (s->n_again) spk__plan_run_again(p, s, ctx);
        const double start = now(p);
        s->back.ctx = ctx;
        s->back.scratch = scratch_at(p, s, 1);
        s->kernel->bwd(&s->back);
        if (p->profile) s->seconds[1] += now(p) - start;
        if (p->watch) spk__plan_watch_step(p->watch, p, i, true);
        if (p->ready) p->ready(p->ready_user, p->ready_from[i]);
    }
}

static void run_backward(spk_plan *p)
{
    SPK_ASSERT(p->options.train && p->generation == p->arena->generation);
    const spk_ctx ctx = context(p, true);
    if (p->there)
        spk__plan_there_run(p, true, &ctx, backward_steps);
    else
        backward_steps(p, &ctx);
    p->runs[1]++;
}

void spk_plan_backward(spk_plan *p, double scale)
{
    if (p->options.real == SPK_F64)
        p->seed[0] = scale;
    else
        memcpy(p->seed, &(float){(float)scale}, sizeof(float));
    run_backward(p);
}

void spk_plan_momentum(spk_plan *p, double momentum)
{
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].node->op == SPK_OP_BATCH_NORM)
            p->steps[i].node->attr.batch_norm.momentum = momentum > 0 ? momentum : 0.1;
}

static void seed_from(spk_plan *p, const void *gradient)
{
    for (int i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].node->n_out; k++)
            if (p->steps[i].node->out[k] == p->options.loss)
                p->steps[i].back.dout[k].p = (void *)(uintptr_t)gradient; /* kernels only read it */
}

void spk_plan_backward_from(spk_plan *p, const void *gradient)
{
    SPK_ASSERT(!p->there); /* the gradient is the caller's memory */
    seed_from(p, gradient);
    run_backward(p);
    seed_from(p, p->seed);
}

spk_view spk_plan_value(const spk_plan *p, spk_tensor *t)
{
    spk_view v = spk__plan_view(p, t);
    const spk_tensor *root = spk_tensor_root(t, NULL);
    v.p = root->is_input ? (void *)(uintptr_t)p->bound[root->id]
                         : spk__plan_at(p, p->value_of, t); /* an input as it was bound */
    return p->there && !root->is_input ? spk__plan_there_value(p, t, &v) : v;
}

size_t spk_plan_bytes(const spk_plan *p)
{
    return p->bytes;
}
