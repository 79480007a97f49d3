/* SPDX-License-Identifier: Apache-2.0 */
/* Networks in double (train_dtype float64): parameters and figures keep double's digits on every way in and out, and are
 * those of the same network in float up to its rounding. Against ESPnet in double: spk_golden, tests/cli/espnet_float64.sh. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/net_impl.h"

enum { ITEMS = 4, SAMPLES = 3000, SIZE = 6 };

static const char TEXT[] =
    "frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}\n"
    "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\npooling: chn_attn_stat\n"
    "projector: rawnet3\nprojector_conf: {output_size: 6}\nloss: aamsoftmax\nspk_num: 7\n";

static spk_net *open_net(bool f64)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 2, .f64 = f64};
    assert_int_equal(spk_config_parse(TEXT, sizeof TEXT - 1, "test.yaml", &c), SPK_OK);
    if (spk_net_new(&c, &o, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    return net;
}

static float *make_waves(void)
{
    float *x = spk_alloc(ITEMS * SAMPLES * sizeof *x);
    spk_rng r = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < ITEMS * SAMPLES; i++)
        x[i] = (float)(0.1 * spk_rng_normal(&r));
    return x;
}

static const int64_t labels[ITEMS] = {0, 3, 6, 3};

static double loss_of(spk_model *m, const float *x)
{
    spk_train_stats stats;
    m->zero_grad(m->self);
    assert_int_equal(m->forward_backward(m->self, x, labels, ITEMS, SAMPLES, 1, &stats), SPK_OK);
    return stats.loss;
}

/* The same names, places and initial values; embeddings and losses up to float's rounding. */
static void it_is_the_network_in_float(void **state)
{
    (void)state;
    spk_net *wide = open_net(true), *narrow = open_net(false);
    spk_model *a = spk_net_model(wide), *b = spk_net_model(narrow);
    float *x = make_waves(), e32[ITEMS * SIZE], rounded[ITEMS * SIZE];
    double e64[ITEMS * SIZE], *w, *g;
    float *w32, *g32;
    int64_t n, n32;
    spk_parameter p, q;
    assert_true(!a->blocks && a->blocks_f64 && b->blocks && !b->blocks_f64 && a->embed_f64 && !b->embed_f64);
    a->blocks_f64(a->self, &w, &g, &n);
    b->blocks(b->self, &w32, &g32, &n32);
    assert_int_equal(n, n32);
    for (int64_t i = 0; i < n; i++)
        assert_true(w[i] == (double)w32[i]);
    for (int64_t i = 0; a->parameter(a->self, i, &p); i++) {
        assert_true(b->parameter(b->self, i, &q));
        assert_string_equal(p.name, q.name);
        assert_true(p.at == q.at && p.n == q.n);
    }
    assert_int_equal(a->embed_f64(a->self, x, ITEMS, SAMPLES, NULL, e64), SPK_OK);
    assert_int_equal(a->embed(a->self, x, ITEMS, SAMPLES, NULL, rounded), SPK_OK);
    assert_int_equal(b->embed(b->self, x, ITEMS, SAMPLES, NULL, e32), SPK_OK);
    for (int i = 0; i < ITEMS * SIZE; i++) {
        assert_true(rounded[i] == (float)e64[i]);
        assert_true(fabs(e64[i] - (double)e32[i]) < 1e-3 * (1 + fabs(e64[i])));
    }
    const double loss = loss_of(a, x), loss32 = loss_of(b, x);
    assert_true(fabs(loss - loss32) < 1e-4 * loss && loss != (double)(float)loss);
    for (int64_t i = 0; i < n; i++)
        assert_true(fabs(g[i] - (double)g32[i]) < 1e-2 * (1 + fabs(g[i])));
    spk_free(x);
    spk_net_free(wide);
    spk_net_free(narrow);
}

/* The gradient of a weight by differences so small that float would see none. */
static void gradients_are_exact(void **state)
{
    (void)state;
    spk_net *net = open_net(true);
    spk_model *m = spk_net_model(net);
    float *x = make_waves();
    double *w, *g;
    int64_t n;
    m->blocks_f64(m->self, &w, &g, &n);
    for (int k = 0; k < 3; k++) {
        static const char *const names[] = {"encoder.conv.weight", "encoder.layer4.bias", "loss.weight"};
        const spk_param *p = spk_params_find(spk_net_params(net), names[k]);
        assert_non_null(p);
        double *at = (double *)p->data + p->count / 2;
        loss_of(m, x);
        const double gradient = ((double *)p->grad)[p->count / 2], before = *at, h = 1e-6;
        *at = before + h;
        const double up = loss_of(m, x);
        *at = before - h;
        const double down = loss_of(m, x);
        *at = before;
        assert_true(gradient != 0);
        if (!(fabs((up - down) / (2 * h) - gradient) < 1e-6 * (1 + fabs(gradient))))
            fail_msg("%s: %.12g, by differences %.12g", names[k], gradient, (up - down) / (2 * h));
    }
    spk_free(x);
    spk_net_free(net);
}

/* A value with 40 bits goes out as float64 and comes back; a network in float takes it rounded, and the other way. */
static void states_keep_their_digits(void **state)
{
    (void)state;
    static const char NAME[] = "encoder.conv.bias";
    spk_net *wide = open_net(true), *again = open_net(true), *narrow = open_net(false);
    spk_model *a = spk_net_model(wide), *b = spk_net_model(again), *c = spk_net_model(narrow);
    spk_tensors t = {0}, t32 = {0};
    double *value = spk_params_find(spk_net_params(wide), NAME)->data;
    *value = 1 + 0x1p-40;
    assert_int_equal(a->save_state(a->self, &t), SPK_OK);
    assert_int_equal(spk_tensors_find(&t, NAME)->dtype, SPK_F64);
    assert_int_equal(b->load_state(b->self, &t), SPK_OK);
    assert_true(*(double *)spk_params_find(spk_net_params(again), NAME)->data == 1 + 0x1p-40);
    assert_int_equal(c->load_state(c->self, &t), SPK_OK);
    assert_true(*(float *)spk_params_find(spk_net_params(narrow), NAME)->data == 1.0F);
    assert_int_equal(c->save_state(c->self, &t32), SPK_OK);
    assert_int_equal(spk_tensors_find(&t32, NAME)->dtype, SPK_F32);
    assert_int_equal(a->load_state(a->self, &t32), SPK_OK);
    assert_true(*value == 1);
    spk_tensors_clear(&t);
    spk_tensors_clear(&t32);
    spk_net_free(wide);
    spk_net_free(again);
    spk_net_free(narrow);
}

typedef struct places {
    int64_t last, calls;
} places;

static void ready(void *user, int64_t from)
{
    places *p = user;
    assert_true(from <= p->last);
    p->last = from;
    p->calls++;
}

/* Where gradients are final is told in elements; a value that is not finite is found. */
static void it_can_be_watched(void **state)
{
    (void)state;
    spk_net *net = open_net(true);
    spk_model *m = spk_net_model(net);
    float *x = make_waves();
    double *w, *g;
    int64_t n;
    bool items[ITEMS];
    char what[256];
    m->blocks_f64(m->self, &w, &g, &n);
    places p = {.last = n};
    m->watch_gradients(m->self, ready, &p);
    loss_of(m, x);
    m->watch_gradients(m->self, NULL, NULL);
    assert_true(p.last == 0 && p.calls > 3);
    assert_false(m->find_anomaly(m->self, x, labels, ITEMS, SAMPLES, what, sizeof what, items));
    x[2 * SAMPLES + 5] = NAN;
    assert_true(m->find_anomaly(m->self, x, labels, ITEMS, SAMPLES, what, sizeof what, items));
    assert_non_null(strstr(what, "the output of melspec"));
    assert_true(!items[0] && items[2]);
    spk_free(x);
    spk_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_network_in_float),
        cmocka_unit_test(gradients_are_exact),
        cmocka_unit_test(states_keep_their_digits),
        cmocka_unit_test(it_can_be_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
