/* SPDX-License-Identifier: Apache-2.0 */
/* Networks from configurations: parts, parameters, and the cache of plans. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "config/args_impl.h"
#include "model/head_impl.h"
#include "model/init_impl.h"
#include "model/loss_impl.h"
#include "model/margin_schedule_impl.h"
#include "model/net_impl.h"
#include "model/net_model_impl.h"
#include "spk/state.h"

/* Each plan holds copies of the weights in the layouts of the library, so only a few are kept. */
enum { MOST_PLANS = 8, DECLARED_BATCH = 2 };

struct spk_net {
    const spk_part *part[SPK_N_PARTS];
    void *conf[SPK_N_PARTS];
    int64_t size[SPK_N_PARTS];   /* output sizes */
    spk_part_in in[SPK_N_PARTS]; /* what each part's check was told */
    int part_end[SPK_N_PARTS];   /* nodes of the graph built last, up to the part's last one */
    spk_net_options options;
    spk_pool_lengths pool_lengths;
    int64_t n_classes, sample_rate;
    spk_draws draws;
    uint64_t *keys; /* what draws.item points to; room for n_keys */
    int64_t n_keys;
    spk_margin_schedule schedule;
    spk_params *params;
    spk_device *device; /* NULL: the processor computes */
    spk_arena *arena;
    int n_plans;
    spk_net_plan *plan[MOST_PLANS];
    int64_t version, clock;
    bool keep_all, profiling;
    spk_profile profile; /* of plans that are gone, and the time in which plans were made */
    spk_model model;
    spk_net_team team;
    const int64_t *lengths; /* of the next training batch, n_lengths items; NULL: all are full */
    int64_t n_lengths;
    spk_head *head; /* the loss, where other processes have the other classes; NULL: it is in the plans */
};

/* ---- parts ---- */

/* Names that ESPnet has and that are not built here, with the way round. */
static spk_status no_such_part(const spk_config *c, spk_part_kind kind, const char *name)
{
    char where[512];
    const char *why = "is not supported yet";
    if (kind == SPK_FRONTEND && strcmp(name, "s3prl") == 0)
        why = "runs a self-supervised model in Python, which is not here: dump its hidden layers to files and train on "
              "them with frontend: layer_weights";
    if (kind == SPK_FRONTEND && strcmp(name, "fused") == 0)
        why = "joins several frontends, of which one is a self-supervised model that is not here: choose one frontend, "
              "or dump the joined features to files and train without a frontend";
    return spk_fail(SPK_E_UNSUPPORTED, "%s: %s %s",
                    spk_option_where(c->source, spk_part_kind_name(kind), where, sizeof where), name, why);
}

static spk_status read_parts(spk_net *net, const spk_config *c)
{
    const struct {
        const char *name;
        const spk_yaml *conf;
    } chosen[SPK_N_PARTS] = {
        {c->frontend, c->frontend_conf}, {c->specaug, c->specaug_conf}, {c->normalize, c->normalize_conf},
        {c->encoder, c->encoder_conf},   {c->pooling, c->pooling_conf}, {c->projector, c->projector_conf},
        {c->loss, c->loss_conf}};
    spk_part_in in = {.input_size = 1,
                      .sample_rate = c->preprocess.sample_rate,
                      .n_classes = net->options.embed_only ? 0 : net->n_classes,
                      .has_weights = net->options.embed_only || net->options.has_weights,
                      .per_speaker = strcmp(c->batch_type, "pk") == 0 ? c->per_speaker : 0,
                      .like_202611 = c->version != NULL};
    net->sample_rate = in.sample_rate;
    for (int i = 0; i < SPK_N_PARTS; i++) {
        const char *kind = spk_part_kind_name(i);
        if (!chosen[i].name && i <= SPK_NORMALIZE) {
            if (i == SPK_FRONTEND && c->input_size == SPK_NONE)
                return spk_fail(SPK_E_CONFIG, "input_size: without a frontend the size of the features must be given");
            if (i == SPK_FRONTEND) in.input_size = c->input_size;
            net->size[i] = in.input_size;
            continue;
        }
        if (!chosen[i].name) return spk_fail(SPK_E_CONFIG, "%s: none is no %s; name one", kind, kind);
        const spk_part *part = net->part[i] = spk_part_find(i, chosen[i].name);
        if (!part) return no_such_part(c, i, chosen[i].name);
        char what[32];
        snprintf(what, sizeof what, "%s_conf", kind);
        void *conf = spk_new(part->conf_bytes ? part->conf_bytes : 1);
        const spk_status status = spk_opts_read(part->options, part->n_options, chosen[i].conf, what, conf);
        if (status != SPK_OK) {
            spk_free(conf);
            return status;
        }
        net->conf[i] = conf;
        net->size[i] = in.input_size;
        net->in[i] = in;
        if (part->check) SPK_TRY(part->check(conf, &in, &net->size[i]));
        in.input_size = net->size[i];
    }
    return SPK_OK;
}

/* ---- graphs ---- */

/* A part's output, or x where there is no such part. */
static spk_tensor *apply(spk_net *net, spk_build *b, spk_part_kind kind, spk_tensor *x)
{
    spk_tensor *y = net->part[kind] ? net->part[kind]->build(b, net->conf[kind], x) : x;
    net->part_end[kind] = spk_graph_n_nodes(b->g);
    return y;
}

int64_t spk__net_group(const spk_net *net)
{
    return net->part[SPK_LOSS]->in_groups ? net->in[SPK_LOSS].per_speaker : 1;
}

/* Items of a graph that is only looked at. */
static int64_t declared_batch(const spk_net *net)
{
    return DECLARED_BATCH * spk__net_group(net);
}

static bool is_divided(const spk_net *net)
{
    return net->options.class_processes > 1;
}

/* The loss in a graph of its own, which declares the weights of the classes that are here. */
static void make_head(spk_net *net, const spk_build *whole, int64_t size)
{
    spk_graph *g = spk_graph_new();
    spk_build b = *whole;
    b.g = g;
    b.n_classes = net->n_classes;
    spk_head_share(net->n_classes, net->options.class_process, net->options.class_processes, &b.first_class,
                   &b.own_classes);
    spk_tensor *embedding = spk_g_input(g, SPK_F32, declared_batch(net), 1, size);
    spk_tensor *labels = spk_g_input(g, SPK_I64, declared_batch(net), 1, 1);
    net->part[SPK_LOSS]->build_loss(&b, net->conf[SPK_LOSS], embedding, labels, net->n_classes);
    net->head = spk_head_new(g, net->options.f64 ? SPK_F64 : SPK_F32, net->options.n_threads, b.first_class);
}

static void build_graph(spk_net *net, spk_net_plan *p)
{
    const bool train = p->mode == SPK_NET_TRAIN || p->mode == SPK_NET_TRAIN_FROM_FEATURES;
    spk_build b = {.g = p->graph,
                   .params = net->params,
                   .train = train,
                   .pool_lengths = net->pool_lengths,
                   .sample_rate = net->sample_rate};
    if (p->mode == SPK_NET_TRAIN_FROM_FEATURES) {
        p->speech = p->feats = spk_g_input(p->graph, SPK_F32, p->n, p->samples, net->size[SPK_NORMALIZE]);
    } else {
        p->speech = spk_g_input(p->graph, SPK_F32, p->n, p->samples, spk__net_input_size(net));
        if (p->kind != SPK_NET_EVEN) p->speech->len = p->lengths;
        p->feats = apply(net, &b, SPK_FRONTEND, p->speech);
        if (p->mode == SPK_NET_FEATURES) {
            if (!p->feats->is_input) spk_g_keep(p->feats);
            return;
        }
        if (p->kind == SPK_NET_SAME_FRAMES) p->feats->len = NULL;
        if (train) p->feats = apply(net, &b, SPK_SPECAUG, p->feats);
        p->feats = apply(net, &b, SPK_NORMALIZE, p->feats);
    }
    b.frontend_frames = p->feats->w;
    b.frontend_len = p->feats->len;
    if (!net->part[SPK_FRONTEND] && b.pool_lengths == SPK_POOL_FRONTEND)
        b.pool_lengths = SPK_POOL_ENCODER; /* ESPnet gives its pooling no lengths then */
    p->frames = apply(net, &b, SPK_ENCODER, p->feats);
    spk_tensor *pooled = apply(net, &b, SPK_POOLING, p->frames);
    p->embedding = spk_g_keep(apply(net, &b, SPK_PROJECTOR, pooled));
    if (net->keep_all) {
        if (!p->feats->is_input) spk_g_keep(p->feats);
        spk_g_keep(p->frames);
    }
    if (!train) return;
    if (is_divided(net)) {
        if (!net->head) make_head(net, &b, p->embedding->c);
        p->loss = p->embedding; /* where the backward pass begins */
        return;
    }
    p->labels = spk_g_input(p->graph, SPK_I64, p->n, 1, 1);
    p->loss = net->part[SPK_LOSS]->build_loss(&b, net->conf[SPK_LOSS], p->embedding, p->labels, net->n_classes);
}

spk_graph *spk__net_graph(spk_net *net, int64_t samples, int part_end[SPK_N_PARTS])
{
    spk_net_plan p = {.mode = net->options.embed_only ? SPK_NET_EMBED : SPK_NET_TRAIN,
                      .n = declared_batch(net),
                      .samples = samples,
                      .graph = spk_graph_new()};
    memset(net->part_end, 0, sizeof net->part_end);
    build_graph(net, &p);
    net->part_end[SPK_LOSS] = spk_graph_n_nodes(p.graph);
    memcpy(part_end, net->part_end, sizeof net->part_end);
    return p.graph;
}

/* The first build of a network, for its names and shapes only. */
static void declare(spk_net *net)
{
    spk_net_plan p = {.mode = net->options.embed_only ? SPK_NET_EMBED : SPK_NET_TRAIN,
                      .n = declared_batch(net),
                      .samples = spk_net_min_samples(net),
                      .graph = spk_graph_new()};
    build_graph(net, &p);
    spk_graph_free(p.graph);
}

/* ---- plans ---- */

static void plan_free(spk_net_plan *p)
{
    spk_plan_free(p->plan);
    spk_free(p->lengths);
    spk_free(p->wide);
    spk_free(p);
}

static spk_status plan_new(spk_net *net, spk_net_mode mode, int64_t n, int64_t samples, spk_net_lengths kind,
                           spk_net_plan **out)
{
    spk_net_plan *p = spk_new(sizeof *p);
    *p = (spk_net_plan){.mode = mode, .n = n, .samples = samples, .kind = kind};
    p->graph = spk_graph_new();
    p->version = -1;
    p->lengths = spk_new((size_t)n * sizeof *p->lengths);
    for (int64_t i = 0; i < n; i++)
        p->lengths[i] = samples;
    build_graph(net, p);
    const bool bf16 = p->mode == SPK_NET_TRAIN ? net->options.bf16_train : net->options.bf16_embed;
    const spk_plan_options options = {.real = net->options.f64 ? SPK_F64
                                              : bf16           ? SPK_BF16
                                                               : SPK_F32,
                                      .train = p->loss != NULL,
                                      .loss = p->loss,
                                      .n_threads = net->options.n_threads};
    const spk_status status = spk_plan_new(p->graph, net->arena, &options, &p->plan);
    if (status != SPK_OK)
        plan_free(p);
    else
        *out = p;
    return status;
}

spk_status spk_net_plan_for(spk_net *net, spk_net_mode mode, int64_t n, int64_t samples, spk_net_lengths kind,
                            spk_net_plan **out)
{
    int slot = net->n_plans, oldest = 0;
    for (int i = 0; i < net->n_plans; i++) {
        spk_net_plan *p = net->plan[i];
        if (p->mode == mode && p->n == n && p->samples == samples && p->kind == kind) {
            p->used = ++net->clock;
            *out = p;
            return SPK_OK;
        }
        if (p->used < net->plan[oldest]->used) oldest = i;
    }
    spk_net_plan *made;
    const double start = spk_now();
    SPK_TRY(plan_new(net, mode, n, samples, kind, &made));
    if (net->profiling) {
        spk_plan_profile(made->plan, true);
        net->profile.planning += spk_now() - start;
    }
    if (slot == MOST_PLANS) {
        if (net->profiling) spk_plan_profile_take(net->plan[oldest]->plan, &net->profile);
        plan_free(net->plan[slot = oldest]);
    } else {
        net->n_plans++;
    }
    net->plan[slot] = made;
    made->used = ++net->clock;
    *out = made;
    return SPK_OK;
}

void spk_net_profile(spk_net *net, bool on)
{
    net->profiling = on;
    spk_profile_clear(&net->profile);
    for (int i = 0; i < net->n_plans; i++)
        spk_plan_profile(net->plan[i]->plan, on);
}

/* Plans that did not run since have nothing to tell. */
void spk_net_profile_take(spk_net *net, spk_profile *into)
{
    for (int i = 0; i < net->n_plans; i++)
        if (spk_plan_runs(net->plan[i]->plan) > 0) spk_plan_profile_take(net->plan[i]->plan, into);
    spk_profile_add(&net->profile, into);
}

void spk_net_bind(const spk_net *net, spk_net_plan *p, const float *speech)
{
    const int64_t n = p->n * p->samples * p->speech->c;
    if (!net->options.f64) {
        spk_plan_bind(p->plan, p->speech, speech);
        return;
    }
    if (!p->wide) p->wide = spk_new((size_t)n * sizeof *p->wide);
    for (int64_t i = 0; i < n; i++)
        p->wide[i] = (double)speech[i];
    spk_plan_bind(p->plan, p->speech, p->wide);
}

/* What a training's forward pass writes beside activations. */
static bool moves_statistics(const spk_net_plan *p)
{
    return p->mode == SPK_NET_TRAIN || p->mode == SPK_NET_TRAIN_FROM_FEATURES;
}

void spk_net_forward(spk_net *net, spk_net_plan *p)
{
    spk_params_bring_there(net->params);
    if (net->device && moves_statistics(p)) spk_params_written_there(net->params, SPK_BUFFERS);
    const spk_draws none = {0}; /* embedding draws nothing, and the keys are those of a step that is over */
    spk_plan_draws(p->plan, p->mode == SPK_NET_EMBED ? &none : &net->draws);
    spk_plan_forward(p->plan, p->version != net->version);
    p->version = net->version;
}

/* ---- the network ---- */

static spk_status read_schedule(spk_net *net, const spk_config *config)
{
    const bool has = net->part[SPK_LOSS]->set_margin != NULL;
    const double margin = has ? ((const spk_loss_margin *)net->conf[SPK_LOSS])->given : NAN;
    return spk_margin_schedule_read(config, margin, &net->schedule);
}

void spk__net_step_margin(spk_net *net, const spk_step_info *info)
{
    if (net->schedule.on)
        net->part[SPK_LOSS]->set_margin(net->conf[SPK_LOSS], spk_margin_schedule_at(&net->schedule, info));
}

bool spk__net_margin(const spk_net *net, double *margin)
{
    if (net->schedule.on) *margin = ((const spk_loss_margin *)net->conf[SPK_LOSS])->now[0];
    return net->schedule.on;
}

/* Can the loss's classes be divided? */
static spk_status check_division(const spk_net *net, const spk_config *c)
{
    const int64_t processes = net->options.class_processes;
    char where[512];
    spk_option_where(c->source, "shard_classes", where, sizeof where);
    if (net->part[SPK_LOSS]->in_groups)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%s: the loss %s compares the utterances of a share with each other, so its classes cannot be "
                        "divided; leave shard_classes out, or take a loss over classes alone (aamsoftmax)",
                        where, net->part[SPK_LOSS]->name);
    if (net->options.f64)
        return spk_fail(SPK_E_UNSUPPORTED, "%s: classes are divided in single precision only; leave shard_classes out",
                        where);
    if (net->n_classes >= processes) return SPK_OK;
    return spk_fail(SPK_E_CONFIG, "%s: %lld speakers cannot be divided among %lld processes; leave shard_classes out",
                    where, (long long)net->n_classes, (long long)processes);
}

/* Its weights are known and not laid out yet. */
static spk_status check_head(const spk_net *net)
{
    const spk_param *w = spk_head_weight(net->head);
    if (!w->frozen) return SPK_OK;
    return spk_fail(SPK_E_UNSUPPORTED,
                    "freeze_param: %s cannot be frozen while shard_classes divides it among processes", w->name);
}

static spk_status open_device(spk_net *net, const spk_config *c)
{
    const spk_net_options *o = &net->options;
    char where[512];
    const spk_device_options options = {.index = o->gpu - 1,
                                        .tf32 = o->gpu_tf32,
                                        .deterministic = !o->gpu_any_bits,
                                        .benchmark = o->gpu_benchmark,
                                        .no_dnn = o->gpu_no_dnn};
    spk_option_where(c->source, "ngpu", where, sizeof where);
    if (o->f64)
        return spk_fail(SPK_E_UNSUPPORTED, "%s: float64 is computed by the processor only; leave ngpu at 0", where);
    if (is_divided(net))
        return spk_fail(SPK_E_UNSUPPORTED, "%s: shard_classes is for the processor only; leave one of the two out",
                        where);
    SPK_TRY(spk_device_open(&options, &net->device));
    spk_info("model", "%s, %.0f GB, %s", net->device->info.name, net->device->info.memory_gb,
             net->device->info.library);
    return SPK_OK;
}

spk_status spk_net_new(const spk_config *config, const spk_net_options *options, spk_net **out)
{
    spk_status status;
    spk_net *net = spk_new(sizeof *net);
    if (options) net->options = *options;
    net->params = spk_params_new(net->options.f64 ? SPK_F64 : SPK_F32);
    SPK_ASSERT(!net->options.f64 || !(net->options.bf16_train || net->options.bf16_embed));
    if (net->options.n_threads <= 0) net->options.n_threads = spk_cpu_count();
    omp_set_num_threads(net->options.n_threads);
    if (net->options.gpu > 0) SPK_GO(open_device(net, config));
    if ((net->options.bf16_train || net->options.bf16_embed) && !net->device && !spk_backend_has_bf16()) {
        spk_info("model", "use_amp: this processor has no arithmetic in bfloat16, so all is float32");
        net->options.bf16_train = net->options.bf16_embed = false;
    }
    if (strcmp(config->pool_lengths, "frontend") == 0) net->pool_lengths = SPK_POOL_FRONTEND;
    if (strcmp(config->pool_lengths, "none") == 0) net->pool_lengths = SPK_POOL_NONE;
    net->n_classes = config->spk_num;
    net->arena = spk_arena_new_on(net->device);
    SPK_GO(read_parts(net, config));
    if (!net->options.embed_only && net->n_classes < 1)
        SPK_GO(spk_fail(SPK_E_CONFIG, "spk_num: the number of speakers is not given; set spk_num or give spk2utt"));
    if (net->options.embed_only) net->options.class_processes = 0;
    if (is_divided(net)) SPK_GO(check_division(net, config));
    declare(net);
    spk_init_choose(net->params, config->init);
    if (!net->options.embed_only) SPK_GO(spk_init_freeze(net->params, &config->freeze_param));
    if (net->head) SPK_GO(check_head(net));
    if (!net->options.embed_only) SPK_GO(read_schedule(net, config));
    SPK_GO(spk_params_commit(net->params, (uint64_t)config->seed));
    if (net->device) SPK_GO(spk_params_use_device(net->params, net->device));
    spk__net_model_init(net, &net->model, net->size[SPK_PROJECTOR], net->options.embed_only);
    *out = net;
done:
    if (status != SPK_OK) spk_net_free(net);
    return status;
}

void spk_net_free(spk_net *net)
{
    if (!net) return;
    for (int i = 0; i < net->n_plans; i++)
        plan_free(net->plan[i]);
    for (int i = 0; i < SPK_N_PARTS; i++)
        if (net->conf[i]) {
            spk_opts_clear(net->part[i]->options, net->part[i]->n_options, net->conf[i]);
            spk_free(net->conf[i]);
        }
    spk_head_free(net->head);
    spk_profile_clear(&net->profile);
    spk_free(net->keys);
    spk_params_free(net->params);
    if (net->arena) spk_arena_free(net->arena);
    spk_device_close(net->device);
    spk_free(net);
}

spk_model *spk_net_model(spk_net *net)
{
    return &net->model;
}

void spk_net_keep_all(spk_net *net)
{
    net->keep_all = true;
}

spk_params *spk_net_params(spk_net *net)
{
    return net->params;
}

size_t spk_net_arena_bytes(const spk_net *net)
{
    return spk_arena_bytes(net->arena);
}

spk_net_team *spk__net_team(spk_net *net)
{
    return &net->team;
}

void spk__net_give_lengths(spk_net *net, const int64_t *lengths, int64_t n)
{
    net->lengths = lengths;
    net->n_lengths = n;
}

const int64_t *spk__net_take_lengths(spk_net *net, int64_t n)
{
    const int64_t *lengths = net->lengths;
    SPK_ASSERT(!lengths || net->n_lengths == n);
    net->lengths = NULL;
    return lengths;
}

const char *spk_net_gpu(const spk_net *net, double *gigabytes)
{
    const spk_device *d = net->device;
    if (d) *gigabytes = (double)d->t->most_used(d->self) / 1e9;
    return d ? d->info.name : NULL;
}

const spk_device *spk__net_device(const spk_net *net)
{
    return net->device;
}

spk_head *spk__net_head(const spk_net *net)
{
    return net->head;
}

void spk__net_weights_changed(spk_net *net)
{
    net->version++;
}

bool spk__net_is_f64(const spk_net *net)
{
    return net->options.f64;
}

bool spk__net_embeds_only(const spk_net *net)
{
    return net->options.embed_only;
}

const spk_part *spk__net_part(const spk_net *net, spk_part_kind kind)
{
    return net->part[kind];
}

const void *spk__net_conf(const spk_net *net, spk_part_kind kind, spk_part_in *in)
{
    *in = net->in[kind];
    return net->conf[kind];
}

spk_pool_lengths spk__net_pool_lengths(const spk_net *net)
{
    return net->pool_lengths;
}

int64_t spk__net_n_classes(const spk_net *net)
{
    return net->n_classes;
}

void spk_net_set_draws(spk_net *net, const spk_draws *draws, int64_t n)
{
    net->draws = *draws;
    net->draws.item = NULL;
    if (!draws->item) return;
    if (n > net->n_keys) {
        spk_free(net->keys);
        net->keys = spk_new((size_t)n * sizeof *net->keys);
        net->n_keys = n;
    }
    memcpy(net->keys, draws->item, (size_t)n * sizeof *net->keys);
    net->draws.item = net->keys;
}

int64_t spk__net_input_size(const spk_net *net)
{
    const int64_t size = spk_net_feature_size(net);
    return size > 0 ? size : 1;
}

int64_t spk_net_feature_size(const spk_net *net)
{
    const spk_part *frontend = net->part[SPK_FRONTEND];
    if (!frontend) return net->size[SPK_FRONTEND];
    return frontend->input_size ? frontend->input_size(net->conf[SPK_FRONTEND]) : 0;
}

/* Frames grow with the samples, so the fewest are found by doubling and halving. */
int64_t spk_net_min_samples(const spk_net *net)
{
    const spk_part *frontend = net->part[SPK_FRONTEND], *encoder = net->part[SPK_ENCODER];
    const int64_t frames = encoder->min_frames ? encoder->min_frames(net->conf[SPK_ENCODER]) : 1;
    if (!frontend) return frames;
    const int64_t least = frontend->min_samples ? frontend->min_samples(net->conf[SPK_FRONTEND]) : 1;
    int64_t low = least, high = least;
    while (spk_net_frames(net, high) < frames)
        high *= 2;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (spk_net_frames(net, middle) < frames)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

spk_status spk_net_features(spk_net *net, const float *speech, int64_t samples, spk_view *feats)
{
    const spk_part *frontend = net->part[SPK_FRONTEND];
    const int64_t least = frontend && frontend->min_samples ? frontend->min_samples(net->conf[SPK_FRONTEND]) : 1;
    spk_net_plan *p;
    if (samples < least)
        return spk_fail(SPK_E_VALUE, "%lld samples are too few for the frontend, which needs %lld", (long long)samples,
                        (long long)least);
    SPK_TRY(spk_net_plan_for(net, SPK_NET_FEATURES, 1, samples, SPK_NET_EVEN, &p));
    spk_net_bind(net, p, speech);
    spk_net_forward(net, p);
    *feats = spk_plan_value(p->plan, p->feats);
    return SPK_OK;
}

int64_t spk_net_frames(const spk_net *net, int64_t samples)
{
    const spk_part *frontend = net->part[SPK_FRONTEND];
    return frontend ? frontend->frames(net->conf[SPK_FRONTEND], samples) : samples;
}

spk_status spk_net_describe(spk_net *net, int64_t samples, spk_net_info *out)
{
    spk_net_plan p = {.mode = net->options.embed_only ? SPK_NET_EMBED : SPK_NET_TRAIN,
                      .n = declared_batch(net),
                      .samples = samples,
                      .graph = spk_graph_new()};
    if (samples < spk_net_min_samples(net)) {
        spk_graph_free(p.graph);
        return spk_fail(SPK_E_VALUE, "%lld samples are too short for the model", (long long)samples);
    }
    build_graph(net, &p);
    const double forward = spk_graph_flops_forward(p.graph) / (double)p.n;
    *out = (spk_net_info){.n_parameters = spk_params_trainable_count(net->params),
                          .embedding_size = net->size[SPK_PROJECTOR],
                          .gflop_forward = forward / 1e9,
                          .gflop_training = (forward + spk_graph_flops_backward(p.graph) / (double)p.n) / 1e9,
                          .frontend = net->part[SPK_FRONTEND] ? net->part[SPK_FRONTEND]->name : "none",
                          .encoder = net->part[SPK_ENCODER]->name,
                          .pooling = net->part[SPK_POOLING]->name,
                          .projector = net->part[SPK_PROJECTOR]->name,
                          .loss = net->part[SPK_LOSS]->name};
    spk_graph_free(p.graph);
    return SPK_OK;
}
