/* SPDX-License-Identifier: Apache-2.0 */
/* Weights after each of 40 steps and rates over 80 steps as PyTorch and ESPnet gave them: golden/optim.npz and
 * golden/schedulers.npz, to 1e-5 of an array's largest value. The settings are those of golden/optim_cases.yaml. */
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

static void test_optimisers(void **state)
{
    (void)state;
    const char *const names[] = {"sgd", "sgd_momentum", "sgd_nesterov", "adam", "adam_wd", "adam_amsgrad"};
    spk_tensors t = {0};
    spk_yaml *cases = NULL;
    if (!load("optim", &t, &cases)) skip();
    const float *grads = array(&t, "", "grads", STEPS * N);
    for (int c = 0; c < 6; c++) {
        const spk_yaml *one = spk_yaml_get(spk_yaml_get(cases, "optim"), names[c]);
        const float *want = array(&t, "weights/", names[c], STEPS * N);
        double got[STEPS * N], wanted[STEPS * N];
        float w[N];
        spk_optim *o;
        assert_non_null(one);
        if (spk_optim_new(spk_yaml_get(one, "optim")->text, spk_yaml_get(one, "optim_conf"), N, &o) != SPK_OK)
            fail_msg("%s", spk_errmsg());
        memcpy(w, array(&t, "", "w0", N), sizeof w);
        for (int i = 0; i < STEPS; i++) {
            spk_optim_step(o, w, grads + (ptrdiff_t)i * N, spk_optim_lr(o), 1);
            for (int k = 0; k < N; k++) {
                got[i * N + k] = (double)w[k];
                wanted[i * N + k] = (double)want[i * N + k];
            }
        }
        spk_optim_free(o);
        print_message("%-14s %.1e\n", names[c], error_of(got, wanted, STEPS * N));
        assert_true(error_of(got, wanted, STEPS * N) <= 1e-5);
    }
    spk_yaml_free(cases);
    spk_tensors_clear(&t);
}

static void test_schedules(void **state)
{
    (void)state;
    const char *const names[] = {"cosineannealingwarmuprestarts", "cosineannealingwarmuprestarts_mult"};
    spk_tensors t = {0};
    spk_yaml *cases = NULL;
    if (!load("schedulers", &t, &cases)) skip();
    for (int c = 0; c < 2; c++) {
        const spk_yaml *one = spk_yaml_get(spk_yaml_get(cases, "scheduler"), names[c]);
        double got[RATES];
        spk_scheduler *s;
        assert_non_null(one);
        if (spk_scheduler_new(spk_yaml_get(one, "scheduler")->text, spk_yaml_get(one, "scheduler_conf"), 0.001, &s) !=
            SPK_OK)
            fail_msg("%s", spk_errmsg());
        for (int n = 0; n < RATES; n++)
            got[n] = spk_scheduler_lr(s, n);
        spk_scheduler_free(s);
        print_message("%-34s %.1e\n", names[c], error_of(got, array(&t, "lr/", names[c], RATES), RATES));
        assert_true(error_of(got, array(&t, "lr/", names[c], RATES), RATES) <= 1e-5);
    }
    spk_yaml_free(cases);
    spk_tensors_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_optimisers), cmocka_unit_test(test_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
