/* SPDX-License-Identifier: Apache-2.0 */
/* Several validation sets, validation within an epoch, the ends of a schedule's cycles, reading only, anomalies. */
#include "train/run_help.h"

#include "train/schedule_ends_impl.h"

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

/* ---- cycles ---- */

static void expect_ends(const char *name, const char *text, int64_t limit, const int64_t *want, int64_t n)
{
    spk_yaml *conf = NULL;
    spk_scheduler *s = NULL;
    int64_t ends[16];
    OK(spk_yaml_parse(text, strlen(text), "conf", &conf));
    OK(spk_scheduler_new(name, conf, 1e-3, &s));
    const int64_t got = spk_schedule_ends(s, 1, limit, ends, 16);
    if (got != n) fail_msg("%s has %d ends, not %d", text, (int)got, (int)n);
    for (int64_t i = 0; i < n; i++)
        if (ends[i] != want[i]) fail_msg("%s: end %d is %d, not %d", text, (int)i, (int)ends[i], (int)want[i]);
    spk_scheduler_free(s);
    spk_yaml_free(conf);
}

/* Lengths as in the specification's check figures: 5, 9, 17 with the warm-up kept out of the growth. */
static void test_ends(void **state)
{
    (void)state;
    static const char cosine[] = "cosineannealingwarmuprestarts";
    expect_ends(cosine, "{first_cycle_steps: 10, warmup_steps: 3, max_lr: 0.001, min_lr: 0.000005, gamma: 0.75}", 30,
                (const int64_t[]){10, 20, 30}, 3);
    expect_ends(cosine, "{first_cycle_steps: 5, cycle_mult: 2, warmup_steps: 1, max_lr: 0.001, min_lr: 0.00001}", 31,
                (const int64_t[]){5, 14, 31}, 3);
    expect_ends(cosine, "{first_cycle_steps: 4, warmup_steps: 0, max_lr: 0.001, min_lr: 0.000005, gamma: 0.5}", 8,
                (const int64_t[]){4, 8}, 2);
    expect_ends(cosine, "{first_cycle_steps: 10, warmup_steps: 3, max_lr: 0.001, min_lr: 0.000005}", 9,
                (const int64_t[]){10}, 1);
    expect_ends(NULL, "{}", 100, NULL, 0);
}

/* 5 batches an epoch under cycles of 20 steps (run_help.h). */
static void run_epochs(const char *folder, int64_t epochs)
{
    begin(folder, epochs);
    setup.overwrite = true;
    OK(train());
}

static void test_schedule_is_said(void **state)
{
    (void)state;
    char *folder = make_folder();
    run_epochs(folder, 4);
    assert_true(was_said("5 steps an epoch, 20 in all"));
    assert_true(was_said("cycles of the schedule end after steps 20 (epoch 4.0)"));
    assert_false(was_said("into a new cycle"));
    n_batches = 5;
    begin(folder, 5);
    setup.overwrite = true;
    setup.scheduler_conf = "{first_cycle_steps: 24, max_lr: 0.05, min_lr: 0.001, warmup_steps: 4, gamma: 0.75}";
    OK(train());
    assert_true(was_said("the run ends 4.2 % into a new cycle"));
    assert_true(was_said("set the cycle to 25 steps (scheduler_conf), or max_epoch to 4"));
    begin(folder, 5);
    setup.overwrite = true; /* 5 of 20: not the first tenth */
    OK(train());
    assert_false(was_said("into a new cycle"));
    begin(folder, 2);
    setup.overwrite = true;
    setup.accum_grad = 2;
    OK(train());
    assert_true(was_said("3 steps an epoch, 6 in all"));
    end();
    drop_folder(folder);
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
        cmocka_unit_test(test_two_sets),         cmocka_unit_test(test_within_an_epoch), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_schedule_is_said), cmocka_unit_test(test_read_only),       cmocka_unit_test(test_anomaly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
