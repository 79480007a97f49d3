/* SPDX-License-Identifier: Apache-2.0 */
/* .npy, .npz, ark/scp and JSON lines: round trips, foreign layouts, damage at every byte, full disks. */
#include "formats_test.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "spk/arrays.h"

static spk_ndarray *add(spk_tensors *t, const char *name, spk_dtype dtype, int n_dims, int64_t d0, int64_t d1)
{
    const int64_t dim[] = {d0, d1};
    spk_ndarray *a;
    assert_ok(spk_tensors_add(t, name, dtype, n_dims, dim, &a));
    unsigned char *p = a->data;
    const int64_t n = spk_ndarray_count(a) * (int64_t)spk_dtype_size(dtype);
    for (int64_t i = 0; i < n; i++)
        p[i] = (unsigned char)(dtype == SPK_BOOL ? i % 2 : 37 * i + 11);
    return a;
}

static void assert_same(const spk_tensors *a, const spk_tensors *b)
{
    assert_int_equal(a->n, b->n);
    for (int64_t i = 0; i < a->n; i++) {
        const spk_ndarray *x = &a->item[i].a, *y = &b->item[i].a;
        assert_string_equal(a->item[i].name, b->item[i].name);
        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->n_dims, y->n_dims);
        for (int d = 0; d < x->n_dims; d++)
            assert_int_equal(x->dim[d], y->dim[d]);
        assert_memory_equal(x->data, y->data, (size_t)spk_ndarray_count(x) * spk_dtype_size(x->dtype));
    }
}

static spk_tensors sample(void)
{
    spk_tensors t = {0};
    add(&t, "speaker/utt-1", SPK_F32, 2, 3, 5);
    add(&t, "scalar", SPK_F64, 0, 0, 0);
    add(&t, "half", SPK_F16, 1, 7, 0);
    add(&t, "long", SPK_I64, 1, 2, 0);
    add(&t, "int", SPK_I32, 1, 2, 0);
    add(&t, "short", SPK_I16, 1, 2, 0);
    add(&t, "char", SPK_I8, 1, 2, 0);
    add(&t, "byte", SPK_U8, 2, 2, 2);
    add(&t, "bool", SPK_BOOL, 1, 4, 0);
    add(&t, "empty", SPK_F32, 2, 0, 4);
    add(&t, "sprecher/\xc3\xa4", SPK_F32, 1, 1, 0);
    return t;
}

static void npz_round_trip(void **state)
{
    (void)state;
    spk_tensors t = sample(), back;
    const char *path = in_folder("round.npz"), *again = in_folder("again.npz");
    char *a, *b;
    size_t n_a, n_b;
    assert_ok(spk_npz_write(path, &t));
    assert_ok(spk_npz_read(path, &back));
    assert_same(&t, &back);
    assert_ok(spk_npz_write(again, &back));
    assert_ok(spk_read_file(path, &a, &n_a));
    assert_ok(spk_read_file(again, &b, &n_b));
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a); /* equal content, equal bytes */
    spk_free(a);
    spk_free(b);
    spk_tensors_clear(&back);
    spk_tensors_clear(&t);
}

static void npz_one_by_one(void **state)
{
    (void)state;
    spk_tensors t = sample();
    spk_ndarray a;
    spk_npz *z = NULL;
    const char *path = in_folder("single.npz");
    assert_ok(spk_npz_write(path, &t));
    assert_ok(spk_npz_open(path, &z));
    assert_int_equal(spk_npz_count(z), t.n);
    assert_string_equal(spk_npz_key(z, 0), "speaker/utt-1");
    assert_true(spk_npz_has(z, "half"));
    assert_false(spk_npz_has(z, "half.npy"));
    assert_ok(spk_npz_get(z, "byte", &a));
    assert_int_equal(a.dim[1], 2);
    spk_ndarray_clear(&a);
    assert_ok(spk_npz_get(z, "half", &a)); /* back to an earlier one */
    spk_ndarray_clear(&a);
    assert_fails(spk_npz_get(z, "none", &a), SPK_E_VALUE, "single.npz: there is no array 'none'");
    spk_npz_close(z);
    assert_ok(spk_npz_read_member(path, "int", &a));
    assert_int_equal(a.dtype, SPK_I32);
    spk_ndarray_clear(&a);
    assert_fails(spk_npz_read_member("/nowhere/a.npz", "x", &a), SPK_E_IO, "/nowhere/a.npz: cannot open");
    assert_fails(spk_npz_read_member("/tmp", "x", &a), SPK_E_IO, "is a folder");
    spk_tensors_clear(&t);
}

static void npz_refuses_bad_keys(void **state)
{
    (void)state;
    const int64_t dim[] = {2};
    const float data[] = {1, 2};
    spk_npz_writer *w = NULL;
    const char *path = in_folder("keys.npz");
    assert_ok(spk_npz_create(path, &w));
    assert_ok(spk_npz_add(w, "a", SPK_F32, 1, dim, data));
    assert_fails(spk_npz_add(w, "a", SPK_F32, 1, dim, data), SPK_E_VALUE, "key 'a' was written already");
    assert_fails(spk_npz_add(w, "", SPK_F32, 1, dim, data), SPK_E_VALUE, "has 0 bytes");
    assert_fails(spk_npz_add(w, "b", SPK_BF16, 1, dim, data), SPK_E_UNSUPPORTED, "bfloat16");
    spk_npz_abort(w);
    assert_false(spk_exists(path));
    assert_false(spk_exists(in_folder("keys.npz.tmp")));
    assert_fails(spk_npz_create("/nowhere/a.npz", &w), SPK_E_IO, "/nowhere/a.npz");
    spk_npz_abort(NULL);
}

static void npz_truncated_or_changed(void **state)
{
    (void)state;
    spk_tensors t = {0};
    add(&t, "a", SPK_F32, 2, 2, 3);
    add(&t, "b", SPK_I64, 1, 1, 0);
    assert_ok(spk_npz_write(in_folder("whole.npz"), &t));
    damage(in_folder("whole.npz"), spk_npz_read);
    spk_tensors_clear(&t);
}

/* A .npy file with that dict and n bytes of data; fewer are written than the buffer holds. */
static const char *npy_file(int version, const char *dict, const void *data, size_t n)
{
    const char *path = in_folder("made.npy");
    spk_text t = {0};
    const size_t length = strlen(dict);
    const char head[] = {'\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0, (char)length, (char)(length >> 8), 0, 0};
    spk_text_addn(&t, head, version == 1 ? 10 : 12);
    spk_text_add(&t, dict);
    spk_text_addn(&t, data, n);
    put_file(path, t.s, t.n);
    spk_text_clear(&t);
    return path;
}

static void npy_foreign_layouts(void **state)
{
    (void)state;
    static const unsigned char big[] = {0x3f, 0x80, 0, 0, 0x40, 0, 0, 0};
    static const int16_t fortran[] = {1, 4, 2, 5, 3, 6};
    static const int16_t c_order[] = {1, 2, 3, 4, 5, 6};
    spk_ndarray a;
    assert_ok(
        spk_npy_read(npy_file(1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }\n", big, sizeof big), &a));
    assert_true(((float *)a.data)[0] == 1.0f && ((float *)a.data)[1] == 2.0f);
    spk_ndarray_clear(&a);
    for (int version = 1; version <= 3; version++) {
        assert_ok(spk_npy_read(
            npy_file(version, "{'shape': (2, 3), 'fortran_order': True, 'descr': '<i2'}", fortran, sizeof fortran),
            &a));
        assert_int_equal(a.dim[0], 2);
        assert_int_equal(a.dim[1], 3);
        assert_memory_equal(a.data, c_order, sizeof c_order);
        spk_ndarray_clear(&a);
    }
    assert_ok(spk_npy_read(npy_file(1, "{\"descr\": '|b1', 'fortran_order': False, 'shape': ()}", "\7", 1), &a));
    assert_int_equal(a.n_dims, 0);
    assert_int_equal(*(unsigned char *)a.data, 1);
    spk_ndarray_clear(&a);
}

static void npy_refusals(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *dict, *message;
    } bad[] = {{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "needs 12 bytes and has 8"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "needs 4 bytes and has 8"},
               {1, "{'descr': '<U7', 'fortran_order': False, 'shape': (2,)}", "element type '<U7'"},
               {1, "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "element type '|O'"},
               {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "structured"},
               {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "version 4"},
               {1, "{'descr': '<f4', 'fortran_order': False}", "header cannot be read"},
               {1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "header cannot be read"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "header cannot be read"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", "header cannot be read"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2", "header cannot be read"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 0)}", "impossible"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "cannot be read"},
               {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "more than 8 dimensions"}};
    spk_ndarray a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(spk_npy_read(npy_file(bad[i].version, bad[i].dict, "12345678", 8), &a), SPK_E_FORMAT,
                     bad[i].message);
    put_file(in_folder("text.npy"), "hello, this is text", 19);
    assert_fails(spk_npy_read(in_folder("text.npy"), &a), SPK_E_FORMAT, "text.npy: not a NumPy array");
    assert_fails(spk_npy_read("/nowhere/a.npy", &a), SPK_E_IO, "/nowhere/a.npy");
}

static void npy_round_trip(void **state)
{
    (void)state;
    spk_tensors t = sample();
    for (int64_t i = 0; i < t.n; i++) {
        spk_tensors one = {0};
        assert_ok(spk_npy_write(in_folder("one.npy"), &t.item[i].a));
        SPK_PUSH(one.item, one.n) = (struct spk_named){spk_strdup("one"), {0}};
        assert_ok(spk_npy_read(in_folder("one.npy"), &one.item[0].a));
        spk_tensors same = {1, &(struct spk_named){(char[]){"one"}, t.item[i].a}};
        assert_same(&same, &one);
        spk_tensors_clear(&one);
    }
    spk_tensors_clear(&t);
}

static void ark_and_scp(void **state)
{
    (void)state;
    char ark[600], scp[600];
    const int64_t dim[] = {2, 3};
    const float data[] = {1, -2.5f, 3, 4e-20f, 5, 6};
    spk_ark_writer *w = NULL;
    spk_tensors from_ark, from_scp;
    snprintf(ark, sizeof ark, "%s/xvector.ark", test_folder);
    snprintf(scp, sizeof scp, "%s/xvector.scp", test_folder);
    assert_ok(spk_ark_create(ark, scp, &w));
    assert_ok(spk_ark_add(w, "utt1", 1, dim + 1, data));
    assert_ok(spk_ark_add(w, "utt-2", 2, dim, data));
    assert_fails(spk_ark_add(w, "utt1", 1, dim, data), SPK_E_VALUE, "key 'utt1' was written already");
    assert_fails(spk_ark_add(w, "utt 3", 1, dim, data), SPK_E_VALUE, "white space");
    assert_ok(spk_ark_finish(w));
    assert_ok(spk_ark_read(ark, &from_ark));
    assert_ok(spk_scp_read(scp, &from_scp));
    assert_same(&from_ark, &from_scp);
    assert_int_equal(from_ark.n, 2);
    assert_string_equal(from_ark.item[1].name, "utt-2");
    assert_memory_equal(from_ark.item[1].a.data, data, sizeof data);
    assert_int_equal(from_ark.item[0].a.n_dims, 1);
    spk_tensors_clear(&from_scp);
    spk_tensors_clear(&from_ark);
    char *bytes;
    size_t n;
    assert_ok(spk_read_file(ark, &bytes, &n));
    assert_memory_equal(bytes, "utt1 \0BFV \4\3\0\0\0\0\0\x80\x3f", 19); /* as Kaldi writes it */
    for (size_t cut = 1; cut < n; cut++) {
        put_file(in_folder("cut.ark"), bytes, cut);
        if (spk_ark_read(in_folder("cut.ark"), &from_ark) == SPK_OK) {
            assert_int_equal(cut, 27); /* between the two */
            spk_tensors_clear(&from_ark);
        }
    }
    spk_free(bytes);
    put_file(scp, "a b.ark\n", 8);
    assert_fails(spk_scp_read(scp, &from_scp), SPK_E_FORMAT, "xvector.scp:1: 'b.ark' is not PATH:OFFSET");
    put_file(scp, "a xvector.ark:6\n", 16); /* found beside the scp; a wrong offset */
    assert_fails(spk_scp_read(scp, &from_scp), SPK_E_FORMAT, "xvector.ark: entry 'a' is no");
    put_file(scp, "a none.ark:6\n", 13);
    assert_fails(spk_scp_read(scp, &from_scp), SPK_E_IO, "xvector.scp:1: none.ark: cannot open");
}

static void json_lines(void **state)
{
    (void)state;
    const int64_t dim[] = {2, 3};
    const float data[] = {0.1f, -2.5f, 3, 1e-7f, 16777216.0f, NAN};
    char *line = spk_jsonl_line("a\"b\\\n", 1, dim + 1, data);
    assert_string_equal(line, "{\"id\": \"a\\\"b\\\\\\u000a\", \"embedding\": [0.1, -2.5, 3]}");
    spk_free(line);
    line = spk_jsonl_line("u", 2, dim, data);
    assert_string_equal(line, "{\"id\": \"u\", \"embedding\": [[0.1, -2.5, 3], [1e-07, 16777216, null]]}");
    spk_free(line);
    spk_rng r = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < 2000; i++) {
        const uint32_t bits = spk_rng_u32(&r);
        float x;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x)) continue;
        const int64_t one = 1;
        line = spk_jsonl_line("x", 1, &one, &x);
        const float back = strtof(strchr(line, '[') + 1, NULL);
        assert_memory_equal(&x, &back, sizeof x);
        spk_free(line);
    }
    spk_jsonl_writer *w = NULL;
    char *text;
    size_t n;
    assert_ok(spk_jsonl_create(in_folder("e.jsonl"), &w));
    assert_ok(spk_jsonl_add(w, "a", 1, dim, data));
    assert_ok(spk_jsonl_add(w, "b", 1, dim, data));
    assert_ok(spk_jsonl_finish(w));
    assert_ok(spk_read_file(in_folder("e.jsonl"), &text, &n));
    assert_string_equal(text,
                        "{\"id\": \"a\", \"embedding\": [0.1, -2.5]}\n{\"id\": \"b\", \"embedding\": [0.1, -2.5]}\n");
    spk_free(text);
}

/* Files may not grow beyond a few kB from here on: what a full disk does. */
static struct rlimit limit_file_size(rlim_t bytes)
{
    struct rlimit old, now;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    now = old;
    now.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
    return old;
}

static void full_disk(void **state)
{
    (void)state;
    spk_tensors t = {0};
    const int64_t dim[] = {40000};
    spk_ndarray *a;
    spk_rng r = spk_rng_make(2, SPK_PURPOSE_TEST, 0, 0, 0);
    char npz[600], npy[600], ark[600], jsonl[600], tmp[610];
    snprintf(npz, sizeof npz, "%s/full.npz", test_folder);
    snprintf(npy, sizeof npy, "%s/full.npy", test_folder);
    snprintf(ark, sizeof ark, "%s/full.ark", test_folder);
    snprintf(jsonl, sizeof jsonl, "%s/full.jsonl", test_folder);
    assert_ok(spk_tensors_add(&t, "noise", SPK_F32, 1, dim, &a));
    for (int64_t i = 0; i < dim[0]; i++)
        ((float *)a->data)[i] = (float)spk_rng_normal(&r);
    put_file(npz, "earlier", 7);
    const char *const paths[] = {npz, npy, ark, jsonl};
    for (rlim_t limit = 0; limit < 160000; limit = limit * 2 + 1000) {
        const struct rlimit old = limit_file_size(limit);
        spk_ark_writer *w = NULL;
        spk_jsonl_writer *j = NULL;
        const spk_status npz_status = spk_npz_write(npz, &t);
        const bool is_named = strstr(spk_errmsg(), "full.npz") != NULL;
        const spk_status npy_status = spk_npy_write(npy, a);
        assert_ok(spk_ark_create(ark, NULL, &w));
        assert_ok(spk_ark_add(w, "k", 1, dim, a->data));
        const spk_status ark_status = spk_ark_finish(w);
        assert_ok(spk_jsonl_create(jsonl, &j));
        assert_ok(spk_jsonl_add(j, "k", 1, dim, a->data));
        const spk_status jsonl_status = spk_jsonl_finish(j);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(npz_status, SPK_E_IO);
        assert_true(is_named);
        assert_int_equal(npy_status, SPK_E_IO);
        assert_int_equal(ark_status, SPK_E_IO);
        assert_int_equal(jsonl_status, SPK_E_IO);
        for (int i = 0; i < 4; i++) {
            snprintf(tmp, sizeof tmp, "%s.tmp", paths[i]);
            assert_false(spk_exists(tmp));
            assert_int_equal(spk_exists(paths[i]), i == 0);
        }
    }
    char *text;
    size_t n;
    assert_ok(spk_read_file(npz, &text, &n));
    assert_string_equal(text, "earlier"); /* what was there stays */
    spk_free(text);
    spk_tensors_clear(&t);
}

static void golden_npz(void **state)
{
    (void)state;
    const char *path = in_shared("golden/ecapa/golden.npz");
    spk_tensors t;
    if (!path) {
        print_message("skipped: no shared data (SPK_SHARED)\n");
        skip();
    }
    assert_ok(spk_npz_read(path, &t));
    const spk_ndarray *speech = spk_tensors_find(&t, "speech"), *labels = spk_tensors_find(&t, "labels");
    const spk_ndarray *gradient = spk_tensors_find(&t, "grad/encoder.conv.weight");
    assert_true(speech && labels && gradient);
    assert_int_equal(speech->n_dims, 2);
    assert_int_equal(speech->dim[0], 4);
    assert_int_equal(labels->dtype, SPK_I64);
    assert_int_equal(gradient->dim[1], 80);
    spk_tensors_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(npz_round_trip),
                                       cmocka_unit_test(npz_one_by_one),
                                       cmocka_unit_test(npz_refuses_bad_keys),
                                       cmocka_unit_test(npy_round_trip),
                                       cmocka_unit_test(npz_truncated_or_changed),
                                       cmocka_unit_test(npy_foreign_layouts),
                                       cmocka_unit_test(npy_refusals),
                                       cmocka_unit_test(ark_and_scp),
                                       cmocka_unit_test(json_lines),
                                       cmocka_unit_test(full_disk),
                                       cmocka_unit_test(golden_npz)};
    return cmocka_run_group_tests_name("arrays", tests, make_test_folder, remove_test_folder);
}
