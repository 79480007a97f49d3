/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: the same bits after a resume, a whole one at any instant, refusals when something else is resumed. */
#include "train/run_help.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "train/checkpoint_impl.h"

/* The straight run of 4 epochs that all others must equal. */
static char *straight;

static int make_straight(void **state)
{
    (void)state;
    straight = make_folder();
    begin(straight, 4);
    setup.overwrite = true;
    OK(train());
    end();
    return 0;
}

static int drop_straight(void **state)
{
    (void)state;
    drop_folder(straight);
    return 0;
}

static void begin_resume(const char *folder)
{
    begin(folder, 4);
    fake_model_init(&model, 999); /* other weights: all must come from the checkpoint */
    setup.resume = true;
}

static void assert_equals_straight(const char *folder)
{
    spk_checkpoint a, b;
    assert_same_file(straight, folder, "4epoch.pth");
    OK(spk_checkpoint_read(straight, false, &a));
    OK(spk_checkpoint_read(folder, false, &b));
    assert_int_equal(a.tensors.n, b.tensors.n);
    assert_string_equal(spk_meta_get(&a.meta, "sum"), spk_meta_get(&b.meta, "sum"));
    assert_string_equal(spk_meta_get(&b.meta, "epoch"), "4");
    assert_string_equal(spk_meta_get(&b.meta, "step"), "20");
    assert_link(folder, "latest.pth", "4epoch.pth");
    spk_checkpoint_clear(&a);
    spk_checkpoint_clear(&b);
}

/* ---- the same bits ---- */

static void test_resume(void **state)
{
    (void)state;
    for (int64_t k = 1; k <= 4; k++) {
        char *folder = make_folder();
        begin(folder, k);
        OK(train());
        begin_resume(folder);
        OK(train());
        if (k < 4)
            assert_true(was_said("The training was resumed using"));
        else
            assert_true(was_said("already reached at max_epoch"));
        assert_equals_straight(folder);
        drop_folder(folder);
    }
    end();
}

static void test_equal_weights_equal_bytes(void **state)
{
    (void)state;
    char *folder = make_folder();
    begin(folder, 4);
    OK(train());
    for (int e = 1; e <= 4; e++) {
        char *name = spk_strf("%depoch.pth", e);
        assert_same_file(straight, folder, name);
        spk_free(name);
    }
    end();
    drop_folder(folder);
}

static void test_state_is_whole(void **state)
{
    (void)state;
    static const char *const keys[] = {"config", "reporter", "speakers", "program", "threads", "isa", "seed"};
    spk_checkpoint c;
    OK(spk_checkpoint_read(straight, false, &c));
    for (int i = 0; i < 7; i++)
        if (!spk_meta_get(&c.meta, keys[i])) fail_msg("%s is not there", keys[i]);
    assert_string_equal(spk_meta_get(&c.meta, "speakers"), "ann\nbob\ncem\ndee");
    assert_non_null(spk_tensors_find(&c.tensors, "model.bn.running_mean"));
    assert_non_null(spk_tensors_find(&c.tensors, "optim.exp_avg_sq"));
    spk_checkpoint_clear(&c);
}

/* ---- a folder that holds a training ---- */

static void test_folder(void **state)
{
    (void)state;
    char *folder = make_folder();
    begin(folder, 3);
    setup.resume = true; /* without a checkpoint it starts fresh */
    OK(train());
    begin(folder, 3);
    refused(SPK_E_VALUE, "holds the checkpoint of a training");
    assert_int_equal(model.calls, 0);
    begin(folder, 1);
    setup.overwrite = true;
    setup.config_text = "seed: 5\n";
    OK(train());
    assert_true(holds(folder, "1epoch.pth"));
    assert_false(holds(folder, "3epoch.pth"));
    assert_false(holds(folder, SPK_CHECKPOINT_PREV_NAME));
    size_t n = 0;
    char *now = slurp(folder, "config.yaml", &n), *prev = slurp(folder, "config.prev.yaml", &n);
    assert_string_equal(now, "seed: 5\n");
    assert_string_equal(prev, "max_epoch: 4\nseed: 0\n");
    spk_free(now);
    spk_free(prev);
    end();
    drop_folder(folder);
}

static void write_empty(const char *folder, const char *name)
{
    char *path = spk_path_join(folder, name);
    OK(spk_write_file(path, "", 0));
    spk_free(path);
}

/* Models of another program: starting would remove them. */
static void test_foreign_models(void **state)
{
    (void)state;
    static const char *const names[] = {"checkpoint.pth", "12epoch.pth"};
    for (int i = 0; i < 2; i++) {
        char *folder = make_folder();
        write_empty(folder, names[i]);
        for (int again = 0; again < 2; again++) {
            begin(folder, 1);
            setup.resume = again;
            refused(SPK_E_VALUE, "no checkpoint of this program");
            assert_true(holds(folder, names[i]));
        }
        begin(folder, 1);
        setup.overwrite = true;
        OK(train());
        drop_folder(folder);
    }
    char *folder = make_folder();
    write_empty(folder, "1epoch.pth"); /* all that a run leaves that is killed before its first checkpoint */
    begin(folder, 1);
    OK(train());
    end();
    drop_folder(folder);
}

/* ---- what must be the same ---- */

static void test_mismatches(void **state)
{
    (void)state;
    static const char *const other[] = {"ann", "bob", "dee", "cem"}, *const more[] = {"ann", "bob", "cem", "dee",
                                                                                      "eve"};
    char *folder = make_folder();
    begin(folder, 2);
    setup.threads = 2;
    setup.backend = "oneDNN 2.6.3";
    OK(train());
    begin_resume(folder);
    const fake_model before = model;
    setup.speakers = other;
    refused(SPK_E_MISMATCH, "class 2 is 'cem' there and 'dee' now");
    begin_resume(folder);
    setup.speakers = more;
    setup.n_speakers = 5;
    refused(SPK_E_MISMATCH, "'eve'");
    setup.n_speakers = 3;
    refused(SPK_E_MISMATCH, "4 speakers");
    begin_resume(folder);
    setup.optim = "sgd";
    setup.optim_conf = "{lr: 0.1}";
    refused(SPK_E_MISMATCH, "optimiser adam");
    assert_memory_equal(before.p, model.p, sizeof model.p);
    size_t n = 0;
    char *config = slurp(folder, "config.yaml", &n);
    begin_resume(folder);
    setup.threads = 4;
    setup.backend = "oneDNN 3.2.1";
    setup.config_text = "max_epoch: 9\nseed: 1\n";
    refused(SPK_E_MISMATCH, "now seed: 1 (was 0); go on with these with --resume_conf new");
    assert_memory_equal(before.p, model.p, sizeof model.p);
    setup.resume_changed = true;
    OK(train());
    assert_true(was_said("resuming with max_epoch: 9 (was 4)"));
    assert_true(was_said("another number of threads (4, was 2)"));
    assert_true(was_said("another library (oneDNN 3.2.1, was oneDNN 2.6.3)"));
    assert_true(was_said("other settings, which hold from here on: seed: 1 (was 0)"));
    assert_equals_straight(folder);
    char *prev = slurp(folder, "config.prev.yaml", &n);
    assert_string_equal(config, prev);
    spk_free(config);
    spk_free(prev);
    end();
    drop_folder(folder);
}

/* ---- damage ---- */

static void cut(const char *folder, const char *name, size_t bytes)
{
    char *path = spk_path_join(folder, name);
    assert_int_equal(truncate(path, (off_t)bytes), 0);
    spk_free(path);
}

static void flip_a_bit(const char *folder, const char *name)
{
    size_t n = 0;
    char *data = slurp(folder, name, &n), *path = spk_path_join(folder, name);
    data[n - 5] ^= 4;
    OK(spk_write_file(path, data, n));
    spk_free(data);
    spk_free(path);
}

static void test_damage(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        char *folder = make_folder();
        begin(folder, 3);
        OK(train());
        char *path = spk_path_join(folder, SPK_CHECKPOINT_NAME), *before = spk_path_join(folder, "2epoch.pth");
        assert_int_equal(unlink(before), 0); /* as if it were not among the best when epoch 3 ended */
        spk_free(before);
        if (how == 0) cut(folder, SPK_CHECKPOINT_NAME, 700);
        if (how == 1) flip_a_bit(folder, SPK_CHECKPOINT_NAME);
        if (how == 2) cut(folder, SPK_CHECKPOINT_NAME, 0);
        if (how == 3) assert_int_equal(unlink(path), 0); /* killed between the two renames */
        begin_resume(folder);
        if (how < 3) {
            refused(SPK_E_FORMAT, "go on from that with --resume_from previous");
            assert_non_null(strstr(spk_errmsg(), SPK_CHECKPOINT_NAME));
            assert_true(holds(folder, SPK_CHECKPOINT_NAME) && holds(folder, SPK_CHECKPOINT_PREV_NAME));
            begin_resume(folder);
            setup.resume_previous = true;
        }
        OK(train());
        assert_true(was_said("going on from the checkpoint before it"));
        assert_int_equal(holds(folder, "checkpoint.damaged.safetensors"), how < 3);
        assert_equals_straight(folder);
        assert_same_file(straight, folder, "2epoch.pth");
        cut(folder, SPK_CHECKPOINT_NAME, 10);
        flip_a_bit(folder, SPK_CHECKPOINT_PREV_NAME);
        begin_resume(folder);
        refused(SPK_E_FORMAT, "nor can the one before it be used");
        spk_free(path);
        drop_folder(folder);
    }
    end();
}

/* ---- a disk that is full ---- */

static rlim_t small;

/* From the second epoch on no file may grow beyond `small` bytes. */
static spk_status fill_disk(spk_training *t, spk_iterator *iterator)
{
    SPK_TRY(spk_trainer_train_one_epoch(t, iterator));
    if (t->epoch == 3) {
        struct rlimit limit;
        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = small;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    return SPK_OK;
}

static void test_full_disk(void **state)
{
    (void)state;
    static const char *const names[] = {SPK_CHECKPOINT_NAME, SPK_CHECKPOINT_PREV_NAME, "2epoch.pth", "config.yaml"};
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        struct rlimit before;
        char *folder = make_folder(), *copy = make_folder();
        spk_text config = {0};
        spk_trainer_hooks hooks = spk_trainer_speaker_hooks();
        hooks.train_one_epoch = fill_disk;
        while (config.n < 20000)
            spk_text_add(&config, "# a checkpoint that is longer than a snapshot\n");
        begin(folder, 2);
        setup.config_text = spk_text_str(&config);
        OK(train());
        char *command = spk_strf("cp -r '%s'/* '%s'", folder, copy);
        assert_int_equal(system(command), 0);
        getrlimit(RLIMIT_FSIZE, &before);
        small = i ? 10000 : 500; /* the checkpoint fails; the snapshot fails */
        begin_resume(folder);
        setup.config_text = spk_text_str(&config);
        const spk_status status = spk_trainer_run(&hooks, &setup);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(status, SPK_E_IO);
        assert_message(i ? "checkpoint" : "3epoch.pth");
        for (int k = 0; k < 4; k++)
            assert_same_file(folder, copy, names[k]);
        assert_true(holds(folder, "3epoch.pth") == (i == 1));
        assert_false(holds(folder, "checkpoint.new.safetensors"));
        begin_resume(folder);
        setup.resume_changed = true; /* the short configuration again */
        OK(train());
        assert_equals_straight(folder);
        spk_free(command);
        spk_text_clear(&config);
        drop_folder(folder);
        drop_folder(copy);
    }
    end();
}

/* ---- killed at any instant ---- */

static void test_killed(void **state)
{
    (void)state;
    char *folder = make_folder();
    spk_rng r = spk_rng_make(20, SPK_PURPOSE_TEST, 0, 0, 0);
    int64_t n_killed = 0;
    for (int k = 0; k < 24; k++) {
        const pid_t child = fork();
        if (child == 0) {
            begin_resume(folder);
            fake_model_init(&model, 1); /* where nothing was saved it starts as the straight run did */
            _exit(train() == SPK_OK ? 0 : 1);
        }
        const struct timespec wait = {0, (long)(1 + spk_rng_below(&r, 25000)) * 1000};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        n_killed += WIFSIGNALED(status);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        spk_checkpoint c;
        if (spk_checkpoint_exists(folder)) {
            OK(spk_checkpoint_read(folder, false, &c));
            spk_checkpoint_clear(&c);
        }
        if (WIFEXITED(status)) { /* done: again from the beginning */
            assert_equals_straight(folder);
            drop_folder(folder);
            folder = make_folder();
        }
    }
    print_message("killed %d of 24 runs\n", (int)n_killed);
    begin_resume(folder);
    if (!spk_checkpoint_exists(folder)) fake_model_init(&model, 1);
    OK(train());
    assert_equals_straight(folder);
    end();
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume),         cmocka_unit_test(test_equal_weights_equal_bytes),
        cmocka_unit_test(test_state_is_whole), cmocka_unit_test(test_folder),
        cmocka_unit_test(test_foreign_models), cmocka_unit_test(test_mismatches),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, make_straight, drop_straight);
}
