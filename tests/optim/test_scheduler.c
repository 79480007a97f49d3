/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules against published check figures, a walk step by step, and refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "optim/optim_impl.h"

static spk_status make(const char *name, const char *conf, double lr0, spk_scheduler **s)
{
    spk_yaml *map = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf.yaml", &map), SPK_OK);
    const spk_status status = spk_scheduler_new(name, map, lr0, s);
    spk_yaml_free(map);
    return status;
}

typedef struct point {
    int64_t n;
    double lr;
} point;

static void check(const char *conf, const point *points)
{
    spk_scheduler *s;
    if (make("CosineAnnealingWarmupRestarts", conf, 0.5, &s) != SPK_OK) fail_msg("%s", spk_errmsg());
    for (; points->lr > 0; points++)
        if (!(fabs(spk_scheduler_lr(s, points->n) - points->lr) <= 1e-8 * points->lr))
            fail_msg("%s: n %lld: %.12g, want %.12g", conf, (long long)points->n, spk_scheduler_lr(s, points->n),
                     points->lr);
    spk_scheduler_free(s);
}

static void test_check_figures(void **state)
{
    (void)state;
    check("{first_cycle_steps: 10, warmup_steps: 3, max_lr: 1e-3, min_lr: 5e-6, gamma: 0.75}",
          (const point[]){{0, 5e-6},
                          {1, 3.36666667e-4},
                          {2, 6.68333333e-4},
                          {3, 1e-3},
                          {4, 9.50732012e-4},
                          {5, 8.12686176e-4},
                          {8, 1.92313824e-4},
                          {9, 5.42679882e-5},
                          {10, 5e-6},
                          {13, 7.5e-4},
                          {14, 7.13110903e-4},
                          {20, 5e-6},
                          {23, 5.625e-4},
                          {0, 0}});
    check(
        "{first_cycle_steps: 71280, warmup_steps: 1000, max_lr: 0.001, min_lr: 0.000005, gamma: 0.75, last_epoch: -1}",
        (const point[]){{0, 5e-6},
                        {1, 5.995e-6},
                        {500, 5.025e-4},
                        {1000, 1e-3},
                        {10000, 9.60279129e-4},
                        {36140, 5.025e-4},
                        {71279, 5.0000005e-6},
                        {71280, 5e-6},
                        {71281, 5.745e-6},
                        {72280, 7.5e-4},
                        {0, 0}});
    check("{first_cycle_steps: 5, cycle_mult: 2, warmup_steps: 1, max_lr: 1e-3, min_lr: 1e-5}",
          (const point[]){{0, 1e-5},
                          {1, 1e-3},
                          {2, 8.55017857e-4},
                          {3, 5.05e-4},
                          {5, 1e-5},
                          {6, 1e-3},
                          {7, 9.62320369e-4},
                          {13, 4.76796314e-5},
                          {14, 1e-5},
                          {15, 1e-3},
                          {16, 9.90488714e-4},
                          {0, 0}});
    check("{first_cycle_steps: 4, max_lr: 1e-3, min_lr: 5e-6, gamma: 0.5}",
          (const point[]){
              {0, 5e-6}, {1, 8.54285624e-4}, {2, 5.025e-4}, {3, 1.50714376e-4}, {4, 5e-4}, {8, 2.5e-4}, {0, 0}});
}

/* The rate at n against ESPnet's way of stepping a counter, with cycles that grow, shrink and stay. */
static void test_walk(void **state)
{
    (void)state;
    const double mults[] = {1, 1.3, 2, 0.5, 0.9};
    for (int m = 0; m < 5; m++) {
        char *conf = spk_strf(
            "{first_cycle_steps: 20, cycle_mult: %g, warmup_steps: 4, max_lr: 1, min_lr: 0.1, gamma: 0.9}", mults[m]);
        spk_scheduler *s;
        int64_t cycle = 0, length = 20, place = 0;
        assert_int_equal(make("cosineannealingwarmuprestarts", conf, 1, &s), SPK_OK);
        for (int64_t n = 0; n < 400; n++) {
            const double span = pow(0.9, (double)cycle) - 0.1;
            const double want = place < 4
                                    ? 0.1 + span * (double)place / 4
                                    : 0.1 + span * (1 + cos(acos(-1) * (double)(place - 4) / (double)(length - 4))) / 2;
            if (!(fabs(spk_scheduler_lr(s, n) - want) < 1e-12))
                fail_msg("%s: n %lld: %.12g, want %.12g", conf, (long long)n, spk_scheduler_lr(s, n), want);
            if (++place >= length) {
                cycle++;
                place -= length;
                length = (int64_t)((double)(length - 4) * mults[m]) + 4;
                length += length == 4; /* ESPnet's cycles may shrink to the warm-up alone; ours keep one step */
            }
        }
        assert_true(isfinite(spk_scheduler_lr(s, INT64_C(1) << 50))); /* and it returns at once */
        spk_scheduler_free(s);
        spk_free(conf);
    }
}

static void test_constant(void **state)
{
    (void)state;
    const char *const names[] = {NULL, "none", "Constant"};
    for (int i = 0; i < 3; i++) {
        spk_scheduler *s;
        assert_int_equal(make(names[i], "", 0.25, &s), SPK_OK);
        assert_true(spk_scheduler_lr(s, 0) == 0.25 && spk_scheduler_lr(s, 1000000) == 0.25);
        assert_string_equal(spk_scheduler_name(s), "constant");
        spk_scheduler_free(s);
    }
}

static void refused(const char *name, const char *conf, spk_status code, const char *part)
{
    spk_scheduler *s;
    assert_int_equal(make(name, conf, 0.1, &s), code);
    assert_null(s);
    print_message("  %s\n", spk_errmsg());
    if (!strstr(spk_errmsg(), part)) fail_msg("'%s' is not in: %s", part, spk_errmsg());
}

static void test_refusals(void **state)
{
    (void)state;
    refused("warmuplr", "", SPK_E_UNSUPPORTED, "warmuplr is not available");
    refused("cosineannealingwarmuprestart", "", SPK_E_CONFIG, "did you mean cosineannealingwarmuprestarts?");
    refused("cosineannealingwarmuprestarts", "max_lr: 1", SPK_E_CONFIG, "first_cycle_steps");
    refused("cosineannealingwarmuprestarts", "{first_cycle_steps: 10, warmup_steps: 10}", SPK_E_CONFIG,
            "less than first_cycle_steps");
    refused("cosineannealingwarmuprestarts", "{first_cycle_steps: 10, last_epoch: 5}", SPK_E_UNSUPPORTED, "last_epoch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_figures),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
