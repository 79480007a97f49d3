/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between frontend and encoder: specaug, utterance_mvn, global_mvn, and the sum of layers from files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/specaug_impl.h"
#include "fill.h"
#include "graph/plan_impl.h"
#include "model/build_impl.h"
#include "spk/arrays.h"

/* ---- one part on one batch ---- */

typedef struct batch {
    int64_t n, t, c;
    const int64_t *len;
    const float *x;
    spk_draws draws;
    bool has_weights, like_202611;
} batch;

/* Runs the part; the result is (n, t, output size), from malloc. `expected`: the status of its check; other than SPK_OK:
 * nothing is run. */
static float *run_part(spk_part_kind kind, const char *name, const char *text, const batch *in, spk_status expected,
                       spk_params **keep)
{
    const spk_part *part = spk_part_find(kind, name);
    assert_non_null(part);
    spk_yaml *yaml = NULL;
    float *out = NULL;
    assert_int_equal(spk_yaml_parse(text, strlen(text), "test", &yaml), SPK_OK);
    void *conf = spk_new(part->conf_bytes + 1);
    spk_status status = spk_opts_read(part->options, part->n_options, yaml, "conf", conf);
    int64_t size = in->c;
    const spk_part_in info = {.input_size = in->c, .has_weights = in->has_weights, .like_202611 = in->like_202611};
    if (status == SPK_OK && part->check) status = part->check(conf, &info, &size);
    if (status != expected) fail_msg("%s: %s (%s)", text, spk_status_name(status), status ? spk_errmsg() : "");
    if (status == SPK_OK) {
        spk_params *params = spk_params_new(SPK_F32);
        spk_arena *arena = spk_arena_new();
        spk_graph *g = spk_graph_new();
        spk_build b = {.g = g, .params = params, .train = true};
        spk_tensor *x = spk_g_input(g, SPK_F32, in->n, in->t, in->c);
        x->len = in->len;
        spk_tensor *y = spk_g_keep(part->build(&b, conf, x));
        assert_int_equal(spk_params_commit(params, 1), SPK_OK);
        spk_plan *plan;
        const spk_plan_options options = {.real = SPK_F32, .n_threads = 2};
        assert_int_equal(spk_plan_new(g, arena, &options, &plan), SPK_OK);
        spk_plan_bind(plan, x, in->x);
        spk_plan_draws(plan, &in->draws);
        spk_plan_forward(plan, true);
        const spk_view v = spk_plan_value(plan, y);
        out = malloc((size_t)(in->n * in->t * size) * sizeof *out);
        for (int64_t r = 0; r < in->n * in->t; r++)
            memcpy(out + r * size, (const float *)v.p + r * v.ld, (size_t)size * sizeof *out);
        spk_plan_free(plan);
        spk_arena_free(arena);
        if (keep)
            *keep = params;
        else
            spk_params_free(params);
    }
    spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
    spk_yaml_free(yaml);
    return out;
}

static void refused(spk_part_kind kind, const char *name, const char *text, spk_status status, const char *message)
{
    const float none = 0;
    run_part(kind, name, text, &(batch){.n = 1, .t = 1, .c = 1, .x = &none}, status, NULL);
    if (!strstr(spk_errmsg(), message)) fail_msg("%s: %s", text, spk_errmsg());
}

/* ---- time warp ---- */

static void check_resampling(const double *x, int64_t n, const double *want, int64_t m)
{
    for (int64_t d = 0; d < m; d++) {
        const spk_warp_taps taps = spk__resample_taps(SPK_WARP_BICUBIC, n, m, d);
        double sum = 0;
        for (int k = 0; k < taps.n; k++)
            sum += taps.weight[k] * x[taps.at[k]];
        if (!(fabs(sum - want[d]) < 1e-6 * (1 + fabs(want[d]))))
            fail_msg("%lld to %lld, place %lld: %.10g, should be %.10g", (long long)n, (long long)m, (long long)d, sum,
                     want[d]);
    }
}

/* The specification's examples, which are torch's. */
static void resampling_is_torchs(void **state)
{
    (void)state;
    const double x[] = {0, 1, 4, 9, 16};
    const double up[] = {-0.0928344727, 0.1875610352, 1.176513672, 2.619384766,
                         5.441650391,   8.471435547,  13.39508057, 16.64984131};
    const double down[] = {0.1481481481, 4, 14.07407407};
    check_resampling(x, 5, up, 8);
    check_resampling(x, 5, down, 3);
    check_resampling(x, 5, x, 5);
    const spk_warp_taps middle = spk__resample_taps(SPK_WARP_LINEAR, 4, 8, 3); /* 3.5 / 2 - 0.5 = 1.25 */
    assert_true(middle.n == 2 && middle.at[0] == 1 && fabs(middle.weight[1] - 0.25) < 1e-12);
    assert_int_equal(spk__resample_taps(SPK_WARP_NEAREST, 5, 8, 7).at[0], 4);
}

/* ---- masks ---- */

enum { DRAWS = 4000, BINS = 12, FRAMES = 20 };

/* How often each place is masked, over many items; widths are counted too. */
static void count_masks(int64_t n, int64_t lo, int64_t hi, double *share, double *widths)
{
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint8_t marks[64] = {0};
        spk_rng rng = spk_rng_make(1, SPK_PURPOSE_TEST, 0, i, 0);
        spk__mask_places(&rng, n, 1, lo, hi, marks);
        int64_t width = 0;
        for (int64_t k = 0; k < n; k++) {
            share[k] += (double)marks[k] / DRAWS;
            width += marks[k];
        }
        widths[width] += 1.0 / DRAWS;
    }
}

/* Both ends of the range of widths come, equally often; the last place is masked as often as the first. */
static void masks_are_spread_evenly(void **state)
{
    (void)state;
    double share[BINS] = {0}, width[BINS + 1] = {0};
    count_masks(BINS, 1, 4, share, width);
    assert_true(width[0] == 0 && width[5] == 0);
    for (int k = 1; k <= 4; k++)
        assert_true(fabs(width[k] - 0.25) < 0.03);
    assert_true(share[0] > 0.08 && fabs(share[0] - share[BINS - 1]) < 0.02);
    for (int k = 0; k < BINS / 2; k++)
        assert_true(fabs(share[k] - share[BINS - 1 - k]) < 0.04);
    double all[BINS] = {0}, wide[BINS + 1] = {0};
    count_masks(BINS, 20, 30, all, wide); /* wider than there are places: nothing, not everything */
    assert_true(wide[0] > 0.999);
    count_masks(BINS, BINS, 30, all, wide);
    assert_true(fabs(all[0] - 1) < 1e-9 && fabs(all[BINS - 1] - 1) < 1e-9);
}

static float *make_features(int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = 3 + sinf(0.37f * (float)i) + 0.01f * (float)(i % 7);
    return x;
}

/* An item's draws depend on its key alone: not on its place, its neighbours or the step. */
static void items_have_their_own_draws(void **state)
{
    (void)state;
    static const char conf[] = "{time_mask_width_range: [1, 6], freq_mask_width_range: [1, 4]}";
    enum { SIZE = FRAMES * BINS };
    float *x = make_features(3 * SIZE);
    for (int i = 1; i < 3; i++)
        memcpy(x + i * SIZE, x, SIZE * sizeof *x); /* the same utterance under three keys */
    const uint64_t keys[3] = {11, 22, 33};
    batch in = {.n = 3, .t = FRAMES, .c = BINS, .x = x, .draws = {.seed = 5, .step = 1, .item = keys}};
    float *three = run_part(SPK_SPECAUG, "specaug", conf, &in, SPK_OK, NULL);
    assert_memory_not_equal(three, three + SIZE, SIZE * sizeof *x);
    in.n = 1;
    in.draws = (spk_draws){.seed = 5, .step = 99, .item = keys + 2};
    float *alone = run_part(SPK_SPECAUG, "specaug", conf, &in, SPK_OK, NULL);
    assert_memory_equal(alone, three + 2 * SIZE, SIZE * sizeof *x);
    in.draws.seed = 6;
    float *other = run_part(SPK_SPECAUG, "specaug", conf, &in, SPK_OK, NULL);
    assert_memory_not_equal(alone, other, SIZE * sizeof *x);
    free(x);
    free(three);
    free(alone);
    free(other);
}

/* Masked places hold the item's mean, or zero where that is asked for or ESPnet's release did it. */
static void masks_are_filled(void **state)
{
    (void)state;
    static const char means[] = "{apply_time_warp: false, apply_freq_mask: false, time_mask_width_range: [5, 5]}";
    static const char zeros[] = "{apply_time_warp: false, apply_freq_mask: false, time_mask_width_range: [5, 5], "
                                "replace_with_zero: true}";
    enum { SIZE = FRAMES * BINS };
    float *x = make_features(SIZE);
    double mean = 0;
    for (int i = 0; i < SIZE; i++)
        mean += (double)x[i] / SIZE;
    batch in = {.n = 1, .t = FRAMES, .c = BINS, .x = x, .draws = {.seed = 2}};
    float *y = run_part(SPK_SPECAUG, "specaug", means, &in, SPK_OK, NULL);
    float *z = run_part(SPK_SPECAUG, "specaug", zeros, &in, SPK_OK, NULL);
    in.like_202611 = true;
    float *old = run_part(SPK_SPECAUG, "specaug", means, &in, SPK_OK, NULL);
    assert_memory_equal(z, old, SIZE * sizeof *x);
    int masked = 0;
    for (int i = 0; i < SIZE; i++) {
        masked += z[i] == 0;
        if (z[i] == 0)
            assert_true(fabs((double)y[i] - mean) < 1e-5);
        else
            assert_true(z[i] == x[i] && y[i] == x[i]);
    }
    assert_true(masked >= 5 * BINS && masked <= 10 * BINS && masked % BINS == 0);
    free(x);
    free(y);
    free(z);
    free(old);
}

/* Without a range for time masks they are a twentieth of the frames at most; only valid frames count. */
static void specaug_options(void **state)
{
    (void)state;
    enum { LONG = 200, SIZE = 2 * LONG };
    float *x = make_features(2 * SIZE);
    const int64_t len[2] = {LONG, 60};
    const batch in = {.n = 2, .t = LONG, .c = 2, .len = len, .x = x, .draws = {.seed = 3}};
    float *y = run_part(SPK_SPECAUG, "specaug",
                        "{apply_time_warp: false, apply_freq_mask: false, num_time_mask: 1, replace_with_zero: true}",
                        &in, SPK_OK, NULL);
    int masked[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        for (int t = 0; t < len[i]; t++)
            masked[i] += y[i * SIZE + 2 * t] == 0;
    assert_true(masked[0] <= 10 && masked[1] <= 3);
    for (int t = 60; t < LONG; t++)
        assert_true(y[SIZE + 2 * t] == 0 && y[SIZE + 2 * t + 1] == 0);
    free(x);
    free(y);
    refused(SPK_SPECAUG, "specaug", "{apply_time_warp: false, apply_freq_mask: false, apply_time_mask: false}",
            SPK_E_CONFIG, "all of it is switched off");
    refused(SPK_SPECAUG, "specaug", "{time_mask_width_range: 4, time_mask_width_ratio_range: 0.1}", SPK_E_CONFIG,
            "give one");
    refused(SPK_SPECAUG, "specaug", "{time_mask_width_ratio_range: [0.1, 1.5]}", SPK_E_CONFIG, "two shares");
    refused(SPK_SPECAUG, "specaug", "{freq_mask_width_range: [9, 3]}", SPK_E_CONFIG, "9 is larger than 3");
    refused(SPK_SPECAUG, "specaug", "{freq_mask_width_range: [1, 2, 3]}", SPK_E_CONFIG, "needs two numbers");
}

/* ---- utterance_mvn ---- */

static void utterance_mvn_figures(void **state)
{
    (void)state;
    const float x[] = {1, 10, 3, 10, 5, 10, 77, NAN}, y[] = {2, -1, 0, 0, 0, 0, 0, 0};
    float both[sizeof x / sizeof *x + sizeof y / sizeof *y];
    memcpy(both, x, sizeof x);
    memcpy(both + 8, y, sizeof y);
    const int64_t len[2] = {3, 1};
    const batch in = {.n = 2, .t = 4, .c = 2, .len = len, .x = both};
    float *means = run_part(SPK_NORMALIZE, "utterance_mvn", "{}", &in, SPK_OK, NULL);
    const float want[16] = {-2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    for (int i = 0; i < 16; i++)
        assert_true(fabsf(means[i] - want[i]) < 1e-6f);
    float *vars = run_part(SPK_NORMALIZE, "utterance_mvn", "{norm_vars: true}", &in, SPK_OK, NULL);
    assert_true(fabsf(vars[0] + sqrtf(1.5f)) < 1e-5f && fabsf(vars[4] - sqrtf(1.5f)) < 1e-5f);
    for (int i = 0; i < 16; i++)
        assert_true(i == 0 || i == 4 || vars[i] == 0); /* a value that never moves is 0, not noise */
    free(means);
    free(vars);
}

/* ---- global_mvn ---- */

enum { STATS_BINS = 3, STATS_FRAMES = 8 };
static const double sums[STATS_BINS] = {16, -8, 40}, squares[STATS_BINS] = {64, 16, 200}; /* means 2 -1 5, vars 4 1 0 */

static void write_npz(const char *path, int n_dims)
{
    const int64_t count = STATS_FRAMES, dim[2] = {n_dims == 1 ? STATS_BINS : 1, STATS_BINS};
    spk_npz_writer *w;
    assert_int_equal(spk_npz_create(path, &w), SPK_OK);
    assert_int_equal(spk_npz_add(w, "count", SPK_I64, 0, NULL, &count), SPK_OK);
    assert_int_equal(spk_npz_add(w, "sum", SPK_F64, n_dims, dim, sums), SPK_OK);
    assert_int_equal(spk_npz_add(w, "sum_square", SPK_F64, n_dims, dim, squares), SPK_OK);
    assert_int_equal(spk_npz_finish(w), SPK_OK);
}

static void write_npy(const char *path)
{
    double rows[2 * (STATS_BINS + 1)] = {0};
    const spk_ndarray a = {.dtype = SPK_F64, .n_dims = 2, .dim = {2, STATS_BINS + 1}, .data = rows};
    memcpy(rows, sums, sizeof sums);
    memcpy(rows + STATS_BINS + 1, squares, sizeof squares);
    rows[STATS_BINS] = STATS_FRAMES;
    assert_int_equal(spk_npy_write(path, &a), SPK_OK);
}

static void check_global(const char *folder, const char *file)
{
    const float x[2 * STATS_BINS] = {6, -1, 5, 2, 1, 5};
    const float want[2 * STATS_BINS] = {2, 0, 0, 0, 2, 0};
    const batch in = {.n = 1, .t = 2, .c = STATS_BINS, .x = x};
    char *text = spk_strf("{stats_file: %s/%s}", folder, file);
    spk_params *params;
    float *y = run_part(SPK_NORMALIZE, "global_mvn", text, &in, SPK_OK, &params);
    for (int i = 0; i < 2 * STATS_BINS; i++)
        if (!(fabsf(y[i] - want[i]) < 1e-5f))
            fail_msg("%s, %d: %g, should be %g", file, i, (double)y[i], (double)want[i]);
    const float *std = spk_params_find(params, "normalize.std")->data;
    assert_true(std[0] == 2 && std[1] == 1 && std[2] == 1e-5f); /* a floor where a bin never moves */
    assert_false(spk_params_find(params, "normalize.mean")->trainable);
    spk_params_free(params);
    free(y);
    spk_free(text);
}

static void global_mvn_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/spk-mvn-XXXXXX", path[3][64], text[3][96];
    static const char *const names[3] = {"stats.npz", "stats.npy", "espnet.npz"};
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", folder, names[i]);
        snprintf(text[i], sizeof text[i], "{stats_file: %s}", path[i]);
    }
    write_npz(path[0], 1);
    write_npy(path[1]);
    write_npz(path[2], 2);
    check_global(folder, "stats.npz");
    check_global(folder, "stats.npy");
    refused(SPK_NORMALIZE, "global_mvn", text[0], SPK_E_SHAPE, "sum does not fit features of 1 bins");
    refused(SPK_NORMALIZE, "global_mvn", text[1], SPK_E_SHAPE, "stats.npy: the array (2, bins + 1) does not fit");
    refused(SPK_NORMALIZE, "global_mvn", text[2], SPK_E_SHAPE, "a row for each frame position, as ESPnet 202611");
    refused(SPK_NORMALIZE, "global_mvn", "{}", SPK_E_CONFIG, "needs a stats_file; make one with");
    refused(SPK_NORMALIZE, "global_mvn", "{stats_file: /no/such.npz}", SPK_E_IO, "/no/such.npz is not there");
    /* Weights that will be loaded bring their own. */
    const float x[STATS_BINS] = {6, -1, 5};
    const batch in = {.n = 1, .t = 1, .c = STATS_BINS, .x = x, .has_weights = true};
    free(run_part(SPK_NORMALIZE, "global_mvn", "{stats_file: /no/such.npz}", &in, SPK_OK, NULL));
    for (int i = 0; i < 3; i++)
        unlink(path[i]);
    rmdir(folder);
}

/* ---- layer_weights ---- */

/* At first all layers weigh the same. */
static void layers_are_averaged(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 10, 20, 60};
    const batch in = {.n = 1, .t = 1, .c = 6, .x = x};
    spk_params *params;
    float *y = run_part(SPK_FRONTEND, "layer_weights", "{num_layers: 2, feature_size: 3}", &in, SPK_OK, &params);
    const float want[3] = {5.5f, 11, 31.5f};
    for (int i = 0; i < 3; i++)
        assert_true(fabsf(y[i] - want[i]) < 1e-5f);
    const spk_param *w = spk_params_find(params, "frontend.featurizer.weights");
    assert_true(w && w->count == 2 && w->trainable && ((const float *)w->data)[0] == 0);
    spk_params_free(params);
    free(y);
    y = run_part(SPK_FRONTEND, "layer_weights", "{num_layers: 2, feature_size: 3, normalize: true}", &in, SPK_OK, NULL);
    const double first = -1 / sqrt(2.0 / 3 + 1e-5), second = -20 / sqrt(1400.0 / 3 + 1e-5);
    assert_true(fabs((double)y[0] - (first + second) / 2) < 1e-5);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(resampling_is_torchs),
                                       cmocka_unit_test(masks_are_spread_evenly),
                                       cmocka_unit_test(items_have_their_own_draws),
                                       cmocka_unit_test(masks_are_filled),
                                       cmocka_unit_test(specaug_options),
                                       cmocka_unit_test(utterance_mvn_figures),
                                       cmocka_unit_test(global_mvn_files),
                                       cmocka_unit_test(layers_are_averaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
