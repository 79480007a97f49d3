/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers against published check figures and plain loops; state, clipping, threads and refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "optim/optim_impl.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

static spk_optim *make(const char *name, const char *conf, int64_t n)
{
    spk_yaml *map = NULL;
    spk_optim *o = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf.yaml", &map), SPK_OK);
    if (spk_optim_new(name, map, n, &o) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_yaml_free(map);
    return o;
}

/* x0 = 1, five gradients, x after each step as PyTorch 2.11 gave it. */
static void test_check_figures(void **state)
{
    (void)state;
    const float gradients[5] = {.5F, -.3F, .2F, .4F, -.1F};
    const struct {
        const char *name, *conf;
        double x[5];
    } rows[] = {
        {"sgd", "lr: 0.1", {.95, .98, .96, .92, .93}},
        {"SGD",
         "{lr: 0.1, momentum: 0.9, weight_decay: 0.01}",
         {.949, .932151, .896054749, .822672068351, .765804983699}},
        {"sgd", "{lr: 0.1, momentum: 0.9, nesterov: true}", {.905, .9215, .87135, .768215, .7303935}},
        {"sgd", "{lr: 0.1, momentum: 0.9, dampening: 0.5}", {.95, .92, .883, .8297, .78673}},
        {"Adam", "lr: 0.1", {.900000002, .880850198942, .846107430791, .790581873163, .751445390182}},
        {"adam",
         "{lr: 0.1, weight_decay: 0.01}",
         {.900000001961, .87870124387, .841771629833, .784597925856, .743344314161}},
        {"adam", /* by hand: a large eps */
         "{lr: 0.1, betas: [0.8, 0.95], eps: 0.5}",
         {0.95, 0.943893755657, 0.930406716552, 0.905962386743, 0.891574029147}},
        {"adam", /* what adamw does */
         "{lr: 0.1, weight_decay: 0.01, decoupled_weight_decay: true}",
         {.899000002, .87895119894, .84332947959, .786960592483, .747037148909}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        spk_optim *o = make(rows[r].name, rows[r].conf, 1);
        float x = 1;
        near(spk_optim_lr(o), 0.1, 0);
        for (int i = 0; i < 5; i++) {
            const float doubled = 2 * gradients[i];
            spk_optim_step(o, &x, &doubled, 0.1, 0.5); /* the clip factor is part of the step */
            near((double)x, rows[r].x[i], 2e-6);
        }
        assert_int_equal(spk_optim_steps(o), 5);
        spk_optim_free(o);
    }
}

static void fill(float *x, int64_t n, uint64_t item)
{
    spk_rng rng = spk_rng_make(3, SPK_PURPOSE_TEST, 0, item, 0);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)spk_rng_normal(&rng);
}

static const char *const settings[][2] = {
    {"sgd", "{lr: 0.1}"},
    {"sgd", "{lr: 0.1, momentum: 0.9, weight_decay: 0.01}"},
    {"adam", "{lr: 0.1, weight_decay: 0.01}"},
    {"adam", "{lr: 0.1, amsgrad: true}"},
};

/* One thread or three, on a block that is large enough to be shared: the same bits. */
static void test_threads(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *g = spk_alloc(N * sizeof *g), *w[2] = {spk_alloc(N * sizeof *g), spk_alloc(N * sizeof *g)};
    const int threads = omp_get_max_threads();
    double norm[2][3];
    for (int s = 0; s < 4; s++) {
        for (int k = 0; k < 2; k++) {
            omp_set_num_threads(k ? 3 : 1);
            spk_optim *o = make(settings[s][0], settings[s][1], N);
            fill(w[k], N, 1);
            for (uint64_t i = 0; i < 3; i++) {
                fill(g, N, 2 + i);
                norm[k][i] = spk_grad_norm(g, N, 2);
                spk_optim_step(o, w[k], g, 0.1, spk_clip_factor(norm[k][i], 5));
            }
            spk_optim_free(o);
        }
        assert_memory_equal(w[0], w[1], N * sizeof *g);
        assert_memory_equal(norm[0], norm[1], sizeof norm[0]);
    }
    omp_set_num_threads(threads);
    spk_free(g);
    spk_free(w[0]);
    spk_free(w[1]);
}

/* A second optimiser that gets the first one's blocks and step count goes on to the same bits. */
static void test_state(void **state)
{
    (void)state;
    enum { N = 37 };
    const char *const names[][3] = {
        {NULL}, {"momentum_buffer"}, {"exp_avg", "exp_avg_sq"}, {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}};
    for (int s = 0; s < 4; s++) {
        float w[N], again[N], g[N];
        spk_optim *a = make(settings[s][0], settings[s][1], N), *b = make(settings[s][0], settings[s][1], N);
        spk_optim_block from[SPK_OPTIM_MAX_BLOCKS], to[SPK_OPTIM_MAX_BLOCKS];
        fill(w, N, 1);
        for (uint64_t i = 0; i < 3; i++) {
            fill(g, N, 2 + i);
            spk_optim_step(a, w, g, 0.1, 1);
        }
        const int n = spk_optim_blocks(a, from);
        assert_int_equal(n, s);
        assert_int_equal(spk_optim_blocks(b, to), n);
        for (int i = 0; i < n; i++) {
            assert_string_equal(from[i].name, names[s][i]);
            assert_int_equal(from[i].n, N);
            memcpy(to[i].v, from[i].v, N * sizeof *w);
        }
        spk_optim_set_steps(b, spk_optim_steps(a));
        memcpy(again, w, sizeof w);
        const int64_t allocations = spk_alloc_count();
        spk_optim_step(a, w, g, 0.1, 1);
        spk_optim_step(b, again, g, 0.1, 1);
        assert_int_equal(spk_alloc_count(), allocations); /* a step allocates nothing */
        assert_memory_equal(w, again, sizeof w);
        spk_optim_free(a);
        spk_optim_free(b);
    }
}

static void test_norm(void **state)
{
    (void)state;
    enum { N = 1001 };
    float g[N];
    double two = 0, one = 0, three = 0, largest = 0;
    fill(g, N, 9);
    for (int i = 0; i < N; i++) {
        const double x = fabs((double)g[i]);
        two += x * x;
        one += x;
        three += x * x * x;
        largest = fmax(largest, x);
    }
    near(spk_grad_norm(g, N, 2), sqrt(two), 1e-12 * sqrt(two));
    near(spk_grad_norm(g, N, 1), one, 1e-12 * one);
    near(spk_grad_norm(g, N, 3), cbrt(three), 1e-12 * cbrt(three));
    near(spk_grad_norm(g, N, INFINITY), largest, 0);
    near(spk_grad_norm(g, 0, 2), 0, 0);
    g[500] = 1e30F; /* its square is no float */
    near(spk_grad_norm(g, N, 2), 1e30, 1e23);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const double ps[] = {1, 2, 3, INFINITY};
    for (int i = 0; i < 3; i++)
        for (int p = 0; p < 4; p++) {
            g[500] = bad[i];
            assert_false(isfinite(spk_grad_norm(g, N, ps[p])));
        }
    near(spk_clip_factor(10, 5), 5 / (10 + 1e-6), 0);
    near(spk_clip_factor(4.9, 5), 1, 0);
    near(spk_clip_factor(100, 0), 1, 0);
}

static void refused(const char *name, const char *conf, spk_status code, const char *part)
{
    spk_yaml *map = NULL;
    spk_optim *o = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf.yaml", &map), SPK_OK);
    assert_int_equal(spk_optim_new(name, map, 4, &o), code);
    assert_null(o);
    print_message("  %s\n", spk_errmsg());
    if (!strstr(spk_errmsg(), part)) fail_msg("'%s' is not in: %s", part, spk_errmsg());
    assert_int_equal(spk_optim_check(name, map), code);
    spk_yaml_free(map);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("rmsprop", "", SPK_E_UNSUPPORTED, "rmsprop is not available");
    refused("adamm", "", SPK_E_CONFIG, "did you mean adam?");
    refused("adam", "weight_decy: 1", SPK_E_CONFIG, "weight_decay");
    refused("adam", "lr: -1", SPK_E_CONFIG, "at least 0");
    refused("adam", "\nbetas: [0.9, 1.0]", SPK_E_CONFIG, "conf.yaml:2:");
    refused("adam", "differentiable: true", SPK_E_UNSUPPORTED, "differentiable");
    refused("sgd", "nesterov: true", SPK_E_CONFIG, "nesterov needs a momentum");
    /* what a complete config.yaml of ESPnet's holds */
    spk_optim_free(
        make("adam",
             "{lr: 0.001, betas: [0.9, 0.999], eps: 1.0e-08, weight_decay: 0, amsgrad: false, foreach: null, "
             "maximize: false, capturable: false, differentiable: false, fused: null, "
             "decoupled_weight_decay: false}",
             4));
    spk_optim_free(make("sgd",
                        "{lr: 0.001, momentum: 0, dampening: 0, weight_decay: 0, nesterov: false, maximize: false, "
                        "foreach: null, differentiable: false, fused: null}",
                        4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_figures), cmocka_unit_test(test_threads),  cmocka_unit_test(test_state),
        cmocka_unit_test(test_norm),          cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
