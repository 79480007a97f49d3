/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: drawn beside the program, whole or not at all, nothing left behind, and no harm without gnuplot. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "train/plot_impl.h"
#include "train/plot_script_impl.h"
#include "train/reporter_impl.h"

enum { N_TRIALS = 4000 };
static char folder[] = "/tmp/spk_plot_XXXXXX";
static float scores[N_TRIALS];
static uint8_t labels[N_TRIALS];
static int warnings;
static char last_line[512];

static void listen(void *user, int level, const char *tag, const char *line)
{
    (void)user;
    (void)tag;
    warnings += level >= SPK_LOG_WARNING;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static spk_reporter *some_epochs(int64_t n)
{
    spk_reporter *r = spk_reporter_new();
    spk_rng rng = spk_rng_make(5, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int64_t e = 1; e <= n; e++) {
        const double noise = 0.1 * spk_rng_normal(&rng);
        const spk_stat train[] = {{"loss", 12 * exp(-(double)e / 8) + noise, false},
                                  {"optim0_lr0", 1e-3 * cos((double)e / 20), false}};
        const spk_stat valid[] = {{"eer", e == 3 ? NAN : 8 + 20 * exp(-(double)e / 5) + 5 * noise, false},
                                  {"it's/odd", 1, false},
                                  {"loss", 13 * exp(-(double)e / 9) + noise, false},
                                  {"n_trials", 19800, true}};
        spk_reporter_set_epoch(r, e);
        spk_reporter_begin_phase(r, "train");
        assert_int_equal(spk_reporter_register(r, train, 2, 0), SPK_OK);
        spk_reporter_end_phase(r);
        spk_reporter_begin_phase(r, "valid");
        assert_int_equal(spk_reporter_register(r, valid, 4, 0), SPK_OK);
        spk_reporter_end_phase(r);
    }
    return r;
}

static spk_plot_scores some_scores(void)
{
    spk_rng rng = spk_rng_make(6, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < N_TRIALS; i++) {
        labels[i] = i % 8 == 0;
        scores[i] = (float)((labels[i] ? -0.75 : -1.15) + 0.12 * spk_rng_normal(&rng));
    }
    return (spk_plot_scores){scores, labels, N_TRIALS, -0.93, 7.25, "epoch 30"};
}

/* Files in the folder that are PNG pictures, or -1 when there is anything else. */
static int count_pictures(const char *where)
{
    static const unsigned char png[4] = {0x89, 'P', 'N', 'G'};
    int n = 0;
    DIR *dir = opendir(where);
    if (!dir) return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *path = spk_path_join(where, e->d_name), *data = NULL;
        size_t size = 0;
        const bool read = spk_is_file(path) && spk_read_file(path, &data, &size) == SPK_OK;
        if (!read || size < 1000 || memcmp(data, png, 4) != 0) {
            print_message("not a picture: %s\n", path);
            n = -1000;
        }
        n++;
        spk_free(data);
        spk_free(path);
    }
    closedir(dir);
    return n;
}

static bool has_gnuplot(void)
{
    char *rest = spk_strdup(getenv("PATH")), *dir = rest;
    bool found = false;
    while (dir && !found) {
        char *end = strchr(dir, ':');
        if (end) *end = 0;
        char *path = spk_strf("%s/gnuplot", dir);
        found = access(path, X_OK) == 0;
        spk_free(path);
        dir = end ? end + 1 : NULL;
    }
    spk_free(rest);
    return found;
}

static void remove_folder(const char *where)
{
    DIR *dir = opendir(where);
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char *path = spk_path_join(where, e->d_name);
        unlink(path);
        spk_free(path);
    }
    if (dir) closedir(dir);
    rmdir(where);
}

static void test_pictures(void **state)
{
    (void)state;
    if (!has_gnuplot()) {
        print_message("skipped: gnuplot is not installed\n");
        skip();
    }
    char *images = spk_strf("%s/it's images", folder), *one = spk_strf("%s/it's_odd.png", images);
    spk_reporter *r = some_epochs(30);
    const spk_plot_scores s = some_scores();
    spk_plots *p = spk_plots_new(images);
    const double start = spk_now();
    spk_plots_start(p, r, &s);
    const double started = spk_now() - start;
    spk_plots_poll(p);
    if (!spk_plots_wait(p)) fail_msg("%s", last_line);
    print_message("started in %.1f ms, drawn in %.0f ms\n", 1e3 * started, 1e3 * (spk_now() - start));
    /* loss, optim0_lr0, eer, it's/odd, n_trials; progress; scores */
    assert_int_equal(count_pictures(images), 7);
    assert_true(spk_is_file(one));
    const char *keep = getenv("SPK_KEEP_PICTURES"); /* a folder: draw there as well, to be looked at */
    if (keep) {
        spk_plots *kept = spk_plots_new(keep);
        spk_plots_start(kept, r, &s);
        spk_plots_free(kept);
    }
    /* again, over the pictures that are there, with one epoch and without scores */
    spk_reporter_free(r);
    r = some_epochs(1);
    spk_plots_start(p, r, NULL);
    spk_plots_start(p, r, NULL); /* waits for the first */
    spk_plots_free(p);
    assert_int_equal(count_pictures(images), 7);
    assert_int_equal(warnings, 0);
    spk_reporter_free(r);
    remove_folder(images);
    spk_free(images);
    spk_free(one);
}

/* A gnuplot that is missing, fails, or has no folder to write to: one line in the log, nothing else. */
static void test_without_gnuplot(void **state)
{
    (void)state;
    char *path = spk_strdup(getenv("PATH")), *images = spk_strf("%s/none", folder);
    char *fake = spk_strf("%s/gnuplot", folder);
    spk_reporter *r = some_epochs(2);
    spk_plots *p = spk_plots_new(images);
    setenv("PATH", folder, 1);
    warnings = 0;
    spk_plots_start(p, r, NULL);
    assert_false(spk_plots_wait(p));
    spk_plots_start(p, r, NULL);
    assert_false(spk_plots_wait(p));
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last_line, "gnuplot is not installed"));
    assert_int_equal(count_pictures(images), 0);
    spk_plots_free(p);

    const char script[] = "#!/bin/sh\necho 'line 3: no such terminal'; exit 1\n";
    assert_int_equal(spk_write_file(fake, script, strlen(script)), SPK_OK);
    assert_int_equal(chmod(fake, 0755), 0);
    p = spk_plots_new(images);
    spk_plots_start(p, r, NULL);
    assert_false(spk_plots_wait(p));
    assert_non_null(strstr(last_line, "gnuplot failed: line 3: no such terminal"));
    assert_int_equal(count_pictures(images), 0);
    spk_plots_free(p);

    char *inside = spk_strf("%s/gnuplot/images", folder); /* below a file */
    p = spk_plots_new(inside);
    spk_plots_start(p, r, NULL);
    assert_false(spk_plots_wait(p));
    assert_int_equal(warnings, 3);
    spk_plots_free(p);
    setenv("PATH", path, 1);
    unlink(fake);
    remove_folder(images);
    spk_reporter_free(r);
    spk_free(inside);
    spk_free(images);
    spk_free(fake);
    spk_free(path);
}

/* Nothing to draw; scores of one value; one class only. */
static void test_script(void **state)
{
    (void)state;
    const float same[] = {1, 1, 1};
    const uint8_t ones[] = {1, 1, 1};
    const spk_plot_scores s = {same, ones, 3, 1, 0, NULL};
    spk_text t = {0};
    spk_reporter *r = spk_reporter_new();
    assert_int_equal(spk_plot_script("x", r, NULL, &t), 0);
    assert_int_equal(spk_plot_script("x", NULL, NULL, &t), 0);
    assert_int_equal(spk_plot_script("x", NULL, &s, &t), 1);
    assert_null(strstr(spk_text_str(&t), "nan "));
    spk_text_clear(&t);
    spk_reporter_free(r);
}

static int begin(void **state)
{
    (void)state;
    spk_log_listen(listen, NULL, SPK_LOG_INFO);
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_script),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_without_gnuplot),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
