/* SPDX-License-Identifier: Apache-2.0 */
/* A network as a spk_model: embedding, the training step, and the flat blocks (spk/model.h). */
#include "model/net_model_impl.h"

#include <string.h>

#include "graph/plan_watch_impl.h"
#include "model/net_impl.h"

/* Waves that one plan embeds: more gain nothing and cost memory. */
enum { EMBED_BATCH = 32, EMBED_BATCH_ON_GPU = 256 };

static spk_status check_length(const spk_net *net, int64_t samples)
{
    const int64_t least = spk_net_min_samples(net);
    if (samples >= least) return SPK_OK;
    return spk_fail(SPK_E_VALUE, "%lld %s are too short for the model, which needs %lld", (long long)samples,
                    spk_net_feature_size(net) > 0 ? "frames" : "samples of audio", (long long)least);
}

/* ---- embedding ---- */

static spk_net_lengths kind_of(const spk_net *net, const int64_t *lengths, int64_t n, int64_t samples)
{
    spk_net_lengths kind = SPK_NET_EVEN;
    for (int64_t i = 0; i < n; i++) {
        if (lengths[i] == samples) continue;
        if (spk_net_frames(net, lengths[i]) != spk_net_frames(net, samples)) return SPK_NET_RAGGED;
        kind = SPK_NET_SAME_FRAMES;
    }
    return kind;
}

/* n values of a view that lies without gaps, as float or as double. */
static void copy_values(const spk_view *v, int64_t n, float *narrow, double *wide)
{
    const bool is_wide = v->dtype == SPK_F64;
    for (int64_t i = 0; i < n; i++) {
        const double value = is_wide ? ((const double *)v->p)[i] : (double)((const float *)v->p)[i];
        if (narrow) narrow[i] = (float)value;
        if (wide) wide[i] = value;
    }
}

/* To one of narrow and wide. */
static spk_status embed_any(spk_net *net, const float *speech, const int64_t *lengths, int64_t n, int64_t samples,
                            float *narrow, double *wide)
{
    const int64_t size = spk_net_model(net)->embedding_size;
    const int64_t most = spk__net_device(net) ? EMBED_BATCH_ON_GPU : EMBED_BATCH;
    SPK_TRY(check_length(net, samples));
    for (int64_t at = 0; at < n; at += most) {
        const int64_t m = n - at < most ? n - at : most;
        spk_net_plan *p;
        const spk_net_lengths kind = lengths ? kind_of(net, lengths + at, m, samples) : SPK_NET_EVEN;
        SPK_TRY(spk_net_plan_for(net, SPK_NET_EMBED, m, samples, kind, &p));
        for (int64_t i = 0; i < m; i++) {
            p->lengths[i] = lengths ? lengths[at + i] : samples;
            SPK_TRY(check_length(net, p->lengths[i]));
        }
        spk_net_bind(net, p, speech + at * samples * spk__net_input_size(net));
        spk_net_forward(net, p);
        const spk_view v = spk_plan_value(p->plan, p->embedding);
        copy_values(&v, m * size, narrow ? narrow + at * size : NULL, wide ? wide + at * size : NULL);
    }
    return SPK_OK;
}

spk_status spk_net_embed(spk_net *net, const float *speech, const int64_t *lengths, int64_t n, int64_t samples,
                         float *embedding)
{
    return embed_any(net, speech, lengths, n, samples, embedding, NULL);
}

static spk_status embed(void *self, const float *speech, int64_t n, int64_t samples, const int64_t *task_tokens,
                        float *embedding)
{
    (void)task_tokens; /* no model of ESPnet's speaker task reads them (specification D31) */
    return spk_net_embed(self, speech, NULL, n, samples, embedding);
}

static spk_status embed_f64(void *self, const float *speech, int64_t n, int64_t samples, const int64_t *task_tokens,
                            double *embedding)
{
    (void)task_tokens;
    return embed_any(self, speech, NULL, n, samples, NULL, embedding);
}

/* ---- training ---- */

static spk_status check_labels(const spk_net *net, const int64_t *labels, int64_t n)
{
    const int64_t classes = spk__net_n_classes(net);
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return spk_fail(SPK_E_VALUE, "label %lld of item %lld is not a class: the model has %lld",
                            (long long)labels[i], (long long)i, (long long)classes);
    return SPK_OK;
}

/* A loss that compares utterances takes them by their place. */
static spk_status check_groups(const spk_net *net, const int64_t *labels, int64_t n)
{
    const int64_t group = spk__net_group(net);
    if (n % group != 0 || (group > 1 && n == group))
        return spk_fail(SPK_E_VALUE,
                        "the loss takes batches of two or more groups of %lld utterances, not %lld utterances",
                        (long long)group, (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (labels[i] != labels[i - i % group])
            return spk_fail(SPK_E_VALUE,
                            "items %lld and %lld of the batch have labels %lld and %lld: the loss takes groups of %lld "
                            "utterances of one speaker",
                            (long long)(i - i % group), (long long)i, (long long)labels[i - i % group],
                            (long long)labels[i], (long long)group);
    return SPK_OK;
}

/* What a team wants of a plan's run, and that it is over. */
static void join_team(spk_net *net, spk_net_plan *p)
{
    void *data, *grad;
    int64_t n;
    const spk_net_team *team = spk__net_team(net);
    spk_plan_synchronise(p->plan, team->sync);
    if (!team->ready || spk__net_device(net)) return; /* a device's gradients come here all at once */
    spk_params_blocks(spk_net_params(net), &data, &grad, &n);
    spk_plan_watch_gradients(p->plan, grad, team->ready, team->user);
}

static void leave_team(spk_net_plan *p)
{
    spk_plan_synchronise(p->plan, NULL);
    spk_plan_watch_gradients(p->plan, NULL, NULL, NULL);
}

static void watch_gradients(void *self, void (*ready)(void *user, int64_t from), void *user)
{
    spk_net_team *team = spk__net_team(self);
    team->ready = ready;
    team->user = user;
}

static void synchronise(void *self, const spk_reduction *reduction)
{
    spk__net_team(self)->sync = reduction;
}

/* Of batches of different lengths, frames at least: what strides make of fewer would be taken for sound instead of pictures. */
enum { RAGGED_FRAMES = 16 };

static spk_status check_lengths(const spk_net *net, const int64_t *lengths, int64_t n, int64_t samples)
{
    for (int64_t i = 0; i < n; i++) {
        SPK_TRY(check_length(net, lengths[i]));
        if (lengths[i] > samples)
            return spk_fail(SPK_E_VALUE, "item %lld has %lld samples in a batch of %lld", (long long)i,
                            (long long)lengths[i], (long long)samples);
    }
    if (spk_net_frames(net, samples) >= RAGGED_FRAMES) return SPK_OK;
    return spk_fail(SPK_E_VALUE, "a batch of different lengths needs room for %d frames, and %lld samples have %lld",
                    RAGGED_FRAMES, (long long)samples, (long long)spk_net_frames(net, samples));
}

/* The plan of a training batch of these lengths; NULL: of full items. */
static spk_status train_plan(spk_net *net, const int64_t *lengths, int64_t n, int64_t samples, spk_net_plan **out)
{
    bool even = true;
    for (int64_t i = 0; lengths && i < n; i++)
        even = even && lengths[i] == samples;
    if (!even) SPK_TRY(check_lengths(net, lengths, n, samples));
    SPK_TRY(spk_net_plan_for(net, SPK_NET_TRAIN, n, samples, even ? SPK_NET_EVEN : SPK_NET_RAGGED, out));
    if (!even) memcpy((*out)->lengths, lengths, (size_t)n * sizeof *lengths);
    return SPK_OK;
}

static void set_lengths(void *self, const int64_t *lengths, int64_t n)
{
    spk__net_give_lengths(self, lengths, n);
}

/* From the embeddings' gradient on; NULL: it is 0. */
static void backward_share(const spk_net_plan *p, const void *gradient)
{
    const spk_view e = spk_plan_value(p->plan, p->embedding);
    void *none = gradient ? NULL : spk_new((size_t)(spk_rows(&e) * e.c) * sizeof(double));
    spk_plan_backward_from(p->plan, gradient ? gradient : none);
    spk_free(none);
}

static const spk_class_team *class_team_of(spk_net *net)
{
    return spk__net_team(net)->classes;
}

/* The loss with the classes of all processes, between the two passes; of an idle one only its classes take part, and its
 * batch does where normalisations have shared statistics. */
static spk_status step_divided(spk_net *net, const float *speech, const int64_t *labels, int64_t n, int64_t samples,
                               const int64_t *lengths, double scale, spk_train_stats *stats)
{
    const bool idle = class_team_of(net)->idle, runs = !idle || spk__net_team(net)->sync;
    spk_net_plan *p = NULL;
    const void *gradient = NULL;
    const double start = spk_now();
    if (runs) {
        SPK_TRY(train_plan(net, lengths, n, samples, &p));
        spk_net_bind(net, p, speech);
        join_team(net, p);
        spk_net_forward(net, p);
    }
    *stats = (spk_train_stats){0};
    const void *embedding = runs ? spk_plan_value(p->plan, p->embedding).p : NULL;
    const spk_status status =
        spk_head_step(spk__net_head(net), embedding, labels, idle ? 0 : n, scale, stats, &gradient);
    stats->forward_s = spk_now() - start;
    stats->has_margin = spk__net_margin(net, &stats->margin);
    if (runs && status == SPK_OK) backward_share(p, idle ? NULL : gradient);
    if (runs) leave_team(p);
    return status;
}

/* From the device's memory, for an optimiser and a team that work here. */
static void bring_gradients(spk_net *net)
{
    const spk_net_team *team = spk__net_team(net);
    if (spk_params_stays_there(spk_net_params(net))) return;
    spk_params_bring_gradients(spk_net_params(net));
    if (team->ready) team->ready(team->user, 0);
}

static spk_status forward_backward(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples,
                                   double scale, spk_train_stats *stats)
{
    spk_net *net = self;
    spk_net_plan *p;
    const int64_t *lengths = spk__net_take_lengths(net, n);
    SPK_TRY(check_length(net, samples));
    SPK_TRY(check_labels(net, labels, n));
    SPK_TRY(check_groups(net, labels, n));
    const bool divided = spk__net_head(net), runs = !divided || !class_team_of(net)->idle;
    if (n < 2 && runs && !spk__net_team(net)->sync)
        return spk_fail(SPK_E_VALUE, "a training batch needs at least 2 utterances, as BatchNorm does");
    if (divided) return step_divided(net, speech, labels, n, samples, lengths, scale, stats);
    SPK_TRY(train_plan(net, lengths, n, samples, &p));
    spk_net_bind(net, p, speech);
    spk_plan_bind(p->plan, p->labels, labels);
    join_team(net, p);
    const double start = spk_now();
    spk_net_forward(net, p);
    const double forward_s = spk_now() - start;
    if (spk__net_device(net)) spk_plan_backward(p->plan, scale); /* it works on while this waits for the loss */
    const spk_view loss = spk_plan_value(p->plan, p->loss);
    double figures[2];
    copy_values(&loss, 2, NULL, figures);
    *stats = (spk_train_stats){.loss = figures[0], .accuracy = figures[1], .forward_s = forward_s};
    stats->has_margin = spk__net_margin(net, &stats->margin);
    if (spk__net_device(net))
        bring_gradients(net);
    else
        spk_plan_backward(p->plan, scale);
    leave_team(p);
    return SPK_OK;
}

/* The k-th batch moves the statistics by 1/k, which makes them the mean. */
static spk_status renew_statistics(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples,
                                   int64_t k)
{
    spk_net *net = self;
    spk_net_plan *p;
    const int64_t *lengths = spk__net_take_lengths(net, n);
    SPK_TRY(check_length(net, samples));
    SPK_TRY(check_labels(net, labels, n));
    SPK_TRY(check_groups(net, labels, n));
    if (n < 2) return SPK_OK; /* BatchNorm has no statistics of one utterance */
    SPK_TRY(train_plan(net, lengths, n, samples, &p));
    spk_net_bind(net, p, speech);
    if (p->labels) spk_plan_bind(p->plan, p->labels, labels);
    spk_net_set_draws(net, &(spk_draws){.step = (uint64_t)k},
                      0); /* the last step's keys were those of other utterances */
    spk_plan_momentum(p->plan, 1.0 / (double)k);
    spk_net_forward(net, p);
    spk_plan_momentum(p->plan, SPK_PLAN_USUAL_MOMENTUM);
    spk__net_weights_changed(net);
    return SPK_OK;
}

static bool find_anomaly(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples, char *what,
                         size_t room, bool *items)
{
    spk_net *net = self;
    spk_net_plan *p;
    spk_plan_watch watch = {.items = items, .n = n};
    const int64_t *lengths = spk__net_take_lengths(net, n);
    memset(items, 0, (size_t)n * sizeof *items);
    if (spk__net_head(net)) return false; /* its loss needs the other processes */
    if (train_plan(net, lengths, n, samples, &p) != SPK_OK) return false;
    spk_net_bind(net, p, speech);
    spk_plan_bind(p->plan, p->labels, labels);
    spk_params_zero_grad(spk_net_params(net));
    spk_plan_watch_with(p->plan, &watch);
    spk_plan_synchronise(p->plan, spk__net_team(net)->sync);
    spk_net_forward(net, p);
    spk_plan_backward(p->plan, 1.0);
    spk_plan_synchronise(p->plan, NULL);
    spk_plan_watch_with(p->plan, NULL);
    snprintf(what, room, "%s", spk_text_str(&watch.where));
    spk_text_clear(&watch.where);
    return watch.found;
}

/* The key of a batch: every epoch and position has its own. */
static void begin_step(void *self, const spk_step_info *info)
{
    const uint64_t step = (uint64_t)info->epoch << 40 ^ (uint64_t)info->step_in_epoch;
    spk_net_set_draws(self, &(spk_draws){.seed = info->seed, .step = step, .item = info->item_keys}, info->n);
    spk__net_step_margin(self, info);
}

static void zero_grad(void *self)
{
    spk_params_zero_grad(spk_net_params(self));
}

static void blocks(void *self, float **parameters, float **gradients, int64_t *n)
{
    void *data, *grad;
    spk_params_blocks(spk_net_params(self), &data, &grad, n);
    *parameters = data;
    *gradients = grad;
}

static void blocks_f64(void *self, double **parameters, double **gradients, int64_t *n)
{
    void *data, *grad;
    spk_params_blocks(spk_net_params(self), &data, &grad, n);
    *parameters = data;
    *gradients = grad;
}

static bool parameter(void *self, int64_t i, spk_parameter *out)
{
    void *data, *grad;
    int64_t n;
    const spk_param *p = spk_params_trainable_at(spk_net_params(self), i);
    if (!p) return false;
    spk_params_blocks(spk_net_params(self), &data, &grad, &n);
    const ptrdiff_t bytes = (const char *)p->data - (const char *)data;
    *out = (spk_parameter){p->name, bytes / (ptrdiff_t)spk_dtype_size(p->dtype), p->count, p->n_dims};
    return true;
}

static void parameters_changed(void *self)
{
    spk_params *params = spk_net_params(self);
    if (spk_params_stays_there(params))
        spk_params_written_there(params, SPK_VALUES);
    else
        spk_params_written_here(params, SPK_VALUES);
    spk__net_weights_changed(self);
}

static void blocks_there(void *self, bool stay, const spk_device **device, float **parameters, float **gradients,
                         int64_t *n)
{
    spk_params *params = spk_net_params(self);
    *device = spk__net_device(self);
    if (stay) spk_params_stay_there(params);
    spk_params_bring_there(params);
    spk_params_blocks_there(params, parameters, gradients, n);
}

static spk_status save_state(void *self, spk_tensors *out)
{
    return spk_params_save(spk_net_params(self), out);
}

static spk_status load_state(void *self, const spk_tensors *in)
{
    SPK_TRY(spk__net_check_tables(spk_net_params(self), in));
    SPK_TRY(spk_params_load(spk_net_params(self), in));
    spk__net_weights_changed(self);
    return SPK_OK;
}

static bool divided(void *self, spk_class_slice *out)
{
    void *data, *grad;
    int64_t n;
    const spk_head *head = spk__net_head(self);
    if (!head) return false;
    const spk_param *w = spk_head_weight(head);
    const int64_t row = w->count / w->dim[0];
    spk_params_blocks(spk_net_params(self), &data, &grad, &n);
    *out = (spk_class_slice){.name = w->name,
                             .row = row,
                             .at = ((char *)w->data - (char *)data) / (int64_t)spk_dtype_size(w->dtype),
                             .n = w->count,
                             .room = spk_params_room(w->count),
                             .first = w->first * row,
                             .whole = w->whole * row,
                             .whole_room = spk_params_room(w->whole * row)};
    return true;
}

static void share_classes(void *self, const spk_class_team *team)
{
    spk__net_team(self)->classes = team;
    spk_head_join(spk__net_head(self), team);
}

void spk__net_model_init(spk_net *net, spk_model *model, int64_t embedding_size, bool embed_only)
{
    *model = (spk_model){.self = net, .embedding_size = embedding_size, .embed = embed};
    model->feature_size = spk_net_feature_size(net);
    if (spk__net_is_f64(net)) model->embed_f64 = embed_f64;
    if (embed_only) return;
    model->forward_backward = forward_backward;
    model->renew_statistics = renew_statistics;
    model->find_anomaly = find_anomaly;
    model->begin_step = begin_step;
    model->set_lengths = set_lengths;
    model->zero_grad = zero_grad;
    if (spk__net_is_f64(net))
        model->blocks_f64 = blocks_f64;
    else
        model->blocks = blocks;
    model->parameters_changed = parameters_changed;
    model->save_state = save_state;
    model->load_state = load_state;
    model->parameter = parameter;
    model->watch_gradients = watch_gradients;
    if (spk__net_device(net)) {
        model->find_anomaly = NULL; /* it looks at values here */
        model->blocks_there = blocks_there;
        return;
    }
    model->synchronise = synchronise;
    model->divided = divided;
    model->share_classes = share_classes;
}
