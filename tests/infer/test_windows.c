/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of recordings, and recordings of which only the speech is embedded: each is what the samples alone give. */
#include "infer/infer_help.h"

enum { E = 12, MOST_TOLD = 400 };

typedef struct told {
    int64_t n, n_failed;
    int64_t index[MOST_TOLD];
    double begin[MOST_TOLD], end[MOST_TOLD];
    float embedding[MOST_TOLD][E];
    char failure[300];
    int64_t stop_at; /* the callback fails there; 0: never */
} told;

static spk_status take(void *user, const spk_window *w)
{
    told *t = user;
    if (w->status != SPK_OK) {
        t->n_failed++;
        snprintf(t->failure, sizeof t->failure, "%s", w->message);
        return SPK_OK;
    }
    assert_true(t->n < MOST_TOLD);
    t->index[t->n] = w->index;
    t->begin[t->n] = w->begin;
    t->end[t->n] = w->end;
    memcpy(t->embedding[t->n++], w->embedding, sizeof t->embedding[0]);
    return t->n == t->stop_at ? spk_fail(SPK_E_IO, "no more") : SPK_OK;
}

static told *windows(spk_embedder *e, const char *const *names, int64_t n, spk_windows_options o,
                     spk_embed_summary *sum)
{
    told *t = spk_new(sizeof *t);
    spk_embed_item items[4];
    for (int64_t i = 0; i < n; i++)
        items[i] = (spk_embed_item){names[i], in_folder(names[i])};
    const spk_status status = spk_embed_windows(e, items, n, &o, take, t, sum);
    for (int64_t i = 0; i < n; i++)
        spk_free((void *)(uintptr_t)items[i].path);
    if (status != SPK_OK) fail_msg("%s", spk_errmsg());
    return t;
}

/* Window i of the telling is [begin, end) of x, in samples. */
static void check_window(spk_embedder *e, const told *t, int64_t i, const float *x, int64_t begin, int64_t end)
{
    float alone[E];
    assert_true(i < t->n);
    if (fabs(t->begin[i] * RATE - (double)begin) > 1e-6 || fabs(t->end[i] * RATE - (double)end) > 1e-6)
        fail_msg("window %d is %g to %g s", (int)i, t->begin[i], t->end[i]);
    assert_int_equal(spk_embed_wave(e, x + begin, end - begin, RATE, alone), SPK_OK);
    assert_near(alone, t->embedding[i], E, 1e-4);
}

/* Longer than two blocks, so that windows meet at their borders; a shorter and a damaged file beside. */
static void test_windows(void **state)
{
    (void)state;
    enum { N = 2080500, W = 24000, H = 12000, SHORT = 9000 };
    const char *const names[] = {"long.wav", "text.wav", "short.wav"};
    float *x = make_wave(N, 1);
    write_wav("long.wav", x, N, RATE);
    write_wav("short.wav", x, SHORT, RATE);
    char *text = in_folder("text.wav");
    assert_int_equal(spk_write_file(text, "no audio", 8), SPK_OK);
    spk_free(text);
    spk_embedder *e = open_with(1);
    spk_embed_summary sum;
    told *t = windows(e, names, 3, (spk_windows_options){.window = 1.5, .hop = 0.75}, &sum);
    const int64_t whole = 1 + (N - W) / H;
    assert_int_equal(t->n, whole + 2); /* the last one ends with the file; one of the short file */
    assert_int_equal(t->n_failed, 1);
    assert_non_null(strstr(t->failure, "text.wav"));
    assert_int_equal(sum.n_items, 3);
    assert_int_equal(sum.n_failed, 1);
    for (int64_t i = 0; i<whole; i += i> 2 && i < 70 ? 13 : 1) {
        assert_int_equal(t->index[i], 0);
        check_window(e, t, i, x, i * H, i * H + W);
    }
    check_window(e, t, whole, x, N - W, N);
    assert_int_equal(t->index[whole + 1], 2);
    check_window(e, t, whole + 1, x, 0, SHORT);
    spk_free(t);
    /* Nothing is left over where the windows fit, or less than 10 ms is. */
    write_wav("fits.wav", x, 48000 + 159, RATE);
    const char *const fits[] = {"fits.wav"};
    t = windows(e, fits, 1, (spk_windows_options){.window = 1, .hop = 1}, NULL);
    assert_int_equal(t->n, 3);
    check_window(e, t, 2, x, 32000, 48000);
    spk_free(t);
    write_wav("fits.wav", x, 48000 + 160, RATE);
    t = windows(e, fits, 1, (spk_windows_options){.window = 1, .hop = 1}, NULL);
    assert_int_equal(t->n, 4);
    check_window(e, t, 3, x, 32160, 48160);
    spk_free(t);
    write_wav("fits.wav", x, 19200, RATE); /* one window, and one more for the rest */
    t = windows(e, fits, 1, (spk_windows_options){.window = 1, .hop = 1}, NULL);
    assert_int_equal(t->n, 2);
    check_window(e, t, 0, x, 0, 16000);
    check_window(e, t, 1, x, 3200, 19200);
    spk_free(t);
    spk_embedder_close(e);
    spk_free(x);
}

static void test_windows_of_speech(void **state)
{
    (void)state;
    enum { N = 80000 };
    static const char lists[] = "s1 a.wav 0.5 2.0\ns2 a.wav 2.1 2.4\ns3 a.wav 3 3.6\ns4 a.wav 4.5 5\n";
    const char *const names[] = {"a.wav", "b.wav"};
    float *x = make_wave(N, 2);
    write_wav("a.wav", x, N, RATE);
    write_wav("b.wav", x, N, RATE);
    char *segments = in_folder("segments");
    assert_int_equal(spk_write_file(segments, lists, strlen(lists)), SPK_OK);
    spk_speech *s = NULL;
    assert_int_equal(spk_speech_open(segments, NULL, &s), SPK_OK);
    spk_embedder *e = open_with(1);
    spk_windows_options o = {.window = 1, .hop = 0.5, .speech = s, .min_window = 0.5};
    told *t = windows(e, names, 2, o, NULL);
    assert_int_equal(t->n, 4);
    check_window(e, t, 0, x, 8000, 24000);
    check_window(e, t, 1, x, 16000, 32000);
    check_window(e, t, 2, x, 48000, 57600); /* shorter than a window; the 0.3 s before it have none */
    check_window(e, t, 3, x, 72000, 80000);
    assert_int_equal(t->n_failed, 1); /* b.wav is not in the list */
    assert_non_null(strstr(t->failure, "b.wav"));
    spk_free(t);
    o.min_speech = 2.95;
    t = windows(e, names, 1, o, NULL);
    assert_int_equal(t->n_failed, 1);
    assert_non_null(strstr(t->failure, "2.90 s of speech"));
    spk_free(t);
    o.min_speech = 0;
    o.min_window = 1.6;
    t = windows(e, names, 1, o, NULL);
    assert_int_equal(t->n, 0);
    assert_non_null(strstr(t->failure, "no stretch of speech of 1.6 s"));
    spk_free(t);
    spk_embedder_close(e);
    spk_speech_close(s);
    spk_free(segments);
    spk_free(x);
}

static void test_refusals(void **state)
{
    (void)state;
    spk_embedder *e = open_with(1);
    float *x = make_wave(40000, 3);
    write_wav("r.wav", x, 40000, RATE);
    char *path = in_folder("r.wav");
    const spk_embed_item item = {"r", path};
    told *t = spk_new(sizeof *t);
    const spk_windows_options none = {.window = 0, .hop = 1}, tiny = {.window = 0.001, .hop = 1},
                              still = {.window = 1, .hop = 0}, good = {.window = 1, .hop = 0.5};
    assert_int_equal(spk_embed_windows(e, &item, 1, &none, take, t, NULL), SPK_E_VALUE);
    assert_int_equal(spk_embed_windows(e, &item, 1, &tiny, take, t, NULL), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "shorter than the model takes"));
    assert_int_equal(spk_embed_windows(e, &item, 1, &still, take, t, NULL), SPK_E_VALUE);
    assert_int_equal(t->n, 0);
    t->stop_at = 2;
    assert_int_equal(spk_embed_windows(e, &item, 1, &good, take, t, NULL), SPK_E_IO);
    assert_string_equal(spk_errmsg(), "no more");
    assert_int_equal(t->n, 2);
    spk_free(t);
    spk_free(path);
    spk_free(x);
    spk_embedder_close(e);
}

/* ---- whole recordings ---- */

typedef struct kept {
    spk_status status;
    char message[300];
    float embedding[3 * E];
    int64_t n_segments;
} kept;

static spk_status keep(void *user, const spk_embed_result *r)
{
    kept *k = user;
    k->status = r->status;
    k->n_segments = r->n_segments;
    snprintf(k->message, sizeof k->message, "%s", r->message);
    if (r->embedding) memcpy(k->embedding, r->embedding, sizeof(float) * (size_t)(r->n_segments * E));
    return SPK_OK;
}

/* The parts of speech without the gaps, as a whole and as segments. */
static void test_joined(void **state)
{
    (void)state;
    enum { N = 64000, SPEECH = 24000 };
    static const char list[] = "s1 j 0.5 1.25\ns2 j 2 2.75\n";
    float *x = make_wave(N, 4), *joined = spk_new(sizeof *joined * SPEECH), alone[E];
    memcpy(joined, x + 8000, sizeof *x * 12000);
    memcpy(joined + 12000, x + 32000, sizeof *x * 12000);
    write_wav("j.wav", x, N, RATE);
    char *path = in_folder("j.wav"), *segments = in_folder("joined");
    assert_int_equal(spk_write_file(segments, list, strlen(list)), SPK_OK);
    const spk_embed_item item = {"j", path}, other = {"k", path};
    spk_embedder *e = open_with(1);
    spk_embed_list_options o = {0};
    spk_speech *s = NULL;
    kept k;
    assert_int_equal(spk_speech_open(segments, NULL, &s), SPK_OK);
    o.speech = s;
    assert_int_equal(spk_embed_list(e, &item, 1, &o, keep, &k, NULL), SPK_OK);
    assert_int_equal(spk_embed_wave(e, joined, SPEECH, RATE, alone), SPK_OK);
    assert_near(alone, k.embedding, E, 1e-5);
    o.num_eval = 3;
    o.target_duration = 0.5;
    assert_int_equal(spk_embed_list(e, &item, 1, &o, keep, &k, NULL), SPK_OK);
    assert_int_equal(k.n_segments, 3);
    for (int i = 0; i < 3; i++) { /* at 0, 8000, 16000 */
        assert_int_equal(spk_embed_wave(e, joined + 8000 * i, 8000, RATE, alone), SPK_OK);
        assert_near(alone, k.embedding + i * E, E, 1e-4);
    }
    o.num_eval = 0;
    assert_int_equal(spk_embed_list(e, &other, 1, &o, keep, &k, NULL), SPK_OK);
    assert_int_equal(k.status, SPK_E_MISMATCH);
    o.min_speech = 1.6;
    assert_int_equal(spk_embed_list(e, &item, 1, &o, keep, &k, NULL), SPK_OK);
    assert_int_equal(k.status, SPK_E_VALUE);
    assert_non_null(strstr(k.message, "j.wav: 'j' has 1.50 s of speech, less than the 1.6 s"));
    o.speech = NULL;
    o.min_speech = 4.5;
    assert_int_equal(spk_embed_list(e, &item, 1, &o, keep, &k, NULL), SPK_OK);
    assert_non_null(strstr(k.message, "4.00 s of audio"));
    o.min_speech = 4;
    assert_int_equal(spk_embed_list(e, &item, 1, &o, keep, &k, NULL), SPK_OK);
    assert_int_equal(k.status, SPK_OK);
    spk_speech_close(s);
    spk_embedder_close(e);
    spk_free(segments);
    spk_free(path);
    spk_free(joined);
    spk_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows), cmocka_unit_test(test_windows_of_speech),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_joined)};
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
