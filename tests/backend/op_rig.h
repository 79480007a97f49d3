/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one kernel on one case: gives it memory with canaries around every row, values, scratch full of NaN, and
 * reads back what it wrote. Values are doubles outside and of the kernel's type inside.
 */
#ifndef TEST_OP_RIG_H
#define TEST_OP_RIG_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/bf16_impl.h"
#include "backend/device_impl.h"
#include "backend/op_case.h"

enum { GUARD = 16 };
#define CANARY 0x5a

/* Dense values of a case: inputs, outputs, gradients. */
typedef struct op_values {
    double *in[SPK_MAX_IN], *out, *dout, *din[SPK_MAX_IN];
} op_values;

typedef struct rig {
    const op_case *c;
    const spk_kernel *k;
    spk_geom g;
    spk_ctx ctx;
    spk_kargs a;
    unsigned skip;
    size_t save_bytes, scratch_bytes;
    char *block_in[SPK_MAX_IN], *block_out, *block_din[SPK_MAX_IN], *block_dout;
} rig;

/* Where kernels run; NULL: here. */
static const spk_device *rig_device;

static inline size_t rig_size(const rig *r, const case_tensor *t)
{
    return t->is_int ? sizeof(int64_t) : spk_dtype_size(r->g.dtype == SPK_F64 ? SPK_F64 : t->dtype);
}

static inline size_t rig_bytes(const rig *r, const case_tensor *t)
{
    return (size_t)(case_rows(t) * (t->c + t->gap) + 2 * GUARD) * rig_size(r, t);
}

static inline spk_view rig_view(const rig *r, const case_tensor *t, char **block)
{
    if (!t->there) return (spk_view){0};
    *block = spk_alloc(rig_bytes(r, t));
    assert_non_null(*block);
    memset(*block, CANARY, rig_bytes(r, t));
    return (spk_view){.p = *block + GUARD * rig_size(r, t),
                      .n = t->n,
                      .h = t->h ? t->h : 1,
                      .w = t->w,
                      .c = t->c,
                      .ld = t->c + t->gap,
                      .len = t->has_len ? r->c->len : NULL,
                      .dtype = t->is_int ? SPK_I64 : t->dtype};
}

static inline void *rig_room(size_t bytes)
{
    char *p = spk_alloc(bytes + 64);
    assert_non_null(p);
    memset(p, 0xff, bytes); /* NaN */
    memset(p + bytes, CANARY, 64);
    return p;
}

/* Kernels are told that gradients are written, not added to, and that dout may be written over. */
static bool rig_lean;

/* skip: bits of the gradients that are not wanted. */
static inline spk_geom case_geom(const op_case *c, spk_dtype dtype, int n_threads, bool train, unsigned skip)
{
    spk_geom g = {.op = c->op, .dtype = dtype, .attr = &c->attr, .train = train, .n_threads = n_threads};
    for (int i = 0; i < SPK_MAX_IN; i++) {
        const case_tensor *t = &c->in[i];
        if (!t->there) continue;
        g.in[i] = (spk_view){NULL,
                             t->n,
                             t->h ? t->h : 1,
                             t->w,
                             t->c,
                             t->c + t->gap,
                             t->has_len ? c->len : NULL,
                             t->is_int ? SPK_I64 : t->dtype};
        g.has_in[i] = true;
        g.reads_in[i] = t->read_bwd || t->is_param;
        g.want_din[i] = train && t->has_grad && !(skip >> i & 1);
        g.writes_din[i] = g.want_din[i] && rig_lean;
    }
    const case_tensor *y = &c->out[0];
    g.out[0] = (spk_view){NULL, y->n, y->h ? y->h : 1, y->w, y->c, y->c + y->gap, NULL, y->dtype};
    g.reads_out[0] = y->read_bwd;
    g.spoils_dout = rig_lean;
    g.device = rig_device;
    return g;
}

static inline rig *rig_open(const op_case *c, const spk_kernel *k, spk_dtype dtype, int n_threads, bool train,
                            unsigned skip)
{
    rig *r = spk_new(sizeof *r);
    r->c = c;
    r->k = k;
    r->ctx = (spk_ctx){.n_threads = n_threads, .draws = {.seed = 7, .step = 3}};
    r->g = case_geom(c, dtype, n_threads, train, skip);
    r->skip = skip;
    r->a = (spk_kargs){.ctx = &r->ctx, .attr = &c->attr, .weights_changed = true};
    for (int i = 0; i < SPK_MAX_IN; i++)
        r->a.in[i] = rig_view(r, &c->in[i], &r->block_in[i]);
    r->a.out[0] = rig_view(r, &c->out[0], &r->block_out);
    if (k->create) assert_int_equal(k->create(&r->g, &r->a.state), SPK_OK);
    r->save_bytes = train && k->save_bytes ? k->save_bytes(&r->g) : 0;
    r->scratch_bytes = k->scratch_bytes ? k->scratch_bytes(&r->g, r->a.state) : 0;
    r->a.save = r->save_bytes ? rig_room(r->save_bytes) : NULL;
    r->a.scratch = r->scratch_bytes ? rig_room(r->scratch_bytes) : NULL;
    return r;
}

static inline void rig_close(rig *r)
{
    if (r->k->destroy) r->k->destroy(r->a.state);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        spk_free(r->block_in[i]);
        spk_free(r->block_din[i]);
    }
    spk_free(r->block_out);
    spk_free(r->block_dout);
    spk_free(r->a.save);
    spk_free(r->a.scratch);
    spk_free(r);
}

/* Values into the rows of a view. */
static inline void rig_put(const rig *r, const case_tensor *t, const spk_view *v, const double *values)
{
    for (int64_t i = 0; i < case_count(t); i++) {
        const int64_t at = i / t->c * v->ld + i % t->c;
        if (t->is_int)
            ((int64_t *)v->p)[at] = (int64_t)values[i];
        else if (r->g.dtype == SPK_F64)
            ((double *)v->p)[at] = values[i];
        else if (t->dtype == SPK_BF16)
            ((spk_bf16 *)v->p)[at] = spk_to_bf16((float)values[i]);
        else
            ((float *)v->p)[at] = (float)values[i];
    }
}

/* Values out of the rows of a view. */
static inline void rig_get(const rig *r, const case_tensor *t, const spk_view *v, double *values)
{
    for (int64_t i = 0; i < case_count(t); i++) {
        const int64_t at = i / t->c * v->ld + i % t->c;
        if (t->is_int)
            values[i] = (double)((int64_t *)v->p)[at];
        else if (r->g.dtype != SPK_F64 && t->dtype == SPK_BF16)
            values[i] = (double)spk_from_bf16(((spk_bf16 *)v->p)[at]);
        else
            values[i] = r->g.dtype == SPK_F64 ? ((double *)v->p)[at] : (double)((float *)v->p)[at];
    }
}

/* No byte outside of the rows may have changed. */
static inline void rig_check_canaries(const rig *r, const case_tensor *t, const char *block, const char *what)
{
    const size_t size = rig_size(r, t);
    const int64_t ld = t->c + t->gap, count = case_rows(t) * ld;
    for (int64_t i = -GUARD; i < count + GUARD; i++) {
        if (i >= 0 && i < count && i % ld < t->c) continue;
        for (size_t b = 0; b < size; b++)
            if (block[(size_t)(i + GUARD) * size + b] != CANARY)
                fail_msg("%s %s, %s: %s was written %lld elements from its start, outside of its rows",
                         spk_op_name(r->c->op), r->k->name, r->c->name, what, (long long)i);
    }
}

static inline void rig_check_room(const rig *r, const char *p, size_t bytes, const char *what)
{
    for (size_t i = 0; i < 64 && p; i++)
        if (p[bytes + i] != CANARY)
            fail_msg("%s %s, %s: wrote past its %s of %zu bytes", spk_op_name(r->c->op), r->k->name, r->c->name, what,
                     bytes);
}

static inline void rig_check(const rig *r)
{
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (r->block_in[i]) rig_check_canaries(r, &r->c->in[i], r->block_in[i], "an input");
        if (r->block_din[i]) rig_check_canaries(r, &r->c->in[i], r->block_din[i], "a gradient");
    }
    rig_check_canaries(r, &r->c->out[0], r->block_out, "the output");
    rig_check_room(r, r->a.save, r->save_bytes, "saved bytes");
    rig_check_room(r, r->a.scratch, r->scratch_bytes, "scratch");
}

/* ---- on a device ---- */

enum { RIG_BLOCKS = 2 * SPK_MAX_IN + 4 };

typedef struct rig_block {
    char *here;
    void *there;
    size_t bytes;
} rig_block;

/* All memory of a rig that a kernel may see. */
static inline int rig_blocks(const rig *r, rig_block *b)
{
    int n = 0;
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (r->block_in[i]) b[n++] = (rig_block){r->block_in[i], NULL, rig_bytes(r, &r->c->in[i])};
        if (r->block_din[i]) b[n++] = (rig_block){r->block_din[i], NULL, rig_bytes(r, &r->c->in[i])};
    }
    if (r->block_out) b[n++] = (rig_block){r->block_out, NULL, rig_bytes(r, &r->c->out[0])};
    if (r->block_dout) b[n++] = (rig_block){r->block_dout, NULL, rig_bytes(r, &r->c->out[0])};
    if (r->a.save) b[n++] = (rig_block){r->a.save, NULL, r->save_bytes + 64};
    if (r->a.scratch) b[n++] = (rig_block){r->a.scratch, NULL, r->scratch_bytes + 64};
    return n;
}

static inline void *rig_there(const rig_block *b, int n, void *here)
{
    for (int i = 0; i < n; i++)
        if (here && (char *)here >= b[i].here && (char *)here < b[i].here + b[i].bytes)
            return (char *)b[i].there + ((char *)here - b[i].here);
    return NULL;
}

/* The draws on the device, and keys of its own to them. */
static inline void *rig_draws_there(const spk_ctx *ctx)
{
    void *draws = rig_device->t->alloc(rig_device->self, sizeof(spk_draws));
    assert_non_null(draws);
    spk_device_put(rig_device, draws, &ctx->draws, sizeof(spk_draws));
    return draws;
}

/* run(a) with all memory on the device and back. */
static inline void rig_run_there(rig *r, void (*run)(const spk_kargs *a))
{
    rig_block b[RIG_BLOCKS];
    const int n = rig_blocks(r, b);
    spk_kargs a = r->a;
    spk_ctx ctx = r->ctx;
    for (int i = 0; i < n; i++) {
        b[i].there = rig_device->t->alloc(rig_device->self, b[i].bytes);
        assert_non_null(b[i].there);
        spk_device_put(rig_device, b[i].there, b[i].here, b[i].bytes);
    }
    for (int i = 0; i < SPK_MAX_IN; i++) {
        a.in[i].p = rig_there(b, n, a.in[i].p);
        a.din[i].p = rig_there(b, n, a.din[i].p);
    }
    a.out[0].p = rig_there(b, n, a.out[0].p);
    a.dout[0].p = rig_there(b, n, a.dout[0].p);
    a.save = rig_there(b, n, a.save);
    a.scratch = rig_there(b, n, a.scratch);
    ctx.device = rig_device->self;
    void *draws = rig_draws_there(&ctx);
    ctx.device_draws = draws;
    a.ctx = &ctx;
    rig_device->t->refresh(rig_device->self);
    run(&a);
    for (int i = 0; i < n; i++) {
        spk_device_get(rig_device, b[i].here, b[i].there, b[i].bytes);
        rig_device->t->free(rig_device->self, b[i].there);
    }
    rig_device->t->free(rig_device->self, draws);
}

static inline void rig_run(rig *r, void (*run)(const spk_kargs *a))
{
    if (rig_device && r->g.device)
        rig_run_there(r, run);
    else
        run(&r->a);
}

/* One forward pass; out gets the output, states what the kernel wrote back. */
static inline void rig_fwd(rig *r, const op_values *v)
{
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (r->c->in[i].there) rig_put(r, &r->c->in[i], &r->a.in[i], v->in[i]);
    rig_run(r, r->k->fwd);
    rig_check(r);
}

/* Fill with NaN what the backward pass may not read. */
static inline void rig_poison(rig *r)
{
    for (int i = 0; i <= SPK_MAX_IN; i++) {
        const case_tensor *t = i < SPK_MAX_IN ? &r->c->in[i] : &r->c->out[0];
        const spk_view *v = i < SPK_MAX_IN ? &r->a.in[i] : &r->a.out[0];
        if (!t->there || t->read_bwd) continue;
        for (int64_t row = 0; row < case_rows(t); row++)
            memset((char *)v->p + (size_t)(row * v->ld) * rig_size(r, t), 0xff, (size_t)t->c * rig_size(r, t));
    }
    if (r->a.scratch) memset(r->a.scratch, 0xff, r->scratch_bytes);
}

/* The backward pass after rig_fwd. before[i] NULL: gradient i is written; else added to before[i] (parameters always
 * are). v->din[i] gets the results. */
static inline void rig_bwd(rig *r, const op_values *v, double *const *before)
{
    const op_case *c = r->c;
    rig_poison(r);
    if (!r->block_dout) r->a.dout[0] = rig_view(r, &c->out[0], &r->block_dout);
    rig_put(r, &c->out[0], &r->a.dout[0], v->dout);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        r->a.din[i] = (spk_view){0};
        spk_free(r->block_din[i]);
        r->block_din[i] = NULL;
        if (!c->in[i].has_grad || (r->skip >> i & 1)) continue;
        r->a.din[i] = rig_view(r, &c->in[i], &r->block_din[i]);
        r->a.add[i] = before[i] != NULL;
        if (before[i]) rig_put(r, &c->in[i], &r->a.din[i], before[i]);
    }
    rig_run(r, r->k->bwd);
    rig_check(r);
    rig_check_canaries(r, &c->out[0], r->block_dout, "dout");
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (r->a.din[i].p) rig_get(r, &c->in[i], &r->a.din[i], v->din[i]);
}

/* ---- values ---- */

/* Draw inputs and the gradient of the output; every number is a float. */
static inline op_values values_new(const op_case *c, uint64_t seed)
{
    op_values v = {0};
    spk_rng rng = spk_rng_make(seed, SPK_PURPOSE_TEST, (uint64_t)c->op, spk_hash_str(c->name), 0);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        const case_tensor *t = &c->in[i];
        v.in[i] = spk_new((size_t)(case_count(t) + 1) * sizeof(double));
        v.din[i] = spk_new((size_t)(case_count(t) + 1) * sizeof(double));
        if (t->there && t->fill) t->fill(c, v.in[i], &rng);
        for (int64_t j = 0; j < case_count(t) && !t->fill; j++)
            v.in[i][j] =
                t->is_int ? (double)spk_rng_below(&rng, t->below) : t->lo + (t->hi - t->lo) * spk_rng_uniform(&rng);
        for (int64_t j = 0; j < case_count(t); j++)
            v.in[i][j] = (double)(float)v.in[i][j];
    }
    v.out = spk_new((size_t)case_count(&c->out[0]) * sizeof(double));
    v.dout = spk_new((size_t)case_count(&c->out[0]) * sizeof(double));
    for (int64_t j = 0; j < case_count(&c->out[0]); j++)
        v.dout[j] = c->loss && j > 0 ? 0 : (double)(float)(2 * spk_rng_uniform(&rng) - 1);
    return v;
}

static inline void values_free(op_values *v)
{
    for (int i = 0; i < SPK_MAX_IN; i++) {
        spk_free(v->in[i]);
        spk_free(v->din[i]);
    }
    spk_free(v->out);
    spk_free(v->dout);
}

#endif
