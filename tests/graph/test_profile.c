/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles of plans: operations and bytes of a small graph counted by hand, the clocks' sum against one clock around
 * all runs, rows of several plans together, and the tables' text of made-up figures.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "graph/profile_impl.h"

enum { N = 4, T = 50, C = 8, O = 6, K = 3, CLASSES = 5 };

static const double margins[2] = {0, 0};

typedef struct rig {
    spk_params *params;
    spk_arena *arena;
    spk_plan *plan;
    spk_tensor *x, *labels;
    float speech[N * T * C];
    int64_t y[N];
} rig;

static const spk_param *weight(rig *r, const char *name, int dims, int64_t a, int64_t b, int64_t c)
{
    return spk_params_declare(r->params, name, true, dims, (int64_t[]){a, b, c},
                              (spk_init){SPK_INIT_UNIFORM, 0.5, NULL});
}

/* x -> two convolutions with ReLU -> mean over time -> loss. */
static spk_graph *build(rig *r, int64_t n, bool train, spk_tensor **loss)
{
    spk_graph *g = spk_graph_new();
    r->x = spk_g_input(g, SPK_F32, n, T, C);
    spk_tensor *h = spk_g_conv1d(g, r->x, weight(r, "a.w", 3, O, C, K), 0, weight(r, "a.b", 1, O, 1, 1), 1, 1, true);
    h = spk_g_conv1d(g, h, weight(r, "b.w", 3, O, O, K), 0, weight(r, "b.b", 1, O, 1, 1), 1, 1, true);
    h = spk_g_keep(spk_g_time_mean(g, h));
    *loss = NULL;
    const spk_param *w = weight(r, "loss.w", 2, CLASSES, O, 1);
    if (!train) return g;
    r->labels = spk_g_input(g, SPK_I64, n, 1, 1);
    *loss =
        spk_g_margin_softmax(g, h, w, r->labels, (spk_margin_attr){SPK_MARGIN_NONE, margins, 5, 1, 0, false, false});
    return g;
}

static spk_plan *plan_of(rig *r, int64_t n, bool train)
{
    spk_plan *plan;
    spk_tensor *loss;
    spk_graph *g = build(r, n, train, &loss);
    const spk_plan_options o = {.real = SPK_F32, .train = train, .loss = loss, .n_threads = 1};
    assert_int_equal(spk_plan_new(g, r->arena, &o, &plan), SPK_OK);
    spk_plan_bind(plan, r->x, r->speech);
    if (train) spk_plan_bind(plan, r->labels, r->y);
    return plan;
}

static rig *open_rig(void)
{
    rig *r = spk_new(sizeof *r);
    spk_tensor *loss;
    r->params = spk_params_new(SPK_F32);
    r->arena = spk_arena_new();
    spk_graph_free(build(r, N, true, &loss));
    assert_int_equal(spk_params_commit(r->params, 1), SPK_OK);
    for (int i = 0; i < N * T * C; i++)
        r->speech[i] = (float)sin(i);
    for (int i = 0; i < N; i++)
        r->y[i] = i % CLASSES;
    return r;
}

static void close_rig(rig *r)
{
    spk_plan_free(r->plan);
    spk_arena_free(r->arena);
    spk_params_free(r->params);
    spk_free(r);
}

static void run(spk_plan *plan, int n, bool train)
{
    for (int i = 0; i < n; i++) {
        spk_plan_forward(plan, true);
        if (train) spk_plan_backward(plan, 1);
    }
}

static const spk_profile_row *row_with(const spk_profile *p, spk_op op, int64_t c_in)
{
    for (int i = 0; i < p->n; i++)
        if (p->row[i].op == op && p->row[i].c_in == c_in) return &p->row[i];
    fail_msg("no row of %s", spk_op_name(op));
    return NULL;
}

static void work_is_as_counted_by_hand(void **state)
{
    enum { RUNS = 3 };
    rig *r = open_rig();
    spk_profile p = {0};
    (void)state;
    r->plan = plan_of(r, N, true);
    spk_plan_profile(r->plan, true);
    run(r->plan, RUNS, true);
    spk_plan_profile_take(r->plan, &p);
    assert_int_equal(p.n, 4);

    /* The first one: its input is data, so backward only the weights' gradient. Floats, each once; added to: twice. */
    const double x = N * T * C, y = N * T * O, wa = O * C * K, wb = O * O * K, b = O;
    const spk_profile_row *a = row_with(&p, SPK_OP_CONV1D, C);
    assert_int_equal(a->n_ops, 1);
    assert_int_equal(a->taps, K);
    assert_true(a->n == N && a->h == 1 && a->w == T && a->c == O);
    assert_true(a->flops[0] == RUNS * 2 * y * C * K);
    assert_true(a->flops[1] == RUNS * 2 * y * C * K);
    assert_true(a->bytes[0] == RUNS * 4 * (x + wa + b + y));
    /* Reads x, the weights, its own output (the ReLU's mask) and dy; adds to dw and db. */
    assert_true(a->bytes[1] == RUNS * 4 * (x + wa + b + 2 * y + 2 * (wa + b)));

    const spk_profile_row *second = row_with(&p, SPK_OP_CONV1D, O);
    assert_true(second->flops[0] == RUNS * 2 * y * O * K);
    assert_true(second->flops[1] == 2 * second->flops[0]);
    assert_true(second->bytes[1] == RUNS * 4 * (y + wb + b + 2 * y + 2 * (wb + b) + y)); /* and writes dx */

    const spk_profile_row *mean = row_with(&p, SPK_OP_TIME_MEAN, O);
    if (mean == second) fail();
    assert_true(mean->flops[0] == 0 && mean->flops[1] == 0);
    assert_true(mean->bytes[0] == RUNS * 4 * (y + N * O));
    assert_true(mean->bytes[1] == RUNS * 4 * (y + N * O)); /* reads the mean's gradient, writes x's */

    /* Taken: the clocks and counts begin anew. */
    spk_profile again = {0};
    spk_plan_profile_take(r->plan, &again);
    for (int i = 0; i < again.n; i++)
        assert_true(again.row[i].seconds[0] == 0 && again.row[i].flops[0] == 0 && again.row[i].bytes[1] == 0);
    spk_profile_clear(&p);
    spk_profile_clear(&again);
    close_rig(r);
}

static void a_plan_without_gradients_has_no_backward_work(void **state)
{
    rig *r = open_rig();
    spk_profile p = {0};
    (void)state;
    r->plan = plan_of(r, N, false);
    spk_plan_profile(r->plan, true);
    run(r->plan, 2, false);
    assert_int_equal(spk_plan_runs(r->plan), 2);
    spk_plan_profile_take(r->plan, &p);
    for (int i = 0; i < p.n; i++)
        assert_true(p.row[i].seconds[1] == 0 && p.row[i].flops[1] == 0 && p.row[i].bytes[1] == 0);
    spk_profile_clear(&p);
    close_rig(r);
}

/* What the clocks leave out of a run is small; in the best of some tries, as anything may come between. */
static void the_clocks_add_up_to_the_run(void **state)
{
    rig *r = open_rig();
    double best = 0;
    (void)state;
    r->plan = plan_of(r, N, true);
    run(r->plan, 2, true);
    for (int i = 0; i < 20; i++) {
        spk_profile p = {0};
        spk_plan_profile(r->plan, true);
        const double start = spk_now();
        run(r->plan, 10, true);
        const spk_profile_steps s = {.n = 10, .seconds = spk_now() - start};
        spk_plan_profile_take(r->plan, &p);
        const double left = spk_profile_unexplained(&p, &s);
        assert_true(left >= 0); /* no second is counted twice */
        if (1 - left / s.seconds > best) best = 1 - left / s.seconds;
        spk_profile_clear(&p);
    }
    if (best < 0.9) fail_msg("the ops' clocks show %.0f %% of the run", 100 * best);
    close_rig(r);
}

static void plans_of_several_shapes_share_a_profile(void **state)
{
    rig *r = open_rig();
    spk_profile p = {0};
    (void)state;
    r->plan = plan_of(r, N, true);
    for (int i = 0; i < 2; i++) { /* the same shape twice, as of a plan that was made anew */
        spk_plan *other = plan_of(r, N - 1, true);
        spk_plan_profile(other, true);
        run(other, 1, true);
        spk_plan_profile_take(other, &p);
        spk_plan_free(other);
    }
    spk_plan_profile(r->plan, true);
    run(r->plan, 1, true);
    spk_plan_profile_take(r->plan, &p);
    assert_int_equal(p.n, 7); /* the losses are alike: one output, and the embeddings are not told apart */
    double flops[2] = {0, 0};
    for (int i = 0; i < p.n; i++) {
        assert_int_equal(p.row[i].n_ops, 1);
        if (p.row[i].op == SPK_OP_CONV1D && p.row[i].c_in == C) flops[p.row[i].n == N] += p.row[i].flops[0];
    }
    assert_true(flops[1] == 2.0 * N * T * O * C * K && flops[0] == 2 * 2.0 * (N - 1) * T * O * C * K);
    spk_profile_clear(&p);
    close_rig(r);
}

/* ---- tables of made-up figures ---- */

static void fill(spk_profile *p)
{
    static const spk_profile_row rows[] = {
        {SPK_OP_BATCH_NORM, "omp", 32, 1, 300, 512, 512, 1, 9, {0.02, 0.04}, {0, 0}, {0.4e9, 0.6e9}},
        {SPK_OP_CONV1D, "onednn", 32, 1, 300, 512, 512, 1, 3, {0.1, 0.3}, {20e9, 40e9}, {0.2e9, 0.4e9}},
        {SPK_OP_CONV1D, "onednn", 32, 1, 300, 64, 64, 3, 21, {0.2, 0.15}, {10e9, 20e9}, {0.2e9, 0.4e9}},
        {SPK_OP_CONV2D, "onednn", 2, 10, 20, 4, 1, 9, 1, {0.001, 0}, {0, 0}, {0, 0}}};
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        SPK_PUSH(p->row, p->n) = rows[i];
    p->planning = 0.01;
}

static const spk_profile_rest rest[] = {{"waiting for the loader", 0.04}, {"optimiser", 0.06}};
static const spk_profile_steps steps = {"epoch 3", 2, 1, rest, 2};

static void the_table_of_kinds_adds_up_to_the_step(void **state)
{
    static const char wanted[] =
        "epoch 3: 2 steps, ms a step\n"
        "kind of op                                        forward   backward        sum   share  GFLOP/s    GB/s\n"
        "conv1d                                            150.000    225.000    375.000   75.0%    120.0     1.6\n"
        "batch_norm                                         10.000     20.000     30.000    6.0%        -    16.7\n"
        "conv2d                                              0.500      0.000      0.500    0.1%        -       -\n"
        "all ops                                           160.500    245.000    405.500   81.1%    111.0     2.7\n"
        "making plans                                                              5.000    1.0%\n"
        "waiting for the loader                                                   20.000    4.0%\n"
        "optimiser                                                                30.000    6.0%\n"
        "unexplained                                                              39.500    7.9%\n"
        "step                                                                    500.000  100.0%\n"
        "the largest of the ops\n";
    spk_profile p;
    spk_text text = {0};
    (void)state;
    fill(&p);
    assert_true(fabs(spk_profile_unexplained(&p, &steps) - 0.079) < 1e-12);
    spk_profile_print(&p, &steps, &text);
    assert_true(strlen(spk_text_str(&text)) > strlen(wanted));
    text.s[strlen(wanted)] = 0;
    assert_string_equal(text.s, wanted);
    spk_text_clear(&text);

    /* Behind it the single ones, the slowest first; of a picture all extents. */
    spk_profile_print(&p, &steps, &text);
    const char *at = strstr(text.s, "the largest of the ops\n");
    assert_non_null(at);
    const char *first = strstr(at, "3 x conv1d 32x300x512 <- 512 "),
               *second = strstr(at, "21 x conv1d 32x300x64 <- 64, 3 taps ");
    assert_true(first && second && first < second);
    assert_non_null(strstr(second, "1 x conv2d 2x10x20x4 <- 1, 9 taps "));
    spk_text_clear(&text);
    spk_profile_clear(&p);
}

static void the_roofline_bounds_by_work_or_by_bytes(void **state)
{
    const spk_roofline roof = {.gflops = 200, .gbytes = 20};
    spk_profile p;
    spk_text text = {0};
    (void)state;
    fill(&p);
    assert_true(fabs(spk_profile_least(&p.row[1], 0, &roof) - 0.1) < 1e-12); /* 20e9 operations: 0.1 s; bytes: 0.01 s */
    assert_true(fabs(spk_profile_least(&p.row[0], 1, &roof) - 0.03) < 1e-12); /* 0.6e9 bytes: 0.03 s */
    spk_profile_print_ops(&p, "training", 2, &roof, &text);
    /* ops op kernel shape | ms MB GFLOP/s GB/s % | backward the same */
    assert_non_null(strstr(text.s, "  3 conv1d          onednn     32x300x512 <- 512            |    50.000   100.0    "
                                   "200.0    2.0   100 |   150.000   200.0    133.3    1.3    67\n"));
    assert_non_null(strstr(text.s,
                           "  9 batch_norm      omp        32x300x512 <- 512            |    10.000   200.0        "
                           "-   20.0   100 |    20.000   300.0        -   15.0    75\n"));
    assert_non_null(strstr(text.s, " 34 all "));
    spk_text_clear(&text);
    spk_profile_json_ops(&p, 2, &roof, &text);
    assert_non_null(strstr(text.s,
                           "{\"op\": \"conv1d\", \"kernel\": \"onednn\", \"ops\": 3, \"shape\": [32, 1, 300, 512], "
                           "\"channels_in\": 512, \"taps\": 1, \"forward\": {\"ms\": 50.0000, \"flops\": "
                           "10000000000, \"bytes\": 100000000, \"gflops\": 200.00, \"gb_per_s\": 2.00, "
                           "\"share_of_roofline\": 1.0000}, \"backward\": {"));
    assert_non_null(strstr(text.s, "\"backward\": null}]"));
    spk_text_clear(&text);
    spk_profile_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(work_is_as_counted_by_hand),
                                       cmocka_unit_test(a_plan_without_gradients_has_no_backward_work),
                                       cmocka_unit_test(the_clocks_add_up_to_the_run),
                                       cmocka_unit_test(plans_of_several_shapes_share_a_profile),
                                       cmocka_unit_test(the_table_of_kinds_adds_up_to_the_step),
                                       cmocka_unit_test(the_roofline_bounds_by_work_or_by_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
