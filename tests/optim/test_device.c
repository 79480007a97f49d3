/* SPDX-License-Identifier: Apache-2.0 */
/* Steps and norms on a device against those here; its state through checkpoints' copies. With SPK_DEVICE=emulated (or cuda). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/device_impl.h"
#include "optim/kind_impl.h"

enum { N = 40037, ODD_N = 1003, STEPS = 6 };
static spk_device *device;

static spk_optim *make_of(const char *name, const char *conf, spk_dtype real, int64_t n)
{
    spk_yaml *map = NULL;
    spk_optim *o = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf.yaml", &map), SPK_OK);
    if (spk_optim_new_of(name, map, real, n, &o) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_yaml_free(map);
    return o;
}

/* Biases, which do not decay, between weights, which have another rate at the end. */
static void divide(spk_optim *o, int64_t n, const char *freeze)
{
    const spk_optim_param params[] = {{"encoder.weight", 0, n / 2 - 1, 2},
                                      {"encoder.bias", n / 2, 15, 1},
                                      {"encoder.next.weight", n / 2 + 16, 64, 2},
                                      {"loss.weight", n / 2 + 80, n - n / 2 - 80, 2}};
    const spk_optim_group_conf conf = {.exclude_weight_decay = true, .lr_scale = "loss=3", .freeze_steps = freeze};
    assert_int_equal(spk_optim_set_groups(o, params, 4, &conf), SPK_OK);
    assert_int_equal(spk_optim_n_groups(o), 3);
}

static float *random_floats(int64_t n, uint64_t seed, double size)
{
    float *x = spk_new((size_t)n * sizeof *x);
    spk_rng rng = spk_rng_make(seed, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(size * (2 * spk_rng_uniform(&rng) - 1));
    return x;
}

static void *there(const void *x, size_t bytes)
{
    void *p = device->t->alloc(device->self, bytes);
    assert_non_null(p);
    spk_device_put(device, p, x, bytes);
    return p;
}

static void assert_near(const char *what, const float *x, const float *right, int64_t n)
{
    double largest = 1e-30;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)right[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)right[i]) <= 1e-6 * largest))
            fail_msg("%s[%lld] is %.9g, should be %.9g", what, (long long)i, (double)x[i], (double)right[i]);
}

/* The device's weights and state against those here. */
static void compare(const char *name, spk_optim *o, const float *w_there, spk_optim *right, const float *w)
{
    const int64_t n = spk_optim_count(o);
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS], want[SPK_OPTIM_MAX_BLOCKS];
    float *here = spk_new((size_t)n * sizeof *here);
    spk_device_get(device, here, w_there, (size_t)n * sizeof *here);
    assert_near(name, here, w, n);
    spk_optim_pull(o);
    const int n_blocks = spk_optim_blocks(o, block);
    assert_int_equal(n_blocks, spk_optim_blocks(right, want));
    for (int i = 0; i < n_blocks; i++)
        assert_near(block[i].name, block[i].v, want[i].v, n);
    spk_free(here);
}

/* The state of `from`, as a checkpoint keeps it, in a new optimiser. */
static spk_optim *resumed(const char *name, const char *conf, spk_optim *from, bool divided)
{
    const int64_t n = spk_optim_count(from);
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS], kept[SPK_OPTIM_MAX_BLOCKS];
    spk_optim *o = make_of(name, conf, SPK_F32, n);
    if (divided) divide(o, n, NULL);
    assert_int_equal(spk_optim_use_device(o, device), SPK_OK);
    spk_optim_pull(from);
    const int n_blocks = spk_optim_blocks(from, kept);
    assert_int_equal(spk_optim_blocks(o, block), n_blocks);
    for (int i = 0; i < n_blocks; i++)
        memcpy(block[i].v, kept[i].v, (size_t)n * sizeof(float));
    spk_optim_push(o);
    spk_optim_set_steps(o, spk_optim_steps(from));
    spk_optim_free(from);
    return o;
}

static void check_steps(const char *name, const char *conf, int64_t n, bool divided)
{
    const size_t bytes = (size_t)n * sizeof(float);
    spk_optim *right = make_of(name, conf, SPK_F32, n), *o = make_of(name, conf, SPK_F32, n);
    float *w = random_floats(n, 1, 1);
    float *w_there = there(w, bytes);
    if (divided) {
        divide(right, n, NULL);
        divide(o, n, NULL);
    }
    assert_true(spk_optim_fits_device(o));
    assert_int_equal(spk_optim_use_device(o, device), SPK_OK);
    for (int step = 0; step < STEPS; step++) {
        float *g = random_floats(n, 2 + (uint64_t)step, 0.3);
        float *g_there = there(g, bytes);
        const double lr = 0.01 * (1 + step), scale = step == 2 ? 0.25 : 1;
        if (step == 3) o = resumed(name, conf, o, divided);
        const double norm = spk_optim_grad_norm(right, g, 2), norm_there = spk_optim_grad_norm(o, g_there, 2);
        assert_true(fabs(norm - norm_there) <= 1e-12 * norm);
        spk_optim_step(right, w, g, lr, scale);
        spk_optim_step(o, w_there, g_there, lr, scale);
        compare(name, o, w_there, right, w);
        device->t->free(device->self, g_there);
        spk_free(g);
    }
    device->t->free(device->self, w_there);
    spk_optim_free(o);
    spk_optim_free(right);
    spk_free(w);
}

static const struct {
    const char *name, *conf;
} rows[] = {
    {"sgd", "lr: 0.1"},
    {"sgd", "{lr: 0.1, momentum: 0.9, weight_decay: 0.1}"},
    {"sgd", "{lr: 0.1, momentum: 0.9, dampening: 0.5, maximize: true}"},
    {"sgd", "{lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.1}"},
    {"adam", "lr: 0.1"},
    {"adam", "{lr: 0.1, weight_decay: 0.1, betas: [0.8, 0.95], eps: 0.01, amsgrad: true}"},
    {"adam", "{lr: 0.1, weight_decay: 0.1, decoupled_weight_decay: true}"},
    {"adamw", "{lr: 0.1, weight_decay: 0.2}"},
};

static void test_steps(void **state)
{
    (void)state;
    for (int i = 0; i < SPK_COUNT(rows); i++) {
        check_steps(rows[i].name, rows[i].conf, N, false);
        check_steps(rows[i].name, rows[i].conf, ODD_N, true);
    }
}

/* Places that are not aligned to whole packs. */
static void test_unaligned(void **state)
{
    (void)state;
    spk_optim *o = make_of("adam", "lr: 0.1", SPK_F32, ODD_N), *right = make_of("adam", "lr: 0.1", SPK_F32, ODD_N);
    float *w = random_floats(ODD_N + 1, 1, 1), *g = random_floats(ODD_N + 1, 2, 1);
    float *w_there = there(w, (ODD_N + 1) * sizeof *w), *g_there = there(g, (ODD_N + 1) * sizeof *g);
    assert_int_equal(spk_optim_use_device(o, device), SPK_OK);
    spk_optim_step(right, w + 1, g + 1, 0.1, 1);
    spk_optim_step(o, w_there + 1, g_there + 1, 0.1, 1);
    compare("unaligned", o, w_there + 1, right, w + 1);
    device->t->free(device->self, w_there);
    device->t->free(device->self, g_there);
    spk_optim_free(o);
    spk_optim_free(right);
    spk_free(w);
    spk_free(g);
}

static double norm_there(const float *g, int64_t n, double p)
{
    float *copy = there(g, (size_t)n * sizeof *g);
    const double norm = device->t->norm(device->self, copy, n, p);
    assert_true(memcmp(&norm, &(double){device->t->norm(device->self, copy, n, p)}, sizeof norm) == 0);
    device->t->free(device->self, copy);
    return norm;
}

static void test_norms(void **state)
{
    (void)state;
    const double ps[] = {2, 1, INFINITY, 3, 0.5};
    const int64_t ns[] = {1, 300, N};
    for (int i = 0; i < SPK_COUNT(ns); i++) {
        float *g = random_floats(ns[i], 9, 5);
        for (int k = 0; k < SPK_COUNT(ps); k++) {
            const double want = spk_grad_norm(g, ns[i], ps[k]), norm = norm_there(g, ns[i], ps[k]);
            if (!(fabs(norm - want) <= 1e-10 * want)) fail_msg("p %g: %.17g, should be %.17g", ps[k], norm, want);
        }
        spk_free(g);
    }
    for (int k = 0; k < SPK_COUNT(ps); k++)
        for (int bad = 0; bad < 2; bad++) {
            float *g = random_floats(N, 9, 5);
            g[777] = bad ? (float)NAN : (float)INFINITY;
            assert_false(isfinite(norm_there(g, N, ps[k])));
            spk_free(g);
        }
}

/* A momentum that a schedule brings before the first step needs a block there too. */
static void test_late_momentum(void **state)
{
    (void)state;
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    spk_optim *o = make_of("sgd", "lr: 0.1", SPK_F32, 3);
    float w[3] = {1, 2, 3}, g[3] = {1, 1, 1};
    float *w_there = there(w, sizeof w), *g_there = there(g, sizeof g);
    assert_int_equal(spk_optim_use_device(o, device), SPK_OK);
    assert_int_equal(spk_optim_set_momentum(o, 0.5), SPK_OK);
    spk_optim_step(o, w_there, g_there, 1, 1);
    spk_optim_step(o, w_there, g_there, 1, 1);
    spk_device_get(device, w, w_there, sizeof w);
    assert_true(fabs((double)w[1] - (2 - 1 - 1.5)) < 1e-6);
    spk_optim_pull(o);
    assert_int_equal(spk_optim_blocks(o, block), 1);
    assert_true(fabs((double)((float *)block[0].v)[2] - 1.5) < 1e-6);
    device->t->free(device->self, w_there);
    device->t->free(device->self, g_there);
    spk_optim_free(o);
}

static void test_what_fits(void **state)
{
    (void)state;
    spk_optim *o = make_of("adadelta", "lr: 1", SPK_F32, 1000);
    assert_false(spk_optim_fits_device(o));
    spk_optim_free(o);
    o = make_of("adam", "lr: 1", SPK_F64, 1000);
    assert_false(spk_optim_fits_device(o));
    spk_optim_free(o);
    o = make_of("adam", "lr: 1", SPK_F32, 1000);
    assert_true(spk_optim_fits_device(o));
    divide(o, 1000, "loss=5");
    assert_false(spk_optim_fits_device(o));
    spk_optim_free(o);
    o = make_of("adam", "lr: 1", SPK_F32, 1 << 17);
    assert_int_equal(spk_optim_keep_part(o, 0, 2), SPK_OK);
    assert_false(spk_optim_fits_device(o));
    spk_optim_pull(o);
    spk_optim_push(o);
    spk_optim_free(o);
}

int main(void)
{
    if (!getenv("SPK_DEVICE")) {
        print_message("skipped: SPK_DEVICE is not set\n");
        return 77;
    }
    if (spk_device_open(&(spk_device_options){0}, &device) != SPK_OK) {
        print_message("skipped: %s\n", spk_errmsg());
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),         cmocka_unit_test(test_unaligned), cmocka_unit_test(test_norms),
        cmocka_unit_test(test_late_momentum), cmocka_unit_test(test_what_fits),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    spk_device_close(device);
    return failed;
}
