/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers of double parameters: their state, parts, first values, the norm and the noise, to double's digits. What the
 * steps compute: test_optim.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "optim/optim_impl.h"

enum { N = 40000 }; /* several pieces */

static spk_optim *make(const char *name, const char *conf, spk_dtype real)
{
    spk_yaml *map = NULL;
    spk_optim *o = NULL;
    assert_int_equal(spk_yaml_parse(conf, strlen(conf), "conf.yaml", &map), SPK_OK);
    if (spk_optim_new_of(name, map, real, N, &o) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_yaml_free(map);
    return o;
}

static void fill(double *x, uint64_t item)
{
    spk_rng rng = spk_rng_make(3, SPK_PURPOSE_TEST, 0, item, 0);
    for (int64_t i = 0; i < N; i++)
        x[i] = spk_rng_normal(&rng);
}

static const char *const kinds[][2] = {{"sgd", "{momentum: 0.9}"},
                                       {"adam", "{amsgrad: true}"},
                                       {"adadelta", "{}"},
                                       {"adagrad", "{initial_accumulator_value: 0.5}"},
                                       {"adamax", "{}"},
                                       {"asgd", "{t0: 1}"},
                                       {"rmsprop", "{centered: true, momentum: 0.9}"},
                                       {"rprop", "{}"},
                                       {"radam", "{}"}};

/* The state moved to a second optimiser, and parts of it on two: all go on to the same bits as one. */
static void test_state_and_parts(void **state)
{
    (void)state;
    double *w[3], *g = spk_alloc(N * sizeof *g);
    for (int i = 0; i < 3; i++)
        w[i] = spk_alloc(N * sizeof *g);
    for (int k = 0; k < (int)(sizeof kinds / sizeof *kinds); k++) {
        spk_optim_block from[SPK_OPTIM_MAX_BLOCKS], to[SPK_OPTIM_MAX_BLOCKS];
        spk_optim *whole = make(kinds[k][0], kinds[k][1], SPK_F64), *again = make(kinds[k][0], kinds[k][1], SPK_F64);
        spk_optim *part[2] = {make(kinds[k][0], kinds[k][1], SPK_F64), make(kinds[k][0], kinds[k][1], SPK_F64)};
        for (int r = 0; r < 2; r++)
            assert_int_equal(spk_optim_keep_part(part[r], r, 2), SPK_OK);
        for (int i = 0; i < 3; i++)
            fill(w[i], 1);
        for (uint64_t step = 0; step < 4; step++) {
            fill(g, 2 + step);
            spk_optim_step(whole, w[0], g, 0.01, 0.5);
            for (int r = 0; r < 2; r++)
                spk_optim_step(part[r], w[1], g, 0.01, 0.5);
            if (step == 3) spk_optim_step(again, w[2], g, 0.01, 0.5);
            if (step != 2) continue;
            const int n = spk_optim_blocks(whole, from);
            assert_int_equal(spk_optim_blocks(again, to), n);
            for (int b = 0; b < n; b++)
                memcpy(to[b].v, from[b].v, (size_t)from[b].n * sizeof(double));
            spk_optim_set_steps(again, 3);
            memcpy(w[2], w[0], N * sizeof *g);
        }
        assert_memory_equal(w[0], w[1], N * sizeof *g);
        assert_memory_equal(w[0], w[2], N * sizeof *g);
        spk_optim_free(whole);
        spk_optim_free(again);
        spk_optim_free(part[0]);
        spk_optim_free(part[1]);
    }
    for (int i = 0; i < 3; i++)
        spk_free(w[i]);
    spk_free(g);
}

/* What float would round away counts in the norm. */
static void test_norm(void **state)
{
    (void)state;
    const double ps[] = {1, 2, 3, INFINITY};
    double *g = spk_alloc_zero(N * sizeof *g);
    spk_optim *o = make("sgd", "{}", SPK_F64);
    g[N - 1] = 1 + 0x1p-40;
    for (int i = 0; i < 4; i++)
        assert_true(fabs(spk_optim_grad_norm(o, g, ps[i]) - g[N - 1]) < 1e-15);
    fill(g, 1);
    double square = 0;
    for (int64_t i = 0; i < N; i++)
        square += g[i] * g[i];
    assert_true(fabs(spk_optim_grad_norm(o, g, 2) - sqrt(square)) < 1e-13 * sqrt(square));
    g[N / 2] = NAN;
    for (int i = 0; i < 4; i++)
        assert_false(isfinite(spk_optim_grad_norm(o, g, ps[i])));
    spk_optim_free(o);
    spk_free(g);
}

/* The numbers are those that float gradients get. */
static void test_noise(void **state)
{
    (void)state;
    double *g = spk_alloc_zero(N * sizeof *g);
    float *narrow = spk_alloc_zero(N * sizeof *narrow);
    spk_optim *o = make("sgd", "{}", SPK_F64), *o32 = make("sgd", "{}", SPK_F32);
    spk_optim_add_noise(o, g, 7, 1234);
    spk_optim_add_noise(o32, narrow, 7, 1234);
    for (int64_t i = 0; i < N; i++)
        assert_true(g[i] == (double)narrow[i] && g[i] != 0);
    g[5] = 1 + 0x1p-40;
    const double before = g[5];
    spk_optim_add_noise(o, g, 7, 1234);
    assert_true(g[5] == before + (double)narrow[5]);
    spk_optim_free(o);
    spk_optim_free(o32);
    spk_free(narrow);
    spk_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_state_and_parts), cmocka_unit_test(test_norm),
                                       cmocka_unit_test(test_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
