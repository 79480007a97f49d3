/* SPDX-License-Identifier: Apache-2.0 */
/* Open-set validation: figures against a naive computation, both kinds of iterators, every refusal. */
#include "train/train_help.h"

#include "spk/score.h"

static fake_model model;
static fake_trials trials;

/* ---- the figures ---- */

/* Minus the mean distance of unit vectors, one trial at a time, in double. */
static double naive_score(const spk_trial *t, int64_t K)
{
    double sum = 0;
    for (int64_t a = 0; a < K; a++)
        for (int64_t b = 0; b < K; b++) {
            float x[E], y[E];
            double nx = 0, ny = 0, d = 0;
            OK(fake_embed(&model, trials.wave[t->enroll] + a * T, 1, T, NULL, x));
            OK(fake_embed(&model, trials.wave[t->test] + b * T, 1, T, NULL, y));
            for (int e = 0; e < E; e++) {
                nx += (double)x[e] * (double)x[e];
                ny += (double)y[e] * (double)y[e];
            }
            for (int e = 0; e < E; e++)
                d += pow((double)x[e] / sqrt(nx) - (double)y[e] / sqrt(ny), 2);
            sum += sqrt(d);
        }
    return -sum / (double)(K * K);
}

static void test_figures(void **state)
{
    (void)state;
    spk_validation v;
    spk_metrics want;
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 18, 3, 7, false);
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &v));
    assert_int_equal(v.n_trials, trials.n_trials);
    assert_int_equal(trials.passes, 1); /* nothing is read a second time */
    assert_int_equal(v.n_utterances, 18);
    assert_int_equal(v.n_segments, 54);
    for (int64_t i = 0; i < v.n_trials; i++) {
        assert_int_equal(v.labels[i], trials.trial[i].label);
        assert_true(fabs((double)v.scores[i] - naive_score(&trials.trial[i], 3)) < 1e-6);
    }
    OK(spk_metrics_compute(v.scores, v.labels, v.n_trials, &want));
    assert_true(want.eer > 0 && want.eer < 50);
    assert_true(v.eer == want.eer && v.mindcf == want.mindcf.cost && v.mindcf_p01 == want.mindcf_p01.cost);
    assert_true(v.eer_espnet == want.eer_espnet && v.mindcf_espnet == want.mindcf_espnet.cost);
    assert_true(v.trg_mean == want.trg_mean && v.nontrg_std == want.nontrg_std);
    assert_true(v.threshold_eer == want.threshold_eer);
    spk_validation_clear(&v);
}

static void test_both_ways_agree(void **state)
{
    (void)state;
    static const int64_t batches[] = {1, 5, 16};
    spk_validation a, b;
    for (int i = 0; i < 3; i++) {
        fake_model_init(&model, 2);
        fake_trials_init(&trials, 18, 3, batches[i], false);
        OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &a));
        fake_trials_init(&trials, 18, 3, batches[i], true);
        OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &b));
        assert_int_equal(trials.passes, 1);
        assert_int_equal(a.n_trials, b.n_trials);
        assert_memory_equal(a.scores, b.scores, (size_t)a.n_trials * sizeof(float));
        assert_memory_equal(a.labels, b.labels, (size_t)a.n_trials);
        assert_true(a.eer == b.eer && a.mindcf == b.mindcf && a.trg_mean == b.trg_mean && a.eer_espnet == b.eer_espnet);
        spk_validation_clear(&a);
        spk_validation_clear(&b);
    }
}

static void test_registers(void **state)
{
    (void)state;
    static const char *const names[] = {"eer",         "mindcf",     "n_trials",   "trg_mean",     "trg_std",
                                        "nontrg_mean", "nontrg_std", "eer_espnet", "mindcf_espnet"};
    spk_reporter *r = spk_reporter_new();
    double value;
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 18, 2, 7, true);
    spk_reporter_set_epoch(r, 1);
    spk_reporter_begin_phase(r, "valid");
    OK(spk_trainer_validate_one_epoch(&model.m, &trials.it, r, NULL, NULL));
    spk_reporter_end_phase(r);
    for (int i = 0; i < 9; i++)
        if (!spk_reporter_get(r, 1, "valid", names[i], &value)) fail_msg("%s is not registered", names[i]);
    assert_true(spk_reporter_get(r, 1, "valid", "n_trials", &value) && value == (double)trials.n_trials);
    spk_reporter_free(r);
}

/* ---- each distinct segment once, full calls ---- */

static void test_embeds_once(void **state)
{
    (void)state;
    spk_validation v;
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 18, 3, 7, false);
    for (int u = 0; u < 18; u += 2) /* short files: all segments are the same */
        for (int k = 1; k < 3; k++)
            memcpy(trials.wave[u] + k * T, trials.wave[u], sizeof(float[T]));
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &v));
    assert_int_equal(v.n_segments, 54);
    assert_int_equal(v.n_embedded, 9 * 3 + 9);
    assert_int_equal(model.embed_rows, 36);
    assert_int_equal(model.embed_calls, 1);
    for (int64_t i = 0; i < v.n_trials; i++)
        assert_true(fabs((double)v.scores[i] - naive_score(&trials.trial[i], 3)) < 1e-6);
    spk_validation_clear(&v);
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 20, 3, 7, true); /* 60 segments: utterance 16 lies in two calls */
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &v));
    assert_int_equal(model.embed_calls, 2);
    assert_int_equal(model.largest_call, 48);
    for (int64_t i = 0; i < v.n_trials; i++)
        assert_true(fabs((double)v.scores[i] - naive_score(&trials.trial[i], 3)) < 1e-6);
    spk_validation_clear(&v);
}

static void test_leaves_the_model(void **state)
{
    (void)state;
    fake_train batches;
    const spk_batch *batch;
    spk_train_stats stats;
    spk_validation v;
    fake_model_init(&model, 3);
    fake_train_init(&batches, 1, 1);
    OK(batches.it.next(batches.it.self, &batch));
    OK(fake_forward_backward(&model, batches.speech, batches.labels, 8, T, 1, &stats));
    const fake_model before = model;
    fake_trials_init(&trials, 18, 3, 7, false);
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &v));
    assert_memory_equal(before.p, model.p, sizeof model.p);
    assert_memory_equal(before.g, model.g, sizeof model.g);
    assert_memory_equal(before.mean, model.mean, sizeof model.mean);
    assert_int_equal(before.count, model.count);
    assert_int_equal(before.calls, model.calls);
    spk_validation_clear(&v);
}

/* ---- refusals ---- */

static void refused(spk_status code, const char *part)
{
    spk_validation v;
    const spk_status status = spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &v);
    if (status != code)
        fail_msg("status %s, not %s (%s)", spk_status_name(status), spk_status_name(code), spk_errmsg());
    assert_message(part);
}

static void test_refusals(void **state)
{
    (void)state;
    for (int split = 0; split < 2; split++) {
        fake_model_init(&model, 1);
        fake_trials_init(&trials, 9, 2, 4, split);
        trials.trial[5].label = 2;
        refused(SPK_E_VALUE, trials.tid[5]);
        fake_trials_init(&trials, 9, 2, 4, split);
        for (int64_t i = 0; i < trials.n_trials; i++)
            trials.trial[i].label = 1;
        refused(SPK_E_VALUE, "all 36 trials are of the same speaker");
        for (int64_t i = 0; i < trials.n_trials; i++)
            trials.trial[i].label = 0;
        refused(SPK_E_VALUE, "all 36 trials are of different speakers");
        fake_trials_init(&trials, 9, 2, 4, split);
        trials.n_trials = trials.source.n_trials = 0;
        refused(SPK_E_VALUE, "no trials");
        fake_trials_init(&trials, 9, 2, 4, split);
        model.nan_for = trials.wave[4] + T;
        refused(SPK_E_VALUE, "utterance spk1/utt1");
        model.nan_for = NULL;
        model.embed_fails = true;
        refused(SPK_E_VALUE, "too short");
        model.embed_fails = false;
    }
    fake_trials_init(&trials, 9, 2, 4, false);
    trials.other_audio_at = 7;
    refused(SPK_E_VALUE, "utterance spk0/utt0: has different audio");
    static const char *const bad[] = {"ab", "a*b*c", "*b", "a*"};
    for (int i = 0; i < 4; i++) {
        fake_trials_init(&trials, 9, 2, 4, false);
        trials.trial[3].id = bad[i];
        char *part = spk_strf("trial %s: its id", bad[i]);
        refused(SPK_E_VALUE, part);
        spk_free(part);
    }
    fake_trials_init(&trials, 9, 2, 4, true);
    trials.trial[3].test = 9;
    refused(SPK_E_VALUE, trials.tid[3]);
    fake_trials_init(&trials, 9, 2, 4, true);
    memcpy(trials.uid[4], trials.uid[3], sizeof trials.uid[3]);
    memcpy(trials.wave[4], trials.wave[3], sizeof trials.wave[3]);
    refused(SPK_E_VALUE, "given twice");
    fake_trials_init(&trials, 9, 2, 4, false);
    trials.plain = true;
    refused(SPK_E_VALUE, "must be two utterance ids");
}

static void test_options(void **state)
{
    (void)state;
    spk_validation v;
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 9, 2, 4, false);
    trials.with_tokens = true;
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, NULL, &v));
    spk_validation_clear(&v);
    const spk_distributed_option alone = {.dist_world_size = 1}, two = {.dist_world_size = 2};
    const spk_trainer_options gpu = {.ngpu = 1};
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, &alone, NULL));
    assert_int_equal(spk_trainer_validate_scores(&model.m, &trials.it, NULL, NULL, &two, NULL), SPK_E_VALUE);
    assert_message("distributed");
    OK(spk_trainer_validate_scores(&model.m, &trials.it, NULL, &gpu, NULL,
                                   NULL)); /* the model knows where it computes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),     cmocka_unit_test(test_both_ways_agree),  cmocka_unit_test(test_registers),
        cmocka_unit_test(test_embeds_once), cmocka_unit_test(test_leaves_the_model), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
