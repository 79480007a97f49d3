/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one model part in double on the deterministic fill and compares sums over its output and, in train mode, the
 * projection l = sum of y_k sin(k/2) and the norm of its gradient over all parameters, with a row of check figures.
 */
#ifndef TESTS_MODEL_PARTS_H
#define TESTS_MODEL_PARTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fill.h"
#include "graph/plan_impl.h"
#include "model/build_impl.h"

typedef struct figures {
    double sum, squares, first, middle, last; /* eval */
    double train_sum, train_squares, train_l, train_grad;
} figures;

typedef struct part_case {
    spk_part_kind kind;
    const char *name, *conf, *drop;
    int64_t n, t, c; /* input */
    figures want;
} part_case;

/* Figures agree to the digits they are given with, against the size of what was summed. */
static inline void assert_close(double ours, double theirs, double scale)
{
    if (!(fabs(ours - theirs) <= 2e-8 * (fabs(theirs) + scale))) {
        print_error("ours %.10g, should be %.10g\n", ours, theirs);
        fail();
    }
}

/* Element k of the output as ESPnet orders it: (N, C, W). */
static inline double element(spk_view y, int64_t k)
{
    const int64_t t = k % y.w, c = k / y.w % y.c, n = k / y.w / y.c;
    return ((const double *)y.p)[(n * y.w + t) * y.ld + c];
}

/* Which lengths a pooling is given, and those of the frontend, which its input has too; NULL: all full. */
typedef struct part_lengths {
    spk_pool_lengths mode;
    const int64_t *frontend;
} part_lengths;

static inline void run_case_with(const part_case *pc, bool train, const part_lengths *lengths)
{
    spk_yaml *yaml = NULL;
    const spk_part *part = spk_part_find(pc->kind, pc->name);
    assert_non_null(part);
    if (pc->conf) assert_int_equal(spk_yaml_parse(pc->conf, strlen(pc->conf), "test", &yaml), SPK_OK);
    void *conf = spk_new(part->conf_bytes + 1);
    assert_int_equal(spk_opts_read(part->options, part->n_options, yaml, "conf", conf), SPK_OK);
    int64_t size = pc->c;
    const spk_part_in in = {.input_size = pc->c, .sample_rate = 16000};
    if (part->check) assert_int_equal(part->check(conf, &in, &size), SPK_OK);
    spk_params *params = spk_params_new(SPK_F64);
    spk_graph *declared = spk_graph_new();
    spk_build b = {.g = declared, .params = params, .train = train, .frontend_frames = pc->t};
    if (lengths) {
        b.pool_lengths = lengths->mode;
        b.frontend_len = lengths->frontend;
    }
    part->build(&b, conf, spk_g_input(b.g, SPK_F32, pc->n, pc->t, pc->c));
    assert_int_equal(spk_params_commit(params, 1), SPK_OK);
    spk_graph_free(declared);
    fill_params(params, pc->drop);

    spk_arena *arena = spk_arena_new();
    b.g = spk_graph_new();
    spk_tensor *x = spk_g_input(b.g, SPK_F32, pc->n, pc->t, pc->c);
    if (lengths) x->len = lengths->frontend;
    spk_tensor *y = spk_g_keep(part->build(&b, conf, x));
    const spk_plan_options options = {
        .real = SPK_F64, .train = train, .loss = train ? spk_tensor_root(y, NULL) : NULL, .n_threads = 1};
    spk_plan *plan;
    assert_int_equal(spk_plan_new(b.g, arena, &options, &plan), SPK_OK);
    double *input = fill_input("input", pc->n * pc->t * pc->c);
    if (pc->kind == SPK_POOLING) { /* its input is given as (N, C, T) */
        double *given = fill_input("input", pc->n * pc->t * pc->c);
        for (int64_t n = 0; n < pc->n; n++)
            for (int64_t t = 0; t < pc->t; t++)
                for (int64_t c = 0; c < pc->c; c++)
                    input[(n * pc->t + t) * pc->c + c] = given[(n * pc->c + c) * pc->t + t];
        spk_free(given);
    }
    spk_plan_bind(plan, x, input);
    spk_plan_forward(plan, true);

    const spk_view v = spk_plan_value(plan, y);
    const int64_t n = v.n * v.w * v.c;
    assert_int_equal(v.c, size);
    double sum = 0, squares = 0, l = 0;
    double *dy = spk_new((size_t)n * sizeof *dy);
    for (int64_t k = 0; k < n; k++) {
        const double e = element(v, k);
        sum += e;
        squares += e * e;
        l += e * sin((double)(k + 1) / 2);
        const int64_t t = k % v.w, c = k / v.w % v.c, i = k / v.w / v.c;
        dy[(i * v.w + t) * v.c + c] = sin((double)(k + 1) / 2);
    }
    const figures *f = &pc->want;
    const double scale = sqrt(squares);
    if (!train) {
        assert_close(sum, f->sum, scale);
        assert_close(squares, f->squares, 0);
        assert_close(element(v, 0), f->first, 1);
        assert_close(element(v, n / 2), f->middle, 1);
        assert_close(element(v, n - 1), f->last, 1);
    } else {
        assert_close(sum, f->train_sum, scale);
        assert_close(squares, f->train_squares, 0);
        assert_close(l, f->train_l, scale);
        spk_plan_backward_from(plan, dy);
        void *data, *grad;
        int64_t m;
        double norm = 0;
        spk_params_blocks(params, &data, &grad, &m);
        for (int64_t i = 0; i < m; i++)
            norm += ((double *)grad)[i] * ((double *)grad)[i];
        assert_close(sqrt(norm), f->train_grad, 0);
    }
    spk_free(dy);
    spk_free(input);
    spk_plan_free(plan);
    spk_arena_free(arena);
    spk_params_free(params);
    if (part->n_options) spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
    spk_yaml_free(yaml);
}

static inline void run_case(const part_case *pc, bool train)
{
    run_case_with(pc, train, NULL);
}

/* All rows, in eval and in train mode. */
static inline void run_cases(const part_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        run_case(&cases[i], false);
        run_case(&cases[i], true);
    }
}

#endif
