/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mfaconformer against check figures of ESPnet 202611, and what those do not show: what is refused, skipped blocks,
 * dropout, the initial values, and weights under older names.
 */
#include "parts.h"

#include <unistd.h>

#include "config/config_impl.h"
#include "model/conformer_impl.h"
#include "model/net_impl.h"
#include "spk/state.h"

#define CONF "output_size: 16, attention_heads: 2, linear_units: 24, num_blocks: 3, cnn_module_kernel: 7"
#define PLAIN CONF ", dropout_rate: 0, positional_dropout_rate: 0"
#define ROW(conf, ...)                                                                                                 \
    {                                                                                                                  \
        SPK_ENCODER, "mfaconformer", "{" PLAIN ", " conf "}", "encoder.", 4, 37, 16,                                   \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static const part_case cases[] = {
    ROW("rel_pos_type: legacy", 5.69474219e+1, 3.03434257e+3, -9.68812937e-1, -3.48304070e-1, 6.91423925e-1,
        4.75359644e+1, 3.05683632e+3, 1.26449365e+0, 3.74853955e+2),
    ROW("rel_pos_type: legacy, max_pos_emb_len: 16", 5.71061795e+1, 3.03569367e+3, -9.38846533e-1, -3.53323115e-1,
        6.03190890e-1, 4.83949567e+1, 3.06188155e+3, -2.54314283e+0, 3.69785947e+2),
    ROW("rel_pos_type: latest", 5.66305422e+1, 3.03751251e+3, -9.17710340e-1, -4.32361704e-1, 6.43375982e-1,
        4.75078451e+1, 3.05800056e+3, -4.23709131e-1, 3.82142256e+2),
    ROW("rel_pos_type: latest, macaron_style: true, input_layer: conv2d", 2.64138607e+0, 1.63299387e+3, 2.32973993e-1,
        -7.72839456e-1, 1.96647455e-1, -3.36983130e+0, 1.62006396e+3, -3.23022263e+1, 6.01291472e+2),
    ROW("pos_enc_layer_type: abs_pos, selfattention_layer_type: selfattn, normalize_before: false", 3.47576865e+1,
        3.20821724e+3, -1.40269929e+0, -1.15440743e+0, 1.39338054e-3, 3.31417356e+1, 3.14794452e+3, -1.39988572e+1,
        1.68848303e+3),
    ROW("rel_pos_type: latest, positionwise_layer_type: conv1d, zero_triu: true", 4.74658353e+1, 3.12184571e+3,
        -1.10062593e+0, -7.30802609e-1, -2.72442193e-1, 4.14792722e+1, 3.08768433e+3, -2.00536353e+1, 4.12526228e+2),
};

static void parts_compute_what_espnet_computes(void **state)
{
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases);
}

/* ---- options ---- */

static const spk_part *part(void)
{
    return spk_part_find(SPK_ENCODER, "mfaconformer");
}

/* Reads and checks options; the status. */
static spk_status read_options(const char *text, bool like_202611, void **conf)
{
    spk_yaml *yaml = NULL;
    int64_t size;
    const spk_part_in in = {.input_size = 16, .sample_rate = 16000, .like_202611 = like_202611};
    assert_int_equal(spk_yaml_parse(text, strlen(text), "test", &yaml), SPK_OK);
    *conf = spk_new(part()->conf_bytes);
    spk_status status = spk_opts_read(part()->options, part()->n_options, yaml, "encoder_conf", *conf);
    spk_yaml_free(yaml);
    if (status != SPK_OK) {
        spk_free(*conf);
        return status;
    }
    status = part()->check(*conf, &in, &size);
    if (status == SPK_OK) return SPK_OK;
    spk_opts_clear(part()->options, part()->n_options, *conf);
    spk_free(*conf);
    return status;
}

static void close_options(void *conf)
{
    spk_opts_clear(part()->options, part()->n_options, conf);
    spk_free(conf);
}

static void what_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *conf, *word; /* the message has the word */
    } bad[] = {
        {"{input_layer: linear}", "input_layer"},
        {"{input_layer: embed}", "conv2d2"},
        {"{output_size: 15, attention_heads: 2}", "attention_heads"},
        {"{output_size: 15, attention_heads: 3}", "even"},
        {"{cnn_module_kernel: 30}", "odd"},
        {"{positionwise_layer_type: conv1d, positionwise_conv_kernel_size: 2}", "positionwise_conv_kernel_size"},
        {"{activation_type: gelu}", "activation_type"},
        {"{pos_enc_layer_type: abs_pos}", "selfattn"},
        {"{selfattention_layer_type: selfattn}", "abs_pos"},
        {"{rel_pos_type: latest, pos_enc_layer_type: legacy_rel_pos}", "legacy"},
        {"{rel_pos_type: latest, selfattention_layer_type: legacy_rel_selfattn}", "legacy"},
        {"{stochastic_depth_rate: 1.0}", "stochastic_depth_rate"},
        {"{stochastic_depth_rate: [0.1, 0.2]}", "num_blocks"},
        {"{stochastic_depth_rate: often}", "stochastic_depth_rate"},
    };
    void *conf;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (read_options(bad[i].conf, false, &conf) == SPK_OK) fail_msg("%s is taken", bad[i].conf);
        if (!strstr(spk_errmsg(), bad[i].word)) fail_msg("%s: %s", bad[i].conf, spk_errmsg());
    }
    assert_int_equal(read_options("{stochastic_depth_rate: 0}", false, &conf), SPK_OK);
    close_options(conf);
    assert_int_equal(read_options("{pos_enc_layer_type: legacy_rel_pos, selfattention_layer_type: legacy_rel_selfattn}",
                                  false, &conf),
                     SPK_OK);
    close_options(conf);
}

static void fewest_frames_leave_one(void **state)
{
    static const struct {
        const char *conf;
        int64_t frames;
    } rows[] = {{"{input_layer: conv2d}", 7},
                {"{input_layer: conv2d1}", 5},
                {"{input_layer: conv2d2}", 7},
                {"{input_layer: conv2d6}", 11},
                {"{input_layer: conv2d8}", 15}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *conf;
        assert_int_equal(read_options(rows[i].conf, false, &conf), SPK_OK);
        assert_int_equal(part()->min_frames(conf), rows[i].frames);
        spk_build b = {.g = spk_graph_new(), .params = spk_params_new(SPK_F32)};
        assert_int_equal(part()->build(&b, conf, spk_g_input(b.g, SPK_F32, 2, rows[i].frames, 16))->w, 1);
        spk_graph_free(b.g);
        spk_params_free(b.params);
        close_options(conf);
    }
}

/* ---- outputs of a small encoder with its initial weights ---- */

enum { N = 2, T = 21, F = 16, D = 16, U = 8, BLOCKS = 3, COUNT = N * U * D * BLOCKS };

static double weigh = 1; /* what the last layers of the first block's sub-layers are multiplied by */

static void weigh_first_block(const spk_params *params)
{
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        if (!spk_starts_with(p->name, "encoder.encoders.0.self_attn.linear_out.") &&
            !spk_starts_with(p->name, "encoder.encoders.0.feed_forward.w_2."))
            continue;
        for (int64_t k = 0; k < p->count; k++)
            ((double *)p->data)[k] *= weigh;
    }
}

/* (N,1,U,BLOCKS*D) of options in double, with the draws of a step. */
static void encode(const char *options, bool like_202611, bool train, uint64_t step, double out[COUNT])
{
    void *conf;
    assert_int_equal(read_options(options, like_202611, &conf), SPK_OK);
    spk_params *params = spk_params_new(SPK_F64);
    spk_arena *arena = spk_arena_new();
    spk_build b = {.g = spk_graph_new(), .params = params, .train = train};
    spk_tensor *x = spk_g_input(b.g, SPK_F32, N, T, F), *y = spk_g_keep(part()->build(&b, conf, x));
    assert_int_equal(spk_params_commit(params, 1), SPK_OK);
    weigh_first_block(params);
    const spk_plan_options o = {.real = SPK_F64, .train = train, .loss = train ? y : NULL, .n_threads = 1};
    spk_plan *plan;
    assert_int_equal(spk_plan_new(b.g, arena, &o, &plan), SPK_OK);
    double *input = fill_input("input", N * T * F);
    spk_plan_bind(plan, x, input);
    spk_plan_draws(plan, &(spk_draws){.seed = 5, .step = step});
    spk_plan_forward(plan, true);
    const spk_view v = spk_plan_value(plan, y);
    assert_int_equal(v.n * v.w * v.c, COUNT);
    assert_int_equal(v.ld, v.c);
    memcpy(out, v.p, COUNT * sizeof *out);
    spk_free(input);
    spk_plan_free(plan);
    spk_arena_free(arena);
    spk_params_free(params);
    close_options(conf);
}

static double distance(const double *a, const double *b)
{
    double most = 0;
    for (int64_t i = 0; i < COUNT; i++)
        most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

/* Largest difference between the outputs of two blocks. */
static double between_blocks(const double *y, int64_t p, int64_t q)
{
    double most = 0;
    for (int64_t r = 0; r < N * U; r++)
        for (int64_t c = 0; c < D; c++)
            most = fmax(most, fabs(y[(r * BLOCKS + p) * D + c] - y[(r * BLOCKS + q) * D + c]));
    return most;
}

static void blocks_are_skipped_in_training_alone(void **state)
{
    double plain[COUNT], other[COUNT];
    int alike = 0;
    (void)state;
    encode("{" PLAIN "}", false, true, 0, plain);
    encode("{" PLAIN ", stochastic_depth_rate: [0.999999, 0.999999, 0.999999]}", false, true, 0, other);
    assert_true(between_blocks(plain, 0, 1) > 0.1 && between_blocks(other, 0, 2) == 0);
    encode("{" PLAIN ", stochastic_depth_rate: 1.0e-9}", false, true, 0, other);
    assert_true(distance(plain, other) < 1e-6);
    for (uint64_t step = 0; step < 40; step++) { /* one draw a block */
        encode("{" PLAIN ", stochastic_depth_rate: [0.0, 0.3, 0.0]}", false, true, step, other);
        alike += between_blocks(other, 0, 1) == 0;
    }
    assert_true(alike >= 4 && alike <= 22);
    encode("{" PLAIN "}", false, false, 0, plain);
    encode("{" PLAIN ", stochastic_depth_rate: 0.9}", false, false, 0, other);
    assert_true(distance(plain, other) == 0);
}

/* With p = 3/4 as if each sub-layer's last layer were four times as large, whenever the block is there. */
static void residuals_of_a_block_that_may_be_skipped_weigh_more(void **state)
{
    double heavy[COUNT], other[COUNT];
    int there = 0;
    (void)state;
    weigh = 4;
    encode("{" PLAIN ", use_cnn_module: false}", false, true, 0, heavy);
    weigh = 1;
    for (uint64_t step = 0; step < 20; step++) {
        encode("{" PLAIN ", use_cnn_module: false, stochastic_depth_rate: [0.75, 0, 0]}", false, true, step, other);
        there += distance(heavy, other) < 1e-9;
    }
    assert_true(there >= 1 && there <= 12);
}

static void dropout_acts_in_training_alone(void **state)
{
    static const char *const kinds[] = {"dropout_rate: 0.1, positional_dropout_rate: 0",
                                        "dropout_rate: 0, positional_dropout_rate: 0.1",
                                        "dropout_rate: 0, positional_dropout_rate: 0, attention_dropout_rate: 0.1"};
    double plain[COUNT], a[COUNT], again[COUNT], b[COUNT];
    (void)state;
    encode("{" PLAIN "}", false, false, 0, plain);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *text = spk_strf("{" CONF ", %s}", kinds[i]);
        encode(text, false, true, 1, a);
        encode(text, false, true, 1, again);
        encode(text, false, true, 2, b);
        assert_true(distance(a, again) == 0 && distance(a, b) > 1e-4);
        encode(text, false, false, 1, a);
        assert_true(distance(a, plain) == 0);
        spk_free(text);
    }
}

static void the_release_has_other_defaults(void **state)
{
    double plain[COUNT], latest[COUNT], legacy[COUNT], same[COUNT];
    (void)state;
    encode("{" PLAIN "}", false, false, 0, plain);
    encode("{" PLAIN ", rel_pos_type: latest}", true, false, 0, latest);
    encode("{" PLAIN ", rel_pos_type: legacy}", false, false, 0, legacy);
    assert_true(distance(plain, latest) == 0 && distance(plain, legacy) > 1e-3);
    encode("{" PLAIN "}", true, false, 0, plain);
    assert_true(distance(plain, legacy) == 0);
    encode("{" PLAIN ", rel_pos_type: legacy, blocks_input: same}", false, false, 0, same);
    assert_true(between_blocks(same, 0, 1) > 1e-3 && distance(same, legacy) > 1e-3);
    for (int64_t r = 0; r < N * U; r++) /* the first block alone reads the same in both; the last norm sees all */
        assert_true(same[r * BLOCKS * D] * legacy[r * BLOCKS * D] > 0 || fabs(same[r * BLOCKS * D]) < 0.2);
}

/* ---- positions ---- */

/* Values 2k and 2k + 1 of `width`, as torch 2.11 has them: sines, cosines and rates that are not the nearest floats, and
 * some that are. */
static void positions_are_those_of_espnet(void **state)
{
    static const struct {
        int64_t width, r, k;
        float sine, cosine;
    } rows[] = {{32, 182, 3, 0x1.a01942p-1f, 0x1.2a56acp-1f},
                {32, 281, 11, 0x1.eaa8b6p-2f, 0x1.c16590p-1f},
                {32, 130, 11, 0x1.d53e4cp-3f, 0x1.f2612ap-1f},
                {32, 195, 0, 0x1.c17174p-3f, 0x1.f384d2p-1f},
                {32, 349, 3, -0x1.6462a6p-1f, 0x1.6f9ae4p-1f},
                {32, -349, 3, 0x1.6462a6p-1f, 0x1.6f9ae4p-1f},
                {32, 127, 4, 0x1.10db5ep-3f, 0x1.fb6f7ep-1f},
                {32, 395, 1, 0x1.99e458p-1f, -0x1.32cf72p-1f},
                {32, 86, 10, 0x1.13100ap-2f, 0x1.ed2ec4p-1f},
                {32, -209, 9, -0x1.d8799ep-1f, 0x1.8a84e2p-2f},
                {32, 0, 0, 0x0.0p+0f, 0x1.000000p+0f},
                {32, 4999, 0, -0x1.53f132p-1f, -0x1.7edcaep-1f},
                {400, 900, 17, 0x1.5904e8p-3f, -0x1.f8aea4p-1f},
                {300, 700, 49, 0x1.21c8f8p-7f, -0x1.fffae0p-1f},
                {300, 900, 81, -0x1.d048eap-5f, 0x1.ff2d52p-1f},
                {448, 800, 9, -0x1.6d865ep-2f, 0x1.de450ap-1f},
                {768, 4000, 295, -0x1.e727dcp-3f, -0x1.f14de0p-1f}};
    float row[768];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        spk__conformer_position(row, rows[i].width, rows[i].r);
        assert_true(row[2 * rows[i].k] == rows[i].sine);
        assert_true(row[2 * rows[i].k + 1] == rows[i].cosine);
    }
}

/* ---- initial values ---- */

static void biases_of_positions_begin_as_in_espnet(void **state)
{
    spk_params *params = spk_params_new(SPK_F64);
    spk_build b = {.g = spk_graph_new(), .params = params};
    void *conf;
    (void)state;
    assert_int_equal(read_options("{output_size: 64, num_blocks: 1}", false, &conf), SPK_OK);
    part()->build(&b, conf, spk_g_input(b.g, SPK_F32, 2, T, F));
    assert_int_equal(spk_params_commit(params, 1), SPK_OK);
    const spk_param *u = spk_params_find(params, "encoder.encoders.0.self_attn.pos_bias_u");
    const double bound = sqrt(6.0 / (4 + 16));
    double most = 0;
    for (int64_t i = 0; i < u->count; i++)
        most = fmax(most, fabs(((const double *)u->data)[i]));
    assert_true(u->count == 64 && most <= bound && most > 0.8 * bound);
    spk_graph_free(b.g);
    spk_params_free(params);
    close_options(conf);
}

/* ---- older names ---- */

static const char WHOLE[] =
    "input_size: 16\nencoder: mfaconformer\nencoder_conf: {" CONF
    ", pos_enc_layer_type: scaled_abs_pos, selfattention_layer_type: selfattn}\npooling: mean\nprojector: rawnet3\n"
    "projector_conf: {output_size: 6}\n";

static spk_net *open_net(void)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1, .embed_only = true};
    if (spk_config_parse(WHOLE, strlen(WHOLE), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    return net;
}

static void rename_item(spk_tensors *t, const char *from, const char *to)
{
    for (int64_t i = 0; i < t->n; i++) {
        if (strcmp(t->item[i].name, from) != 0) continue;
        spk_free(t->item[i].name);
        t->item[i].name = spk_strdup(to);
        return;
    }
    fail_msg("no %s", from);
}

static void older_names_are_read(void **state)
{
    static const char *const names[][2] = {{"encoder.embed.out.weight", "encoder.embed.out.0.weight"},
                                           {"encoder.embed.out.bias", "encoder.embed.out.0.bias"},
                                           {"encoder.embed.pos_enc.alpha", "encoder.embed.out.1.alpha"}};
    char *path = spk_strf("/tmp/spk_mfaconformer_%ld.pth", (long)getpid());
    double *input = fill_input("input", T * F);
    float x[T * F], e[2][6];
    spk_tensors t = {0};
    (void)state;
    for (int i = 0; i < T * F; i++)
        x[i] = (float)input[i];
    spk_net *net = open_net(), *other = open_net();
    fill_params(spk_net_params(net), "");
    assert_int_equal(spk_net_embed(net, x, NULL, 1, T, e[0]), SPK_OK);
    assert_int_equal(spk_params_save(spk_net_params(net), &t), SPK_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        rename_item(&t, names[i][0], names[i][1]);
    assert_int_equal(spk_pth_write(path, &t), SPK_OK);
    if (spk_net_load(other, path) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_int_equal(spk_net_embed(other, x, NULL, 1, T, e[1]), SPK_OK);
    assert_memory_equal(e[0], e[1], sizeof e[0]);
    unlink(path);
    spk_free(path);
    spk_tensors_clear(&t);
    spk_free(input);
    spk_net_free(net);
    spk_net_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_compute_what_espnet_computes),
                                       cmocka_unit_test(what_cannot_be_is_refused),
                                       cmocka_unit_test(fewest_frames_leave_one),
                                       cmocka_unit_test(blocks_are_skipped_in_training_alone),
                                       cmocka_unit_test(residuals_of_a_block_that_may_be_skipped_weigh_more),
                                       cmocka_unit_test(dropout_acts_in_training_alone),
                                       cmocka_unit_test(the_release_has_other_defaults),
                                       cmocka_unit_test(positions_are_those_of_espnet),
                                       cmocka_unit_test(biases_of_positions_begin_as_in_espnet),
                                       cmocka_unit_test(older_names_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
