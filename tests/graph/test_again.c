/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are made again for the backward pass: the same gradients to the last bit as with all values kept, in less
 * memory, for the shapes that occur: a normalisation before a convolution, groups whose sums are made from two
 * normalisations, and residual blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "graph/plan_impl.h"

enum { N = 3, T = 400, F = 4, C = 16, CLASSES = 5 };

static const double margins[2] = {0.2, 0};
static const spk_init spread = {SPK_INIT_UNIFORM, 0.6, NULL};

typedef struct under_test {
    spk_params *p;
    spk_graph *g;
    spk_tensor *x, *labels;
    int n_layers;
} under_test;

static spk_tensor *norm(under_test *n, spk_tensor *x, bool relu)
{
    char name[64];
    const int i = n->n_layers++;
    const spk_param *of[4];
    const double start[4] = {1.1, 0.1, 0, 1};
    for (int k = 0; k < 4; k++) {
        snprintf(name, sizeof name, "bn%d.%d", i, k);
        of[k] = spk_params_declare(n->p, name, k < 2, 1, &x->c, (spk_init){SPK_INIT_CONST, start[k], NULL});
    }
    snprintf(name, sizeof name, "bn%d.count", i);
    return spk_g_batch_norm(n->g, x, of[0], of[1], of[2], of[3], spk_params_declare_count(n->p, name), true, relu);
}

static spk_tensor *conv(under_test *n, spk_tensor *x, bool relu)
{
    char name[64];
    const int i = n->n_layers++;
    snprintf(name, sizeof name, "conv%d", i);
    if (x->h > 1) {
        const spk_conv2d_attr attr = {.kt = 3, .kf = 3, .st = 1, .sf = 1, .pt = 1, .pf = 1, .relu = relu};
        const spk_param *w = spk_params_declare(n->p, name, true, 4, (int64_t[]){C, x->c, 3, 3}, spread);
        return spk_g_conv2d(n->g, x, w, NULL, attr);
    }
    const spk_param *w = spk_params_declare(n->p, name, true, 3, (int64_t[]){x->c, x->c, 3}, spread);
    return spk_g_conv1d(n->g, x, w, 0, NULL, 1, 1, relu);
}

/* Two Res2 blocks, with the layers around them. */
static spk_tensor *groups(under_test *n)
{
    spk_tensor *x = spk_g_add(n->g, n->x, n->x);
    for (int block = 0; block < 2; block++) {
        x = norm(n, conv(n, x, true), false);
        spk_tensor *left = spk_g_slice(n->g, x, 0, C / 2), *right = spk_g_slice(n->g, x, C / 2, C / 2);
        spk_tensor *first = norm(n, conv(n, left, true), false);
        spk_tensor *second = norm(n, conv(n, spk_g_add(n->g, first, right), true), false);
        x = spk_g_concat(n->g, (spk_tensor *[]){first, second}, 2);
        x = norm(n, conv(n, x, true), true);
    }
    return x;
}

/* Four residual blocks of pictures. */
static spk_tensor *residual(under_test *n)
{
    spk_tensor *x = spk_g_reshape(n->g, n->x, N, T, F, C / F, NULL);
    x = norm(n, conv(n, x, false), true);
    for (int block = 0; block < 4; block++) {
        spk_tensor *h = norm(n, conv(n, x, false), true);
        h = norm(n, conv(n, h, false), false);
        x = spk_g_add_scaled(n->g, h, x, 1, true);
    }
    return spk_g_flatten(n->g, x);
}

static spk_tensor *build(under_test *n, spk_tensor *(*body)(under_test *), spk_graph *g)
{
    n->g = g;
    n->n_layers = 0;
    n->x = spk_g_input(g, SPK_F32, N, T, C);
    n->labels = spk_g_input(g, SPK_I64, N, 1, 1);
    spk_tensor *e = spk_g_time_stats(g, body(n), (spk_time_stats_attr){.lo = -1, .hi = 1e4});
    const spk_param *w = spk_params_declare(n->p, "loss", true, 2, (int64_t[]){CLASSES, e->c}, spread);
    return spk_g_margin_softmax(g, e, w, n->labels, (spk_margin_attr){SPK_MARGIN_AAM, margins, 5, 1, 0, false, false});
}

/* Gradients and all else that a step leaves behind; the bytes of the plan. */
static size_t step(spk_tensor *(*body)(under_test *), spk_dtype real, bool no_again, bool no_reuse, spk_params **out)
{
    under_test n = {.p = spk_params_new(real)};
    spk_arena *arena = spk_arena_new();
    spk_graph *g = spk_graph_new();
    build(&n, body, g);
    spk_graph_free(g);
    assert_int_equal(spk_params_commit(n.p, 3), SPK_OK);
    g = spk_graph_new();
    spk_plan *plan;
    const spk_plan_options o = {.real = real,
                                .train = true,
                                .loss = build(&n, body, g),
                                .n_threads = 2,
                                .no_again = no_again,
                                .no_reuse = no_reuse};
    assert_int_equal(spk_plan_new(g, arena, &o, &plan), SPK_OK);
    float xf[N * T * C];
    double xd[N * T * C];
    int64_t labels[N];
    for (int i = 0; i < N * T * C; i++)
        xd[i] = xf[i] = (float)sin(i + 1);
    for (int i = 0; i < N; i++)
        labels[i] = i;
    spk_plan_bind(plan, n.x, real == SPK_F64 ? (void *)xd : (void *)xf);
    spk_plan_bind(plan, n.labels, labels);
    for (int run = 0; run < 2; run++) {
        spk_plan_forward(plan, run == 0);
        spk_plan_backward(plan, 1);
    }
    const size_t bytes = spk_plan_bytes(plan);
    spk_plan_free(plan);
    spk_arena_free(arena);
    *out = n.p;
    return bytes;
}

static void assert_same(const spk_params *a, const spk_params *b)
{
    for (int64_t i = 0; i < spk_params_n(a); i++) {
        const spk_param *p = spk_params_at(a, i), *q = spk_params_at(b, i);
        const size_t bytes = (size_t)p->count * spk_dtype_size(p->dtype);
        if (memcmp(p->data, q->data, bytes) != 0) fail_msg("%s is another one", p->name);
        if (p->grad && memcmp(p->grad, q->grad, bytes) != 0) fail_msg("the gradient of %s is another one", p->name);
    }
}

static void check(spk_tensor *(*body)(under_test *), spk_dtype real)
{
    spk_params *kept, *again, *apart;
    const size_t with = step(body, real, true, false, &kept), without = step(body, real, false, false, &again);
    step(body, real, false, true, &apart);
    assert_same(kept, again);
    assert_same(kept, apart);
    if (without * 10 > with * 9) fail_msg("%zu bytes, %zu with all values kept", without, with);
    spk_params_free(kept);
    spk_params_free(again);
    spk_params_free(apart);
}

static void groups_keep_their_gradients(void **state)
{
    (void)state;
    check(groups, SPK_F32);
    check(groups, SPK_F64);
}

static void residual_blocks_keep_their_gradients(void **state)
{
    (void)state;
    check(residual, SPK_F32);
    check(residual, SPK_F64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(groups_keep_their_gradients),
                                       cmocka_unit_test(residual_blocks_keep_their_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
