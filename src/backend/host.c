/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An op of a device's plan on the processor: its views are copied here, the processor's kernel runs, and what it wrote is
 * copied back. For ops that a device has no kernel for: right, and slow.
 *
 * It serves every op whose views tell all that it reads and writes. Those are not conv1d and conv2d (a weight may be part of wider rows)
 * and batch_norm (it writes to its inputs); devices have kernels for these. What is saved for the backward pass stays here.
 */
#include <string.h>

#include "backend/device_impl.h"

typedef struct on_host {
    const spk_device *device;
    const spk_kernel *kernel;
    void *state, *save, *scratch;
    /* Dense copies; NULL: there is none. */
    void *in[SPK_MAX_IN], *din[SPK_MAX_IN], *out[SPK_MAX_OUT], *dout[SPK_MAX_OUT];
    bool reads_in[SPK_MAX_IN], reads_out[SPK_MAX_OUT];
} on_host;

static size_t view_bytes(const spk_view *v)
{
    return (size_t)(spk_rows(v) * v->c) * spk_dtype_size(v->dtype);
}

static spk_view at(const spk_view *v, void *copy)
{
    spk_view w = *v;
    w.p = v->p ? copy : NULL;
    w.ld = v->c;
    return w;
}

static spk_device_rows rows_of(const spk_view *to, const spk_view *from)
{
    const size_t size = spk_dtype_size(from->dtype);
    return (spk_device_rows){spk_rows(from), (size_t)from->c * size, (size_t)to->ld * size, (size_t)from->ld * size};
}

static void fetch(const on_host *h, const spk_view *to, const spk_view *from)
{
    const spk_device_rows rows = rows_of(to, from);
    h->device->t->get(h->device->self, to->p, from->p, &rows);
}

static void bring_back(const on_host *h, const spk_view *to, const spk_view *from)
{
    const spk_device_rows rows = rows_of(to, from);
    h->device->t->put(h->device->self, to->p, from->p, &rows);
}

/* ---- making ---- */

static spk_geom host_geom(const spk_geom *g)
{
    spk_geom f = *g;
    f.device = NULL;
    for (int i = 0; i < SPK_MAX_IN; i++)
        f.in[i].ld = g->in[i].c;
    for (int i = 0; i < SPK_MAX_OUT; i++)
        f.out[i].ld = g->out[i].c;
    return f;
}

static void *room(size_t bytes)
{
    void *p = bytes ? spk_alloc(bytes) : NULL;
    SPK_ASSERT(p || !bytes);
    return p;
}

static void destroy(void *state)
{
    on_host *h = state;
    if (!h) return;
    if (h->kernel->destroy) h->kernel->destroy(h->state);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        spk_free(h->in[i]);
        spk_free(h->din[i]);
    }
    for (int i = 0; i < SPK_MAX_OUT; i++) {
        spk_free(h->out[i]);
        spk_free(h->dout[i]);
    }
    spk_free(h->save);
    spk_free(h->scratch);
    spk_free(h);
}

static spk_status create(const spk_geom *g, void **out)
{
    const spk_geom f = host_geom(g);
    SPK_ASSERT(g->op != SPK_OP_CONV1D && g->op != SPK_OP_CONV2D && g->op != SPK_OP_BATCH_NORM);
    on_host *h = spk_new(sizeof *h);
    h->device = g->device;
    h->kernel = spk_kernel_find(&f);
    const spk_status status = h->kernel->create ? h->kernel->create(&f, &h->state) : SPK_OK;
    if (status != SPK_OK) {
        destroy(h);
        return status;
    }
    for (int i = 0; i < SPK_MAX_IN; i++) {
        h->reads_in[i] = g->reads_in[i];
        h->in[i] = room(g->has_in[i] ? view_bytes(&g->in[i]) : 0);
        h->din[i] = room(g->want_din[i] ? view_bytes(&g->in[i]) : 0);
    }
    for (int i = 0; i < SPK_MAX_OUT; i++) {
        h->reads_out[i] = g->reads_out[i];
        h->out[i] = room(view_bytes(&g->out[i]));
        h->dout[i] = room(g->train ? view_bytes(&g->out[i]) : 0);
    }
    h->save = room(g->train && h->kernel->save_bytes ? h->kernel->save_bytes(&f) : 0);
    h->scratch = room(h->kernel->scratch_bytes ? h->kernel->scratch_bytes(&f, h->state) : 0);
    *out = h;
    return SPK_OK;
}

/* ---- running ---- */

static spk_kargs host_args(const spk_kargs *a, const spk_ctx *ctx)
{
    const on_host *h = a->state;
    spk_kargs f = *a;
    f.ctx = ctx;
    f.state = h->state;
    f.save = h->save;
    f.scratch = h->scratch;
    for (int i = 0; i < SPK_MAX_IN; i++) {
        f.in[i] = at(&a->in[i], h->in[i]);
        f.din[i] = at(&a->din[i], h->din[i]);
    }
    for (int i = 0; i < SPK_MAX_OUT; i++) {
        f.out[i] = at(&a->out[i], h->out[i]);
        f.dout[i] = at(&a->dout[i], h->dout[i]);
    }
    return f;
}

static spk_ctx host_ctx(const spk_kargs *a)
{
    spk_ctx ctx = *a->ctx;
    ctx.device = NULL;
    ctx.device_draws = NULL;
    return ctx;
}

static void fwd(const spk_kargs *a)
{
    const on_host *h = a->state;
    const spk_ctx ctx = host_ctx(a);
    const spk_kargs f = host_args(a, &ctx);
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (a->in[i].p) fetch(h, &f.in[i], &a->in[i]);
    h->kernel->fwd(&f);
    for (int i = 0; i < SPK_MAX_OUT; i++)
        if (a->out[i].p) bring_back(h, &a->out[i], &f.out[i]);
}

static void bwd(const spk_kargs *a)
{
    const on_host *h = a->state;
    const spk_ctx ctx = host_ctx(a);
    const spk_kargs f = host_args(a, &ctx);
    if (!h->kernel->bwd) return;
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (a->in[i].p && h->reads_in[i]) fetch(h, &f.in[i], &a->in[i]);
        if (a->din[i].p && a->add[i]) fetch(h, &f.din[i], &a->din[i]);
    }
    for (int i = 0; i < SPK_MAX_OUT; i++) {
        if (a->out[i].p && h->reads_out[i]) fetch(h, &f.out[i], &a->out[i]);
        if (a->dout[i].p) fetch(h, &f.dout[i], &a->dout[i]);
    }
    h->kernel->bwd(&f);
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (a->din[i].p) bring_back(h, &a->din[i], &f.din[i]);
}

const spk_kernel spk__on_host = {.name = "host", .create = create, .destroy = destroy, .fwd = fwd, .bwd = bwd};
