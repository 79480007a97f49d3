/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete models from the wave to the embedding against check figures of ESPnet 202611 (specification 9.6), in float:
 * that release in float differs from the figures, which are double precision's, by the tolerances of the table.
 * Where frontends obey lengths the figures without them are taken: padding does not reach our encoders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fill.h"
#include "model/net_impl.h"

enum { SAMPLES = 4000, SIZE = 6 };

typedef struct system_row {
    const char *name, *conf;
    double tolerance; /* relative to the largest component */
    double sum;
    double squares, first, last; /* squares 0: not given */
} system_row;

#define MELSPEC "frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}\n"
#define ATTENTION "pooling: chn_attn_stat\n"
#define RAWNET3 "projector: rawnet3\nprojector_conf: {output_size: 6}\nloss: aamsoftmax\n"

static const system_row systems[] = {
    {"M1", MELSPEC "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\n" ATTENTION RAWNET3,
     2e-5, 1.41507141e-1, 1.21940155e+4, -1.20298467e+1, 4.58016054e+1},
    {"M2",
     "frontend: asteroid_frontend\nfrontend_conf: {sinc_filters: 16}\n"
     "encoder: rawnet3\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\n" ATTENTION RAWNET3,
     5e-5, 2.79169329e+1, 0, 0, 0},
    {"M3",
     MELSPEC "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}\npooling: stats\n"
             "projector: xvector\nprojector_conf: {output_size: 6}\nloss: softmax\n",
     5e-6, 4.05985448e+0, 7.16648777e+0, 6.72603297e-1, 1.10095058e+0},
    {"M4",
     "frontend: default\nfrontend_conf: {n_mels: 16}\n"
     "encoder: ska_tdnn\nencoder_conf: {ndim: 16, output_size: 12, ska_dim: 4, model_scale: 4}\n" ATTENTION
     "projector: ska_tdnn\nprojector_conf: {output_size: 6}\nloss: aamsoftmax_sc_topk\n",
     5e-6, -7.58549489e+1, 0, 0, 0},
    {"M5",
     "frontend: default\nfrontend_conf: {n_mels: 16}\nnormalize: utterance_mvn\n"
     "encoder: mfaconformer\nencoder_conf: {output_size: 16, attention_heads: 2, linear_units: 24, num_blocks: 3, "
     "cnn_module_kernel: 7}\npooling: mean\n" RAWNET3,
     5e-6, -2.10014899e+0, 0, 0, 0},
    {"M6", MELSPEC "encoder: resnet\nencoder_conf: {m_channels: 4}\npooling: stats\n" RAWNET3, 2e-5, -2.05355484e+1,
     3.54240037e+2, -4.36662031e+0, 1.17249994e+1},
};

/* Two waves: sines, a sweep and the fill's noise. */
static float *make_waves(void)
{
    double s[6000];
    float *x = spk_new(2 * SAMPLES * sizeof *x);
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

static void assert_near(const system_row *row, const char *what, double ours, double theirs, double allowed)
{
    if (!(fabs(ours - theirs) <= allowed))
        fail_msg("%s: %s is %.9g, should be %.9g within %.2g", row->name, what, ours, theirs, allowed);
}

static void check(const system_row *row, const float *x)
{
    spk_config c;
    spk_net *net = NULL;
    float e[2 * SIZE];
    double sum = 0, squares = 0, largest = 0;
    const spk_net_options o = {.n_threads = 1};
    char *text = spk_strf("%sspk_num: 7\nversion: '202611'\n", row->conf);
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s: %s", row->name, spk_errmsg());
    fill_params(spk_net_params(net), "none.");
    assert_int_equal(spk_net_embed(net, x, NULL, 2, SAMPLES, e), SPK_OK);
    for (int i = 0; i < 2 * SIZE; i++) {
        sum += (double)e[i];
        squares += (double)e[i] * (double)e[i];
        largest = fmax(largest, fabs((double)e[i]));
    }
    const double allowed = 2 * row->tolerance * largest;
    print_message("%s: sum of embeddings off by %.2g of the largest\n", row->name, fabs(sum - row->sum) / largest);
    assert_near(row, "the sum", sum, row->sum, sqrt(2 * SIZE) * allowed);
    if (row->squares > 0) {
        assert_near(row, "the sum of squares", squares, row->squares, 4 * row->tolerance * row->squares);
        assert_near(row, "the first", (double)e[0], row->first, allowed);
        assert_near(row, "the last", (double)e[2 * SIZE - 1], row->last, allowed);
    }
    spk_free(text);
    spk_config_clear(&c);
    spk_net_free(net);
}

static void models_compute_what_espnet_computes(void **state)
{
    float *x = make_waves();
    (void)state;
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        check(&systems[i], x);
    spk_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(models_compute_what_espnet_computes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
