/* SPDX-License-Identifier: Apache-2.0 */
/* An opened model: waves, files and lists give the same embeddings; what is wrong is named. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "infer/embedder_impl.h"
#include "spk/state.h"

enum { RATE = 16000, N_FILES = 40 };

static char folder[] = "/tmp/spk-test-embedder-XXXXXX";

static const char conf[] = "frontend: melspec_torch\n"
                           "frontend_conf: {preemp: true, n_fft: 512, log: true, win_length: 400, hop_length: 160,"
                           " n_mels: 24, normalize: mn}\n"
                           "encoder: ecapa_tdnn\n"
                           "encoder_conf: {model_scale: 4, ndim: 16, output_size: 24}\n"
                           "projector_conf: {output_size: 12}\n"
                           "preprocessor_conf: {target_duration: 0.5, sample_rate: 16000, num_eval: 2}\n"
                           "spk_num: 5\n";

/* ---- files ---- */

static char *in_folder(const char *name)
{
    return spk_path_join(folder, name);
}

static float *make_wave(int64_t n, int seed)
{
    float *x = spk_new(sizeof *x * (size_t)n);
    spk_rng rng = spk_rng_make((uint64_t)seed, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int64_t i = 0; i < n; i++) /* values that 16 bits hold */
        x[i] = (float)(spk_rng_below(&rng, 8000) - 4000) / 32768;
    return x;
}

static void put(spk_text *t, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const char c = (char)(v >> (8 * i) & 255);
        spk_text_addn(t, &c, 1);
    }
}

static void write_wav(const char *name, const float *x, int64_t n, uint32_t rate)
{
    spk_text t = {0};
    char *path = in_folder(name);
    spk_text_add(&t, "RIFF");
    put(&t, (uint32_t)(36 + 2 * n), 4);
    spk_text_add(&t, "WAVEfmt ");
    put(&t, 16, 4);
    put(&t, 1, 2);
    put(&t, 1, 2);
    put(&t, rate, 4);
    put(&t, 2 * rate, 4);
    put(&t, 2, 2);
    put(&t, 16, 2);
    spk_text_add(&t, "data");
    put(&t, (uint32_t)(2 * n), 4);
    for (int64_t i = 0; i < n; i++)
        put(&t, (uint32_t)(int32_t)lrintf(x[i] * 32768) & 0xffff, 2);
    assert_int_equal(spk_write_file(path, t.s, t.n), SPK_OK);
    spk_text_clear(&t);
    spk_free(path);
}

/* A network of random weights, as a training leaves it. */
static int make_model(void **state)
{
    (void)state;
    spk_config c;
    spk_net *net;
    spk_tensors weights = {0};
    if (!mkdtemp(folder)) return -1;
    char *yaml = in_folder("config.yaml"), *pth = in_folder("latest.pth");
    assert_int_equal(spk_write_file(yaml, conf, strlen(conf)), SPK_OK);
    assert_int_equal(spk_config_read(yaml, &c), SPK_OK);
    assert_int_equal(spk_net_new(&c, NULL, &net), SPK_OK);
    spk_model *m = spk_net_model(net);
    assert_int_equal(m->save_state(m->self, &weights), SPK_OK);
    assert_int_equal(spk_pth_write(pth, &weights), SPK_OK);
    spk_tensors_clear(&weights);
    spk_net_free(net);
    spk_config_clear(&c);
    spk_free(yaml);
    spk_free(pth);
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    char *command = spk_strf("rm -r %s", folder);
    const int rc = system(command);
    spk_free(command);
    return rc;
}

static spk_embedder *open_with(int n_loaders)
{
    spk_embedder *e = NULL;
    spk_embedder_options o;
    spk_embedder_options_init(&o);
    o.n_loaders = n_loaders;
    o.n_threads = 2;
    if (spk_embedder_open(folder, &o, &e) != SPK_OK) fail_msg("%s", spk_errmsg());
    return e;
}

static void assert_near(const float *a, const float *b, int64_t n, double bound)
{
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(a[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    assert_true(largest > 0);
    if (worst > bound * largest) fail_msg("differ by %g of %g", worst, largest);
}

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
