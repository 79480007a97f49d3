/* SPDX-License-Identifier: Apache-2.0 */
/* Weights after each of 40 steps, rates and momenta over 80 steps as PyTorch and ESPnet gave them: every case of
 * golden/optim.npz and golden/schedulers.npz, to 1e-5 of an array's largest value. The settings are those of
 * golden/optim_cases.yaml. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "optim/optim_impl.h"
#include "spk/arrays.h"

enum { STEPS = 40, N = 24, RATES = 80 };

/* golden/NAME.npz and the section of optim_cases.yaml; false: not there. */
static bool load(const char *name, spk_tensors *arrays, spk_yaml **cases)
{
    char *file = spk_strf("golden/%s.npz", name), *path = golden_path(file);
    char *yaml = path ? golden_path("golden/optim_cases.yaml") : NULL;
    if (yaml && (spk_npz_read(path, arrays) != SPK_OK || spk_yaml_load(yaml, cases) != SPK_OK))
        fail_msg("%s", spk_errmsg());
    const bool there = yaml != NULL;
    spk_free(file);
    spk_free(path);
    spk_free(yaml);
    return there;
}

static const void *array(const spk_tensors *t, const char *group, const char *name, int64_t n)
{
    char *key = spk_strf("%s%s", group, name);
    const spk_ndarray *a = spk_tensors_find(t, key);
    if (!a || spk_ndarray_count(a) != n) fail_msg("no %s of %lld values", key, (long long)n);
    spk_free(key);
    return a->data;
}

static double error_of(const double *got, const double *want, int64_t n)
{
    double error = 0, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        error = fmax(error, fabs(got[i] - want[i]));
        scale = fmax(scale, fabs(want[i]));
    }
    return error / scale;
}

/* One case of weights, in float or in double: the error over all steps. */
static double optim_error(const spk_tensors *t, const spk_yaml *one, const char *name, spk_dtype real)
{
    const float *grads = array(t, "", "grads", STEPS * N), *want = array(t, "weights/", name, STEPS * N);
    const float *w0 = array(t, "", "w0", N);
    double got[STEPS * N], wanted[STEPS * N], w[N], g[N];
    float narrow_w[N], narrow_g[N];
    spk_optim *o;
    if (spk_optim_new_of(spk_yaml_get(one, "optim")->text, spk_yaml_get(one, "optim_conf"), real, N, &o) != SPK_OK)
        fail_msg("%s: %s", name, spk_errmsg());
    for (int k = 0; k < N; k++)
        w[k] = (double)(narrow_w[k] = w0[k]);
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < N; k++)
            g[k] = (double)(narrow_g[k] = grads[i * N + k]);
        if (real == SPK_F64)
            spk_optim_step(o, w, g, spk_optim_lr(o), 1);
        else
            spk_optim_step(o, narrow_w, narrow_g, spk_optim_lr(o), 1);
        for (int k = 0; k < N; k++) {
            got[i * N + k] = real == SPK_F64 ? w[k] : (double)narrow_w[k];
            wanted[i * N + k] = (double)want[i * N + k];
        }
    }
    spk_optim_free(o);
    return error_of(got, wanted, STEPS * N);
}

/* How many arrays of a group the file has: none may be left out. */
static int64_t count_group(const spk_tensors *t, const char *group)
{
    int64_t n = 0;
    for (int64_t i = 0; i < t->n; i++)
        n += spk_starts_with(t->item[i].name, group);
    return n;
}

static void test_optimisers(void **state)
{
    (void)state;
    spk_tensors t = {0};
    spk_yaml *cases = NULL;
    if (!load("optim", &t, &cases)) skip();
    const spk_yaml *all = spk_yaml_get(cases, "optim");
    assert_int_equal(all->n, count_group(&t, "weights/"));
    for (int64_t c = 0; c < all->n; c++) {
        const double error = optim_error(&t, all->item[c], all->key[c], SPK_F32);
        const double wide = optim_error(&t, all->item[c], all->key[c], SPK_F64); /* the figures themselves are float */
        print_message("%-34s %.1e, in double %.1e\n", all->key[c], error, wide);
        assert_true(error <= 1e-5 && wide <= 1e-6);
    }
    spk_yaml_free(cases);
    spk_tensors_clear(&t);
}

/* One case of rates and momenta: an epoch is a step there, and a value of the criterion is given after each. */
static double scheduler_error(const spk_tensors *t, const spk_yaml *one, const char *name)
{
    const double *values = array(t, "", "val_criterion", RATES);
    double lr[RATES], momentum[RATES], lr0 = 0;
    spk_scheduler *s;
    spk_optim *o;
    assert_true(spk_yaml_double(spk_yaml_get(one, "lr"), &lr0));
    char *conf = spk_strf("{lr: %.9g, momentum: 0.9}", lr0);
    spk_yaml *map = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf", &map), SPK_OK);
    assert_int_equal(spk_optim_new("sgd", map, 1, &o), SPK_OK);
    if (spk_scheduler_new(spk_yaml_get(one, "scheduler")->text, spk_yaml_get(one, "scheduler_conf"), lr0, &s) != SPK_OK)
        fail_msg("%s: %s", name, spk_errmsg());
    assert_int_equal(spk_scheduler_bind(s, o), SPK_OK);
    for (int n = 0; n < RATES; n++) {
        lr[n] = spk_scheduler_apply(s, o, (spk_schedule_place){n, n});
        momentum[n] = spk_optim_momentum(o);
        spk_scheduler_take_value(s, values[n]);
    }
    spk_scheduler_free(s);
    spk_optim_free(o);
    spk_yaml_free(map);
    spk_free(conf);
    return fmax(error_of(lr, array(t, "lr/", name, RATES), RATES),
                error_of(momentum, array(t, "momentum/", name, RATES), RATES));
}

static void test_schedules(void **state)
{
    (void)state;
    spk_tensors t = {0};
    spk_yaml *cases = NULL;
    if (!load("schedulers", &t, &cases)) skip();
    const spk_yaml *all = spk_yaml_get(cases, "scheduler");
    assert_int_equal(all->n, count_group(&t, "lr/"));
    assert_int_equal(all->n, count_group(&t, "momentum/"));
    for (int64_t c = 0; c < all->n; c++) {
        const double error = scheduler_error(&t, all->item[c], all->key[c]);
        print_message("%-34s %.1e\n", all->key[c], error);
        assert_true(error <= 1e-5);
    }
    spk_yaml_free(cases);
    spk_tensors_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_optimisers), cmocka_unit_test(test_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
