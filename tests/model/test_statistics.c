/* SPDX-License-Identifier: Apache-2.0 */
/* BatchNorm statistics as the mean over batches, and the op and items of the first value that is not finite. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "spk/net.h"

enum { N = 6, SAMPLES = 4000 };

static const char conf[] = "frontend: melspec_torch\n"
                           "frontend_conf: {n_mels: 24, log: true, normalize: mn}\n"
                           "encoder: ecapa_tdnn\nencoder_conf: {model_scale: 4, ndim: 16, output_size: 24}\n"
                           "pooling: chn_attn_stat\nprojector: rawnet3\nprojector_conf: {output_size: 8}\n"
                           "loss: aamsoftmax\nspk_num: 4\n";

static float speech[2][N * SAMPLES];
static const int64_t labels[N] = {0, 1, 2, 3, 0, 1};

static spk_net *open_net(void)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 2};
    assert_int_equal(spk_config_parse(conf, strlen(conf), "test.yaml", &c), SPK_OK);
    if (spk_net_new(&c, &o, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    spk_rng r = spk_rng_make(3, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < N * SAMPLES; i++)
            speech[b][i] = (float)((b ? 0.3 : 0.1) * spk_rng_normal(&r));
    return net;
}

static void renew(spk_model *m, int batch, int64_t k)
{
    if (m->renew_statistics(m->self, speech[batch], labels, N, SAMPLES, k) != SPK_OK) fail_msg("%s", spk_errmsg());
}

static spk_tensors state_of(spk_model *m)
{
    spk_tensors state = {0};
    assert_int_equal(m->save_state(m->self, &state), SPK_OK);
    return state;
}

static bool is_statistic(const char *name)
{
    return spk_ends_with(name, "running_mean") || spk_ends_with(name, "running_var");
}

/* want = x * a + y * b in each running statistic, and all else as in a. */
static void expect_mix(const spk_tensors *got, double x, const spk_tensors *a, double y, const spk_tensors *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < got->n; i++) {
        const spk_ndarray *g = &got->item[i].a, *p = &a->item[i].a, *q = &b->item[i].a;
        if (g->dtype != SPK_F32) continue;
        const bool mixed = is_statistic(got->item[i].name);
        n += mixed;
        for (int64_t k = 0; k < spk_ndarray_count(g); k++) {
            const double u = (double)((float *)p->data)[k], v = (double)((float *)q->data)[k];
            const double want = mixed ? x * u + y * v : u, have = (double)((float *)g->data)[k];
            if (fabs(have - want) > 2e-6 * (1 + fabs(want))) /* float32 */
                fail_msg("%s[%d] is %g, not %g", got->item[i].name, (int)k, have, want);
        }
    }
    assert_true(n > 10);
}

static void test_mean(void **state)
{
    (void)state;
    spk_net *net = open_net();
    spk_model *m = spk_net_model(net);
    spk_tensors fresh = state_of(m);
    renew(m, 0, 1);
    spk_tensors a = state_of(m);
    renew(m, 1, 1); /* begins anew: nothing of batch 0 is left */
    spk_tensors b = state_of(m);
    renew(m, 0, 1);
    renew(m, 1, 2);
    spk_tensors both = state_of(m);
    expect_mix(&both, 0.5, &a, 0.5, &b);
    renew(m, 1, 3);
    spk_tensors three = state_of(m);
    expect_mix(&three, 1.0 / 3, &a, 2.0 / 3, &b);
    /* and a training step moves them by a tenth again */
    spk_train_stats stats;
    assert_int_equal(m->load_state(m->self, &fresh), SPK_OK);
    assert_int_equal(m->forward_backward(m->self, speech[0], labels, N, SAMPLES, 1.0, &stats), SPK_OK);
    spk_tensors step = state_of(m);
    expect_mix(&step, 0.9, &fresh, 0.1, &a);
    assert_true(stats.forward_s > 0);
    spk_tensors *const all[] = {&fresh, &a, &b, &both, &three, &step};
    for (int i = 0; i < 6; i++)
        spk_tensors_clear(all[i]);
    spk_net_free(net);
}

static void test_anomaly(void **state)
{
    (void)state;
    spk_net *net = open_net();
    spk_model *m = spk_net_model(net);
    char what[256] = "";
    bool items[N];
    assert_false(m->find_anomaly(m->self, speech[0], labels, N, SAMPLES, what, sizeof what, items));
    speech[0][2 * SAMPLES + 1000] = INFINITY;
    assert_true(m->find_anomaly(m->self, speech[0], labels, N, SAMPLES, what, sizeof what, items));
    if (!spk_starts_with(what, "the output of ")) fail_msg("%s", what);
    for (int i = 0; i < N; i++)
        assert_true(items[i] == (i == 2));
    speech[0][2 * SAMPLES + 1000] = 0;
    /* A weight that is not finite: the op that reads it, in all items. (Behind a ReLU it would be no more: max(0, NaN).) */
    float *p, *g;
    int64_t n;
    spk_parameter at = {0};
    for (int64_t i = 0; m->parameter(m->self, i, &at); i++)
        if (spk_starts_with(at.name, "projector.") && at.n_dims == 2) break;
    m->blocks(m->self, &p, &g, &n);
    const float kept = p[at.at];
    p[at.at] = NAN;
    m->parameters_changed(m->self);
    assert_true(m->find_anomaly(m->self, speech[0], labels, N, SAMPLES, what, sizeof what, items));
    if (!strstr(what, "(projector.")) fail_msg("%s", what);
    for (int i = 0; i < N; i++)
        assert_true(items[i]);
    p[at.at] = kept;
    m->parameters_changed(m->self);
    if (m->find_anomaly(m->self, speech[0], labels, N, SAMPLES, what, sizeof what, items)) fail_msg("%s", what);
    spk_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_anomaly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
