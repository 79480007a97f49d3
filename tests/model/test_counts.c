/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter counts of parts and of complete systems, as ESPnet 202611 and WeSpeaker have them (specification 1.4, 4, W).
 * Nothing is drawn or computed: building a graph declares the parameters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/build_impl.h"

enum { SPEAKERS = 1211 };

/* Parts in the order of the data, their options, and what they must hold; a part without a name is none. */
typedef struct named_part {
    const char *name, *conf;
    int64_t parameters;
} named_part;

typedef struct system_row {
    const char *name;
    int64_t input_size; /* without a frontend */
    named_part part[SPK_N_PARTS];
    int64_t total;
} system_row;

#define MELSPEC [SPK_FRONTEND] = {"melspec_torch", NULL, 0}
#define ATTENTION [SPK_POOLING] = {"chn_attn_stat", NULL, 788352}
#define AAM [SPK_LOSS] = {"aamsoftmax", NULL, 232512}

static const system_row systems[] = {
    {"ecapa_tdnn",
     0,
     {MELSPEC, [SPK_ENCODER] = {"ecapa_tdnn", NULL, 13273600},
      ATTENTION, [SPK_PROJECTOR] = {"rawnet3", "{output_size: 192}", 596160}, AAM},
     14890624},
    {"rawnet3",
     0,
     {[SPK_FRONTEND] = {"asteroid_frontend", NULL, 258},
      [SPK_ENCODER] = {"rawnet3", NULL, 14697856},
      ATTENTION,
      [SPK_PROJECTOR] = {"rawnet3", "{output_size: 192}", 596160},
      AAM},
     16315138},
    {"mfaconformer",
     0,
     {MELSPEC, [SPK_ENCODER] = {"mfaconformer", NULL, 12550144},
      ATTENTION, [SPK_PROJECTOR] = {"rawnet3", "{output_size: 192}", 596160}, AAM},
     14167168},
    {"ska_tdnn",
     0,
     {MELSPEC, [SPK_ENCODER] = {"ska_tdnn", NULL, 34427968},
      ATTENTION, [SPK_PROJECTOR] = {"ska_tdnn", "{output_size: 192}", 596544}, AAM},
     36045376},
    {"xvector",
     0,
     {MELSPEC, [SPK_ENCODER] = {"xvector", NULL, 2818452}, [SPK_POOLING] = {"stats", NULL, 0},
      [SPK_PROJECTOR] = {"xvector", "{output_size: 512}", 1799168}, [SPK_LOSS] = {"softmax", NULL, 620032}},
     5237652},
    {"resnet34",
     0,
     {MELSPEC, [SPK_ENCODER] = {"resnet", "{resnet_type: resnet34}", 5323360}, [SPK_POOLING] = {"stats", NULL, 0},
      [SPK_PROJECTOR] = {"rawnet3", "{output_size: 256}", 1321216}, [SPK_LOSS] = {"aamsoftmax_sc_topk", NULL, 930048}},
     7574624},
};

#define PREVIOUS "block_input: previous, se_norm: false"
#define ASTP(conf, parameters) [SPK_POOLING] = {"astp", conf, parameters}
#define TSTP [SPK_POOLING] = {"tstp", NULL, 0}
#define LINEAR(conf, parameters) [SPK_PROJECTOR] = {"linear", conf, parameters}

/* WeSpeaker's models, of 80 features. */
static const system_row wespeaker[] = {
    {"ECAPA c512, 192",
     80,
     {[SPK_ENCODER] = {"ecapa_tdnn", "{ndim: 512, " PREVIOUS "}", 4806464},
      ASTP(NULL, 394880),
      LINEAR("{output_size: 192, input_bn: true}", 596160)},
     5797504},
    {"ECAPA GLOB c1024, 512",
     80,
     {[SPK_ENCODER] = {"ecapa_tdnn", "{" PREVIOUS "}", 13272832},
      ASTP("{global_context_att: true}", 788096),
      LINEAR("{output_size: 512, input_bn: true}", 1579520)},
     15640448},
    {"ResNet34, 256",
     80,
     {[SPK_ENCODER] = {"resnet", "{resnet_type: resnet34}", 5323360}, TSTP, LINEAR("{output_size: 256}", 1310976)},
     6634336},
    {"ResNet34, 512, two layers",
     80,
     {[SPK_ENCODER] = {"resnet", "{resnet_type: resnet34}", 5323360},
      TSTP,
      [SPK_PROJECTOR] = {"two_layer", "{output_size: 512}", 2884608}},
     8207968},
    {"XVEC, 512",
     80,
     {[SPK_ENCODER] = {"xvector", "{affine: false, paddings: [0, 0, 0, 0, 0]}", 2811356},
      TSTP,
      [SPK_PROJECTOR] = {"two_layer", "{output_size: 512}", 1799168}},
     4610524},
    {"CAM++, 192",
     80,
     {[SPK_ENCODER] = {"campplus", NULL, 6651936},
      TSTP,
      LINEAR("{output_size: 192, bias: false, output_bn: plain}", 196608)},
     6848544},
    {"CAM++, 256",
     80,
     {[SPK_ENCODER] = {"campplus", NULL, 6651936},
      TSTP,
      LINEAR("{output_size: 256, bias: false, output_bn: plain}", 262144)},
     6914080},
    {"CAM++, 512",
     80,
     {[SPK_ENCODER] = {"campplus", NULL, 6651936},
      TSTP,
      LINEAR("{output_size: 512, bias: false, output_bn: plain}", 524288)},
     7176224},
};

/* Encoders of 80 features alone; buffers count every element, -1: not given. */
static const struct {
    const char *name, *conf;
    int64_t input_size, parameters, buffers, output_size;
} encoders[] = {
    {"ecapa_tdnn", NULL, 80, 13273600, 20511, 1536},
    {"ecapa_tdnn", "{num_blocks: 4}", 80, 17560064, -1, 1536},
    {"ecapa_tdnn", "{ndim: 512}", 80, 4807232, -1, 1536},
    {"rawnet3", NULL, 256, 14697856, 17691, 1536},
    {"ska_tdnn", NULL, 80, 34427968, 28992, 1536},
    {"xvector", NULL, 80, 2818452, 7101, 1500},
    {"resnet", NULL, 80, 2794464, -1, 2560},
    {"resnet", "{resnet_type: resnet34}", 80, 5323360, -1, 2560},
    {"resnet", "{resnet_type: resnet50}", 80, 5888224, -1, 10240},
    {"resnet", "{resnet_type: resnet101}", 80, 10649312, -1, 10240},
    {"resnet", "{resnet_type: resnet152}", 80, 14571744, -1, 10240},
    {"resnet", "{resnet_type: resnet221}", 80, 18549088, -1, 10240},
    {"resnet", "{resnet_type: resnet293}", 80, 23382880, -1, 10240},
    {"mfaconformer", NULL, 80, 12550144, 3078, 1536},
    {"mfaconformer", "{rel_pos_type: latest}", 80, 12550144, 3078, 1536},
    {"mfaconformer", "{macaron_style: true}", 80, 18858496, -1, 1536},
    {"mfaconformer", "{macaron_style: true, linear_units: 1024}", 80, 12554752, -1, 1536},
    {"mfaconformer", "{use_cnn_module: false}", 80, 11307520, -1, 1536},
    {"mfaconformer", "{input_layer: conv2d}", 80, 11370496, -1, 1536},
    {"mfaconformer", "{input_layer: conv2d1}", 80, 15106048, -1, 1536},
    {"mfaconformer", "{input_layer: conv2d6}", 80, 11960320, -1, 1536},
    {"mfaconformer", "{input_layer: conv2d8}", 80, 11305216, -1, 1536},
    {"mfaconformer", "{selfattention_layer_type: selfattn, pos_enc_layer_type: abs_pos}", 80, 12153856, -1, 1536},
    {"mfaconformer", "{selfattention_layer_type: selfattn, pos_enc_layer_type: scaled_abs_pos}", 80, 12153857, -1,
     1536},
    {"mfaconformer", "{positionwise_layer_type: conv1d}", 80, 25133056, -1, 1536},
    {"mfaconformer", "{positionwise_layer_type: conv1d-linear}", 80, 18841600, -1, 1536},
    {"campplus", NULL, 80, 6651936, -1, 512},
    {"identity", NULL, 80, 0, 0, 80},
};

/* ---- building ---- */

/* A part added to a network; returns its output, and its width in *size. */
static spk_tensor *add_part(spk_build *b, spk_part_kind kind, const named_part *row, spk_tensor *x, int64_t *size)
{
    const spk_part *part = spk_part_find(kind, row->name);
    spk_yaml *yaml = NULL;
    if (!part) fail_msg("%s %s is not there", spk_part_kind_name(kind), row->name);
    if (row->conf) assert_int_equal(spk_yaml_parse(row->conf, strlen(row->conf), "test", &yaml), SPK_OK);
    void *conf = spk_new(part->conf_bytes + 1);
    if (spk_opts_read(part->options, part->n_options, yaml, "conf", conf) != SPK_OK) fail_msg("%s", spk_errmsg());
    const spk_part_in in = {.input_size = *size, .sample_rate = 16000, .n_classes = SPEAKERS, .like_202611 = true};
    if (part->check && part->check(conf, &in, size) != SPK_OK) fail_msg("%s", spk_errmsg());
    if (kind == SPK_LOSS)
        x = part->build_loss(b, conf, x, spk_g_input(b->g, SPK_I64, x->n, 1, 1), SPEAKERS);
    else
        x = part->build(b, conf, x);
    assert_true(kind == SPK_LOSS || x->c == *size);
    if (part->n_options) spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
    spk_yaml_free(yaml);
    return x;
}

static int64_t elements(const spk_params *params, const char *prefix, bool trainable)
{
    int64_t n = 0;
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        if (p->trainable == trainable && spk_starts_with(p->name, prefix)) n += p->count;
    }
    return n;
}

static void check_system(const system_row *s)
{
    int64_t size = s->input_size ? s->input_size : 1;
    spk_build b = {.g = spk_graph_new(), .params = spk_params_new(SPK_F32), .train = true, .sample_rate = 16000};
    spk_tensor *x = spk_g_input(b.g, SPK_F32, 2, s->input_size ? 100 : 16000, size);
    for (int i = 0; i < SPK_N_PARTS; i++) {
        if (!s->part[i].name) continue;
        x = add_part(&b, (spk_part_kind)i, &s->part[i], x, &size);
        if (i == SPK_FRONTEND) {
            b.frontend_frames = x->w;
            b.frontend_len = x->len;
        }
        char *prefix = spk_strf("%s.", spk_part_kind_name((spk_part_kind)i));
        const int64_t n = elements(b.params, prefix, true);
        spk_free(prefix);
        if (n != s->part[i].parameters)
            fail_msg("%s: %s has %lld parameters, should have %lld", s->name, s->part[i].name, (long long)n,
                     (long long)s->part[i].parameters);
    }
    assert_int_equal(elements(b.params, "", true), s->total);
    spk_graph_free(b.g);
    spk_params_free(b.params);
}

static void systems_have_espnets_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        check_system(&systems[i]);
}

static void systems_have_wespeakers_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wespeaker / sizeof *wespeaker; i++)
        check_system(&wespeaker[i]);
}

static void encoders_have_espnets_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        int64_t size = encoders[i].input_size;
        const named_part row = {encoders[i].name, encoders[i].conf, 0};
        spk_build b = {.g = spk_graph_new(), .params = spk_params_new(SPK_F32), .train = true, .sample_rate = 16000};
        add_part(&b, SPK_ENCODER, &row, spk_g_input(b.g, SPK_F32, 2, 100, size), &size);
        const int64_t n = elements(b.params, "encoder.", true), buffers = elements(b.params, "encoder.", false);
        if (n != encoders[i].parameters || (encoders[i].buffers >= 0 && buffers != encoders[i].buffers))
            fail_msg("%s %s has %lld parameters and %lld elements of buffers, should have %lld and %lld", row.name,
                     row.conf ? row.conf : "", (long long)n, (long long)buffers, (long long)encoders[i].parameters,
                     (long long)encoders[i].buffers);
        assert_int_equal(size, encoders[i].output_size);
        spk_graph_free(b.g);
        spk_params_free(b.params);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(encoders_have_espnets_counts),
                                       cmocka_unit_test(systems_have_wespeakers_counts),
                                       cmocka_unit_test(systems_have_espnets_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
