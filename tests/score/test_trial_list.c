/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of trials and scores: every form read and written, labels joined by trial, places named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "score/trial_list_impl.h"

static char folder[] = "/tmp/spk-trial-list-XXXXXX";

static char *write_list(const char *name, const char *text)
{
    char *path = spk_path_join(folder, name);
    assert_int_equal(spk_write_file(path, text, strlen(text)), SPK_OK);
    return path;
}

static spk_status read_text(const char *text, spk_form form, bool scores, spk_trial_list *t)
{
    char *path = write_list("list", text);
    const spk_status status = spk_trial_list_read(path, form, scores, t);
    spk_free(path);
    return status;
}

static const struct {
    const char *text;
    bool scores, labels;
    spk_form form;
} good[] = {
    {"a*b 1\na*c 0\n", false, true, SPK_FORM_ESPNET},
    {"a*b\na*c\n", false, false, SPK_FORM_ESPNET},
    {"a b target\na c nontarget\n", false, true, SPK_FORM_KALDI},
    {"a\tb 1\r\na  c 0", false, true, SPK_FORM_KALDI},
    {"a b\na c\n", false, false, SPK_FORM_KALDI},
    {"1 a b\n0 a c\n", false, true, SPK_FORM_VOXCELEB},
    {"a*b -1.5 1\na*c 2 0\n", true, true, SPK_FORM_ESPNET},
    {"a*b -1.5\na*c 2\n", true, false, SPK_FORM_ESPNET},
    {"a b -1.5\na c 2\n", true, false, SPK_FORM_KALDI},
    {"a b -1.5 target\na c 2 nontarget\n", true, true, SPK_FORM_WESPEAKER},
    {"a b -1.5 1\na c 2 0\n", true, true, SPK_FORM_WESPEAKER},
    {"a b 1 -1.5\na c 0 2\n", true, true, SPK_FORM_SPEECHBRAIN},
    {"a b target -1.5\na c nontarget 2\n", true, true, SPK_FORM_SPEECHBRAIN},
};

static void check_good(const spk_trial_list *t, bool scores, bool labels)
{
    assert_int_equal(t->n, 2);
    assert_int_equal(t->n_names, 3);
    assert_int_equal(t->has_labels, labels);
    assert_string_equal(t->name[t->enroll[1]], "a");
    assert_string_equal(t->name[t->test[0]], "b");
    assert_string_equal(t->name[t->test[1]], "c");
    assert_int_equal(t->label[0], labels);
    assert_int_equal(t->label[1], 0);
    if (!scores) return;
    assert_true(t->score[0] == -1.5F);
    assert_true(t->score[1] == 2);
}

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        spk_trial_list t, again;
        if (read_text(good[i].text, SPK_FORM_AUTO, good[i].scores, &t) != SPK_OK) fail_msg("%zu: %s", i, spk_errmsg());
        assert_int_equal(t.form, good[i].form);
        check_good(&t, good[i].scores, good[i].labels);
        if (good[i].scores) { /* and back */
            char *path = spk_path_join(folder, "written");
            assert_int_equal(spk_trial_list_write(&t, t.score, t.form, path, NULL), SPK_OK);
            assert_int_equal(spk_trial_list_read(path, SPK_FORM_AUTO, true, &again), SPK_OK);
            assert_int_equal(again.form, t.form);
            check_good(&again, true, good[i].labels);
            spk_trial_list_clear(&again);
            spk_free(path);
        }
        spk_trial_list_clear(&t);
    }
}

static const struct {
    const char *text;
    bool scores;
    spk_form form;
    const char *said;
} bad[] = {
    {"", false, SPK_FORM_AUTO, "the list is empty"},
    {"1 2 1\n", false, SPK_FORM_AUTO, ":1: cannot tell"},
    {"a b 1 1\n", true, SPK_FORM_AUTO, ":1: cannot tell"},
    {"a\n", false, SPK_FORM_AUTO, ":1: cannot tell"},
    {"a*b 1\nab 1\n", false, SPK_FORM_AUTO, ":2: the line is not of the form 'utt1*utt2 1'"},
    {"a*b 1\na*b*c 1\n", false, SPK_FORM_AUTO, ":2: the line is not"},
    {"a*b 2\n", false, SPK_FORM_AUTO, ":1: the label '2'"},
    {"a b 1\na b\n", false, SPK_FORM_AUTO, ":2: the line has no label"},
    {"a b\na c 1\n", false, SPK_FORM_AUTO, ":2: the line has a label"},
    {"a b nan\n", true, SPK_FORM_AUTO, ":1: the score 'nan' is no finite"},
    {"a b 1e60\n", true, SPK_FORM_AUTO, ":1: the score '1e60'"},
    {"a b much\n", true, SPK_FORM_AUTO, ":1: the score 'much'"},
    {"a b 1 2 3\n", true, SPK_FORM_KALDI, ":1: the line is not"},
    {"a b 1\n", true, SPK_FORM_VOXCELEB, "no form for scores"},
    {"a b 1\nc d 1\na b 0\n", false, SPK_FORM_AUTO, ":3: trial 'a*b' stands on line 1 with the other label"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spk_trial_list t;
        if (read_text(bad[i].text, bad[i].form, bad[i].scores, &t) == SPK_OK) fail_msg("row %zu was taken", i);
        if (!strstr(spk_errmsg(), bad[i].said)) fail_msg("row %zu: '%s' lacks '%s'", i, spk_errmsg(), bad[i].said);
        assert_null(t.name);
    }
}

static void test_join(void **state)
{
    (void)state;
    spk_trial_list trials, scores;
    assert_int_equal(read_text("a b 1\na c 0\nd b 0\n", SPK_FORM_AUTO, false, &trials), SPK_OK);
    assert_int_equal(read_text("d*b 3\na*b 1\n", SPK_FORM_AUTO, true, &scores), SPK_OK);
    assert_int_equal(spk_trial_list_label(&scores, &trials, true), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), ":2: trial 'a*c' is not in"));
    assert_int_equal(spk_trial_list_label(&scores, &trials, false), SPK_OK);
    assert_true(scores.has_labels);
    assert_int_equal(scores.label[0], 0);
    assert_int_equal(scores.label[1], 1);
    spk_trial_list_clear(&scores);
    assert_int_equal(read_text("b*a 3\n", SPK_FORM_AUTO, true, &scores), SPK_OK);
    assert_int_equal(spk_trial_list_label(&scores, &trials, false), SPK_E_MISMATCH); /* the sides are not swapped */
    spk_trial_list_clear(&scores);
    spk_trial_list_clear(&trials);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *const names[] = {"list", "written"};
    for (size_t i = 0; i < 2; i++) {
        char *path = spk_path_join(folder, names[i]);
        unlink(path);
        spk_free(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_join)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
