/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An embedding does not depend on what else is in its batch: utterances of different lengths, embedded together and
 * alone, agree to 1e-5 of the largest value, with every encoder, frontend and pooling. Behind an utterance's end lies
 * what would show at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config/config_impl.h"
#include "fill.h"
#include "model/net_impl.h"

enum { BINS = 16, ITEMS = 4, LONGEST = 260, WAVE = 9000 };
static const int64_t frames[ITEMS] = {260, 203, 41, 24};
static const int64_t samples[ITEMS] = {9000, 7777, 5023, 3600};

/* Small ones of every encoder; several where options change how time is handled. */
static const struct {
    const char *name, *conf;
} encoders[] = {
    {"ecapa_tdnn", "{ndim: 16, output_size: 12, model_scale: 4}"},
    {"ecapa_tdnn", "{ndim: 16, output_size: 12, model_scale: 4, block_input: previous, se_norm: false}"},
    {"rawnet3", "{ndim: 16, output_size: 12, model_scale: 4}"},
    {"ska_tdnn", "{ndim: 16, output_size: 12, ska_dim: 4, model_scale: 4}"},
    {"xvector", "{ndim: 8, output_size: 12}"},
    {"xvector", "{ndim: 8, output_size: 12, padding: same}"},
    {"xvector", "{ndim: 8, output_size: 12, affine: false, paddings: [0, 0, 0, 0, 0]}"},
    {"resnet", "{m_channels: 4}"},
    {"resnet", "{m_channels: 2, resnet_type: resnet50, flatten: channel_major}"},
    {"simam_resnet", "{in_planes: 4, num_blocks: [1, 1, 1, 1]}"},
    {"campplus", "{growth_rate: 4, bn_size: 2, init_channels: 8, num_layers: [2, 2, 2]}"},
    {"identity", "{}"},
    {"speechbrain_ecapa", "{ndim: 16, output_size: 12, model_scale: 4, se_channels: 8}"},
#define MFA "output_size: 16, attention_heads: 2, linear_units: 24, num_blocks: 2, cnn_module_kernel: 7"
    {"mfaconformer", "{" MFA "}"},
    {"mfaconformer", "{" MFA ", rel_pos_type: legacy}"},
    {"mfaconformer", "{" MFA ", rel_pos_type: legacy, max_pos_emb_len: 16}"},
    {"mfaconformer", "{" MFA ", zero_triu: true}"},
    {"mfaconformer", "{" MFA ", input_layer: conv2d, macaron_style: true, positionwise_layer_type: conv1d}"},
    {"mfaconformer", "{" MFA ", input_layer: conv2d1, positionwise_layer_type: conv1d-linear}"},
    {"mfaconformer", "{" MFA ", input_layer: conv2d6, normalize_before: false}"},
    {"mfaconformer",
     "{" MFA ", input_layer: conv2d8, pos_enc_layer_type: abs_pos, selfattention_layer_type: selfattn}"},
    {"mfaconformer", "{" MFA ", pos_enc_layer_type: scaled_abs_pos, selfattention_layer_type: selfattn}"},
};

static const char *const poolings[] = {"chn_attn_stat", "mean",
                                       "stats",         "tstp",
                                       "asp",           "speechbrain_asp",
                                       "astp",          "astp\npooling_conf: {global_context_att: true}"};

static const char *const frontends[] = {
    "melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}",
    "melspec_torch\nfrontend_conf: {n_mels: 16, log: true}\nnormalize: utterance_mvn",
    "default\nfrontend_conf: {n_mels: 16}",
    "kaldi_fbank\nfrontend_conf: {preset: wespeaker}",
    "mfcc",
    "speechbrain_fbank",
    "asteroid_frontend\nfrontend_conf: {sinc_filters: 16, sinc_stride: 10}",
};

/* ---- networks ---- */

static spk_net *open_net(const char *text)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1, .embed_only = true};
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s\n%s", text, spk_errmsg());
    spk_config_clear(&c);
    fill_params(spk_net_params(net), "");
    return net;
}

/* Each of the items alone, and all together with `behind` after their ends. */
static void check(const char *text, const float *x, const int64_t *lengths, int64_t longest, int64_t width,
                  float behind)
{
    spk_net *net = open_net(text);
    const int64_t size = spk_net_model(net)->embedding_size;
    float *padded = spk_new((size_t)(ITEMS * longest * width) * sizeof *padded);
    float *alone = spk_new((size_t)(ITEMS * size) * sizeof *alone);
    float *together = spk_new((size_t)(ITEMS * size) * sizeof *together);
    for (int64_t i = 0; i < ITEMS; i++) {
        const float *item = x + i * longest * width;
        for (int64_t k = 0; k < longest * width; k++)
            padded[i * longest * width + k] = k < lengths[i] * width ? item[k] : behind;
        if (spk_net_embed(net, item, NULL, 1, lengths[i], alone + i * size) != SPK_OK)
            fail_msg("%s\n%s", text, spk_errmsg());
    }
    if (spk_net_embed(net, padded, lengths, ITEMS, longest, together) != SPK_OK) fail_msg("%s\n%s", text, spk_errmsg());
    for (int64_t i = 0; i < ITEMS; i++) {
        double largest = 0;
        for (int64_t k = i * size; k < (i + 1) * size; k++)
            largest = fmax(largest, fabs((double)alone[k]));
        assert_true(largest > 0);
        for (int64_t k = i * size; k < (i + 1) * size; k++)
            if (!(fabs((double)together[k] - (double)alone[k]) <= 1e-5 * largest))
                fail_msg("%s\nitem %lld: %.9g together, %.9g alone, largest %.3g", text, (long long)i,
                         (double)together[k], (double)alone[k], largest);
    }
    spk_free(padded);
    spk_free(alone);
    spk_free(together);
    spk_net_free(net);
}

/* ---- features ---- */

static float *make_values(int64_t n)
{
    double *v = fill_input("input", n);
    float *x = spk_new((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)v[i];
    spk_free(v);
    return x;
}

static char *network(const char *encoder, const char *conf, const char *pooling, const char *more)
{
    return spk_strf("input_size: %d\nencoder: %s\nencoder_conf: %s\npooling: %s\nprojector: rawnet3\n"
                    "projector_conf: {output_size: 6}\n%s\n",
                    BINS, encoder, conf, pooling, more);
}

static void encoders_do_not_see_their_neighbours(void **state)
{
    static const char *const lengths[] = {"pool_lengths: encoder", "pool_lengths: frontend", "pool_lengths: none"};
    float *x = make_values(ITEMS * LONGEST * BINS);
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++)
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            char *text = network(encoders[i].name, encoders[i].conf, "chn_attn_stat", lengths[k]);
            check(text, x, frames, LONGEST, BINS, k ? NAN : 1e3f);
            spk_free(text);
        }
    spk_free(x);
}

static void poolings_do_not_see_what_is_behind(void **state)
{
    float *x = make_values(ITEMS * LONGEST * BINS);
    (void)state;
    for (size_t i = 0; i < sizeof poolings / sizeof *poolings; i++)
        for (int k = 0; k < 2; k++) {
            char *text = network(k ? "resnet" : "identity", k ? "{m_channels: 2}" : "{}", poolings[i], "");
            check(text, x, frames, LONGEST, BINS, NAN);
            spk_free(text);
        }
    spk_free(x);
}

static void frontends_do_not_see_what_is_behind(void **state)
{
    float *x = make_values(ITEMS * WAVE);
    (void)state;
    for (size_t i = 0; i < sizeof frontends / sizeof *frontends; i++) {
        char *text =
            spk_strf("frontend: %s\nencoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}\npooling: stats\n"
                     "projector: rawnet3\nprojector_conf: {output_size: 6}\n",
                     frontends[i]);
        check(text, x, samples, WAVE, 1, NAN);
        spk_free(text);
    }
    spk_free(x);
}

/* What stands before the encoder, on features with anything behind them. */
static void normalisation_does_not_see_what_is_behind(void **state)
{
    static const char *const parts[] = {
        "normalize: utterance_mvn",
        "normalize: utterance_mvn\nnormalize_conf: {norm_vars: true}",
        "normalize: utterance_mvn\nnormalize_conf: {norm_means: false, norm_vars: true}",
        "normalize: global_mvn",
        "frontend: layer_weights\nfrontend_conf: {num_layers: 2, feature_size: 8}",
        "frontend: layer_weights\nfrontend_conf: {num_layers: 2, feature_size: 8, normalize: true}"};
    float *x = make_values(ITEMS * LONGEST * BINS);
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *text = network("ecapa_tdnn", "{ndim: 16, output_size: 12, model_scale: 4}", "chn_attn_stat", parts[i]);
        check(text, x, frames, LONGEST, BINS, NAN);
        spk_free(text);
    }
    spk_free(x);
}

/* A new part has a row above. */
static void every_part_is_tested(void **state)
{
    (void)state;
    for (int i = 0; i < spk__config_options.n; i++) {
        const spk_opt *o = &spk__config_options.table[i];
        const bool encoder = strcmp(o->key, "encoder") == 0;
        if (!encoder && strcmp(o->key, "pooling") != 0) continue;
        for (const char *at = o->choices; *at;) {
            const size_t n = strcspn(at, "|");
            bool found = false;
            for (size_t k = 0; k < (encoder ? sizeof encoders / sizeof *encoders : sizeof poolings / sizeof *poolings);
                 k++) {
                const char *name = encoder ? encoders[k].name : poolings[k];
                found = found || (strncmp(name, at, n) == 0 && (name[n] == 0 || name[n] == '\n'));
            }
            if (!found) fail_msg("%s %.*s has no row here", o->key, (int)n, at);
            at += n + (at[n] != 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_do_not_see_their_neighbours), cmocka_unit_test(poolings_do_not_see_what_is_behind),
        cmocka_unit_test(normalisation_does_not_see_what_is_behind),
        cmocka_unit_test(frontends_do_not_see_what_is_behind), cmocka_unit_test(every_part_is_tested)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
