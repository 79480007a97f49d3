/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of recordings becomes data folders that the other parts open. */
#include "data/data_help.h"

#include "data/tree_impl.h"
#include "formats/list_impl.h"

static void make_tree(void)
{
    for (int s = 0; s < 15; s++)
        for (int u = 0; u < 4; u++) {
            char name[80];
            snprintf(name, sizeof name, "in/spk %02d/%sx%d.%s", s,
                     u == 1   ? "a/b/"
                     : u == 2 ? "c*d/"
                              : "",
                     u, u == 3 ? "FLAC" : "wav");
            help_sound(name, u == 3 ? HELP_FLAC : HELP_WAV, 16000, 1, 900, help_tone);
        }
    help_text("in/README", "not audio");
    help_text("in/spk 00/notes.txt", "not audio");
    help_text("in/empty one/notes.txt", "not audio");
    help_text("in/.hidden/x.wav", "not audio");
    help_sound("in/spk 03/x0.flac", HELP_FLAC, 16000, 1, 900, help_tone); /* x0 twice */
}

static char *read_text(const char *name)
{
    char *data;
    size_t n;
    help_ok(spk_read_file(help_path(name), &data, &n));
    return data;
}

static void makes_folders(void **state)
{
    (void)state;
    make_tree();
    const spk_tree_options o = {.input = help_path("in"), .output = help_path("out"), .seed = 3, .nontarget_ratio = 4};
    spk_tree_summary sum;
    help_ok(spk_prep_tree(&o, &sum));
    assert_int_equal(sum.valid_speakers, 3); /* a fifth */
    assert_int_equal(sum.train_speakers, 12);
    assert_int_equal(sum.train_utterances + sum.valid_utterances, 61);
    assert_int_equal(sum.ignored_files, 3);
    const int64_t targets = sum.valid_utterances == 13 ? 2 * 6 + 10 : 3 * 6;
    assert_int_equal(sum.n_targets, targets);
    assert_true(sum.n_nontargets == 4 * targets ||
                sum.n_nontargets == (targets == 22 ? 56 : 48)); /* no more than there are */

    spk_train_set_options to;
    spk_train_set *train;
    spk_train_set_options_init(&to);
    to.dir = help_path("out/train");
    help_ok(spk_train_set_open(&to, &train));
    assert_int_equal(spk_train_set_n_speakers(train), 12);
    assert_int_equal(spk_train_set_n_utterances(train), sum.train_utterances);
    for (int64_t i = 0; i < spk_train_set_n_utterances(train); i++)
        assert_int_equal(spk_train_set_path(train, i)[0], '/');

    spk_trial_set_options vo;
    spk_trial_set *valid;
    spk_trial_set_options_init(&vo);
    vo.dir = help_path("out/valid");
    help_ok(spk_trial_set_open(&vo, &valid));
    assert_int_equal(spk_trial_set_n_trials(valid), sum.n_targets + sum.n_nontargets);
    spk_map seen = {0};
    for (int64_t i = 0; i < spk_trial_set_n_trials(valid); i++) {
        const spk_trial *t = &spk_trial_set_trials(valid)[i];
        const char *a = spk_trial_set_utterance(valid, t->enroll), *b = spk_trial_set_utterance(valid, t->test);
        assert_true(t->enroll != t->test);
        assert_int_equal(t->label, strncmp(a, b, 6) == 0); /* "spk_07-..." */
        char *pair = strcmp(a, b) < 0 ? spk_strf("%s %s", a, b) : spk_strf("%s %s", b, a);
        assert_true(spk_map_put(&seen, pair, i)); /* no pair twice, in neither order */
        for (int64_t k = 0; k < spk_train_set_n_speakers(train); k++)
            assert_false(spk_starts_with(a, spk_train_set_speaker(train, k)));
    }
    for (size_t i = 0; i < seen.room; i++)
        if (seen.key[i]) {
            char *owned = NULL;
            memcpy(&owned, &seen.key[i], sizeof owned);
            spk_free(owned);
        }
    spk_map_clear(&seen);
    spk_train_set_close(train);
    spk_trial_set_close(valid);
}

static void repeats_and_differs_by_seed(void **state)
{
    (void)state;
    spk_tree_options o = {.input = help_path("in"), .output = help_path("again"), .seed = 3, .nontarget_ratio = 4};
    spk_tree_summary sum;
    help_ok(spk_prep_tree(&o, &sum));
    char *a = read_text("out/valid/trials"), *b = read_text("again/valid/trials");
    assert_string_equal(a, b);
    spk_free(b);
    help_ok(spk_prep_tree(&o, &sum)); /* the same result: nothing to say */
    o.seed = 4;
    help_refused(spk_prep_tree(&o, &sum), SPK_E_IO, "again/train/wav.scp", "already", "--overwrite");
    o.overwrite = true;
    help_ok(spk_prep_tree(&o, &sum));
    b = read_text("again/valid/trials");
    assert_string_not_equal(a, b);
    spk_free(a);
    spk_free(b);
    o.max_targets = 7;
    o.nontarget_ratio = 2;
    o.valid_speakers = 5;
    help_ok(spk_prep_tree(&o, &sum));
    assert_int_equal(sum.valid_speakers, 5);
    assert_int_equal(sum.n_targets, 7);
    assert_int_equal(sum.n_nontargets, 14);
    spk_trial_set_options vo;
    spk_trial_set *valid;
    spk_trial_set_options_init(&vo);
    vo.dir = help_path("again/valid");
    help_ok(spk_trial_set_open(&vo, &valid));
    for (int64_t i = 0; i < spk_trial_set_n_trials(valid); i++) {
        const spk_trial *t = &spk_trial_set_trials(valid)[i];
        assert_int_equal(t->label, strncmp(spk_trial_set_utterance(valid, t->enroll),
                                           spk_trial_set_utterance(valid, t->test), 6) == 0);
    }
    spk_trial_set_close(valid);
}

static void without_validation(void **state)
{
    (void)state;
    const spk_tree_options o = {.input = help_path("in"), .output = help_path("all"), .train_only = true};
    spk_tree_summary sum;
    help_ok(spk_prep_tree(&o, &sum));
    assert_int_equal(sum.train_speakers, 15);
    assert_int_equal(sum.train_utterances, 61);
    assert_int_equal(sum.valid_speakers, 0);
    assert_false(spk_exists(help_path("all/valid")));
    help_sound("lone/one/x.wav", HELP_WAV, 16000, 1, 900, help_tone);
    const spk_tree_options lone = {.input = help_path("lone"), .output = help_path("none"), .train_only = true};
    help_refused(spk_prep_tree(&lone, &sum), SPK_E_VALUE, "at least 2");
}

static void names_are_words(void **state)
{
    (void)state;
    char *wav = read_text("out/train/wav.scp"), *valid = read_text("out/valid/wav.scp");
    spk_text both = {0};
    spk_text_add(&both, wav);
    spk_text_add(&both, valid);
    assert_non_null(strstr(spk_text_str(&both), "spk_05-a-b-x1 /"));
    assert_non_null(strstr(spk_text_str(&both), "spk_05-c_d-x2 /"));
    assert_non_null(strstr(spk_text_str(&both), "spk_05-x3 /"));
    assert_non_null(strstr(spk_text_str(&both), "spk_03-x0 /"));
    assert_non_null(strstr(spk_text_str(&both), "spk_03-x0_wav /"));
    spk_text_clear(&both);
    spk_free(wav);
    spk_free(valid);
}

static void refuses(void **state)
{
    (void)state;
    spk_tree_summary sum;
    spk_tree_options o = {.input = help_path("nowhere"), .output = help_path("o2")};
    help_refused(spk_prep_tree(&o, &sum), SPK_E_IO, "nowhere", "no such folder");
    for (int s = 0; s < 3; s++) {
        char name[32];
        snprintf(name, sizeof name, "few/s%d/a.wav", s);
        help_sound(name, HELP_WAV, 16000, 1, 100, help_tone);
    }
    o.input = help_path("few");
    help_refused(spk_prep_tree(&o, &sum), SPK_E_VALUE, "few", "3 speakers", "at least 4", "sub-folder");
    help_sound("few/s3/a.wav", HELP_WAV, 16000, 1, 100, help_tone);
    help_refused(spk_prep_tree(&o, &sum), SPK_E_VALUE, "few", "2 speakers cannot be held back", "the 0 with two");
    o.input = help_path("in");
    o.valid_speakers = 14;
    help_refused(spk_prep_tree(&o, &sum), SPK_E_VALUE, "14 speakers cannot be held back");
    o.valid_speakers = -1;
    help_refused(spk_prep_tree(&o, &sum), SPK_E_VALUE, "valid_speakers");
    o.valid_speakers = 0;
    o.output = help_path("few/s0/a.wav"); /* a file is in the way */
    help_refused(spk_prep_tree(&o, &sum), SPK_E_IO, "few/s0/a.wav");
    assert_false(spk_exists(help_path("o2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(repeats_and_differs_by_seed),
        cmocka_unit_test(without_validation),
        cmocka_unit_test(names_are_words),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests_name("tree", tests, help_setup, help_teardown);
}
