/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk bench: training steps and embeddings a second, peak memory, and how much of the processor's matrix peak a
 * training step reaches. Random waves, Adam, the median over the steps after two to warm up. With --profile or --ops the
 * clocks of the ops run in the timed steps.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_impl.h"
#include "comm/comm_impl.h"
#include "model/net_impl.h"
#include "optim/optim_impl.h"

typedef struct bench_options {
    char *config;
    int64_t batch, steps, threads, ngpu;
    double seconds;
    bool use_amp, use_tf32, skip_train, profile, ops, json, quiet;
} bench_options;

enum { WARM_UP = 2, SAMPLE_RATE = 16000, CLIP = 5 };

#define FIELD(name) offsetof(bench_options, name)
static const spk_opt table[] = {
    {"config", SPK_OPT_STR, FIELD(config), "none", 0, 0, NULL, "model configuration (YAML)", SPK_OPT_REQUIRED},
    {"batch", SPK_OPT_INT, FIELD(batch), "32", 2, 65536, NULL, "waves of a batch", 0},
    {"seconds", SPK_OPT_FLOAT, FIELD(seconds), "3", 0.1, 600, NULL, "length of a wave", 0},
    {"steps", SPK_OPT_INT, FIELD(steps), "7", 1, 100000, NULL, "steps that are timed", 0},
    {"num_threads", SPK_OPT_INT, FIELD(threads), "none", 1, 4096, NULL, "threads; none: all processors",
     SPK_OPT_NULLABLE},
    {"use_amp", SPK_OPT_BOOL, FIELD(use_amp), "false", 0, 0, NULL, "frames and products in bfloat16", 0},
    {"ngpu", SPK_OPT_INT, FIELD(ngpu), "0", 0, 1, NULL, "0: the processor; 1: a GPU", 0},
    {"use_tf32", SPK_OPT_BOOL, FIELD(use_tf32), "false", 0, 0, NULL, "on a GPU: products of floats in TensorFloat32",
     0},
    {"skip_train", SPK_OPT_BOOL, FIELD(skip_train), "false", 0, 0, NULL, "time embedding only", 0},
    {"profile", SPK_OPT_BOOL, FIELD(profile), "false", 0, 0, NULL,
     "also print on stderr where the time of a step went, by kind of op", 0},
    {"ops", SPK_OPT_BOOL, FIELD(ops), "false", 0, 0, NULL,
     "print tables of all ops instead: time, GFLOP/s, bytes, share of the roofline", 0},
    {"json", SPK_OPT_BOOL, FIELD(json), "false", 0, 0, NULL, "with ops: one JSON object, not tables", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes on stderr, but warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk bench",
    .usage = "--config CONF.yaml [OPTION...] | --comm [OPTION...]",
    .about =
        "Times training steps (forward, backward, Adam) and embedding on random waves; prints one JSON line. Keys: "
        "config,\n"
        "batch, amp, compile, threads, parameters, train_utt_per_s, embed_utt_per_s, peak_gb (of the process, 1e9 "
        "bytes),\n"
        "gflops (of a training step, forward and backward, a second), share_of_peak (gflops over those of a large\n"
        "matrix product with the same threads, measured at the start, in bfloat16 with use_amp) and peak_gflops "
        "(those).\n"
        "With --ops, what the ops of a step do, those of one geometry together, forward and backward: milliseconds a "
        "step,\n"
        "MB that they must read and write, and what of the roofline they reach: the time that the matrix peak and the\n"
        "memory's bandwidth (measured at the start) would need, over the time taken. --json adds memory_gb_per_s,\n"
        "train_ops and embed_ops to the line's keys.\n"
        "With --ngpu 1 share_of_peak and peak_gflops are null, and tf32, gpu (its name) and gpu_gb (most of its memory "
        "in "
        "use, 1e9\n"
        "bytes) are added; each step begins with waves in the processor's memory, and the norm is clipped.\n"
        "mpirun -np N spk bench --comm times sums over processes instead (spk bench --comm --help).",
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

/* What was timed: steps of one kind. */
typedef struct timing {
    double median, total; /* seconds */
    double zero, optim;   /* of total: clearing gradients, the optimiser */
    spk_profile profile;
} timing;

typedef struct bench {
    const bench_options *o;
    spk_net *net;
    spk_optim *optim;
    float *speech, *embedding;
    int64_t *labels, samples;
    int threads;
    spk_roofline roof;
    timing train, embed;
} bench;

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Where the optimiser works; of a GPU its handle comes back. */
static const spk_device *blocks_of(const spk_model *m, float **parameters, float **gradients, int64_t *n)
{
    const spk_device *device = NULL;
    if (m->blocks_there)
        m->blocks_there(m->self, true, &device, parameters, gradients, n);
    else
        m->blocks(m->self, parameters, gradients, n);
    return device;
}

static spk_status train_step(bench *b)
{
    spk_model *model = spk_net_model(b->net);
    spk_train_stats stats;
    float *parameters, *gradients;
    int64_t n;
    blocks_of(model, &parameters, &gradients, &n);
    const double start = spk_now();
    model->zero_grad(model->self);
    b->train.zero += spk_now() - start;
    SPK_TRY(model->forward_backward(model->self, b->speech, b->labels, b->o->batch, b->samples, 1, &stats));
    const double middle = spk_now();
    /* On a GPU the trainer waits for the norm, so that belongs to a step there. */
    const double norm = b->o->ngpu ? spk_optim_grad_norm(b->optim, gradients, 2) : 0;
    spk_optim_step(b->optim, parameters, gradients, 1e-3, spk_clip_factor(norm, CLIP));
    b->train.optim += spk_now() - middle;
    model->parameters_changed(model->self);
    return SPK_OK;
}

static spk_status embed_step(bench *b)
{
    spk_model *model = spk_net_model(b->net);
    return model->embed(model->self, b->speech, b->o->batch, b->samples, NULL, b->embedding);
}

/* Steps to warm up, then those that count. */
static spk_status timed(bench *b, spk_status (*step)(bench *), timing *out)
{
    double *t = spk_new((size_t)b->o->steps * sizeof *t);
    spk_status status = SPK_OK;
    for (int64_t i = -WARM_UP; i < b->o->steps && status == SPK_OK; i++) {
        if (i == 0) {
            *out = (timing){0};
            spk_net_profile(b->net, b->o->profile || b->o->ops);
        }
        const double start = spk_now();
        status = step(b);
        const double seconds = spk_now() - start;
        if (i >= 0) t[i] = seconds;
        out->total += seconds;
        if (spk_interrupted()) status = spk_fail(SPK_E_INTERRUPTED, "interrupted");
    }
    qsort(t, (size_t)b->o->steps, sizeof *t, by_value);
    out->median = t[b->o->steps / 2];
    spk_free(t);
    spk_net_profile_take(b->net, &out->profile);
    spk_net_profile(b->net, false);
    return status;
}

/* ---- tables ---- */

static void print_profile(const bench *b, const char *title, const timing *t, bool train)
{
    spk_text text = {0};
    const spk_profile_rest rest[] = {{"clearing gradients", t->zero}, {"optimiser", t->optim}};
    const spk_profile_steps steps = {
        .title = title, .n = b->o->steps, .seconds = t->total, .rest = rest, .n_rest = train ? 2 : 0};
    spk_profile_print(&t->profile, &steps, &text);
    fputs(spk_text_str(&text), stderr);
    spk_text_clear(&text);
}

static void print_ops(const bench *b)
{
    spk_text text = {0};
    if (!b->o->skip_train) {
        spk_profile_print_ops(&b->train.profile, "training", b->o->steps, &b->roof, &text);
        spk_text_add(&text, "\n");
    }
    spk_profile_print_ops(&b->embed.profile, "embedding", b->o->steps, &b->roof, &text);
    fputs(spk_text_str(&text), stdout);
    spk_text_clear(&text);
}

/* Behind the other keys. */
static void print_json_ops(const bench *b)
{
    spk_text text = {0};
    spk_text_addf(&text, ", \"memory_gb_per_s\": %.2f, \"train_ops\": ", b->roof.gbytes);
    if (b->o->skip_train)
        spk_text_add(&text, "null");
    else
        spk_profile_json_ops(&b->train.profile, b->o->steps, &b->roof, &text);
    spk_text_add(&text, ", \"embed_ops\": ");
    spk_profile_json_ops(&b->embed.profile, b->o->steps, &b->roof, &text);
    fputs(spk_text_str(&text), stdout);
    spk_text_clear(&text);
}

/* ---- the command ---- */

static spk_status fill(bench *b, const spk_config *config)
{
    const int64_t n = b->o->batch, features = spk_net_feature_size(b->net), width = features > 0 ? features : 1;
    const int64_t rate = features > 0 ? config->preprocess.frames_per_second : SAMPLE_RATE;
    const int64_t group = strcmp(config->batch_type, "pk") == 0 ? config->per_speaker : 1;
    spk_rng rng = spk_rng_make(0, SPK_PURPOSE_TEST, 0, 0, 0);
    b->samples = (int64_t)((double)rate * b->o->seconds);
    b->speech = spk_alloc_batch((size_t)(n * b->samples * width) * sizeof *b->speech);
    b->embedding = spk_alloc((size_t)(n * spk_net_model(b->net)->embedding_size) * sizeof *b->embedding);
    b->labels = spk_alloc((size_t)n * sizeof *b->labels);
    if (!b->speech || !b->embedding || !b->labels) return spk_fail(SPK_E_NOMEM, "out of memory for the batch");
    for (int64_t i = 0; i < n * b->samples * width; i++)
        b->speech[i] = 0.1f * (float)spk_rng_normal(&rng);
    for (int64_t i = 0; i < n; i++)
        b->labels[i] = i % group ? b->labels[i - 1] : spk_rng_below(&rng, config->spk_num);
    return SPK_OK;
}

static spk_status measure(bench *b)
{
    if (!b->o->skip_train) {
        float *parameters, *gradients;
        int64_t n;
        spk_model *model = spk_net_model(b->net);
        const spk_device *device = blocks_of(model, &parameters, &gradients, &n);
        SPK_TRY(spk_optim_new("adam", NULL, n, &b->optim));
        if (device) SPK_TRY(spk_optim_use_device(b->optim, device));
        SPK_TRY(timed(b, train_step, &b->train));
        if (b->o->profile) print_profile(b, "training", &b->train, true);
    }
    SPK_TRY(timed(b, embed_step, &b->embed));
    if (b->o->profile) print_profile(b, "embedding", &b->embed, false);
    return SPK_OK;
}

static void print_gpu(const bench *b)
{
    double gigabytes = 0;
    const char *name = spk_net_gpu(b->net, &gigabytes);
    printf(", \"peak_gflops\": null, \"tf32\": %s, \"gpu\": \"%s\", \"gpu_gb\": %.2f",
           b->o->use_tf32 ? "true" : "false", name, gigabytes);
}

static void print(const bench *b)
{
    spk_net_info info;
    const double batch = (double)b->o->batch, rate = batch / b->train.median;
    if (spk_net_describe(b->net, b->samples, &info) != SPK_OK) return;
    printf("{\"config\": \"%s\", \"batch\": %lld, \"amp\": %s, \"compile\": false, \"threads\": %d, "
           "\"parameters\": %lld, ",
           b->o->config, (long long)b->o->batch, b->o->use_amp ? "true" : "false", b->threads,
           (long long)info.n_parameters);
    if (b->o->skip_train)
        printf("\"train_utt_per_s\": null, ");
    else
        printf("\"train_utt_per_s\": %.2f, ", rate);
    printf("\"embed_utt_per_s\": %.2f, \"peak_gb\": %.2f, ", batch / b->embed.median, spk_peak_gb());
    if (b->o->skip_train)
        printf("\"gflops\": null, \"share_of_peak\": null");
    else if (b->o->ngpu)
        printf("\"gflops\": %.1f, \"share_of_peak\": null", info.gflop_training * rate);
    else
        printf("\"gflops\": %.1f, \"share_of_peak\": %.3f", info.gflop_training * rate,
               info.gflop_training * rate / b->roof.gflops);
    if (b->o->ngpu)
        print_gpu(b);
    else
        printf(", \"peak_gflops\": %.1f", b->roof.gflops);
    if (b->o->ops) print_json_ops(b);
    printf("}\n");
}

static spk_status run(const bench_options *o)
{
    spk_status status;
    spk_config config = {0};
    bench b = {.o = o, .threads = cli_threads(o->threads)};
    const spk_net_options options = {.n_threads = b.threads,
                                     .bf16_train = o->use_amp,
                                     .bf16_embed = o->use_amp,
                                     .gpu = (int)o->ngpu,
                                     .gpu_tf32 = o->use_tf32,
                                     .has_weights = true};
    SPK_GO(spk_config_read(o->config, &config));
    SPK_GO(spk_config_check(&config, SPK_CONFIG_MODEL, NULL));
    if (o->ngpu == 0 || o->ops) b.roof.gflops = spk_backend_peak_gflops(b.threads, o->use_amp);
    if (o->ops) b.roof.gbytes = spk_backend_memory_gbs(b.threads);
    if (o->ops && !(b.roof.gbytes > 0)) SPK_GO(spk_fail(SPK_E_NOMEM, "out of memory for measuring its speed (256 MB)"));
    SPK_GO(spk_net_new(&config, &options, &b.net));
    SPK_GO(fill(&b, &config));
    cli_note("%s, %s, %d threads, matrix peak %.1f GFLOP/s", spk_backend_version(), spk_backend_isa(), b.threads,
             b.roof.gflops);
    SPK_GO(measure(&b));
    cli_note("activations %.2f GB", (double)spk_net_arena_bytes(b.net) / 1e9);
    if (o->ops && !o->json)
        print_ops(&b);
    else
        print(&b);
done:
    spk_profile_clear(&b.train.profile);
    spk_profile_clear(&b.embed.profile);
    spk_optim_free(b.optim);
    spk_free_batch(b.speech);
    spk_net_free(b.net);
    spk_config_clear(&config);
    spk_free(b.embedding);
    spk_free(b.labels);
    return status;
}

int cmd_bench(int argc, char **argv)
{
    bench_options o;
    spk_args args;
    if (argc > 0 && strcmp(argv[0], "--comm") == 0) return cmd_bench_comm(argc - 1, argv + 1);
    const int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    spk_args_clear(&args);
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    const spk_status status =
        spk_comm_size(cli_comm()) > 1
            ? spk_comm_agree(cli_comm(),
                             spk_fail(SPK_E_UNSUPPORTED, "spk bench times one process; with several it times "
                                                         "their sums: --comm"))
        : o.use_amp && o.ngpu == 0 && !spk_backend_has_bf16()
            ? spk_fail(SPK_E_UNSUPPORTED, "use_amp: this processor has no arithmetic in bfloat16 to be timed")
            : run(&o);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    if (status != SPK_OK) return cli_failed(status);
    return cli_flush();
}
