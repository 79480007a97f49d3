/* SPDX-License-Identifier: Apache-2.0 */
/* A classification head with some of the classes (head_impl.h). */
#include "model/head_impl.h"

#include <math.h>
#include <string.h>

struct spk_head {
    spk_graph *graph;
    spk_node *node;
    spk_dtype real;
    int n_threads;
    int64_t size, first_class, k_top; /* of an embedding */
    const spk_class_team *team;
    int64_t *counts; /* team->size: rows of each process */
    /* For batches of n rows: */
    int64_t n;
    const spk_kernel *kernel;
    void *state;
    spk_kargs args;
    char *packed;         /* rows of all as they travel: label, embedding */
    int64_t *labels;      /* N */
    void *embedding, *de; /* (N,E) of all */
    spk_class_share share;
};

void spk_head_share(int64_t n_classes, int process, int processes, int64_t *first, int64_t *n)
{
    const int64_t each = n_classes / processes, more = n_classes % processes;
    *first = each * process + (process < more ? process : more);
    *n = each + (process < more);
}

spk_head *spk_head_new(spk_graph *graph, spk_dtype real, int n_threads, int64_t first_class)
{
    spk_head *h = spk_new(sizeof *h);
    SPK_ASSERT(spk_graph_n_nodes(graph) == 1 && "a loss of one op over class weights");
    h->graph = graph;
    h->node = spk_graph_node(graph, 0);
    h->real = real;
    h->n_threads = n_threads;
    h->size = h->node->in[0]->c;
    h->first_class = first_class;
    h->k_top = h->node->op == SPK_OP_MARGIN_SOFTMAX ? h->node->attr.margin.k_top : 0;
    return h;
}

/* All that has room for so many rows. */
static void drop_rows(spk_head *h)
{
    if (h->kernel && h->kernel->destroy) h->kernel->destroy(h->state);
    spk_free(h->args.save);
    spk_free(h->args.scratch);
    spk_free(h->packed);
    spk_free(h->labels);
    spk_free(h->embedding);
    spk_free(h->de);
    spk_free(h->share.row);
    spk_free(h->share.values);
    spk_free(h->share.near);
    spk_free(h->share.all_near);
    spk_free(h->share.n_kept);
    h->packed = NULL;
    h->labels = NULL;
    h->embedding = h->de = h->state = NULL;
    h->kernel = NULL;
    h->share = (spk_class_share){.team = h->team, .counts = h->share.counts};
    memset(&h->args, 0, sizeof h->args);
    h->n = 0;
}

void spk_head_free(spk_head *h)
{
    if (!h) return;
    drop_rows(h);
    spk_free(h->counts);
    spk_free(h->share.counts);
    spk_graph_free(h->graph);
    spk_free(h);
}

const spk_param *spk_head_weight(const spk_head *h)
{
    return h->node->in[1]->param;
}

void spk_head_join(spk_head *h, const spk_class_team *team)
{
    drop_rows(h);
    spk_free(h->counts);
    spk_free(h->share.counts);
    h->team = h->share.team = team;
    h->counts = spk_new((size_t)team->size * sizeof *h->counts);
    h->share.counts = spk_new((size_t)team->size * sizeof *h->share.counts);
}

/* ---- room for a batch ---- */

static spk_view view_of(const spk_head *h, const spk_tensor *t, int64_t n)
{
    return (spk_view){
        .n = n, .h = 1, .w = t->w, .c = t->c, .ld = t->c, .dtype = t->dtype == SPK_I64 ? SPK_I64 : h->real};
}

/* The kernel for n rows, with its views. */
static spk_status choose_kernel(spk_head *h, int64_t n)
{
    spk_geom g = {
        .op = h->node->op, .dtype = h->real, .attr = &h->node->attr, .train = true, .n_threads = h->n_threads};
    for (int k = 0; k < h->node->n_in; k++) {
        const spk_tensor *t = h->node->in[k];
        g.in[k] = view_of(h, t, t->param ? t->n : n);
        g.has_in[k] = g.reads_in[k] = true;
        g.want_din[k] = k == 0 || (t->param && t->param->grad);
        g.writes_din[k] = k == 0;
    }
    g.out[0] = view_of(h, h->node->out[0], 1);
    h->kernel = spk_kernel_find(&g);
    if (h->kernel->create) SPK_TRY(h->kernel->create(&g, &h->state));
    const size_t save = h->kernel->save_bytes ? h->kernel->save_bytes(&g) : 0;
    const size_t scratch = h->kernel->scratch_bytes ? h->kernel->scratch_bytes(&g, h->state) : 0;
    h->args = (spk_kargs){.attr = &h->node->attr,
                          .classes = &h->share,
                          .save = spk_alloc(save + 1),
                          .scratch = spk_alloc(scratch + 1),
                          .state = h->state,
                          .weights_changed = true};
    for (int k = 0; k < h->node->n_in; k++)
        h->args.in[k] = h->args.din[k] = g.in[k];
    h->args.out[0] = h->args.dout[0] = g.out[0];
    if (h->args.save && h->args.scratch) return SPK_OK;
    return spk_fail(SPK_E_NOMEM, "no memory for the loss over a batch of %lld utterances", (long long)n);
}

/* Which memory the views are of; gradients of parameters are added to. */
static void set_pointers(spk_head *h)
{
    h->args.in[0].p = h->embedding;
    h->args.din[0].p = h->de;
    for (int k = 1; k < h->node->n_in; k++) {
        const spk_tensor *t = h->node->in[k];
        h->args.in[k].p = t->param ? t->param->data : h->labels;
        h->args.din[k].p = t->param ? t->param->grad : NULL;
        h->args.add[k] = true;
    }
}

static spk_status make_room(spk_head *h, int64_t n)
{
    const size_t m = (size_t)n, row = (size_t)h->size * spk_dtype_size(h->real), k = m * (size_t)h->k_top;
    if (n == h->n) return SPK_OK;
    drop_rows(h);
    SPK_TRY(choose_kernel(h, n));
    h->packed = spk_new(m * (sizeof *h->labels + row));
    h->labels = spk_new(m * sizeof *h->labels);
    h->embedding = spk_new(m * row);
    h->de = spk_new(m * row);
    h->share.row = spk_new(m * sizeof *h->share.row);
    h->share.values = spk_new(3 * m * sizeof *h->share.values);
    h->share.near = spk_new((k + 1) * sizeof *h->share.near);
    h->share.all_near = spk_new(((size_t)h->team->size * k + 1) * sizeof *h->share.all_near);
    h->share.n_kept = spk_new(m * sizeof *h->share.n_kept);
    set_pointers(h);
    h->n = n;
    return SPK_OK;
}

/* ---- a batch ---- */

/* Everybody's number of rows; gives their sum. */
static spk_status count_rows(spk_head *h, int64_t n, int64_t *all)
{
    const spk_class_team *t = h->team;
    for (int i = 0; i < t->size; i++)
        h->share.counts[i] = 1;
    SPK_TRY(t->gather(t->self, &n, h->share.counts, sizeof n, h->counts));
    *all = 0;
    for (int i = 0; i < t->size; i++)
        *all += h->counts[i];
    return SPK_OK;
}

/* Embeddings and labels of all, these counted from the first class here. */
static spk_status gather_rows(spk_head *h, const void *embedding, const int64_t *labels, int64_t n)
{
    const size_t row = (size_t)h->size * spk_dtype_size(h->real), packed = sizeof *labels + row;
    char *own = spk_new((size_t)n * packed + 1);
    for (int64_t i = 0; i < n; i++) {
        memcpy(own + (size_t)i * packed, labels + i, sizeof *labels);
        memcpy(own + (size_t)i * packed + sizeof *labels, (const char *)embedding + (size_t)i * row, row);
    }
    const spk_status status = h->team->gather(h->team->self, own, h->counts, packed, h->packed);
    spk_free(own);
    SPK_TRY(status);
    for (int64_t i = 0; i < h->n; i++) {
        memcpy(h->labels + i, h->packed + (size_t)i * packed, sizeof *labels);
        memcpy((char *)h->embedding + (size_t)i * row, h->packed + (size_t)i * packed + sizeof *labels, row);
        h->labels[i] -= h->first_class;
    }
    return SPK_OK;
}

/* The share's means of what the kernel found of each row. */
static void put_stats(const spk_head *h, int64_t from, int64_t n, spk_train_stats *stats)
{
    double loss = 0, right = 0;
    for (int64_t i = from; i < from + n; i++) {
        const spk_class_row *r = &h->share.row[i];
        loss += h->node->op == SPK_OP_MARGIN_SOFTMAX ? r->max + log(r->sum) - r->own : r->sum;
        right += r->right;
    }
    stats->loss = n ? (double)(float)(loss / (double)n) : 0; /* floats, as a plan's */
    stats->accuracy = n ? (double)(float)(right / (double)n) : 0;
}

/* Where this process's rows begin among those of all. */
static int64_t first_row(const spk_head *h)
{
    int64_t from = 0;
    for (int i = 0; i < h->team->rank; i++)
        from += h->counts[i];
    return from;
}

spk_status spk_head_step(spk_head *h, const void *embedding, const int64_t *labels, int64_t n, double scale,
                         spk_train_stats *stats, const void **gradient)
{
    const spk_ctx ctx = {.n_threads = h->n_threads};
    const spk_class_team *t = h->team;
    const bool wide = h->real == SPK_F64;
    double out[2], factor[2] = {scale, 0}; /* room for either type */
    int64_t all = 0;
    SPK_ASSERT(t && "a divided head needs its team");
    SPK_TRY(count_rows(h, n, &all));
    if (all == 0) return spk_fail(SPK_E_VALUE, "no process has an utterance of this batch");
    SPK_TRY(make_room(h, all));
    SPK_TRY(gather_rows(h, embedding, labels, n));
    if (!wide) memcpy(factor, &(float){(float)scale}, sizeof(float));
    h->args.ctx = &ctx;
    h->args.out[0].p = out;
    h->args.dout[0].p = factor;
    h->kernel->fwd(&h->args);
    put_stats(h, first_row(h), n, stats);
    h->kernel->bwd(&h->args);
    SPK_TRY(wide ? t->sum(t->self, h->de, all * h->size) : t->sum_floats(t->self, h->de, all * h->size));
    *gradient = (const char *)h->de + (size_t)(first_row(h) * h->size) * spk_dtype_size(h->real);
    return SPK_OK;
}
