/* SPDX-License-Identifier: Apache-2.0 */
/* An opened model: waves, files and lists give the same embeddings; what is wrong is named. */
#include "infer/infer_help.h"

enum { N_FILES = 40 };

/* ---- one recording ---- */

static void test_file_is_wave(void **state)
{
    (void)state;
    float a[12], b[12];
    spk_embedder *e = open_with(0);
    assert_int_equal(spk_embedder_size(e), 12);
    assert_int_equal(spk_embedder_sample_rate(e), RATE);
    assert_true(spk_ends_with(spk_embedder_model_file(e), "/latest.pth"));
    float *x = make_wave(20000, 1);
    write_wav("one.wav", x, 20000, RATE);
    char *path = in_folder("one.wav");
    assert_int_equal(spk_embed_wave(e, x, 20000, RATE, a), SPK_OK);
    assert_int_equal(spk_embed_file(e, path, b), SPK_OK);
    assert_memory_equal(a, b, sizeof a);
    spk_free(path);
    spk_free(x);
    spk_embedder_close(e);
}

/* The same weights in a .safetensors file. */
static void test_safetensors(void **state)
{
    (void)state;
    float a[12], b[12];
    spk_tensors weights = {0};
    spk_embedder_options o;
    char *pth = in_folder("latest.pth"), *file = in_folder("weights.safetensors");
    assert_int_equal(spk_pth_read(pth, &weights), SPK_OK);
    assert_int_equal(spk_safetensors_write(file, &weights, NULL), SPK_OK);
    float *x = make_wave(20000, 9);
    spk_embedder *e = open_with(0);
    assert_int_equal(spk_embed_wave(e, x, 20000, RATE, a), SPK_OK);
    spk_embedder_close(e);
    spk_embedder_options_init(&o);
    o.n_threads = 2;
    o.model_file = file;
    if (spk_embedder_open(folder, &o, &e) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_int_equal(spk_embed_wave(e, x, 20000, RATE, b), SPK_OK);
    assert_memory_equal(a, b, sizeof a);
    spk_embedder_close(e);
    spk_tensors_clear(&weights);
    spk_free(x);
    spk_free(pth);
    spk_free(file);
}

static void test_rate(void **state)
{
    (void)state;
    float a[12], b[12];
    spk_embedder *e = open_with(0);
    float *x = make_wave(20000, 2);
    write_wav("half.wav", x, 20000, RATE / 2);
    char *path = in_folder("half.wav");
    assert_int_equal(spk_embed_wave(e, x, 20000, RATE / 2, a), SPK_OK);
    assert_int_equal(spk_embed_file(e, path, b), SPK_OK);
    assert_near(a, b, 12, 1e-3); /* converted in other pieces */
    spk_free(path);
    spk_free(x);
    spk_embedder_close(e);
}

/* Shorter than the model takes: as if it had been repeated. */
static void test_short(void **state)
{
    (void)state;
    float a[12], b[12];
    spk_embedder *e = open_with(0);
    float *x = make_wave(100, 3), *y = spk_new(sizeof *y * (size_t)e->min_samples);
    for (int64_t i = 0; i < e->min_samples; i++)
        y[i] = x[i % 100];
    assert_true(e->min_samples > 100);
    assert_int_equal(spk_embed_wave(e, x, 100, RATE, a), SPK_OK);
    assert_int_equal(spk_embed_wave(e, y, e->min_samples, RATE, b), SPK_OK);
    assert_memory_equal(a, b, sizeof a);
    spk_free(x);
    spk_free(y);
    spk_embedder_close(e);
}

static void test_refusals(void **state)
{
    (void)state;
    float a[12], bad[3] = {0, NAN, 0};
    spk_embedder *e = NULL;
    spk_embedder_options o;
    spk_embedder_options_init(&o);
    assert_int_equal(spk_embedder_open("/no/such/folder", NULL, &e), SPK_E_IO);
    assert_null(e);
    assert_non_null(strstr(spk_errmsg(), "/no/such/folder"));
    o.model_file = "/no/such/file.pth";
    assert_int_equal(spk_embedder_open(folder, &o, &e), SPK_E_IO);
    assert_null(e);
    assert_non_null(strstr(spk_errmsg(), "/no/such/file.pth"));
    char *empty = in_folder("empty");
    assert_int_equal(spk_make_folders(empty), SPK_OK);
    assert_int_equal(spk_embedder_open(empty, NULL, &e), SPK_E_IO);
    assert_non_null(strstr(spk_errmsg(), "config.yaml"));
    spk_free(empty);
    e = open_with(0);
    assert_int_equal(spk_embed_wave(e, NULL, 0, RATE, a), SPK_E_VALUE);
    assert_int_equal(spk_embed_wave(e, bad, 3, RATE, a), SPK_E_VALUE);
    assert_int_equal(spk_embed_wave(e, bad, 3, 0, a), SPK_E_VALUE);
    assert_int_equal(spk_embed_file(e, "/no/such.wav", a), SPK_E_IO);
    assert_non_null(strstr(spk_errmsg(), "/no/such.wav"));
    spk_embedder_close(e);
}

/* ---- many ---- */

typedef struct collected {
    int64_t n, n_segments;
    bool good[N_FILES];
    float embedding[N_FILES][24];
    double seconds;
    int64_t stop_at; /* the callback fails there; -1: never */
} collected;

static spk_status collect(void *user, const spk_embed_result *r)
{
    collected *c = user;
    assert_int_equal(r->index, c->n);
    if (c->n == c->stop_at) return spk_fail(SPK_E_IO, "no more");
    c->n++;
    c->good[r->index] = r->status == SPK_OK;
    c->seconds += r->seconds;
    c->n_segments = r->n_segments;
    if (r->status == SPK_OK)
        memcpy(c->embedding[r->index], r->embedding, sizeof(float) * (size_t)(12 * r->n_segments));
    else
        assert_non_null(strstr(r->message, r->id)); /* the file is named */
    return SPK_OK;
}

/* Files of several lengths; numbers 7 and 30 are no audio, number 11 is not there. */
static void make_files(spk_embed_item *items)
{
    for (int i = 0; i < N_FILES; i++) {
        char *name = spk_strf("list-%d.wav", i);
        const int64_t n = 6000 + 800 * (i % 5) + i;
        float *x = make_wave(n, 100 + i);
        if (i == 7 || i == 30) {
            char *path = in_folder(name);
            assert_int_equal(spk_write_file(path, "no audio", 8), SPK_OK);
            spk_free(path);
        } else if (i != 11) {
            write_wav(name, x, n, RATE);
        }
        items[i] = (spk_embed_item){name, in_folder(name)};
        spk_free(x);
    }
}

static void free_files(spk_embed_item *items)
{
    for (int i = 0; i < N_FILES; i++) {
        spk_free((void *)(uintptr_t)items[i].id);
        spk_free((void *)(uintptr_t)items[i].path);
    }
}

static void test_list(void **state)
{
    (void)state;
    spk_embed_item items[N_FILES];
    collected *a = spk_new(sizeof *a), *b = spk_new(sizeof *b);
    spk_embed_summary sum;
    float one[12];
    make_files(items);
    a->stop_at = b->stop_at = -1;
    spk_embedder *e = open_with(1);
    assert_int_equal(spk_embed_list(e, items, N_FILES, NULL, collect, a, &sum), SPK_OK);
    assert_int_equal(a->n, N_FILES);
    assert_int_equal(sum.n_items, N_FILES);
    assert_int_equal(sum.n_failed, 3);
    for (int i = 0; i < N_FILES; i++) {
        assert_int_equal(a->good[i], i != 7 && i != 30 && i != 11);
        if (!a->good[i]) continue;
        assert_int_equal(spk_embed_file(e, items[i].path, one), SPK_OK);
        assert_near(one, a->embedding[i], 12, 1e-4); /* in a batch sums may be made in another order */
    }
    spk_embedder_close(e);
    e = open_with(4); /* the number of loaders changes nothing */
    assert_int_equal(spk_embed_list(e, items, N_FILES, NULL, collect, b, &sum), SPK_OK);
    assert_memory_equal(a->embedding, b->embedding, sizeof a->embedding);
    assert_int_equal(spk_embed_list(e, items, 0, NULL, collect, b, &sum), SPK_OK);
    spk_embedder_close(e);
    free_files(items);
    spk_free(a);
    spk_free(b);
}

static void test_segments(void **state)
{
    (void)state;
    enum { T = 4000 };
    spk_embed_item items[N_FILES];
    collected *a = spk_new(sizeof *a);
    float part[12];
    make_files(items);
    a->stop_at = -1;
    spk_embedder *e = open_with(2);
    const spk_embed_list_options o = {.num_eval = 2, .target_duration = 0.25};
    assert_int_equal(spk_embed_list(e, items, 5, &o, collect, a, NULL), SPK_OK);
    assert_int_equal(a->n_segments, 2);
    for (int i = 0; i < 5; i++) {
        const int64_t n = 6000 + 800 * (i % 5) + i;
        float *x = make_wave(n, 100 + i);
        assert_int_equal(spk_embed_wave(e, x, T, RATE, part), SPK_OK);
        assert_near(part, a->embedding[i], 12, 1e-4);
        assert_int_equal(spk_embed_wave(e, x + n - T, T, RATE, part), SPK_OK);
        assert_near(part, a->embedding[i] + 12, 12, 1e-4);
        spk_free(x);
    }
    const spk_embed_list_options too_short = {.num_eval = 2, .target_duration = 0.001};
    assert_int_equal(spk_embed_list(e, items, 5, &too_short, collect, a, NULL), SPK_E_VALUE);
    spk_embedder_close(e);
    free_files(items);
    spk_free(a);
}

static void test_callback_stops(void **state)
{
    (void)state;
    spk_embed_item items[N_FILES];
    collected *a = spk_new(sizeof *a);
    make_files(items);
    a->stop_at = 5;
    spk_embedder *e = open_with(2);
    assert_int_equal(spk_embed_list(e, items, N_FILES, NULL, collect, a, NULL), SPK_E_IO);
    assert_int_equal(a->n, 5);
    assert_string_equal(spk_errmsg(), "no more");
    spk_embedder_close(e);
    free_files(items);
    spk_free(a);
}

/* ---- two embeddings ---- */

static void test_scores(void **state)
{
    (void)state;
    const float a[4] = {3, 4, 0, 1}, b[4] = {4, -3, 1, 0}, zero[2] = {0, 0};
    assert_true(fabs(spk_embedding_cosine(a, a, 2) - 1) < 1e-12);
    assert_true(fabs(spk_embedding_cosine(a, b, 2)) < 1e-12);
    assert_true(fabs(spk_embedding_cosine(a, zero, 2)) < 1e-12);
    assert_true(fabs(spk_embedding_score(a, 1, a, 1, 2)) < 1e-12);
    assert_true(fabs(spk_embedding_score(a, 1, b, 1, 2) + sqrt(2.0)) < 1e-12);
    /* the mean over the four pairs: directions 53, 90 against -37 and 0 degrees: chords of 90, 53, 127, 90 degrees */
    const double d53 = 2 * sin(atan2(4, 3) / 2), d127 = 2 * sin((acos(-1) - atan2(4, 3)) / 2);
    const double d127b = 2 * sin((acos(-1) / 2 + atan2(3, 4)) / 2);
    assert_true(fabs(d127 - d127b) < 1e-12);
    assert_true(fabs(spk_embedding_score(a, 2, b, 2, 2) + (2 * sqrt(2.0) + d53 + d127) / 4) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_is_wave),   cmocka_unit_test(test_rate),   cmocka_unit_test(test_short),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_list),   cmocka_unit_test(test_segments),
        cmocka_unit_test(test_callback_stops), cmocka_unit_test(test_scores), cmocka_unit_test(test_safetensors)};
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
