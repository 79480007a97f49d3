/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training step holds: the arena of small networks, counted in activations of their widest common layer. The bounds
 * stand between what is held now and what was held when every value that the backward pass reads was kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "model/net_impl.h"

enum { BATCH = 8, SAMPLES = 16000, FRAMES = 101 };

#define REST                                                                                                           \
    "projector: rawnet3\nprojector_conf: {output_size: 32}\nloss: aamsoftmax\nloss_conf: {margin: 0.3, scale: 30}\n"   \
    "spk_num: 20\nfrontend: melspec_torch\n"                                                                           \
    "frontend_conf: {preemp: true, n_fft: 512, log: true, win_length: 400, hop_length: 160, n_mels: 80}\n"

/* The arena of a training step over one activation of rows x channels. */
static double arena(const char *text, int64_t rows, int64_t channels)
{
    spk_config c;
    spk_net *net = NULL;
    spk_net_plan *plan;
    const spk_net_options o = {.n_threads = 2};
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_int_equal(spk_config_check(&c, SPK_CONFIG_MODEL, NULL), SPK_OK);
    if (spk_net_new(&c, &o, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    assert_int_equal(spk_net_plan_for(net, SPK_NET_TRAIN, BATCH, SAMPLES, SPK_NET_EVEN, &plan), SPK_OK);
    const double bytes = (double)spk_net_arena_bytes(net);
    spk_net_free(net);
    return bytes / ((double)(BATCH * rows * channels) * sizeof(float));
}

static void ecapa_tdnn_holds_little(void **state)
{
    (void)state;
    const double held = arena("encoder: ecapa_tdnn\nencoder_conf: {model_scale: 8, ndim: 256, output_size: 384}\n"
                              "pooling: chn_attn_stat\n" REST,
                              FRAMES, 256);
    print_message("ECAPA-TDNN: %.1f activations\n", held);
    assert_true(held < 26);
}

static void a_residual_network_holds_little(void **state)
{
    (void)state;
    const double held = arena("encoder: resnet\nencoder_conf: {resnet_type: resnet34, m_channels: 16}\n"
                              "pooling: stats\n" REST,
                              FRAMES * 80, 16);
    print_message("ResNet-34: %.1f activations\n", held);
    assert_true(held < 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ecapa_tdnn_holds_little),
                                       cmocka_unit_test(a_residual_network_holds_little)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
