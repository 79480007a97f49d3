/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any op on bfloat16 views: they are copied to float, the float kernel runs, and what it wrote is rounded back. It is
 * what bfloat16 kernels are checked against, and serves where an op has none of its own.
 *
 * Scratch: the float kernel's own, then a copy of each bfloat16 view: inputs, outputs, and going backward their
 * gradients. A gradient that is added to is made apart and added in float.
 */
#include "backend/widen_impl.h"

#include "backend/bf16_impl.h"

typedef struct widened {
    const spk_kernel *kernel;
    void *state;
    size_t inner_bytes;
    bool reads_in[SPK_MAX_IN], reads_out[SPK_MAX_OUT];
} widened;

static size_t whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static bool is_bf16(const spk_view *v)
{
    return v->dtype == SPK_BF16;
}

static size_t copy_bytes(const spk_view *v)
{
    return is_bf16(v) ? whole_lines((size_t)(spk_rows(v) * v->c) * sizeof(float)) : 0;
}

/* The same rows in float, dense, at *room, which moves on; other views as they are. */
static spk_view widened_view(const spk_view *v, char **room)
{
    spk_view w = *v;
    if (!is_bf16(v)) return w;
    w.dtype = SPK_F32;
    w.ld = v->c;
    w.p = *room;
    *room += copy_bytes(v);
    return w;
}

static void load(const spk_view *from, const spk_view *to, int n_threads)
{
    const int64_t rows = spk_rows(from);
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const spk_bf16 *x = (const spk_bf16 *)from->p + r * from->ld;
        float *y = (float *)to->p + r * to->c;
#pragma omp simd
        for (int64_t c = 0; c < from->c; c++)
            y[c] = spk_from_bf16(x[c]);
    }
}

static void store(const spk_view *from, const spk_view *to, bool add, int n_threads)
{
    const int64_t rows = spk_rows(from);
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int64_t r = 0; r < rows; r++) {
        const float *x = (const float *)from->p + r * from->c;
        spk_bf16 *y = (spk_bf16 *)to->p + r * to->ld;
#pragma omp simd
        for (int64_t c = 0; c < from->c; c++)
            y[c] = spk_to_bf16(add ? spk_from_bf16(y[c]) + x[c] : x[c]);
    }
}

/* ---- the kernel ---- */

static spk_geom float_geom(const spk_geom *g)
{
    spk_geom f = *g;
    f.dtype = SPK_F32;
    for (int i = 0; i < SPK_MAX_IN; i++)
        f.in[i] = widened_view(&g->in[i], &(char *){NULL});
    for (int i = 0; i < SPK_MAX_OUT; i++)
        f.out[i] = widened_view(&g->out[i], &(char *){NULL});
    return f;
}

static spk_status create(const spk_geom *g, void **out)
{
    const spk_geom f = float_geom(g);
    widened *w = spk_new(sizeof *w);
    w->kernel = spk_kernel_find(&f);
    for (int i = 0; i < SPK_MAX_IN; i++)
        w->reads_in[i] = g->reads_in[i];
    for (int i = 0; i < SPK_MAX_OUT; i++)
        w->reads_out[i] = g->reads_out[i];
    const spk_status status = w->kernel->create ? w->kernel->create(&f, &w->state) : SPK_OK;
    if (status != SPK_OK) {
        spk_free(w);
        return status;
    }
    w->inner_bytes = whole_lines(w->kernel->scratch_bytes ? w->kernel->scratch_bytes(&f, w->state) : 0);
    *out = w;
    return SPK_OK;
}

static void destroy(void *state)
{
    widened *w = state;
    if (w && w->kernel->destroy) w->kernel->destroy(w->state);
    spk_free(w);
}

static size_t save_bytes(const spk_geom *g)
{
    const spk_geom f = float_geom(g);
    const spk_kernel *k = spk_kernel_find(&f);
    return k->save_bytes ? k->save_bytes(&f) : 0;
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    size_t bytes = ((const widened *)state)->inner_bytes;
    for (int i = 0; i < SPK_MAX_IN; i++)
        bytes += copy_bytes(&g->in[i]) * (g->train ? 2 : 1);
    for (int i = 0; i < SPK_MAX_OUT; i++)
        bytes += copy_bytes(&g->out[i]) * (g->train ? 2 : 1);
    return bytes;
}

static void fwd(const spk_kargs *a)
{
    const widened *w = a->state;
    spk_kargs f = *a;
    char *room = (char *)a->scratch + w->inner_bytes;
    f.state = w->state;
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (!a->in[i].p) continue;
        f.in[i] = widened_view(&a->in[i], &room);
        if (is_bf16(&a->in[i])) load(&a->in[i], &f.in[i], a->ctx->n_threads);
    }
    for (int i = 0; i < SPK_MAX_OUT; i++)
        f.out[i] = widened_view(&a->out[i], &room);
    w->kernel->fwd(&f);
    for (int i = 0; i < SPK_MAX_OUT; i++)
        if (is_bf16(&a->out[i]) && a->out[i].p) store(&f.out[i], &a->out[i], false, a->ctx->n_threads);
}

static void bwd(const spk_kargs *a)
{
    const widened *w = a->state;
    const int n_threads = a->ctx->n_threads;
    spk_kargs f = *a;
    char *room = (char *)a->scratch + w->inner_bytes;
    f.state = w->state;
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (a->in[i].p) f.in[i] = widened_view(&a->in[i], &room);
        if (is_bf16(&a->in[i]) && a->in[i].p && w->reads_in[i]) load(&a->in[i], &f.in[i], n_threads);
        if (!is_bf16(&a->din[i]) || !a->din[i].p) continue;
        f.din[i] = widened_view(&a->din[i], &room);
        f.add[i] = false;
    }
    for (int i = 0; i < SPK_MAX_OUT; i++) {
        f.out[i] = widened_view(&a->out[i], &room);
        f.dout[i] = widened_view(&a->dout[i], &room);
        if (is_bf16(&a->out[i]) && a->out[i].p && w->reads_out[i]) load(&a->out[i], &f.out[i], n_threads);
        if (is_bf16(&a->dout[i]) && a->dout[i].p) load(&a->dout[i], &f.dout[i], n_threads);
    }
    w->kernel->bwd(&f);
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (is_bf16(&a->din[i]) && a->din[i].p) store(&f.din[i], &a->din[i], a->add[i], n_threads);
}

const spk_kernel spk__widened = {.name = "widened",
                                 .create = create,
                                 .destroy = destroy,
                                 .save_bytes = save_bytes,
                                 .scratch_bytes = scratch_bytes,
                                 .fwd = fwd,
                                 .bwd = bwd};
