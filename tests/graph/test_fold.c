/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BatchNorm by running statistics becomes part of the convolution before it where no gradients follow: the same values
 * as without (the plan in double, which keeps the steps apart), also when the statistics change, and only where nothing
 * else looks at what lies between.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "graph/profile_impl.h"

enum { N = 2, T = 6, F = 5, C = 4, O = 3 };

typedef struct shape {
    const char *name;
    bool picture, no_bias, relu, norm_relu; /* the ReLU of the convolution, and of the normalisation */
    bool twice, keep, concat;               /* something else reads the convolution; the result is part of a buffer */
    bool again;                             /* another normalisation behind it */
    int norms;                              /* BatchNorm steps that must be left */
} shape;

static const spk_param *vector(spk_params *p, const char *name, bool trainable, double value)
{
    return spk_params_declare(p, name, trainable, 1, (int64_t[]){O}, (spk_init){SPK_INIT_CONST, value, NULL});
}

static spk_tensor *build(const shape *s, spk_params *p, spk_graph *g, spk_tensor **x)
{
    const spk_init init = {SPK_INIT_UNIFORM, 0.5, NULL};
    const spk_param *bias = s->no_bias ? NULL : spk_params_declare(p, "b", true, 1, (int64_t[]){O}, init);
    spk_tensor *h;
    if (s->picture) {
        const spk_conv2d_attr attr = {.kt = 3, .kf = 3, .st = 1, .sf = 2, .pt = 1, .pf = 1, .relu = s->relu};
        *x = spk_g_input(g, SPK_F32, N, T * F, C);
        h = spk_g_reshape(g, *x, N, T, F, C, NULL);
        h = spk_g_conv2d(g, h, spk_params_declare(p, "w", true, 4, (int64_t[]){O, C, 3, 3}, init), bias, attr);
    } else {
        *x = spk_g_input(g, SPK_F32, N, T, C);
        h = spk_g_conv1d(g, *x, spk_params_declare(p, "w", true, 3, (int64_t[]){O, C, 3}, init), 0, bias, 1, 1,
                         s->relu);
    }
    if (s->keep) spk_g_keep(h);
    spk_tensor *y = spk_g_batch_norm(g, h, vector(p, "gamma", true, 1.3), vector(p, "beta", true, -0.2),
                                     vector(p, "mean", false, 0.1), vector(p, "var", false, 0.7),
                                     spk_params_declare_count(p, "count"), false, s->norm_relu);
    if (s->again)
        y = spk_g_batch_norm(g, y, NULL, NULL, vector(p, "mean", false, 0.1), vector(p, "var", false, 0.7),
                             spk_params_declare_count(p, "count"), false, false);
    if (s->twice) y = spk_g_add(g, y, h);
    if (s->concat) y = spk_g_concat(g, (spk_tensor *[]){y, spk_g_act(g, y, SPK_SIGMOID)}, 2);
    return spk_g_keep(y);
}

/* A plan's values with that variance, which is another in a run before. */
static void run(const shape *s, spk_dtype real, double var, double *out, int64_t *n, int *norms)
{
    spk_params *p = spk_params_new(real);
    spk_arena *arena = spk_arena_new();
    spk_tensor *x, *y;
    spk_graph *g = spk_graph_new();
    build(s, p, g, &x);
    spk_graph_free(g);
    assert_int_equal(spk_params_commit(p, 5), SPK_OK);
    g = spk_graph_new();
    y = build(s, p, g, &x);
    spk_plan *plan;
    const spk_plan_options o = {.real = real, .n_threads = 2};
    assert_int_equal(spk_plan_new(g, arena, &o, &plan), SPK_OK);
    float xf[N * T * F * C];
    double xd[N * T * F * C];
    for (int i = 0; i < N * T * F * C; i++)
        xd[i] = xf[i] = (float)sin(i + 1);
    spk_plan_bind(plan, x, real == SPK_F64 ? (void *)xd : (void *)xf);
    spk_plan_forward(plan, true);
    for (int c = 0; c < O; c++) {
        void *v = spk_params_find(p, "var")->data;
        if (real == SPK_F64)
            ((double *)v)[c] = (double)(float)var;
        else
            ((float *)v)[c] = (float)var;
    }
    spk_plan_forward(plan, false); /* the weights are the same, the statistics are not */
    const spk_view v = spk_plan_value(plan, y);
    *n = spk_rows(&v) * v.c;
    for (int64_t i = 0; i < *n; i++)
        out[i] = real == SPK_F64 ? ((double *)v.p)[i / v.c * v.ld + i % v.c]
                                 : (double)((float *)v.p)[i / v.c * v.ld + i % v.c];
    spk_profile profile = {0};
    spk_plan_profile_take(plan, &profile);
    *norms = 0;
    for (int i = 0; i < profile.n; i++)
        if (profile.row[i].op == SPK_OP_BATCH_NORM) *norms += (int)profile.row[i].n_ops;
    spk_profile_clear(&profile);
    spk_plan_free(plan);
    spk_arena_free(arena);
    spk_params_free(p);
}

static void folding_changes_no_value(void **state)
{
    static const shape shapes[] = {
        {"time", .norms = 0},
        {"time, relu behind", .norm_relu = true},
        {"time, no bias", .no_bias = true, .norm_relu = true},
        {"picture", .picture = true, .no_bias = true, .norm_relu = true},
        {"picture with bias", .picture = true},
        {"relu before", .relu = true, .norms = 1},
        {"picture, relu before", .picture = true, .relu = true, .norms = 1},
        {"read twice", .twice = true, .norms = 1},
        {"kept", .keep = true, .norms = 1},
        {"in a buffer", .concat = true, .norms = 1},
        {"two", .again = true, .norms = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double ours[N * T * F * O * 2], right[N * T * F * O * 2];
        int64_t n, m;
        int norms, apart;
        run(&shapes[i], SPK_F32, 1.9, ours, &n, &norms);
        run(&shapes[i], SPK_F64, 1.9, right, &m, &apart);
        assert_int_equal(n, m);
        assert_int_equal(apart, shapes[i].again ? 2 : 1);
        if (norms != shapes[i].norms) fail_msg("%s: %d normalisations are left", shapes[i].name, norms);
        for (int64_t k = 0; k < n; k++)
            if (!(fabs(ours[k] - right[k]) <= 2e-6 * (1 + fabs(right[k]))))
                fail_msg("%s: value %lld is %.9g, should be %.9g", shapes[i].name, (long long)k, ours[k], right[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(folding_changes_no_value)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
