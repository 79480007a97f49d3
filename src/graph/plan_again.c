/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are made again. A backward kernel reads much of the forward pass, and what it reads is kept until then: that
 * is most of a training step's memory. Some of it is cheap to have once more: a normalisation's result is one pass over its
 * input, which is kept anyway, and so are sums and copies of such. Those values are dropped behind their last reader of
 * the forward pass, and kernels that have `again` make them a second time just before the first backward kernel that
 * reads them, in another place of the arena.
 *
 * A step of a few hundred megabytes costs some percent more for it where it is memory that bounds, so a value is made again
 * only where that lowers the most that lives at any moment.
 */
#include <stdlib.h>

#include "graph/plan_inside_impl.h"

/* Of a value that is made from ones that are made again: two passes deep, longer chains would make a block's values again for
 * each of its layers. */
enum { MOST_DEPTH = 2 };
/* Values below this share of the largest are kept. */
enum { SMALL = 64 };
enum { NOT_SEEN = -1, VISITING = -2, KEPT = 0 };

typedef struct root_use {
    int first_back, last_back; /* moments at which backward kernels read it; none: INT_MAX, -1 */
    int first;                 /* step that writes it first */
    int depth;                 /* 1: made from what is kept, 2: from such; KEPT: cannot be made again */
    size_t bytes;
} root_use;

typedef struct choice {
    spk_plan *p;
    const bool *needs;
    int n_tensors, n_buffers; /* buffers that are there before any value's */
    root_use *use;
    bool *chosen;
    int *moment; /* see spk__plan_find_lifetimes */
} choice;

/* The root that holds a value of the arena; -1: it is none. */
static int root_of(spk_tensor *t)
{
    if (!t || t->param || t->constant) return -1;
    const spk_tensor *root = spk_tensor_root(t, NULL);
    return root->is_input ? -1 : root->id;
}

static int back_of(const spk_plan *p, int step)
{
    return 2 * p->n_steps - 1 - step;
}

static void read_at(choice *c, spk_tensor *t, int moment)
{
    const int id = root_of(t);
    if (id < 0) return;
    root_use *u = &c->use[id];
    if (moment < u->first_back) u->first_back = moment;
    if (moment > u->last_back) u->last_back = moment;
}

/* ---- what could be made again ---- */

static void find_uses(choice *c)
{
    const spk_plan *p = c->p;
    size_t largest = 0;
    for (int i = 0; i < c->n_tensors; i++) {
        const spk_tensor *t = spk_graph_tensor(p->g, i);
        const size_t bytes = (size_t)(t->n * t->h * t->w * t->c) * spk_dtype_size(spk__plan_dtype(p, t));
        c->use[i] = (root_use){p->n_steps * 2, -1, -1, NOT_SEEN, bytes};
        if (bytes > largest && !t->param && !t->parent) largest = bytes;
    }
    for (int i = 0; i < p->n_steps; i++) {
        const spk_step *s = &p->steps[i];
        const int id = root_of(s->node->out[0]);
        for (int k = 0; k < s->node->n_in && s->backward; k++)
            if (spk__plan_reads_in(s->node) >> k & 1) read_at(c, s->node->in[k], back_of(p, i));
        if (s->backward && spk__plan_reads_out(s->node)) read_at(c, s->node->out[0], back_of(p, i));
        if (c->use[id].first < 0) c->use[id].first = i;
        if (!s->backward || !s->kernel->again || s->node->n_out > 1 || c->use[id].bytes < largest / SMALL)
            c->use[id].depth = KEPT;
    }
    for (int i = 0; i < c->n_tensors; i++) {
        spk_tensor *t = spk_graph_tensor(p->g, i);
        if ((t->keep || t == p->options.loss) && root_of(t) >= 0) c->use[root_of(t)].depth = KEPT;
    }
}

static int depth_of(choice *c, int id);

/* One more than the deepest input of that step, or KEPT where one would have to live longer for it. */
static int depth_behind(choice *c, const spk_node *node, int moment)
{
    int most = 0;
    for (int k = 0; k < node->n_in; k++) {
        const int id = root_of(node->in[k]);
        if (id < 0) continue;
        const int depth = depth_of(c, id);
        if (depth == VISITING || (depth == KEPT && c->use[id].last_back < moment)) return KEPT;
        if (depth > most) most = depth;
    }
    return most < MOST_DEPTH ? most + 1 : KEPT;
}

static int depth_of(choice *c, int id)
{
    root_use *u = &c->use[id];
    if (u->depth != NOT_SEEN) return u->depth;
    if (u->first < 0) return u->depth = KEPT; /* nothing writes it */
    u->depth = VISITING;
    const int moment = u->last_back >= 0 ? u->first_back : back_of(c->p, u->first);
    int depth = 1;
    for (int i = u->first; i < c->p->n_steps && depth != KEPT; i++) {
        const spk_node *node = c->p->steps[i].node;
        if (root_of(node->out[0]) != id) continue;
        const int behind = depth_behind(c, node, moment);
        depth = behind == KEPT || behind > depth ? behind : depth;
    }
    return u->depth = depth;
}

/* ---- when, and what it costs in room ---- */

/* What is made again from others needs those at that moment: repeated until nothing comes earlier. */
static void find_moments(choice *c)
{
    const spk_plan *p = c->p;
    const int never = 2 * p->n_steps;
    for (int i = 0; i < c->n_tensors; i++)
        c->moment[i] = c->chosen[i] ? c->use[i].first_back : -1;
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = p->n_steps - 1; i >= 0; i--) {
            const int moment = c->moment[spk_tensor_root(p->steps[i].node->out[0], NULL)->id];
            for (int k = 0; k < p->steps[i].node->n_in && moment >= 0; k++) {
                const int id = root_of(p->steps[i].node->in[k]);
                if (id < 0 || c->moment[id] <= moment) continue;
                c->moment[id] = moment;
                changed = true;
            }
        }
    }
    for (int i = 0; i < c->n_tensors; i++)
        if (c->moment[i] == never) c->moment[i] = -1; /* nobody needs it again */
}

static void find_lifetimes(const choice *c)
{
    spk_plan *p = c->p;
    p->n_buffers = c->n_buffers;
    for (int i = 0; i < c->n_tensors; i++)
        p->value_of[i] = p->grad_of[i] = p->again_of[i] = -1;
    spk__plan_find_lifetimes(p, c->needs, c->moment);
}

/* The most that lives at any moment. */
static size_t peak(choice *c)
{
    const spk_plan *p = c->p;
    size_t live = 0, most = 0;
    find_moments(c);
    find_lifetimes(c);
    const int moments = 2 * p->n_steps + 1;
    size_t *begins = spk_new((size_t)moments * sizeof *begins), *ends = spk_new((size_t)moments * sizeof *ends);
    for (int i = 0; i < p->n_buffers; i++) {
        begins[p->buffers[i].start] += p->buffers[i].bytes;
        ends[p->buffers[i].end] += p->buffers[i].bytes;
    }
    for (int m = 0; m < moments; m++) {
        live += begins[m];
        if (live > most) most = live;
        live -= ends[m];
    }
    spk_free(begins);
    spk_free(ends);
    return most;
}

static size_t peak_of_none(choice *c)
{
    bool *chosen = c->chosen;
    c->chosen = spk_new((size_t)c->n_tensors * sizeof *c->chosen);
    const size_t most = peak(c);
    spk_free(c->chosen);
    c->chosen = chosen;
    return most;
}

/* ---- the choice ---- */

/* The deep ones first: they cost more passes for the room that they save. */
static void keep_what_does_not_help(choice *c)
{
    const size_t all_kept = peak_of_none(c);
    size_t most = peak(c);
    for (int depth = MOST_DEPTH; depth > 0; depth--) {
        for (int i = 0; i < c->n_tensors; i++) {
            if (!c->chosen[i] || c->use[i].depth != depth) continue;
            c->chosen[i] = false;
            const size_t kept = peak(c);
            c->chosen[i] = kept > most;
            if (kept < most) most = kept;
        }
    }
    if (most < all_kept) return; /* else the scratch of making them again is more than they are */
    for (int i = 0; i < c->n_tensors; i++)
        c->chosen[i] = false;
}

/* Steps whose results are made again, in their order, for each step before whose backward kernel that is. */
static void list_again(const choice *c)
{
    spk_plan *p = c->p;
    for (int i = 0; i < p->n_steps; i++) {
        p->steps[i].first_again = p->n_again;
        for (int k = 0; k < p->n_steps; k++)
            if (c->moment[spk_tensor_root(p->steps[k].node->out[0], NULL)->id] == back_of(p, i))
                SPK_PUSH(p->again, p->n_again) = k;
        p->steps[i].n_again = p->n_again - p->steps[i].first_again;
    }
}

void spk__plan_lay_out(spk_plan *p, const bool *needs)
{
    const int n = spk_graph_n_tensors(p->g);
    choice c = {.p = p, .needs = needs, .n_tensors = n, .n_buffers = p->n_buffers};
    c.use = spk_new((size_t)n * sizeof *c.use);
    c.chosen = spk_new((size_t)n * sizeof *c.chosen);
    c.moment = spk_new((size_t)n * sizeof *c.moment);
    find_uses(&c);
    for (int i = 0; i < n && p->options.train && !p->options.no_again; i++)
        c.chosen[i] = c.use[i].first >= 0 && depth_of(&c, i) > 0;
    if (p->options.train && !p->options.no_again) keep_what_does_not_help(&c);
    find_moments(&c);
    find_lifetimes(&c);
    list_again(&c);
    spk_free(c.use);
    spk_free(c.chosen);
    spk_free(c.moment);
}

/* ---- running ---- */

void spk__plan_set_back(const spk_plan *p, spk_step *s)
{
    s->back = s->args;
    for (int k = 0; k < s->node->n_in; k++) {
        const int id = root_of(s->node->in[k]);
        if (id >= 0 && p->again_of[id] >= 0) s->back.in[k].p = spk__plan_at(p, p->again_of, s->node->in[k]);
    }
    for (int k = 0; k < s->node->n_out; k++) {
        const int id = root_of(s->node->out[k]);
        if (id >= 0 && p->again_of[id] >= 0) s->back.out[k].p = spk__plan_at(p, p->again_of, s->node->out[k]);
    }
}

void spk__plan_run_again(spk_plan *p, const spk_step *s, const spk_ctx *ctx)
{
    for (int i = 0; i < s->n_again; i++) {
        spk_step *again = &p->steps[p->again[s->first_again + i]];
        const double start = p->profile ? spk_now() : 0;
        again->back.ctx = ctx;
        again->back.scratch =
            again->again_scratch < 0 ? NULL : (char *)p->arena->p + p->buffers[again->again_scratch].offset;
        again->kernel->again(&again->back);
        if (p->profile) again->seconds[1] += spk_now() - start;
    }
}
