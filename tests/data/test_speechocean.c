/* SPDX-License-Identifier: Apache-2.0 */
/* The lists and recordings of shared/data/speechocean762, where they are: sizes, and how long opening takes. */
#include "data/data_help.h"

static const char *folder(const char *name)
{
    static char path[512];
    const char *shared = getenv("SPK_SHARED");
    snprintf(path, sizeof path, "%s/data/speechocean762/%s", shared ? shared : "../shared", name);
    return path;
}

static bool absent(void)
{
    if (spk_is_folder(folder("train"))) return false;
    print_message("skipped: %s is not there\n", folder("train"));
    return true;
}

static void trains(void **state)
{
    (void)state;
    if (absent()) skip();
    spk_train_set_options o;
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    spk_train_set_options_init(&o);
    o.dir = folder("train");
    o.category = o.drop_last_iter = true;
    o.batch_size = 64;
    o.num_iters_per_epoch = 17;
    o.num_workers = 2;
    o.spk_num = 125;
    const double start = spk_now();
    help_ok(spk_train_set_open(&o, &s));
    const double opened = spk_now();
    help_ok(spk_train_iterator(s, 1, &it));
    help_ok(it->next(it->self, &b));
    const double first = spk_now();
    int64_t n = 0;
    for (; b; help_ok(it->next(it->self, &b)))
        n += b->n;
    const double last = spk_now();
    print_message("training lists opened in %.3f s, first batch of 64 after %.3f s more, %.0f crops a second\n",
                  opened - start, first - opened, (double)n / (last - opened));
    assert_int_equal(spk_train_set_n_utterances(s), 1500);
    assert_int_equal(n, 17 * 64);
    spk_iterator_close(it);
    spk_train_set_close(s);
}

static void validates(void **state)
{
    (void)state;
    if (absent()) skip();
    spk_trial_set_options o;
    spk_trial_set *s, *kaldi;
    spk_iterator *it;
    const spk_batch *b;
    spk_trial_set_options_init(&o);
    o.dir = folder("valid");
    o.num_eval = 3;
    o.batch_size = 40;
    o.num_workers = 2;
    const double start = spk_now();
    help_ok(spk_trial_set_open(&o, &s));
    const double opened = spk_now();
    help_ok(spk_trial_iterator(s, &it));
    int64_t n = 0;
    for (help_ok(it->split->next(it->split->self, &b)); b; help_ok(it->split->next(it->split->self, &b)))
        n += b->n;
    print_message("%lld trials over %lld utterances opened in %.3f s, all decoded in %.3f s\n",
                  (long long)spk_trial_set_n_trials(s), (long long)n, opened - start, spk_now() - opened);
    assert_int_equal(spk_trial_set_n_trials(s), 19800);
    assert_int_equal(n, 400);
    spk_iterator_close(it);

    /* Kaldi's form of the same trials, in a folder without the other one. */
    char *wav, *trials;
    size_t n_wav, n_trials;
    help_ok(spk_read_file(folder("valid/wav.scp"), &wav, &n_wav));
    help_ok(spk_read_file(folder("valid/trials"), &trials, &n_trials));
    spk_text absolute = {0};
    char *root = spk_strdup(folder("valid"));
    for (char *rest = NULL, *line = strtok_r(wav, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *blank = strchr(line, ' ');
        char here[1024];
        assert_non_null(getcwd(here, sizeof here));
        spk_text_addf(&absolute, "%.*s %s%s%s/%s\n", (int)(blank - line), line, root[0] == '/' ? "" : here,
                      root[0] == '/' ? "" : "/", root, blank + 1);
    }
    help_text("k/wav.scp", spk_text_str(&absolute));
    help_text("k/trials", trials);
    o.dir = help_path("k");
    help_ok(spk_trial_set_open(&o, &kaldi));
    assert_int_equal(spk_trial_set_n_trials(kaldi), 19800);
    for (int64_t i = 0; i < 19800; i++) {
        assert_string_equal(spk_trial_set_trials(kaldi)[i].id, spk_trial_set_trials(s)[i].id);
        assert_int_equal(spk_trial_set_trials(kaldi)[i].label, spk_trial_set_trials(s)[i].label);
        assert_int_equal(spk_trial_set_trials(kaldi)[i].test, spk_trial_set_trials(s)[i].test);
    }
    spk_text_clear(&absolute);
    spk_free(root);
    spk_free(wav);
    spk_free(trials);
    spk_trial_set_close(kaldi);
    spk_trial_set_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trains), cmocka_unit_test(validates)};
    return cmocka_run_group_tests_name("speechocean", tests, help_setup, help_teardown);
}
