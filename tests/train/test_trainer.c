/* SPDX-License-Identifier: Apache-2.0 */
/* The generic trainer: files of a run, what is logged, hooks, rates, steps that are left out, interruption. */
#include "train/run_help.h"

#include <signal.h>
#include <sys/wait.h>

#include "formats/yaml_impl.h"
#include "optim/optim_impl.h"

/* ---- a whole run ---- */

static void test_files(void **state)
{
    (void)state;
    static const char *const there[] = {"config.yaml",       "speakers.txt", "checkpoint.safetensors",
                                        "6epoch.pth",        "latest.pth",   "checkpoint.prev.safetensors",
                                        "valid.eer.best.pth"};
    char *folder = make_folder(), *deeper = spk_path_join(folder, "a/b");
    size_t n = 0;
    begin(deeper, 6);
    setup.keep_nbest_models = 1;
    setup.log_interval = 2;
    OK(train());
    for (int i = 0; i < 7; i++)
        if (!holds(deeper, there[i])) fail_msg("%s is not there", there[i]);
    assert_link(deeper, "latest.pth", "6epoch.pth");
    char *text = slurp(deeper, "speakers.txt", &n);
    assert_string_equal(text, "ann\nbob\ncem\ndee\n");
    spk_free(text);
    assert_true(was_said("1/6epoch started"));
    assert_true(was_said("2/6epoch started. Estimated time to finish: "));
    assert_true(was_said("1epoch:train:1-2batch: iter_time=0.250"));
    assert_true(was_said("optim0_lr0="));
    assert_true(was_said("The best model has been updated: valid.eer"));
    assert_true(was_said("The training was finished at 6 epochs"));
    assert_non_null(strstr(spk_text_str(&lines), "1epoch results: [train] "));
    assert_non_null(strstr(spk_text_str(&lines), "6epoch results: [train] "));
    assert_non_null(strstr(spk_text_str(&lines), "[valid] eer="));
    assert_non_null(strstr(spk_text_str(&lines), "n_trials=153"));
    spk_free(deeper);
    end();
    drop_folder(folder);
}

/* ---- best and n-best, with figures that are given ---- */

static const double *eers;

static spk_status given_eer(spk_training *t, spk_iterator *iterator)
{
    (void)iterator;
    const spk_stat stat = {"eer", eers[t->epoch - 1], false};
    return spk_reporter_register(t->reporter, &stat, 1, 0.0);
}

static spk_status train_with(const double *values)
{
    spk_trainer_hooks hooks = spk_trainer_speaker_hooks();
    hooks.validate_one_epoch = given_eer;
    eers = values;
    return spk_trainer_run(&hooks, &setup);
}

static void test_best(void **state)
{
    (void)state;
    static const double values[] = {9, 5, NAN, 5, 7, 8};
    char *folder = make_folder();
    begin(folder, 6);
    setup.keep_nbest_models = 2;
    OK(train_with(values));
    assert_link(folder, "valid.eer.best.pth", "2epoch.pth"); /* of equal values the earlier; NaN is none */
    assert_false(holds(folder, "1epoch.pth"));
    assert_true(holds(folder, "2epoch.pth"));
    assert_false(holds(folder, "3epoch.pth"));
    assert_true(holds(folder, "4epoch.pth"));
    assert_false(holds(folder, "5epoch.pth"));
    assert_true(holds(folder, "6epoch.pth"));
    assert_true(was_said("There are no improvements in this epoch"));
    assert_true(was_said("The model files were removed: 1epoch.pth"));
    end();
    drop_folder(folder);
}

static void test_criteria(void **state)
{
    (void)state;
    static const double values[] = {3, 2, 4};
    static const spk_criterion list[] = {{"train", "loss", "min"}, {"valid", "eer", "max"}, {"valid", "loss", "min"}};
    char *folder = make_folder();
    begin(folder, 3);
    setup.best_model_criterion = list;
    setup.n_best_model_criterion = 3;
    OK(train_with(values));
    assert_link(folder, "valid.eer.best.pth", "3epoch.pth");
    assert_true(holds(folder, "train.loss.best.pth"));
    assert_false(holds(folder, "valid.loss.best.pth"));
    assert_true(was_said("there is no value valid.loss"));
    const spk_criterion wrong = {"valid", "eer", "least"};
    begin(folder, 3);
    setup.best_model_criterion = &wrong;
    setup.overwrite = true;
    refused(SPK_E_CONFIG, "least");
    end();
    drop_folder(folder);
}

static void test_patience(void **state)
{
    (void)state;
    static const double values[] = {5, 4, 6, 6, 6, 6, 6, 6};
    char *folder = make_folder();
    begin(folder, 8);
    setup.patience = 2;
    OK(train_with(values));
    assert_true(holds(folder, "5epoch.pth"));
    assert_false(holds(folder, "6epoch.pth"));
    assert_true(was_said("[Early stopping] valid.eer has not been improved 3 epochs continuously"));
    end();
    drop_folder(folder);
}

/* ---- hooks ---- */

typedef struct watch {
    int64_t n, large, ended_at;
    double rate[64], clipped_norm;
} watch;

static spk_status watching_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    watch *w = t->setup->user;
    SPK_TRY(spk_trainer_train_step(t, batch, out));
    w->rate[w->n++] = out->rate;
    w->large += out->clipped;
    return SPK_OK;
}

static spk_status end_at_two(spk_training *t)
{
    watch *w = t->setup->user;
    w->ended_at = t->epoch;
    return t->epoch == 2 ? SPK_E_INTERRUPTED : SPK_OK;
}

static void test_hooks(void **state)
{
    (void)state;
    watch w = {0};
    spk_yaml *conf = NULL;
    spk_scheduler *scheduler = NULL;
    char *folder = make_folder();
    spk_trainer_hooks hooks = spk_trainer_generic_hooks();
    assert_null(hooks.validate_one_epoch);
    hooks.train_step = watching_step;
    hooks.epoch_done = end_at_two;
    begin(folder, 9);
    setup.user = &w;
    assert_int_equal(spk_trainer_run(&hooks, &setup), SPK_E_INTERRUPTED);
    assert_int_equal(w.ended_at, 2);
    assert_int_equal(w.n, 10);
    assert_true(holds(folder, "2epoch.pth"));
    assert_false(holds(folder, "valid.eer.best.pth"));
    assert_null(strstr(spk_text_str(&lines), "[valid]"));
    OK(spk_yaml_parse(scheduler_conf, strlen(scheduler_conf), "conf", &conf)); /* the rate of this step, not the next */
    OK(spk_scheduler_new("cosineannealingwarmuprestarts", conf, 0.02, &scheduler));
    for (int64_t i = 0; i < 10; i++)
        assert_true(w.rate[i] == spk_scheduler_lr(scheduler, (spk_schedule_place){i, 0}));
    spk_scheduler_free(scheduler);
    spk_yaml_free(conf);
    end();
    drop_folder(folder);
}

/* Clipping to a tenth of the norm under SGD makes a tenth of the step. */
static void test_clip(void **state)
{
    (void)state;
    char *folder = make_folder();
    watch w = {0};
    float step[2][N_P];
    double norm = 0;
    spk_trainer_hooks hooks = spk_trainer_generic_hooks();
    hooks.train_step = watching_step;
    for (int i = 0; i < 2; i++) {
        begin(folder, 1);
        fake_model before = model;
        n_batches = 1;
        setup.overwrite = true;
        setup.optim = "sgd";
        setup.optim_conf = "{lr: 0.1}";
        setup.scheduler = NULL;
        setup.scheduler_conf = NULL;
        setup.user = &w;
        setup.grad_clip = i ? norm / 10 : INFINITY;
        OK(spk_trainer_run(&hooks, &setup));
        assert_int_equal(w.large, i);
        for (int k = 0; k < N_P; k++)
            step[i][k] = model.p[k] - before.p[k];
        if (!i) norm = spk_grad_norm(model.g, N_P, 2);
    }
    for (int k = 0; k < N_P; k++)
        assert_true(fabs((double)step[1][k] - 0.1 * (double)step[0][k]) < 1e-6 * norm);
    end();
    drop_folder(folder);
}

/* ---- steps that are left out ---- */

static void test_skips(void **state)
{
    (void)state;
    char *folder = make_folder();
    fake_model before;
    begin(folder, 1);
    n_batches = 1;
    model.nan_loss_from = model.nan_loss_to = 2; /* none: one call */
    OK(train());
    before = model;
    begin(folder, 1);
    setup.overwrite = true;
    n_batches = 3;
    model.nan_loss_from = model.nan_loss_to = 2;
    model.nan_gradient_at = 3;
    OK(train());
    assert_memory_equal(before.p, model.p, sizeof model.p); /* the second and the third step changed nothing */
    assert_true(was_said("1epoch, batch 2: the loss is"));
    assert_true(was_said("1epoch, batch 3: the norm of the gradient is"));
    assert_true(was_said("(utterances s"));
    assert_null(strstr(spk_text_str(&lines), "loss=nan"));
    end();
    drop_folder(folder);
}

static void test_all_invalid(void **state)
{
    (void)state;
    char *folder = make_folder();
    size_t n = 0, m = 0;
    begin(folder, 4);
    model.nan_loss_from = 6; /* the second epoch */
    model.nan_loss_to = 1000;
    refused(SPK_E_VALUE, "The gradients at all steps are invalid in this epoch");
    assert_message("2epoch");
    assert_false(holds(folder, "2epoch.pth"));
    assert_link(folder, "latest.pth", "1epoch.pth");
    char *before = slurp(folder, "checkpoint.safetensors", &n);
    begin(folder, 4); /* and the run goes on from there when the cause is gone */
    setup.resume = true;
    n_batches = 50;
    model.nan_loss_from = 1;
    model.nan_loss_to = 1000;
    refused(SPK_E_VALUE, "20 steps in a row");
    assert_int_equal(model.calls, 20);
    char *after = slurp(folder, "checkpoint.safetensors", &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    spk_free(before);
    spk_free(after);
    begin(folder, 2);
    setup.resume = true;
    OK(train());
    assert_true(holds(folder, "2epoch.pth"));
    end();
    drop_folder(folder);
}

static void test_no_batches(void **state)
{
    (void)state;
    char *folder = make_folder();
    begin(folder, 2);
    n_batches = 0;
    refused(SPK_E_VALUE, "gave no batches");
    assert_false(holds(folder, "1epoch.pth"));
    end();
    drop_folder(folder);
}

/* ---- refusals before any work ---- */

static void test_refusals(void **state)
{
    (void)state;
    char *folder = make_folder(), *file = spk_path_join(folder, "file");
    OK(spk_write_file(file, "x", 1));
    begin(file, 2);
    refused(SPK_E_IO, "must name a folder");
    begin("/dev/null/x", 2);
    refused(SPK_E_IO, "/dev/null");
    begin(folder, 0);
    refused(SPK_E_CONFIG, "max_epoch");
    begin(folder, 2);
    setup.optim_conf = "{lr: fast}";
    refused(SPK_E_CONFIG, "lr");
    begin(folder, 2);
    setup.scheduler = "warp";
    refused(SPK_E_CONFIG, "warp");
    begin(folder, 2);
    setup.distributed_option.distributed = true;
    refused(SPK_E_VALUE, "distributed");
    assert_int_equal(model.calls, 0);
    assert_false(holds(folder, "config.yaml"));
    spk_free(file);
    end();
    drop_folder(folder);
}

static void test_init_param(void **state)
{
    (void)state;
    char *folder = make_folder(), *out = spk_path_join(folder, "out"), *path = spk_path_join(folder, "w.pth");
    spk_tensors weights = {0};
    float want[N_P];
    begin(out, 1);
    fake_model_init(&model, 77);
    memcpy(want, model.p, sizeof want);
    OK(fake_save(&model, &weights));
    OK(spk_pth_write(path, &weights));
    begin(out, 1);
    const char *const files[] = {path};
    setup.init_param = files;
    setup.n_init_param = 1;
    setup.scheduler = NULL;
    setup.scheduler_conf = NULL;
    setup.optim_conf = "{lr: 0.0}";
    OK(train());
    assert_memory_equal(want, model.p, sizeof want);
    weights.item[0].a.dim[1] = T / 2; /* another shape */
    OK(spk_pth_write(path, &weights));
    begin(out, 1);
    setup.overwrite = true;
    setup.init_param = files;
    setup.n_init_param = 1;
    refused(SPK_E_MISMATCH, "w.pth");
    assert_true(holds(out, "1epoch.pth")); /* what was there is still there */
    setup.ignore_init_mismatch = true;
    OK(train());
    assert_true(was_said("'encoder.weight' is passed over"));
    assert_true(was_said("3 of the model's 4 tensors are taken"));
    weights.item[0].a.dim[1] = T;
    spk_tensors_clear(&weights);
    spk_free(path);
    spk_free(out);
    end();
    drop_folder(folder);
}

/* ---- a signal ---- */

static spk_status signalling_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    if (t->epoch == 2 && t->step == 7) raise(SIGTERM);
    return spk_trainer_train_step(t, batch, out);
}

static void test_signal(void **state)
{
    (void)state;
    char *folder = make_folder();
    const pid_t child = fork(); /* the flag is the process's */
    if (child == 0) {
        spk_trainer_hooks hooks = spk_trainer_speaker_hooks();
        hooks.train_step = signalling_step;
        spk_signals_catch();
        begin(folder, 4);
        const spk_status status = spk_trainer_run(&hooks, &setup);
        const bool said_so = strstr(spk_errmsg(), "after 3 batches") != NULL; /* the step that ran was finished */
        _exit(status == SPK_E_INTERRUPTED && said_so && model.calls == 8 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_link(folder, "latest.pth", "1epoch.pth");
    begin(folder, 2);
    setup.resume = true;
    OK(train());
    assert_link(folder, "latest.pth", "2epoch.pth");
    end();
    drop_folder(folder);
}

/* ---- nothing but what training itself moves ---- */

static void test_validation_changes_nothing(void **state)
{
    (void)state;
    char *folder = make_folder();
    const spk_trainer_hooks without = spk_trainer_generic_hooks();
    begin(folder, 3);
    OK(train());
    const fake_model with = model;
    begin(folder, 3);
    setup.overwrite = true;
    OK(spk_trainer_run(&without, &setup));
    assert_memory_equal(with.p, model.p, sizeof model.p);
    assert_memory_equal(with.mean, model.mean, sizeof model.mean);
    assert_int_equal(with.count, model.count);
    end();
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_criteria),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_skips),
        cmocka_unit_test(test_all_invalid),
        cmocka_unit_test(test_no_batches),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_init_param),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_validation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
