/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WeSpeaker's models against their check figures (specification W.8), by way of both conversions: the shapes of a network
 * of ours are written under WeSpeaker's names, filled by these names, read back, and embed the fill's features.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "infer/convert_impl.h"
#include "model/fill.h"

typedef struct figures {
    const char *name, *config, *theirs;
    int64_t n, t;
    double sum, squares, first, last;
} figures;

#define FBANK "frontend: kaldi_fbank\nfrontend_conf: {preset: wespeaker, num_mel_bins: 16}\n"

static const figures cases[] = {
    {"W1",
     FBANK "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, block_input: previous, se_norm: false}\npooling: astp\n"
           "projector: linear\nprojector_conf: {output_size: 6, input_bn: true}\n",
     "ECAPA_TDNN", 4, 37, -1.44425912e+1, 4.55070151e+1, 1.01267452e-1, 3.52748675e-1},
    {"W2",
     FBANK "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, block_input: previous, se_norm: false}\npooling: astp\n"
           "pooling_conf: {global_context_att: true}\nprojector: linear\n"
           "projector_conf: {output_size: 6, input_bn: true, output_bn: affine}\n",
     "ECAPA_TDNN", 4, 37, -1.67904271e+1, 8.90635509e+1, 3.52932271e-1, -5.73234828e-1},
    {"W3",
     FBANK "encoder: resnet\nencoder_conf: {resnet_type: resnet34, m_channels: 4, flatten: channel_major}\n"
           "pooling: tstp\nprojector: linear\nprojector_conf: {output_size: 6}\n",
     "ResNet34", 4, 37, 1.49241715e+2, 1.91003121e+4, 6.81200350e+1, -2.02890538e+1},
    {"W4",
     FBANK "encoder: resnet\nencoder_conf: {resnet_type: resnet34, m_channels: 4, flatten: channel_major}\n"
           "pooling: tstp\nprojector: two_layer\nprojector_conf: {output_size: 6}\n",
     "ResNet34", 4, 37, -7.15407446e+1, 3.81064156e+4, 4.76331315e+1, -5.42131966e+1},
    {"W5",
     FBANK "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 12, paddings: [0, 0, 0, 0, 0], affine: false}\n"
           "pooling: tstp\nprojector: two_layer\nprojector_conf: {output_size: 6}\n",
     "XVEC", 4, 37, 4.34037070e+0, 4.52081850e+0, 4.77801532e-1, -3.99523326e-1},
    {"W6",
     FBANK "encoder: campplus\nencoder_conf: {growth_rate: 4, bn_size: 2, init_channels: 8}\npooling: tstp\n"
           "projector: linear\nprojector_conf: {output_size: 6, bias: false, output_bn: plain}\n",
     "CAMPPlus", 2, 251, -8.28752678e-1, 2.21318314e+0, 2.86528931e-1, -7.42192601e-1},
};

static void assert_near(const char *what, double ours, double theirs, double tolerance)
{
    if (fabs(ours - theirs) <= tolerance) return;
    print_error("%s: ours %.9g, should be %.9g within %.3g\n", what, ours, theirs, tolerance);
    fail();
}

static void good(spk_status status)
{
    if (status != SPK_OK) print_error("%s\n", spk_errmsg());
    assert_int_equal(status, SPK_OK);
}

static spk_net *open_net(const char *text, bool f64)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1, .embed_only = true, .f64 = f64};
    good(spk_config_parse(text, strlen(text), "test.yaml", &c));
    good(spk_net_new(&c, &o, &net));
    spk_config_clear(&c);
    return net;
}

/* The deterministic values of tensors that bear another program's names. */
static void fill_by_name(spk_tensors *theirs)
{
    for (int64_t i = 0; i < theirs->n; i++) {
        spk_ndarray *a = &theirs->item[i].a;
        spk_param p = {.name = theirs->item[i].name, .n_dims = a->n_dims, .count = spk_ndarray_count(a)};
        memcpy(p.dim, a->dim, sizeof p.dim);
        if (a->dtype == SPK_I64) continue;
        fill z = fill_begin(p.name);
        for (int64_t k = 0; k < p.count; k++)
            ((float *)a->data)[k] = (float)fill_value(&p, fill_next(&z));
    }
}

/* The state of that network under WeSpeaker's names, filled by them. */
static void make_theirs(const figures *f, spk_yaml **config, spk_tensors *theirs)
{
    spk_net *net = open_net(f->config, false);
    spk_tensors ours = {0};
    good(spk_params_save(spk_net_params(net), &ours));
    good(spk_to_wespeaker(net, &ours, config, theirs));
    assert_string_equal(spk_yaml_get(*config, "model")->text, f->theirs);
    fill_by_name(theirs);
    spk_tensors_clear(&ours);
    spk_net_free(net);
}

/* The network of features that a foreign model describes, in double. */
static spk_net *net_of_features(spk_foreign *f)
{
    spk_config c;
    spk_net *shaped = NULL;
    spk_text text = {0};
    good(spk_foreign_net(f, "theirs", NULL, &c, &shaped));
    spk_net_free(shaped);
    spk_config_clear(&c);
    spk_put_text(f->config, "frontend", "null");
    spk_yaml_set(f->config, "frontend_conf", spk_yaml_new_map(NULL));
    spk_put_int(f->config, "input_size", 16);
    spk_yaml_print(f->config, &text);
    spk_net *net = open_net(spk_text_str(&text), true);
    good(spk_net_take(net, &f->weights));
    spk_text_clear(&text);
    return net;
}

static void check_figures(const figures *f, spk_foreign *foreign)
{
    spk_net *net = net_of_features(foreign);
    spk_net_plan *p;
    double *x = fill_input("input", f->n * f->t * 16), sum = 0, squares = 0;
    good(spk_net_plan_for(net, SPK_NET_EMBED, f->n, f->t, SPK_NET_EVEN, &p));
    spk_plan_bind(p->plan, p->speech, x);
    spk_net_forward(net, p);
    const spk_view v = spk_plan_value(p->plan, p->embedding);
    const double *e = v.p;
    assert_int_equal(v.n, f->n);
    assert_int_equal(v.c, 6);
    for (int64_t k = 0; k < 6 * f->n; k++) {
        sum += e[k];
        squares += e[k] * e[k];
    }
    const double size = sqrt(f->squares); /* weights are float32 values here */
    assert_near(f->name, sum, f->sum, 1e-5 * size);
    assert_near(f->name, squares, f->squares, 1e-5 * f->squares);
    assert_near(f->name, e[0], f->first, 1e-5 * size);
    assert_near(f->name, e[6 * f->n - 1], f->last, 1e-5 * size);
    spk_free(x);
    spk_net_free(net);
}

static void wespeakers_models_compute_their_figures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const figures *f = &cases[i];
        spk_yaml *config = NULL;
        spk_tensors theirs = {0};
        spk_foreign foreign = {0};
        make_theirs(f, &config, &theirs);
        good(spk_from_wespeaker(config, &theirs, f->name, &foreign));
        check_figures(f, &foreign);
        spk_foreign_clear(&foreign);
        spk_tensors_clear(&theirs);
        spk_yaml_free(config);
    }
}

/* Computed with speechbrain.lobes.models.ECAPA_TDNN in double on the same fill. */
static const figures speechbrain = {
    "SpeechBrain",
    "frontend: speechbrain_fbank\nfrontend_conf: {n_mels: 16}\nencoder: speechbrain_ecapa\n"
    "encoder_conf: {ndim: 16, output_size: 24, model_scale: 4, se_channels: 8}\npooling: speechbrain_asp\n"
    "pooling_conf: {attention_channels: 8}\nprojector: linear\nprojector_conf: {output_size: 6, input_bn: true}\n",
    NULL,
    4,
    37,
    3.57397552e+00,
    1.82366392e+02,
    1.16594554e+00,
    4.10560212e+00};

static void speechbrains_ecapa_computes_its_figures(void **state)
{
    static const spk_rename names[] = {{"asp_bn.norm", "projector.bn", 0},
                                       {"fc.conv", "projector.fc", SPK_SHAPE_CONV},
                                       {"asp", "pooling", 0},
                                       {"", "encoder", 0}};
    spk_net *net = open_net(speechbrain.config, false);
    spk_tensors ours = {0}, theirs = {0};
    spk_foreign foreign = {0};
    (void)state;
    good(spk_params_save(spk_net_params(net), &ours));
    good(spk_rename_all(names, 4, &ours, NULL, false, "ours", &theirs));
    fill_by_name(&theirs);
    good(spk_from_speechbrain(&theirs, "test", &foreign));
    check_figures(&speechbrain, &foreign);
    spk_foreign_clear(&foreign);
    spk_tensors_clear(&theirs);
    spk_tensors_clear(&ours);
    spk_net_free(net);
}

static void names_are_renamed_by_patterns(void **state)
{
    static const spk_rename table[] = {
        {"layer{2}.a.{0}", "encoder.layer{1}.{3}", 0}, {"bn", "b.bn", 0}, {"", "rest", 0}};
    static const char *const pairs[][2] = {{"layer4.a.1.weight", "encoder.layer3.4.weight"},
                                           {"bn.weight", "b.bn.weight"},
                                           {"bn2.weight", "rest.bn2.weight"},
                                           {"layer1.a.1.weight", "rest.layer1.a.1.weight"},
                                           {"layer12.a.10", "encoder.layer11.13"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *ours = spk_rename_find(table, 3, pairs[i][0], true, NULL);
        assert_string_equal(ours, pairs[i][1]);
        char *back = spk_rename_find(table, 3, ours, false, NULL);
        assert_string_equal(back, pairs[i][0]);
        spk_free(ours);
        spk_free(back);
    }
    assert_null(spk_rename_find(table, 2, "bn2.weight", true, NULL));
}

static void what_wespeaker_lacks_is_refused(void **state)
{
    static const struct {
        const char *config, *message;
    } bad[] = {
        {"frontend: melspec_torch\nencoder: campplus\npooling: tstp\nprojector: linear\n"
         "projector_conf: {output_size: 6, bias: false, output_bn: plain}\n",
         "frontend: melspec_torch has no counterpart in WeSpeaker"},
        {FBANK "encoder: ecapa_tdnn\nprojector: linear\nprojector_conf: {output_size: 6}\n",
         "encoder_conf.block_input: is sum; WeSpeaker has previous only"},
        {FBANK "encoder: identity\nprojector: linear\nprojector_conf: {output_size: 6}\n",
         "encoder: identity has no counterpart"},
        {"frontend: kaldi_fbank\nfrontend_conf: {preset: 3dspeaker}\nencoder: campplus\npooling: tstp\n"
         "projector: linear\nprojector_conf: {output_size: 6, bias: false, output_bn: plain}\n",
         "frontend_conf.window_type: is povey"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spk_yaml *config = NULL;
        spk_tensors ours = {0}, theirs = {0};
        spk_net *net = open_net(bad[i].config, false);
        good(spk_params_save(spk_net_params(net), &ours));
        assert_int_equal(spk_to_wespeaker(net, &ours, &config, &theirs), SPK_E_UNSUPPORTED);
        if (!strstr(spk_errmsg(), bad[i].message)) print_error("%s\n", spk_errmsg());
        assert_non_null(strstr(spk_errmsg(), bad[i].message));
        assert_null(config);
        assert_int_equal(theirs.n, 0);
        spk_tensors_clear(&ours);
        spk_net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wespeakers_models_compute_their_figures),
                                       cmocka_unit_test(speechbrains_ecapa_computes_its_figures),
                                       cmocka_unit_test(names_are_renamed_by_patterns),
                                       cmocka_unit_test(what_wespeaker_lacks_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
