/* SPDX-License-Identifier: Apache-2.0 */
/* spk model: what a configuration builds, layer by layer: shapes, parameters, work. */
#include <string.h>

#include "cli/cli_impl.h"
#include "model/net_impl.h"

typedef struct model_options {
    char *config;
    double seconds;
    bool json, quiet;
} model_options;

enum { FEW_CLASSES = 1000 };

#define FIELD(name) offsetof(model_options, name)
static const spk_opt table[] = {
    {"config", SPK_OPT_STR, FIELD(config), "none", 0, 0, NULL, "model configuration (YAML)", SPK_OPT_REQUIRED},
    {"seconds", SPK_OPT_FLOAT, FIELD(seconds), "none", 0.001, 86400, NULL,
     "length of the utterance; none: the configuration's target_duration", SPK_OPT_NULLABLE},
    {"json", SPK_OPT_BOOL, FIELD(json), "false", 0, 0, NULL, "print one JSON object instead of a table", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes on stderr, but warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk model",
    .usage = "--config CONF.yaml [OPTION...]",
    .about =
        "Builds the network of a configuration and lists its layers in the order of the data: name of the weights,\n"
        "op, shape of the output (frames x channels, or frames x bins x channels), trainable parameters, and\n"
        "floating-point operations of a forward pass over one utterance; then the sums of each part and of all.",
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

typedef struct totals {
    int64_t n_parameters, n_buffers;
    double flops;
} totals;

static void add(totals *t, const spk_net_layer *layer)
{
    t->n_parameters += layer->n_parameters;
    t->n_buffers += layer->n_buffers;
    t->flops += layer->flops;
}

static const char *part_name(const spk_net_info *info, spk_part_kind kind)
{
    const char *const names[SPK_N_PARTS] = {[SPK_FRONTEND] = info->frontend,
                                            [SPK_ENCODER] = info->encoder,
                                            [SPK_POOLING] = info->pooling,
                                            [SPK_PROJECTOR] = info->projector,
                                            [SPK_LOSS] = info->loss};
    return names[kind] ? names[kind] : "";
}

static const char *shape_text(const spk_net_layer *l, char out[64])
{
    if (l->h > 1)
        snprintf(out, 64, "%lldx%lldx%lld", (long long)l->h, (long long)l->w, (long long)l->c);
    else
        snprintf(out, 64, "%lldx%lld", (long long)l->w, (long long)l->c);
    return out;
}

static void print_table(const spk_net_info *info, const spk_net_layer *layer, int64_t n, const totals *part,
                        const totals *all, double seconds)
{
    char shape[64];
    printf("%-44s %-14s %16s %12s %12s\n", "layer", "op", "shape", "parameters", "MFLOPs");
    for (int64_t i = 0; i < n; i++)
        printf("%-44s %-14s %16s %12lld %12.3f\n", layer[i].name, layer[i].op, shape_text(&layer[i], shape),
               (long long)layer[i].n_parameters, layer[i].flops / 1e6);
    puts("");
    for (spk_part_kind k = 0; k < SPK_N_PARTS; k++)
        if (part[k].n_parameters || part[k].n_buffers || part[k].flops > 0)
            printf("%-10s %-33s %14s %16s %12lld %12.3f\n", spk_part_kind_name(k), part_name(info, k), "", "",
                   (long long)part[k].n_parameters, part[k].flops / 1e6);
    printf("%-44s %14s %16s %12lld %12.3f\n", "all", "", "", (long long)all->n_parameters, all->flops / 1e6);
    printf("\nembedding %lld, %g s of audio, %lld values in buffers\n", (long long)info->embedding_size, seconds,
           (long long)all->n_buffers);
}

static void print_sums(const char *name, const char *choice, const totals *t)
{
    printf("{\"part\": \"%s\", \"name\": \"%s\", \"parameters\": %lld, \"buffers\": %lld, \"flops\": %.0f}", name,
           choice, (long long)t->n_parameters, (long long)t->n_buffers, t->flops);
}

static void print_json(const spk_net_info *info, const spk_net_layer *layer, int64_t n, const totals *part,
                       const totals *all, double seconds)
{
    bool first = true;
    printf("{\"layers\": [");
    for (int64_t i = 0; i < n; i++)
        printf("%s{\"part\": \"%s\", \"name\": \"%s\", \"op\": \"%s\", \"shape\": [%lld, %lld, %lld], \"parameters\": "
               "%lld, "
               "\"buffers\": %lld, \"flops\": %.0f}",
               i ? ", " : "", spk_part_kind_name(layer[i].part), layer[i].name, layer[i].op, (long long)layer[i].h,
               (long long)layer[i].w, (long long)layer[i].c, (long long)layer[i].n_parameters,
               (long long)layer[i].n_buffers, layer[i].flops);
    printf("], \"parts\": [");
    for (spk_part_kind k = 0; k < SPK_N_PARTS; k++)
        if (part[k].n_parameters || part[k].n_buffers || part[k].flops > 0) {
            if (!first) printf(", ");
            print_sums(spk_part_kind_name(k), part_name(info, k), &part[k]);
            first = false;
        }
    printf("], \"parameters\": %lld, \"buffers\": %lld, \"flops\": %.0f, \"embedding_size\": %lld, \"seconds\": %g}\n",
           (long long)all->n_parameters, (long long)all->n_buffers, all->flops, (long long)info->embedding_size,
           seconds);
}

/* A model may be looked at before there are data: the classes are then made up, and it is said. */
static void have_classes(spk_config *c)
{
    if (c->spk_num != SPK_NONE) return;
    c->spk_num = FEW_CLASSES;
    spk_info("model", "spk_num is not given: the loss is shown with %d classes", FEW_CLASSES);
}

static spk_status show(const model_options *o)
{
    spk_status status;
    spk_config config = {0};
    spk_net *net = NULL;
    spk_net_layer *layer = NULL;
    spk_net_info info;
    int64_t n = 0;
    totals part[SPK_N_PARTS] = {{0}}, all = {0};
    const spk_net_options options = {.has_weights = true}; /* shapes: files of initial values are not needed */
    SPK_GO(spk_config_read(o->config, &config));
    SPK_GO(spk_config_check(&config, SPK_CONFIG_MODEL, NULL));
    have_classes(&config);
    SPK_GO(spk_net_new(&config, &options, &net));
    const double seconds = o->seconds > 0 ? o->seconds : config.preprocess.target_duration;
    const bool features = spk_net_feature_size(net) > 0;
    const int64_t rate = features ? config.preprocess.frames_per_second : config.preprocess.sample_rate;
    const int64_t samples = (int64_t)(seconds * (double)rate);
    SPK_GO(spk_net_layers(net, samples, &layer, &n));
    SPK_GO(spk_net_describe(net, samples, &info));
    for (int64_t i = 0; i < n; i++) {
        add(&part[layer[i].part], &layer[i]);
        add(&all, &layer[i]);
    }
    if (o->json)
        print_json(&info, layer, n, part, &all, seconds);
    else
        print_table(&info, layer, n, part, &all, seconds);
done:
    spk_net_layers_free(layer, n);
    spk_net_free(net);
    spk_config_clear(&config);
    return status;
}

int cmd_model(int argc, char **argv)
{
    model_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    rc = cli_failed(show(&o));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
