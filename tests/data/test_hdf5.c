/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of HDF5 files as features and as waves; parts of them, many threads at once, what is refused. */
#include "data/data_help.h"

#include <pthread.h>

#include "data/audio_impl.h"
#include "data/features_impl.h"
#include "data/lists_impl.h"
#include "formats/h5_impl.h"

#ifdef SPK_TEST_HDF5
#include "data/h5_write.h"

enum { T = 40, F = 6, N_WAVE = 3000 };

/* Value c of frame t of utterance u: exact in half precision. */
static float value(int64_t u, int64_t t, int64_t c)
{
    return (float)(100 * u + 8 * t + c) / 4;
}

static const char *array(const char *file, const char *name)
{
    static char text[8][600];
    static int i;
    i = (i + 1) % 8;
    snprintf(text[i], sizeof text[i], "hdf5:%s::%s", help_path(file), name);
    return text[i];
}

static int setup(void **state)
{
    if (help_setup(state)) return -1;
    float x[T * F], layers[T * F], wave[N_WAVE];
    const hid_t newest = H5Pcreate(H5P_FILE_ACCESS); /* headers with checksums; h5py's default has none */
    H5Pset_libver_bounds(newest, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t file = H5Fcreate(help_path("a.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, newest);
    H5Pclose(newest);
    const hid_t half = H5Tcopy(H5T_IEEE_F32LE); /* numpy's float16 */
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    const hid_t types[] = {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F32BE, half};
    bool good = true;
    for (int u = 0; u < 8; u++) {
        char name[32];
        for (int64_t t = 0; t < T; t++)
            for (int64_t c = 0; c < F; c++)
                x[t * F + c] = value(u, t, c);
        snprintf(name, sizeof name, u < 4 ? "u%d" : "deep/er/u%d", u);
        good &= h5_put(file, name, types[u % 4], 2, (int64_t[]){T, F}, x, u % 2 == 0);
    }
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; c < F; c++)
            layers[(c / 2 * T + t) * 2 + c % 2] = value(8, t, c); /* (3, T, 2) */
    good &= h5_put(file, "layers", H5T_IEEE_F32LE, 3, (int64_t[]){3, T, 2}, layers, true);
    for (int64_t i = 0; i < N_WAVE; i++)
        wave[i] = help_ramp(i, 0);
    good &= h5_put(file, "wave", H5T_IEEE_F32LE, 1, (int64_t[]){N_WAVE}, wave, true);
    wave[70] = NAN;
    good &= h5_put(file, "nan", H5T_IEEE_F32LE, 1, (int64_t[]){N_WAVE}, wave, false);
    good &= h5_put(file, "whole", H5T_STD_I16LE, 1, (int64_t[]){1}, layers, false);
    good &= h5_put(file, "none", H5T_IEEE_F32LE, 2, (int64_t[]){0, F}, NULL, false);
    H5Tclose(half);
    return good && H5Fclose(file) >= 0 ? 0 : -1;
}

static void check_parts(spk_feature_reader *r, const char *path, int64_t u)
{
    static const struct {
        int64_t start, count;
    } parts[] = {{0, T}, {0, 1}, {T - 1, 1}, {7, 12}};
    int64_t frames = 0;
    float x[T * F];
    help_ok(spk_feature_open(r, path, &frames));
    assert_int_equal(frames, T);
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        help_ok(spk_feature_part(r, parts[p].start, parts[p].count, x));
        for (int64_t i = 0; i < parts[p].count * F; i++)
            if (x[i] != value(u, parts[p].start + i / F, i % F))
                fail_msg("%s from %lld: value %lld is %g", path, (long long)parts[p].start, (long long)i, (double)x[i]);
    }
}

/* float16, 32, 64, the other byte order, compressed or not, in groups, in layers. */
static void features(void **state)
{
    (void)state;
    spk_feature_reader *r = spk_feature_reader_new(F);
    for (int u = 0; u < 8; u++) {
        char name[32];
        snprintf(name, sizeof name, u < 4 ? "u%d" : "deep/er/u%d", u);
        check_parts(r, array("a.h5", name), u);
    }
    check_parts(r, array("a.h5", "layers"), 8);
    spk_feature_reader_free(r);
}

/* A wave is what a sound file with these samples is: crops, other rates, other speeds. */
static void waves(void **state)
{
    (void)state;
    const char *file = help_sound("ramp.wav", HELP_WAV, 8000, 1, N_WAVE, help_ramp), *wave = array("a.h5", "wave");
    spk_audio_reader *r = spk_audio_reader_new(&(spk_audio_options){.sample_rate = 8000});
    float x[500], y[500];
    int64_t n = 0, m = 0;
    for (int64_t speed = 900; speed <= 1100; speed += 100) {
        spk_rng a = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0), b = a;
        help_ok(spk_crop_train(r, file, speed, 500, &a, x));
        help_ok(spk_crop_train(r, wave, speed, 500, &b, y));
        assert_memory_equal(x, y, sizeof x);
    }
    help_ok(spk_audio_open(r, file, &n));
    help_ok(spk_audio_open(r, wave, &m));
    assert_int_equal(n, N_WAVE);
    assert_int_equal(m, N_WAVE);
    assert_true(spk_audio_is_exact(r));
    help_ok(spk_audio_part(r, 17, 500, y));
    for (int64_t i = 0; i < 500; i++)
        assert_true(y[i] == help_ramp(17 + i, 0));
    help_ok(spk_crop_segments(r, wave, 100, 5, x));
    help_ok(spk_crop_segments(r, file, 100, 5, y));
    assert_memory_equal(x, y, sizeof x);
    help_ok(spk_audio_open(r, array("a.h5", "nan"), &n));
    help_ok(spk_audio_part(r, 100, 50, x));
    help_refused(spk_audio_part(r, 0, 100, x), SPK_E_FORMAT, "a.h5::nan", "sample 70 holds");
    help_refused(spk_audio_open(r, array("a.h5", "u0"), &n), SPK_E_SHAPE, "a.h5::u0", "one row of samples",
                 "2 dimensions");
    help_refused(spk_audio_open(r, array("a.h5", "whole"), &n), SPK_E_FORMAT, "a.h5::whole", "holds whole numbers",
                 "samples are float16");
    spk_audio_reader_free(r);
}

static void refusals(void **state)
{
    (void)state;
    spk_feature_reader *r = spk_feature_reader_new(F), *thin = spk_feature_reader_new(5);
    int64_t n;
    help_refused(spk_feature_open(r, array("a.h5", "gone"), &n), SPK_E_MISMATCH, "a.h5: holds no array 'gone'");
    help_refused(spk_feature_open(r, array("a.h5", "gone/er"), &n), SPK_E_MISMATCH, "holds no array 'gone/er'");
    help_refused(spk_feature_open(r, array("a.h5", "deep"), &n), SPK_E_FORMAT, "a.h5: the array 'deep' cannot be");
    help_refused(spk_feature_open(r, array("a.h5", "wave"), &n), SPK_E_SHAPE, "a.h5::wave", "not 1-dimensional");
    help_refused(spk_feature_open(r, array("a.h5", "none"), &n), SPK_E_FORMAT, "a.h5::none", "holds no frames");
    help_refused(spk_feature_open(r, array("a.h5", "whole"), &n), SPK_E_FORMAT, "a.h5::whole", "features are float16");
    help_refused(spk_feature_open(thin, array("a.h5", "u1"), &n), SPK_E_SHAPE, "a.h5::u1",
                 "have 6 values; the model takes 5");
    help_refused(spk_feature_open(r, array("b.h5", "u1"), &n), SPK_E_IO, "b.h5: is not there");
    help_text("text.h5", "u0 1 2 3\n");
    help_refused(spk_feature_open(r, array("text.h5", "u1"), &n), SPK_E_FORMAT, "text.h5: cannot be read as HDF5");
    check_parts(r, array("a.h5", "u1"), 1); /* none of this hurts the next */
    spk_feature_reader_free(r);
    spk_feature_reader_free(thin);
}

/* Cut, and with bytes changed in the compressed blocks: told, never wrong values and never a crash. */
static void damaged(void **state)
{
    (void)state;
    char *data;
    size_t size;
    int64_t n;
    int told = 0;
    float x[T * F];
    help_ok(spk_read_file(help_path("a.h5"), &data, &size));
    help_ok(spk_write_file(help_path("cut.h5"), data, size - 1000));
    spk_feature_reader *r = spk_feature_reader_new(F);
    help_refused(spk_feature_open(r, array("cut.h5", "u0"), &n), SPK_E_FORMAT, "cut.h5", "truncated");
    spk_feature_reader_free(r);
    for (size_t at = 0; at < size; at += 103) {
        static const char name[] = "changed.h5";
        data[at] = (char)~data[at];
        help_ok(spk_write_file(help_path(name), data, size));
        data[at] = (char)~data[at];
        r = spk_feature_reader_new(F);
        if (spk_feature_open(r, array(name, "u0"), &n) == SPK_OK && spk_feature_part(r, 0, T, x) == SPK_OK) {
            for (int64_t i = 0; i < T * F; i++)
                assert_true(x[i] == value(0, i / F, i % F)); /* all of it has checksums */
        } else {
            assert_non_null(strstr(spk_errmsg(), name));
            told++;
        }
        spk_feature_reader_free(r);
    }
    print_message("%d of the changes were told\n", told);
    assert_true(told > 0);
    spk_free(data);
}

/* Many at once: each has what it asked for. */
static void *ask(void *arg)
{
    const int me = *(const int *)arg;
    spk_feature_reader *r = spk_feature_reader_new(F);
    intptr_t wrong = 0;
    for (int k = 0; k < 500; k++) {
        const int u = (k + me) % 4, start = (7 * k + me) % (T - 5);
        char path[600];
        float x[5 * F];
        int64_t n;
        snprintf(path, sizeof path, "hdf5:%s/a.h5::u%d", help_root, u);
        bool good = spk_feature_open(r, path, &n) == SPK_OK && spk_feature_part(r, start, 5, x) == SPK_OK;
        for (int i = 0; good && i < 5 * F; i++)
            good = x[i] == value(u, start + i / F, i % F);
        wrong += !good;
    }
    spk_feature_reader_free(r);
    return (void *)wrong; /* NOLINT: a number */
}

static void threads(void **state)
{
    (void)state;
    enum { N_THREADS = 6 };
    pthread_t t[N_THREADS];
    int number[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&t[i], NULL, ask, &number[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
}

static void lists(void **state)
{
    (void)state;
    spk_list list;
    help_ok(spk__speech_read(help_path("a.h5"), true, &list));
    assert_int_equal(list.n, 13);
    assert_string_equal(list.entry[0].key, "deep/er/u4");
    assert_string_equal(spk_list_get(&list, "u2"), array("a.h5", "u2"));
    spk_list_clear(&list);
    const hid_t file = H5Fcreate(help_path("blank.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(file);
    help_refused(spk__speech_read(help_path("blank.h5"), true, &list), SPK_E_FORMAT, "blank.h5: holds no array");
    const hid_t odd = H5Fcreate(help_path("odd.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(h5_put(odd, "a b", H5T_IEEE_F32LE, 1, (int64_t[]){1}, (float[]){1}, false));
    H5Fclose(odd);
    help_refused(spk__speech_read(help_path("odd.h5"), true, &list), SPK_E_FORMAT, "odd.h5: the array 'a b'");
}

/* ---- a training set ---- */

static uint64_t epoch(int workers, const char *speech, const char *type)
{
    spk_train_set_options o;
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    uint64_t digest = 0;
    char labels[512];
    snprintf(labels, sizeof labels, "%s", help_path("utt2spk"));
    const spk_data_list two[] = {{speech, "speech", type}, {labels, "spk_labels", "text"}};
    spk_train_set_options_init(&o);
    o.lists = two;
    o.n_lists = 2;
    o.audio = (spk_audio_options){.sample_rate = 50, .channel = SPK_CHANNEL_REFUSE, .feature_size = F};
    o.target_duration = 0.2;
    o.batch_size = 4;
    o.num_workers = workers;
    help_ok(spk_train_set_open(&o, &s));
    for (int64_t e = 1; e < 30; e++) {
        help_ok(spk_train_iterator(s, e, &it));
        while (help_ok(it->next(it->self, &b)), b)
            digest = digest * 31 + spk_hash(spk_batch_find(b, "speech")->data, sizeof(float[10 * F]) * (size_t)b->n);
        spk_iterator_close(it);
    }
    spk_train_set_close(s);
    return digest;
}

/* Any number of threads, and a list that names the arrays: the same batches. */
static void batches(void **state)
{
    (void)state;
    spk_text labels = {0}, scp = {0};
    float x[T * F];
    const hid_t file = H5Fcreate(help_path("set.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    for (int u = 0; u < 9; u++) {
        char name[32];
        for (int64_t i = 0; i < T * F; i++)
            x[i] = value(u, i / F, i % F);
        snprintf(name, sizeof name, "u%d", u);
        assert_true(h5_put(file, name, H5T_IEEE_F32LE, 2, (int64_t[]){T - u, F}, x, u % 2 == 0));
        spk_text_addf(&labels, "u%d s%d\n", u, u % 3);
        spk_text_addf(&scp, "u%d hdf5:set.h5::u%d\n", u, u);
    }
    H5Fclose(file);
    help_text("utt2spk", spk_text_str(&labels));
    help_text("feats.scp", spk_text_str(&scp));
    char h5[512], list[512];
    snprintf(h5, sizeof h5, "%s", help_path("set.h5"));
    snprintf(list, sizeof list, "%s", help_path("feats.scp"));
    const uint64_t one = epoch(1, h5, "hdf5");
    assert_true(one == epoch(4, h5, "hdf5"));
    assert_true(one == epoch(2, list, "npy"));
    spk_text_addf(&labels, "u9 s1\n");
    help_text("utt2spk", spk_text_str(&labels));
    spk_train_set *s;
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    char path[512];
    snprintf(path, sizeof path, "%s", help_path("utt2spk"));
    const spk_data_list two[] = {{h5, "speech", "hdf5"}, {path, "spk_labels", "text"}};
    o.lists = two;
    o.n_lists = 2;
    o.audio.feature_size = F;
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "utt2spk:10: 'u9' is not in", "set.h5");
    spk_text_clear(&labels);
    spk_text_clear(&scp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features), cmocka_unit_test(waves),   cmocka_unit_test(refusals), cmocka_unit_test(damaged),
        cmocka_unit_test(lists),    cmocka_unit_test(batches), cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests_name("HDF5", tests, setup, help_teardown);
}

#else
/* Without the plugin: one sentence. */
static void not_built(void **state)
{
    (void)state;
    spk_h5 *h;
    help_text("a.h5", "x");
    help_refused(spk_h5_open(help_path("a.h5"), &h), SPK_E_UNSUPPORTED, "a.h5", "install libhdf5-dev");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(not_built)};
    return cmocka_run_group_tests_name("HDF5", tests, help_setup, help_teardown);
}
#endif
