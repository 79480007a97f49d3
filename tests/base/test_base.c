/* SPDX-License-Identifier: Apache-2.0 */
/* The base room: random streams, strict numbers, near names, growable things, paths and atomic files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_impl.h"

/* Known answers of Philox 4x32-10, from the authors' library. */
static void philox_gives_the_known_blocks(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spk_rng r = {.used = 4};
        memcpy(r.key, cases[i].key, sizeof r.key);
        memcpy(r.counter, cases[i].counter, sizeof r.counter);
        for (int k = 0; k < 4; k++)
            assert_int_equal(spk_rng_u32(&r), cases[i].want[k]);
    }
}

static void streams_depend_on_every_part_of_their_name(void **state)
{
    spk_rng base = spk_rng_make(1, 2, 3, 4, 5);
    const uint32_t first = spk_rng_u32(&base);
    spk_rng others[] = {spk_rng_make(2, 2, 3, 4, 5), spk_rng_make(1, 3, 3, 4, 5), spk_rng_make(1, 2, 4, 4, 5),
                        spk_rng_make(1, 2, 3, 5, 5), spk_rng_make(1, 2, 3, 4, 6)};
    spk_rng again = spk_rng_make(1, 2, 3, 4, 5);
    (void)state;
    assert_int_equal(spk_rng_u32(&again), first);
    for (int i = 0; i < 5; i++)
        assert_int_not_equal(spk_rng_u32(&others[i]), first);
}

static void draws_have_their_distributions(void **state)
{
    enum { N = 20000, SIDES = 7 };
    spk_rng r = spk_rng_make(5, SPK_PURPOSE_TEST, 0, 0, 0);
    int64_t count[SIDES] = {0}, order[50];
    double sum = 0, squares = 0, uniform = 0;
    (void)state;
    for (int i = 0; i < N; i++) {
        const double z = spk_rng_normal(&r), u = spk_rng_uniform(&r);
        sum += z;
        squares += z * z;
        uniform += u;
        assert_true(u >= 0 && u < 1);
        count[spk_rng_below(&r, SIDES)]++;
    }
    assert_true(fabs(sum / N) < 0.03 && fabs(squares / N - 1) < 0.05 && fabs(uniform / N - 0.5) < 0.01);
    for (int i = 0; i < SIDES; i++)
        assert_true(llabs(count[i] - N / SIDES) < 250); /* five standard deviations */
    for (int i = 0; i < 50; i++)
        order[i] = i;
    spk_rng_shuffle(&r, order, 50);
    int64_t total = 0, moved = 0;
    for (int i = 0; i < 50; i++) {
        total += order[i];
        moved += order[i] != i;
    }
    assert_int_equal(total, 49 * 50 / 2);
    assert_true(moved > 40);
}

static void numbers_are_strict(void **state)
{
    int64_t i;
    double d;
    bool b;
    char text[32];
    (void)state;
    assert_true(spk_parse_int("-12", &i) && i == -12);
    assert_false(spk_parse_int("12x", &i) || spk_parse_int("", &i) || spk_parse_int(" 1", &i) ||
                 spk_parse_int("1.0", &i));
    assert_false(spk_parse_int("99999999999999999999", &i));
    assert_true(spk_parse_double("1e-3", &d) && d == 1e-3);
    assert_false(spk_parse_double("1e-3 ", &d) || spk_parse_double("0x10", &d) || spk_parse_double("", &d));
    assert_true(spk_parse_bool("Yes", &b) && b);
    assert_true(spk_parse_bool("off", &b) && !b);
    assert_false(spk_parse_bool("maybe", &b));
    static const double values[] = {0.1, 1e-5, 5e-5, 3.0, 1.0 / 3, 1e300};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        spk_format_double(values[k], text);
        assert_true(strtod(text, NULL) == values[k]);
    }
    spk_format_double(0.1, text);
    assert_string_equal(text, "0.1");
}

static void near_names_are_found(void **state)
{
    static const char *const names[] = {"ndim", "num_blocks", "output_size"};
    (void)state;
    assert_string_equal(spk_nearest("ndmi", names, 3), "ndim");
    assert_string_equal(spk_nearest("outputsize", names, 3), "output_size");
    assert_null(spk_nearest("frequency", names, 3));
}

static void maps_and_texts_grow(void **state)
{
    enum { N = 5000 };
    spk_map m = {0};
    spk_text t = {0};
    char **keys = spk_new(N * sizeof *keys);
    int64_t v;
    (void)state;
    for (int i = 0; i < N; i++) {
        keys[i] = spk_strf("key%d", i);
        assert_true(spk_map_put(&m, keys[i], i));
        spk_text_addf(&t, "%d,", i);
    }
    assert_false(spk_map_put(&m, "key17", 0));
    for (int i = 0; i < N; i++)
        assert_true(spk_map_get(&m, keys[i], &v) && v == i);
    assert_false(spk_map_get(&m, "key", &v));
    assert_true(spk_ends_with(spk_text_str(&t), "4998,4999,"));
    for (int i = 0; i < N; i++)
        spk_free(keys[i]);
    spk_free(keys);
    spk_map_clear(&m);
    spk_text_clear(&t);
    assert_string_equal(spk_text_str(&t), "");
}

static void messages_keep_their_arguments(void **state)
{
    (void)state;
    assert_int_equal(spk_fail(SPK_E_VALUE, "%s is wrong", "it"), SPK_E_VALUE);
    assert_int_equal(spk_fail_in(SPK_E_CONFIG, "conf.yaml:%d", 3), SPK_E_CONFIG);
    assert_string_equal(spk_errmsg(), "conf.yaml:3: it is wrong");
    spk_fail(SPK_E_IO, "again: %s", spk_errmsg());
    assert_string_equal(spk_errmsg(), "again: conf.yaml:3: it is wrong");
    assert_string_equal(spk_status_name(SPK_E_UNSUPPORTED), "SPK_E_UNSUPPORTED");
}

static void files_appear_whole_or_not_at_all(void **state)
{
    char folder[] = "/tmp/spk-base-XXXXXX", *data;
    size_t n;
    spk_outfile *f;
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *deep = spk_path_join(folder, "a/b/c"), *path = spk_path_join(deep, "file"), *up = spk_path_folder(path),
         *tmp = spk_strf("%s.tmp", path);
    assert_string_equal(up, deep);
    assert_string_equal(spk_path_name(path), "file");
    assert_int_equal(spk_make_folders(deep), SPK_OK);
    assert_int_equal(spk_make_folders(deep), SPK_OK);
    assert_int_equal(spk_write_file(path, "old", 3), SPK_OK);
    assert_int_equal(spk_outfile_open(path, &f), SPK_OK);
    spk_outfile_printf(f, "new %d", 1);
    assert_true(spk_exists(tmp));
    spk_outfile_abort(f);
    assert_false(spk_exists(tmp));
    assert_int_equal(spk_read_file(path, &data, &n), SPK_OK);
    assert_string_equal(data, "old");
    spk_free(data);
    assert_int_equal(spk_outfile_open(path, &f), SPK_OK);
    spk_outfile_printf(f, "new %d", 2);
    assert_int_equal(spk_outfile_commit(f), SPK_OK);
    assert_int_equal(spk_read_file(path, &data, &n), SPK_OK);
    assert_string_equal(data, "new 2");
    spk_free(data);
    /* below a file nothing can be made; a folder is no file */
    char *below = spk_path_join(path, "x");
    assert_int_equal(spk_make_folders(below), SPK_E_IO);
    assert_int_equal(spk_outfile_open(below, &f), SPK_E_IO);
    assert_int_equal(spk_read_file(deep, &data, &n), SPK_E_IO);
    assert_non_null(strstr(spk_errmsg(), "is a folder"));
    char *command = spk_strf("rm -r %s", folder);
    assert_int_equal(system(command), 0);
    spk_free(command);
    spk_free(below);
    spk_free(tmp);
    spk_free(up);
    spk_free(path);
    spk_free(deep);
}

/* A full disk is told by commit, and what was there stays. /dev/full takes nothing. */
static void a_full_disk_loses_nothing(void **state)
{
    char folder[] = "/tmp/spk-base-XXXXXX", *data;
    size_t n;
    spk_outfile *f;
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *path = spk_path_join(folder, "file"), *tmp = spk_strf("%s.tmp", path);
    assert_int_equal(spk_write_file(path, "old", 3), SPK_OK);
    assert_int_equal(symlink("/dev/full", tmp), 0);
    assert_int_equal(spk_outfile_open(path, &f), SPK_OK);
    spk_outfile_write(f, "new", 3);
    assert_int_equal(spk_outfile_commit(f), SPK_E_IO);
    assert_non_null(strstr(spk_errmsg(), "No space left"));
    assert_int_equal(spk_read_file(path, &data, &n), SPK_OK);
    assert_string_equal(data, "old");
    spk_free(data);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing is left beside it */
    spk_free(path);
    spk_free(tmp);
}

static void arrays_know_their_size(void **state)
{
    spk_ndarray a;
    spk_tensors t = {0};
    spk_ndarray *p;
    (void)state;
    assert_int_equal(spk_ndarray_init(&a, SPK_F64, 2, (int64_t[]){3, 4}), SPK_OK);
    assert_int_equal(spk_ndarray_count(&a), 12);
    assert_int_equal((uintptr_t)a.data % 64, 0);
    spk_ndarray_clear(&a);
    assert_int_equal(spk_ndarray_init(&a, SPK_F64, 3, (int64_t[]){INT64_MAX / 2, INT64_MAX / 2, 8}), SPK_E_NOMEM);
    assert_int_equal(spk_tensors_add(&t, "x", SPK_I64, 0, NULL, &p), SPK_OK);
    assert_int_equal(spk_ndarray_count(spk_tensors_find(&t, "x")), 1);
    assert_null(spk_tensors_find(&t, "y"));
    spk_tensors_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_blocks),  cmocka_unit_test(streams_depend_on_every_part_of_their_name),
        cmocka_unit_test(draws_have_their_distributions), cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(near_names_are_found),           cmocka_unit_test(maps_and_texts_grow),
        cmocka_unit_test(messages_keep_their_arguments),  cmocka_unit_test(files_appear_whole_or_not_at_all),
        cmocka_unit_test(a_full_disk_loses_nothing),      cmocka_unit_test(arrays_know_their_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
