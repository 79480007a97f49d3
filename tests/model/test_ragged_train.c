/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training step on utterances of different lengths: its loss, all its gradients and all running statistics are those of
 * the utterances themselves. They do not change with what lies behind an utterance's end nor with how much room there is,
 * for every encoder, pooling and frontend; with equal lengths they are those of a batch without room; and the loss of an
 * utterance is the same whatever room its batch has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config/config_impl.h"
#include "fill.h"
#include "model/net_impl.h"

enum { BINS = 16, ITEMS = 4, ROOM = 272, MORE_ROOM = 320, WAVE = 9000, MORE_WAVE = 9728 };
static const int64_t frames[ITEMS] = {260, 203, 41, 24}, equal[ITEMS] = {203, 203, 203, 203};
static const int64_t samples[ITEMS] = {9000, 7777, 5023, 3600};
static const int64_t labels[ITEMS] = {0, 1, 2, 1};

static const char *const encoders[] = {
    "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}",
    "encoder: rawnet3\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}",
    "encoder: ska_tdnn\nencoder_conf: {ndim: 16, output_size: 12, ska_dim: 4, model_scale: 4}",
    "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}",
    "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 12, padding: same}",
    "encoder: resnet\nencoder_conf: {m_channels: 4}",
    "encoder: resnet\nencoder_conf: {m_channels: 2, resnet_type: resnet50, flatten: channel_major}",
    "encoder: simam_resnet\nencoder_conf: {in_planes: 4, num_blocks: [1, 1, 1, 1]}",
    "encoder: campplus\nencoder_conf: {growth_rate: 4, bn_size: 2, init_channels: 8, num_layers: [2, 2, 2]}",
    "encoder: identity",
    "encoder: speechbrain_ecapa\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4, se_channels: 8}",
#define MFA                                                                                                            \
    "output_size: 16, attention_heads: 2, linear_units: 24, num_blocks: 2, cnn_module_kernel: 7, dropout_rate: 0, "    \
    "positional_dropout_rate: 0, attention_dropout_rate: 0"
    "encoder: mfaconformer\nencoder_conf: {" MFA "}",
    "encoder: mfaconformer\nencoder_conf: {" MFA ", rel_pos_type: legacy}",
    "encoder: mfaconformer\nencoder_conf: {" MFA ", input_layer: conv2d, macaron_style: true, "
    "positionwise_layer_type: conv1d}",
    "encoder: mfaconformer\nencoder_conf: {" MFA ", pos_enc_layer_type: abs_pos, selfattention_layer_type: selfattn}",
};

static const char *const poolings[] = {"chn_attn_stat", "mean",
                                       "stats",         "tstp",
                                       "asp",           "speechbrain_asp",
                                       "astp",          "astp\npooling_conf: {global_context_att: true}"};

static const char *const frontends[] = {
    "frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}",
    "frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true}\nnormalize: utterance_mvn",
    "frontend: kaldi_fbank\nfrontend_conf: {preset: wespeaker}",
    "frontend: asteroid_frontend\nfrontend_conf: {sinc_filters: 16, sinc_stride: 10}",
};

/* What a step leaves: the loss, gradients, the state behind it. */
typedef struct step {
    double loss;
    int64_t n;
    float *gradient;
    spk_tensors state;
} step;

static void step_clear(step *s)
{
    spk_free(s->gradient);
    spk_tensors_clear(&s->state);
}

/* One step of a new network on the first lengths[i] of each item, with `behind` behind them up to `room`. */
static step take_step(const char *text, const float *x, int64_t apart, const int64_t *lengths, int64_t room,
                      int64_t width, float behind)
{
    spk_config c;
    spk_net *net = NULL;
    spk_train_stats stats;
    step out = {0};
    float *parameters, *gradients, *padded = spk_new((size_t)(ITEMS * room * width) * sizeof *padded);
    const spk_net_options o = {.n_threads = 2};
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s\n%s", text, spk_errmsg());
    spk_config_clear(&c);
    fill_params(spk_net_params(net), "");
    spk_model *m = spk_net_model(net);
    m->parameters_changed(m->self);
    for (int64_t i = 0; i < ITEMS; i++)
        for (int64_t k = 0; k < room * width; k++)
            padded[i * room * width + k] = k < lengths[i] * width ? x[i * apart * width + k] : behind;
    m->zero_grad(m->self);
    m->set_lengths(m->self, lengths, ITEMS);
    if (m->forward_backward(m->self, padded, labels, ITEMS, room, 1, &stats) != SPK_OK)
        fail_msg("%s\n%s", text, spk_errmsg());
    out.loss = stats.loss;
    m->blocks(m->self, &parameters, &gradients, &out.n);
    out.gradient = spk_new((size_t)out.n * sizeof *out.gradient);
    memcpy(out.gradient, gradients, (size_t)out.n * sizeof *out.gradient);
    assert_int_equal(m->save_state(m->self, &out.state), SPK_OK);
    spk_free(padded);
    spk_net_free(net);
    return out;
}

static bool near(double a, double b, double largest)
{
    return fabs(a - b) <= 2e-4 * largest;
}

static void same_statistics(const char *text, const char *what, const step *a, const step *b)
{
    int n = 0;
    for (int64_t i = 0; i < a->state.n; i++) {
        const spk_ndarray *p = &a->state.item[i].a, *q = &b->state.item[i].a;
        const char *name = a->state.item[i].name;
        if (!spk_ends_with(name, "running_mean") && !spk_ends_with(name, "running_var")) continue;
        n++;
        for (int64_t k = 0; k < spk_ndarray_count(p); k++)
            if (!near((double)((float *)p->data)[k], (double)((float *)q->data)[k], 1))
                fail_msg("%s\n%s: %s[%lld] is %.7g and %.7g", text, what, name, (long long)k,
                         (double)((float *)p->data)[k], (double)((float *)q->data)[k]);
    }
    assert_true(n > 0);
}

static void same_step(const char *text, const char *what, const step *a, const step *b)
{
    double largest = 0;
    assert_true(isfinite(a->loss) && isfinite(b->loss));
    if (!near(a->loss, b->loss, a->loss)) fail_msg("%s\n%s: the loss is %.9g and %.9g", text, what, a->loss, b->loss);
    assert_int_equal(a->n, b->n);
    for (int64_t i = 0; i < a->n; i++)
        largest = fmax(largest, fabs((double)a->gradient[i]));
    assert_true(largest > 0);
    for (int64_t i = 0; i < a->n; i++)
        if (!near((double)a->gradient[i], (double)b->gradient[i], largest))
            fail_msg("%s\n%s: gradient %lld is %.7g and %.7g, largest %.3g", text, what, (long long)i,
                     (double)a->gradient[i], (double)b->gradient[i], largest);
    same_statistics(text, what, a, b);
}

/* Neither what is behind nor how much counts. */
static void check(const char *text, const float *x, int64_t apart, const int64_t *lengths, int64_t room, int64_t more,
                  int64_t width)
{
    step quiet = take_step(text, x, apart, lengths, room, width, 0);
    step loud = take_step(text, x, apart, lengths, room, width, 50);
    step roomy = take_step(text, x, apart, lengths, more, width, 0);
    same_step(text, "other values behind the end", &quiet, &loud);
    same_step(text, "more room behind the end", &quiet, &roomy);
    step_clear(&quiet);
    step_clear(&loud);
    step_clear(&roomy);
}

static float *make_values(int64_t n)
{
    double *v = fill_input("input", n);
    float *x = spk_new((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)v[i];
    spk_free(v);
    return x;
}

static char *network(const char *encoder, const char *pooling)
{
    return spk_strf("input_size: %d\n%s\npooling: %s\nprojector: rawnet3\nprojector_conf: {output_size: 6}\n"
                    "loss: aamsoftmax\nspk_num: 3\n",
                    BINS, encoder, pooling);
}

static void encoders_train_on_what_is_theirs(void **state)
{
    float *x = make_values(ITEMS * ROOM * BINS);
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        char *text = network(encoders[i], "chn_attn_stat");
        check(text, x, ROOM, frames, ROOM, MORE_ROOM, BINS);
        spk_free(text);
    }
    spk_free(x);
}

static void poolings_train_on_what_is_theirs(void **state)
{
    float *x = make_values(ITEMS * ROOM * BINS);
    (void)state;
    for (size_t i = 0; i < sizeof poolings / sizeof *poolings; i++) {
        char *text = network(i % 2 ? "encoder: resnet\nencoder_conf: {m_channels: 2}" : encoders[3], poolings[i]);
        check(text, x, ROOM, frames, ROOM, MORE_ROOM, BINS);
        spk_free(text);
    }
    spk_free(x);
}

static void frontends_train_on_what_is_theirs(void **state)
{
    float *x = make_values(ITEMS * MORE_WAVE);
    (void)state;
    for (size_t i = 0; i < sizeof frontends / sizeof *frontends; i++) {
        char *text = spk_strf("%s\n%s\npooling: stats\nprojector: rawnet3\nprojector_conf: {output_size: 6}\n"
                              "loss: softmax\nspk_num: 3\n",
                              frontends[i], encoders[i % 2 ? 0 : 3]);
        check(text, x, MORE_WAVE, samples, WAVE, MORE_WAVE, 1);
        spk_free(text);
    }
    spk_free(x);
}

/* The plan without lengths is the measure. */
static void equal_lengths_are_as_without_room(void **state)
{
    float *x = make_values(ITEMS * ROOM * BINS);
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        char *text = network(encoders[i], "chn_attn_stat");
        step even = take_step(text, x, ROOM, equal, equal[0], BINS, 0),
             room = take_step(text, x, ROOM, equal, ROOM, BINS, 7);
        same_step(text, "room behind equal lengths", &even, &room);
        step_clear(&even);
        step_clear(&room);
        spk_free(text);
    }
    spk_free(x);
}

/* Masks over time fall on what is there. */
static void masking_keeps_to_the_utterance(void **state)
{
    float *x = make_values(ITEMS * ROOM * BINS);
    char *net = network(encoders[0], "chn_attn_stat");
    char *text = spk_strf("%sspecaug: specaug\nspecaug_conf: {apply_time_warp: false, apply_freq_mask: true, "
                          "freq_mask_width_range: [0, 4], num_freq_mask: 1, apply_time_mask: true, "
                          "time_mask_width_range: [0, 9], num_time_mask: 2}\n",
                          net);
    (void)state;
    check(text, x, ROOM, frames, ROOM, MORE_ROOM, BINS);
    spk_free(text);
    spk_free(net);
    spk_free(x);
}

static void wrong_lengths_are_refused(void **state)
{
    static const char text[] =
        "input_size: 4\nencoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}\npooling: stats\n"
        "projector: rawnet3\nprojector_conf: {output_size: 6}\nloss: softmax\nspk_num: 3\n";
    const int64_t longer[2] = {40, 30}, few[2] = {15, 14};
    float x[2 * 40 * 4] = {0};
    spk_config c;
    spk_net *net = NULL;
    spk_train_stats stats;
    (void)state;
    assert_int_equal(spk_config_parse(text, strlen(text), "test.yaml", &c), SPK_OK);
    assert_int_equal(spk_net_new(&c, NULL, &net), SPK_OK);
    spk_config_clear(&c);
    spk_model *m = spk_net_model(net);
    m->set_lengths(m->self, longer, 2);
    assert_int_equal(m->forward_backward(m->self, x, labels, 2, 35, 1, &stats), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "item 0 has 40 samples in a batch of 35"));
    m->set_lengths(m->self, few, 2);
    assert_int_equal(m->forward_backward(m->self, x, labels, 2, 15, 1, &stats), SPK_E_VALUE);
    assert_int_equal(m->forward_backward(m->self, x, labels, 2, 40, 1, &stats), SPK_OK); /* lengths are of one call */
    spk_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_train_on_what_is_theirs),  cmocka_unit_test(poolings_train_on_what_is_theirs),
        cmocka_unit_test(frontends_train_on_what_is_theirs), cmocka_unit_test(equal_lengths_are_as_without_room),
        cmocka_unit_test(masking_keeps_to_the_utterance),    cmocka_unit_test(wrong_lengths_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
