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

static spk_optim *make_of(const char *name, const char *conf, spk_dtype real, int64_t n)
{
    spk_yaml *map = NULL;
    spk_optim *o = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf.yaml", &map), SPK_OK);
    if (spk_optim_new_of(name, map, real, n, &o) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_yaml_free(map);
    return o;
}

static spk_optim *make(const char *name, const char *conf, int64_t n)
{
    return make_of(name, conf, SPK_F32, n);
}

static spk_optim *make_f64(const char *name, const char *conf, int64_t n)
{
    return make_of(name, conf, SPK_F64, n);
}

/* x0 = 1, five gradients, x after each step as PyTorch 2.11 gave it in double, to twelve digits. */
static void test_check_figures(void **state)
{
    (void)state;
    const double gradients[5] = {.5, -.3, .2, .4, -.1};
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
        {"adamw", "lr: 0.1", {.899000002, .87895119894, .84332947959, .786960592483, .747037148909}},
        {"RAdam", "lr: 0.1", {.95, .942105263158, .929743639542, .909345267922, .896370004803}},
        {"radam", /* decay apart from the gradient */
         "{lr: 0.1, weight_decay: 0.5, decoupled_weight_decay: true}",
         {.9, .847105263158, .792388376384, .732370585945, .682776793528}},
        {"adadelta", "lr: 1.0", {.996837785583, .999228180956, .997480128699, .994426222624, .995330151333}},
        {"adagrad", "lr: 0.01", {.990000000002, .995144957555, .991900529133, .986457218595, .987805618319}},
        {"adagrad", /* by hand: 1/2, 1/3, ... of the rate, a sum that begins at 0.75 */
         "{lr: 0.1, lr_decay: 1, initial_accumulator_value: 0.75}",
         {.950000000005, .964367394282, .958095921827, .949291412764, .951045528803}},
        {"rmsprop", "lr: 0.01", {.90000002, .951639789061, .918941761185, .864017423717, .877688119436}},
        {"rmsprop",
         "{lr: 0.01, momentum: 0.9, centered: true}",
         {.899496238676, .860711737548, .793039938505, .67688568865, .58607723053}},
        {"adamax", /* by hand: u falls by a thousandth a step, so m / u is what matters */
         "lr: 0.01",
         {.9900000002, .988419472335, .985942195585, .981850257801, .979244799017}},
        {"asgd", /* eta is lr / (1 + lambd lr (t - 1))^alpha, as a float */
         "{lr: 0.1, lambd: 0.1, alpha: 1, t0: 2}",
         {.939999999106, .960396038780, .931372547728, .883495145743, .884615384746}},
        {"rprop", /* by hand: a step of 0.1; it turns, rests, goes on, turns, rests */
         "lr: 0.1",
         {.9, .9, .85, .79, .79}},
        {"adam",
         "{lr: 0.1, maximize: true}",
         {1.099999998, 1.119149801058, 1.153892569209, 1.209418126837, 1.248554609818}},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        spk_optim *o = make(rows[r].name, rows[r].conf, 1), *wide = make_f64(rows[r].name, rows[r].conf, 1);
        float x = 1;
        double y = 1;
        const double rate = spk_optim_lr(o);
        assert_true(spk_optim_real(o) == SPK_F32 && spk_optim_real(wide) == SPK_F64);
        for (int i = 0; i < 5; i++) {
            const double doubled = 2 * gradients[i];
            const float narrow = (float)doubled;
            spk_optim_step(o, &x, &narrow, rate, 0.5); /* the clip factor is part of the step */
            spk_optim_step(wide, &y, &doubled, rate, 0.5);
            near((double)x, rows[r].x[i], 2e-6);
            near(y, rows[r].x[i], 1e-12);
        }
        assert_int_equal(spk_optim_steps(o), 5);
        spk_optim_free(o);
        spk_optim_free(wide);
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
    {"adamw", "{lr: 0.1}"},
    {"adadelta", "{}"},
    {"adagrad", "{initial_accumulator_value: 0.5}"},
    {"adamax", "{weight_decay: 0.01}"},
    {"asgd", "{t0: 1}"},
    {"rmsprop", "{}"},
    {"rmsprop", "{centered: true, momentum: 0.9}"},
    {"rprop", "{}"},
    {"radam", "{weight_decay: 0.01}"},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* One thread or three, on a block that is large enough to be shared: the same bits. */
static void test_threads(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *g = spk_alloc(N * sizeof *g), *w[2] = {spk_alloc(N * sizeof *g), spk_alloc(N * sizeof *g)};
    const int threads = omp_get_max_threads();
    double norm[2][3];
    for (int s = 0; s < SETTINGS; s++) {
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
    static const char *const names[SETTINGS][4] = {{NULL},
                                                   {"momentum_buffer"},
                                                   {"exp_avg", "exp_avg_sq"},
                                                   {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
                                                   {"exp_avg", "exp_avg_sq"},
                                                   {"square_avg", "acc_delta"},
                                                   {"sum"},
                                                   {"exp_avg", "exp_inf"},
                                                   {"ax"},
                                                   {"square_avg"},
                                                   {"square_avg", "grad_avg", "momentum_buffer"},
                                                   {"prev", "step_size"},
                                                   {"exp_avg", "exp_avg_sq"}};
    for (int s = 0; s < SETTINGS; s++) {
        float w[N], again[N], g[N];
        spk_optim *a = make(settings[s][0], settings[s][1], N), *b = make(settings[s][0], settings[s][1], N);
        spk_optim_block from[SPK_OPTIM_MAX_BLOCKS], to[SPK_OPTIM_MAX_BLOCKS];
        fill(w, N, 1);
        for (uint64_t i = 0; i < 3; i++) {
            fill(g, N, 2 + i);
            spk_optim_step(a, w, g, 0.1, 1);
        }
        const int n = spk_optim_blocks(a, from);
        int n_names = 0;
        while (names[s][n_names])
            n_names++;
        assert_int_equal(n, n_names);
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
    refused("lbfgs", "", SPK_E_UNSUPPORTED, "lbfgs is not available");
    refused("yogi", "", SPK_E_UNSUPPORTED, "yogi is not available");
    refused("rprop", "etas: [0.5, 0.9]", SPK_E_CONFIG, "etas: 0.9 is not above 1");
    refused("rprop", "step_sizes: [0.1, 0.01]", SPK_E_CONFIG, "step_sizes: 0.01");
    refused("rmsprop", "alpha: 1.5", SPK_E_CONFIG, "alpha");
    refused("adamw", "decoupled_weight_decay: true", SPK_E_CONFIG, "decoupled_weight_decay");
    refused("radam", "betas: [1, 0.9]", SPK_E_CONFIG, "betas: 1 is not in");
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
    spk_optim_free(make("adadelta",
                        "{lr: 1.0, rho: 0.9, eps: 1.0e-06, weight_decay: 0, foreach: null, capturable: false, "
                        "maximize: false, differentiable: false}",
                        4));
    spk_optim_free(make("adagrad",
                        "{lr: 0.01, lr_decay: 0, weight_decay: 0, initial_accumulator_value: 0, eps: 1.0e-10, "
                        "foreach: null, maximize: false, differentiable: false, fused: null}",
                        4));
    spk_optim_free(make("rprop",
                        "{lr: 0.01, etas: [0.5, 1.2], step_sizes: [1.0e-06, 50], capturable: false, foreach: null, "
                        "maximize: false, differentiable: false}",
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
