/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks with frames in bfloat16 against the same ones in float: every encoder and pooling embeds and learns alike,
 * within what 8 bits keep (deep random networks amplify a rounding); what the caller reads is float; activations take less room. SPK_BF16=1 lets that run
 * on any processor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config_impl.h"
#include "fill.h"
#include "model/net_impl.h"

enum { BINS = 16, ITEMS = 4, FRAMES = 120, SPEAKERS = 6 };

static const char *const models[] = {
    "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 24, model_scale: 4}\npooling: chn_attn_stat\n",
    "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 24, model_scale: 4}\npooling: mean\n",
    "encoder: rawnet3\nencoder_conf: {ndim: 16, output_size: 24, model_scale: 4}\npooling: chn_attn_stat\n",
    "encoder: ska_tdnn\nencoder_conf: {ndim: 16, output_size: 24, ska_dim: 4, model_scale: 4}\npooling: stats\n",
    "encoder: xvector\nencoder_conf: {ndim: 16, output_size: 24}\npooling: stats\n",
    "encoder: resnet\nencoder_conf: {m_channels: 4}\npooling: tstp\n",
    "encoder: simam_resnet\nencoder_conf: {in_planes: 4, num_blocks: [1, 1, 1, 1]}\npooling: asp\n",
    "encoder: campplus\nencoder_conf: {growth_rate: 4, bn_size: 2, init_channels: 8, num_layers: [2, 2, 2]}\n"
    "pooling: tstp\n",
    "encoder: mfaconformer\nencoder_conf: {output_size: 16, attention_heads: 2, linear_units: 24, num_blocks: 2, "
    "cnn_module_kernel: 7, dropout_rate: 0, positional_dropout_rate: 0, attention_dropout_rate: 0}\n"
    "pooling: chn_attn_stat\n",
    "encoder: speechbrain_ecapa\nencoder_conf: {ndim: 16, output_size: 24, model_scale: 4, se_channels: 8}\n"
    "pooling: speechbrain_asp\n",
};

typedef struct result {
    int64_t n, size;
    float *embedding, *gradient;
    double loss;
    size_t bytes;
} result;

static result run(const char *model, bool bf16)
{
    char text[1024];
    spk_config c;
    spk_net *net = NULL;
    spk_train_stats stats;
    result r = {0};
    const spk_net_options o = {.n_threads = 2, .bf16_train = bf16, .bf16_embed = bf16};
    snprintf(text, sizeof text,
             "%sinput_size: %d\nprojector: rawnet3\nprojector_conf: {output_size: 8}\nloss: aamsoftmax\nspk_num: %d\n",
             model, BINS, SPEAKERS);
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s\n%s", text, spk_errmsg());
    spk_config_clear(&c);
    spk_model *m = spk_net_model(net);
    float *speech = spk_new(sizeof *speech * ITEMS * FRAMES * BINS), *parameters, *gradients;
    fill f = fill_begin("speech");
    for (int64_t i = 0; i < (int64_t)ITEMS * FRAMES * BINS; i++)
        speech[i] = (float)fill_next(&f);
    r.size = ITEMS * m->embedding_size;
    r.embedding = spk_new((size_t)r.size * sizeof *r.embedding);
    assert_int_equal(m->embed(m->self, speech, ITEMS, FRAMES, NULL, r.embedding), SPK_OK);
    m->zero_grad(m->self);
    assert_int_equal(m->forward_backward(m->self, speech, (int64_t[]){0, 5, 2, 3}, ITEMS, FRAMES, 1, &stats), SPK_OK);
    m->blocks(m->self, &parameters, &gradients, &r.n);
    r.gradient = spk_new((size_t)r.n * sizeof *r.gradient);
    memcpy(r.gradient, gradients, (size_t)r.n * sizeof *r.gradient);
    r.loss = stats.loss;
    r.bytes = spk_net_arena_bytes(net);
    spk_net_free(net);
    spk_free(speech);
    return r;
}

static void forget(result *r)
{
    spk_free(r->embedding);
    spk_free(r->gradient);
}

static double cosine(const float *a, const float *b, int64_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void test_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        result wide = run(models[i], false), narrow = run(models[i], true);
        const double e = cosine(wide.embedding, narrow.embedding, wide.size);
        const double g = cosine(wide.gradient, narrow.gradient, wide.n);
        print_message("%.30s: embeddings %.6f, gradients %.6f, loss %.5f and %.5f, %.2f and %.2f MB\n", models[i], e, g,
                      wide.loss, narrow.loss, 1e-6 * (double)wide.bytes, 1e-6 * (double)narrow.bytes);
        assert_true(e > 0.999 && g > 0.8 && fabs(wide.loss - narrow.loss) < 0.06 * wide.loss);
        assert_true(memcmp(wide.embedding, narrow.embedding, (size_t)wide.size * sizeof(float)) != 0);
        forget(&wide);
        forget(&narrow);
    }
}

int main(void)
{
    setenv("SPK_BF16", "1", 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
