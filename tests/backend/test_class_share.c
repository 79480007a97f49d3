/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses over classes that several processes divide: threads stand for the processes, each with its rows of the weights.
 * What they find together must be what one kernel with all classes finds: loss, accuracy, and every gradient.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend_impl.h"

enum { MOST = 5 };

typedef struct sizes {
    const char *name;
    spk_op op;
    int64_t n, d, s, k; /* rows, dimensions, classes, centres of each */
    spk_attr attr;
    bool ties; /* classes of the same weights, and embeddings along them */
} sizes;

static const double margin[2] = {0.2, 0}, both[2] = {0.2, 0.06}, wide[2] = {0.5, 1.0};
#define SOFTMAX(kind_, margin_, ...)                                                                                   \
    {                                                                                                                  \
        .margin = {.kind = kind_, .margin = margin_, .scale = 30, __VA_ARGS__ }                                        \
    }
static const sizes cases[] = {
    {"aam", SPK_OP_MARGIN_SOFTMAX, 9, 12, 11, 1, SOFTMAX(SPK_MARGIN_AAM, margin, .k = 1), false},
    {"aam, blocks", SPK_OP_MARGIN_SOFTMAX, 13, 33, 333, 1, SOFTMAX(SPK_MARGIN_AAM, margin, .k = 1), false},
    {"as many classes as processes", SPK_OP_MARGIN_SOFTMAX, 7, 8, 5, 1, SOFTMAX(SPK_MARGIN_AM, margin, .k = 1), false},
    {"plain", SPK_OP_MARGIN_SOFTMAX, 1, 8, 70, 1, SOFTMAX(SPK_MARGIN_NONE, margin, .k = 1), false},
    {"sub-centres", SPK_OP_MARGIN_SOFTMAX, 9, 12, 100, 3, SOFTMAX(SPK_MARGIN_AAM, margin, .k = 3, .continuous = true),
     false},
    {"nearest", SPK_OP_MARGIN_SOFTMAX, 9, 12, 200, 1, SOFTMAX(SPK_MARGIN_AAM, both, .k = 1, .k_top = 5), false},
    {"nearest of few", SPK_OP_MARGIN_SOFTMAX, 9, 12, 8, 2, SOFTMAX(SPK_MARGIN_AAM, wide, .k = 2, .k_top = 5), false},
    {"all others", SPK_OP_MARGIN_SOFTMAX, 5, 6, 6, 1, SOFTMAX(SPK_MARGIN_AAM, both, .k = 1, .k_top = 5), false},
    {"nearest, inert", SPK_OP_MARGIN_SOFTMAX, 9, 12, 40, 1, SOFTMAX(SPK_MARGIN_AAM, margin, .k = 1, .k_top = 5), false},
    {"ties", SPK_OP_MARGIN_SOFTMAX, 24, 12, 12, 1, SOFTMAX(SPK_MARGIN_NONE, margin, .k = 1), true},
    {"decisions",
     SPK_OP_SPHEREFACE2,
     9,
     12,
     40,
     1,
     {.sphere = {.margin = margin, .scale = 32, .lambda = 0.7, .t = 3}},
     false},
    {"decisions, angular",
     SPK_OP_SPHEREFACE2,
     13,
     33,
     333,
     1,
     {.sphere = {.margin = margin, .scale = 32, .lambda = 0.7, .t = 3, .angular = true}},
     false},
    {"decisions, ties",
     SPK_OP_SPHEREFACE2,
     24,
     12,
     12,
     1,
     {.sphere = {.margin = margin, .scale = 32, .lambda = 0.7, .t = 3}},
     true}};

/* ---- values of either type ---- */

typedef struct data {
    const sizes *z;
    spk_dtype dtype;
    char *e, *w, *bias;
    int64_t *label;
} data;

typedef struct found {
    char *de, *dw, *dbias;
    double loss, accuracy;
} found;

static double get(spk_dtype t, const void *p, int64_t i)
{
    return t == SPK_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void put(spk_dtype t, void *p, int64_t i, double v)
{
    if (t == SPK_F64)
        ((double *)p)[i] = v;
    else
        ((float *)p)[i] = (float)v;
}

static void *room(int64_t n)
{
    return spk_new((size_t)(n + 1) * sizeof(double));
}

/* Class of the first with those weights: with ties every class c from the half on is the one at c - S/2 again. */
static data make_data(const sizes *z, spk_dtype dtype)
{
    spk_rng r = spk_rng_make(11, SPK_PURPOSE_TEST, 0, 0, 0);
    const int64_t rows = z->s * z->k;
    data d = {z, dtype, room(z->n * z->d), room(rows * z->d), room(1), room(z->n)};
    for (int64_t i = 0; i < rows * z->d; i++) {
        const double v = spk_rng_uniform(&r) - 0.5;
        put(dtype, d.w, i, z->ties && i >= rows / 2 * z->d ? get(dtype, d.w, i - rows / 2 * z->d) : v);
    }
    for (int64_t i = 0; i < z->n * z->d; i++) {
        const int64_t along = i / z->d % rows;
        put(dtype, d.e, i, z->ties ? get(dtype, d.w, along * z->d + i % z->d) : spk_rng_normal(&r));
    }
    put(dtype, d.bias, 0, 0.5);
    for (int64_t i = 0; i < z->n; i++)
        d.label[i] = z->ties ? i % z->s : spk_rng_below(&r, z->s);
    return d;
}

static void clear_data(data *d)
{
    spk_free(d->e);
    spk_free(d->w);
    spk_free(d->bias);
    spk_free(d->label);
}

static found make_found(const sizes *z)
{
    return (found){.de = room(z->n * z->d), .dw = room(z->s * z->k * z->d), .dbias = room(1)};
}

static void clear_found(found *f)
{
    spk_free(f->de);
    spk_free(f->dw);
    spk_free(f->dbias);
}

/* ---- a kernel over classes [first, first + s) ---- */

static spk_view view(void *p, int64_t n, int64_t c, spk_dtype t)
{
    return (spk_view){.p = p, .n = n, .h = 1, .w = 1, .c = c, .ld = c, .dtype = t};
}

static void run(const spk_kernel *kernel, const data *d, int64_t first, int64_t s, const spk_class_share *share,
                found *f)
{
    const sizes *z = d->z;
    const spk_ctx ctx = {.n_threads = 2};
    const size_t size = spk_dtype_size(d->dtype), before = (size_t)(first * z->k * z->d) * size;
    const bool sphere = z->op == SPK_OP_SPHEREFACE2;
    double out[2], factor[2];
    spk_geom g = {.op = z->op, .dtype = d->dtype, .attr = &z->attr, .train = true, .n_threads = 2};
    int64_t *label = room(z->n);
    for (int64_t i = 0; i < z->n; i++)
        label[i] = d->label[i] - first;
    g.in[0] = view(d->e, z->n, z->d, d->dtype);
    g.in[1] = view(d->w + before, s * z->k, z->d, d->dtype);
    g.in[2] = view(label, z->n, 1, SPK_I64);
    if (sphere) g.in[3] = view(d->bias, 1, 1, d->dtype);
    g.out[0] = view(out, 1, 2, d->dtype);
    spk_kargs a = {.ctx = &ctx, .attr = &z->attr, .classes = share};
    for (int i = 0; i < 4; i++)
        a.in[i] = a.din[i] = g.in[i];
    a.out[0] = g.out[0];
    a.dout[0] = view(factor, 1, 2, d->dtype);
    put(d->dtype, factor, 0, 1.5);
    a.din[0].p = f->de;
    a.din[1].p = f->dw + before;
    a.din[2].p = NULL;
    if (sphere) a.din[3].p = f->dbias;
    a.add[1] = a.add[3] = true;
    a.save = kernel->save_bytes ? spk_alloc(kernel->save_bytes(&g) + 1) : NULL;
    a.scratch = kernel->scratch_bytes ? spk_alloc(kernel->scratch_bytes(&g, NULL) + 1) : NULL;
    kernel->fwd(&a);
    kernel->bwd(&a);
    f->loss = get(d->dtype, out, 0);
    f->accuracy = get(d->dtype, out, 1);
    spk_free(a.save);
    spk_free(a.scratch);
    spk_free(label);
}

/* ---- processes ---- */

typedef struct hub {
    pthread_barrier_t all;
    const void *slot[MOST];
    const spk_kernel *kernel;
    const data *d;
    found *f; /* of each, with weights' gradients in common */
} hub;

typedef struct process {
    spk_class_team team;
    hub *h;
    int64_t first, n;
} process;

static void meet(process *p, const void *own)
{
    p->h->slot[p->team.rank] = own;
    pthread_barrier_wait(&p->h->all);
}

static spk_status combine(process *p, double *values, int64_t n, bool largest)
{
    double *total = room(n);
    meet(p, values);
    for (int i = 0; i < p->team.size; i++)
        for (int64_t k = 0; k < n; k++) {
            const double v = ((const double *)p->h->slot[i])[k];
            total[k] = i == 0 ? v : largest ? fmax(total[k], v) : total[k] + v;
        }
    pthread_barrier_wait(&p->h->all);
    memcpy(values, total, (size_t)n * sizeof *values);
    spk_free(total);
    return SPK_OK;
}

static spk_status sum(void *self, double *values, int64_t n)
{
    return combine(self, values, n, false);
}

static spk_status largest(void *self, double *values, int64_t n)
{
    return combine(self, values, n, true);
}

static spk_status gather(void *self, const void *rows, const int64_t *counts, size_t row_bytes, void *all)
{
    process *p = self;
    char *to = all;
    meet(p, rows);
    for (int i = 0; i < p->team.size; i++) {
        memcpy(to, p->h->slot[i], (size_t)counts[i] * row_bytes);
        to += (size_t)counts[i] * row_bytes;
    }
    pthread_barrier_wait(&p->h->all);
    return SPK_OK;
}

static void *work(void *user)
{
    process *p = user;
    const sizes *z = p->h->d->z;
    const int64_t k = z->op == SPK_OP_MARGIN_SOFTMAX ? z->attr.margin.k_top : 0;
    spk_class_share share = {.team = &p->team,
                             .row = spk_new((size_t)z->n * sizeof(spk_class_row)),
                             .values = room(3 * z->n),
                             .counts = room(MOST),
                             .near = spk_new((size_t)(z->n * k + 1) * sizeof(spk_near_class)),
                             .all_near = spk_new((size_t)(MOST * z->n * k + 1) * sizeof(spk_near_class)),
                             .n_kept = room(z->n)};
    run(p->h->kernel, p->h->d, p->first, p->n, &share, &p->h->f[p->team.rank]);
    spk_free(share.row);
    spk_free(share.values);
    spk_free(share.counts);
    spk_free(share.near);
    spk_free(share.all_near);
    spk_free(share.n_kept);
    return NULL;
}

/* As many processes find what one does, within `most` of the largest. */
static void compare(const char *what, spk_dtype t, const char *a, const char *b, int64_t n, double most)
{
    double size = 1e-3, worst = 0; /* gradients of ties cancel */
    for (int64_t i = 0; i < n; i++) {
        size = fmax(size, fabs(get(t, a, i)));
        worst = fmax(worst, fabs(get(t, a, i) - get(t, b, i)));
    }
    if (!(worst <= most * size)) fail_msg("%s differ by %g of %g", what, worst, size);
}

static void divide(const spk_kernel *kernel, const data *d, const found *one, int size)
{
    const sizes *z = d->z;
    found f[MOST] = {{0}};
    hub h = {.kernel = kernel, .d = d, .f = f};
    process p[MOST];
    pthread_t thread[MOST];
    const double most = d->dtype == SPK_F64 ? 1e-12 : 1e-6;
    char *dw = room(z->s * z->k * z->d);
    if (size > z->s) goto done;
    pthread_barrier_init(&h.all, NULL, (unsigned)size);
    for (int i = 0; i < size; i++) {
        f[i] = make_found(z);
        spk_free(f[i].dw);
        f[i].dw = dw;
        p[i] = (process){.h = &h, .first = z->s * i / size, .n = z->s * (i + 1) / size - z->s * i / size};
        p[i].team =
            (spk_class_team){.self = &p[i], .rank = i, .size = size, .sum = sum, .largest = largest, .gather = gather};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &p[i]), 0);
    }
    for (int i = 0; i < size; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&h.all);
    for (int i = 0; i < size; i++) {
        if (f[i].loss != f[0].loss || f[i].accuracy != one->accuracy || fabs(f[i].loss - one->loss) > 1e-6 * one->loss)
            fail_msg("%s, %s: of %d processes %d has loss %.9g, accuracy %g; one alone %.9g, %g", z->name, kernel->name,
                     size, i, f[i].loss, f[i].accuracy, one->loss, one->accuracy);
        for (int64_t k = 0; i > 0 && k < z->n * z->d; k++)
            put(d->dtype, f[0].de, k, get(d->dtype, f[0].de, k) + get(d->dtype, f[i].de, k));
        if (i > 0) put(d->dtype, f[0].dbias, 0, get(d->dtype, f[0].dbias, 0) + get(d->dtype, f[i].dbias, 0));
    }
    compare(z->name, d->dtype, one->de, f[0].de, z->n * z->d, most);
    compare(z->name, d->dtype, one->dw, dw, z->s * z->k * z->d, most);
    compare(z->name, d->dtype, one->dbias, f[0].dbias, 1, most * 10);
    for (int i = 0; i < size; i++) {
        f[i].dw = NULL;
        clear_found(&f[i]);
    }
done:
    spk_free(dw);
}

static void all_of(spk_dtype dtype)
{
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const spk_kernel *const *table = spk_kernel_table(cases[c].op, dtype);
        data d = make_data(&cases[c], dtype);
        for (int k = 0; table[k]; k++) {
            found one = make_found(d.z);
            run(table[k], &d, 0, d.z->s, NULL, &one);
            if (d.z->ties && strcmp(table[k]->name, "reference") == 0) assert_true(one.accuracy == 0.5);
            for (int size = 1; size <= MOST; size++)
                if (!d.z->ties || strcmp(table[k]->name, "reference") == 0) divide(table[k], &d, &one, size);
            clear_found(&one);
        }
        clear_data(&d);
    }
}

static void test_single(void **state)
{
    (void)state;
    all_of(SPK_F32);
}

static void test_double(void **state)
{
    (void)state;
    all_of(SPK_F64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single), cmocka_unit_test(test_double)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
