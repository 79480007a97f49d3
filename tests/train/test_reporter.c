/* SPDX-License-Identifier: Apache-2.0 */
/* The reporter: aggregation, windows, lines of the log, best epochs, and the state in a checkpoint. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train/reporter_impl.h"

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)))) fail_msg("got %.17g, want %.17g", got, want);
}

static double get(const spk_reporter *r, int64_t epoch, const char *phase, const char *name)
{
    double value = 0;
    if (!spk_reporter_get(r, epoch, phase, name, &value))
        fail_msg("no %s in %s of epoch %lld", name, phase, (long long)epoch);
    return value;
}

static void put(spk_reporter *r, const char *name, double value, double weight)
{
    const spk_stat s = {name, value, false};
    if (spk_reporter_register(r, &s, 1, weight) != SPK_OK) fail_msg("%s", spk_errmsg());
}

static void is_text(spk_text *got, const char *want)
{
    assert_string_equal(spk_text_str(got), want);
    spk_text_clear(got);
}

static void test_aggregates(void **state)
{
    (void)state;
    spk_reporter *r = spk_reporter_new();
    spk_reporter_set_epoch(r, 1);
    spk_reporter_begin_phase(r, "train");
    const double loss[] = {4, NAN, 1, INFINITY, 2}, weight[] = {1, 5, 3, 2, 2};
    for (int i = 0; i < 5; i++) {
        put(r, "loss", loss[i], weight[i]);
        put(r, "iter_time", i == 1 ? (double)NAN : (double)i, 0);
        if (i >= 3) put(r, "late", 10 * i, 0); /* first seen at step 4 */
        spk_reporter_next(r);
        if (i == 2) assert_true(isnan(spk_reporter_window(r, "late", 2)));
    }
    assert_int_equal(spk_reporter_steps(r), 5);
    near(spk_reporter_window(r, "loss", 3), (3 + 4) / 5.0);
    near(spk_reporter_window(r, "late", 1), 40);
    near(spk_reporter_window(r, "late", 4), 35);
    assert_true(isnan(spk_reporter_window(r, "loss", 0)));
    near(spk_reporter_window(r, "iter_time", 100), 9 / 4.0);
    spk_reporter_end_phase(r);
    near(get(r, 1, "train", "loss"), (4 + 3 + 4) / 6.0); /* weighted; NaN and inf left out */
    near(get(r, 1, "train", "iter_time"), 9 / 4.0);
    near(get(r, 1, "train", "late"), 35);
    near(get(r, 1, "train", "total_count"), 5);
    assert_true(get(r, 1, "train", "time") >= 0);
    /* plain: only NaN is left out */
    spk_reporter_set_epoch(r, 2);
    spk_reporter_begin_phase(r, "train");
    put(r, "x", INFINITY, 0);
    spk_reporter_next(r);
    put(r, "x", 1, 0);
    put(r, "bad", NAN, 2);
    spk_reporter_end_phase(r);
    assert_true(isinf(get(r, 2, "train", "x")));
    assert_true(isnan(get(r, 2, "train", "bad")));
    near(get(r, 2, "train", "total_count"), 7);
    double value;
    assert_false(spk_reporter_get(r, 2, "valid", "x", &value));
    assert_false(spk_reporter_get(r, 2, "train", "loss", &value));
    spk_reporter_free(r);
}

static void test_refusals(void **state)
{
    (void)state;
    spk_reporter *r = spk_reporter_new();
    spk_reporter_begin_phase(r, "train");
    const spk_stat pair[] = {{"a", 1, false}, {"a", 2, false}}, time = {"time", 1, false}, b = {"b", 1, false};
    assert_int_equal(spk_reporter_register(r, pair, 2, 0), SPK_E_VALUE);
    assert_int_equal(spk_reporter_register(r, &time, 1, 0), SPK_E_VALUE);
    assert_int_equal(spk_reporter_steps(r), 0); /* a refused call counts nothing */
    assert_int_equal(spk_reporter_register(r, &b, 1, 0), SPK_OK);
    assert_int_equal(spk_reporter_register(r, &b, 1, 0), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "b is registered twice in step 1"));
    spk_reporter_next(r);
    assert_int_equal(spk_reporter_register(r, &b, 1, 2), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "weight"));
    assert_int_equal(spk_reporter_register(r, &b, 1, 0), SPK_OK);
    assert_int_equal(spk_reporter_steps(r), 2);
    spk_reporter_free(r);
}

static void test_words(void **state)
{
    (void)state;
    const struct {
        double value;
        bool integral;
        const char *text;
    } values[] = {
        {8.3124, false, "8.312"},    {1000, false, "1000.000"},      {1000.1, false, "1.000e+03"},
        {0.001, false, "1.000e-03"}, {0.0011, false, "0.001"},       {0, false, "0.000e+00"},
        {-0.25, false, "-0.250"},    {-1234.5, false, "-1.234e+03"}, {NAN, false, "nan"},
        {-NAN, true, "nan"},         {INFINITY, true, "inf"},        {19800, true, "19800"},
        {37611, false, "3.761e+04"}, {2.5, true, "2.500"},
    };
    const struct {
        double seconds;
        const char *text;
    } spans[] = {
        {0, "0 seconds"},
        {1, "1 second"},
        {12.3, "12.3 seconds"},
        {0.0449, "0.04 seconds"},
        {59.999, "1 minute"},
        {90.5, "1 minute and 30.5 seconds"},
        {3723.25, "1 hour, 2 minutes and 3.25 seconds"},
        {2 * 86400 + 3600 + 120 + 5, "2 days, 1 hour and 2 minutes"},
        {3600, "1 hour"},
    };
    spk_text t = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        spk_report_value(&t, values[i].value, values[i].integral);
        is_text(&t, values[i].text);
    }
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        spk_report_timespan(&t, spans[i].seconds);
        is_text(&t, spans[i].text);
    }
}

/* Lines as they stand in a log; the comma that ESPnet loses is there. */
static void test_lines(void **state)
{
    (void)state;
    spk_text t = {0};
    spk_reporter *r = spk_reporter_new();
    spk_reporter_set_epoch(r, 3);
    spk_reporter_begin_phase(r, "train");
    spk_reporter_window_line(r, 10, &t);
    is_text(&t, "");
    for (int i = 0; i < 17; i++) {
        put(r, "iter_time", 0.0004, 0);
        put(r, "loss", 4.5, 64);
        put(r, "optim0_lr0", 0.002, 0);
        spk_reporter_next(r);
        if (i == 0) {
            spk_reporter_window_line(r, 10, &t);
            is_text(&t, "3epoch:train:1-1batch: iter_time=4.000e-04, loss=4.500, optim0_lr0=0.002");
        }
    }
    spk_reporter_window_line(r, 10, &t);
    is_text(&t, "3epoch:train:8-17batch: iter_time=4.000e-04, loss=4.500, optim0_lr0=0.002");
    spk_reporter_end_phase(r);
    spk_reporter_begin_phase(r, "valid");
    const spk_stat valid[] = {{"eer", 8.3124, false}, {"mindcf", 0.4119, false}, {"n_trials", 19800, true}};
    assert_int_equal(spk_reporter_register(r, valid, 3, 0), SPK_OK);
    spk_reporter_end_phase(r);
    /* the time is what it was: give it a fixed one through the state */
    spk_text json = {0};
    spk_reporter_save(r, &json);
    char *fixed = spk_strf("{\"3\":{\"train\":{\"iter_time\":0.0004,\"loss\":4.5,\"time\":12.3,\"total_count\":17},"
                           "\"valid\":{\"eer\":8.3124,\"n_trials\":19800,\"time\":61.5,\"total_count\":3}}}");
    assert_non_null(strstr(spk_text_str(&json), "\"n_trials\":19800,"));
    assert_int_equal(spk_reporter_load(r, fixed, strlen(fixed), "checkpoint"), SPK_OK);
    spk_reporter_epoch_line(r, 3, &t);
    is_text(&t, "3epoch results: [train] iter_time=4.000e-04, loss=4.500, time=12.3 seconds, total_count=17, "
                "[valid] eer=8.312, n_trials=19800, time=1 minute and 1.5 seconds, total_count=3");
    spk_reporter_epoch_line(r, 4, &t);
    is_text(&t, "");
    spk_text_clear(&json);
    spk_free(fixed);
    spk_reporter_free(r);
}

static void add_epoch(spk_reporter *r, int64_t epoch, double eer)
{
    spk_reporter_set_epoch(r, epoch);
    spk_reporter_begin_phase(r, "valid");
    put(r, "eer", eer, 0);
    spk_reporter_end_phase(r);
}

static void test_sort(void **state)
{
    (void)state;
    const double eer[] = {5, NAN, 3, 5, 3, 7};
    const int64_t rising[] = {3, 5, 1, 4, 6, 2}, falling[] = {6, 1, 4, 3, 5, 2};
    int64_t epochs[8];
    spk_reporter *r = spk_reporter_new();
    for (int i = 0; i < 6; i++)
        add_epoch(r, i + 1, eer[i]);
    assert_int_equal(spk_reporter_sort(r, "valid", "eer", "min", epochs, 8), 6);
    assert_memory_equal(epochs, rising, sizeof rising);
    assert_int_equal(spk_reporter_sort(r, "valid", "eer", "max", epochs, 8), 6);
    assert_memory_equal(epochs, falling, sizeof falling);
    epochs[1] = 99;
    assert_int_equal(spk_reporter_sort(r, "valid", "eer", "min", epochs, 1), 6);
    assert_int_equal(epochs[1], 99);
    assert_int_equal(spk_reporter_sort(r, "valid", "eer", "min", NULL, 0), 6);
    assert_int_equal(spk_reporter_sort(r, "train", "eer", "min", epochs, 8), 0);
    /* an epoch that is run again replaces its results */
    add_epoch(r, 1, 1);
    assert_int_equal(spk_reporter_sort(r, "valid", "eer", "min", epochs, 8), 6);
    assert_int_equal(epochs[0], 1);
    near(get(r, 1, "valid", "total_count"), 1);
    assert_int_equal(spk_reporter_last_epoch(r), 6);
    assert_string_equal(spk_reporter_name_at(r, 0), "eer");
    assert_null(spk_reporter_name_at(r, 1));
    assert_string_equal(spk_reporter_phase_at(r, 0), "valid");
    assert_null(spk_reporter_phase_at(r, 1));
    spk_reporter_free(r);
}

/* Bit by bit through the text, and a second time. */
static void test_state(void **state)
{
    (void)state;
    spk_reporter *a = spk_reporter_new(), *b = spk_reporter_new();
    const double values[] = {1.0 / 3, NAN, -INFINITY, 5e-324, 3, 1.7976931348623157e308};
    for (int i = 0; i < 6; i++)
        add_epoch(a, i + 9, values[i]); /* epochs 9 to 14: as text they sort otherwise */
    spk_text first = {0}, second = {0};
    spk_reporter_save(a, &first);
    assert_int_equal(spk_reporter_load(b, spk_text_str(&first), first.n, "checkpoint"), SPK_OK);
    spk_reporter_save(b, &second);
    assert_string_equal(spk_text_str(&first), spk_text_str(&second));
    for (int i = 0; i < 6; i++) {
        const double got = get(b, i + 9, "valid", "eer");
        assert_true(isnan(values[i]) ? isnan(got) : got == values[i]);
    }
    add_epoch(b, 15, 1); /* counts go on */
    near(get(b, 15, "valid", "total_count"), 7);

    const char *const wrong[] = {
        "", "[]", "{\"x\":{}}", "{\"1\":{\"valid\":[]}}", "{\"1\":{\"valid\":{\"eer\":\"x\"}}}", "{\"1\":{}} x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(spk_reporter_load(b, wrong[i], strlen(wrong[i]), "checkpoint"), SPK_E_FORMAT);
        assert_non_null(strstr(spk_errmsg(), "checkpoint: "));
        assert_int_equal(spk_reporter_last_epoch(b), 15); /* as it was */
    }
    spk_text_clear(&first);
    spk_text_clear(&second);
    spk_reporter_free(a);
    spk_reporter_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aggregates), cmocka_unit_test(test_refusals), cmocka_unit_test(test_words),
        cmocka_unit_test(test_lines),      cmocka_unit_test(test_sort),     cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
