/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a graph to a plan: which gradients are wanted, kernels, memory, pointers. What it consists of: plan_inside_impl.h;
 * fusions: plan_fuse.c; lifetimes and the order of gradients: plan_memory.c; running: plan_run.c.
 */
#include "graph/plan_inside_impl.h"

spk_arena *spk_arena_new_on(const spk_device *device)
{
    spk_arena *a = spk_new(sizeof *a);
    a->device = device;
    return a;
}

spk_arena *spk_arena_new(void)
{
    return spk_arena_new_on(NULL);
}

static void free_block(const spk_arena *a)
{
    if (a->device && a->p)
        a->device->t->free(a->device->self, a->p);
    else
        spk_free(a->p);
}

void spk_arena_free(spk_arena *a)
{
    if (a) free_block(a);
    spk_free(a);
}

size_t spk_arena_bytes(const spk_arena *a)
{
    return a->bytes;
}

/* The old block goes only when the new one is there (which holds no pages yet): other plans run on after a failure. */
static spk_status reserve_there(spk_arena *a, size_t bytes)
{
    const double room = (double)(a->device->t->room(a->device->self) + a->bytes);
    const size_t before = a->bytes;
    if (a->p) free_block(a); /* a device's memory is all there is: the old block's room is needed for the new one */
    a->p = a->device->t->alloc(a->device->self, bytes);
    a->bytes = a->p ? bytes : 0;
    a->generation++;
    if (a->p) return SPK_OK;
    if (before) a->p = a->device->t->alloc(a->device->self, before); /* the other plans run on */
    a->bytes = a->p ? before : 0;
    return spk_fail(SPK_E_NOMEM,
                    "out of memory on the GPU: a batch needs %.2f GB for activations, and %.2f GB are free; use a "
                    "batch_size of at most %.0f %% of this one",
                    (double)bytes / 1e9, room / 1e9, 100 * 0.95 * room / (double)bytes);
}

static spk_status arena_reserve(spk_arena *a, size_t bytes)
{
    if (bytes <= a->bytes) return SPK_OK;
    if (a->device) return reserve_there(a, bytes);
    void *larger = spk_alloc(bytes);
    if (!larger)
        return spk_fail(SPK_E_NOMEM, "out of memory: %.2f GB are needed for activations; use a smaller batch_size",
                        (double)bytes / 1e9);
    spk_free(a->p);
    a->p = larger;
    a->bytes = bytes;
    a->generation++;
    return SPK_OK;
}

/* ---- which gradients are wanted ---- */

bool spk__plan_wants_grad(const spk_tensor *t, const bool *needs)
{
    if (!t || t->dtype == SPK_I64 || t->constant) return false;
    if (t->param) return t->param->trainable;
    return needs[spk_tensor_root((spk_tensor *)(uintptr_t)t, NULL)->id];
}

static void find_needs(const spk_plan *p, bool *needs)
{
    for (int i = 0; i < p->n_steps; i++) {
        const spk_node *node = p->steps[i].node;
        bool any = false;
        for (int k = 0; k < node->n_in; k++)
            any = any || spk__plan_wants_grad(node->in[k], needs);
        if (!any || node->op == SPK_OP_MELSPEC) continue;
        p->steps[i].backward = p->options.train;
        for (int k = 0; k < node->n_out; k++)
            needs[spk_tensor_root(node->out[k], NULL)->id] = true;
    }
}

/* ---- kernels ---- */

spk_view spk__plan_view(const spk_plan *p, const spk_tensor *t)
{
    spk_view v = {NULL, t->n, t->h, t->w, t->c, 0, t->len, spk__plan_dtype(p, t)};
    while (t->parent && !t->reshaped) /* a reshaped tensor is dense in its own extents */
        t = t->parent;
    v.ld = t->c;
    return v;
}

static spk_status choose_kernels(spk_plan *p, const bool *needs)
{
    for (int i = 0; i < p->n_steps; i++) {
        spk_step *s = &p->steps[i];
        spk_geom g = {.op = s->node->op,
                      .dtype = p->options.real == SPK_F64 ? SPK_F64 : SPK_F32,
                      .attr = &s->node->attr,
                      .train = s->backward,
                      .spoils_dout = s->node->out[0] != p->options.loss, /* that one is the caller's */
                      .n_threads = p->options.n_threads,
                      .device = p->arena->device};
        for (int k = 0; k < s->node->n_in; k++) {
            g.has_in[k] = s->node->in[k] != NULL;
            if (g.has_in[k]) g.in[k] = spk__plan_view(p, s->node->in[k]);
            if (g.in[k].dtype == SPK_BF16) g.dtype = SPK_BF16;
            g.reads_in[k] = (spk__plan_reads_in(s->node) >> k & 1) || (g.has_in[k] && s->node->in[k]->param);
            g.want_din[k] = s->backward && spk__plan_wants_grad(s->node->in[k], needs);
            g.writes_din[k] = g.want_din[k] && !s->args.add[k];
        }
        for (int k = 0; k < s->node->n_out; k++) {
            g.reads_out[k] = spk__plan_reads_out(s->node);
            g.out[k] = spk__plan_view(p, s->node->out[k]);
            if (g.out[k].dtype == SPK_BF16) g.dtype = SPK_BF16;
        }
        s->kernel = spk_kernel_find(&g);
        if (s->kernel->create) SPK_TRY(s->kernel->create(&g, &s->state));
        const size_t save = s->kernel->save_bytes ? s->kernel->save_bytes(&g) : 0;
        const size_t scratch = s->kernel->scratch_bytes ? s->kernel->scratch_bytes(&g, s->state) : 0;
        const int last = s->backward ? 2 * p->n_steps - 1 - i : i;
        s->save = s->scratch = -1;
        if (save) {
            s->save = p->n_buffers;
            SPK_PUSH(p->buffers, p->n_buffers) = ((spk_buffer){save, i, last, 0});
        }
        if (scratch) { /* content is lost in between, but the place is the same: it lives through both moments only
                        * if placed twice; one region for forward and one for backward costs nothing */
            s->scratch = p->n_buffers;
            SPK_PUSH(p->buffers, p->n_buffers) = ((spk_buffer){scratch, i, i, 0});
            SPK_PUSH(p->buffers, p->n_buffers) = ((spk_buffer){scratch, last, last, 0});
        }
        s->args.attr = &s->node->attr;
        s->args.state = s->state;
        for (int k = 0; k < s->node->n_in; k++) {
            s->args.in[k] = g.in[k];
            s->args.din[k] = g.in[k];
        }
        for (int k = 0; k < s->node->n_out; k++)
            s->args.out[k] = s->args.dout[k] = g.out[k];
    }
    return SPK_OK;
}

/* ---- pointers ---- */

void *spk__plan_at(const spk_plan *p, const int *buffer_of, spk_tensor *t)
{
    int64_t c0;
    const spk_tensor *root = spk_tensor_root(t, &c0);
    const int b = buffer_of[root->id];
    return b < 0 ? NULL : (char *)p->arena->p + p->buffers[b].offset + (size_t)c0 * spk_dtype_size(p->type[root->id]);
}

static void *param_at(const spk_plan *p, const spk_tensor *t, void *base)
{
    return base ? (char *)base + (size_t)t->param_offset * spk_dtype_size(spk__plan_dtype(p, t)) : NULL;
}

/* Constants are kept in float; a plan in double holds its own copies. */
static void *constant_at(spk_plan *p, const spk_tensor *t)
{
    if (p->options.real != SPK_F64) return t->constant;
    if (!p->wide[t->id]) {
        const int64_t n = t->n * t->h * t->w * t->c;
        p->wide[t->id] = spk_new((size_t)n * sizeof(double));
        for (int64_t i = 0; i < n; i++)
            p->wide[t->id][i] = t->constant[i];
    }
    return p->wide[t->id];
}

void spk__plan_set_pointers(spk_plan *p)
{
    for (int i = 0; i < p->n_steps; i++) {
        spk_step *s = &p->steps[i];
        for (int k = 0; k < s->node->n_in; k++) {
            spk_tensor *t = s->node->in[k];
            if (!t) continue;
            const spk_tensor *root = spk_tensor_root(t, NULL);
            if (root->is_input) { /* a reshaped input is the caller's memory too */
                s->args.in[k].p = p->there ? spk__plan_there_tensor(p, root) : (void *)(uintptr_t)p->bound[root->id];
            } else if (t->constant) {
                s->args.in[k].p = p->there ? spk__plan_there_tensor(p, t) : constant_at(p, t);
            } else if (t->param) {
                const spk_param *q = t->param;
                s->args.in[k].p = param_at(p, t, p->there ? q->data_there : q->data);
                s->args.din[k].p = s->backward ? param_at(p, t, p->there ? q->grad_there : q->grad) : NULL;
            } else {
                s->args.in[k].p = spk__plan_at(p, p->value_of, t);
                s->args.din[k].p = s->backward ? spk__plan_at(p, p->grad_of, t) : NULL;
            }
        }
        for (int k = 0; k < s->node->n_out; k++) {
            spk_tensor *t = s->node->out[k];
            s->args.out[k].p = spk__plan_at(p, p->value_of, t);
            s->args.dout[k].p = !s->backward           ? NULL
                                : t == p->options.loss ? p->there ? spk__plan_there_seed(p) : (void *)p->seed
                                                       : spk__plan_at(p, p->grad_of, t);
        }
        s->args.save = s->save < 0 ? NULL : (char *)p->arena->p + p->buffers[s->save].offset;
        spk__plan_set_back(p, s);
    }
    p->generation = p->arena->generation;
}

/* ---- making and freeing ---- */

static spk_status build(spk_plan *p)
{
    spk_status status;
    bool *needs = spk_new((size_t)spk_graph_n_tensors(p->g) * sizeof *needs);
    for (int i = 0; i < p->n_steps; i++)
        p->steps[i].node = spk_graph_node(p->g, i);
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++)
        p->value_of[i] = p->grad_of[i] = p->again_of[i] = -1;
    if (!p->options.train && p->options.real != SPK_F64) spk__plan_fold_norms(p);
    spk__plan_choose_types(p);
    find_needs(p, needs);
    if (p->options.train) spk__plan_fuse_masks(p);
    if (p->options.train) spk__plan_order_gradients(p, needs);
    SPK_GO(choose_kernels(p, needs));
    spk__plan_lay_out(p, needs);
    p->bytes = spk_memory_place(p->buffers, p->n_buffers, p->options.no_reuse);
    for (int i = 0; i < p->n_buffers; i++)
        p->bytes_sum += p->buffers[i].bytes;
    spk_debug("plan", "%d steps, %.3f GB of activations, %d results made again", p->n_steps, (double)p->bytes / 1e9,
              p->n_again);
    SPK_GO(arena_reserve(p->arena, p->bytes));
    if (p->arena->device) SPK_GO(spk__plan_there_new(p));
    spk__plan_set_pointers(p);
done:
    spk_free(needs);
    return status;
}

spk_status spk_plan_new(spk_graph *g, spk_arena *arena, const spk_plan_options *options, spk_plan **out)
{
    const int n = spk_graph_n_tensors(g);
    SPK_ASSERT(!options->train || options->loss);
    spk_plan *p = spk_new(sizeof *p);
    p->g = g;
    p->arena = arena;
    p->options = *options;
    p->n_steps = spk_graph_n_nodes(g);
    p->steps = spk_new((size_t)p->n_steps * sizeof *p->steps);
    p->type = spk_new((size_t)n * sizeof *p->type);
    p->value_of = spk_new((size_t)n * sizeof *p->value_of);
    p->grad_of = spk_new((size_t)n * sizeof *p->grad_of);
    p->again_of = spk_new((size_t)n * sizeof *p->again_of);
    p->bound = spk_new((size_t)n * sizeof *p->bound);
    p->wide = spk_new((size_t)n * sizeof *p->wide);
    const spk_status status = build(p);
    if (status != SPK_OK)
        spk_plan_free(p);
    else
        *out = p;
    return status;
}

void spk_plan_free(spk_plan *p)
{
    if (!p) return;
    spk__plan_there_free(p);
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].kernel && p->steps[i].kernel->destroy) p->steps[i].kernel->destroy(p->steps[i].state);
    for (int i = 0; i < p->n_steps; i++)
        spk_free(p->steps[i].own);
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++)
        spk_free(p->wide[i]);
    spk_free(p->wide);
    spk_graph_free(p->g);
    spk_free(p->steps);
    spk_free(p->buffers);
    spk_free(p->type);
    spk_free(p->value_of);
    spk_free(p->grad_of);
    spk_free(p->again_of);
    spk_free(p->again);
    spk_free(p->bound);
    spk_free(p->ready_from);
    spk_free(p);
}
