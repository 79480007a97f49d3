/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: gradients of a small graph that has every kind of view against finite differences in double, the same bits
 * with and without memory reuse, no allocation while running, and placement of buffers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "graph/memory_impl.h"
#include "graph/plan_impl.h"

enum { N = 3, T = 7, C = 6, CLASSES = 4 };

typedef struct tiny {
    spk_params *params;
    spk_arena *arena;
    spk_plan *plan;
    spk_tensor *x, *labels, *loss;
    float xf[N * T * C];
    double xd[N * T * C];
    int64_t y[N];
} tiny;

static const spk_param *weight(tiny *n, const char *name, int dims, int64_t a, int64_t b, int64_t c)
{
    return spk_params_declare(n->params, name, true, dims, (int64_t[]){a, b, c},
                              (spk_init){SPK_INIT_UNIFORM, 0.7, NULL});
}

static const spk_param *buffer(tiny *n, const char *name, double v)
{
    return spk_params_declare(n->params, name, false, 1, (int64_t[]){C}, (spk_init){SPK_INIT_CONST, v, NULL});
}

static const double margins[2] = {0.2, 0};

/* Slices, a concatenation of both kinds (retargeted and copied), sums, a normalisation behind a ReLU, pooling, loss. */
static spk_graph *build(tiny *n)
{
    spk_graph *g = spk_graph_new();
    n->x = spk_g_input(g, SPK_F32, N, T, C);
    spk_tensor *h =
        spk_g_conv1d(g, n->x, weight(n, "a.weight", 3, C, C, 3), 0, weight(n, "a.bias", 1, C, 1, 1), 2, 2, true);
    h = spk_g_batch_norm(g, h, weight(n, "bn.weight", 1, C, 1, 1), weight(n, "bn.bias", 1, C, 1, 1),
                         buffer(n, "mean", 0), buffer(n, "var", 1), spk_params_declare_count(n->params, "count"), true,
                         false);
    spk_tensor *left = spk_g_slice(g, h, 0, C / 2), *right = spk_g_slice(g, h, C / 2, C / 2);
    spk_tensor *sum = spk_g_add(g, left, right);
    spk_tensor *whole = spk_g_concat(g, (spk_tensor *[]){sum, right}, 2);
    spk_tensor *factor = spk_g_act(g, spk_g_time_mean(g, whole), SPK_SIGMOID);
    whole = spk_g_scale_add(g, whole, factor, h);
    spk_tensor *stats = spk_g_time_stats(g, whole, (spk_time_stats_attr){.lo = -1, .hi = 1e4});
    const spk_param *w = weight(n, "att.weight", 3, C, 3 * C, 1);
    spk_tensor *v = spk_g_conv1d(g, stats, w, C, weight(n, "att.bias", 1, C, 1, 1), 1, 0, false);
    spk_tensor *e = spk_g_row_bias(g, spk_g_conv1d(g, whole, w, 0, NULL, 1, 0, false), v, SPK_RELU);
    spk_tensor *pooled = spk_g_attn_stats(g, e, whole, (spk_attn_stats_attr){1e-4, 1e4});
    n->labels = spk_g_input(g, SPK_I64, N, 1, 1);
    n->loss = spk_g_margin_softmax(g, pooled, weight(n, "loss.weight", 2, CLASSES, 2 * C, 1), n->labels,
                                   (spk_margin_attr){SPK_MARGIN_AAM, margins, 5, 1, 0, false, false});
    return g;
}

static tiny *open_tiny(spk_dtype real, bool no_reuse)
{
    tiny *n = spk_new(sizeof *n);
    spk_rng rng = spk_rng_make(7, SPK_PURPOSE_TEST, 0, 0, 0);
    n->params = spk_params_new(real);
    n->arena = spk_arena_new();
    spk_graph_free(build(n));
    assert_int_equal(spk_params_commit(n->params, 3), SPK_OK);
    for (int i = 0; i < N * T * C; i++) {
        n->xd[i] = spk_rng_normal(&rng);
        n->xf[i] = (float)n->xd[i];
    }
    for (int i = 0; i < N; i++)
        n->y[i] = i % CLASSES;
    spk_graph *g = build(n);
    const spk_plan_options o = {.real = real, .train = true, .loss = n->loss, .n_threads = 2, .no_reuse = no_reuse};
    assert_int_equal(spk_plan_new(g, n->arena, &o, &n->plan), SPK_OK);
    spk_plan_bind(n->plan, n->x, real == SPK_F64 ? (void *)n->xd : (void *)n->xf);
    spk_plan_bind(n->plan, n->labels, n->y);
    return n;
}

static void close_tiny(tiny *n)
{
    spk_plan_free(n->plan);
    spk_arena_free(n->arena);
    spk_params_free(n->params);
    spk_free(n);
}

static void gradients_agree_with_finite_differences(void **state)
{
    tiny *n = open_tiny(SPK_F64, false);
    void *data, *grad;
    int64_t m;
    (void)state;
    spk_params_blocks(n->params, &data, &grad, &m);
    spk_plan_forward(n->plan, true);
    spk_plan_backward(n->plan, 1);
    double *p = data, *g = grad;
    for (int64_t i = 0; i < spk_params_n(n->params); i++) {
        const spk_param *q = spk_params_at(n->params, i);
        if (!q->trainable) continue;
        const int64_t at = ((double *)q->data - p) + q->count / 2; /* one element of each parameter */
        const double keep = p[at], h = 1e-5;
        p[at] = keep + h;
        spk_plan_forward(n->plan, true);
        const double up = *(double *)spk_plan_value(n->plan, n->loss).p;
        p[at] = keep - h;
        spk_plan_forward(n->plan, true);
        const double down = *(double *)spk_plan_value(n->plan, n->loss).p;
        p[at] = keep;
        const double numeric = (up - down) / (2 * h);
        if (fabs(numeric - g[at]) > 1e-7 * (1 + fabs(numeric))) {
            print_error("%s: gradient %.10g, finite difference %.10g\n", q->name, g[at], numeric);
            fail();
        }
    }
    close_tiny(n);
}

/* Lifetimes that were too short would show as different gradients. */
static void memory_reuse_changes_no_bit(void **state)
{
    tiny *a = open_tiny(SPK_F32, false), *b = open_tiny(SPK_F32, true);
    void *da, *ga, *db, *gb;
    int64_t m;
    (void)state;
    for (int run = 0; run < 2; run++) { /* the second run adds to the gradients */
        spk_plan_forward(a->plan, true);
        spk_plan_backward(a->plan, 0.5);
        spk_plan_forward(b->plan, true);
        spk_plan_backward(b->plan, 0.5);
    }
    spk_params_blocks(a->params, &da, &ga, &m);
    spk_params_blocks(b->params, &db, &gb, &m);
    assert_memory_equal(ga, gb, (size_t)m * sizeof(float));
    assert_memory_equal(da, db, (size_t)m * sizeof(float));
    assert_true(spk_plan_bytes(a->plan) < spk_plan_bytes(b->plan));
    close_tiny(a);
    close_tiny(b);
}

static void running_allocates_nothing(void **state)
{
    tiny *n = open_tiny(SPK_F32, false);
    (void)state;
    spk_plan_forward(n->plan, true);
    spk_plan_backward(n->plan, 1);
    const int64_t before = spk_alloc_count();
    for (int i = 0; i < 3; i++) {
        spk_plan_forward(n->plan, true);
        spk_plan_backward(n->plan, 1);
    }
    assert_int_equal(spk_alloc_count(), before);
    close_tiny(n);
}

/* A shape that memory is too short for is refused, and the plans that are there go on in theirs. */
static void a_plan_that_is_too_large_harms_no_other(void **state)
{
    tiny *n = open_tiny(SPK_F32, false);
    spk_plan *huge = NULL;
    (void)state;
    spk_plan_forward(n->plan, true);
    const float before = *(const float *)spk_plan_value(n->plan, n->loss).p;
    spk_graph *g = spk_graph_new();
    spk_tensor *x = spk_g_input(g, SPK_F32, 1, (int64_t)1 << 45, 1024);
    spk_g_keep(spk_g_act(g, x, SPK_SIGMOID));
    const spk_plan_options options = {.real = SPK_F32, .n_threads = 1};
    assert_int_equal(spk_plan_new(g, n->arena, &options, &huge), SPK_E_NOMEM);
    assert_non_null(strstr(spk_errmsg(), "out of memory"));
    spk_plan_forward(n->plan, true);
    assert_true(*(const float *)spk_plan_value(n->plan, n->loss).p == before);
    close_tiny(n);
}

static void buffers_that_live_together_do_not_overlap(void **state)
{
    enum { COUNT = 200, MOMENTS = 50 };
    spk_buffer b[COUNT];
    spk_rng rng = spk_rng_make(11, SPK_PURPOSE_TEST, 0, 0, 0);
    size_t sum = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        b[i].bytes = (size_t)(1 + spk_rng_below(&rng, 1000));
        b[i].start = (int)spk_rng_below(&rng, MOMENTS);
        b[i].end = b[i].start + (int)spk_rng_below(&rng, 10);
        sum += (b[i].bytes + 63) / 64 * 64;
    }
    const size_t total = spk_memory_place(b, COUNT, false);
    assert_true(total < sum / 2);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(b[i].offset % 64, 0);
        assert_true(b[i].offset + b[i].bytes <= total);
        for (int k = 0; k < i; k++) {
            const bool together = b[i].start <= b[k].end && b[k].start <= b[i].end;
            const bool apart = b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset;
            assert_true(!together || apart);
        }
    }
    assert_int_equal(spk_memory_place(b, COUNT, true), sum);
}

static void weights_that_do_not_fit_are_named(void **state)
{
    tiny *n = open_tiny(SPK_F32, false);
    spk_tensors t = {0};
    spk_ndarray *a;
    (void)state;
    assert_int_equal(spk_params_save(n->params, &t), SPK_OK);
    assert_int_equal(spk_params_load(n->params, &t), SPK_OK);
    assert_int_equal(spk_tensors_add(&t, "stray", SPK_F32, 1, (int64_t[]){2}, &a), SPK_OK);
    for (int64_t i = 0; i < t.n; i++)
        if (strcmp(t.item[i].name, "a.weight") == 0) {
            spk_free(t.item[i].name);
            t.item[i].name = spk_strdup("b.weight");
        }
    spk_tensors_find(&t, "a.bias")->dim[0] = C - 1;
    const float before = *(float *)spk_params_find(n->params, "bn.bias")->data;
    *(float *)spk_tensors_find(&t, "bn.bias")->data = 9;
    assert_int_equal(spk_params_load(n->params, &t), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "surplus b.weight"));
    assert_non_null(strstr(spk_errmsg(), "misshapen a.bias: the file has (5), the model (6)"));
    assert_non_null(strstr(spk_errmsg(), "surplus stray; and 1 more"));
    assert_true(*(float *)spk_params_find(n->params, "bn.bias")->data == before);
    spk_tensors_clear(&t);
    close_tiny(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_agree_with_finite_differences),
                                       cmocka_unit_test(memory_reuse_changes_no_bit),
                                       cmocka_unit_test(running_allocates_nothing),
                                       cmocka_unit_test(buffers_that_live_together_do_not_overlap),
                                       cmocka_unit_test(weights_that_do_not_fit_are_named),
                                       cmocka_unit_test(a_plan_that_is_too_large_harms_no_other)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
