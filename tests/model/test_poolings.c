/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RawNet3, x-vector, the poolings and projectors in double against check figures of ESPnet 202611 and WeSpeaker, with
 * the lengths that ESPnet hands its poolings; the formulas of releases before; two whole networks; what is refused.
 */
#include "parts.h"

#include "config/config_impl.h"
#include "frontends.h"
#include "model/net_impl.h"

static const part_case cases[] = {
    {SPK_ENCODER,
     "rawnet3",
     "{ndim: 32, output_size: 12, model_scale: 4}",
     "encoder.",
     4,
     101,
     16,
     {4.70211566e+2, 1.46638172e+3, 2.03634039e+0, 1.18489768e+0, 0, 4.69314675e+2, 1.76315412e+3, 2.59517048e+1,
      6.27150345e+2}},
    {SPK_ENCODER,
     "xvector",
     "{ndim: 8, output_size: 12}",
     "encoder.",
     4,
     37,
     16,
     {2.46821645e+2, 2.72742361e+2, 2.07329919e-1, 2.07329919e-1, 1.56699612e-1, 3.69613642e-1, 1.54774654e+3,
      2.39725272e+1, 5.96241295e+2}},
    {SPK_POOLING,
     "stats",
     NULL,
     "pooling.",
     3,
     11,
     6,
     {9.82720760e+0, 6.04062042e+0, -4.23442065e-2, 5.96662862e-1, 6.62745575e-1, 9.82720760e+0, 6.04062042e+0,
      -6.83267940e+0, 0}},
    {SPK_POOLING,
     "mean",
     NULL,
     "pooling.",
     3,
     11,
     6,
     {-1.39690455e-1, 4.25163059e-1, -4.23442065e-2, -1.50181642e-1, -1.34169096e-1, -1.39690455e-1, 4.25163059e-1,
      -7.29133751e-1, 0}},
    {SPK_PROJECTOR,
     "ska_tdnn",
     "{output_size: 7}",
     "projector.",
     5,
     1,
     10,
     {1.20666559e+0, 4.03232883e+1, -1.60942608e+0, 1.60799112e+0, -1.53975397e-1, -2.59735238e-1, 3.36487502e+1,
      9.63154824e+0, 1.03236992e+1}},
    {SPK_PROJECTOR,
     "xvector",
     "{output_size: 7}",
     "projector.",
     5,
     1,
     10,
     {1.72124385e+1, 5.62491809e+1, -3.68302947e-1, 2.37468409e+0, 6.70439133e-2, 1.72124385e+1, 5.62491809e+1,
      1.23408377e+0, 1.14463787e+1}},
};

static void parts_compute_what_espnet_computes(void **state)
{
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases);
}

/* ---- lengths as ESPnet 202611 hands them to poolings of 11 frames ---- */

static const struct {
    const char *name;
    int64_t len[3];
    figures want;
} lengths[] = {
    {"chn_attn_stat",
     {11, 7, 4},
     {8.87531670e+0, 6.01729928e+0, -3.98219640e-2, 5.58559531e-1, 6.99878539e-1, 5.81271511e+0, 5.90544168e+0,
      -6.56006514e+0, 9.70100865e+0}},
    {"stats",
     {11, 7, 4},
     {1.01088374e+1, 6.24469553e+0, -4.23442065e-2, 6.58376591e-1, 6.04835910e-1, 1.01088374e+1, 6.24469553e+0,
      -6.76846483e+0, 0}},
    {"mean",
     {11, 7, 4},
     {1.47936660e-1, 5.94620124e-1, -4.23442065e-2, -9.46550026e-2, 3.08010379e-1, 1.47936660e-1, 5.94620124e-1,
      -3.28847311e-1, 0}},
    {"chn_attn_stat",
     {33, 33, 33},
     {8.81217839e+0, 6.06286183e+0, -3.84027672e-2, 5.42984984e-1, 6.08624356e-1, 5.47709888e+0, 6.38603065e+0,
      -7.08747905e+0, 8.84089630e+0}},
    {"stats",
     {33, 33, 33},
     {5.80375696e+0, 1.98204658e+0, -1.41147355e-2, 3.46007272e-1, 3.86105467e-1, 5.80375696e+0, 1.98204658e+0,
      -3.90701543e+0, 0}},
    {"mean",
     {33, 33, 33},
     {-4.65634849e-2, 4.72403399e-2, -1.41147355e-2, -5.00605472e-2, -4.47230320e-2, -4.65634849e-2, 4.72403399e-2,
      -2.43044584e-1, 0}},
    {"chn_attn_stat",
     {20, 5, 9},
     {8.75736790e+0, 6.29417938e+0, -3.81775904e-2, 6.17007675e-1, 6.17312048e-1, 4.84510116e+0, 6.23612837e+0,
      -6.95287750e+0, 9.18893508e+0}},
    {"stats",
     {20, 5, 9},
     {9.01410255e+0, 5.60094683e+0, -2.32893136e-2, 6.54451831e-1, 6.76779295e-1, 9.01410255e+0, 5.60094683e+0,
      -6.65430407e+0, 0}},
    {"mean",
     {20, 5, 9},
     {-5.78821896e-1, 2.89061099e-1, -2.32893136e-2, -1.17424630e-1, -1.31961890e-1, -5.78821896e-1, 2.89061099e-1,
      -7.03751597e-1, 0}},
};

static void poolings_take_the_frontends_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const part_case pc = {SPK_POOLING, lengths[i].name, NULL, "pooling.", 3, 11, 6, lengths[i].want};
        for (int train = 0; train < 2; train++)
            run_case_with(&pc, train, &(part_lengths){.mode = SPK_POOL_FRONTEND, .frontend = lengths[i].len});
    }
}

/* ---- releases before 202611: no lengths, unbiased deviations (specification 10; figures of PyTorch's Tensor.std) ---- */

static void older_releases_divide_by_one_less(void **state)
{
    static const part_case stats = {SPK_POOLING,
                                    "stats",
                                    NULL,
                                    "pooling.",
                                    3,
                                    11,
                                    6,
                                    {1.031368041e+01, 6.602166153e+00, -4.234420648e-02, 6.257852889e-01,
                                     6.950934227e-01, 1.031368041e+01, 6.602166153e+00, -7.144072944e+00, 0}};
    static const part_case named = {SPK_POOLING,
                                    "stats",
                                    "{context_var: unbiased}",
                                    "pooling.",
                                    3,
                                    11,
                                    6,
                                    {1.031368041e+01, 6.602166153e+00, -4.234420648e-02, 6.257852889e-01,
                                     6.950934227e-01, 1.031368041e+01, 6.602166153e+00, -7.144072944e+00, 0}};
    static const part_case attn = {SPK_POOLING,
                                   "chn_attn_stat",
                                   NULL,
                                   "pooling.",
                                   3,
                                   11,
                                   6,
                                   {8.545645696e+00, 6.031189559e+00, -4.182397261e-02, 5.393755391e-01,
                                    6.027383722e-01, 5.360008770e+00, 6.147882730e+00, -6.999414774e+00,
                                    7.947658072e+00}};
    static const part_case attn_named = {SPK_POOLING,
                                         "chn_attn_stat",
                                         "{context_var: unbiased}",
                                         "pooling.",
                                         3,
                                         11,
                                         6,
                                         {8.545645696e+00, 6.031189559e+00, -4.182397261e-02, 5.393755391e-01,
                                          6.027383722e-01, 5.360008770e+00, 6.147882730e+00, -6.999414774e+00,
                                          7.947658072e+00}};
    (void)state;
    for (int train = 0; train < 2; train++) {
        const part_lengths none = {.mode = SPK_POOL_NONE};
        run_case_with(&stats, train, &none);
        run_case_with(&attn, train, &none);
        run_case_with(&named, train, NULL);
        run_case_with(&attn_named, train, NULL);
    }
}

/* ---- the learned filters ---- */

/* Bands begin as float32 values whose last bit differs between libraries of mathematics, which the logarithm of a
 * product near zero enlarges. With ESPnet's own bits the figures hold to all their digits. */
static void near(double ours, double theirs, double scale)
{
    if (!(fabs(ours - theirs) <= 2e-5 * (fabs(theirs) + scale))) fail_msg("ours %.10g, should be %.10g", ours, theirs);
}

static void filters_compute_what_espnet_computes(void **state)
{
    static const struct {
        const char *conf;
        int64_t frames, size, lens[2];
        double r, squares, first, inside, last;
    } rows[] = {
        {"{}", 235, 256, {235, 172}, 4.85118420e+2, 1.68607137e+5, 2.49176429e+0, 1.59199486e+0, 7.01219541e-1},
        {"{sinc_filters: 16, sinc_kernel_size: 101, sinc_stride: 8}",
         488,
         16,
         {488, 363},
         -8.19416287e+1,
         1.77824180e+4,
         -6.77842325e-2,
         -9.13536389e-1,
         6.72749696e-1},
    };
    static const int64_t len[2] = {SAMPLES, 3000};
    (void)state;
    double *x = signals();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        frontend_run r = {.name = "asteroid_frontend",
                          .conf = rows[i].conf,
                          .rate = 16000,
                          .real = SPK_F64,
                          .n = 2,
                          .samples = SAMPLES,
                          .wave = x};
        run_frontend(&r);
        assert_int_equal(r.frames, rows[i].frames);
        assert_int_equal(r.size, rows[i].size);
        const int64_t n = 2 * r.frames * r.size;
        double sum = 0, squares = 0;
        for (int64_t k = 0; k < n; k++) {
            sum += r.out[k] * sin((double)(k + 1) / 2);
            squares += r.out[k] * r.out[k];
        }
        near(sum, rows[i].r, sqrt(squares));
        near(squares, rows[i].squares, 0);
        near(r.out[0], rows[i].first, 1);
        near(r.out[10 * r.size + 8], rows[i].inside, 1);
        near(r.out[n - 1], rows[i].last, 1);
        spk_free(r.out);
        r.len = len;
        run_frontend(&r);
        assert_int_equal(r.out_len[0], rows[i].lens[0]);
        assert_int_equal(r.out_len[1], rows[i].lens[1]);
        spk_free(r.out);
    }
    spk_free(x);
}

/* Filters know the rate of the data; ESPnet's always take it for 16 kHz, and a configuration may say it. */
static void filters_know_the_sample_rate(void **state)
{
    static const struct {
        const char *conf;
        bool like_202611;
    } rows[] = {{"{}", false}, {"{sample_rate: 8000}", true}, {"{}", true}, {"{sample_rate: 16000}", false}};
    double *x = signals(), *first[4];
    int64_t n = 0;
    (void)state;
    for (int i = 0; i < 4; i++) {
        frontend_run r = {.name = "asteroid_frontend",
                          .conf = rows[i].conf,
                          .rate = 8000,
                          .like_202611 = rows[i].like_202611,
                          .real = SPK_F64,
                          .n = 2,
                          .samples = SAMPLES,
                          .wave = x};
        run_frontend(&r);
        n = 2 * r.frames * r.size;
        first[i] = r.out;
    }
    assert_memory_equal(first[0], first[1], (size_t)n * sizeof(double));
    assert_memory_equal(first[2], first[3], (size_t)n * sizeof(double));
    assert_memory_not_equal(first[0], first[2], (size_t)n * sizeof(double));
    for (int64_t i = 0; i < n; i++)
        assert_true(isfinite(first[0][i]));
    for (int i = 0; i < 4; i++)
        spk_free(first[i]);
    spk_free(x);
}

/* ---- whole networks ---- */

static spk_net *open_net(const char *text, bool embed_only, bool f64)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 2, .embed_only = embed_only, .f64 = f64};
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    return net;
}

/* Embeddings of the signals, all of both, by the fast kernels, within float32's own deviation (0: no figure). */
static void assert_network(const char *text, double sum, double squares, double first, double last)
{
    enum { D = 6 };
    float e[2 * D];
    double ours = 0, ours_squares = 0;
    double *wave = signals();
    float *x = spk_new(2 * SAMPLES * sizeof *x);
    for (int i = 0; i < 2 * SAMPLES; i++)
        x[i] = (float)wave[i];
    spk_net *net = open_net(text, true, false);
    fill_params(spk_net_params(net), "");
    assert_int_equal(spk_net_embed(net, x, NULL, 2, SAMPLES, e), SPK_OK);
    for (int i = 0; i < 2 * D; i++) {
        ours += (double)e[i];
        ours_squares += (double)e[i] * (double)e[i];
    }
    const double size = sqrt(ours_squares);
    if (!(fabs(ours - sum) <= 5e-5 * size && (squares == 0 || fabs(ours_squares - squares) <= 1e-4 * squares) &&
          fabs((double)e[0] - first) <= 5e-5 * size && (last == 0 || fabs((double)e[2 * D - 1] - last) <= 5e-5 * size)))
        fail_msg("%s\nsum %.9g, should be %.9g; squares %.9g, %.9g; %.9g, %.9g; %.9g, %.9g", text, ours, sum,
                 ours_squares, squares, (double)e[0], first, (double)e[2 * D - 1], last);
    spk_net_free(net);
    spk_free(x);
    spk_free(wave);
}

static void networks_compute_what_espnet_computes(void **state)
{
    (void)state;
    assert_network("frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}\n"
                   "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}\npooling: stats\n"
                   "projector: xvector\nprojector_conf: {output_size: 6}\nversion: '202611'\n",
                   4.05985448e+0, 7.16648777e+0, 6.72603297e-1, 1.10095058e+0);
    assert_network("frontend: asteroid_frontend\nfrontend_conf: {sinc_filters: 16}\n"
                   "encoder: rawnet3\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\n"
                   "pooling: chn_attn_stat\nprojector: rawnet3\nprojector_conf: {output_size: 6}\nversion: '202611'\n",
                   2.79169329e+1, 0, -8.45437890e+0, 0);
}

/* ---- WeSpeaker ---- */

/* WeSpeaker's name of one of ours: the longest prefix that is listed. */
typedef struct renaming {
    const char *ours, *theirs;
} renaming;

static const renaming ecapa_names[] = {{"encoder.conv.", "layer1.conv."}, {"encoder.bn.", "layer1.bn."},
                                       {"encoder.layer4.", "conv."},      {"pooling.", "pool."},
                                       {"projector.bn.", "bn."},          {"projector.fc.", "linear."},
                                       {"projector.bn2.", "bn2."},        {NULL, NULL}};
static const renaming ecapa_block_names[] = {
    {"conv1.", "0.conv."},      {"bn1.", "0.bn."},          {"convs.", "1.convs."},
    {"bns.", "1.bns."},         {"conv3.", "2.conv."},      {"bn3.", "2.bn."},
    {"se.se.1.", "3.linear1."}, {"se.se.4.", "3.linear2."}, {NULL, NULL}};
static const renaming xvec_names[] = {{"encoder.layers.0.", "frame_1.conv_1d."},
                                      {"encoder.layers.2.", "frame_1.bn."},
                                      {"encoder.layers.3.", "frame_2.conv_1d."},
                                      {"encoder.layers.5.", "frame_2.bn."},
                                      {"encoder.layers.6.", "frame_3.conv_1d."},
                                      {"encoder.layers.8.", "frame_3.bn."},
                                      {"encoder.layers.9.", "frame_4.conv_1d."},
                                      {"encoder.layers.11.", "frame_4.bn."},
                                      {"encoder.layers.12.", "frame_5.conv_1d."},
                                      {"encoder.layers.14.", "frame_5.bn."},
                                      {"projector.fc1.", "seg_1."},
                                      {"projector.bn.", "seg_bn_1."},
                                      {"projector.fc2.", "seg_2."},
                                      {NULL, NULL}};

static char *renamed(const char *name, const renaming *names, const char *before)
{
    for (; names->ours; names++)
        if (spk_starts_with(name, names->ours))
            return spk_strf("%s%s%s", before, names->theirs, name + strlen(names->ours));
    return NULL;
}

static char *wespeaker_name(const char *name, bool ecapa)
{
    if (!ecapa) return renamed(name, xvec_names, "");
    char *plain = renamed(name, ecapa_names, "");
    if (plain) return plain;
    assert_true(spk_starts_with(name, "encoder.layer"));
    char *block = spk_strf("layer%c.se_res2block.", name[strlen("encoder.layer")] + 1);
    char *full = renamed(name + strlen("encoder.layer1."), ecapa_block_names, block);
    spk_free(block);
    return full;
}

static void assert_wespeaker(const char *text, bool ecapa, int64_t tensors, double sum, double squares, double first,
                             double last)
{
    enum { N = 4, T = 37, F = 16, D = 6 };
    spk_net *net = open_net(text, true, true);
    spk_net_plan *p;
    spk_params *params = spk_net_params(net);
    assert_int_equal(spk_params_n(params), tensors);
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *q = spk_params_at(params, i);
        if (q->dtype == SPK_I64) continue;
        char *name = wespeaker_name(q->name, ecapa);
        if (!name) fail_msg("%s has no name there", q->name);
        fill f = fill_begin(name);
        for (int64_t k = 0; k < q->count; k++)
            ((double *)q->data)[k] = fill_value(q, fill_next(&f));
        spk_free(name);
    }
    double *input = fill_input("input", N * T * F), ours = 0, ours_squares = 0;
    assert_int_equal(spk_net_plan_for(net, SPK_NET_EMBED, N, T, SPK_NET_EVEN, &p), SPK_OK);
    spk_plan_bind(p->plan, p->speech, input);
    spk_net_forward(net, p);
    const double *e = spk_plan_value(p->plan, p->embedding).p;
    for (int i = 0; i < N * D; i++) {
        ours += e[i];
        ours_squares += e[i] * e[i];
    }
    assert_close(ours, sum, sqrt(squares));
    assert_close(ours_squares, squares, 0);
    assert_close(e[0], first, 1);
    assert_close(e[N * D - 1], last, 1);
    spk_free(input);
    spk_net_free(net);
}

static void networks_compute_what_wespeaker_computes(void **state)
{
    (void)state;
    assert_wespeaker("input_size: 16\nencoder: ecapa_tdnn\n"
                     "encoder_conf: {ndim: 16, block_input: previous, se_norm: false}\npooling: astp\n"
                     "projector: linear\nprojector_conf: {output_size: 6, input_bn: true}\n",
                     true, 221, -1.44425912e+1, 4.55070151e+1, 1.01267452e-1, 3.52748675e-1);
    assert_wespeaker("input_size: 16\nencoder: ecapa_tdnn\n"
                     "encoder_conf: {ndim: 16, block_input: previous, se_norm: false}\n"
                     "pooling: astp\npooling_conf: {global_context_att: true}\n"
                     "projector: linear\nprojector_conf: {output_size: 6, input_bn: true, output_bn: affine}\n",
                     true, 226, -1.67904271e+1, 8.90635509e+1, 3.52932271e-1, -5.73234828e-1);
    assert_wespeaker("input_size: 16\nencoder: xvector\n"
                     "encoder_conf: {ndim: 8, output_size: 12, paddings: [0, 0, 0, 0, 0], affine: false}\n"
                     "pooling: tstp\nprojector: two_layer\nprojector_conf: {output_size: 6}\n",
                     false, 32, 4.34037070e+0, 4.52081850e+0, 4.77801532e-1, -3.99523326e-1);
}

/* ---- what is refused ---- */

static void assert_refused(const char *text, const char *word)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1, .embed_only = true};
    assert_int_equal(spk_config_parse(text, strlen(text), "test.yaml", &c), SPK_OK);
    assert_int_equal(spk_net_new(&c, &o, &net), SPK_E_CONFIG);
    if (!strstr(spk_errmsg(), word)) fail_msg("\"%s\" does not say \"%s\"", spk_errmsg(), word);
    spk_config_clear(&c);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    assert_refused("frontend: asteroid_frontend\nfrontend_conf: {sinc_filters: 17}\n", "even");
    assert_refused("frontend: asteroid_frontend\nfrontend_conf: {sinc_kernel_size: 250}\n", "odd");
    assert_refused("input_size: 16\nencoder: rawnet3\nencoder_conf: {ndim: 4, model_scale: 8}\n", "larger than ndim");
    assert_refused("input_size: 16\nencoder: xvector\nencoder_conf: {paddings: [1, 2]}\n", "5 layers");
    assert_refused("input_size: 16\nencoder: xvector\nencoder_conf: {padding: same, paddings: [0, 0, 0, 0, 0]}\n",
                   "leave one out");
    assert_refused("input_size: 16\nencoder: xvector\nencoder_conf: {padding: same, kernel_sizes: [4, 3, 3, 1, 1]}\n",
                   "odd kernel_sizes");
    assert_refused("input_size: 16\nencoder: xvector\nprojector: xvector\n", "output_size");
}

/* A sound that is too short for one frame of the output. */
static void short_sounds_are_refused(void **state)
{
    static const struct {
        const char *text;
        int64_t least;
    } rows[] = {
        {"frontend: asteroid_frontend\nencoder_conf: {ndim: 16, output_size: 12}\n", 475},
        {"input_size: 16\nencoder: rawnet3\nencoder_conf: {ndim: 16, output_size: 12}\n", 15},
        {"input_size: 16\nencoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}\npooling: mean\n", 7},
        {"input_size: 16\nencoder: xvector\nencoder_conf: {ndim: 8, output_size: 12, padding: same}\n", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        spk_net *net = open_net(rows[i].text, true, false);
        float *x = spk_new(16 * 475 * sizeof *x), *e = spk_new(192 * sizeof *e);
        for (int k = 0; k < 16 * 475; k++)
            x[k] = (float)sin(k);
        assert_int_equal(spk_net_min_samples(net), rows[i].least);
        assert_int_equal(spk_net_embed(net, x, NULL, 1, rows[i].least, e), SPK_OK);
        assert_true(isfinite(e[0]));
        assert_int_not_equal(spk_net_embed(net, x, NULL, 1, rows[i].least - 1, e), SPK_OK);
        assert_non_null(strstr(spk_errmsg(), "short"));
        spk_free(x);
        spk_free(e);
        spk_net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_compute_what_espnet_computes),
        cmocka_unit_test(poolings_take_the_frontends_lengths),
        cmocka_unit_test(older_releases_divide_by_one_less),
        cmocka_unit_test(filters_compute_what_espnet_computes),
        cmocka_unit_test(filters_know_the_sample_rate),
        cmocka_unit_test(networks_compute_what_espnet_computes),
        cmocka_unit_test(networks_compute_what_wespeaker_computes),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(short_sounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
