/* SPDX-License-Identifier: Apache-2.0 */
/* Features from files: the kinds of file, parts of them, layers, what is refused, and batches of them. */
#include "data_help.h"

#include "data/audio_impl.h"
#include "data/features_impl.h"
#include "spk/arrays.h"

enum { T = 30, F = 6 };

/* Value c of frame t of utterance u. */
static float value(int64_t u, int64_t t, int64_t c)
{
    return (float)(1000 * u + 10 * t + c) / 8;
}

static const char *write_array(const char *name, spk_dtype dtype, int n_dims, const int64_t *dim, const void *data)
{
    const char *path = help_path(name);
    spk_ndarray a = {.dtype = dtype, .n_dims = n_dims, .data = (void *)(uintptr_t)data};
    memcpy(a.dim, dim, (size_t)n_dims * sizeof *dim);
    help_ok(spk_npy_write(path, &a));
    return path;
}

static const char *write_utterance(const char *name, int64_t u, int64_t frames)
{
    float x[T * F * 4];
    for (int64_t t = 0; t < frames; t++)
        for (int64_t c = 0; c < F; c++)
            x[t * F + c] = value(u, t, c);
    return write_array(name, SPK_F32, 2, (int64_t[]){frames, F}, x);
}

static void check_parts(const char *path, int64_t size, int64_t u)
{
    spk_feature_reader *r = spk_feature_reader_new(size);
    int64_t frames = 0;
    float x[T * F];
    help_ok(spk_feature_open(r, path, &frames));
    assert_int_equal(frames, T);
    const struct {
        int64_t start, count;
    } parts[] = {{0, T}, {0, 1}, {T - 1, 1}, {7, 12}};
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        help_ok(spk_feature_part(r, parts[p].start, parts[p].count, x));
        for (int64_t t = 0; t < parts[p].count; t++)
            for (int64_t c = 0; c < F; c++)
                if (x[t * F + c] != value(u, parts[p].start + t, c))
                    fail_msg("%s from %lld: frame %lld, value %lld is %g", path, (long long)parts[p].start,
                             (long long)t, (long long)c, (double)x[t * F + c]);
    }
    spk_feature_reader_free(r);
}

static void test_kinds(void **state)
{
    (void)state;
    double wide[T * F];
    float layers[T * F];
    int32_t whole[T * F];
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; c < F; c++) {
            wide[t * F + c] = (double)value(2, t, c);
            layers[(c / 2 * T + t) * 2 + c % 2] = value(2, t, c); /* (3, T, 2) */
            whole[t * F + c] = 1;
        }
    check_parts(write_utterance("a.npy", 1, T), F, 1);
    check_parts(write_array("wide.npy", SPK_F64, 2, (int64_t[]){T, F}, wide), F, 2);
    check_parts(write_array("layers.npy", SPK_F32, 3, (int64_t[]){3, T, 2}, layers), F, 2);
    spk_feature_reader *r = spk_feature_reader_new(F);
    int64_t frames;
    help_refused(spk_feature_open(r, write_array("int.npy", SPK_I32, 2, (int64_t[]){T, F}, whole), &frames),
                 SPK_E_FORMAT, "int.npy", "holds int32");
    spk_feature_reader_free(r);
}

/* Kaldi: by offset, and the first of a file. */
static void test_ark(void **state)
{
    (void)state;
    float x[2][T * F];
    spk_ark_writer *w;
    char *ark = spk_strdup(help_path("f.ark")), *scp = spk_strdup(help_path("f.scp"));
    help_ok(spk_ark_create(ark, scp, &w));
    for (int u = 0; u < 2; u++) {
        for (int64_t i = 0; i < T * F; i++)
            x[u][i] = value(u, i / F, i % F);
        help_ok(spk_ark_add(w, u ? "two" : "one", 2, (int64_t[]){T, F}, x[u]));
    }
    help_ok(spk_ark_finish(w));
    char *text;
    size_t n;
    help_ok(spk_read_file(scp, &text, &n));
    char *second = strstr(text, "two ") + 4;
    second[strcspn(second, "\n")] = 0;
    check_parts(second, F, 1);
    check_parts(ark, F, 0);
    spk_feature_reader *r = spk_feature_reader_new(F);
    int64_t frames;
    char *wrong = spk_strf("%s:1", ark);
    help_refused(spk_feature_open(r, wrong, &frames), SPK_E_FORMAT, "f.ark", "no binary float vector or matrix");
    spk_feature_reader_free(r);
    spk_free(wrong);
    spk_free(text);
    spk_free(ark);
    spk_free(scp);
}

/* Half precision and Fortran order, as NumPy writes them, are read as a whole. */
static void test_other_layouts(void **state)
{
    (void)state;
    static const char head[] = "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 3), }";
    char file[10 + sizeof head + 12] = "\x93NUMPY\x01\0";
    file[8] = (char)sizeof head;
    memcpy(file + 10, head, sizeof head - 1);
    file[10 + sizeof head - 1] = '\n';
    const uint16_t half[6] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x8000}; /* 1 -2 2^-24 65504 0.33325 -0 */
    const float want[2][3] = {{1, 0x1p-24f, 0.333251953125f}, {-2, 65504, 0}};
    memcpy(file + 10 + sizeof head, half, sizeof half);
    spk_outfile *f;
    help_ok(spk_outfile_open(help_path("half.npy"), &f));
    spk_outfile_write(f, file, 10 + sizeof head + sizeof half);
    help_ok(spk_outfile_commit(f));
    spk_feature_reader *r = spk_feature_reader_new(3);
    int64_t frames;
    float x[6];
    help_ok(spk_feature_open(r, help_path("half.npy"), &frames));
    assert_int_equal(frames, 2);
    help_ok(spk_feature_part(r, 0, 2, x));
    assert_memory_equal(x, want, sizeof(float[5]));
    help_ok(spk_feature_part(r, 1, 1, x));
    assert_true(x[0] == -2 && x[1] == 65504);
    spk_feature_reader_free(r);
}

static void test_refusals(void **state)
{
    (void)state;
    float x[T * F] = {0};
    spk_feature_reader *r = spk_feature_reader_new(F);
    int64_t frames;
    x[5 * F] = NAN;
    help_ok(spk_feature_open(r, write_array("nan.npy", SPK_F32, 2, (int64_t[]){T, F}, x), &frames));
    help_ok(spk_feature_part(r, 6, 3, x));
    help_refused(spk_feature_part(r, 4, 3, x), SPK_E_FORMAT, "nan.npy", "frame 5 holds");
    help_refused(spk_feature_open(r, write_array("thin.npy", SPK_F32, 2, (int64_t[]){T, 5}, x), &frames), SPK_E_SHAPE,
                 "thin.npy", "its frames have 5 values; the model takes 6");
    help_refused(spk_feature_open(r, write_array("layers.npy", SPK_F32, 3, (int64_t[]){4, 3, 2}, x), &frames),
                 SPK_E_SHAPE, "layers.npy", "4 layers of 2 values");
    help_refused(spk_feature_open(r, write_array("flat.npy", SPK_F32, 1, (int64_t[]){T}, x), &frames), SPK_E_SHAPE,
                 "not 1-dimensional");
    help_refused(spk_feature_open(r, write_array("empty.npy", SPK_F32, 2, (int64_t[]){0, F}, x), &frames), SPK_E_FORMAT,
                 "holds no frames");
    help_refused(spk_feature_open(r, help_text("a.wav", "RIFF"), &frames), SPK_E_FORMAT, "a.wav",
                 "features, not sound");
    help_refused(spk_feature_open(r, help_path("gone.npy"), &frames), SPK_E_IO, "gone.npy");
    const char *cut = write_utterance("cut.npy", 0, T);
    assert_int_equal(truncate(cut, 200), 0);
    help_refused(spk_feature_open(r, cut, &frames), SPK_E_FORMAT, "cut.npy", "truncated");
    spk_feature_reader_free(r);
}

/* A crop begins anywhere; a short utterance is repeated frame by frame. */
static void test_crops(void **state)
{
    (void)state;
    const spk_audio_options o = {.sample_rate = 100, .feature_size = F};
    spk_audio_reader *r = spk_audio_reader_new(&o);
    float x[4 * T * F];
    spk_rng draw = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0);
    const char *path = write_utterance("short.npy", 3, 7);
    help_ok(spk_crop_train(r, path, SPK_SPEED_ONE, T, &draw, x));
    for (int64_t i = 0; i < T * F; i++)
        assert_true(x[i] == value(3, i / F % 7, i % F));
    help_ok(spk_crop_segments(r, path, T, 2, x));
    assert_memory_equal(x, x + T * F, sizeof(float[T * F]));
    path = write_utterance("long.npy", 4, 2 * T);
    help_ok(spk_crop_train(r, path, SPK_SPEED_ONE, T, &draw, x));
    const int64_t start = (int64_t)((x[0] * 8 - 4000) / 10);
    assert_true(start >= 0 && start <= T);
    for (int64_t i = 0; i < T * F; i++)
        assert_true(x[i] == value(4, start + i / F, i % F));
    for (int64_t K = 2; K <= 3; K++) { /* overlapping and apart */
        help_ok(spk_crop_segments(r, path, K == 2 ? T : T / 2, K, x));
        const int64_t n = K == 2 ? T : T / 2, last = 2 * T - n;
        for (int64_t i = 0; i < n * F; i++)
            assert_true(x[(K - 1) * n * F + i] == value(4, last + i / F, i % F));
    }
    spk_audio_reader_free(r);
}

/* ---- batches ---- */

static void read_epoch(int workers, float *all, int64_t *n)
{
    spk_train_set_options o;
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    spk_train_set_options_init(&o);
    o.dir = help_path("set");
    o.audio = (spk_audio_options){.sample_rate = 50, .channel = SPK_CHANNEL_REFUSE, .feature_size = F};
    o.target_duration = 0.2;
    o.batch_size = 4;
    o.num_workers = workers;
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_samples(s), 10);
    assert_int_equal(spk_train_set_rate(s), 50);
    help_ok(spk_train_iterator(s, 1, &it));
    for (*n = 0;;) {
        help_ok(it->next(it->self, &b));
        if (!b) break;
        const spk_array *speech = spk_batch_find(b, "speech"), *nth = spk_batch_find(b, "nth");
        assert_true(speech->n_dims == 3 && speech->dim[1] == 10 && speech->dim[2] == F);
        assert_true(nth && nth->dtype == SPK_I64 && nth->dim[0] == b->n && ((const int64_t *)nth->data)[0] == 0);
        memcpy(all + *n, speech->data, (size_t)(b->n * 10 * F) * sizeof *all);
        *n += b->n * 10 * F;
    }
    spk_iterator_close(it);
    spk_train_set_close(s);
}

static void test_batches(void **state)
{
    (void)state;
    spk_text scp = {0}, speakers = {0};
    help_text("set/feats/x", "");
    for (int u = 0; u < 8; u++) {
        char name[64];
        snprintf(name, sizeof name, "set/feats/u%d.npy", u);
        write_utterance(name, u, 12 + 3 * u);
        spk_text_addf(&scp, "u%d feats/u%d.npy\n", u, u);
        spk_text_addf(&speakers, "u%d s%d\n", u, u % 3);
    }
    help_text("set/feats.scp", spk_text_str(&scp));
    help_text("set/utt2spk", spk_text_str(&speakers));
    float one[8 * 10 * F], four[8 * 10 * F];
    int64_t n = 0, m = 0;
    read_epoch(1, one, &n);
    read_epoch(4, four, &m);
    assert_int_equal(n, 8 * 10 * F);
    assert_int_equal(m, n);
    assert_memory_equal(one, four, sizeof one);
    spk_text_clear(&scp);
    spk_text_clear(&speakers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),    cmocka_unit_test(test_ark),   cmocka_unit_test(test_other_layouts),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_crops), cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, help_setup, help_teardown);
}
