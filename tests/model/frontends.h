/* SPDX-License-Identifier: Apache-2.0 */
/* A frontend alone, in float or double, on given waves; and the signal of the specification's check figures. */
#ifndef TESTS_MODEL_FRONTENDS_H
#define TESTS_MODEL_FRONTENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fill.h"
#include "graph/plan_impl.h"
#include "model/build_impl.h"

enum { SAMPLES = 4000 };

/* Two items of SAMPLES: sines, a sweep and noise. */
static inline double *signals(void)
{
    enum { LONG = 6000 };
    double *x = spk_new(2 * SAMPLES * sizeof *x), *s = spk_new(LONG * sizeof *s);
    fill f = fill_begin("wave");
    for (int n = 0; n < LONG; n++)
        s[n] = 0.1 * sin(2 * 3.14159265358979323846 * 440 * n / 16000) +
               0.05 * sin(2 * 3.14159265358979323846 * 1234.5 * n / 16000) + 0.02 * sin(1e-4 * n * n) +
               0.01 * fill_next(&f);
    for (int n = 0; n < SAMPLES; n++) {
        x[n] = s[n];
        x[SAMPLES + n] = 0.5 * s[1500 + n];
    }
    spk_free(s);
    return x;
}

typedef struct frontend_run {
    const char *name, *conf;
    int64_t rate;
    bool like_202611, train;
    spk_dtype real;
    int64_t n, samples;
    const double *wave; /* n x samples */
    const int64_t *len; /* NULL: all */
    spk_draws draws;
    int64_t frames, size; /* out */
    int64_t out_len[8];   /* out, with len */
    double *out;          /* out, new: n x frames x size */
} frontend_run;

/* The options of a frontend after its check: *conf is new. */
static inline spk_status frontend_conf(const frontend_run *r, const spk_part *part, void **conf, int64_t *size)
{
    spk_yaml *yaml = NULL;
    const spk_part_in in = {.input_size = 1, .sample_rate = r->rate, .like_202611 = r->like_202611};
    *conf = spk_new(part->conf_bytes + 1);
    assert_int_equal(spk_yaml_parse(r->conf, strlen(r->conf), "test", &yaml), SPK_OK);
    spk_status status = spk_opts_read(part->options, part->n_options, yaml, "frontend_conf", *conf);
    if (status == SPK_OK) {
        *size = 1;
        if (part->check) status = part->check(*conf, &in, size);
        if (status != SPK_OK) spk_opts_clear(part->options, part->n_options, *conf);
    }
    if (status != SPK_OK) spk_free(*conf);
    spk_yaml_free(yaml);
    return status;
}

static inline void frontend_free_conf(const spk_part *part, void *conf)
{
    spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
}

static inline spk_graph *frontend_graph(const frontend_run *r, const spk_part *part, const void *conf,
                                        spk_params *params, spk_tensor **x, spk_tensor **y)
{
    spk_graph *g = spk_graph_new();
    spk_build b = {.g = g, .params = params, .train = r->train, .sample_rate = r->rate};
    *x = spk_g_input(g, SPK_F32, r->n, r->samples, 1);
    (*x)->len = r->len;
    *y = spk_g_keep(part->build(&b, conf, *x));
    return g;
}

static inline void run_frontend(frontend_run *r)
{
    const spk_part *part = spk_part_find(SPK_FRONTEND, r->name);
    void *conf;
    assert_non_null(part);
    if (frontend_conf(r, part, &conf, &r->size) != SPK_OK) fail_msg("%s %s: %s", r->name, r->conf, spk_errmsg());
    spk_params *params = spk_params_new(r->real);
    spk_tensor *x, *y;
    spk_graph_free(frontend_graph(r, part, conf, params, &x, &y));
    assert_int_equal(spk_params_commit(params, 1), SPK_OK);
    spk_graph *g = frontend_graph(r, part, conf, params, &x, &y);
    spk_arena *arena = spk_arena_new();
    const spk_plan_options options = {.real = r->real, .n_threads = 2};
    spk_plan *plan;
    assert_int_equal(spk_plan_new(g, arena, &options, &plan), SPK_OK);
    float *narrow = spk_new((size_t)(r->n * r->samples) * sizeof *narrow);
    for (int64_t i = 0; i < r->n * r->samples; i++)
        narrow[i] = (float)r->wave[i];
    spk_plan_bind(plan, x, r->real == SPK_F64 ? (const void *)r->wave : narrow);
    spk_plan_draws(plan, &r->draws);
    spk_plan_forward(plan, true);
    const spk_view v = spk_plan_value(plan, y);
    assert_int_equal(v.c, r->size);
    assert_int_equal(v.w, part->frames(conf, r->samples));
    r->frames = v.w;
    r->out = spk_new((size_t)(v.n * v.w * v.c) * sizeof *r->out);
    for (int64_t i = 0; i < v.n * v.w * v.c; i++)
        r->out[i] = r->real == SPK_F64 ? ((double *)v.p)[i / v.c * v.ld + i % v.c]
                                       : (double)((float *)v.p)[i / v.c * v.ld + i % v.c];
    for (int64_t i = 0; r->len && i < r->n; i++)
        r->out_len[i] = y->len[i];
    spk_free(narrow);
    spk_plan_free(plan);
    spk_arena_free(arena);
    spk_params_free(params);
    frontend_free_conf(part, conf);
}

#endif
