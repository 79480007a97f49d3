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

/* Steps and epochs are the same here. */
static double at(const spk_scheduler *s, int64_t n)
{
    return spk_scheduler_lr(s, (spk_schedule_place){n, n});
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
        if (!(fabs(at(s, points->n) - points->lr) <= 1e-8 * points->lr))
            fail_msg("%s: n %lld: %.12g, want %.12g", conf, (long long)points->n, at(s, points->n), points->lr);
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
            if (!(fabs(at(s, n) - want) < 1e-12))
                fail_msg("%s: n %lld: %.12g, want %.12g", conf, (long long)n, at(s, n), want);
            if (++place >= length) {
                cycle++;
                place -= length;
                length = (int64_t)((double)(length - 4) * mults[m]) + 4;
                length += length == 4; /* ESPnet's cycles may shrink to the warm-up alone; ours keep one step */
            }
        }
        assert_true(isfinite(at(s, INT64_C(1) << 50))); /* and it returns at once */
        spk_scheduler_free(s);
        spk_free(conf);
    }
}

/* Rates from step 0 on, as ESPnet and PyTorch gave them, and by hand where this program does better. */
static void test_rates(void **state)
{
    (void)state;
    static const struct {
        const char *name, *conf;
        double lr0, rate[12];
    } rows[] = {
        {"WarmupLR",
         "warmup_steps: 4",
         1e-3,
         {2.5e-4, 5e-4, 7.5e-4, 1e-3, 8.94427191e-4, 8.16496581e-4, 7.55928946e-4}},
        {"warmuplr", "warmup_steps: 0", 1, {1, 0.70710678119, 0.57735026919, 0.5}},
        {"noamlr",
         "{model_size: 320, warmup_steps: 4}",
         1,
         {6.98771243e-3, 1.39754249e-2, 2.09631373e-2, 2.79508497e-2, 2.5e-2}},
        {"piecewiselinearwarmuplr",
         "{warmup_steps_list: [0, 2, 6], warmup_lr_list: [0, 1e-4, 1e-3]}",
         1e-3,
         {5e-5, 1e-4, 3.25e-4, 5.5e-4, 7.75e-4, 1e-3, 9.258201e-4}},
        {"warmupsteplr",
         "{warmup_steps: 4, steps_per_epoch: 3, step_size: 1, gamma: 0.1}",
         1e-3,
         {2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-5}},
        {"tristagelr",
         "{max_steps: 10, warmup_ratio: 0.2, hold_ratio: 0.3, decay_ratio: 0.5, init_lr_scale: 0.01, "
         "final_lr_scale: 0.05}",
         1e-3,
         {5.05e-4, 1e-3, 1e-3, 1e-3, 1e-3, 5.49280272e-4, 3.01708817e-4, 1.65722701e-4, 9.10282102e-5, 5e-5, 5e-5}},
        {"ExponentialDecayWarmup", /* by hand: begins at max_lr / 4 */
         "{max_lr: 0.1, min_lr: 5e-5, total_steps: 20, warmup_steps: 4, warm_from_zero: true}",
         1,
         {.025, .05, .075, .1, .1, 6.21849981e-2, 3.86697399e-2}},
        {"exponentialdecaywarmup",
         "{max_lr: 0.1, min_lr: 5e-5, total_steps: 6, warmup_steps: 4}",
         1,
         {.1, 1, 1, 1, .1, 2.2360679775e-3, 5e-5, 5e-5, 5e-5}}, /* by hand: it ends at min_lr */
        {"onecyclelr",
         "{max_lr: 0.01, total_steps: 10}",
         1,
         {4e-4, 5.2e-3, 1e-2, 9.50484632e-3, 8.11745654e-3, 6.11262022e-3, 3.88741978e-3, 1.88258346e-3, 4.9519368e-4,
          4e-8, 4e-8, 4e-8}}, /* and stays there */
        {"onecyclelr",        /* by hand: the same way down, then a line to 1 / 10 */
         "{max_lr: 1, epochs: 2, steps_per_epoch: 5, pct_start: 0.3, anneal_strategy: linear, div_factor: 2, "
         "final_div_factor: 10, three_phase: true}",
         1,
         {0.5, 0.75, 1, 0.75, 0.5, 0.41, 0.32, 0.23, 0.14, 0.05}},
        {"cycliclr",
         "{base_lr: 1e-4, max_lr: 1e-3, step_size_up: 4}",
         1,
         {1e-4, 3.25e-4, 5.5e-4, 7.75e-4, 1e-3, 7.75e-4}},
        {"cycliclr", /* by hand */
         "{base_lr: 1, max_lr: 3, step_size_up: 2, step_size_down: 1, mode: exp_range, gamma: 0.5}",
         1,
         {1, 1.5, 1.5, 1, 1.0625, 1.0625, 1}},
        {"cosineannealingwarmrestarts",
         "{T_0: 4, eta_min: 1e-5}",
         1e-3,
         {1e-3, 8.55017857e-4, 5.05e-4, 1.54982143e-4, 1e-3}},
        {"cosineannealingwarmrestarts", "{T_0: 1, T_mult: 2}", 2, {2, 2, 1, 2, 1.70710678119, 1, 0.29289321881, 2}},
        {"cosineannealinglr", "{T_max: 2, eta_min: 1}", 3, {3, 2, 1, 2, 3, 2, 1}},
        {"steplr", "{step_size: 2, gamma: 0.5}", 8, {8, 8, 4, 4, 2, 2, 1}},
        {"multisteplr", "{milestones: [3, 1, 3], gamma: 0.5}", 8, {8, 4, 4, 1, 1}},
        {"exponentiallr", "gamma: 0.5", 8, {8, 4, 2, 1}},
        {"warmupreducelronplateau", "warmup_steps: 4", 1e-3, {2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3}}, /* by hand */
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        spk_scheduler *s;
        if (make(rows[r].name, rows[r].conf, rows[r].lr0, &s) != SPK_OK) fail_msg("%s", spk_errmsg());
        for (int n = 0; n < 12 && rows[r].rate[n] > 0; n++)
            if (!(fabs(at(s, n) - rows[r].rate[n]) <= 1e-8 * rows[r].rate[n]))
                fail_msg("%s: n %d: %.12g, want %.12g", rows[r].name, n, at(s, n), rows[r].rate[n]);
        spk_scheduler_free(s);
    }
}

/* What each family counts. */
static void test_families(void **state)
{
    (void)state;
    static const struct {
        const char *name, *conf;
        spk_scheduler_family family;
    } rows[] = {
        {"steplr", "step_size: 1", SPK_SCHEDULE_EPOCH},
        {"multisteplr", "milestones: [1]", SPK_SCHEDULE_EPOCH},
        {"exponentiallr", "gamma: 0.5", SPK_SCHEDULE_EPOCH},
        {"cosineannealinglr", "T_max: 5", SPK_SCHEDULE_EPOCH},
        {"noamlr", "warmup_steps: 4", SPK_SCHEDULE_BATCH},
        {"warmuplr", "warmup_steps: 4", SPK_SCHEDULE_BATCH},
        {"piecewiselinearwarmuplr", "", SPK_SCHEDULE_BATCH},
        {"warmupsteplr", "warmup_steps: 4", SPK_SCHEDULE_BATCH},
        {"tristagelr", "max_steps: 10", SPK_SCHEDULE_BATCH},
        {"exponentialdecaywarmup", "{max_lr: 1, min_lr: 0.1, total_steps: 5}", SPK_SCHEDULE_BATCH},
        {"cycliclr", "{base_lr: 0.1, max_lr: 1}", SPK_SCHEDULE_BATCH},
        {"onecyclelr", "{max_lr: 1, total_steps: 9}", SPK_SCHEDULE_BATCH},
        {"cosineannealingwarmrestarts", "T_0: 5", SPK_SCHEDULE_BATCH},
        {"cosineannealingwarmuprestarts", "first_cycle_steps: 5", SPK_SCHEDULE_BATCH},
        {"reducelronplateau", "", SPK_SCHEDULE_VALUE},
        {"warmupreducelronplateau", "warmup_steps: 4", SPK_SCHEDULE_VALUE},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        spk_scheduler *s;
        if (make(rows[r].name, rows[r].conf, 1, &s) != SPK_OK) fail_msg("%s", spk_errmsg());
        assert_string_equal(spk_scheduler_name(s), rows[r].name);
        assert_int_equal(spk_scheduler_kind_of(s), rows[r].family);
        const double start = spk_scheduler_lr(s, (spk_schedule_place){0, 0});
        const bool by_steps = spk_scheduler_lr(s, (spk_schedule_place){7, 0}) != start;
        const bool by_epochs = spk_scheduler_lr(s, (spk_schedule_place){0, 7}) != start;
        assert_int_equal(by_epochs, rows[r].family == SPK_SCHEDULE_EPOCH);
        assert_int_equal(by_steps, rows[r].family == SPK_SCHEDULE_BATCH || strstr(rows[r].name, "warmupreduce"));
        spk_scheduler_free(s);
    }
}

/* Values, and the rate behind each: patience, threshold, rest, the smallest rate, NaN. */
static void test_plateau(void **state)
{
    (void)state;
    static const double values[] = {10, 9, 9, 9.5, 9, 8.9999, 5, 5, 5, 5, 5, 5, 5, 5, NAN, 5, 5, 5, 5};
    static const double rates[] = {1,   1,   1,   1,    .5,   .5,   .5,   .5,   .5,  .25,
                                   .25, .25, .25, .125, .125, .125, .125, .125, .125};
    static const char conf[] = "{factor: 0.5, patience: 2, cooldown: 1, min_lr: 0.125}";
    spk_scheduler *s, *again;
    assert_int_equal(make("reducelronplateau", conf, 1, &s), SPK_OK);
    assert_int_equal(make("reducelronplateau", conf, 1, &again), SPK_OK);
    double before = 1;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const bool reduced = spk_scheduler_take_value(s, values[i]);
        if (at(s, 0) != rates[i]) fail_msg("value %d: rate %g, want %g", (int)i, at(s, 0), rates[i]);
        assert_int_equal(reduced, at(s, 0) < before);
        before = at(s, 0);
        for (size_t k = 0; i == 7 && k <= i; k++) /* a training that goes on in the middle */
            spk_scheduler_take_value(again, values[k]);
        if (i > 7) spk_scheduler_take_value(again, values[i]);
        if (i >= 7) assert_true(at(again, 0) == at(s, 0));
    }
    spk_scheduler_free(s);
    spk_scheduler_free(again);
    assert_int_equal(make("warmupreducelronplateau",
                          "{warmup_steps: 4, mode: max, patience: 0, threshold: 1, threshold_mode: abs}", 8, &s),
                     SPK_OK);
    assert_true(at(s, 0) == 2);
    assert_false(spk_scheduler_take_value(s, 5));
    assert_false(spk_scheduler_take_value(s, 6.5));
    assert_true(spk_scheduler_take_value(s, 7.5));                               /* not a whole 1 above */
    assert_true(fabs(at(s, 1) - 0.4) < 1e-12 && fabs(at(s, 100) - 0.8) < 1e-12); /* the climb keeps it */
    spk_scheduler_free(s);
}

static void test_momentum(void **state)
{
    (void)state;
    spk_scheduler *s;
    spk_optim *o, *asgd;
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    const spk_schedule_place top = {4, 0};
    assert_int_equal(make("cycliclr", "{base_lr: 0.1, max_lr: 1, step_size_up: 4}", 1, &s), SPK_OK);
    assert_int_equal(spk_optim_new("sgd", NULL, 3, &o), SPK_OK);
    assert_int_equal(spk_optim_blocks(o, block), 0);
    assert_int_equal(spk_scheduler_bind(s, o), SPK_OK); /* SGD without momentum gets one */
    assert_int_equal(spk_optim_blocks(o, block), 1);
    assert_true(spk_optim_momentum(o) == 0.9);
    assert_true(fabs(spk_scheduler_apply(s, o, top) - 1) < 1e-12 && fabs(spk_optim_momentum(o) - 0.8) < 1e-12);
    float w[3] = {1, 1, 1}, g[3] = {1, 1, 1}; /* b = 1, then 0.8 + 1 */
    spk_optim_step(o, w, g, 0.5, 1);
    spk_optim_step(o, w, g, 0.5, 1);
    assert_true(fabs((double)w[0] - (1 - 0.5 - 0.9)) < 1e-6);
    spk_optim_free(o);
    assert_int_equal(spk_optim_new("asgd", NULL, 3, &asgd), SPK_OK);
    assert_int_equal(spk_scheduler_bind(s, asgd), SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "asgd has no momentum"));
    spk_optim_free(asgd);
    spk_scheduler_free(s);
}

static void test_cycles(void **state)
{
    (void)state;
    spk_scheduler *s;
    int64_t from, to;
    assert_int_equal(
        make("cosineannealingwarmuprestarts", "{first_cycle_steps: 5, cycle_mult: 2, warmup_steps: 1}", 1, &s), SPK_OK);
    assert_true(spk_scheduler_cycle(s, (spk_schedule_place){6, 0}, &from, &to));
    assert_true(from == 5 && to == 14);
    spk_scheduler_free(s);
    assert_int_equal(make("cosineannealingwarmrestarts", "{T_0: 3, T_mult: 2}", 1, &s), SPK_OK);
    assert_true(spk_scheduler_cycle(s, (spk_schedule_place){9, 0}, &from, &to));
    assert_true(from == 9 && to == 21);
    spk_scheduler_free(s);
    assert_int_equal(make("warmuplr", "", 1, &s), SPK_OK);
    assert_false(spk_scheduler_cycle(s, (spk_schedule_place){9, 0}, &from, &to));
    spk_scheduler_free(s);
}

static void test_constant(void **state)
{
    (void)state;
    const char *const names[] = {NULL, "none", "Constant"};
    for (int i = 0; i < 3; i++) {
        spk_scheduler *s;
        assert_int_equal(make(names[i], "", 0.25, &s), SPK_OK);
        assert_true(at(s, 0) == 0.25 && at(s, 1000000) == 0.25);
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
    refused("lambdalr", "", SPK_E_UNSUPPORTED, "lambdalr is not available");
    refused("steplr", "gamma: 0.5", SPK_E_CONFIG, "step_size");
    refused("tristagelr", "hold_ratio: 0.5", SPK_E_CONFIG, "add up to 1.1, not 1");
    refused("onecyclelr", "{max_lr: 1, epochs: 3}", SPK_E_CONFIG, "total_steps is missing");
    refused("exponentialdecaywarmup", "{max_lr: 1, min_lr: 0, total_steps: 3}", SPK_E_CONFIG, "above 0");
    refused("exponentialdecaywarmup", "{max_lr: 1, min_lr: 0.1, total_steps: 3, warmup_steps: 3}", SPK_E_CONFIG,
            "less than total_steps");
    refused("piecewiselinearwarmuplr", "warmup_lr_list: [0, 1, 2]", SPK_E_CONFIG, "a rate for each");
    refused("piecewiselinearwarmuplr", "{warmup_steps_list: [5, 5], warmup_lr_list: [0, 1]}", SPK_E_CONFIG, "rising");
    refused("reducelronplateau", "factor: 1.0", SPK_E_CONFIG, "below 1");
    refused("cosineannealinglr", "{T_max: 0}", SPK_E_CONFIG, "T_max");
    refused("cycliclr", "{base_lr: 1, max_lr: 2, mode: saw}", SPK_E_CONFIG, "mode");
    refused("cosineannealingwarmuprestart", "", SPK_E_CONFIG, "did you mean cosineannealingwarmuprestarts?");
    refused("cosineannealingwarmuprestarts", "max_lr: 1", SPK_E_CONFIG, "first_cycle_steps");
    refused("cosineannealingwarmuprestarts", "{first_cycle_steps: 10, warmup_steps: 10}", SPK_E_CONFIG,
            "less than first_cycle_steps");
    refused("cosineannealingwarmuprestarts", "{first_cycle_steps: 10, last_epoch: 5}", SPK_E_UNSUPPORTED, "last_epoch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_figures), cmocka_unit_test(test_walk),     cmocka_unit_test(test_rates),
        cmocka_unit_test(test_families),      cmocka_unit_test(test_plateau),  cmocka_unit_test(test_momentum),
        cmocka_unit_test(test_cycles),        cmocka_unit_test(test_constant), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
