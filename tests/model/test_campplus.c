/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAM++: check figures of WeSpeaker's implementation with the deterministic fill, a model file that WeSpeaker saved,
 * initial values, gradients, and a few steps of training.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fill.h"
#include "model/net_impl.h"
#include "spk/arrays.h"
#include "spk/state.h"

static spk_net *open_net(const char *text, bool f64)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1, .f64 = f64};
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    return net;
}

/* WeSpeaker's name of ours. */
static char *wespeaker_name(const char *name)
{
    if (spk_starts_with(name, "encoder.")) return spk_strf("%s", name + strlen("encoder."));
    if (spk_starts_with(name, "projector.fc."))
        return spk_strf("xvector.dense.linear.%s", name + strlen("projector.fc."));
    if (spk_starts_with(name, "projector.bn2."))
        return spk_strf("xvector.dense.nonlinear.batchnorm.%s", name + strlen("projector.bn2."));
    return spk_strf("%s", name);
}

static const char small[] = "input_size: 16\nspk_num: 5\npooling: tstp\nloss: aamsoftmax\nencoder: campplus\n"
                            "encoder_conf: {growth_rate: 4, bn_size: 2, init_channels: 8}\nprojector: linear\n"
                            "projector_conf: {output_size: 6, bias: false, output_bn: plain}\n";

/* ---- check figures (specification W.8, W6) ---- */

static void assert_close(double ours, double theirs, double scale)
{
    if (!(fabs(ours - theirs) <= 2e-8 * (fabs(theirs) + scale))) fail_msg("ours %.10g, should be %.10g", ours, theirs);
}

static void fill_with_their_names(const spk_params *params)
{
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        if (p->dtype == SPK_I64) continue;
        char *name = wespeaker_name(p->name);
        fill f = fill_begin(name);
        for (int64_t k = 0; k < p->count; k++)
            ((double *)p->data)[k] = fill_value(p, fill_next(&f));
        spk_free(name);
    }
}

static void it_computes_what_wespeaker_computes(void **state)
{
    (void)state;
    enum { N_ITEMS = 2, N_FRAMES = 251, D = 6 };
    spk_net *net = open_net(small, true);
    fill_with_their_names(spk_net_params(net));
    spk_net_plan *p;
    assert_int_equal(spk_net_plan_for(net, SPK_NET_EMBED, N_ITEMS, N_FRAMES, SPK_NET_EVEN, &p), SPK_OK);
    double *x = fill_input("input", N_ITEMS * N_FRAMES * 16), sum = 0, squares = 0;
    spk_plan_bind(p->plan, p->speech, x);
    spk_net_forward(net, p);
    const double *e = spk_plan_value(p->plan, p->embedding).p;
    for (int i = 0; i < N_ITEMS * D; i++) {
        sum += e[i];
        squares += e[i] * e[i];
    }
    assert_close(sum, -8.28752678e-1, 1);
    assert_close(squares, 2.21318314, 0);
    assert_close(e[0], 2.86528931e-1, 1);
    assert_close(e[N_ITEMS * D - 1], -7.42192601e-1, 1);
    spk_free(x);
    spk_net_free(net);
}

/* ---- a model file of WeSpeaker's ---- */

static const char *shared_folder(void)
{
    const char *folder = getenv("SPK_SHARED");
    return folder ? folder : "../shared";
}

static void load_their_model(spk_net *net, const char *path)
{
    spk_tensors theirs = {0}, ours = {0};
    assert_int_equal(spk_pth_read(path, &theirs), SPK_OK);
    assert_int_equal(spk_params_save(spk_net_params(net), &ours), SPK_OK);
    for (int64_t i = 0; i < ours.n; i++) {
        char *name = wespeaker_name(ours.item[i].name);
        int64_t at = 0;
        while (at < theirs.n && strcmp(theirs.item[at].name, name) != 0)
            at++;
        if (at == theirs.n && strncmp(name, "loss.", 5) != 0) fail_msg("%s is not in %s", name, path);
        spk_free(name);
        if (at == theirs.n) continue;
        spk_ndarray *a = &ours.item[i].a, *b = &theirs.item[at].a;
        assert_int_equal(spk_ndarray_count(a), spk_ndarray_count(b));
        memcpy(a->data, b->data, (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype));
    }
    assert_int_equal(theirs.n, ours.n - 1); /* all but the loss's weight */
    assert_int_equal(spk_params_load(spk_net_params(net), &ours), SPK_OK);
    spk_tensors_clear(&theirs);
    spk_tensors_clear(&ours);
}

static double scalar(const char *path, const char *key)
{
    spk_ndarray a;
    assert_int_equal(spk_npz_read_member(path, key, &a), SPK_OK);
    const double v = a.dtype == SPK_F32 ? (double)*(float *)a.data : *(double *)a.data;
    spk_ndarray_clear(&a);
    return v;
}

static void assert_embedding(spk_net *net, spk_net_mode mode, const char *path, const char *key)
{
    spk_ndarray feats, want;
    spk_net_plan *p;
    int64_t labels[3] = {0, 1, 2};
    assert_int_equal(spk_npz_read_member(path, "feats", &feats), SPK_OK);
    assert_int_equal(spk_npz_read_member(path, key, &want), SPK_OK);
    assert_int_equal(spk_net_plan_for(net, mode, feats.dim[0], feats.dim[1], SPK_NET_EVEN, &p), SPK_OK);
    spk_plan_bind(p->plan, p->speech, feats.data);
    if (p->labels) spk_plan_bind(p->plan, p->labels, labels);
    spk_net_forward(net, p);
    const spk_view e = spk_plan_value(p->plan, p->embedding);
    double worst = 0;
    for (int64_t i = 0; i < e.n * e.c; i++)
        worst = fmax(worst, fabs((double)((float *)e.p)[i] - (double)((float *)want.data)[i]));
    char *tol = spk_strf("tol/%s", key), *scale = spk_strf("scale/%s", key);
    const double allowed = scalar(path, tol) * scalar(path, scale);
    print_message("%s: worst %.3g, allowed %.3g\n", key, worst, allowed);
    assert_true(worst <= allowed);
    spk_free(tol);
    spk_free(scale);
    spk_ndarray_clear(&feats);
    spk_ndarray_clear(&want);
}

static void it_takes_wespeakers_weights(void **state)
{
    (void)state;
    char *model = spk_strf("%s/golden/wespeaker/campplus/model.pt", shared_folder());
    char *golden = spk_strf("%s/golden/wespeaker/campplus/golden.npz", shared_folder());
    FILE *f = fopen(golden, "rb");
    if (f) {
        fclose(f);
        spk_net *net = open_net("input_size: 80\nspk_num: 5\npooling: tstp\nloss: aamsoftmax\nencoder: campplus\n"
                                "encoder_conf: {growth_rate: 8, init_channels: 32}\nprojector: linear\n"
                                "projector_conf: {output_size: 64, bias: false, output_bn: plain}\n",
                                false);
        load_their_model(net, model);
        assert_embedding(net, SPK_NET_EMBED, golden, "embedding_eval");
        assert_embedding(net, SPK_NET_TRAIN_FROM_FEATURES, golden, "embedding_train");
        spk_net_free(net);
    } else {
        print_message("%s is absent\n", golden);
    }
    spk_free(model);
    spk_free(golden);
    if (!f) skip();
}

/* ---- initial values, training ---- */

static void weights_begin_normal_and_biases_at_zero(void **state)
{
    (void)state;
    spk_net *net = open_net("input_size: 80\nspk_num: 5\npooling: tstp\nloss: aamsoftmax\nencoder: campplus\n"
                            "projector: linear\nprojector_conf: {output_size: 8}\n",
                            false);
    const char *name = "encoder.xvector.block1.tdnnd12.cam_layer.linear1.weight";
    const spk_param *w = spk_params_find(spk_net_params(net), name); /* (64, 128, 1) */
    const spk_param *b = spk_params_find(spk_net_params(net), "encoder.xvector.block1.tdnnd12.cam_layer.linear1.bias");
    assert_non_null(w);
    double squares = 0;
    for (int64_t i = 0; i < w->count; i++)
        squares += (double)((float *)w->data)[i] * (double)((float *)w->data)[i];
    assert_true(fabs(squares / (double)w->count - 2.0 / 128) < 0.05 * 2.0 / 128);
    for (int64_t i = 0; i < b->count; i++)
        assert_true(((float *)b->data)[i] == 0);
    spk_net_free(net);
}

static const char shallow[] = "input_size: 16\nspk_num: 5\npooling: tstp\nloss: aamsoftmax\nencoder: campplus\n"
                              "encoder_conf: {growth_rate: 8, init_channels: 16, num_layers: [3, 2, 2]}\n"
                              "projector: linear\n"
                              "projector_conf: {output_size: 6, bias: false, output_bn: plain}\n";

enum { N = 5, T = 60, F = 16, STEPS = 12 };

static spk_net_plan *training_plan(spk_net *net, const void *x, const int64_t *labels)
{
    spk_net_plan *p;
    assert_int_equal(spk_net_plan_for(net, SPK_NET_TRAIN_FROM_FEATURES, N, T, SPK_NET_EVEN, &p), SPK_OK);
    spk_plan_bind(p->plan, p->speech, x);
    spk_plan_bind(p->plan, p->labels, labels);
    return p;
}

/* Layers that share a buffer: whose gradient is written first, and who adds to it. */
static void gradients_agree_with_differences(void **state)
{
    static const char *const names[] = {"encoder.head.conv1.weight",
                                        "encoder.xvector.tdnn.linear.weight",
                                        "encoder.xvector.block1.tdnnd1.linear1.weight",
                                        "encoder.xvector.block1.tdnnd2.cam_layer.linear_local.weight",
                                        "encoder.xvector.block2.tdnnd2.linear1.weight",
                                        "encoder.xvector.transit2.linear.weight",
                                        "encoder.xvector.block3.tdnnd1.cam_layer.linear2.weight"};
    (void)state;
    spk_net *net = open_net(shallow, true);
    const int64_t labels[N] = {0, 1, 2, 3, 4};
    double *x = fill_input("input", N * T * F);
    spk_net_plan *p = training_plan(net, x, labels);
    spk_params_zero_grad(spk_net_params(net));
    spk_plan_forward(p->plan, true);
    spk_plan_backward(p->plan, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const spk_param *w = spk_params_find(spk_net_params(net), names[i]);
        assert_non_null(w);
        int64_t at = 0; /* where the gradient is largest */
        for (int64_t k = 0; k < w->count; k++)
            if (fabs(((double *)w->grad)[k]) > fabs(((double *)w->grad)[at])) at = k;
        double *v = (double *)w->data + at, kept = *v, side[2];
        for (int k = 0; k < 2; k++) {
            *v = kept + (k ? 1e-6 : -1e-6);
            spk_plan_forward(p->plan, true);
            side[k] = ((double *)spk_plan_value(p->plan, p->loss).p)[0];
        }
        *v = kept;
        const double ours = ((double *)w->grad)[at], slope = (side[1] - side[0]) / 2e-6;
        print_message("%s: %.6g, differences %.6g\n", names[i], ours, slope);
        assert_true(fabs(ours) > 1e-5 && fabs(ours - slope) < 1e-3 * fabs(ours) + 1e-6);
    }
    spk_free(x);
    spk_net_free(net);
}

static void training_lowers_the_loss(void **state)
{
    (void)state;
    spk_net *net = open_net(shallow, false);
    const int64_t labels[N] = {0, 1, 2, 3, 4};
    double *values = fill_input("input", N * T * F), first = 0, last = 0;
    float *x = spk_alloc(N * T * F * sizeof *x);
    for (int i = 0; i < N * T * F; i++)
        x[i] = (float)values[i];
    spk_net_plan *p = training_plan(net, x, labels);
    void *data, *grad;
    int64_t m;
    spk_params_blocks(spk_net_params(net), &data, &grad, &m);
    for (int step = 0; step < STEPS; step++) {
        spk_params_zero_grad(spk_net_params(net));
        spk_plan_forward(p->plan, true);
        last = (double)((float *)spk_plan_value(p->plan, p->loss).p)[0];
        if (step == 0) first = last;
        spk_plan_backward(p->plan, 1);
        for (int64_t i = 0; i < m; i++)
            ((float *)data)[i] -= 0.02f * ((float *)grad)[i];
    }
    print_message("loss %.3f, after %d steps %.3f\n", first, STEPS, last);
    assert_true(last < 0.7 * first);
    spk_free(values);
    spk_free(x);
    spk_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_computes_what_wespeaker_computes), cmocka_unit_test(it_takes_wespeakers_weights),
        cmocka_unit_test(weights_begin_normal_and_biases_at_zero), cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(training_lowers_the_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
