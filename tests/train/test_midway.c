/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints within an epoch: a run that is stopped between any two steps, or killed at any instant, ends like one that
 * never was. */
#include "train/run_help.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "train/checkpoint_impl.h"
#include "train/reporter_impl.h"

enum { EPOCHS = 3, BATCHES = 7 };

static int64_t accum_grad;

static void begin_whole(const char *folder, bool resume)
{
    begin(folder, EPOCHS);
    n_batches = BATCHES;
    setup.accum_grad = accum_grad;
    setup.resume = resume;
    setup.log_interval = 3;
    setup.average_last = 2;
}

/* The figures of all epochs without times. */
static char *figures(const char *folder)
{
    static const char *const names[] = {"loss", "accuracy", "grad_norm", "clip", "optim0_lr0", "eer", "mindcf"};
    spk_checkpoint c;
    spk_reporter *r = spk_reporter_new();
    spk_text text = {0};
    OK(spk_checkpoint_read(folder, false, &c));
    const char *json = spk_meta_get(&c.meta, "reporter");
    OK(spk_reporter_load(r, json, strlen(json), "test"));
    for (int64_t e = 1; e <= EPOCHS; e++)
        for (int i = 0; i < 7; i++) {
            double value = -1;
            if (!spk_reporter_get(r, e, i < 5 ? "train" : "valid", names[i], &value))
                fail_msg("epoch %d has no %s", (int)e, names[i]);
            spk_text_addf(&text, "%d %s %a\n", (int)e, names[i], value);
        }
    char *copy = spk_strdup(spk_text_str(&text));
    spk_text_clear(&text);
    spk_reporter_free(r);
    spk_checkpoint_clear(&c);
    return copy;
}

/* metrics.jsonl without the values of clocks. */
static char *metrics(const char *folder)
{
    size_t n = 0;
    char *text = slurp(folder, "metrics.jsonl", &n), *out = text;
    for (const char *p = text; *p;) {
        const char *clock = strstr(p, "time\": ");
        const size_t length = clock ? (size_t)(clock - p) + 7 : strlen(p);
        memmove(out, p, length);
        out += length;
        p += length;
        if (clock) p += strcspn(p, ",}");
    }
    *out = 0;
    return text;
}

static void assert_same_run(const char *a, const char *b)
{
    static const char *const files[] = {"1epoch.pth", "2epoch.pth", "3epoch.pth", "valid.eer.best.pth",
                                        "ave_last2.pth"};
    char *x = figures(a), *y = figures(b);
    assert_string_equal(x, y);
    for (int i = 0; i < 5; i++)
        assert_same_file(a, b, files[i]);
    spk_free(x);
    spk_free(y);
    x = metrics(a);
    y = metrics(b);
    assert_non_null(strstr(x, "{\"kind\": \"window\", \"epoch\": 2, \"batch\": 3, "));
    assert_non_null(strstr(x, "{\"kind\": \"epoch\", \"epoch\": 3, \"batch\": 7, "));
    assert_string_equal(x, y);
    spk_free(x);
    spk_free(y);
}

/* ---- stopped by a signal between two steps ---- */

static int64_t stop_at;

static spk_status stopping_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    if ((t->epoch - 1) * BATCHES + t->batch == stop_at) raise(SIGINT);
    return spk_trainer_train_step(t, batch, out);
}

static spk_status stopping_validation(spk_training *t, spk_iterator *iterator)
{
    if (t->epoch == -stop_at) raise(SIGTERM);
    return spk_trainer_validate_hook(t, iterator);
}

static spk_status train_until(int64_t at)
{
    spk_trainer_hooks hooks = spk_trainer_speaker_hooks();
    stop_at = at;
    hooks.train_step = stopping_step;
    hooks.validate_one_epoch = stopping_validation;
    return spk_trainer_run(&hooks, &setup);
}

/* In a child: the flag is the process's. */
static void stop_and_resume(const char *folder, int64_t at)
{
    const pid_t child = fork();
    if (child == 0) {
        spk_signals_catch();
        begin_whole(folder, false);
        setup.overwrite = true;
        const spk_status status = train_until(at);
        _exit(status == SPK_E_INTERRUPTED && spk_interrupted_by() == (at < 0 ? SIGTERM : SIGINT) &&
                      strstr(spk_errmsg(), "--resume goes on")
                  ? 0
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("stopping at %d: status %d", (int)at, status);
    begin_whole(folder, true);
    fake_model_init(&model, 999);
    OK(train());
    assert_true(was_said("The training was resumed using"));
    const int64_t in_epoch = at % BATCHES + 1, up = (in_epoch + accum_grad - 1) / accum_grad * accum_grad;
    const int64_t done = at < 0 ? -at * BATCHES : at / BATCHES * BATCHES + (up < BATCHES ? up : BATCHES);
    assert_int_equal(model.calls,
                     EPOCHS * BATCHES - done); /* the step that ran was finished, and nothing is done twice */
}

static void test_stopped(void **state)
{
    (void)state;
    for (accum_grad = 1; accum_grad <= 3; accum_grad += 2) {
        char *whole = make_folder(), *folder = make_folder();
        begin_whole(whole, false);
        OK(train());
        for (int64_t at = -EPOCHS; at < EPOCHS * BATCHES; at++) {
            stop_and_resume(folder, at);
            assert_same_run(whole, folder);
        }
        drop_folder(whole);
        drop_folder(folder);
    }
    accum_grad = 1;
    end();
}

/* ---- killed at any instant ---- */

static void test_killed(void **state)
{
    (void)state;
    char *whole = make_folder(), *folder = make_folder();
    spk_rng r = spk_rng_make(21, SPK_PURPOSE_TEST, 0, 0, 0);
    int64_t n_killed = 0, n_midway = 0;
    begin_whole(whole, false);
    OK(train());
    for (int k = 0; k < 12 || n_midway == 0;) {
        const pid_t child = fork();
        if (child == 0) {
            begin_whole(folder, true);
            if (spk_checkpoint_exists(folder)) fake_model_init(&model, 999);
            setup.checkpoint_interval = 1e-9; /* after each step */
            _exit(train() == SPK_OK ? 0 : 1);
        }
        const struct timespec wait = {0, (long)(1 + spk_rng_below(&r, 60000)) * 1000};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        if (WIFSIGNALED(status)) {
            spk_checkpoint c;
            n_killed++;
            k++;
            if (!spk_checkpoint_exists(folder)) continue;
            OK(spk_checkpoint_read(folder, false, &c));
            n_midway += strcmp(spk_meta_get(&c.meta, "stage"), "train") == 0;
            spk_checkpoint_clear(&c);
        } else {
            assert_same_run(whole, folder);
            drop_folder(folder);
            folder = make_folder();
        }
    }
    print_message("killed %d times, %d within an epoch\n", (int)n_killed, (int)n_midway);
    begin_whole(folder, true);
    OK(train());
    assert_same_run(whole, folder);
    end();
    drop_folder(whole);
    drop_folder(folder);
}

/* ---- a damaged one ---- */

static void flip(const char *folder, size_t from_end)
{
    size_t n = 0;
    char *data = slurp(folder, SPK_CHECKPOINT_NAME, &n), *path = spk_path_join(folder, SPK_CHECKPOINT_NAME);
    data[from_end < n ? n - from_end : 40] ^= 4;
    OK(spk_write_file(path, data, n));
    spk_free(data);
    spk_free(path);
}

/* The metadata are summed as well; the damaged file stays to be looked at, and the good one before it is not pushed out
 * by the next checkpoint. */
static void test_damaged_midway(void **state)
{
    (void)state;
    char *whole = make_folder(), *folder = make_folder();
    begin_whole(whole, false);
    OK(train());
    begin_whole(folder, false);
    setup.checkpoint_interval = 1e-9;
    OK(train());
    size_t n = 0, at;
    char *data = slurp(folder, SPK_CHECKPOINT_NAME, &n);
    for (at = 0; at < n && memcmp(data + at, "\"step\":\"21\"", 11) != 0; at++) {
    }
    assert_true(at < n);
    flip(folder, n - at - 8); /* step 61 for 21, say */
    begin_whole(folder, true);
    char *before = slurp(folder, SPK_CHECKPOINT_PREV_NAME, &n);
    assert_int_equal(train(), SPK_E_FORMAT); /* refused, and both stay as they are */
    assert_non_null(strstr(spk_errmsg(), "is damaged: its sum of settings"));
    assert_non_null(strstr(spk_errmsg(), "go on from that with --resume_from previous"));
    size_t n_now = 0;
    char *now = slurp(folder, SPK_CHECKPOINT_PREV_NAME, &n_now);
    assert_true(n_now == n && memcmp(now, before, n) == 0);
    assert_true(holds(folder, SPK_CHECKPOINT_NAME));
    assert_false(holds(folder, "checkpoint.damaged.safetensors"));
    spk_free(now);
    spk_free(before);
    begin_whole(folder, true);
    setup.resume_previous = true;
    OK(train());
    assert_true(was_said("is damaged: its sum of settings"));
    assert_true(was_said("going on from the checkpoint before it"));
    assert_true(holds(folder, "checkpoint.damaged.safetensors"));
    assert_same_run(whole, folder);
    spk_free(data);
    end();
    drop_folder(whole);
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_damaged_midway),
    };
    accum_grad = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
