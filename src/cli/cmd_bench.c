/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk bench: training steps and embeddings a second, peak memory, and how much of the processor's matrix peak a
 * training step reaches. Random waves, Adam, the median over the steps after two to warm up.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_impl.h"
#include "model/net_impl.h"
#include "optim/optim_impl.h"

typedef struct bench_options {
    char *config;
    int64_t batch, steps, threads;
    double seconds;
    bool use_amp, skip_train, profile, quiet;
} bench_options;

enum { WARM_UP = 2, SAMPLE_RATE = 16000 };

#define FIELD(name) offsetof(bench_options, name)
static const spk_opt table[] = {
    {"config", SPK_OPT_STR, FIELD(config), "none", 0, 0, NULL, "model configuration (YAML)", SPK_OPT_REQUIRED},
    {"batch", SPK_OPT_INT, FIELD(batch), "32", 2, 65536, NULL, "waves of a batch", 0},
    {"seconds", SPK_OPT_FLOAT, FIELD(seconds), "3", 0.1, 600, NULL, "length of a wave", 0},
    {"steps", SPK_OPT_INT, FIELD(steps), "7", 1, 100000, NULL, "steps that are timed", 0},
    {"threads", SPK_OPT_INT, FIELD(threads), "none", 1, 4096, NULL, "threads; none: all processors", SPK_OPT_NULLABLE},
    {"use_amp", SPK_OPT_BOOL, FIELD(use_amp), "false", 0, 0, NULL, "frames and products in bfloat16", 0},
    {"skip_train", SPK_OPT_BOOL, FIELD(skip_train), "false", 0, 0, NULL, "time embedding only", 0},
    {"profile", SPK_OPT_BOOL, FIELD(profile), "false", 0, 0, NULL, "also print the time of each op on stderr", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes on stderr, but warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk bench",
    .usage = "--config CONF.yaml [OPTION...]",
    .about =
        "Times training steps (forward, backward, Adam) and embedding on random waves; prints one JSON line. Keys: "
        "config,\n"
        "batch, amp, compile, threads, parameters, train_utt_per_s, embed_utt_per_s, peak_gb (of the process, 1e9 "
        "bytes),\n"
        "gflops (of a training step, forward and backward, a second) and share_of_peak (gflops over those of a large\n"
        "matrix product with the same threads, measured at the start).",
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

typedef struct bench {
    const bench_options *o;
    spk_net *net;
    spk_optim *optim;
    float *speech, *embedding;
    int64_t *labels, samples;
} bench;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static spk_status train_step(bench *b)
{
    spk_model *model = spk_net_model(b->net);
    spk_train_stats stats;
    float *parameters, *gradients;
    int64_t n;
    model->blocks(model->self, &parameters, &gradients, &n);
    model->zero_grad(model->self);
    SPK_TRY(model->forward_backward(model->self, b->speech, b->labels, b->o->batch, b->samples, 1, &stats));
    spk_optim_step(b->optim, parameters, gradients, 1e-3, 1);
    model->parameters_changed(model->self);
    return SPK_OK;
}

static spk_status embed_step(bench *b)
{
    spk_model *model = spk_net_model(b->net);
    return model->embed(model->self, b->speech, b->o->batch, b->samples, NULL, b->embedding);
}

/* Median seconds of a step. */
static spk_status timed(bench *b, spk_status (*step)(bench *), double *seconds)
{
    double *t = spk_new((size_t)(b->o->steps + WARM_UP) * sizeof *t);
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < b->o->steps + WARM_UP && status == SPK_OK; i++) {
        const double start = spk_now();
        status = step(b);
        t[i] = spk_now() - start;
        if (spk_interrupted()) status = spk_fail(SPK_E_INTERRUPTED, "interrupted");
    }
    qsort(t + WARM_UP, (size_t)b->o->steps, sizeof *t, by_value);
    *seconds = t[WARM_UP + b->o->steps / 2];
    spk_free(t);
    return status;
}

/* Steps once more with the clock on every op. */
static spk_status profile(bench *b, spk_net_mode mode, spk_status (*step)(bench *))
{
    spk_net_plan *p;
    spk_text text = {0};
    SPK_TRY(spk_net_plan_for(b->net, mode, b->o->batch < 32 || mode == SPK_NET_TRAIN ? b->o->batch : 32, b->samples,
                             SPK_NET_EVEN, &p));
    spk_plan_profile(p->plan, true);
    for (int i = 0; i < 3; i++)
        SPK_TRY(step(b));
    spk_plan_profile_print(p->plan, &text);
    fputs(spk_text_str(&text), stderr);
    spk_text_clear(&text);
    return SPK_OK;
}

static spk_status fill(bench *b, const spk_config *config)
{
    const int64_t n = b->o->batch, features = spk_net_feature_size(b->net), width = features > 0 ? features : 1;
    const int64_t rate = features > 0 ? config->preprocess.frames_per_second : SAMPLE_RATE;
    const int64_t group = strcmp(config->batch_type, "pk") == 0 ? config->per_speaker : 1;
    spk_rng rng = spk_rng_make(0, SPK_PURPOSE_TEST, 0, 0, 0);
    b->samples = (int64_t)((double)rate * b->o->seconds);
    b->speech = spk_alloc((size_t)(n * b->samples * width) * sizeof *b->speech);
    b->embedding = spk_alloc((size_t)(n * spk_net_model(b->net)->embedding_size) * sizeof *b->embedding);
    b->labels = spk_alloc((size_t)n * sizeof *b->labels);
    if (!b->speech || !b->embedding || !b->labels) return spk_fail(SPK_E_NOMEM, "out of memory for the batch");
    for (int64_t i = 0; i < n * b->samples * width; i++)
        b->speech[i] = 0.1f * (float)spk_rng_normal(&rng);
    for (int64_t i = 0; i < n; i++)
        b->labels[i] = i % group ? b->labels[i - 1] : spk_rng_below(&rng, config->spk_num);
    return SPK_OK;
}

static spk_status measure(bench *b, double *train_s, double *embed_s)
{
    *train_s = NAN;
    if (!b->o->skip_train) {
        float *parameters, *gradients;
        int64_t n;
        spk_model *model = spk_net_model(b->net);
        model->blocks(model->self, &parameters, &gradients, &n);
        SPK_TRY(spk_optim_new("adam", NULL, n, &b->optim));
        SPK_TRY(timed(b, train_step, train_s));
        if (b->o->profile) SPK_TRY(profile(b, SPK_NET_TRAIN, train_step));
    }
    SPK_TRY(timed(b, embed_step, embed_s));
    if (b->o->profile) SPK_TRY(profile(b, SPK_NET_EMBED, embed_step));
    return SPK_OK;
}

static void print(const bench *b, int threads, double peak, double train_s, double embed_s)
{
    spk_net_info info;
    const double batch = (double)b->o->batch;
    if (spk_net_describe(b->net, b->samples, &info) != SPK_OK) return;
    printf("{\"config\": \"%s\", \"batch\": %lld, \"amp\": %s, \"compile\": false, \"threads\": %d, "
           "\"parameters\": %lld, ",
           b->o->config, (long long)b->o->batch, b->o->use_amp ? "true" : "false", threads,
           (long long)info.n_parameters);
    if (isnan(train_s))
        printf("\"train_utt_per_s\": null, ");
    else
        printf("\"train_utt_per_s\": %.2f, ", batch / train_s);
    printf("\"embed_utt_per_s\": %.2f, \"peak_gb\": %.2f, ", batch / embed_s, spk_peak_gb());
    if (isnan(train_s))
        printf("\"gflops\": null, \"share_of_peak\": null}\n");
    else
        printf("\"gflops\": %.1f, \"share_of_peak\": %.3f}\n", info.gflop_training * batch / train_s,
               info.gflop_training * batch / train_s / peak);
}

static spk_status run(const bench_options *o)
{
    spk_status status;
    spk_config config = {0};
    bench b = {.o = o};
    double train_s, embed_s;
    const int threads = cli_threads(o->threads);
    const spk_net_options options = {.n_threads = threads, .bf16_train = o->use_amp, .bf16_embed = o->use_amp, .has_weights = true};
    SPK_GO(spk_config_read(o->config, &config));
    SPK_GO(spk_config_check(&config, SPK_CONFIG_MODEL, NULL));
    SPK_GO(spk_net_new(&config, &options, &b.net));
    SPK_GO(fill(&b, &config));
    const double peak = spk_backend_peak_gflops(threads);
    cli_note("%s, %s, %d threads, matrix peak %.1f GFLOP/s", spk_backend_version(), spk_backend_isa(), threads, peak);
    SPK_GO(measure(&b, &train_s, &embed_s));
    cli_note("activations %.2f GB", (double)spk_net_arena_bytes(b.net) / 1e9);
    print(&b, threads, peak, train_s, embed_s);
done:
    spk_optim_free(b.optim);
    spk_net_free(b.net);
    spk_config_clear(&config);
    spk_free(b.speech);
    spk_free(b.embedding);
    spk_free(b.labels);
    return status;
}

int cmd_bench(int argc, char **argv)
{
    bench_options o;
    spk_args args;
    const int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    spk_args_clear(&args);
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    const spk_status status = run(&o);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    if (status != SPK_OK) return cli_failed(status);
    return cli_flush();
}
