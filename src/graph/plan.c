/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a graph to a plan, and running it.
 *
 * Moments: node i runs forward at i and backward at 2n-1-i. A buffer lives from its first writer to its last reader,
 * so placement (memory.c) can overlap all that is never needed at once.
 *
 * Gradients: going backward, the first consumer of a channel range writes the gradient there, later ones add. A range
 * is therefore never cleared beforehand.
 */
#include "graph/plan_impl.h"

#include <string.h>

#include "graph/memory_impl.h"

struct spk_arena {
    void *p;
    size_t bytes;
    int64_t generation; /* counts moves */
};

typedef struct step {
    spk_node *node;
    spk_node *own; /* a copy that `node` is then: a convolution with the normalisation behind it; the graph stays */
    const spk_kernel *kernel;
    void *state;
    spk_kargs args;
    int save, scratch; /* buffers, -1: none */
    bool backward;     /* has something to do backward */
    double seconds_fwd, seconds_bwd;
} step;

struct spk_plan {
    spk_graph *g;
    spk_arena *arena;
    spk_plan_options options;
    int n_steps, n_buffers;
    step *steps;
    spk_buffer *buffers;
    int *value_of, *grad_of; /* buffer of a root tensor's values and gradient by tensor id, -1: none */
    const void **bound;      /* input pointers by tensor id */
    double **wide;           /* constants in double by tensor id */
    spk_draws draws;
    size_t bytes, bytes_sum;
    int64_t generation; /* of the arena when pointers were last set */
    double seed[2];     /* gradient of the loss tensor: room for either type */
    bool profile;
    int64_t runs;
};

spk_arena *spk_arena_new(void)
{
    return spk_new(sizeof(spk_arena));
}

void spk_arena_free(spk_arena *a)
{
    if (a) spk_free(a->p);
    spk_free(a);
}

size_t spk_arena_bytes(const spk_arena *a)
{
    return a->bytes;
}

/* The old block goes only when the new one is there (which holds no pages yet): other plans run on after a failure. */
static spk_status arena_reserve(spk_arena *a, size_t bytes)
{
    if (bytes <= a->bytes) return SPK_OK;
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

static bool wants_grad(const spk_tensor *t, const bool *needs)
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
            any = any || wants_grad(node->in[k], needs);
        if (!any || node->op == SPK_OP_MELSPEC) continue;
        p->steps[i].backward = p->options.train;
        for (int k = 0; k < node->n_out; k++)
            needs[spk_tensor_root(node->out[k], NULL)->id] = true;
    }
}

/* ---- fusion ---- */

static int n_consumers(const spk_plan *p, const spk_tensor *t)
{
    int n = 0;
    for (int i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].node->n_in; k++)
            n += p->steps[i].node->in[k] == t;
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++)
        n += spk_graph_tensor(p->g, i)->parent == t;
    return n;
}

/* Convolution, ReLU, BatchNorm: the normalisation's backward pass reads the ReLU's result anyway, so it zeroes the
 * gradient where that was not positive, and the convolution needs no pass of its own for it. */
static void fuse_relu_masks(const spk_plan *p)
{
    for (int i = 0; i < p->n_steps; i++) {
        spk_node *bn = p->steps[i].node;
        if (bn->op != SPK_OP_BATCH_NORM || !bn->attr.batch_norm.train) continue;
        spk_tensor *x = bn->in[0];
        spk_node *from = x->producer;
        if (!from || x->parent || n_consumers(p, x) != 1) continue;
        if (from->op == SPK_OP_CONV1D && from->attr.conv1d.relu)
            bn->attr.batch_norm.mask_dx = from->attr.conv1d.dy_masked = true;
        if (from->op == SPK_OP_CONV2D && from->attr.conv2d.relu)
            bn->attr.batch_norm.mask_dx = from->attr.conv2d.dy_masked = true;
    }
}

/* Can this normalisation by running statistics be part of the convolution that its input comes from? */
static bool folds(const spk_plan *p, const spk_node *bn)
{
    if (bn->op != SPK_OP_BATCH_NORM || bn->attr.batch_norm.train) return false;
    const spk_tensor *x = bn->in[0];
    const spk_node *from = x->producer;
    if (!from || x->parent || x->keep || bn->out[0]->parent || n_consumers(p, x) != 1) return false;
    if (from->op == SPK_OP_CONV1D)
        return !from->attr.conv1d.relu && from->attr.conv1d.w_ld == from->in[0]->c * from->attr.conv1d.k;
    return from->op == SPK_OP_CONV2D && !from->attr.conv2d.relu;
}

/* The convolution's step does the work of both. */
static void fold(step *conv, const spk_node *bn)
{
    const spk_batch_norm_attr *attr = &bn->attr.batch_norm;
    spk_node *node = conv->own = spk_new(sizeof *node);
    *node = *conv->node;
    for (int k = 3; k < 7; k++) /* gamma, beta, mean, variance */
        node->in[k] = bn->in[k - 2];
    node->n_in = 7;
    node->out[0] = bn->out[0];
    if (node->op == SPK_OP_CONV1D) {
        node->attr.conv1d.relu = attr->relu;
        node->attr.conv1d.bn_eps = attr->eps;
    } else {
        node->attr.conv2d.relu = attr->relu;
        node->attr.conv2d.bn_eps = attr->eps;
    }
    conv->node = node;
}

/* Where no gradients follow: convolution, BatchNorm with or without ReLU are one step. */
static void fold_norms(spk_plan *p)
{
    int n = 0;
    bool *gone = spk_new((size_t)p->n_steps * sizeof *gone);
    for (int i = 0; i < p->n_steps; i++) {
        const spk_node *bn = p->steps[i].node;
        if (!folds(p, bn)) continue;
        for (int k = 0; k < i; k++)
            if (p->steps[k].node == bn->in[0]->producer) {
                fold(&p->steps[k], bn);
                gone[i] = true;
            }
    }
    for (int i = 0; i < p->n_steps; i++)
        if (!gone[i]) p->steps[n++] = p->steps[i];
    p->n_steps = n;
    spk_free(gone);
}

/* ---- kernels ---- */

static spk_view view_of(const spk_tensor *t)
{
    spk_view v = {NULL, t->n, t->h, t->w, t->c, 0, t->len};
    while (t->parent && !t->reshaped) /* a reshaped tensor is dense in its own extents */
        t = t->parent;
    v.ld = t->c;
    return v;
}

static spk_status choose_kernels(spk_plan *p, const bool *needs)
{
    for (int i = 0; i < p->n_steps; i++) {
        step *s = &p->steps[i];
        spk_geom g = {.op = s->node->op,
                      .dtype = p->options.real,
                      .attr = &s->node->attr,
                      .train = s->backward,
                      .n_threads = p->options.n_threads};
        for (int k = 0; k < s->node->n_in; k++) {
            g.has_in[k] = s->node->in[k] != NULL;
            if (g.has_in[k]) g.in[k] = view_of(s->node->in[k]);
            g.want_din[k] = s->backward && wants_grad(s->node->in[k], needs);
        }
        for (int k = 0; k < s->node->n_out; k++)
            g.out[k] = view_of(s->node->out[k]);
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
        s->args = (spk_kargs){.ctx = NULL, .attr = &s->node->attr, .state = s->state};
        for (int k = 0; k < s->node->n_in; k++) {
            s->args.in[k] = g.in[k];
            s->args.din[k] = g.in[k];
        }
        for (int k = 0; k < s->node->n_out; k++)
            s->args.out[k] = s->args.dout[k] = g.out[k];
    }
    return SPK_OK;
}

/* ---- lifetimes ---- */

/* What a backward kernel reads of the forward pass: bits of inputs, and whether it reads the output. */
static unsigned bwd_inputs(const spk_node *node)
{
    switch (node->op) {
    case SPK_OP_CONV1D:
    case SPK_OP_CONV2D:
    case SPK_OP_BATCH_NORM:
    case SPK_OP_TIME_STATS:
    case SPK_OP_DEPTHWISE:
    case SPK_OP_SIMAM:
    case SPK_OP_LAYER_NORM:
    case SPK_OP_GLU:
    case SPK_OP_MVN:
    case SPK_OP_LAYER_SUM:
    case SPK_OP_MARGIN_SOFTMAX:
    case SPK_OP_SPHEREFACE2:
    case SPK_OP_PROTO_LOSS:
        return 1;
    case SPK_OP_SCALE_ADD:
    case SPK_OP_ATTN_STATS:
    case SPK_OP_SEGMENT_SCALE:
        return 3;
    case SPK_OP_AFMS:
        return 5;
    case SPK_OP_ATTENTION:
    case SPK_OP_SK_MIX:
        return 15;
    case SPK_OP_ACT:
        return node->attr.act.act == SPK_SWISH;
    default:
        return 0;
    }
}

static bool bwd_output(const spk_node *node)
{
    switch (node->op) {
    case SPK_OP_CONV1D:
        return node->attr.conv1d.relu && !node->attr.conv1d.dy_masked;
    case SPK_OP_CONV2D:
        return node->attr.conv2d.relu && !node->attr.conv2d.dy_masked;
    case SPK_OP_BATCH_NORM:
        return node->attr.batch_norm.relu;
    case SPK_OP_ADD:
        return node->attr.add.relu;
    case SPK_OP_ROW_BIAS:
        return node->attr.row_bias.act != SPK_LINEAR;
    case SPK_OP_ACT:
        return node->attr.act.act != SPK_SWISH;
    case SPK_OP_TIME_STATS:
    case SPK_OP_ATTN_STATS:
    case SPK_OP_ATTENTION:
    case SPK_OP_MVN:
        return true;
    default:
        return false;
    }
}

static void touch(spk_plan *p, int *buffer_of, spk_tensor *t, int moment)
{
    if (!t || t->param || t->constant) return;
    spk_tensor *root = spk_tensor_root(t, NULL);
    if (root->is_input) return;
    int *b = &buffer_of[root->id];
    if (*b < 0) {
        *b = p->n_buffers;
        const size_t bytes = (size_t)(root->n * root->h * root->w * root->c) * spk_dtype_size(p->options.real);
        SPK_PUSH(p->buffers, p->n_buffers) = ((spk_buffer){bytes, moment, moment, 0});
    }
    spk_buffer *buffer = &p->buffers[*b];
    if (moment < buffer->start) buffer->start = moment;
    if (moment > buffer->end) buffer->end = moment;
}

static void find_lifetimes(spk_plan *p, const bool *needs)
{
    const int last = 2 * p->n_steps;
    for (int i = 0; i < p->n_steps; i++) {
        const step *s = &p->steps[i];
        const spk_node *node = s->node;
        const int back = last - 1 - i;
        for (int k = 0; k < node->n_in; k++) {
            touch(p, p->value_of, node->in[k], i);
            if (s->backward && (bwd_inputs(node) >> k & 1)) touch(p, p->value_of, node->in[k], back);
            if (s->backward && node->in[k] && !node->in[k]->param && wants_grad(node->in[k], needs))
                touch(p, p->grad_of, node->in[k], back);
        }
        for (int k = 0; k < node->n_out; k++) {
            touch(p, p->value_of, node->out[k], i);
            if (s->backward && bwd_output(node)) touch(p, p->value_of, node->out[k], back);
            if (s->backward && node->out[k] != p->options.loss) touch(p, p->grad_of, node->out[k], back);
        }
    }
    for (int i = 0; i < spk_graph_n_tensors(p->g); i++) {
        spk_tensor *t = spk_graph_tensor(p->g, i);
        if (t->keep || t == p->options.loss) touch(p, p->value_of, t, last);
    }
}

/* ---- who writes a gradient first ---- */

typedef struct range {
    int root;
    int64_t from, to;
} range;

/* Its channels of the buffer that it lies in; all of them behind a reshape, which takes whole buffers. */
static range range_of(spk_tensor *t)
{
    int64_t c0, c = t->c;
    const spk_tensor *root = spk_tensor_root(t, &c0);
    for (const spk_tensor *v = t; v->parent; v = v->parent)
        if (v->reshaped) c = v->parent->c;
    return (range){root->id, c0, c0 + c};
}

/* Is [from, to) of the root covered by what was written, or untouched by it? Anything between is a bug. */
static bool covered(const range *ranges, int n, int root, int64_t from, int64_t to)
{
    int64_t shared = 0;
    for (int i = 0; i < n; i++) {
        if (ranges[i].root != root) continue;
        const int64_t a = ranges[i].from > from ? ranges[i].from : from, b = ranges[i].to < to ? ranges[i].to : to;
        if (b > a) shared += b - a;
    }
    SPK_ASSERT((shared == 0 || shared == to - from) && "gradient ranges of a buffer overlap in part");
    return shared != 0;
}

static void order_gradients(spk_plan *p, const bool *needs)
{
    range *ranges = NULL;
    int n = 0;
    for (int i = p->n_steps - 1; i >= 0; i--) {
        step *s = &p->steps[i];
        if (!s->backward) continue;
        for (int k = 0; k < s->node->n_out; k++) {
            const range r = range_of(s->node->out[k]);
            SPK_ASSERT(s->node->out[k] == p->options.loss || covered(ranges, n, r.root, r.from, r.to));
        }
        for (int k = 0; k < s->node->n_in; k++) {
            spk_tensor *t = s->node->in[k];
            s->args.add[k] = true;
            if (!t || t->param || !wants_grad(t, needs)) continue;
            const range r = range_of(t);
            s->args.add[k] = covered(ranges, n, r.root, r.from, r.to);
            if (!s->args.add[k]) SPK_PUSH(ranges, n) = r;
        }
    }
    spk_free(ranges);
}

/* ---- pointers ---- */

static void *at(const spk_plan *p, const int *buffer_of, spk_tensor *t)
{
    int64_t c0;
    const spk_tensor *root = spk_tensor_root(t, &c0);
    const int b = buffer_of[root->id];
    return b < 0 ? NULL : (char *)p->arena->p + p->buffers[b].offset + (size_t)c0 * spk_dtype_size(p->options.real);
}

static void *param_at(const spk_plan *p, const spk_tensor *t, void *base)
{
    return base ? (char *)base + (size_t)t->param_offset * spk_dtype_size(p->options.real) : NULL;
}

/* Constants are kept in float; a plan in double holds its own copies. */
static void *constant_at(spk_plan *p, const spk_tensor *t)
{
    if (p->options.real == SPK_F32) return t->constant;
    if (!p->wide[t->id]) {
        const int64_t n = t->n * t->h * t->w * t->c;
        p->wide[t->id] = spk_new((size_t)n * sizeof(double));
        for (int64_t i = 0; i < n; i++)
            p->wide[t->id][i] = t->constant[i];
    }
    return p->wide[t->id];
}

static void set_pointers(spk_plan *p)
{
    for (int i = 0; i < p->n_steps; i++) {
        step *s = &p->steps[i];
        for (int k = 0; k < s->node->n_in; k++) {
            spk_tensor *t = s->node->in[k];
            if (!t) continue;
            const spk_tensor *root = spk_tensor_root(t, NULL);
            if (root->is_input) { /* a reshaped input is the caller's memory too */
                s->args.in[k].p = (void *)(uintptr_t)p->bound[root->id];
            } else if (t->constant) {
                s->args.in[k].p = constant_at(p, t);
            } else if (t->param) {
                s->args.in[k].p = param_at(p, t, t->param->data);
                s->args.din[k].p = s->backward ? param_at(p, t, t->param->grad) : NULL;
            } else {
                s->args.in[k].p = at(p, p->value_of, t);
                s->args.din[k].p = s->backward ? at(p, p->grad_of, t) : NULL;
            }
        }
        for (int k = 0; k < s->node->n_out; k++) {
            spk_tensor *t = s->node->out[k];
            s->args.out[k].p = at(p, p->value_of, t);
            s->args.dout[k].p = !s->backward ? NULL : t == p->options.loss ? (void *)p->seed : at(p, p->grad_of, t);
        }
        s->args.save = s->save < 0 ? NULL : (char *)p->arena->p + p->buffers[s->save].offset;
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
        p->value_of[i] = p->grad_of[i] = -1;
    if (!p->options.train && p->options.real == SPK_F32) fold_norms(p);
    find_needs(p, needs);
    if (p->options.train) fuse_relu_masks(p);
    SPK_GO(choose_kernels(p, needs));
    find_lifetimes(p, needs);
    if (p->options.train) order_gradients(p, needs);
    p->bytes = spk_memory_place(p->buffers, p->n_buffers, p->options.no_reuse);
    for (int i = 0; i < p->n_buffers; i++)
        p->bytes_sum += p->buffers[i].bytes;
    SPK_GO(arena_reserve(p->arena, p->bytes));
    set_pointers(p);
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
    p->value_of = spk_new((size_t)n * sizeof *p->value_of);
    p->grad_of = spk_new((size_t)n * sizeof *p->grad_of);
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
    spk_free(p->value_of);
    spk_free(p->grad_of);
    spk_free(p->bound);
    spk_free(p);
}

/* ---- running ---- */

void spk_plan_bind(spk_plan *p, const spk_tensor *input, const void *data)
{
    SPK_ASSERT(input->is_input);
    p->bound[input->id] = data;
    p->generation = -1;
}

void spk_plan_draws(spk_plan *p, const spk_draws *draws)
{
    p->draws = *draws;
}

static void *scratch_at(const spk_plan *p, const step *s, int which)
{
    return s->scratch < 0 ? NULL : (char *)p->arena->p + p->buffers[s->scratch + which].offset;
}

void spk_plan_forward(spk_plan *p, bool weights_changed)
{
    const spk_ctx ctx = {p->options.n_threads, p->draws};
    spk_graph_update_lengths(p->g);
    if (p->generation != p->arena->generation) set_pointers(p);
    for (int i = 0; i < p->n_steps; i++) {
        step *s = &p->steps[i];
        const double start = p->profile ? spk_now() : 0;
        s->args.ctx = &ctx;
        s->args.scratch = scratch_at(p, s, 0);
        s->args.weights_changed = weights_changed;
        s->kernel->fwd(&s->args);
        if (p->profile) s->seconds_fwd += spk_now() - start;
    }
    p->runs++;
}

static void run_backward(spk_plan *p)
{
    const spk_ctx ctx = {p->options.n_threads, p->draws};
    SPK_ASSERT(p->options.train && p->generation == p->arena->generation);
    for (int i = p->n_steps - 1; i >= 0; i--) {
        step *s = &p->steps[i];
        if (!s->backward) continue;
        const double start = p->profile ? spk_now() : 0;
        s->args.ctx = &ctx;
        s->args.scratch = scratch_at(p, s, 1);
        s->kernel->bwd(&s->args);
        if (p->profile) s->seconds_bwd += spk_now() - start;
    }
}

void spk_plan_backward(spk_plan *p, double scale)
{
    if (p->options.real == SPK_F64)
        p->seed[0] = scale;
    else
        memcpy(p->seed, &(float){(float)scale}, sizeof(float));
    run_backward(p);
}

static void seed_from(spk_plan *p, const void *gradient)
{
    for (int i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].node->n_out; k++)
            if (p->steps[i].node->out[k] == p->options.loss)
                p->steps[i].args.dout[k].p = (void *)(uintptr_t)gradient; /* kernels only read it */
}

void spk_plan_backward_from(spk_plan *p, const void *gradient)
{
    seed_from(p, gradient);
    run_backward(p);
    seed_from(p, p->seed);
}

spk_view spk_plan_value(const spk_plan *p, spk_tensor *t)
{
    spk_view v = view_of(t);
    const spk_tensor *root = spk_tensor_root(t, NULL);
    v.p = root->is_input ? (void *)(uintptr_t)p->bound[root->id] : at(p, p->value_of, t); /* an input as it was bound */
    return v;
}

size_t spk_plan_bytes(const spk_plan *p)
{
    return p->bytes;
}

/* ---- profile ---- */

void spk_plan_profile(spk_plan *p, bool on)
{
    p->profile = on;
    p->runs = 0;
    for (int i = 0; i < p->n_steps; i++)
        p->steps[i].seconds_fwd = p->steps[i].seconds_bwd = 0;
}

void spk_plan_profile_print(spk_plan *p, spk_text *out)
{
    const double runs = p->runs ? (double)p->runs : 1;
    double total = 0;
    for (int i = 0; i < p->n_steps; i++) {
        const step *s = &p->steps[i];
        const spk_tensor *y = s->node->out[0], *x = s->node->in[0];
        total += s->seconds_fwd + s->seconds_bwd;
        spk_text_addf(out, "%3d %-11s %-10s %4lldx%4lldx%4lld <- %4lld  fwd %8.3f ms  bwd %8.3f ms\n", i,
                      spk_op_name(s->node->op), s->kernel->name, (long long)y->n, (long long)y->w, (long long)y->c,
                      (long long)x->c, 1e3 * s->seconds_fwd / runs, 1e3 * s->seconds_bwd / runs);
    }
    spk_text_addf(out, "total %.3f ms a run, %.2f GB of activations (%.2f without reuse)\n", 1e3 * total / runs,
                  (double)p->bytes / 1e9, (double)p->bytes_sum / 1e9);
}
