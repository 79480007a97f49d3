/* SPDX-License-Identifier: Apache-2.0 */
/* Kaldi text lists: entries, places in messages, paths relative to the list, a million lines. */
#include "formats_test.h"

#include <sys/stat.h>

#include "formats/list_impl.h"

static spk_status read_text(const char *text, size_t n, int flags, spk_list *out)
{
    char *copy = spk_new(n + 1);
    memcpy(copy, text, n);
    return spk_list_parse(copy, n, "wav.scp", flags, out);
}

static void reads_entries(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbfutt1 a.wav\r\nutt2\t  b c.wav  \nutt\xc3\xa9 d\n  utt4 e";
    spk_list list;
    assert_ok(read_text(text, sizeof text - 1, 0, &list));
    assert_int_equal(list.n, 4);
    assert_string_equal(list.entry[0].value, "a.wav");
    assert_string_equal(list.entry[1].value, "b c.wav");
    assert_string_equal(spk_list_get(&list, "utt\xc3\xa9"), "d");
    assert_int_equal(spk_list_find(&list, "utt4"), 3);
    assert_int_equal(list.entry[3].line, 4);
    assert_int_equal(spk_list_find(&list, "utt5"), -1);
    assert_null(spk_list_get(&list, "utt5"));
    spk_list_clear(&list);
    assert_ok(read_text("", 0, 0, &list));
    assert_int_equal(list.n, 0);
    assert_int_equal(spk_list_find(&list, "x"), -1);
    spk_list_clear(&list);
}

static void names_the_line_of_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        const char *message;
    } bad[] = {{"a 1\nb 2\na 3\n", 12, "wav.scp:3: key 'a' stands twice (first at line 1)"},
               {"a 1\n\nb 2\n", 9, "wav.scp:2: the line is blank"},
               {"a 1\nb 2\n \t\r\n", 12, "wav.scp:3: the line is blank"},
               {"a 1\nb\n", 6, "wav.scp:2: nothing follows the key 'b'"},
               {"a 1\nb \0c\n", 9, "wav.scp:2: the line holds a NUL byte"},
               {"a \xff\n", 4, "wav.scp:1: the line is not UTF-8 text (byte 3 is 0xff)"},
               {"a \xc3", 3, "wav.scp:1: the line is not UTF-8"},
               {"a \xed\xa0\x80\n", 6, "wav.scp:1: the line is not UTF-8"}};
    spk_list list;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(read_text(bad[i].text, bad[i].n, 0, &list), SPK_E_FORMAT, bad[i].message);
        assert_null(list.entry);
    }
    assert_fails(spk_list_read("/nowhere/wav.scp", 0, &list), SPK_E_IO, "/nowhere/wav.scp");
    assert_ok(read_text("a\nb 1\na 2\n", 10, SPK_LIST_NO_VALUE_OK | SPK_LIST_DUPLICATES_OK, &list));
    assert_int_equal(list.n, 3);
    assert_string_equal(spk_list_get(&list, "a"), "");
    spk_list_clear(&list);
}

static void paths_are_found_beside_the_list(void **state)
{
    (void)state;
    put_file(in_folder("beside.wav"), "x", 1);
    char *found = spk_list_resolve_path(in_folder("wav.scp"), "beside.wav");
    assert_string_equal(found, in_folder("beside.wav"));
    spk_free(found);
    found = spk_list_resolve_path(in_folder("wav.scp"), "CMakeLists.txt"); /* tests run in the project's folder */
    assert_string_equal(found, "CMakeLists.txt");
    spk_free(found);
    found = spk_list_resolve_path(in_folder("wav.scp"), "not_there.wav");
    assert_string_equal(found, "not_there.wav");
    spk_free(found);
    found = spk_list_resolve_path(in_folder("wav.scp"), "/a/b.wav");
    assert_string_equal(found, "/a/b.wav");
    spk_free(found);
}

static void reads_many_lines(void **state)
{
    (void)state;
    enum { N_LINES = 200000 };
    spk_text text = {0};
    spk_list list;
    for (int i = 0; i < N_LINES; i++)
        spk_text_addf(&text, "speaker%05d-utterance%d /data/speaker%05d/utterance%d.flac\n", i / 50, i, i / 50, i);
    const int64_t allocs = spk_alloc_count();
    assert_ok(spk_list_parse(text.s, text.n, "many", 0, &list));
    assert_true(spk_alloc_count() - allocs < 100); /* none for a line */
    assert_int_equal(list.n, N_LINES);
    assert_int_equal(spk_list_find(&list, "speaker03999-utterance199999"), N_LINES - 1);
    spk_list_clear(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_entries), cmocka_unit_test(names_the_line_of_mistakes),
                                       cmocka_unit_test(paths_are_found_beside_the_list),
                                       cmocka_unit_test(reads_many_lines)};
    return cmocka_run_group_tests_name("list", tests, make_test_folder, remove_test_folder);
}
