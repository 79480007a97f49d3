/* SPDX-License-Identifier: Apache-2.0 */
/* Cllr, minCllr, actual costs and bootstrap intervals: worked out by hand, and against plain repetition of trials. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "spk/score.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

static void test_cllr(void **state)
{
    (void)state;
    spk_cllr c;
    const float zeros[] = {0, 0, 0};
    const uint8_t mixed[] = {1, 0, 0};
    assert_int_equal(spk_metrics_cllr(zeros, mixed, 3, &c), SPK_OK);
    near(c.actual, 1, 1e-12); /* scores that say nothing */
    near(c.minimum, 1, 1e-12);
    /* log 3 for a target, -log 3 for a nontarget: log2(1 + 1/3) on both sides; perfectly separated */
    const float apart[] = {1.0986123F, -1.0986123F};
    assert_int_equal(spk_metrics_cllr(apart, mixed, 2, &c), SPK_OK);
    near(c.actual, log2(4.0 / 3), 1e-7);
    near(c.minimum, 0, 1e-12);
    /* by rising score 0 1 0 1: pools {0} {1 0} {1}; the middle one has the ratio 1: (1/2 + 1/2) / 2 bits */
    const float four[] = {-2, -1, 500, 1000};
    const uint8_t labels[] = {0, 1, 0, 1};
    assert_int_equal(spk_metrics_cllr(four, labels, 4, &c), SPK_OK);
    near(c.minimum, 0.5, 1e-12);
    near(c.actual, (log2(1 + exp(1.0)) / 2 + (log2(1 + exp(-2.0)) + 500 / log(2)) / 2) / 2, 1e-9); /* no overflow */
    /* tied scores are one pool, in whatever order they come: targets 2 of 2 at 1, nontarget of 2 at 1 */
    const float ties[] = {1, 1, 0, 1};
    const uint8_t tied[] = {1, 0, 0, 1};
    assert_int_equal(spk_metrics_cllr(ties, tied, 4, &c), SPK_OK);
    near(c.minimum, (log2(1.5) + log2(3) / 2) / 2, 1e-12);
    assert_int_equal(spk_metrics_cllr(ties, tied, 1, &c), SPK_E_VALUE);
}

static void test_actual_dcf(void **state)
{
    (void)state;
    const spk_dcf even = {0.5, 1, 1}, rare = {0.01, 1, 1}, costly = {0.5, 10, 1};
    const float scores[] = {-1, 0, 3, 5, -1, 0, 5, -4};
    const uint8_t labels[] = {1, 1, 1, 1, 0, 0, 0, 0};
    double cost;
    near(spk_metrics_bayes_threshold(&even), 0, 0);
    near(spk_metrics_bayes_threshold(&rare), log(99), 1e-12);
    assert_int_equal(spk_metrics_actual_dcf(scores, labels, 8, &even, &cost), SPK_OK);
    near(cost, 0.25 + 0.5, 1e-12); /* a score at the threshold is accepted */
    assert_int_equal(spk_metrics_actual_dcf(scores, labels, 8, &rare, &cost), SPK_OK);
    near(cost, 0.75 + 99 * 0.25, 1e-12); /* 5 > log 99 */
    assert_int_equal(spk_metrics_actual_dcf(scores, labels, 8, &costly, &cost), SPK_OK);
    near(cost, 10 * 0.0 + 0.75, 1e-12); /* -log 10 rejects -4 only */
    assert_int_equal(spk_metrics_actual_dcf(scores, labels, 8, &(spk_dcf){0, 1, 1}, &cost), SPK_E_VALUE);
}

enum { S = 6, U = 3, N = S * U * (S * U - 1) / 2 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Replicates made by writing every trial as often as it weighs, with the functions that know no weights. */
static void test_bootstrap(void **state)
{
    (void)state;
    enum { R = 40, MOST = N * S * S };
    static float scores[N], more[MOST];
    static uint8_t labels[N], more_labels[MOST];
    int64_t a[N], b[N], n = 0;
    double eer[R], cllr[R], minimum[R], actual[R];
    const spk_dcf dcf[] = {{0.05, 1, 1}, {0.5, 1, 2}};
    spk_rng rng = spk_rng_make(3, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < S * U; i++)
        for (int j = 0; j < i; j++, n++) {
            a[n] = i / U;
            b[n] = j / U;
            labels[n] = a[n] == b[n];
            scores[n] = (float)(floor(4 * (spk_rng_normal(&rng) + labels[n])) / 4);
        }
    const spk_bootstrap_options o = {a, b, S, R, 0.9, 7, dcf, 2};
    spk_bootstrap got;
    assert_int_equal(spk_metrics_bootstrap(scores, labels, n, &o, &got), SPK_OK);
    assert_int_equal(got.used, R);
    for (int r = 0; r < R; r++) {
        int64_t drawn[S] = {0}, m = 0;
        spk_rng draw = spk_rng_make(7, SPK_PURPOSE_TRIALS, 0, (uint64_t)r, 0);
        for (int s = 0; s < S; s++)
            drawn[spk_rng_below(&draw, S)]++;
        for (int64_t i = 0; i < n; i++)
            for (int64_t k = 0; k < drawn[a[i]] * (labels[i] ? 1 : drawn[b[i]]); k++, m++) {
                more[m] = scores[i];
                more_labels[m] = labels[i];
            }
        spk_metrics x;
        spk_cllr c;
        assert_int_equal(spk_metrics_compute(more, more_labels, m, &x), SPK_OK);
        assert_int_equal(spk_metrics_cllr(more, more_labels, m, &c), SPK_OK);
        assert_int_equal(spk_metrics_actual_dcf(more, more_labels, m, &dcf[1], &actual[r]), SPK_OK);
        eer[r] = x.eer;
        minimum[r] = x.mindcf.cost;
        cllr[r] = c.actual;
    }
    double *const all[] = {eer, minimum, cllr, actual};
    const spk_interval found[] = {got.eer, got.min_dcf[0], got.cllr, got.actual_dcf[1]};
    for (int k = 0; k < 4; k++) { /* the 5th percentile of 40 lies at 0.05 * 39 = 1.95, the 95th at 37.05 */
        qsort(all[k], R, sizeof(double), by_value);
        near(found[k].low, 0.05 * all[k][1] + 0.95 * all[k][2], 1e-9);
        near(found[k].high, 0.95 * all[k][37] + 0.05 * all[k][38], 1e-9);
    }
    labels[0] = !labels[0];
    assert_int_equal(spk_metrics_bootstrap(scores, labels, n, &o, &got), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "trial 1 of"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cllr), cmocka_unit_test(test_actual_dcf),
                                       cmocka_unit_test(test_bootstrap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
