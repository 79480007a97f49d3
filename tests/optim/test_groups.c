/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter groups: which weights decay, at what rate they move, when they begin; norm and noise of what is there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "optim/optim_impl.h"

/* A small network, each parameter at a multiple of 16 as in the program; every parameter is one value and its padding. */
enum { N_PARAMS = 7, N = 16 * N_PARAMS };
static const struct {
    const char *name;
    int n_dims;
} net[N_PARAMS] = {{"encoder.conv.weight", 3}, {"encoder.conv.bias", 1}, {"encoder.bn.weight", 1},
                   {"encoder.bn.bias", 1},     {"encoder2.weight", 2},   {"projector.weight", 2},
                   {"loss.weight", 2}};
enum { CONV, CONV_BIAS, BN, BN_BIAS, OTHER, PROJECTOR, LOSS };

static void list(spk_optim_param params[N_PARAMS])
{
    for (int i = 0; i < N_PARAMS; i++)
        params[i] = (spk_optim_param){net[i].name, 16 * i, 1, net[i].n_dims};
}

static spk_optim *make(const char *name, const char *conf, const spk_optim_group_conf *groups)
{
    spk_optim_param params[N_PARAMS];
    spk_yaml *map = NULL;
    spk_optim *o = NULL;
    list(params);
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf", &map), SPK_OK);
    if (spk_optim_new(name, map, N, &o) != SPK_OK || spk_optim_set_groups(o, params, N_PARAMS, groups) != SPK_OK)
        fail_msg("%s", spk_errmsg());
    spk_yaml_free(map);
    return o;
}

static void fill(float w[N], float value)
{
    memset(w, 0, N * sizeof *w);
    for (int i = 0; i < N_PARAMS; i++)
        w[16 * i] = value;
}

/* SGD at rate 1 on zero gradients: only the decay of a half moves a weight. */
static void decayed(bool exclude, const char *exclude_conf, const bool want[N_PARAMS])
{
    spk_yaml *map = NULL;
    float w[N], g[N];
    assert_int_equal(spk_yaml_parse(exclude_conf, strlen(exclude_conf), "conf", &map), SPK_OK);
    spk_optim *o = make("sgd", "weight_decay: 0.5",
                        &(spk_optim_group_conf){.exclude_weight_decay = exclude, .exclude_weight_decay_conf = map});
    fill(w, 1);
    fill(g, 0);
    spk_optim_step(o, w, g, 1, 1);
    for (int i = 0; i < N; i++) {
        const float expected = i % 16 ? 0 : want[i / 16] ? 0.5F : 1;
        if (w[i] != expected) fail_msg("%s: %g, want %g", net[i / 16].name, (double)w[i], (double)expected);
    }
    spk_optim_free(o);
    spk_yaml_free(map);
}

static void test_weight_decay(void **state)
{
    (void)state;
    decayed(false, "{}", (const bool[]){1, 1, 1, 1, 1, 1, 1});
    decayed(true, "{}", (const bool[]){1, 0, 0, 0, 1, 1, 1});
    decayed(true, "bias_weight_decay: true", (const bool[]){1, 1, 0, 1, 1, 1, 1});
    decayed(true, "normalization_weight_decay: true", (const bool[]){1, 0, 1, 0, 1, 1, 1});
    decayed(true, "{bias_weight_decay: true, normalization_weight_decay: true}", (const bool[]){1, 1, 1, 1, 1, 1, 1});
}

/* The longest name that fits counts, and only at a dot. */
static void test_rates(void **state)
{
    (void)state;
    const double want[N_PARAMS] = {0.1, 0.1, 0.5, 0.5, 1, 1, 10};
    float w[N], g[N];
    spk_optim *o = make("sgd", "{}", &(spk_optim_group_conf){.lr_scale = "loss=10,encoder=0.1,encoder.bn=0.5"});
    fill(w, 0);
    fill(g, -1);
    spk_optim_step(o, w, g, 1, 1);
    for (int i = 0; i < N; i++)
        if (fabs((double)w[i] - (i % 16 ? 0 : want[i / 16])) > 1e-6) fail_msg("%s: %g", net[i / 16].name, (double)w[i]);
    assert_int_equal(spk_optim_n_groups(o), 4);
    assert_true(spk_optim_group_at(o, 0)->lr_scale == 0.1 && spk_optim_group_at(o, 0)->n_params == 2);
    assert_true(spk_optim_group_at(o, 3)->lr_scale == 10 && spk_optim_group_at(o, 3)->n == 1);
    spk_optim_free(o);
}

/* A frozen part does not move, and its first step is that of a new optimiser: what Adam does at t = 1. */
static void frozen(const char *freeze, const int64_t until[N_PARAMS])
{
    float w[N], g[N], before[N];
    spk_optim *o = make("adam", "{}", &(spk_optim_group_conf){.freeze_steps = freeze});
    fill(w, 0);
    for (int64_t step = 1; step <= 5; step++) {
        fill(g, 1);
        double square = 0;
        for (int i = 0; i < N_PARAMS; i++)
            square += step > until[i];
        assert_true(fabs(spk_optim_grad_norm(o, g, 2) - sqrt(square)) < 1e-12); /* of what moves */
        memcpy(before, w, sizeof w);
        spk_optim_step(o, w, g, 0.5, 1);
        for (int i = 0; i < N_PARAMS; i++) {
            const float moved = w[16 * i] - before[16 * i];
            if (fabs((double)moved - (step > until[i] ? -0.5 : 0)) > 1e-6)
                fail_msg("%s, %s, step %d: moved by %g", freeze, net[i].name, (int)step, (double)moved);
        }
    }
    spk_optim_free(o);
}

static void test_freeze(void **state)
{
    (void)state;
    frozen("encoder=2,projector=3", (const int64_t[]){2, 2, 2, 2, 0, 3, 0});
    frozen("3", (const int64_t[]){3, 3, 3, 3, 3, 3, 0});
    frozen("3,encoder.bn=1", (const int64_t[]){3, 3, 1, 1, 3, 3, 0});
}

static void refused(const char *lr_scale, const char *freeze, const char *part)
{
    spk_optim_param params[N_PARAMS];
    spk_optim *o;
    list(params);
    assert_int_equal(spk_optim_new("adam", NULL, N, &o), SPK_OK);
    const spk_optim_group_conf conf = {.lr_scale = lr_scale, .freeze_steps = freeze};
    assert_int_equal(spk_optim_set_groups(o, params, N_PARAMS, &conf), SPK_E_CONFIG);
    print_message("  %s\n", spk_errmsg());
    if (!strstr(spk_errmsg(), part)) fail_msg("'%s' is not in: %s", part, spk_errmsg());
    spk_optim_free(o);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("enc=0.1", NULL, "no trained parameter is named 'enc' or begins with 'enc.'");
    refused("encodr=0.1", NULL, "did you mean encoder?");
    refused("loss=-1", NULL, "'loss=-1' is not NAME=FACTOR");
    refused("0.1", NULL, "'0.1' is not NAME=FACTOR");
    refused("loss=1,loss=2", NULL, "loss is given twice");
    refused("=3", NULL, "is not NAME=FACTOR");
    refused(NULL, "encoder=1.5", "'encoder=1.5' is not NAME=STEPS or STEPS");
    refused(NULL, "5,loss=3", "loss is given twice");
    assert_int_equal(spk_optim_check_groups(&(spk_optim_group_conf){.lr_scale = "loss=x"}), SPK_E_CONFIG);
    assert_int_equal(spk_optim_check_groups(&(spk_optim_group_conf){.lr_scale = "any=2", .freeze_steps = "7"}), SPK_OK);
}

/* Many small groups on a block that threads share: the same bits as one thread, in weights, norm and noise. */
static void test_threads(void **state)
{
    (void)state;
    enum { PARAMS = 500, SIZE = 400, ALL = PARAMS * SIZE };
    static spk_optim_param params[PARAMS];
    static char names[PARAMS][32];
    const int threads = omp_get_max_threads();
    float *g = spk_alloc(ALL * sizeof *g), *w[2] = {spk_alloc(ALL * sizeof *g), spk_alloc(ALL * sizeof *g)};
    double norm[2][3];
    for (int i = 0; i < PARAMS; i++) {
        snprintf(names[i], sizeof names[i], "%s.%d.%s", i < 300 ? "encoder" : "loss", i, i % 3 ? "weight" : "bias");
        params[i] = (spk_optim_param){names[i], (int64_t)i * SIZE, SIZE - 7, i % 3 ? 2 : 1};
    }
    for (int k = 0; k < 2; k++) {
        omp_set_num_threads(k ? 3 : 1);
        spk_optim *o;
        assert_int_equal(spk_optim_new("adamw", NULL, ALL, &o), SPK_OK);
        const spk_optim_group_conf conf = {
            .exclude_weight_decay = true, .lr_scale = "loss=3", .freeze_steps = "encoder.7=2"};
        assert_int_equal(spk_optim_set_groups(o, params, PARAMS, &conf), SPK_OK);
        for (int i = 0; i < ALL; i++)
            w[k][i] = (float)(i % 17);
        for (int64_t s = 0; s < 3; s++) {
            for (int i = 0; i < ALL; i++)
                g[i] = i % SIZE < SIZE - 7 ? 0.001F * (float)((i * 7 + s) % 101) : 0;
            spk_optim_add_noise(o, g, 5, s);
            norm[k][s] = spk_optim_grad_norm(o, g, 2);
            spk_optim_step(o, w[k], g, 0.1, 0.5);
        }
        spk_optim_free(o);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(w[0], w[1], ALL * sizeof *g);
    assert_memory_equal(norm[0], norm[1], sizeof norm[0]);
    spk_free(g);
    spk_free(w[0]);
    spk_free(w[1]);
}

/* Deviation by the count, mean, that a draw is a function of (seed, count, place), and that padding stays as it is. */
static void test_noise(void **state)
{
    (void)state;
    enum { SIZE = 60001, ROOM = 60016 };
    float *g = spk_alloc_zero(ROOM * sizeof *g), *again = spk_alloc_zero(ROOM * sizeof *g);
    spk_optim *o;
    const spk_optim_param all = {"w", 0, SIZE, 2};
    assert_int_equal(spk_optim_new("sgd", NULL, ROOM, &o), SPK_OK);
    assert_int_equal(spk_optim_set_groups(o, &all, 1, &(spk_optim_group_conf){0}), SPK_OK);
    assert_true(spk_grad_noise_sigma(0) == 1 && spk_grad_noise_sigma(99) == 1);
    assert_true(fabs(spk_grad_noise_sigma(100) - pow(2, -0.55)) < 1e-15);
    assert_true(fabs(spk_grad_noise_sigma(12345) - pow(124, -0.55)) < 1e-15);
    spk_optim_add_noise(o, g, 1, 12345);
    spk_optim_add_noise(o, again, 1, 12345);
    assert_memory_equal(g, again, ROOM * sizeof *g);
    double sum = 0, square = 0, fourth = 0, next = 0;
    for (int i = 0; i < SIZE; i++) {
        const double x = (double)g[i] / spk_grad_noise_sigma(12345);
        sum += x / SIZE;
        square += x * x / SIZE;
        fourth += x * x * x * x / SIZE;
        if (i) next += x * (double)g[i - 1] / spk_grad_noise_sigma(12345) / SIZE;
    }
    assert_true(fabs(sum) < 0.02 && fabs(square - 1) < 0.03 && fabs(fourth - 3) < 0.2 && fabs(next) < 0.02);
    for (int i = SIZE; i < ROOM; i++)
        assert_true(g[i] == 0);
    memset(again, 0, ROOM * sizeof *g);
    spk_optim_add_noise(o, again, 1, 12346);
    assert_true(memcmp(g, again, ROOM * sizeof *g) != 0);
    spk_optim_free(o);
    spk_free(g);
    spk_free(again);
}

/* Three that keep a part each move together as one that keeps all does. */
static void parts_are_the_whole(void **state)
{
    (void)state;
    enum { RANKS = 3, LONG = 100000 };
    static const char *const kinds[] = {"adam", "adagrad", "sgd"};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const char *conf = strcmp(kinds[k], "sgd") == 0 ? "momentum: 0.9" : "{}";
        spk_yaml *map = NULL;
        spk_optim *whole = NULL;
        float *w = calloc(LONG, sizeof *w), *v = calloc(LONG, sizeof *v), *g = calloc(LONG, sizeof *g);
        int64_t end = 0;
        assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf", &map), SPK_OK);
        assert_int_equal(spk_optim_new(kinds[k], map, LONG, &whole), SPK_OK);
        spk_optim *part[RANKS];
        for (int r = 0; r < RANKS; r++) {
            spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
            int64_t at, n;
            assert_int_equal(spk_optim_new(kinds[k], map, LONG, &part[r]), SPK_OK);
            assert_int_equal(spk_optim_keep_part(part[r], r, RANKS), SPK_OK);
            spk_optim_part(part[0], r, RANKS, &at, &n);
            assert_true(at == end && n > 0 && at == spk_optim_part_at(part[r]));
            assert_true(spk_optim_blocks(part[r], block) > 0 && block[0].n == n);
            end = at + n;
        }
        assert_int_equal(end, LONG);
        for (int step = 0; step < 3; step++) {
            for (int i = 0; i < LONG; i++)
                g[i] = (float)((i * 7 + step * 13) % 101 - 50) / 50;
            spk_optim_step(whole, w, g, 0.1, 0.5);
            for (int r = 0; r < RANKS; r++)
                spk_optim_step(part[r], v, g, 0.1, 0.5);
            assert_memory_equal(w, v, LONG * sizeof *w);
        }
        for (int r = 0; r < RANKS; r++)
            spk_optim_free(part[r]);
        spk_optim_free(whole);
        spk_yaml_free(map);
        free(w);
        free(v);
        free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight_decay),   cmocka_unit_test(test_rates),   cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_threads), cmocka_unit_test(test_noise),
        cmocka_unit_test(parts_are_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
