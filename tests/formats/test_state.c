/* SPDX-License-Identifier: Apache-2.0 */
/* .pth and safetensors: round trips, pickles that want to call something, damage at every byte, full disks. */
#include "formats_test.h"

#include <signal.h>
#include <sys/resource.h>

#include "formats/zip_impl.h"
#include "spk/state.h"

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
    add(&t, "encoder.conv.weight", SPK_F32, 2, 3, 300);
    add(&t, "encoder.bn.num_batches_tracked", SPK_I64, 0, 0, 0);
    add(&t, "bf16", SPK_BF16, 1, 3, 0);
    add(&t, "half", SPK_F16, 1, 7, 0);
    add(&t, "double", SPK_F64, 1, 2, 0);
    add(&t, "int", SPK_I32, 1, 2, 0);
    add(&t, "short", SPK_I16, 1, 70000, 0);
    add(&t, "char", SPK_I8, 1, 5, 0);
    add(&t, "byte", SPK_U8, 2, 2, 2);
    add(&t, "bool", SPK_BOOL, 1, 3, 0);
    add(&t, "empty", SPK_F32, 2, 0, 4);
    return t;
}

static void assert_equal_files(const char *a, const char *b)
{
    char *x, *y;
    size_t n, m;
    assert_ok(spk_read_file(a, &x, &n));
    assert_ok(spk_read_file(b, &y, &m));
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    spk_free(x);
    spk_free(y);
}

static void pth_round_trip(void **state)
{
    (void)state;
    spk_tensors t = sample(), back, none = {0};
    const char *path = in_folder("a.pth"), *again = in_folder("b.pth");
    assert_ok(spk_pth_write(path, &t));
    assert_ok(spk_pth_read(path, &back));
    assert_same(&t, &back);
    assert_ok(spk_pth_write(again, &back));
    assert_equal_files(path, again);
    spk_tensors_clear(&back);
    assert_ok(spk_pth_write(again, &none));
    assert_ok(spk_pth_read(again, &back));
    assert_int_equal(back.n, 0);
    add(&t, "half", SPK_F32, 1, 1, 0);
    assert_fails(spk_pth_write(again, &t), SPK_E_VALUE, "tensor 'half' stands twice");
    spk_tensors_clear(&t);
}

static void safetensors_round_trip(void **state)
{
    (void)state;
    spk_tensors t = sample(), back;
    spk_meta meta = {0}, got;
    const char *path = in_folder("a.safetensors"), *again = in_folder("b.safetensors");
    spk_meta_set(&meta, "epoch", "2");
    spk_meta_set(&meta, "config", "a: 1\n\"x\"\t\xc3\xa4\n");
    spk_meta_set(&meta, "epoch", "3");
    assert_ok(spk_safetensors_write(path, &t, &meta));
    assert_ok(spk_safetensors_read(path, &back, &got));
    assert_same(&t, &back);
    assert_int_equal(got.n, 2);
    assert_string_equal(spk_meta_get(&got, "epoch"), "3");
    assert_string_equal(spk_meta_get(&got, "config"), "a: 1\n\"x\"\t\xc3\xa4\n");
    assert_null(spk_meta_get(&got, "none"));
    assert_ok(spk_safetensors_write(again, &back, &got));
    assert_equal_files(path, again);
    spk_tensors_clear(&back);
    spk_meta_clear(&got);
    assert_ok(spk_safetensors_read_meta(path, &got));
    assert_int_equal(got.n, 2);
    spk_meta_clear(&got);
    spk_meta_clear(&meta);
    assert_ok(spk_safetensors_write(again, &t, NULL));
    assert_ok(spk_safetensors_read(again, &back, NULL));
    spk_tensors_clear(&back);
    add(&t, "half", SPK_F32, 1, 1, 0);
    assert_fails(spk_safetensors_write(again, &t, NULL), SPK_E_VALUE, "tensor 'half' stands twice");
    spk_tensors_clear(&t);
}

static void safetensors_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *header, *message;
    } bad[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "another size"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[0,36]}}", "beyond the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "does not follow"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "4 bytes after the last"},
        {"{\"a\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}", "'F99'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4,0],\"data_offsets\":[0,0]}}", "another size"},
        {"{\"a\":1}", "lacks dtype"},
        {"[1]", "no JSON object"},
        {"{\"a\":", "header is damaged"},
        {"{\"__metadata__\":{\"a\":1}}", "metadata 'a' is no string"}};
    const char *path = in_folder("bad.safetensors");
    spk_tensors t;
    spk_meta meta;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spk_text f = {0};
        const char length[8] = {(char)strlen(bad[i].header)};
        spk_text_addn(&f, length, 8);
        spk_text_add(&f, bad[i].header);
        spk_text_addn(&f, "12345678", 8);
        put_file(path, f.s, f.n);
        assert_fails(spk_safetensors_read(path, &t, &meta), SPK_E_FORMAT, bad[i].message);
        spk_text_clear(&f);
    }
    put_file(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_fails(spk_safetensors_read(path, &t, NULL), SPK_E_FORMAT, "bad.safetensors: not a safetensors file");
    assert_fails(spk_safetensors_read("/nowhere/a", &t, NULL), SPK_E_IO, "/nowhere/a: cannot open");
}

static spk_status read_safetensors(const char *path, spk_tensors *out)
{
    return spk_safetensors_read(path, out, NULL);
}

static void truncated_or_changed(void **state)
{
    (void)state;
    spk_tensors t = {0};
    add(&t, "a", SPK_F32, 2, 2, 3);
    add(&t, "b", SPK_I64, 0, 0, 0);
    assert_ok(spk_pth_write(in_folder("whole.pth"), &t));
    damage(in_folder("whole.pth"), spk_pth_read);
    assert_ok(spk_safetensors_write(in_folder("whole.safetensors"), &t, NULL));
    damage(in_folder("whole.safetensors"), read_safetensors);
    spk_tensors_clear(&t);
}

/* ---- pickles made by hand ---- */

static const char *pth_with(const char *pickle, size_t n, const char *storage, size_t n_storage)
{
    const char *path = in_folder("made.pth");
    spk_zip_writer *w = NULL;
    assert_ok(spk_zip_create(path, &w));
    assert_ok(spk_zip_add(w, "model/data.pkl", (int64_t)n, 64));
    assert_ok(spk_zip_write(w, pickle, (int64_t)n));
    assert_ok(spk_zip_add_end(w));
    if (storage) {
        assert_ok(spk_zip_add(w, "model/data/0", (int64_t)n_storage, 64));
        assert_ok(spk_zip_write(w, storage, (int64_t)n_storage));
        assert_ok(spk_zip_add_end(w));
    }
    assert_ok(spk_zip_finish(w));
    return path;
}

#define PICKLE(text) (text), sizeof(text) - 1

static void pickles_that_call_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t n;
        const char *message;
    } bad[] = {{PICKLE("\x80\2cos\nsystem\nX\2\0\0\0ls\x85R."),
                "made.pth: the pickle calls 'os.system'; only state_dicts are read"},
               {PICKLE("\x80\2cbuiltins\neval\n)R."), "'builtins.eval'"},
               {PICKLE("\x80\4\x8c\5posix\x8c\6system\x93)R."), "'posix.system'"},
               {PICKLE("\x80\2ctorch._utils\n_rebuild_sparse_tensor\n."), "'torch._utils._rebuild_sparse_tensor'"},
               {PICKLE("\x80\2ctorch\nload\n."), "'torch.load'"},
               {PICKLE("\x80\2ctorch\nFloatStoragE\n."), "'torch.FloatStoragE'"},
               {PICKLE("\x80\2co\x1bs\nsys\xfftem\n."), "'o?s.sys?tem'"},
               {PICKLE("\x80\2(ios\nsystem\n."), "operation 0x69"},
               {PICKLE("\x80\2ctorch\nFloatStorage\n)R."), "calls a storage"},
               {PICKLE("\x80\2ctorch\nFloatStorage\n)\x81."), "operation 0x81"},
               {PICKLE("\x80\2."), "damaged"},
               {PICKLE("\x80\2}X\1\0\0\0aK\1s."), "entry 'a' is no tensor"},
               {PICKLE("\x80\2}K\1K\1s."), "no proper name"},
               {PICKLE("\x80\2]."), "holds no state_dict"},
               {PICKLE("\x80\2}(X\1\0\0\0au."), "damaged"},
               {PICKLE("\x80\2}h\7."), "damaged"},
               {PICKLE("\x80\2}r\xff\xff\xff\x7f."), "damaged"},
               {PICKLE("\x80\2X\xff\xff\xff\xff."), "damaged"},
               {PICKLE("\x80\2(Q."), "damaged"},
               {PICKLE("\x80\2)Q."), "damaged"},
               {PICKLE("\x80\2((\x86."), "damaged"}};
    spk_tensors t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(spk_pth_read(pth_with(bad[i].pickle, bad[i].n, NULL, 0), &t), SPK_E_FORMAT, bad[i].message);
    put_file(in_folder("old.pth"), "\x80\2\x8a\nl\xfc", 6);
    assert_fails(spk_pth_read(in_folder("old.pth"), &t), SPK_E_FORMAT, "old.pth: not a PyTorch file");
    assert_fails(spk_pth_read("/nowhere/a.pth", &t), SPK_E_IO, "/nowhere/a.pth: cannot open");
}

/* {'t': a window on storage 0 of float32, `elements` long} with offset, sizes and strides as given. */
static const char *window(const char *arguments, size_t n, int elements, size_t stored)
{
    static const float values[] = {0, 1, 2, 3, 4, 5};
    spk_text p = {0};
    const char count[] = {'K', (char)elements};
    spk_text_addn(&p,
                  PICKLE("\x80\2}X\1\0\0\0tctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n"
                         "X\1\0\0\0000X\3\0\0\0cpu"));
    spk_text_addn(&p, count, 2);
    spk_text_addn(&p, "tQ", 2);
    spk_text_addn(&p, arguments, n);
    spk_text_addn(&p, PICKLE("\x89}tRs."));
    const char *path = pth_with(p.s, p.n, (const char *)values, stored);
    spk_text_clear(&p);
    return path;
}

static void windows_on_storages(void **state)
{
    (void)state;
    spk_tensors t;
    assert_ok(spk_pth_read(window(PICKLE("K\0K\2K\3\x86K\1K\2\x86"), 6, 24), &t)); /* (2, 3) of a (3, 2), transposed */
    const float *x = t.item[0].a.data;
    assert_true(x[0] == 0 && x[1] == 2 && x[2] == 4 && x[3] == 1 && x[4] == 3 && x[5] == 5);
    spk_tensors_clear(&t);
    assert_ok(spk_pth_read(window(PICKLE("K\2K\2\x85K\3\x85"), 6, 24), &t)); /* from element 2, every third */
    x = t.item[0].a.data;
    assert_true(x[0] == 2 && x[1] == 5);
    spk_tensors_clear(&t);
    assert_ok(spk_pth_read(window(PICKLE("K\5))"), 6, 24), &t)); /* a scalar */
    assert_true(t.item[0].a.n_dims == 0 && *(float *)t.item[0].a.data == 5);
    spk_tensors_clear(&t);
    assert_fails(spk_pth_read(window(PICKLE("K\3K\2\x85K\3\x85"), 6, 24), &t), SPK_E_FORMAT, "'t' reaches beyond");
    assert_fails(spk_pth_read(window(PICKLE("K\0K\7\x85K\1\x85"), 6, 24), &t), SPK_E_FORMAT, "'t' reaches beyond");
    assert_fails(spk_pth_read(window(PICKLE("K\6))"), 6, 24), &t), SPK_E_FORMAT, "'t' reaches beyond");
    assert_fails(spk_pth_read(window(PICKLE("K\0\x8a\10\0\0\0\0\0\0\0\1\x85K\0\x85"), 6, 24), &t), SPK_E_FORMAT, "'t'");
    assert_fails(spk_pth_read(window(PICKLE("K\0J\0\0\0\x40\x85K\0\x85"), 6, 24), &t), SPK_E_FORMAT, "too often");
    assert_fails(spk_pth_read(window(PICKLE("K\0\x8a\10\0\0\0\0\0\0\0\1\x8a\10\0\0\0\0\0\0\0\1\x86"
                                            "\x8a\10\0\0\0\0\0\0\0\1K\0\x86"),
                                     6, 24),
                              &t),
                 SPK_E_FORMAT, "'t' reaches beyond");
    assert_fails(spk_pth_read(window(PICKLE("K\0J\xff\xff\xff\xff\x85K\1\x85"), 6, 24), &t), SPK_E_FORMAT, "damaged");
    assert_fails(spk_pth_read(window(PICKLE("K\0K\6\x85K\1\x85"), 6, 20), &t), SPK_E_FORMAT,
                 "'model/data/0' has 20 bytes, not those of 6 elements");
}

static void checkpoints_are_unwrapped(void **state)
{
    (void)state;
    static const char pickle[] = "\x80\2}(X\5\0\0\0epochK\7X\3\0\0\0optN"
                                 "X\5\0\0\0model}X\6\0\0\0module}X\1\0\0\0w"
                                 "ctorch._utils\n_rebuild_parameter\n(ctorch._utils\n_rebuild_tensor_v2\n"
                                 "((X\7\0\0\0storagectorch\nHalfStorage\nX\1\0\0\0000X\3\0\0\0cpuK\1tQK\0K\1\x85K\1\x85"
                                 "\x89"
                                 "ccollections\nOrderedDict\n)RtR\x88}tRss"
                                 "X\4\0\0\0listG?\xf0\0\0\0\0\0\0u.";
    spk_tensors t;
    assert_ok(spk_pth_read(pth_with(pickle, sizeof pickle - 1, "ab", 2), &t));
    assert_int_equal(t.n, 1);
    assert_string_equal(t.item[0].name, "w");
    assert_int_equal(t.item[0].a.dtype, SPK_F16);
    assert_memory_equal(t.item[0].a.data, "ab", 2);
    spk_tensors_clear(&t);
}

static void full_disk(void **state)
{
    (void)state;
    spk_tensors t = sample();
    char pth[600], safe[600], tmp[610];
    snprintf(pth, sizeof pth, "%s/full.pth", test_folder);
    snprintf(safe, sizeof safe, "%s/full.safetensors", test_folder);
    assert_ok(spk_pth_write(pth, &t));
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit < 140000; limit = limit * 2 + 1000) {
        struct rlimit old, now;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        now = old;
        now.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
        const spk_status a = spk_pth_write(pth, &t);
        const bool is_named = strstr(spk_errmsg(), "full.pth: cannot write") != NULL;
        const spk_status b = spk_safetensors_write(safe, &t, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(a, SPK_E_IO);
        assert_int_equal(b, SPK_E_IO);
        assert_true(is_named);
        snprintf(tmp, sizeof tmp, "%s.tmp", pth);
        assert_false(spk_exists(tmp));
        snprintf(tmp, sizeof tmp, "%s.tmp", safe);
        assert_false(spk_exists(tmp) || spk_exists(safe));
    }
    spk_tensors back;
    assert_ok(spk_pth_read(pth, &back)); /* the earlier file is whole */
    assert_same(&t, &back);
    spk_tensors_clear(&back);
    spk_tensors_clear(&t);
}

static void golden_pth(void **state)
{
    (void)state;
    const char *path = in_shared("golden/ecapa/model.pth");
    spk_tensors t;
    if (!path) {
        print_message("skipped: no shared data (SPK_SHARED)\n");
        skip();
    }
    assert_ok(spk_pth_read(path, &t));
    assert_int_equal(t.n, 245);
    assert_string_equal(t.item[0].name, "frontend.flipped_filter");
    const spk_ndarray *fb = spk_tensors_find(&t, "frontend.transform.mel_scale.fb");
    assert_non_null(fb);
    assert_int_equal(fb->dim[0], 257);
    assert_int_equal(fb->dim[1], 80);
    const spk_ndarray *filter = &t.item[0].a;
    assert_true(filter->n_dims == 3 && ((float *)filter->data)[1] == 1.0f);
    spk_tensors_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pth_round_trip),
                                       cmocka_unit_test(safetensors_round_trip),
                                       cmocka_unit_test(safetensors_refusals),
                                       cmocka_unit_test(truncated_or_changed),
                                       cmocka_unit_test(pickles_that_call_are_refused),
                                       cmocka_unit_test(windows_on_storages),
                                       cmocka_unit_test(checkpoints_are_unwrapped),
                                       cmocka_unit_test(full_disk),
                                       cmocka_unit_test(golden_pth)};
    return cmocka_run_group_tests_name("state", tests, make_test_folder, remove_test_folder);
}
