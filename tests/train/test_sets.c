/* SPDX-License-Identifier: Apache-2.0 */
/* Several validation sets, validation within an epoch, reading only, anomalies. */
#include "train/run_help.h"

/* ---- sets ---- */

static fake_trials further;

static spk_status build(void *data, const char *mode, int64_t epoch, spk_iterator **out)
{
    if (strcmp(mode, "valid:far") != 0) return build_iter(data, mode, epoch, out);
    fake_trials_init(&further, 9, 1, 5, false);
    *out = &further.it;
    return SPK_OK;
}

static void test_two_sets(void **state)
{
    (void)state;
    static const char *const sets[] = {"far"};
    static const spk_criterion list[] = {{"valid", "far.eer", "min"}, {"valid", "eer", "min"}};
    char *folder = make_folder();
    size_t n = 0;
    begin(folder, 2);
    setup.build_iter = build;
    setup.valid_sets = sets;
    setup.n_valid_sets = 1;
    setup.best_model_criterion = list;
    setup.n_best_model_criterion = 2;
    OK(train());
    assert_true(holds(folder, "valid.far.eer.best.pth"));
    assert_true(holds(folder, "valid.eer.best.pth"));
    const char *line = spk_text_str(&lines);
    assert_non_null(strstr(line, ", n_trials=153, "));
    assert_non_null(strstr(line, ", far.n_trials=36, "));
    assert_non_null(strstr(line, ", threshold_eer=-")); /* scores are minus distances */
    assert_non_null(strstr(line, ", threshold_mindcf=-"));
    assert_non_null(strstr(line, ", threshold_mindcf_p01=-"));
    char *metrics = slurp(folder, "metrics.jsonl", &n);
    assert_non_null(strstr(metrics, "\"far.threshold_mindcf_p01\": -"));
    spk_free(metrics);
    end();
    drop_folder(folder);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (size_t at = 0; text[at]; at++)
        n += strncmp(text + at, part, strlen(part)) == 0;
    return n;
}

static void test_within_an_epoch(void **state)
{
    (void)state;
    char *folder = make_folder(), *plain = make_folder();
    size_t n = 0;
    begin(folder, 2);
    n_batches = 10;
    setup.valid_interval = 4; /* after steps 4, 8, 12, 16; 20 is an epoch's end */
    OK(train());
    assert_true(was_said("1epoch:valid:4batch: eer="));
    assert_true(was_said("1epoch:valid:8batch: eer="));
    assert_true(was_said("2epoch:valid:2batch: eer="));
    assert_true(was_said("2epoch:valid:6batch: eer="));
    assert_int_equal(count(spk_text_str(&said), "epoch:valid:"), 4);
    char *metrics = slurp(folder, "metrics.jsonl", &n);
    assert_int_equal(count(metrics, "\"kind\": \"valid\""), 4);
    assert_non_null(strstr(metrics,
                           "{\"kind\": \"valid\", \"epoch\": 2, \"batch\": 6, \"step\": 16, \"total_count\": 16, "
                           "\"valid\": {\"eer\": "));
    spk_free(metrics);
    begin(plain, 2);
    n_batches = 10;
    OK(train());
    assert_same_file(folder, plain, "2epoch.pth"); /* looking changes nothing */
    end();
    drop_folder(folder);
    drop_folder(plain);
}

/* ---- reading only ---- */

static void test_read_only(void **state)
{
    (void)state;
    char *folder = make_folder();
    begin(folder, 2);
    setup.options.no_forward_run = true;
    OK(train());
    assert_int_equal(model.calls, 0);
    assert_int_equal(model.embed_calls, 0);
    assert_true(was_said("2epoch:train: 5 batches, 40 utterances in "));
    assert_true(was_said("2epoch:valid: 3 batches, 18 utterances in "));
    assert_true(was_said(" utterances/s"));
    assert_false(holds(folder, "config.yaml"));
    assert_false(holds(folder, "checkpoint.safetensors"));
    end();
    drop_folder(folder);
}

/* ---- anomalies ---- */

static bool find_second(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples, char *what,
                        size_t room, bool *items)
{
    (void)self;
    (void)speech;
    (void)labels;
    assert_int_equal(samples, T);
    snprintf(what, room, "the output of conv1d (encoder.weight)");
    items[1] = items[n - 1] = true;
    return true;
}

static void test_anomaly(void **state)
{
    (void)state;
    char *folder = make_folder();
    begin(folder, 2);
    setup.detect_anomaly = true;
    model.nan_loss_from = model.nan_loss_to = 3;
    model.m.find_anomaly = find_second;
    refused(SPK_E_VALUE,
            "1epoch, batch 3: detect_anomaly: the first value that is not finite is in the output of conv1d "
            "(encoder.weight); utterances s");
    assert_int_equal(count(spk_errmsg(), "-u"), 2); /* two of the eight */
    begin(folder, 2);
    setup.detect_anomaly = true;
    OK(train());
    end();
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_sets),
        cmocka_unit_test(test_within_an_epoch),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_anomaly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
