/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network does for a training with several processes, in one: a reduction that stands for a second process with
 * the same batch (it doubles every sum) must change nothing but rounding; one that is idle must leave no gradient of its
 * own; and gradients that are said to be final are.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/net_impl.h"

enum { N = 4, SAMPLES = 8000 };

static spk_net *open_net(const char *encoder)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 2};
    char *text = spk_strf("frontend: melspec_torch\nfrontend_conf: {log: true, normalize: mn, n_mels: 24}\n%s\n"
                          "pooling: chn_attn_stat\nprojector: rawnet3\nprojector_conf: {output_size: 16}\n"
                          "loss: aamsoftmax\nspk_num: 5\n",
                          encoder);
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK || spk_net_new(&c, &o, &net) != SPK_OK)
        fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    spk_free(text);
    return net;
}

typedef struct team {
    spk_reduction reduction;
    int64_t calls;
    /* what is final */
    float *gradients, *seen;
    int64_t n, from, falls;
} team;

static void twice(void *self, double *values, int64_t n)
{
    ((team *)self)->calls++;
    for (int64_t i = 0; i < n; i++)
        values[i] *= 2;
}

/* From now on these may not change. */
static void ready(void *user, int64_t from)
{
    team *t = user;
    assert_true(from <= t->from);
    if (from == t->from) return;
    memcpy(t->seen + from, t->gradients + from, (size_t)(t->from - from) * sizeof *t->seen);
    t->from = from;
    t->falls++;
}

static void step(spk_net *net, const float *speech, double scale, spk_train_stats *stats)
{
    static const int64_t labels[N] = {0, 3, 1, 4};
    spk_model *m = spk_net_model(net);
    m->zero_grad(m->self);
    if (m->forward_backward(m->self, speech, labels, N, SAMPLES, scale, stats) != SPK_OK) fail_msg("%s", spk_errmsg());
}

static double largest(const float *a, const float *b, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (b ? (double)b[i] : 0)));
    return most;
}

static float *make_speech(void)
{
    float *x = spk_new(N * SAMPLES * sizeof *x);
    spk_rng r = spk_rng_make(5, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int64_t i = 0; i < (int64_t)N * SAMPLES; i++)
        x[i] = (float)(0.1 * spk_rng_normal(&r) + 0.1 * sin((double)i * (0.01 + 0.002 * (double)(i / SAMPLES))));
    return x;
}

static void one_encoder(const char *encoder)
{
    spk_net *net = open_net(encoder);
    spk_model *m = spk_net_model(net);
    float *speech = make_speech(), *parameters, *gradients;
    int64_t n;
    spk_train_stats alone, both;
    spk_tensors before = {0}, after = {0}, start = {0};
    m->blocks(m->self, &parameters, &gradients, &n);
    float *own = spk_new((size_t)n * sizeof *own);
    team t = {.reduction = {.self = &t, .sum = twice}, .gradients = gradients, .n = n, .from = n};
    t.seen = spk_new((size_t)n * sizeof *t.seen);
    assert_int_equal(m->save_state(m->self, &start), SPK_OK);
    step(net, speech, 1, &alone);
    memcpy(own, gradients, (size_t)n * sizeof *own);
    assert_int_equal(m->save_state(m->self, &before), SPK_OK);

    /* Two with the same batch: its loss, its gradients, nearly its running variance (of twice the rows). */
    assert_int_equal(m->load_state(m->self, &start), SPK_OK);
    m->synchronise(m->self, &t.reduction);
    m->watch_gradients(m->self, ready, &t);
    step(net, speech, 1, &both);
    assert_true(t.calls > 2 && t.calls % 2 == 0); /* as many sums backward as forward */
    assert_true(fabs(alone.loss - both.loss) <= 1e-5 * fabs(alone.loss));
    const double size = largest(own, NULL, n);
    assert_true(size > 1e-3 && largest(own, gradients, n) <= 2e-5 * size);
    assert_int_equal(m->save_state(m->self, &after), SPK_OK);
    for (int64_t i = 0; i < before.n; i++) {
        const spk_ndarray *a = &before.item[i].a, *b = &after.item[i].a;
        if (a->dtype != SPK_F32) continue;
        const int64_t count = spk_ndarray_count(a);
        if (strcmp(before.item[i].name, "projector.bn.running_var") == 0) { /* the variance over n - 1 rows */
            for (int64_t k = 0; k < count; k++) {
                const double one = ((const float *)a->data)[k], two = ((const float *)b->data)[k];
                assert_true(fabs((one - 0.9) * (N - 1.0) / N - (two - 0.9) * (2.0 * N - 1) / (2 * N)) <=
                            1e-4 * fabs(one));
            }
            continue;
        }
        const bool near = largest(a->data, b->data, count) <= 2e-2 * (largest(a->data, NULL, count) + 1e-3);
        if (!near) fail_msg("%s differs", before.item[i].name);
    }
    /* What was final stayed as it was, and was told in many steps before the end. */
    assert_true(t.falls > 5 && t.from < n / 4);
    assert_memory_equal(t.seen + t.from, gradients + t.from, (size_t)(n - t.from) * sizeof *gradients);

    /* Without a share: nothing is added. */
    m->watch_gradients(m->self, NULL, NULL);
    t.reduction.idle = true;
    step(net, speech, 0, &both);
    assert_true(largest(gradients, NULL, n) == 0);

    /* And alone again. */
    m->synchronise(m->self, NULL);
    assert_int_equal(m->load_state(m->self, &start), SPK_OK);
    step(net, speech, 1, &both);
    assert_memory_equal(own, gradients, (size_t)n * sizeof *own);
    spk_tensors_clear(&start);
    spk_tensors_clear(&before);
    spk_tensors_clear(&after);
    spk_free(own);
    spk_free(t.seen);
    spk_free(speech);
    spk_net_free(net);
}

static void ecapa(void **state)
{
    (void)state;
    one_encoder("encoder: ecapa_tdnn\nencoder_conf: {model_scale: 4, ndim: 16, output_size: 24}");
}

static void resnet(void **state)
{
    (void)state;
    one_encoder("encoder: resnet\nencoder_conf: {resnet_type: resnet18, m_channels: 4}");
}

/* The reference kernels the same. */
static void reference(void **state)
{
    setenv("SPK_IMPL", "reference", 1);
    ecapa(state);
    unsetenv("SPK_IMPL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ecapa), cmocka_unit_test(resnet), cmocka_unit_test(reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
