/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large classification heads: a training step's memory beside weights, gradients and the optimiser's state does not grow
 * with the classes, is less than one (N, classes) block of logits, and nothing is allocated once a step has run.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/net_impl.h"
#include "optim/optim_impl.h"

enum { N = 16, FRAMES = 4, F = 8, FEW = 1000, MANY = 8000 };

static spk_net *open_net(const char *loss, int64_t classes)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1};
    char *yaml = spk_strf("frontend: none\ninput_size: %d\nencoder: identity\npooling: mean\nprojector: linear\n"
                          "projector_conf: {output_size: 192}\nloss: %s\nspk_num: %lld\n",
                          F, loss, (long long)classes);
    assert_int_equal(spk_config_parse(yaml, strlen(yaml), "test.yaml", &c), SPK_OK);
    if (spk_net_new(&c, &o, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    spk_free(yaml);
    return net;
}

/* Two steps of training, the second of which allocates nothing; the arena's bytes. */
static size_t train(spk_net *net, int64_t classes)
{
    spk_model *m = spk_net_model(net);
    float x[N * FRAMES * F], *w, *g;
    int64_t labels[N], n, allocations = 0;
    spk_optim *optim;
    spk_train_stats stats = {0};
    spk_rng rng = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < N * FRAMES * F; i++)
        x[i] = (float)spk_rng_normal(&rng);
    for (int i = 0; i < N; i++)
        labels[i] = i * (classes - 1) / (N - 1);
    m->blocks(m->self, &w, &g, &n);
    assert_int_equal(spk_optim_new("adam", NULL, n, &optim), SPK_OK);
    double first = 0;
    for (int step = 0; step < 2; step++) {
        allocations = spk_alloc_count();
        m->zero_grad(m->self);
        assert_int_equal(m->forward_backward(m->self, x, labels, N, FRAMES, 1, &stats), SPK_OK);
        const double norm = spk_optim_grad_norm(optim, g, 2);
        assert_true(isfinite(norm) && norm > 0);
        spk_optim_step(optim, w, g, 0.01, spk_clip_factor(norm, 5));
        m->parameters_changed(m->self);
        assert_true(isfinite(stats.loss) && stats.loss > 0);
        if (step == 0) first = stats.loss;
    }
    assert_true(stats.loss < first);
    assert_int_equal(spk_alloc_count(), allocations);
    spk_optim_free(optim);
    return spk_net_arena_bytes(net);
}

static void test_memory(void **state)
{
    (void)state;
    static const char *const losses[] = {
        "aamsoftmax", "amsoftmax", "softmax", "aamsoftmax_sc_topk", "aamsoftmax_sc_topk\nloss_conf: {K: 1}",
        "sphereface2"};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        spk_net *few = open_net(losses[i], FEW), *many = open_net(losses[i], MANY);
        const size_t a = train(few, FEW), b = train(many, MANY);
        print_message("%s: %zu bytes\n", losses[i], b);
        assert_int_equal(a, b);
        assert_true(b < (size_t)N * MANY * sizeof(float));
        spk_net_free(few);
        spk_net_free(many);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
