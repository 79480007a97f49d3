/* SPDX-License-Identifier: Apache-2.0 */
/* --init: the rules' bounds and variances, and what they leave alone. --freeze_param: what is not trained stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fill.h"
#include "model/net_impl.h"

#define RAWNET                                                                                                         \
    "frontend: asteroid_frontend\nfrontend_conf: {sinc_filters: 32}\nencoder: rawnet3\n"                               \
    "encoder_conf: {ndim: 64, output_size: 48, model_scale: 4}\nloss_conf: {scale: 30}\nspk_num: 20\n"
#define CONFORMER                                                                                                      \
    "frontend: melspec_torch\nfrontend_conf: {f_min: 20, log: true}\nencoder: mfaconformer\n"                          \
    "encoder_conf: {output_size: 32, num_blocks: 1, linear_units: 64, rel_pos_type: latest}\nspk_num: 20\n"

static spk_status try_net(const char *text, const char *more, spk_net **net)
{
    spk_config c;
    const spk_net_options o = {.n_threads = 1};
    char *all = spk_strf("%s%s", text, more);
    assert_int_equal(spk_config_parse(all, strlen(all), "test.yaml", &c), SPK_OK);
    const spk_status status = spk_net_new(&c, &o, net);
    spk_config_clear(&c);
    spk_free(all);
    return status;
}

static spk_net *open_net(const char *text, const char *more)
{
    spk_net *net = NULL;
    if (try_net(text, more, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    return net;
}

static bool same_values(const spk_param *a, const spk_param *b)
{
    return memcmp(a->data, b->data, (size_t)a->count * spk_dtype_size(a->dtype)) == 0;
}

/* ---- --init ---- */

typedef struct rule {
    const char *name;
    bool uniform, both; /* Xavier's: fan in and fan out */
} rule;

/* Largest value and variance of a weight that the rule has drawn. */
static void check_drawn(const rule *r, const spk_param *q)
{
    const double in = (double)q->count / (double)q->dim[0], out = (double)q->count / (double)q->dim[1];
    const double variance = 2 / (r->both ? in + out : in), bound = sqrt(3 * variance);
    double largest = 0, square = 0;
    for (int64_t i = 0; i < q->count; i++) {
        const double v = ((const float *)q->data)[i];
        largest = fmax(largest, fabs(v));
        square += v * v / (double)q->count;
    }
    if (r->uniform && !(largest <= bound * (1 + 1e-6))) fail_msg("%s: %g is beyond %g", q->name, largest, bound);
    if (!r->uniform && q->count > 500 && !(largest > bound)) fail_msg("%s: is not normal", q->name);
    const double off = 6 / sqrt((double)q->count); /* of the relative variance, generously */
    if (!(fabs(square / variance - 1) < off)) fail_msg("%s: variance %g, should be %g", q->name, square, variance);
}

static bool must_stay(const char *name)
{
    return spk_starts_with(name, "loss.") || spk_ends_with(name, "afms.alpha") || strstr(name, "pos_bias_") ||
           strstr(name, "low_hz_") || strstr(name, "band_hz_");
}

static void check_init(const char *model, const rule *r, int *n_stayed)
{
    char *more = spk_strf("init: %s\n", r->name);
    spk_net *plain = open_net(model, ""), *net = open_net(model, more);
    int n_drawn = 0;
    for (int64_t i = 0; i < spk_params_n(spk_net_params(net)); i++) {
        const spk_param *q = spk_params_at(spk_net_params(net), i), *was = spk_params_at(spk_net_params(plain), i);
        if (must_stay(q->name)) {
            assert_true(same_values(q, was));
            ++*n_stayed;
        } else if (q->trainable && q->n_dims >= 2) {
            check_drawn(r, q);
            n_drawn++;
        } else if (q->trainable && q->n_dims == 1 && strstr(q->name, ".bias")) {
            for (int64_t k = 0; k < q->count; k++)
                assert_true(((const float *)q->data)[k] == 0);
        } else {
            assert_true(same_values(q, was)); /* normalisations, buffers */
        }
    }
    assert_true(n_drawn > 10);
    spk_net_free(plain);
    spk_net_free(net);
    spk_free(more);
}

static void rules_draw_what_is_random_and_leave_the_rest(void **state)
{
    (void)state;
    static const rule rules[] = {{"xavier_uniform", true, true},
                                 {"xavier_normal", false, true},
                                 {"kaiming_uniform", true, false},
                                 {"kaiming_normal", false, false}};
    for (int i = 0; i < 4; i++) {
        int n = 0;
        check_init(RAWNET, &rules[i], &n);
        assert_int_equal(n, 6); /* three alphas, two edges, the class weights */
        n = 0;
        check_init(CONFORMER, &rules[i], &n);
        assert_int_equal(n, 3); /* two position biases, the class weights */
    }
}

/* ---- --freeze_param ---- */

#define FREEZE "freeze_param: [encoder.layer1, pooling, projector.bn.weight]\n"

static bool is_frozen(const char *name)
{
    return spk_starts_with(name, "encoder.layer1.") || spk_starts_with(name, "pooling.") ||
           strcmp(name, "projector.bn.weight") == 0;
}

/* One step with every weight counted: those that are frozen are in no block that an optimiser sees. */
static void frozen_weights_stay(void **state)
{
    (void)state;
    enum { N = 4, SAMPLES = 8000 };
    spk_net *net = open_net(RAWNET, FREEZE), *plain = open_net(RAWNET, "");
    const spk_params *params = spk_net_params(net);
    spk_model *m = spk_net_model(net);
    spk_tensors before = {0}, after = {0};
    const int64_t labels[N] = {0, 5, 3, 19};
    double *x = fill_input("speech", N * SAMPLES);
    float *wave = spk_new(N * SAMPLES * sizeof *wave), *parameters, *gradients;
    int64_t n;
    for (int i = 0; i < N * SAMPLES; i++)
        wave[i] = (float)x[i];
    assert_int_equal(spk_params_save(params, &before), SPK_OK);
    spk_train_stats stats;
    m->zero_grad(m->self);
    assert_int_equal(m->forward_backward(m->self, wave, labels, N, SAMPLES, 1, &stats), SPK_OK);
    m->blocks(m->self, &parameters, &gradients, &n);
    for (int64_t i = 0; i < n; i++)
        parameters[i] -= 1 + 0.1f * parameters[i]; /* weight decay and all */
    m->parameters_changed(m->self);
    assert_int_equal(spk_params_save(params, &after), SPK_OK);
    int64_t n_frozen = 0;
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *q = spk_params_at(params, i), *was = spk_params_at(spk_net_params(plain), i);
        assert_true(q->trainable == (was->trainable && !is_frozen(q->name)));
        if (!was->trainable) continue;
        const size_t bytes = (size_t)q->count * sizeof(float);
        const bool same =
            memcmp(spk_tensors_find(&before, q->name)->data, spk_tensors_find(&after, q->name)->data, bytes) == 0;
        assert_true(same == is_frozen(q->name));
        n_frozen += same;
        if (q->trainable) { /* the gradients of the others are those of a network that trains all */
            assert_non_null(q->grad);
        }
    }
    assert_true(n_frozen > 10);
    assert_true(spk_params_trainable_count(params) < spk_params_trainable_count(spk_net_params(plain)));
    /* and the gradients of the others are the same */
    spk_model *p = spk_net_model(plain);
    spk_net *again = open_net(RAWNET, FREEZE);
    spk_model *a = spk_net_model(again);
    assert_int_equal(p->forward_backward(p->self, wave, labels, N, SAMPLES, 1, &stats), SPK_OK);
    assert_int_equal(a->forward_backward(a->self, wave, labels, N, SAMPLES, 1, &stats), SPK_OK);
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *q = spk_params_at(spk_net_params(again), i), *was = spk_params_at(spk_net_params(plain), i);
        if (q->trainable) assert_memory_equal(q->grad, was->grad, (size_t)q->count * sizeof(float));
    }
    spk_tensors_clear(&before);
    spk_tensors_clear(&after);
    spk_net_free(net);
    spk_net_free(again);
    spk_net_free(plain);
    spk_free(wave);
    spk_free(x);
}

static void prefixes_that_name_nothing_are_refused(void **state)
{
    (void)state;
    spk_net *net = NULL;
    assert_int_equal(try_net(RAWNET, "freeze_param: [encoder.laier1]\n", &net), SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "did you mean encoder.layer1"));
    assert_int_equal(try_net(RAWNET, "freeze_param: [encoder, encoder.lay]\n", &net), SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "encoder.lay"));
    assert_int_equal(try_net(RAWNET, "freeze_param: [encoder, encoder.layer1]\n", &net),
                     SPK_OK); /* within is no error */
    spk_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_draw_what_is_random_and_leave_the_rest),
        cmocka_unit_test(frozen_weights_stay),
        cmocka_unit_test(prefixes_that_name_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
