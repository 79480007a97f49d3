/* SPDX-License-Identifier: Apache-2.0 */
/* ESPnet's own EER and minDCF on seven sets of trials: golden/metrics.npz, to 1e-9. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "spk/arrays.h"
#include "spk/score.h"

static double scalar_of(const spk_tensors *t, const char *set, const char *name)
{
    char *key = spk_strf("%s/%s", set, name);
    const spk_ndarray *a = spk_tensors_find(t, key);
    if (!a) fail_msg("no %s", key);
    spk_free(key);
    return a->dtype == SPK_F64 ? *(const double *)a->data : (double)*(const float *)a->data;
}

static void near(const char *set, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 1e-9)) fail_msg("%s: %s is %.17g, want %.17g", set, what, got, want);
}

static void check_set(const spk_tensors *t, const char *set)
{
    char *scores_key = spk_strf("%s/scores", set), *labels_key = spk_strf("%s/labels", set);
    const spk_ndarray *scores = spk_tensors_find(t, scores_key), *labels = spk_tensors_find(t, labels_key);
    assert_non_null(scores);
    assert_non_null(labels);
    const int64_t n = spk_ndarray_count(scores);
    uint8_t *label = spk_alloc((size_t)n);
    for (int64_t i = 0; i < n; i++)
        label[i] = (uint8_t)((const int32_t *)labels->data)[i];
    spk_metrics m;
    const double start = spk_now();
    assert_int_equal(spk_metrics_compute(scores->data, label, n, &m), SPK_OK);
    print_message("%-10s n %6lld: eer %.4f (ESPnet %.4f), mindcf %.4f (ESPnet %.4f), %.1f ms\n", set, (long long)n,
                  m.eer, m.eer_espnet, m.mindcf.cost, m.mindcf_espnet.cost, 1e3 * (spk_now() - start));
    near(set, "eer_percent", m.eer_espnet, scalar_of(t, set, "eer_percent"));
    near(set, "mindcf_p05", m.mindcf_espnet.cost, scalar_of(t, set, "mindcf_p05"));
    near(set, "mindcf_p01", m.mindcf_p01_espnet.cost, scalar_of(t, set, "mindcf_p01"));
    near(set, "threshold_p05", m.mindcf_espnet.threshold, scalar_of(t, set, "threshold_p05"));
    assert_true(m.eer <= m.eer_espnet + 1e-9); /* ESPnet's is pessimistic */
    spk_free(label);
    spk_free(scores_key);
    spk_free(labels_key);
}

static void test_golden(void **state)
{
    (void)state;
    const char *const sets[] = {"overlap", "ties", "coarse", "separable", "reversed", "one_each", "large"};
    char *path = golden_path("golden/metrics.npz");
    if (!path) skip();
    spk_tensors t = {0};
    if (spk_npz_read(path, &t) != SPK_OK) fail_msg("%s", spk_errmsg());
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        check_set(&t, sets[i]);
    spk_tensors_clear(&t);
    spk_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
