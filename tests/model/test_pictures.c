/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residual networks: check figures of ESPnet 202611 and, for those with SimAM, of WeSpeaker; the sizes that the
 * specification lists (or WeSpeaker's networks have), what is refused, and that an embedding does not depend on what
 * else is in its batch.
 */
#include "model/net_impl.h"
#include "parts.h"

static const part_case cases[] = {
    {SPK_ENCODER,
     "resnet",
     "{m_channels: 4}",
     "encoder.",
     4,
     37,
     16,
     {3.12743742e+3, 2.10558888e+4, 0, 5.80487728e-2, 5.04237916e+0, 1.06411713e+3, 2.19326547e+3, 1.84979191e+0,
      1.50784256e+3}},
    {SPK_ENCODER,
     "resnet",
     "{m_channels: 4, resnet_type: resnet50}",
     "encoder.",
     4,
     37,
     16,
     {7.09751716e+5, 2.31190642e+8, 1.13171111e+2, 1.65827655e+1, 4.71581192e+2, 5.26885775e+3, 1.23045377e+4,
      1.35304810e+1, 5.32057654e+4}},
    {SPK_ENCODER, /* the same by its blocks */
     "resnet",
     "{m_channels: 4, block: Bottleneck, num_blocks: [3, 4, 6, 3]}",
     "encoder.",
     4,
     37,
     16,
     {7.09751716e+5, 2.31190642e+8, 1.13171111e+2, 1.65827655e+1, 4.71581192e+2, 5.26885775e+3, 1.23045377e+4,
      1.35304810e+1, 5.32057654e+4}},
    {SPK_ENCODER,
     "simam_resnet",
     "{in_planes: 4}",
     "encoder.",
     4,
     37,
     16,
     {1.28855761e+4, 2.88526901e+5, 0, 0, 6.35306366e+0, 1.0254871e+3, 1.95105633e+3, 5.07226773e+1, 2.41500444e+3}},
    {SPK_POOLING,
     "asp",
     NULL,
     "pooling.",
     3,
     11,
     6,
     {9.80213206e+0, 6.47555307e+0, -2.74350384e-1, 6.07567958e-1, 6.17895310e-1, 8.86667658e+0, 6.85070268e+0,
      -6.43577641e+0, 1.54203628e+1}},
};

static void networks_compute_what_theirs_compute(void **state)
{
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases);
}

/* ---- sizes ---- */

typedef struct sizes {
    const char *name, *conf;
    int64_t entries, parameters, output_size;
} sizes;

/* A part of 80 features: its names, trainable numbers and width. */
static void assert_sizes(const sizes *want)
{
    spk_yaml *yaml = NULL;
    const spk_part *part = spk_part_find(SPK_ENCODER, want->name);
    assert_non_null(part);
    assert_int_equal(spk_yaml_parse(want->conf, strlen(want->conf), "test", &yaml), SPK_OK);
    void *conf = spk_new(part->conf_bytes);
    assert_int_equal(spk_opts_read(part->options, part->n_options, yaml, "conf", conf), SPK_OK);
    int64_t size = 0;
    const spk_part_in in = {.input_size = 80, .sample_rate = 16000};
    assert_int_equal(part->check(conf, &in, &size), SPK_OK);
    spk_params *params = spk_params_new(SPK_F32);
    spk_graph *g = spk_graph_new();
    spk_build b = {.g = g, .params = params, .train = true};
    const spk_tensor *y = part->build(&b, conf, spk_g_input(g, SPK_F32, 2, 9, 80));
    int64_t trainable = 0;
    for (int64_t i = 0; i < spk_params_n(params); i++)
        trainable += spk_params_at(params, i)->trainable ? spk_params_at(params, i)->count : 0;
    if (spk_params_n(params) != want->entries || trainable != want->parameters)
        fail_msg("%s %s: %lld entries, %lld parameters", want->name, want->conf, (long long)spk_params_n(params),
                 (long long)trainable);
    assert_int_equal(size, want->output_size);
    assert_int_equal(y->c, want->output_size);
    assert_int_equal(y->w, 2);
    spk_graph_free(g);
    spk_params_free(params);
    spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
    spk_yaml_free(yaml);
}

static void networks_have_the_listed_sizes(void **state)
{
    static const sizes list[] = {
        {"resnet", "{}", 120, 2794464, 2560},
        {"resnet", "{resnet_type: resnet18}", 120, 2794464, 2560},
        {"resnet", "{resnet_type: resnet34}", 216, 5323360, 2560},
        {"resnet", "{resnet_type: resnet50}", 318, 5888224, 10240},
        {"resnet", "{resnet_type: resnet101}", 624, 10649312, 10240},
        {"resnet", "{resnet_type: resnet152}", 930, 14571744, 10240},
        {"resnet", "{resnet_type: resnet221}", 1344, 18549088, 10240},
        {"resnet", "{resnet_type: resnet293}", 1776, 23382880, 10240},
        {"resnet", "{num_blocks: [3, 4, 6, 3], flatten: channel_major}", 216, 5323360, 2560},
        /* resnet34 of 64 channels: SimAM has no parameters */
        {"simam_resnet", "{}", 216, 21275840, 5120},
        {"simam_resnet", "{in_planes: 32}", 216, 5323360, 2560},
        {"simam_resnet", "{resnet_type: simam_resnet100}", 612, 46294976, 5120},
    };
    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_sizes(&list[i]);
}

/* ---- what is refused ---- */

static void contradictions_are_refused(void **state)
{
    static const struct {
        const char *conf;
        int64_t input_size;
        spk_status status;
    } list[] = {
        {"{}", 80, SPK_OK},
        {"{}", 81, SPK_E_CONFIG},
        {"{}", 84, SPK_E_CONFIG},
        {"{num_blocks: [1, 2, 3]}", 80, SPK_E_CONFIG},
        {"{resnet_type: resnet34, num_blocks: [2, 2, 2, 2], block: BasicBlock}", 80, SPK_OK}, /* ESPnet's defaults */
        {"{resnet_type: resnet34, num_blocks: [3, 4, 6, 3]}", 80, SPK_OK},
        {"{resnet_type: resnet34, num_blocks: [3, 4, 6, 4]}", 80, SPK_E_CONFIG},
        {"{resnet_type: resnet34, block: Bottleneck}", 80, SPK_E_CONFIG},
    };
    (void)state;
    const spk_part *part = spk_part_find(SPK_ENCODER, "resnet");
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        spk_yaml *yaml = NULL;
        int64_t size;
        const spk_part_in in = {.input_size = list[i].input_size, .sample_rate = 16000};
        void *conf = spk_new(part->conf_bytes);
        assert_int_equal(spk_yaml_parse(list[i].conf, strlen(list[i].conf), "test", &yaml), SPK_OK);
        assert_int_equal(spk_opts_read(part->options, part->n_options, yaml, "conf", conf), SPK_OK);
        assert_int_equal(part->check(conf, &in, &size), list[i].status);
        spk_opts_clear(part->options, part->n_options, conf);
        spk_free(conf);
        spk_yaml_free(yaml);
    }
}

/* ---- lengths ---- */

/* Utterances alone and together, padded with noise. */
static void assert_own_embeddings(const char *text)
{
    enum { N = 4, FRAMES = 41, BINS = 16, SIZE = 6 };
    const int64_t lengths[N] = {FRAMES, 17, 8, 33};
    spk_config c;
    spk_net *net;
    const spk_net_options o = {.n_threads = 2, .embed_only = true};
    assert_int_equal(spk_config_parse(text, strlen(text), "test.yaml", &c), SPK_OK);
    if (spk_net_new(&c, &o, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    fill_params(spk_net_params(net), "");
    float x[N * FRAMES * BINS], together[N * SIZE], alone[SIZE];
    fill f = fill_begin("input");
    for (int i = 0; i < N * FRAMES * BINS; i++)
        x[i] = (float)fill_next(&f);
    assert_int_equal(spk_net_embed(net, x, lengths, N, FRAMES, together), SPK_OK);
    for (int i = 0; i < N; i++) {
        assert_int_equal(spk_net_embed(net, x + i * FRAMES * BINS, &lengths[i], 1, lengths[i], alone), SPK_OK);
        double most = 0, off = 0;
        for (int e = 0; e < SIZE; e++) {
            most = fmax(most, fabs((double)alone[e]));
            off = fmax(off, fabs((double)alone[e] - (double)together[i * SIZE + e]));
        }
        if (!(off <= 1e-5 * most)) fail_msg("utterance %d: off by %g of %g\n%s", i, off, most, text);
    }
    spk_net_free(net);
    spk_config_clear(&c);
}

static void an_embedding_is_its_own(void **state)
{
    (void)state;
    assert_own_embeddings("input_size: 16\nencoder: resnet\nencoder_conf: {m_channels: 4}\npooling: stats\n"
                          "projector: rawnet3\nprojector_conf: {output_size: 6}\n");
    assert_own_embeddings("input_size: 16\nencoder: resnet\nencoder_conf: {m_channels: 4, resnet_type: resnet50}\n"
                          "pooling: chn_attn_stat\nprojector: rawnet3\nprojector_conf: {output_size: 6}\n");
    assert_own_embeddings("input_size: 16\nencoder: simam_resnet\nencoder_conf: {in_planes: 4}\npooling: asp\n"
                          "projector: linear\nprojector_conf: {output_size: 6}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_compute_what_theirs_compute),
        cmocka_unit_test(networks_have_the_listed_sizes),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(an_embedding_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
