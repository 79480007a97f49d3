/* SPDX-License-Identifier: Apache-2.0 */
/* Rates within a training: a plateau's criterion, epoch schedules, groups by name, frozen parts, noise; and that a
 * training which is resumed goes on with the same. */
#include "train/run_help.h"

#include "optim/optim_impl.h"

static bool parameter(void *self, int64_t i, spk_parameter *out)
{
    (void)self;
    if (i == 0) *out = (spk_parameter){"encoder.weight", 0, N_W, 2};
    if (i == 1) *out = (spk_parameter){"loss.weight", N_W, N_P - N_W, 2};
    return i < 2;
}

/* The mean rate of an epoch, as the epoch's line has it. */
static void rates_are(const char *name, const char *const *want, int n)
{
    const char *line = spk_text_str(&lines);
    for (int e = 0; e < n; e++) {
        char *part = spk_strf("%s=%s,", name, want[e]);
        const char *end = strchr(line, '\n'), *found = strstr(line, part);
        if (!end || !found || found > end) fail_msg("epoch %d: '%s' is not in %.*s", e + 1, part, 600, line);
        line = end + 1;
        spk_free(part);
    }
}

static void set(const char *scheduler, const char *conf)
{
    setup.scheduler = scheduler;
    setup.scheduler_conf = conf;
    setup.optim_conf = "{lr: 0.02}";
}

static void test_epochs(void **state)
{
    (void)state;
    static const char *const want[] = {"0.020", "0.010", "0.005"};
    char *folder = make_folder();
    begin(folder, 3);
    set("exponentiallr", "{gamma: 0.5}");
    OK(train());
    rates_are("optim0_lr0", want, 3);
    end();
    drop_folder(folder);
}

/* A criterion that never gets better than in its first epoch: the rate falls behind the third, and the fifth. */
static void test_plateau(void **state)
{
    (void)state;
    static const char *const want[] = {"0.020", "0.020", "0.020", "0.010", "0.010", "0.005"};
    static const char conf[] = "{patience: 1, factor: 0.5, mode: max, threshold: 10}";
    char *whole = make_folder(), *parts = make_folder();
    begin(whole, 6);
    set("reducelronplateau", conf);
    setup.val_scheduler_criterion = (spk_criterion){"train", "accuracy", NULL};
    OK(train());
    rates_are("optim0_lr0", want, 6);
    assert_true(was_said("train.accuracy stands still: the learning rate is 0.01 from epoch 4 on"));
    for (int64_t epochs = 2; epochs <= 6; epochs += 2) { /* in three runs */
        begin(parts, epochs);
        set("reducelronplateau", conf);
        setup.val_scheduler_criterion = (spk_criterion){"train", "accuracy", NULL};
        setup.resume = true;
        OK(train());
    }
    rates_are("optim0_lr0", want + 4, 2);
    assert_same_file(whole, parts, "6epoch.pth");
    begin(parts, 7);
    set("reducelronplateau", conf);
    setup.val_scheduler_criterion = (spk_criterion){"valid", "nothing", NULL};
    setup.resume = true;
    OK(train());
    assert_true(was_said("epoch 7 has no valid.nothing: the rate stays"));
    end();
    drop_folder(whole);
    drop_folder(parts);
}

static void test_groups(void **state)
{
    (void)state;
    static const char *const encoder[] = {"0.002"}, *const loss[] = {"0.120"};
    char *folder = make_folder();
    begin(folder, 1);
    fake_model before = model;
    n_batches = 5;
    set(NULL, NULL);
    model.m.parameter = parameter;
    setup.lr_scale = "encoder=0.1,loss=10";
    setup.freeze_steps = "loss=2";
    OK(train());
    rates_are("optim0_lr0", encoder, 1);
    rates_are("optim0_lr1", loss, 1); /* 0.2 in three of five steps */
    assert_true(was_said("parameter group 1: 1 parameters of 20 values, rate x 10, frozen for 2 steps"));
    begin(folder, 1);
    n_batches = 2; /* as long as the loss waits */
    set(NULL, NULL);
    model.m.parameter = parameter;
    setup.overwrite = true;
    setup.freeze_steps = "loss=2";
    OK(train());
    assert_true(memcmp(before.p, model.p, N_W * sizeof(float)) != 0);
    assert_memory_equal(before.p + N_W, model.p + N_W, (N_P - N_W) * sizeof(float));
    begin(folder, 1);
    setup.overwrite = true;
    setup.lr_scale = "loss=10"; /* the fake model has no names */
    refused(SPK_E_UNSUPPORTED, "which this model does not tell");
    begin(folder, 1);
    setup.overwrite = true;
    model.m.parameter = parameter;
    setup.lr_scale = "head=10";
    refused(SPK_E_CONFIG, "no trained parameter is named 'head'");
    end();
    drop_folder(folder);
}

static void test_outlook(void **state)
{
    (void)state;
    char *folder = make_folder();
    begin(folder, 1);
    set("cosineannealingwarmrestarts", "{T_0: 2, T_mult: 2}");
    n_batches = 15;
    OK(train());
    assert_true(was_said("15 steps an epoch, 15 in 1 epochs; the schedule's cycles end at steps 2, 6, 14, 30"));
    assert_true(was_said("the training ends 1 steps into a cycle of the schedule that has 16"));
    begin(folder, 1);
    setup.overwrite = true;
    set("cosineannealingwarmrestarts", "{T_0: 15}"); /* to the end of one */
    n_batches = 15;
    OK(train());
    assert_true(was_said("cycles end at steps 15\n"));
    assert_false(was_said("into a cycle"));
    begin(folder, 1);
    setup.overwrite = true;
    set("warmuplr", "warmup_steps: 3");
    OK(train());
    assert_true(was_said("5 steps an epoch, 5 in 1 epochs\n"));
    end();
    drop_folder(folder);
}

/* Noise changes the weights, is the same again, also over a resumption, and another with another seed. */
static void test_noise(void **state)
{
    (void)state;
    enum { WITHOUT, WITH, RESUMED, OTHER, RUNS };
    float got[RUNS][N_P];
    for (int i = 0; i < RUNS; i++) {
        char *folder = make_folder();
        for (int64_t epochs = i == RESUMED ? 1 : 2; epochs <= 2; epochs++) {
            begin(folder, epochs);
            set(NULL, NULL);
            setup.grad_noise = i != WITHOUT;
            setup.options.seed = i == OTHER;
            setup.resume = true;
            OK(train());
        }
        memcpy(got[i], model.p, sizeof got[i]);
        end();
        drop_folder(folder);
    }
    assert_memory_equal(got[WITH], got[RESUMED], sizeof got[WITH]);
    assert_true(memcmp(got[WITHOUT], got[WITH], sizeof got[WITH]) != 0);
    assert_true(memcmp(got[OTHER], got[WITH], sizeof got[WITH]) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs),  cmocka_unit_test(test_plateau), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_outlook), cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
