/* SPDX-License-Identifier: Apache-2.0 */
/* Galleries keep names and means, belong to a model, and are there whole or not at all; decisions follow their costs. */
#include "infer/infer_help.h"

#include "infer/decision_impl.h"
#include "spk/gallery.h"

enum { E = 12 };

static float rows[3 * E];

static spk_gallery *opened(const char *name, const spk_embedder *e, bool writing)
{
    spk_gallery *g = NULL;
    char *path = in_folder(name);
    if (spk_gallery_open(path, e, writing, &g) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_free(path);
    return g;
}

static void refused(spk_status got, spk_status want, const char *text)
{
    if (got != want || !strstr(spk_errmsg(), text)) fail_msg("%s: %s", spk_status_name(got), got ? spk_errmsg() : "");
}

static void test_voices(void **state)
{
    (void)state;
    spk_embedder *e = open_with(1);
    spk_gallery *g = opened("g", e, true);
    assert_int_equal(spk_gallery_n(g), 0);
    assert_int_equal(spk_gallery_put(g, "anna", SPK_GALLERY_NEW, 2, rows), SPK_OK);
    assert_int_equal(spk_gallery_put(g, "bernd b", SPK_GALLERY_REPLACE, 1, rows + 2 * E), SPK_OK);
    refused(spk_gallery_put(g, "anna", SPK_GALLERY_NEW, 1, rows), SPK_E_VALUE, "'anna' is enrolled already");
    refused(spk_gallery_put(g, "", SPK_GALLERY_NEW, 1, rows), SPK_E_VALUE, "cannot be a name");
    refused(spk_gallery_put(g, "a\tb", SPK_GALLERY_NEW, 1, rows), SPK_E_VALUE, "cannot be a name");
    refused(spk_gallery_put(g, "__metadata__", SPK_GALLERY_NEW, 1, rows), SPK_E_VALUE, "cannot be a name");
    assert_int_equal(spk_gallery_write(g), SPK_OK);
    spk_gallery_close(g);
    g = opened("g", e, true);
    assert_int_equal(spk_gallery_n(g), 2);
    assert_string_equal(spk_gallery_name(g, 1), "bernd b");
    assert_int_equal(spk_gallery_recordings(g, 0), 2);
    for (int i = 0; i < E; i++)
        assert_true(fabs((double)spk_gallery_mean(g, 0)[i] - ((double)rows[i] + (double)rows[E + i]) / 2) < 1e-6);
    assert_memory_equal(spk_gallery_mean(g, 1), rows + 2 * E, sizeof(float) * E);
    assert_int_equal(spk_gallery_put(g, "anna", SPK_GALLERY_ADD, 1, rows + 2 * E), SPK_OK);
    assert_int_equal(spk_gallery_recordings(g, 0), 3);
    for (int i = 0; i < E; i++)
        assert_true(fabs((double)spk_gallery_mean(g, 0)[i] -
                         ((double)rows[i] + (double)rows[E + i] + (double)rows[2 * E + i]) / 3) < 1e-6);
    assert_int_equal(spk_gallery_put(g, "anna", SPK_GALLERY_REPLACE, 1, rows), SPK_OK);
    assert_int_equal(spk_gallery_recordings(g, 0), 1);
    assert_memory_equal(spk_gallery_mean(g, 0), rows, sizeof(float) * E);
    assert_int_equal(spk_gallery_remove(g, "anna"), SPK_OK);
    refused(spk_gallery_remove(g, "anna"), SPK_E_VALUE, "'anna' is not enrolled");
    assert_int_equal(spk_gallery_find(g, "bernd b"), 0);
    assert_int_equal(spk_gallery_find(g, "anna"), -1);
    spk_gallery_close(g); /* not written: as it was */
    g = opened("g", NULL, false);
    assert_int_equal(spk_gallery_n(g), 2);
    spk_gallery_close(g);
    spk_embedder_close(e);
}

static void test_model(void **state)
{
    (void)state;
    spk_embedder *e = open_with(1), *other = NULL;
    spk_gallery *g = opened("m", e, true);
    assert_int_equal(spk_gallery_put(g, "anna", SPK_GALLERY_NEW, 1, rows), SPK_OK);
    assert_int_equal(spk_gallery_write(g), SPK_OK);
    spk_gallery_close(g);
    write_model("other", 1);
    char *path = in_folder("m"), *model = in_folder("other");
    assert_int_equal(spk_embedder_open(model, NULL, &other), SPK_OK);
    refused(spk_gallery_open(path, other, false, &g), SPK_E_MISMATCH, "another model");
    assert_null(g);
    refused(spk_gallery_open("/no/such/gallery", e, false, &g), SPK_E_IO, "/no/such/gallery");
    refused(spk_gallery_open("/no/such/gallery", e, true, &g), SPK_E_IO, "/no/such");
    spk_embedder_close(other);
    write_model("same", 0); /* the same weights in another file */
    char *same = in_folder("same");
    assert_int_equal(spk_embedder_open(same, NULL, &other), SPK_OK);
    g = opened("m", other, false);
    spk_gallery_close(g);
    spk_embedder_close(other);
    /* A file that is cut at any place is refused, and never believed. */
    char *whole = NULL, *cut = in_folder("cut");
    size_t n = 0;
    assert_int_equal(spk_read_file(path, &whole, &n), SPK_OK);
    for (size_t k = 0; k < n; k += k < 300 ? 7 : 1) {
        assert_int_equal(spk_write_file(cut, whole, k), SPK_OK);
        assert_true(spk_gallery_open(cut, e, false, &g) != SPK_OK);
        assert_non_null(strstr(spk_errmsg(), "cut"));
    }
    spk_free(whole);
    spk_free(cut);
    spk_free(same);
    spk_free(model);
    spk_free(path);
    spk_embedder_close(e);
}

static void test_decisions(void **state)
{
    (void)state;
    static const char text[] = "{\"format\": \"spk-calibration-1\", \"kind\": \"linear\", \"n_systems\": 1, "
                               "\"embedding_size\": 0, \"prior\": 0.5, \"bias\": -2, \"weights\": [10]}";
    spk_embedder *e = open_with(1);
    spk_decider d;
    const double none = (double)NAN;
    spk_decider_options o = {NULL, false, none, none, none, none};
    assert_int_equal(spk_decider_open(e, &o, &d), SPK_OK);
    assert_int_equal(d.by, SPK_DECIDE_NOT);
    assert_false(spk_decide(&d, 1).accept);
    assert_true(isnan(spk_decide(&d, 1).ratio));
    o.p_target = 0.1;
    refused(spk_decider_open(e, &o, &d), SPK_E_CONFIG, "need a calibration");
    char *path = in_folder("calibration.json");
    assert_int_equal(spk_write_file(path, text, strlen(text)), SPK_OK);
    assert_int_equal(spk_decider_open(e, &o, &d), SPK_OK);
    assert_int_equal(d.by, SPK_DECIDE_BY_RATIO);
    assert_true(fabs(d.threshold - log(9)) < 1e-12);
    assert_true(fabs(spk_decide(&d, 0.5).ratio - 3) < 1e-12);
    assert_true(fabs(spk_decide(&d, 0.5).probability - 1 / (1 + exp(-3 + log(9)))) < 1e-12);
    assert_true(spk_decide(&d, 0.5).accept);
    assert_false(spk_decide(&d, 0.4).accept);
    spk_decider_close(&d);
    o.c_miss = 0.1; /* a miss is cheap: 3 is not enough now */
    o.c_fa = 2;
    assert_int_equal(spk_decider_open(e, &o, &d), SPK_OK);
    assert_true(fabs(d.threshold - log(9 * 20)) < 1e-12);
    assert_false(spk_decide(&d, 0.5).accept);
    spk_decider_close(&d);
    o = (spk_decider_options){NULL, false, 0.45, none, none, none};
    assert_int_equal(spk_decider_open(e, &o, &d), SPK_OK);
    assert_int_equal(d.by, SPK_DECIDE_BY_SCORE);
    assert_true(spk_decide(&d, 0.45).accept);
    assert_false(spk_decide(&d, 0.449).accept);
    assert_true(fabs(spk_decide(&d, 0.5).ratio - 3) < 1e-12); /* still told */
    spk_decider_close(&d);
    o.c_fa = 2;
    refused(spk_decider_open(e, &o, &d), SPK_E_CONFIG, "both say where");
    unlink(path);
    spk_free(path);
    spk_embedder_close(e);
}

int main(void)
{
    for (int i = 0; i < 3 * E; i++)
        rows[i] = sinf((float)(i * i + 1));
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_voices), cmocka_unit_test(test_model),
                                       cmocka_unit_test(test_decisions)};
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
