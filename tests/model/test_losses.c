/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The losses as parts, in double, against what their sources compute in double precision from inputs that anyone can
 * make again: ESPnet 202611 (specification 9.4, and more options), WeSpeaker's SphereFace2, voxceleb_trainer's
 * metric losses. Then what must be refused, what must stay finite, and the schedule of the margin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fill.h"
#include "frontends.h"
#include "graph/plan_impl.h"
#include "model/loss_impl.h"
#include "model/margin_schedule_impl.h"
#include "model/net_impl.h"

/* ---- figures ---- */

typedef struct loss_case {
    const char *name, *conf;
    int64_t n, k;                           /* embeddings; of one speaker */
    double bias;                            /* of sphereface2 */
    double loss, accuracy, de, dw, dscalar; /* norms of gradients; of loss.bias or loss.w */
} loss_case;

static const loss_case cases[] = {
    {"aamsoftmax", "{}", 5, 0, 0, 8.76673479, 0.4, 4.42368783, 4.74720151, 0},
    {"aamsoftmax", "{margin: 0.5, scale: 30}", 5, 0, 0, 22.2335627, 0.4, 10.5239439, 10.7943919, 0},
    {"aamsoftmax", "{easy_margin: true}", 5, 0, 0, 6.21063025, 0.4, 4.59656126, 4.92707669, 0},
    {"aamsoftmax", "{margin: 2.5}", 5, 0, 0, 26.9387468, 0.4, 5.11679638, 5.40071796, 0},
    {"aamsoftmax_sc_topk", "{penalty: false}", 5, 0, 0, 12.8282644, 0.4, 7.74950808, 11.3416952, 0},
    {"aamsoftmax_sc_topk", "{}", 5, 0, 0, 13.8982626, 0.4, 8.29294491, 11.7751674, 0},
    {"aamsoftmax_sc_topk", "{penalty: false, margin: 2.5}", 5, 0, 0, 63.5858027, 0.4, 9.39810958, 12.9735444, 0},
    {"aamsoftmax_sc_topk", "{margin: 0.3, k_top: 2, K: 1}", 5, 0, 0, 20.6541880, 0.4, 11.1949621, 11.5023280, 0},
    {"aamsoftmax_sc_topk", "{do_lm: true, margin: 0.5}", 5, 0, 0, 20.7850628, 0.4, 9.81450463, 13.0037344, 0},
    {"aamsoftmax_sc_topk", "{easy_margin: true, K: 2, k_top: 3, mp: 0.2, margin: 0.4}", 5, 0, 0, 17.02917509, 0.8,
     10.20954724, 12.95863623, 0},
    {"aamsoftmax_sc_topk", "{K: 1, k_top: 6, mp: 0.3}", 5, 0, 0, 23.18522692, 0.4, 10.71415450, 10.91590762, 0},
    {"aamsoftmax_sc_topk", "{K: 4, k_top: 1, scale: 15, margin: 0.05}", 5, 0, 0, 7.719170595, 0.2, 4.158832722,
     6.589107094, 0},
    {"softmax", "{}", 5, 0, 0, 1.86102719, 0.4, 0.239202388, 0.255697645, 0},
    {"softmax", "{scale: 30}", 5, 0, 0, 11.04152978, 0.4, 7.612695202, 7.887956666, 0},
    {"amsoftmax", "{margin: 0.35}", 5, 0, 0, 19.19905601, 0.4, 10.72284441, 11.12412641, 0},
    {"sphereface2", "{}", 5, 0, 0.3, 19.05770192, 0.4, 4.455357491, 5.134407968, 0.3653566625},
    {"sphereface2", "{margin_type: A}", 5, 0, 0.3, 17.97627839, 0.4, 5.433501651, 5.850166349, 0.4089767491},
    {"sphereface2", "{margin_type: a, margin: 0.5, t: 2, lanbuda: 0.6, scale: 10}", 5, 0, 0.3, 9.279809812, 0.4,
     2.288681536, 2.389882460, 0.5101398776},
    {"angleproto", "{}", 6, 2, 0, 4.155622654, 1 / 3.0, 4.544713787, 0, 0.3552995162},
    {"angleproto", "{}", 6, 3, 0, 3.618866519, 0.5, 6.723238669, 0, 0.3546123832},
    {"ge2e", "{}", 6, 2, 0, 2.886355327, 1 / 6.0, 3.073447296, 0, 0.2235179560},
    {"ge2e", "{}", 6, 3, 0, 1.577679378, 0.5, 2.328309105, 0, 0.1061683474},
    {"softmaxproto", "{}", 6, 2, 0, 16.56099022, 1 / 3.0, 8.587327872, 7.521486800, 0.3552995162},
};

enum { SIZE = 8, CLASSES = 7 };

static double norm(const spk_params *params, const char *name)
{
    const spk_param *p = spk_params_find(params, name);
    double sum = 0;
    for (int64_t i = 0; p && i < p->count; i++)
        sum += ((double *)p->grad)[i] * ((double *)p->grad)[i];
    return sqrt(sum);
}

static void assert_close(const loss_case *c, const char *what, double ours, double theirs)
{
    if (!(fabs(ours - theirs) <= 1e-8 * (1 + fabs(theirs))))
        fail_msg("%s %s: the %s is %.10g, should be %.10g", c->name, c->conf, what, ours, theirs);
}

/* The loss's conf, checked as a network would. */
static spk_status read_conf(const spk_part *part, const char *text, int64_t n_classes, int64_t k, bool like, void *conf)
{
    spk_yaml *yaml = NULL;
    int64_t size = SIZE;
    assert_int_equal(spk_yaml_parse(text, strlen(text), "test", &yaml), SPK_OK);
    assert_int_equal(spk_opts_read(part->options, part->n_options, yaml, "loss_conf", conf), SPK_OK);
    spk_yaml_free(yaml);
    const spk_part_in in = {.input_size = SIZE, .n_classes = n_classes, .per_speaker = k, .like_202611 = like};
    return part->check ? part->check(conf, &in, &size) : SPK_OK;
}

/* The embeddings are a parameter here, so that they have a gradient. */
static spk_tensor *embeddings(spk_graph *g, spk_params *params, int64_t n)
{
    spk_tensor *e = spk_g_param(
        g, spk_params_declare(params, "input", true, 2, (int64_t[]){n, SIZE}, (spk_init){SPK_INIT_CONST, 0, NULL}));
    e->n = n;
    e->c = SIZE;
    return e;
}

static void run_case(const loss_case *c)
{
    const int64_t apart[] = {4, 0, 6, 3, 1}, pairs[] = {4, 4, 0, 0, 6, 6};
    const spk_part *part = spk_part_find(SPK_LOSS, c->name);
    assert_non_null(part);
    void *conf = spk_new(part->conf_bytes + 1);
    assert_int_equal(read_conf(part, c->conf, CLASSES, c->k, false, conf), SPK_OK);
    spk_params *params = spk_params_new(SPK_F64);
    spk_arena *arena = spk_arena_new();
    spk_tensor *labels = NULL, *loss = NULL;
    spk_graph *g = NULL;
    for (int pass = 0; pass < 2; pass++) { /* names first, then values */
        g = spk_graph_new();
        spk_build b = {.g = g, .params = params, .train = true};
        spk_tensor *e = embeddings(g, params, c->n);
        labels = spk_g_input(g, SPK_I64, c->n, 1, 1);
        loss = part->build_loss(&b, conf, e, labels, CLASSES);
        if (pass == 0) spk_graph_free(g);
        if (pass == 0) assert_int_equal(spk_params_commit(params, 0), SPK_OK);
    }
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        const bool matrix = strcmp(p->name, "loss.weight") == 0 || strcmp(p->name, "input") == 0;
        fill f = fill_begin(strcmp(p->name, "input") == 0 ? "input" : "weight");
        for (int64_t k = 0; k < p->count && matrix; k++)
            ((double *)p->data)[k] = fill_next(&f) * (p->name[0] == 'l' ? sqrt(6.0 / SIZE) : 1);
        if (strcmp(p->name, "loss.bias") == 0) *(double *)p->data = c->bias;
    }
    const spk_plan_options o = {.real = SPK_F64, .train = true, .loss = loss, .n_threads = 2};
    spk_plan *plan;
    assert_int_equal(spk_plan_new(g, arena, &o, &plan), SPK_OK);
    spk_plan_bind(plan, labels, c->k ? pairs : apart);
    spk_plan_forward(plan, true);
    spk_plan_backward(plan, 1);
    const double *got = spk_plan_value(plan, loss).p;
    assert_close(c, "loss", got[0], c->loss);
    assert_close(c, "accuracy", got[1], c->accuracy);
    assert_close(c, "embeddings' gradient", norm(params, "input"), c->de);
    assert_close(c, "weights' gradient", norm(params, "loss.weight"), c->dw);
    assert_close(c, "scalar's gradient", norm(params, "loss.bias") + norm(params, "loss.w"), c->dscalar);
    spk_plan_free(plan);
    spk_arena_free(arena);
    spk_params_free(params);
    spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
}

static void losses_compute_what_their_sources_compute(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&cases[i]);
}

/* ---- behind whole models, in eval mode (specification 9.6) ---- */

/* The loss of embeddings e, its weights filled by their whole names, in double. */
static double loss_of(const char *name, const char *text, const float *e, int64_t n, int64_t size,
                      const int64_t *labels)
{
    const spk_part *part = spk_part_find(SPK_LOSS, name);
    void *conf = spk_new(part->conf_bytes + 1);
    double *x = spk_new((size_t)(n * size) * sizeof *x);
    for (int64_t i = 0; i < n * size; i++)
        x[i] = (double)e[i];
    assert_int_equal(read_conf(part, text, CLASSES, 0, false, conf), SPK_OK);
    spk_params *params = spk_params_new(SPK_F64);
    spk_arena *arena = spk_arena_new();
    spk_graph *g = spk_graph_new();
    spk_build b = {.g = g, .params = params, .train = true};
    spk_tensor *in = spk_g_input(g, SPK_F32, n, 1, size), *y = spk_g_input(g, SPK_I64, n, 1, 1);
    spk_tensor *loss = part->build_loss(&b, conf, in, y, CLASSES);
    assert_int_equal(spk_params_commit(params, 0), SPK_OK);
    fill_params(params, "none.");
    const spk_plan_options o = {.real = SPK_F64, .train = true, .loss = loss, .n_threads = 1};
    spk_plan *plan;
    assert_int_equal(spk_plan_new(g, arena, &o, &plan), SPK_OK);
    spk_plan_bind(plan, in, x);
    spk_plan_bind(plan, y, labels);
    spk_plan_forward(plan, true);
    const double value = *(const double *)spk_plan_value(plan, loss).p;
    spk_plan_free(plan);
    spk_arena_free(arena);
    spk_params_free(params);
    spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
    spk_free(x);
    return value;
}

static void losses_of_whole_models_are_those_of_espnet(void **state)
{
#define MELSPEC "frontend: melspec_torch\nfrontend_conf: {n_mels: 16, log: true, normalize: mn}\n"
    static const struct {
        const char *loss, *yaml;
        double value;
    } models[] = {
        {"aamsoftmax",
         MELSPEC "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\n"
                 "projector_conf: {output_size: 6}\n",
         9.48573377},
        {"softmax",
         MELSPEC "encoder: xvector\nencoder_conf: {ndim: 8, output_size: 12}\npooling: stats\nprojector: xvector\n"
                 "projector_conf: {output_size: 6}\n",
         1.96284290},
        {"aamsoftmax",
         MELSPEC "encoder: resnet\nencoder_conf: {m_channels: 4}\npooling: stats\nprojector_conf: {output_size: 6}\n",
         7.64843845}};
#undef MELSPEC
    const int64_t labels[] = {3, 1};
    double *x = signals();
    float wave[2 * SAMPLES], e[2 * 6];
    (void)state;
    for (int i = 0; i < 2 * SAMPLES; i++)
        wave[i] = (float)x[i];
    for (int i = 0; i < SPK_COUNT(models); i++) {
        spk_config c;
        spk_net *net;
        const spk_net_options o = {.n_threads = 1, .embed_only = true};
        char *text = spk_strf("%sversion: '202611'\n", models[i].yaml);
        assert_int_equal(spk_config_parse(text, strlen(text), "test.yaml", &c), SPK_OK);
        assert_int_equal(spk_net_new(&c, &o, &net), SPK_OK);
        fill_params(spk_net_params(net), "none.");
        assert_int_equal(spk_net_embed(net, wave, NULL, 2, SAMPLES, e), SPK_OK);
        const double loss = loss_of(models[i].loss, "{}", e, 2, 6, labels);
        if (!(fabs(loss - models[i].value) < 5e-5 * models[i].value))
            fail_msg("%s: %.9g, should be %.9g", models[i].yaml, loss, models[i].value);
        spk_net_free(net);
        spk_config_clear(&c);
        spk_free(text);
    }
    spk_free(x);
}

/* ---- options ---- */

static void refused(const char *loss, const char *text, int64_t k, const char *message)
{
    const spk_part *part = spk_part_find(SPK_LOSS, loss);
    void *conf = spk_new(part->conf_bytes + 1);
    const spk_status status = read_conf(part, text, CLASSES, k, false, conf);
    if (status == SPK_OK || !strstr(spk_errmsg(), message)) fail_msg("%s %s: %s", loss, text, spk_errmsg());
    spk_opts_clear(part->options, part->n_options, conf);
    spk_free(conf);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    refused("aamsoftmax_sc_topk", "{k_top: 7}", 0, "k_top (7) must be below the number of speakers (7)");
    refused("aamsoftmax_sc_topk", "{k_top: 8, penalty: false}", 0, "k_top (8)");
    refused("ge2e", "{}", 0, "batch_type to pk");
    refused("angleproto", "{}", 1, "per_speaker to 2 or more");
    refused("softmaxproto", "{}", 0, "softmaxproto compares utterances");
}

/* The penalty is on, unless the configuration is one of ESPnet's; large-margin tuning has none; k_top may be anything
 * then. */
static void the_penalty_follows_version_and_margin(void **state)
{
    (void)state;
    const struct {
        const char *conf;
        bool like;
        double angle;
    } rows[] = {{"{}", false, 0.06},
                {"{}", true, 0},
                {"{penalty: true}", true, 0.06},
                {"{penalty: false}", false, 0},
                {"{margin: 0.4, mp: 0.1}", false, 0.2},
                {"{margin: 0.001}", false, 0},
                {"{do_lm: true, k_top: 99}", false, 0}};
    const spk_part *part = spk_part_find(SPK_LOSS, "aamsoftmax_sc_topk");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *conf = spk_new(part->conf_bytes);
        const spk_loss_margin *m = conf;
        assert_int_equal(read_conf(part, rows[i].conf, CLASSES, 0, rows[i].like, conf), SPK_OK);
        assert_true(fabs(m->now[1] - rows[i].angle) < 1e-12 && m->now[0] == m->given);
        part->set_margin(conf, 0.1);
        assert_true(m->now[0] == 0.1 && (m->now[1] > 0) == (rows[i].angle > 0 || i == 5));
        part->set_margin(conf, 0);
        assert_true(m->now[1] == 0);
        spk_opts_clear(part->options, part->n_options, conf);
        spk_free(conf);
    }
}

/* ---- the schedule ---- */

static double at(const char *yaml, int64_t epoch, int64_t i, int64_t n, int64_t step)
{
    spk_config c;
    spk_margin_schedule s;
    assert_int_equal(spk_config_parse(yaml, strlen(yaml), "test.yaml", &c), SPK_OK);
    assert_int_equal(spk_margin_schedule_read(&c, 0.3, &s), SPK_OK);
    assert_true(s.on);
    spk_config_clear(&c);
    return spk_margin_schedule_at(
        &s, &(spk_step_info){.epoch = epoch, .step_in_epoch = i, .steps_per_epoch = n, .step = step});
}

static void the_margin_grows_as_scheduled(void **state)
{
    (void)state;
    static const char linear[] = "margin_scheduler: linear\nmargin_scheduler_conf: {initial_margin: 0.1, final_margin: "
                                 "0.5, increase_start_epoch: 3, fix_start_epoch: 5}\n";
    static const char growing[] = "margin_scheduler: exp\nmargin_scheduler_conf: {increase_start_iter: 100, "
                                  "fix_start_iter: 300}\n";
    assert_true(at(linear, 1, 0, 10, 0) == 0.1 && at(linear, 2, 9, 10, 19) == 0.1 && at(linear, 3, 0, 10, 20) == 0.1);
    assert_true(fabs(at(linear, 4, 0, 10, 0) - 0.3) < 1e-12 && fabs(at(linear, 4, 5, 10, 0) - 0.4) < 1e-12);
    assert_true(at(linear, 5, 0, 10, 0) == 0.5 && at(linear, 50, 3, 10, 0) == 0.5);
    assert_true(at(growing, 1, 0, 10, 99) == 0 && at(growing, 1, 0, 10, 100) == 0 && at(growing, 1, 0, 10, 300) == 0.3);
    /* half of the way: 1 - sqrt(1e-3 / (1 + 1e-6)) */
    assert_true(fabs(at(growing, 1, 0, 10, 200) - 0.3 * (1 - sqrt(1e-3 / (1 + 1e-6)))) < 1e-12);
}

static void refused_schedule(const char *yaml, double margin, const char *message)
{
    spk_config c;
    spk_margin_schedule s;
    assert_int_equal(spk_config_parse(yaml, strlen(yaml), "test.yaml", &c), SPK_OK);
    if (spk_margin_schedule_read(&c, margin, &s) != SPK_E_CONFIG || !strstr(spk_errmsg(), message))
        fail_msg("%s: %s", yaml, spk_errmsg());
    spk_config_clear(&c);
}

static void schedules_that_say_too_little_are_refused(void **state)
{
    (void)state;
#define CONF "margin_scheduler: exp\nmargin_scheduler_conf: "
    refused_schedule(CONF "{}\n", 0.2, "give both increase_start_epoch and fix_start_epoch");
    refused_schedule(CONF "{increase_start_epoch: 1}\n", 0.2, "give both");
    refused_schedule(CONF "{increase_start_epoch: 1, fix_start_epoch: 2, fix_start_iter: 4}\n", 0.2, "give both");
    refused_schedule(CONF "{increase_start_iter: 5, fix_start_iter: 4}\n", 0.2, "is before increase_start");
    refused_schedule(CONF "{fix_start: 4}\n", 0.2, "fix_start");
    refused_schedule(CONF "{increase_start_iter: 1, fix_start_iter: 4}\nloss: softmax\n", NAN, "softmax has no margin");
#undef CONF
}

/* ---- a network ---- */

#define SMALL                                                                                                          \
    "frontend: melspec_torch\nfrontend_conf: {n_mels: 8, f_min: 20, log: true}\nencoder: identity\npooling: stats\n"   \
    "projector: linear\nprojector_conf: {output_size: 6}\nspk_num: 5\n"

enum { LENGTH = 1600 };

static spk_net *open_net(const char *yaml)
{
    spk_config c;
    spk_net *net = NULL;
    const spk_net_options o = {.n_threads = 1};
    assert_int_equal(spk_config_parse(yaml, strlen(yaml), "test.yaml", &c), SPK_OK);
    if (spk_net_new(&c, &o, &net) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
    return net;
}

static spk_status step(spk_net *net, const float *x, const int64_t *labels, int64_t n, const spk_step_info *info,
                       spk_train_stats *stats)
{
    spk_model *m = spk_net_model(net);
    m->zero_grad(m->self);
    if (info) m->begin_step(m->self, info);
    return m->forward_backward(m->self, x, labels, n, LENGTH, 1, stats);
}

/* The plan that was made at the first margin computes with the next one; the weights' file has nothing of it. */
static void a_network_follows_the_schedule(void **state)
{
    (void)state;
    spk_net *plain[2] = {open_net(SMALL "loss: aamsoftmax\nloss_conf: {margin: 0}\n"),
                         open_net(SMALL "loss: aamsoftmax\nloss_conf: {margin: 0.4}\n")};
    spk_net *net = open_net(SMALL "loss: aamsoftmax\nloss_conf: {margin: 0.4}\nmargin_scheduler: linear\n"
                                  "margin_scheduler_conf: {increase_start_iter: 1, fix_start_iter: 2}\n");
    double *x = fill_input("speech", 4 * LENGTH);
    float *wave = spk_new(4 * LENGTH * sizeof *wave);
    const int64_t labels[] = {0, 3, 1, 2};
    for (int i = 0; i < 4 * LENGTH; i++)
        wave[i] = (float)x[i];
    for (int i = 0; i < 3; i++) {
        spk_train_stats a, b;
        const spk_step_info info = {.epoch = 1, .step_in_epoch = 2 * i, .steps_per_epoch = 9, .step = 2 * i};
        assert_int_equal(step(net, wave, labels, 4, &info, &a), SPK_OK);
        assert_int_equal(step(plain[i > 0], wave, labels, 4, &info, &b), SPK_OK);
        assert_true(a.has_margin && !b.has_margin && a.margin == (i > 0 ? 0.4 : 0));
        assert_true(a.loss == b.loss && a.accuracy == b.accuracy);
    }
    spk_tensors with = {0}, without = {0};
    assert_int_equal(spk_params_save(spk_net_params(net), &with), SPK_OK);
    assert_int_equal(spk_params_save(spk_net_params(plain[0]), &without), SPK_OK);
    assert_int_equal(with.n, without.n);
    spk_tensors_clear(&with);
    spk_tensors_clear(&without);
    spk_net_free(net);
    spk_net_free(plain[0]);
    spk_net_free(plain[1]);
    spk_free(wave);
    spk_free(x);
}

/* Metric losses take groups, and say so; every loss's step is finite. */
static void every_loss_trains(void **state)
{
    (void)state;
    static const char *const losses[] = {"aamsoftmax",  "aamsoftmax_sc_topk\nloss_conf: {k_top: 4}",
                                         "softmax",     "amsoftmax",
                                         "sphereface2", "softmaxproto",
                                         "angleproto",  "ge2e"};
    static const int64_t good[] = {0, 0, 3, 3, 2, 2}, bad[] = {0, 3, 3, 3, 2, 2};
    float *wave = spk_new(6 * LENGTH * sizeof *wave); /* silence for two of them */
    double *x = fill_input("speech", 4 * LENGTH);
    for (int i = 0; i < 4 * LENGTH; i++)
        wave[i] = (float)x[i];
    for (int i = 0; i < SPK_COUNT(losses); i++) {
        char *yaml = spk_strf(SMALL "iterator_type: category\nbatch_type: pk\nper_speaker: 2\nloss: %s\n", losses[i]);
        spk_net *net = open_net(yaml);
        spk_train_stats stats;
        void *data, *grad;
        int64_t n;
        double sum = 0;
        assert_int_equal(step(net, wave, good, 6, NULL, &stats), SPK_OK);
        assert_true(isfinite(stats.loss) && stats.loss > 0);
        spk_params_blocks(spk_net_params(net), &data, &grad, &n);
        for (int64_t k = 0; k < n; k++)
            sum += fabs((double)((float *)grad)[k]);
        assert_true(isfinite(sum) && sum > 0);
        if (i >= 5) {
            assert_int_equal(step(net, wave, bad, 6, NULL, &stats), SPK_E_VALUE);
            assert_non_null(strstr(spk_errmsg(), "groups of 2 utterances of one speaker"));
            assert_int_equal(step(net, wave, good, 5, NULL, &stats), SPK_E_VALUE);
            assert_int_equal(step(net, wave, good, 2, NULL, &stats), SPK_E_VALUE);
        }
        spk_net_free(net);
        spk_free(yaml);
    }
    spk_free(wave);
    spk_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_compute_what_their_sources_compute),
        cmocka_unit_test(losses_of_whole_models_are_those_of_espnet),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(the_penalty_follows_version_and_margin),
        cmocka_unit_test(the_margin_grows_as_scheduled),
        cmocka_unit_test(schedules_that_say_too_little_are_refused),
        cmocka_unit_test(a_network_follows_the_schedule),
        cmocka_unit_test(every_loss_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
