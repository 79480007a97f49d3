/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of trials against plain double loops, and the published figure of two small embeddings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "spk/score.h"

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

static void test_figure(void **state)
{
    (void)state;
    float e[2][2][2] = {{{1, 0}, {1, 1}}, {{0, 1}, {1, 2}}};
    const spk_trial t = {0, 1, 1, "a*b"};
    float score;
    spk_score_normalize_rows(&e[0][0][0], 4, 2);
    assert_int_equal(spk_score_mean_distance(&e[0][0][0], 2, 2, 2, &t, 1, &score), SPK_OK);
    near((double)score, -0.88785177, 1e-7);
    assert_int_equal(spk_score_cosine(&e[0][0][0], 2, 2, 2, &t, 1, &score), SPK_OK);
    near((double)score, 0.584710, 1e-6);
}

static double slow_distance(const float *a, const float *b, int64_t K, int64_t D)
{
    double sum = 0;
    for (int64_t i = 0; i < K; i++)
        for (int64_t j = 0; j < K; j++) {
            double d2 = 0;
            for (int64_t d = 0; d < D; d++)
                d2 += pow((double)a[i * D + d] - (double)b[j * D + d], 2);
            sum += sqrt(d2);
        }
    return -sum / (double)(K * K);
}

/* Odd sizes, equal and almost equal vectors. */
static void test_against_plain(void **state)
{
    (void)state;
    const int64_t Ks[] = {1, 2, 3, 5, 71}, Ds[] = {1, 7, 32, 67, 192}; /* 71: more than are summed at once */
    enum { U = 6 };
    static float e[U * 71 * 192];
    for (int k = 0; k < 5; k++)
        for (int d = 0; d < (k == 4 ? 2 : 5); d++) {
            const int64_t K = Ks[k], D = Ds[d];
            spk_rng rng = spk_rng_make(2, SPK_PURPOSE_TEST, (uint64_t)k, (uint64_t)d, 0);
            spk_trial trials[U * U];
            float scores[U * U];
            for (int64_t i = 0; i < U * K * D; i++)
                e[i] = (float)spk_rng_normal(&rng);
            for (int64_t i = 0; i < K * D; i++) /* utterance 5 is almost utterance 0 */
                e[5 * K * D + i] = e[i] * (1 + 1e-5F * (float)(i % 3));
            spk_score_normalize_rows(e, U * K, D);
            for (int64_t i = 0; i < U * U; i++)
                trials[i] = (spk_trial){i / U, i % U, 0, NULL};
            assert_int_equal(spk_score_mean_distance(e, U, K, D, trials, U * U, scores), SPK_OK);
            for (int64_t i = 0; i < U * U; i++) {
                const double want = slow_distance(e + i / U * K * D, e + i % U * K * D, K, D);
                near((double)scores[i], want, 1e-6 * fmax(fabs(want), 1e-30));
            }
        }
}

static void test_rows(void **state)
{
    (void)state;
    float rows[3][2] = {{3, 4}, {0, 0}, {1e-20F, 0}};
    spk_score_normalize_rows(&rows[0][0], 3, 2);
    near((double)rows[0][0], 0.6, 1e-7);
    near((double)rows[0][1], 0.8, 1e-7);
    near((double)rows[1][0], 0, 0);
    near((double)rows[2][0], 1e-8, 1e-14); /* divided by 1e-12, not by its norm */
}

static void test_refusal(void **state)
{
    (void)state;
    const float e[2] = {1, 1};
    const spk_trial trials[] = {{0, 1, 1, "a*b"}, {0, 2, 1, "a*c"}};
    float scores[2];
    assert_int_equal(spk_score_mean_distance(e, 2, 1, 1, trials, 2, scores), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "a*c"));
    assert_int_equal(spk_score_cosine(e, 2, 1, 1, trials, 2, scores), SPK_E_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figure),
        cmocka_unit_test(test_against_plain),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
