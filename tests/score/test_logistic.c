/* SPDX-License-Identifier: Apache-2.0 */
/* Logistic regression against closed forms, against ESPnet's figure, and what cannot be fitted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "score/logistic_impl.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

/* One feature of two values: the fit meets both groups' odds. Of targets 3 of 4 have x = 1, of nontargets 1 of 5; x = 1 has
 * the ratio (3/4)/(1/5), x = 0 the ratio (1/4)/(4/5), at any prior. */
static void test_two_values(void **state)
{
    (void)state;
    const double priors[] = {0.5, 0.01, 0.9};
    const uint8_t labels[] = {1, 1, 1, 1, 0, 0, 0, 0, 0};
    for (int p = 0; p < 3; p++)
        for (int s = 0; s < 2; s++) {
            double x[] = {1, 1, 1, 0, 1, 0, 0, 0, 0}, w, b;
            const spk_logistic_options o = {.prior = priors[p], .standardize = s};
            assert_int_equal(spk_logistic_fit(x, labels, 9, 1, &o, &w, &b), SPK_OK);
            near(b, log(0.25 / 0.8), 1e-9);
            near(w + b, log(0.75 / 0.2), 1e-9);
        }
    double x[] = {1, 1, 1, 0, 1, 0, 0, 0, 0}, w, b; /* without a prior: the odds 3 : 1 and 1 : 4 */
    assert_int_equal(spk_logistic_fit(x, labels, 9, 1, &(spk_logistic_options){0}, &w, &b), SPK_OK);
    near(b, log(1.0 / 4), 1e-9);
    near(w + b, log(3), 1e-9);
}

/* What ESPnet's script (scikit-learn's liblinear, which stops early) gave: three positive, four negative. */
static void test_espnet_figure(void **state)
{
    (void)state;
    double x[] = {-.5, 1.2, -.7, .9, -.9, 1.1, -1.3, 1.0, -1.2, .7, -1.4, 1.5, -1.0, 1.3}, w[2], b;
    const uint8_t labels[] = {1, 1, 1, 0, 0, 0, 0};
    const spk_logistic_options o = {.l2 = 1, .penalize_bias = true};
    assert_int_equal(spk_logistic_fit(x, labels, 7, 2, &o, w, &b), SPK_OK);
    print_message("w %.7f %.7f, b %.7f\n", w[0], w[1], b);
    near(w[0], .6391178, 5e-5);
    near(w[1], .0806112, 5e-5);
    near(b, .1634119, 5e-5);
}

/* Equal and constant features are undecided: the result is the same function. */
static void test_undecided(void **state)
{
    (void)state;
    const uint8_t labels[] = {1, 1, 1, 1, 0, 0, 0, 0, 0};
    const double one[] = {1, 1, 1, 0, 1, 0, 0, 0, 0};
    for (int s = 0; s < 2; s++) {
        double x[27], w[3], b;
        for (int i = 0; i < 9; i++) {
            x[3 * i] = x[3 * i + 1] = one[i];
            x[3 * i + 2] = 5;
        }
        const spk_logistic_options o = {.prior = 0.5, .standardize = s};
        assert_int_equal(spk_logistic_fit(x, labels, 9, 3, &o, w, &b), SPK_OK);
        near(b + 5 * w[2], log(0.25 / 0.8), 1e-6);
        near(w[0] + w[1] + b + 5 * w[2], log(0.75 / 0.2), 1e-6);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    double x[] = {1, 2, 3, 4}, w, b;
    const uint8_t apart[] = {0, 0, 1, 1}, one[] = {1, 1, 1, 1};
    const spk_logistic_options o = {.prior = 0.5};
    assert_int_equal(spk_logistic_fit(x, apart, 4, 1, &o, &w, &b), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "separated without error"));
    assert_int_equal(spk_logistic_fit(x, apart, 4, 1, &(spk_logistic_options){.prior = 0.5, .l2 = 0.01}, &w, &b),
                     SPK_OK);
    assert_int_equal(spk_logistic_fit(x, one, 4, 1, &o, &w, &b), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "all 4 trials are target"));
    x[2] = NAN;
    assert_int_equal(spk_logistic_fit(x, apart, 4, 1, &o, &w, &b), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "feature 1 of trial 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_values), cmocka_unit_test(test_espnet_figure),
                                       cmocka_unit_test(test_undecided), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
