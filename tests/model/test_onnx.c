/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX models of every encoder, frontend and way of pooling: that they are made, and, where SPK_ONNX_PYTHON names a
 * Python with onnxruntime and numpy, that they compute what the network does, for waves of unequal lengths in a batch
 * and alone, to 1e-4. And what sherpa-onnx cannot run is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "spk/arrays.h"
#include "spk/config.h"
#include "spk/onnx.h"

enum { N = 3, SAMPLES = 20000 };
static const int64_t LENGTHS[N] = {SAMPLES, 12345, 16160};

#define MEL                                                                                                            \
    "frontend: melspec_torch\nfrontend_conf: {log: true, n_mels: 16, n_fft: 512, win_length: 400, normalize: mn}\n"
#define TAIL "projector: rawnet3\nprojector_conf: {output_size: 8}\nloss: aamsoftmax\nspk_num: 5\n"
#define CONFORMER "{output_size: 16, attention_heads: 2, linear_units: 24, num_blocks: 2, cnn_module_kernel: 7, "

static const struct {
    const char *name, *conf;
} models[] = {
    {"ecapa", MEL "encoder: ecapa_tdnn\nencoder_conf: {ndim: 32, output_size: 24, model_scale: 4}\n"
                  "pooling: chn_attn_stat\n" TAIL},
    {"ecapa_frontend_lengths", MEL "encoder: rawnet3\nencoder_conf: {ndim: 32, output_size: 24, model_scale: 4}\n"
                                   "pooling: chn_attn_stat\npool_lengths: frontend\n" TAIL},
    {"rawnet3", "frontend: asteroid_frontend\nfrontend_conf: {sinc_filters: 16}\nencoder: rawnet3\n"
                "encoder_conf: {ndim: 32, output_size: 24, model_scale: 4}\npooling: stats\n" TAIL},
    {"ska_tdnn", "frontend: default\nfrontend_conf: {n_mels: 16}\nnormalize: utterance_mvn\nencoder: ska_tdnn\n"
                 "encoder_conf: {ndim: 32, output_size: 24, ska_dim: 8, model_scale: 4}\npooling: mean\n"
                 "projector: ska_tdnn\nprojector_conf: {output_size: 8}\nloss: softmax\nspk_num: 5\n"},
    {"xvector", MEL "encoder: xvector\nencoder_conf: {ndim: 16, output_size: 24}\npooling: stats\n"
                    "projector: xvector\nprojector_conf: {output_size: 8}\nloss: softmax\nspk_num: 5\n"},
    {"resnet", MEL "encoder: resnet\nencoder_conf: {m_channels: 4}\npooling: stats\n" TAIL},
    {"resnet_channel_major", "frontend: kaldi_fbank\nfrontend_conf: {preset: wespeaker, num_mel_bins: 16}\n"
                             "encoder: resnet\nencoder_conf: {m_channels: 4, flatten: channel_major}\n"
                             "pooling: tstp\n" TAIL},
    {"simam_resnet", "frontend: kaldi_fbank\nfrontend_conf: {preset: wespeaker, num_mel_bins: 16}\n"
                     "encoder: simam_resnet\nencoder_conf: {in_planes: 4}\npooling: astp\n" TAIL},
    {"identity", "frontend: mfcc\nfrontend_conf: {num_ceps: 12}\nencoder: identity\npooling: chn_attn_stat\n" TAIL},
    {"campplus", "frontend: kaldi_fbank\nfrontend_conf: {preset: sherpa, num_mel_bins: 16}\nencoder: campplus\n"
                 "encoder_conf: {growth_rate: 4, bn_size: 2, init_channels: 8}\npooling: tstp\n" TAIL},
    {"conformer", MEL "encoder: mfaconformer\nencoder_conf: " CONFORMER "macaron_style: true}\n"
                      "pooling: chn_attn_stat\n" TAIL},
    {"conformer_absolute",
     MEL "encoder: mfaconformer\nencoder_conf: " CONFORMER "pos_enc_layer_type: scaled_abs_pos, "
         "selfattention_layer_type: selfattn, normalize_before: false, input_layer: conv2d6}\npooling: mean\n" TAIL},
    {"conformer_triu", MEL "encoder: mfaconformer\nencoder_conf: " CONFORMER "zero_triu: true, "
                           "positionwise_layer_type: conv1d, activation_type: selu}\npooling: mean\n" TAIL},
    {"conformer_legacy", MEL "encoder: mfaconformer\nencoder_conf: " CONFORMER "rel_pos_type: legacy}\n"
                             "pooling: mean\n" TAIL},
    {"speechbrain", "frontend: speechbrain_fbank\nencoder: speechbrain_ecapa\n"
                    "encoder_conf: {ndim: 16, output_size: 24, model_scale: 4}\npooling: speechbrain_asp\n" TAIL},
    {"speechbrain_features",
     "frontend: speechbrain_fbank\nencoder: ecapa_tdnn\n"
     "encoder_conf: {ndim: 32, output_size: 24, model_scale: 4}\npooling: chn_attn_stat\n" TAIL},
};

static spk_net *open_net(const char *conf)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 2, .embed_only = true};
    spk_status status = spk_config_parse(conf, strlen(conf), "test.yaml", &c);
    assert_int_equal(status, SPK_OK);
    status = spk_net_new(&c, &o, &net);
    if (status != SPK_OK) print_error("%s\n", spk_errmsg());
    assert_int_equal(status, SPK_OK);
    spk_config_clear(&c);
    return net;
}

/* Noise and a tone; behind each length something that must not matter. */
static float *make_waves(void)
{
    float *x = spk_new(sizeof *x * N * SAMPLES);
    spk_rng rng = spk_rng_make(1, SPK_PURPOSE_TEST, 5, 0, 0);
    for (int i = 0; i < N; i++)
        for (int t = 0; t < SAMPLES; t++)
            x[i * SAMPLES + t] = t >= LENGTHS[i] ? 3 : (float)(0.05 * spk_rng_normal(&rng) + 0.1 * (t / 40 % (i + 2)));
    return x;
}

/* What the network computes, for the script that runs the ONNX model. */
static void write_expected(spk_net *net, const char *path)
{
    const int64_t size = spk_net_model(net)->embedding_size;
    float *x = make_waves(), *e = spk_new(sizeof *e * (size_t)(N * size));
    spk_npz_writer *w;
    assert_int_equal(spk_net_embed(net, x, LENGTHS, N, SAMPLES, e), SPK_OK);
    assert_int_equal(spk_npz_create(path, &w), SPK_OK);
    assert_int_equal(spk_npz_add(w, "speech", SPK_F32, 2, (int64_t[]){N, SAMPLES}, x), SPK_OK);
    assert_int_equal(spk_npz_add(w, "speech_lengths", SPK_I64, 1, (int64_t[]){N}, LENGTHS), SPK_OK);
    assert_int_equal(spk_npz_add(w, "embedding", SPK_F32, 2, (int64_t[]){N, size}, e), SPK_OK);
    assert_int_equal(spk_npz_finish(w), SPK_OK);
    spk_free(x);
    spk_free(e);
}

/* A legacy conformer's positions depend on the longest utterance, so each must come alone. */
static void run_model(const char *name, const char *model, const char *expected)
{
    const char *python = getenv("SPK_ONNX_PYTHON");
    if (!python || !*python) return;
    char *command = spk_strf("'%s' tests/model/onnx_run.py '%s' '%s' %s", python, model, expected,
                             strstr(name, "legacy") ? "alone" : "");
    const int rc = system(command);
    if (rc != 0) print_error("%s: the ONNX model computes something else\n", name);
    assert_int_equal(rc, 0);
    spk_free(command);
}

static void test_models(void **state)
{
    char folder[] = "/tmp/spk-onnx.XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    char *model = spk_path_join(folder, "m.onnx"), *expected = spk_path_join(folder, "m.npz");
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        spk_net *net = open_net(models[i].conf);
        const spk_onnx_options o = {.target = SPK_ONNX_WAVE};
        const spk_status status = spk_net_export_onnx(net, &o, model);
        if (status != SPK_OK) print_error("%s: %s\n", models[i].name, spk_errmsg());
        assert_int_equal(status, SPK_OK);
        write_expected(net, expected);
        run_model(models[i].name, model, expected);
        spk_net_free(net);
        assert_int_equal(unlink(model), 0);
        assert_int_equal(unlink(expected), 0);
    }
    assert_int_equal(rmdir(folder), 0);
    spk_free(model);
    spk_free(expected);
    if (!getenv("SPK_ONNX_PYTHON")) print_message("not run: SPK_ONNX_PYTHON names no Python with onnxruntime\n");
}

/* ---- sherpa-onnx ---- */

static void assert_refused(const char *conf, const char *text)
{
    const spk_onnx_options o = {.target = SPK_ONNX_SHERPA};
    spk_net *net = open_net(conf);
    assert_int_equal(spk_net_export_onnx(net, &o, "/nonexistent/m.onnx"), SPK_E_UNSUPPORTED);
    if (!strstr(spk_errmsg(), text)) print_error("%s\n", spk_errmsg());
    assert_non_null(strstr(spk_errmsg(), text));
    spk_net_free(net);
}

static bool holds(const char *data, size_t n, const char *word)
{
    const size_t length = strlen(word);
    for (size_t i = 0; i + length <= n; i++)
        if (memcmp(data + i, word, length) == 0) return true;
    return false;
}

#define SMALL "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 8}\npooling: tstp\n" TAIL

static void test_sherpa(void **state)
{
    char folder[] = "/tmp/spk-onnx.XXXXXX", *data;
    size_t n;
    (void)state;
    assert_refused(MEL SMALL, "frontend: melspec_torch");
    assert_refused("frontend: kaldi_fbank\nfrontend_conf: {preset: wespeaker}\n" SMALL,
                   "window_type is hamming, not povey");
    assert_refused("frontend: kaldi_fbank\nfrontend_conf: {preset: sherpa}\nnormalize: utterance_mvn\n" SMALL,
                   "normalize: utterance_mvn");
    assert_non_null(mkdtemp(folder));
    char *model = spk_path_join(folder, "m.onnx");
    spk_net *net = open_net("frontend: kaldi_fbank\nfrontend_conf: {preset: sherpa}\n" SMALL);
    const spk_onnx_options o = {.target = SPK_ONNX_SHERPA, .language = "Klingon"};
    const spk_status status = spk_net_export_onnx(net, &o, model);
    if (status != SPK_OK) print_error("%s\n", spk_errmsg());
    assert_int_equal(status, SPK_OK);
    assert_int_equal(spk_read_file(model, &data, &n), SPK_OK);
    static const char *const keys[] = {"framework", "output_dim", "normalize_samples", "Klingon"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(holds(data, n, keys[i]));
    spk_free(data);
    spk_net_free(net);
    unlink(model);
    rmdir(folder);
    spk_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_sherpa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
