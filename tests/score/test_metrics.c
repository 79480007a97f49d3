/* SPDX-License-Identifier: Apache-2.0 */
/* EER and minDCF against hand-made and published check figures (ESPnet's own values beside the right ones). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "spk/score.h"

typedef struct row {
    int64_t n;
    float score[10];
    uint8_t label[10];
    double eer_espnet, eer, mindcf_espnet, threshold_espnet, mindcf;
} row;

/* The first three results are what ESPnet 202611 gave when it was run; the right EER and minDCF were worked out by hand
 * from the polygon (tied scores one point, accept-all and reject-all included). */
static const row table[] = {
    {8, {.9F, .8F, .7F, .6F, .5F, .4F, .3F, .2F}, {1, 1, 0, 1, 0, 1, 0, 0}, 25, 25, 0.5, 0.7F, 0.5},
    {4, {.9F, .8F, .2F, .1F}, {1, 1, 0, 0}, 0, 0, 0, 0.2F, 0},
    {4, {.1F, .2F, .8F, .9F}, {1, 1, 0, 0}, 100, 100, 1, 0.9F, 1},
    {10, {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, {1, 1, 1, 0, 0, 0, 1, 1, 0, 0}, 60, 40, 0.4, 7, 0.4},
    {10, {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, {1, 1, 0, 0, 0, 0, 1, 1, 1, 1}, 100, 200.0 / 3, 2.0 / 3, 8, 2.0 / 3},
    {4, {.5F, .5F, .5F, .5F}, {1, 0, 1, 0}, 100, 50, 1, 0.5F, 1},
    {4, {.5F, .5F, .5F, .5F}, {0, 0, 1, 1}, 100, 50, 0, 0.5F, 1},
    {4, {.5F, .5F, .5F, .5F}, {1, 1, 0, 0}, 100, 50, 1, 0.5F, 1},
    {4, {.9F, .5F, .5F, .1F}, {1, 1, 0, 0}, 50, 25, 0.5, 0.5F, 0.5},
    {4, {.9F, .5F, .5F, .1F}, {1, 0, 1, 0}, 50, 25, 0, 0.5F, 0.5},
};

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

static void test_check_figures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const row *r = &table[i];
        spk_metrics m;
        assert_int_equal(spk_metrics_compute(r->score, r->label, r->n, &m), SPK_OK);
        print_message("row %zu: eer %.4f (ESPnet %.4f), mindcf %.4f (ESPnet %.4f)\n", i + 1, m.eer, m.eer_espnet,
                      m.mindcf.cost, m.mindcf_espnet.cost);
        near(m.eer_espnet, r->eer_espnet, 1e-9);
        near(m.eer, r->eer, 1e-9);
        near(m.mindcf_espnet.cost, r->mindcf_espnet, 1e-9);
        near(m.mindcf_espnet.threshold, r->threshold_espnet, 0);
        near(m.mindcf.cost, r->mindcf, 1e-9);
        assert_int_equal(m.n_trials, r->n);
    }
}

/* Share of a class that a threshold accepts. */
static double accepted(const float *scores, const uint8_t *labels, int64_t n, int label, double threshold)
{
    int64_t all = 0, in = 0;
    for (int64_t i = 0; i < n; i++)
        if (labels[i] == label) {
            all++;
            in += (double)scores[i] >= threshold;
        }
    return (double)in / (double)all;
}

/* Every cost and threshold against a search over all thresholds, on random sets with many ties. */
static void test_against_search(void **state)
{
    (void)state;
    const spk_dcf weights[] = {{0.05, 1, 1}, {0.01, 1, 1}, {0.5, 1, 10}, {0.9, 1, 1}};
    for (uint64_t set = 0; set < 60; set++) {
        spk_rng rng = spk_rng_make(1, SPK_PURPOSE_TEST, set, 0, 0);
        float scores[50];
        uint8_t labels[50];
        const int64_t n = 2 + spk_rng_below(&rng, 49);
        const double grid = set % 3 == 0 ? 1e3 : 3;
        for (int64_t i = 0; i < n; i++) {
            labels[i] = i < 2 ? (uint8_t)i : (uint8_t)spk_rng_below(&rng, 2);
            scores[i] = (float)(floor(grid * (spk_rng_normal(&rng) + (double)labels[i])) / grid);
        }
        for (size_t w = 0; w < 4; w++) {
            const double miss = weights[w].c_miss * weights[w].p_target;
            const double fa = weights[w].c_fa * (1 - weights[w].p_target);
            spk_min_dcf got;
            double best = miss; /* reject all */
            for (int64_t i = 0; i < n; i++)
                best = fmin(best, miss * (1 - accepted(scores, labels, n, 1, (double)scores[i])) +
                                      fa * accepted(scores, labels, n, 0, (double)scores[i]));
            assert_int_equal(spk_metrics_min_dcf(scores, labels, n, &weights[w], &got), SPK_OK);
            near(got.cost, best / fmin(miss, fa), 1e-12);
            near(miss * (1 - accepted(scores, labels, n, 1, got.threshold)) +
                     fa * accepted(scores, labels, n, 0, got.threshold),
                 best, 1e-12);
            assert_true(isfinite(got.threshold));
        }
        /* just below and above its threshold the rates lie on both sides of the EER */
        spk_metrics m;
        assert_int_equal(spk_metrics_compute(scores, labels, n, &m), SPK_OK);
        double above = INFINITY, below = -INFINITY; /* nearest scores around the threshold */
        for (int64_t i = 0; i < n; i++) {
            if ((double)scores[i] > m.threshold_eer + 1e-9) above = fmin(above, (double)scores[i]);
            if ((double)scores[i] <= m.threshold_eer + 1e-9) below = fmax(below, (double)scores[i]);
        }
        assert_true(1 - accepted(scores, labels, n, 1, above) >= accepted(scores, labels, n, 0, above) - 1e-12);
        assert_true(100 * accepted(scores, labels, n, 0, above) <= m.eer + 1e-9);
        if (isfinite(below)) assert_true(100 * (1 - accepted(scores, labels, n, 1, below)) <= m.eer + 1e-9);
    }
}

static void test_moments_and_signs(void **state)
{
    (void)state;
    const float scores[] = {-1, -3, 0.0F, -0.0F, -5, 2};
    const uint8_t labels[] = {1, 1, 1, 0, 0, 0};
    spk_metrics m;
    assert_int_equal(spk_metrics_compute(scores, labels, 6, &m), SPK_OK);
    near(m.trg_mean, -4.0 / 3, 1e-12);
    near(m.trg_std, sqrt(14.0 / 9), 1e-12);
    near(m.nontrg_mean, -1, 1e-12);
    near(m.nontrg_std, sqrt(26.0 / 3), 1e-12);
    /* 0 and -0 are one score: points (fpr, fnr) (1/3, 1) (2/3, 2/3) ... */
    near(m.eer, 200.0 / 3, 1e-9);
    near(m.threshold_eer, 0, 1e-9);
}

static void test_refusals(void **state)
{
    (void)state;
    float scores[] = {1, 2, 3};
    uint8_t labels[] = {1, 0, 1};
    spk_metrics m = {.eer = 7};
    scores[1] = NAN;
    assert_int_equal(spk_metrics_compute(scores, labels, 3, &m), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "trial 2 of 3"));
    scores[1] = 2;
    labels[2] = 2;
    assert_int_equal(spk_metrics_compute(scores, labels, 3, &m), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "trial 3 of 3 is 2"));
    labels[1] = labels[2] = 1;
    assert_int_equal(spk_metrics_compute(scores, labels, 3, &m), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "all 3 trials are target"));
    memset(labels, 0, sizeof labels);
    assert_int_equal(spk_metrics_compute(scores, labels, 3, &m), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "all 3 trials are nontarget"));
    assert_int_equal(spk_metrics_compute(scores, labels, 0, &m), SPK_E_VALUE);
    near(m.eer, 7, 0);
    const spk_dcf wrong = {1, 1, 1};
    spk_min_dcf out;
    assert_int_equal(spk_metrics_min_dcf(scores, labels, 3, &wrong, &out), SPK_E_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_figures),
        cmocka_unit_test(test_against_search),
        cmocka_unit_test(test_moments_and_signs),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
