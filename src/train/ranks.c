/* SPDX-License-Identifier: Apache-2.0 */
/* A training that several processes share (ranks_impl.h). */
#include "train/ranks_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "spk/state.h"
#include "train/checkpoint_impl.h"
#include "train/embed_impl.h"
#include "train/midway_impl.h"

/* Gradients of one sum: large enough to fill a network, small enough to begin early. */
enum { BUCKET = 1 << 20 };

struct spk_ranks {
    spk_comm *comm;
    spk_comm_flow *flow;
    spk_reduction sync;
    spk_class_team team;   /* for classes that are divided; */
    spk_class_slice slice; /* those here: not among what is summed; room 0: all are here */
    double shared_s;       /* that statistics and classes took in this batch */
    int64_t n;             /* elements of the blocks */
    float *gradients;
    int64_t summed;  /* gradients from here on are being summed */
    int64_t n_items; /* of the running batch, over all */
    bool stop, due;
    int first_bad;  /* rank whose loss was not finite; -1: none */
    double *figure; /* of all ranks: FIGURES each */
    int64_t *one;   /* size times 1: counts for gathering */
};

enum { FIGURES = 3 }; /* loss, accuracy, items */

/* ---- opening ---- */

/* Called by kernels, which cannot fail: what goes wrong sticks to the comm and is met after the pass. */
static void sum_statistics(void *self, double *values, int64_t n)
{
    spk_ranks *r = self;
    const double start = spk_now();
    if (r->sync.idle) memset(values, 0, (size_t)n * sizeof *values);
    const spk_status status = spk_comm_reduce(r->comm, values, n, SPK_COMM_F64, SPK_COMM_SUM);
    (void)status;
    r->shared_s += spk_now() - start;
}

/* ESPnet's names of what PyTorch does: each rank's gradient, which has been divided already, is narrowed, and so summed. */
static spk_status find_travel(const char *hook, spk_comm_type *out)
{
    *out = !hook ? SPK_COMM_F32 : strcmp(hook, "bf16_compress_hook") == 0 ? SPK_COMM_BF16 : SPK_COMM_F16;
    if (*out == SPK_COMM_F16 && strcmp(hook, "fp16_compress_hook") != 0)
        return spk_fail(SPK_E_CONFIG, "ddp_comm_hook: %s: is not one of bf16_compress_hook, fp16_compress_hook", hook);
    return SPK_OK;
}

static spk_status reduce_classes(spk_ranks *r, void *values, int64_t n, spk_comm_type type, spk_comm_op op)
{
    const double start = spk_now();
    const spk_status status = spk_comm_reduce(r->comm, values, n, type, op);
    r->shared_s += spk_now() - start;
    return status;
}

static spk_status sum_of_classes(void *self, double *values, int64_t n)
{
    return reduce_classes(self, values, n, SPK_COMM_F64, SPK_COMM_SUM);
}

static spk_status sum_of_floats(void *self, float *values, int64_t n)
{
    return reduce_classes(self, values, n, SPK_COMM_F32, SPK_COMM_SUM);
}

static spk_status largest_of_classes(void *self, double *values, int64_t n)
{
    return reduce_classes(self, values, n, SPK_COMM_F64, SPK_COMM_MAX);
}

static spk_status gather_of_classes(void *self, const void *rows, const int64_t *counts, size_t row_bytes, void *all)
{
    spk_ranks *r = self;
    const double start = spk_now();
    const spk_status status = spk_comm_gather(r->comm, rows, counts, row_bytes, all, SPK_COMM_TO_ALL);
    r->shared_s += spk_now() - start;
    return status;
}

/* Where the model has some of the classes alone. */
static void share_classes(spk_training *t)
{
    spk_ranks *r = t->ranks;
    const spk_model *m = t->model;
    const spk_class_slice *s = &r->slice;
    if (!m->divided || !m->divided(m->self, &r->slice)) return;
    spk_info("trainer",
             "shard_classes: this process has %" PRId64 " of %" PRId64
             " rows of %s: %.3f GB, as much of gradients and of "
             "each block of the optimiser's state; all rows are %.3f GB",
             s->n / s->row, s->whole / s->row, s->name, (double)s->n * 4e-9, (double)s->whole * 4e-9);
    r->team = (spk_class_team){.self = r,
                               .rank = spk_comm_rank(r->comm),
                               .size = spk_comm_size(r->comm),
                               .sum = sum_of_classes,
                               .sum_floats = sum_of_floats,
                               .largest = largest_of_classes,
                               .gather = gather_of_classes};
    m->share_classes(m->self, &r->team);
}

const spk_class_team *spk_ranks_class_team(const spk_training *t)
{
    return t->ranks && t->ranks->slice.room ? &t->ranks->team : NULL;
}

spk_status spk_ranks_open(spk_training *t)
{
    spk_comm *comm = t->setup->distributed_option.comm;
    const int size = spk_comm_size(comm);
    float *parameters;
    if (size == 1) return SPK_OK;
    if (!t->model->blocks)
        return spk_comm_agree(comm, spk_fail(SPK_E_UNSUPPORTED,
                                             "train_dtype: several processes train in float32; start one for float64"));
    if (t->setup->sync_bn && !t->model->synchronise)
        return spk_fail(SPK_E_UNSUPPORTED, "sync_bn: this model cannot share the statistics of its normalisations");
    spk_comm_type travel;
    SPK_TRY(find_travel(t->setup->ddp_comm_hook, &travel));
    spk_ranks *r = t->ranks = spk_new(sizeof *r);
    r->comm = comm;
    r->flow = spk_comm_flow_new(comm, travel);
    r->sync = (spk_reduction){.self = r, .sum = sum_statistics};
    t->model->blocks(t->model->self, &parameters, &r->gradients, &r->n);
    share_classes(t);
    r->first_bad = -1;
    r->figure = spk_new((size_t)(size * FIGURES) * sizeof *r->figure);
    r->one = spk_new((size_t)size * sizeof *r->one);
    for (int i = 0; i < size; i++)
        r->one[i] = 1;
    return SPK_OK;
}

void spk_ranks_close(spk_training *t)
{
    spk_ranks *r = t->ranks;
    if (!r) return;
    spk_comm_flow_free(r->flow);
    spk_free(r->figure);
    spk_free(r->one);
    spk_free(r);
    t->ranks = NULL;
}

spk_comm *spk_ranks_comm(const spk_training *t)
{
    return t->ranks ? t->ranks->comm : NULL;
}

bool spk_ranks_first(const spk_training *t)
{
    return !t->ranks || spk_comm_is_first(t->ranks->comm);
}

spk_status spk_ranks_agree(const spk_training *t, spk_status status)
{
    return t->ranks ? spk_comm_agree(t->ranks->comm, status) : status;
}

spk_status spk_ranks_finish(const spk_training *t, spk_status status)
{
    if (!t->ranks) return status;
    char *message = status != SPK_OK ? spk_strdup(spk_errmsg()) : NULL;
    const spk_status rested = spk_comm_rest(t->ranks->comm);
    if (message && rested == SPK_OK) spk_fail(status, "%s", message);
    spk_free(message);
    return rested == SPK_OK ? spk_comm_agree(t->ranks->comm, status) : rested;
}

/* ---- are they alike? ---- */

static spk_status check_config(const spk_training *t)
{
    const char *own = t->setup->config_text ? t->setup->config_text : "";
    char *first = NULL;
    spk_text changed = {0};
    spk_status status = SPK_OK;
    SPK_TRY(spk_comm_broadcast_text(t->ranks->comm, own, 0, &first));
    if (strcmp(first, own) != 0) {
        spk_settings_changed(first, own, true, &changed);
        if (!changed.n) spk_settings_changed(first, own, false, &changed);
        status = spk_fail(SPK_E_MISMATCH, "its configuration is not rank 0's: here %s",
                          changed.n ? changed.s : "something else stands");
    }
    spk_text_clear(&changed);
    spk_free(first);
    return spk_comm_agree(t->ranks->comm, status);
}

static uint64_t weights_hash(const spk_training *t)
{
    float *parameters, *gradients;
    int64_t n = 0;
    t->model->blocks(t->model->self, &parameters, &gradients, &n);
    const spk_class_slice *s = &t->ranks->slice;
    if (!s->room) return spk_hash_words(parameters, n);
    const int64_t behind = s->at + s->room;
    return spk_hash_words(parameters, s->at) * 31 + spk_hash_words(parameters + behind, n - behind);
}

static spk_status check_weights(const spk_training *t)
{
    char text[64];
    snprintf(text, sizeof text, "%016" PRIx64, weights_hash(t));
    return spk_comm_same(t->ranks->comm, "sum of weights", text);
}

spk_status spk_ranks_check(const spk_training *t)
{
    const spk_training_setup *s = t->setup;
    if (!t->ranks) return SPK_OK;
    spk_comm *comm = t->ranks->comm;
    char place[160];
    snprintf(place, sizeof place, "epoch %" PRId64 ", batch %" PRId64 ", step %" PRId64, t->epoch, t->batch, t->step);
    SPK_TRY(spk_comm_same(comm, "program", spk_version()));
    SPK_TRY(spk_comm_same(comm, "library", s->backend ? s->backend : ""));
    SPK_TRY(spk_comm_same(comm, "instruction set", s->isa ? s->isa : ""));
    char threads[32];
    snprintf(threads, sizeof threads, "%" PRId64, s->threads);
    SPK_TRY(spk_comm_same(comm, "number of threads", threads));
    SPK_TRY(check_config(t));
    spk_status status = spk_comm_same(comm, "place to go on from (does it see the same output_dir?)", place);
    return status == SPK_OK ? check_weights(t) : status;
}

/* Not one of the parameters, which are equal anyway. */
static bool is_buffer(const spk_training *t, const char *name)
{
    spk_parameter p;
    for (int64_t i = 0; t->model->parameter && t->model->parameter(t->model->self, i, &p); i++)
        if (strcmp(p.name, name) == 0) return false;
    return true;
}

spk_status spk_ranks_align(const spk_training *t)
{
    spk_tensors state = {0};
    spk_status status;
    if (!t->ranks) return SPK_OK;
    spk_comm_where(t->ranks->comm, "epoch %" PRId64 ", validation", t->epoch);
    SPK_TRY(check_weights(t));
    SPK_GO(t->model->save_state(t->model->self, &state));
    for (int64_t i = 0; i < state.n; i++) {
        spk_ndarray *a = &state.item[i].a;
        const size_t bytes = (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype);
        if (!is_buffer(t, state.item[i].name)) continue;
        SPK_GO(spk_comm_broadcast(t->ranks->comm, a->data, (int64_t)bytes, SPK_COMM_BYTE));
    }
    status = t->model->load_state(t->model->self, &state);
done:
    spk_tensors_clear(&state);
    return status;
}

/* ---- a batch ---- */

spk_status spk_ranks_meet(spk_training *t, spk_status status, const spk_batch **batch)
{
    spk_ranks *r = t->ranks;
    if (!r) return status;
    spk_comm_where(r->comm, "epoch %" PRId64 ", batch %" PRId64, t->epoch, t->batch + 1);
    const bool none = status != SPK_OK || !*batch;
    int64_t sum[5] = {status != SPK_OK, none, spk_interrupted(), none || (*batch)->idle ? 0 : (*batch)->n,
                      spk_comm_is_first(r->comm) && spk_midway_due(t)};
    char *message = status != SPK_OK ? spk_strdup(spk_errmsg()) : NULL;
    const spk_status sent = spk_comm_reduce(r->comm, sum, 5, SPK_COMM_I64, SPK_COMM_SUM);
    if (message) spk_fail(status, "%s", message);
    spk_free(message);
    SPK_TRY(sent);
    if (sum[0]) return spk_comm_agree(r->comm, status);
    if (sum[1]) *batch = NULL;
    r->stop = sum[2] > 0;
    r->due = sum[4] > 0;
    r->n_items = sum[3];
    if (*batch && t->setup->sync_bn && r->n_items < 2)
        return spk_comm_agree(r->comm,
                              spk_fail(SPK_E_VALUE, "a training batch needs at least 2 utterances, as BatchNorm "
                                                    "does"));
    return SPK_OK;
}

bool spk_ranks_due(const spk_training *t)
{
    return t->ranks ? t->ranks->due : spk_midway_due(t);
}

bool spk_ranks_stop(const spk_training *t)
{
    return t->ranks ? t->ranks->stop : spk_interrupted();
}

int64_t spk_ranks_items(const spk_training *t, const spk_batch *batch)
{
    return t->ranks ? t->ranks->n_items : batch->n;
}

double spk_ranks_part(const spk_training *t, const spk_batch *batch)
{
    if (!t->ranks || t->ranks->slice.room) return 1.0;
    return batch->idle ? 0.0 : (double)batch->n / (double)t->ranks->n_items;
}

bool spk_ranks_computes(const spk_training *t, const spk_batch *batch)
{
    return !t->ranks || !batch->idle || t->setup->sync_bn || t->ranks->slice.room;
}

/* Begin the sums of all buckets that lie at or behind `from`: always the same ones in the same order, whatever the steps
 * of a rank's plan are. */
static void sum_from(void *user, int64_t from)
{
    spk_ranks *r = user;
    const spk_class_slice *s = &r->slice;
    if (s->room && r->summed > s->at) { /* behind the classes, which are each rank's own, there is little or nothing */
        if (r->n > s->at + s->room)
            spk_comm_flow_start(r->flow, r->gradients + s->at + s->room, r->n - s->at - s->room);
        r->summed = s->at;
    }
    while (r->summed > from) {
        const int64_t at = (r->summed - 1) / BUCKET * BUCKET;
        if (at < from) break;
        spk_comm_flow_start(r->flow, r->gradients + at, r->summed - at);
        r->summed = at;
    }
    spk_comm_flow_poll(r->flow);
}

void spk_ranks_begin(spk_training *t, const spk_batch *batch, bool sum)
{
    spk_ranks *r = t->ranks;
    const spk_model *m = t->model;
    if (!r) return;
    r->summed = r->n;
    r->shared_s = 0;
    r->sync.idle = r->team.idle = batch->idle;
    if (t->setup->sync_bn) m->synchronise(m->self, &r->sync);
    if (m->watch_gradients) m->watch_gradients(m->self, sum && !batch->idle ? sum_from : NULL, r);
}

/* ESPnet's: the mean of x * items over the ranks whose x is a number, times the ranks, over the items of all. */
static double combine(const spk_ranks *r, int which)
{
    const int size = spk_comm_size(r->comm);
    double sum = 0, items = 0;
    int finite = 0, with_share = 0;
    for (int i = 0; i < size; i++) {
        const double *f = r->figure + i * FIGURES;
        if (f[2] == 0) continue;
        with_share++;
        items += f[2];
        if (!isfinite(f[which])) continue;
        sum += f[which] * f[2];
        finite++;
    }
    return finite ? sum / finite * with_share / items : NAN;
}

static spk_status gather_figures(spk_ranks *r, const spk_batch *batch, spk_train_stats *stats, bool *bad)
{
    const double own[FIGURES] = {stats->loss, stats->accuracy, batch->idle ? 0 : (double)batch->n};
    SPK_TRY(spk_comm_gather(r->comm, own, r->one, sizeof own, r->figure, SPK_COMM_TO_ALL));
    r->first_bad = -1;
    for (int i = spk_comm_size(r->comm) - 1; i >= 0; i--)
        if (r->figure[i * FIGURES + 2] > 0 && !isfinite(r->figure[i * FIGURES])) r->first_bad = i;
    *bad = r->first_bad >= 0;
    stats->loss = combine(r, 0);
    stats->accuracy = combine(r, 1);
    return SPK_OK;
}

spk_status spk_ranks_end(spk_training *t, const spk_batch *batch, bool sum, spk_train_stats *stats, bool *bad,
                         double *seconds)
{
    spk_ranks *r = t->ranks;
    const spk_model *m = t->model;
    *bad = !isfinite(stats->loss);
    *seconds = 0;
    if (!r) return SPK_OK;
    if (m->synchronise) m->synchronise(m->self, NULL);
    if (m->watch_gradients) m->watch_gradients(m->self, NULL, NULL);
    const double start = spk_now();
    if (sum) SPK_TRY(spk_ranks_sum(t));
    SPK_TRY(gather_figures(r, batch, stats, bad));
    *seconds = spk_now() - start + r->shared_s;
    return SPK_OK;
}

spk_status spk_ranks_sum(spk_training *t)
{
    spk_ranks *r = t->ranks;
    if (!r) return SPK_OK;
    sum_from(r, 0);
    r->summed = r->n;
    return spk_comm_flow_wait(r->flow);
}

spk_status spk_ranks_tell(const spk_training *t, const char *text, char **out)
{
    const spk_ranks *r = t->ranks;
    *out = NULL;
    if (!r) {
        *out = spk_strdup(text);
        return SPK_OK;
    }
    return spk_comm_broadcast_text(r->comm, text, r->first_bad > 0 ? r->first_bad : 0, out);
}
