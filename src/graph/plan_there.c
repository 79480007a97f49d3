/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans on a device. The caller's inputs are copied to a place of their own there before each run, constants once; the
 * gradient of the loss and what random ops draw from lie there too, so that every run uses the same addresses. A pass that ran
 * once as it is, is recorded at its second run and replayed from then on.
 */
#include <string.h>

#include "graph/plan_inside_impl.h"

/* A pass that the device can replay. */
typedef struct recorded {
    void *run;          /* NULL: there is none */
    int64_t generation; /* of the arena, when it was recorded */
    int64_t n_direct;   /* runs before it is recorded */
} recorded;

struct spk_plan_there {
    void **at;   /* by tensor id: inputs and constants */
    void **here; /* by tensor id: copies of values for the caller */
    int n_tensors;
    void *seed;       /* room for either type */
    spk_draws *draws; /* on the device, n_keys keys behind them */
    int64_t n_keys;
    bool records; /* no op runs on the processor */
    recorded pass[2];
};

enum { DRAWS_ROOM = 64 };

static const spk_device *device_of(const spk_plan *p)
{
    return p->arena->device;
}

static size_t bytes_of(const spk_plan *p, const spk_tensor *t)
{
    return (size_t)(t->n * t->h * t->w * t->c) * spk_dtype_size(spk__plan_dtype(p, t));
}

static spk_status take(const spk_plan *p, size_t bytes, void **out)
{
    const spk_device *d = device_of(p);
    *out = d->t->alloc(d->self, bytes ? bytes : 1);
    if (*out) return SPK_OK;
    return spk_fail(SPK_E_NOMEM,
                    "out of memory on the GPU: %.2f GB are needed for a batch's input; use a smaller batch_size",
                    (double)bytes / 1e9);
}

/* ---- making ---- */

static spk_status place_tensors(const spk_plan *p, spk_plan_there *w)
{
    for (int i = 0; i < w->n_tensors; i++) {
        const spk_tensor *t = spk_graph_tensor(p->g, i);
        if ((!t->is_input && !t->constant) || t->parent) continue;
        SPK_TRY(take(p, bytes_of(p, t), &w->at[i]));
        if (t->constant) spk_device_put(device_of(p), w->at[i], t->constant, bytes_of(p, t));
        if (t->is_input && t->n > w->n_keys) w->n_keys = t->n;
    }
    return SPK_OK;
}

spk_status spk__plan_there_new(spk_plan *p)
{
    spk_plan_there *w = p->there = spk_new(sizeof *w);
    SPK_ASSERT(p->options.real != SPK_F64);
    w->n_tensors = spk_graph_n_tensors(p->g);
    w->at = spk_new((size_t)w->n_tensors * sizeof *w->at);
    w->here = spk_new((size_t)w->n_tensors * sizeof *w->here);
    w->records = device_of(p)->t->begin_record != NULL;
    for (int i = 0; i < p->n_steps; i++)
        w->records = w->records && p->steps[i].kernel != &spk__on_host;
    SPK_TRY(place_tensors(p, w));
    SPK_TRY(take(p, sizeof p->seed, &w->seed));
    void *draws;
    SPK_TRY(take(p, DRAWS_ROOM + (size_t)w->n_keys * sizeof(uint64_t), &draws));
    w->draws = draws;
    return SPK_OK;
}

static void forget(const spk_plan *p, recorded *r)
{
    if (r->run) device_of(p)->t->forget(device_of(p)->self, r->run);
    *r = (recorded){0};
}

void spk__plan_there_free(spk_plan *p)
{
    spk_plan_there *w = p->there;
    if (!w) return;
    const spk_device *d = device_of(p);
    forget(p, &w->pass[0]);
    forget(p, &w->pass[1]);
    for (int i = 0; i < w->n_tensors; i++) {
        if (w->at[i]) d->t->free(d->self, w->at[i]);
        spk_free(w->here[i]);
    }
    if (w->seed) d->t->free(d->self, w->seed);
    if (w->draws) d->t->free(d->self, w->draws);
    spk_free(w->at);
    spk_free(w->here);
    spk_free(w);
    p->there = NULL;
}

/* ---- places ---- */

void *spk__plan_there_tensor(const spk_plan *p, const spk_tensor *t)
{
    return p->there->at[t->id];
}

void *spk__plan_there_seed(const spk_plan *p)
{
    return p->there->seed;
}

spk_view spk__plan_there_value(const spk_plan *p, const spk_tensor *t, const spk_view *v)
{
    const spk_device *d = device_of(p);
    const size_t row = (size_t)v->c * spk_dtype_size(v->dtype), ld = (size_t)v->ld * spk_dtype_size(v->dtype);
    const int64_t rows = spk_rows(v);
    spk_view here = *v;
    if (!p->there->here[t->id]) p->there->here[t->id] = spk_new((size_t)rows * row + 1);
    here.p = p->there->here[t->id];
    here.ld = v->c;
    d->t->get(d->self, here.p, v->p, &(spk_device_rows){rows, row, row, ld});
    return here;
}

/* ---- runs ---- */

static void put_draws(spk_plan *p)
{
    const spk_device *d = device_of(p);
    spk_plan_there *w = p->there;
    spk_draws draws = p->draws;
    uint64_t *keys = (uint64_t *)(void *)((char *)w->draws + DRAWS_ROOM);
    if (draws.item) spk_device_put(d, keys, draws.item, (size_t)w->n_keys * sizeof *keys);
    draws.item = draws.item ? keys : NULL;
    spk_device_put(d, w->draws, &draws, sizeof draws);
}

spk_ctx spk__plan_there_begin(spk_plan *p, bool backward)
{
    const spk_device *d = device_of(p);
    spk_plan_there *w = p->there;
    if (backward) {
        spk_device_put(d, w->seed, p->seed, sizeof p->seed);
    } else {
        d->t->refresh(d->self);
        put_draws(p);
        for (int i = 0; i < w->n_tensors; i++)
            if (p->bound[i]) spk_device_put(d, w->at[i], p->bound[i], bytes_of(p, spk_graph_tensor(p->g, i)));
    }
    return (spk_ctx){.n_threads = p->options.n_threads,
                     .draws = p->draws,
                     .sync = p->sync,
                     .device = d->self,
                     .device_draws = w->draws};
}

void spk__plan_there_run(spk_plan *p, bool backward, const spk_ctx *ctx, spk_plan_pass run)
{
    const spk_device *d = device_of(p);
    recorded *r = &p->there->pass[backward];
    if (r->generation != p->arena->generation) forget(p, r);
    r->generation = p->arena->generation;
    if (r->run && !p->profile && !p->watch) {
        d->t->replay(d->self, r->run);
        return;
    }
    if (!p->there->records || p->profile || p->watch || r->n_direct++ == 0) {
        run(p, ctx);
        return;
    }
    d->t->begin_record(d->self);
    run(p, ctx);
    r->run = d->t->end_record(d->self);
    if (!r->run) {
        p->there->records = false;
        run(p, ctx);
        return;
    }
    d->t->replay(d->self, r->run);
}
