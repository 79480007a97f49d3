/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frontends, losses and whole networks against check figures of ESPnet 202611, parameter totals, initial values, and
 * that an embedding does not depend on what else is in its batch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fill.h"
#include "model/net_impl.h"

enum { SAMPLES = 4000 };

/* Two waves: sines, a sweep and the fill's noise. */
static float *make_waves(void)
{
    double s[6000];
    float *x = spk_alloc(2 * SAMPLES * sizeof *x);
    fill f = fill_begin("wave");
    for (int n = 0; n < 6000; n++)
        s[n] = 0.1 * sin(2 * 3.14159265358979323846 * 440 * n / 16000) +
               0.05 * sin(2 * 3.14159265358979323846 * 1234.5 * n / 16000) + 0.02 * sin(1e-4 * n * n) +
               0.01 * fill_next(&f);
    for (int n = 0; n < SAMPLES; n++) {
        x[n] = (float)s[n];
        x[SAMPLES + n] = (float)(0.5 * s[1500 + n]);
    }
    return x;
}

static spk_config read_config(const char *text)
{
    spk_config c;
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK) print_error("%s\n", spk_errmsg());
    assert_int_equal(spk_config_check(&c, SPK_CONFIG_MODEL, NULL), SPK_OK);
    return c;
}

static spk_net *open_net(const char *text, bool embed_only)
{
    spk_config c = read_config(text);
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 2, .embed_only = embed_only};
    if (spk_net_new(&c, &o, &net) != SPK_OK) print_error("%s\n", spk_errmsg());
    assert_non_null(net);
    spk_config_clear(&c);
    return net;
}

static void assert_near(double ours, double theirs, double tolerance)
{
    if (fabs(ours - theirs) <= tolerance) return;
    print_error("ours %.9g, should be %.9g within %.3g\n", ours, theirs, tolerance);
    fail();
}

/* ---- frontends ---- */

static const struct {
    const char *conf;
    int64_t n_mels;
    double r, squares, first, inside, last;
} frontends[] = {
    {"{}", 80, -1.28540070e+1, 2.37159971e+3, 7.79056664e-4, 4.13581827e-6, 5.85395043e-2},
    {"{log: true}", 80, -5.45656465e+1, 1.50407894e+5, -7.15614399e+0, -1.21792714e+1, -2.83803638e+0},
    {"{log: true, normalize: mn}", 80, -5.77152408e+1, 7.63684975e+3, 2.62090751e+0, -3.85911521e+0, 4.67486528e-1},
    {"{preemp: false, window_fn: hann, mel_scale: slaney, n_mels: 40, log: true}", 40, -9.16682532e+1, 3.62638637e+4,
     8.62798701e-1, -3.18161538e+0, -3.50344810e+0},
};

static void frontends_compute_what_espnet_computes(void **state)
{
    float *x = make_waves();
    (void)state;
    assert_near(x[0], 7.095529004e-3, 1e-9);
    assert_near(x[SAMPLES + 3999], 7.889528157e-2, 1e-8);
    for (size_t i = 0; i < sizeof frontends / sizeof *frontends; i++) {
        char *text = spk_strf("frontend: melspec_torch\nfrontend_conf: %s\nencoder: ecapa_tdnn\n"
                              "encoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\nspk_num: 7\n",
                              frontends[i].conf);
        spk_net *net = open_net(text, false);
        spk_net_plan *p;
        spk_net_keep_all(net);
        assert_int_equal(spk_net_plan_for(net, SPK_NET_EMBED, 2, SAMPLES, SPK_NET_EVEN, &p), SPK_OK);
        spk_plan_bind(p->plan, p->speech, x);
        spk_net_forward(net, p);
        const spk_view v = spk_plan_value(p->plan, p->feats);
        assert_int_equal(v.w, 26);
        assert_int_equal(v.c, frontends[i].n_mels);
        const float *y = v.p;
        double r = 0, squares = 0;
        for (int64_t k = 0; k < 2 * 26 * v.c; k++) {
            r += y[k] * sin((double)(k + 1) / 2);
            squares += (double)y[k] * y[k];
        }
        const double size = sqrt(squares);
        assert_near(r, frontends[i].r, 3e-6 * size);
        assert_near(squares, frontends[i].squares, 3e-6 * squares);
        assert_near(y[0], frontends[i].first, 3e-6 * (1 + fabs(frontends[i].first)));
        assert_near(y[10 * v.c + 8], frontends[i].inside, 2e-5 * fabs(frontends[i].inside));
        assert_near(y[2 * 26 * v.c - 1], frontends[i].last, 3e-6 * (1 + fabs(frontends[i].last)));
        spk_net_free(net);
        spk_free(text);
    }
    spk_free(x);
}

/* ---- a whole model ---- */

static const char WHOLE[] =
    "frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}\n"
    "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\npooling: chn_attn_stat\n"
    "projector: rawnet3\nprojector_conf: {output_size: 6}\nloss: aamsoftmax\nspk_num: 7\n";

static void a_whole_model_computes_what_espnet_computes(void **state)
{
    spk_net *net = open_net(WHOLE, false);
    spk_model *model = spk_net_model(net);
    float *x = make_waves(), e[12];
    double squares = 0, sum = 0;
    (void)state;
    fill_params(spk_net_params(net), "none.");
    model->parameters_changed(model->self);
    assert_int_equal(model->embedding_size, 6);
    assert_int_equal(model->embed(model->self, x, 2, SAMPLES, NULL, e), SPK_OK);
    for (int i = 0; i < 12; i++) {
        sum += e[i];
        squares += (double)e[i] * e[i];
    }
    /* float32 itself differs by 2e-5 of the largest component there */
    assert_near(e[0], -1.20298467e+1, 4e-5 * 60);
    assert_near(e[11], 4.58016054e+1, 4e-5 * 60);
    assert_near(squares, 1.21940155e+4, 1e-4 * 1.2e4);
    assert_near(sum, 1.41507141e-1, 4e-5 * sqrt(1.2e4));
    spk_free(x);
    spk_net_free(net);
}

static void an_embedding_does_not_depend_on_its_batch(void **state)
{
    spk_net *net = open_net(WHOLE, true);
    float *x = make_waves(), both[12], alone[6], padded[6], *longer = spk_alloc_zero(2 * SAMPLES * sizeof *longer);
    (void)state;
    assert_int_equal(spk_net_embed(net, x, NULL, 2, SAMPLES, both), SPK_OK);
    assert_int_equal(spk_net_embed(net, x + SAMPLES, NULL, 1, SAMPLES, alone), SPK_OK);
    const int64_t length = SAMPLES - 100; /* as many frames as length + 59 samples */
    assert_int_equal(spk_net_frames(net, length), spk_net_frames(net, length + 59));
    memcpy(longer, x, (size_t)length * sizeof *longer);
    memcpy(longer + length, x, 59 * sizeof *longer); /* anything */
    for (int i = 0; i < 6; i++)
        assert_near(both[6 + i], alone[i], 1e-5);
    assert_int_equal(spk_net_embed(net, x, NULL, 1, length, alone), SPK_OK);
    assert_int_equal(spk_net_embed(net, longer, &length, 1, length + 59, padded), SPK_OK);
    for (int i = 0; i < 6; i++)
        assert_near(padded[i], alone[i], 1e-5);
    assert_int_equal(spk_net_embed(net, x, NULL, 1, 256, alone), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "256 samples"));
    spk_free(longer);
    spk_free(x);
    spk_net_free(net);
}

/* Everything that training changes, in one text of bytes. */
static spk_text snapshot(spk_net *net)
{
    spk_text t = {0};
    const spk_params *params = spk_net_params(net);
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        spk_text_addn(&t, p->data, (size_t)p->count * spk_dtype_size(p->dtype));
        if (p->grad) spk_text_addn(&t, p->grad, (size_t)p->count * spk_dtype_size(p->dtype));
    }
    return t;
}

static void embedding_changes_nothing_and_steps_allocate_nothing(void **state)
{
    spk_net *net = open_net(WHOLE, false);
    spk_model *model = spk_net_model(net);
    float *x = make_waves(), e[12];
    const int64_t labels[] = {3, 1}, wrong[] = {3, 7};
    spk_train_stats stats;
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(model->forward_backward(model->self, x, labels, 2, SAMPLES, 1, &stats), SPK_OK);
        assert_int_equal(model->embed(model->self, x, 2, SAMPLES, NULL, e), SPK_OK);
    }
    spk_text before = snapshot(net);
    const int64_t n_allocs = spk_alloc_count();
    assert_int_equal(model->embed(model->self, x, 2, SAMPLES, NULL, e), SPK_OK);
    assert_int_equal(spk_alloc_count(), n_allocs);
    spk_text after = snapshot(net);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.s, after.s, before.n);
    const int64_t n_again = spk_alloc_count();
    model->zero_grad(model->self);
    assert_int_equal(model->forward_backward(model->self, x, labels, 2, SAMPLES, 1, &stats), SPK_OK);
    model->parameters_changed(model->self);
    assert_int_equal(spk_alloc_count(), n_again);
    assert_int_equal(model->forward_backward(model->self, x, wrong, 2, SAMPLES, 1, &stats), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "label 7"));
    spk_text_clear(&before);
    spk_text_clear(&after);
    spk_free(x);
    spk_net_free(net);
}

/* Such a step is skipped by the trainer; the model must be as good as before it. */
static void a_batch_that_is_not_finite_leaves_the_statistics(void **state)
{
    spk_net *net = open_net(WHOLE, false);
    spk_model *model = spk_net_model(net);
    float *x = make_waves(), *parameters, *gradients;
    const int64_t labels[] = {3, 1};
    spk_train_stats stats;
    int64_t n;
    (void)state;
    *(float *)spk_params_find(spk_net_params(net), "encoder.conv.bias")->data = INFINITY;
    model->parameters_changed(model->self);
    assert_int_equal(model->forward_backward(model->self, x, labels, 2, SAMPLES, 1, &stats), SPK_OK);
    double sum = stats.loss;
    model->blocks(model->self, &parameters, &gradients, &n);
    for (int64_t i = 0; i < n; i++)
        sum += (double)gradients[i];
    assert_false(isfinite(sum));
    const spk_params *params = spk_net_params(net);
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        for (int64_t k = 0; !p->trainable && p->dtype == SPK_F32 && k < p->count; k++)
            assert_true(isfinite(((const float *)p->data)[k]));
    }
    spk_free(x);
    spk_net_free(net);
}

/* ---- parameters ---- */

static void parameter_totals_are_espnets(void **state)
{
    spk_net *net = open_net("frontend: melspec_torch\nencoder: ecapa_tdnn\nspk_num: 1211\n", false);
    spk_net_info info;
    (void)state;
    assert_int_equal(spk_net_describe(net, 48000, &info), SPK_OK);
    assert_int_equal(info.n_parameters, 14890624);
    assert_int_equal(info.embedding_size, 192);
    /* a wave of 3 s; 0.24 less than ESPnet's model, whose attention multiplies the repeated mean and deviation */
    assert_near(info.gflop_forward, 7.737, 0.001);
    assert_near(info.gflop_training, 22.97, 0.05);
    spk_net_free(net);
}

static double deviation(const spk_net *net, const char *name, double *largest)
{
    const spk_param *p = spk_params_find(spk_net_params((spk_net *)(uintptr_t)net), name);
    double squares = 0;
    assert_non_null(p);
    *largest = 0;
    for (int64_t i = 0; i < p->count; i++) {
        const double v = ((float *)p->data)[i];
        squares += v * v;
        if (fabs(v) > *largest) *largest = fabs(v);
    }
    return sqrt(squares / (double)p->count);
}

static void initial_values_have_pytorchs_distributions(void **state)
{
    spk_net *net =
        open_net("frontend: melspec_torch\nencoder: ecapa_tdnn\nencoder_conf: {ndim: 64}\nspk_num: 300\n", false);
    double largest;
    (void)state;
    const double a = 1 / sqrt(80 * 5);
    assert_near(deviation(net, "encoder.conv.weight", &largest), a / sqrt(3), 0.02 * a);
    assert_true(largest <= a && largest > 0.99 * a);
    assert_near(deviation(net, "loss.weight", &largest), sqrt(2.0 / (300 + 192)), 0.002);
    assert_true(largest > 3 * sqrt(2.0 / (300 + 192)));
    assert_near(deviation(net, "encoder.bn.weight", &largest), 1, 0);
    assert_near(deviation(net, "encoder.bn.running_mean", &largest), 0, 0);
    spk_net_free(net);
}

static void wrong_parts_are_named(void **state)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"frontend: melspec_torch\nencoder: ecapa_tdnn\nencoder_conf: {ndmi: 3}\nspk_num: 3\n", "test.yaml:3:16"},
        {"frontend: melspec_torch\nencoder: ecapa_tdnn\nencoder_conf: {model_scale: 1}\nspk_num: 3\n", "model_scale"},
        {"frontend: melspec_torch\nencoder: ecapa_tdnn\nencoder_conf: {dilations: [1, 2]}\nspk_num: 3\n", "dilations"},
        {"frontend: melspec_torch\nfrontend_conf: {win_length: 600}\nencoder: ecapa_tdnn\nspk_num: 3\n", "win_length"},
        {"frontend: melspec_torch\nencoder: ecapa_tdnn\n", "spk_num"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        spk_config c;
        spk_net *net = NULL;
        assert_int_equal(spk_config_parse(wrong[i].text, strlen(wrong[i].text), "test.yaml", &c), SPK_OK);
        assert_int_equal(spk_net_new(&c, NULL, &net), SPK_E_CONFIG);
        if (!strstr(spk_errmsg(), wrong[i].message)) print_error("%s\n", spk_errmsg());
        assert_non_null(strstr(spk_errmsg(), wrong[i].message));
        spk_config_clear(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frontends_compute_what_espnet_computes),
                                       cmocka_unit_test(a_whole_model_computes_what_espnet_computes),
                                       cmocka_unit_test(an_embedding_does_not_depend_on_its_batch),
                                       cmocka_unit_test(embedding_changes_nothing_and_steps_allocate_nothing),
                                       cmocka_unit_test(a_batch_that_is_not_finite_leaves_the_statistics),
                                       cmocka_unit_test(parameter_totals_are_espnets),
                                       cmocka_unit_test(initial_values_have_pytorchs_distributions),
                                       cmocka_unit_test(wrong_parts_are_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
