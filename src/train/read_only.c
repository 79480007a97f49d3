/* SPDX-License-Identifier: Apache-2.0 */
/* Reading without computing (read_only_impl.h). */
#include "train/read_only_impl.h"

#include <inttypes.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "train/reporter_impl.h"
#include "train/validation_impl.h"

typedef struct tally {
    int64_t n_batches, n_items;
    double samples;
} tally;

static void count(tally *c, const spk_batch *batch)
{
    const spk_array *speech = spk_batch_find(batch, "speech");
    c->n_batches++;
    if (batch->idle) return;
    c->n_items += batch->n;
    if (!speech) return;
    double n = (double)batch->n;
    for (int i = 1; i < speech->n_dims; i++)
        n *= (double)speech->dim[i];
    c->samples += n;
}

/* This process's share. */
static spk_status read_share(const spk_training *t, const char *what,
                             spk_status (*next)(void *self, const spk_batch **batch), void *self, int64_t n_batches,
                             tally *c)
{
    const spk_trainer_options *o = &t->setup->options;
    const spk_batch *batch = NULL;
    for (;;) {
        SPK_TRY(next(self, &batch));
        if (!batch) break;
        count(c, batch);
        if (o->progress) o->progress(o->user, what, c->n_batches, n_batches);
        if (spk_interrupted()) return spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal while reading the data");
    }
    return SPK_OK;
}

/* Of several processes each counts what it reads; of training batches all have a share. */
static spk_status add_up(const spk_training *t, bool of_batches, tally *c, double *seconds)
{
    spk_comm *comm = t->setup->distributed_option.comm;
    int64_t n = c->n_batches;
    SPK_TRY(spk_comm_reduce(comm, &n, 1, SPK_COMM_I64, of_batches ? SPK_COMM_MAX : SPK_COMM_SUM));
    SPK_TRY(spk_comm_reduce(comm, &c->n_items, 1, SPK_COMM_I64, SPK_COMM_SUM));
    SPK_TRY(spk_comm_reduce(comm, &c->samples, 1, SPK_COMM_F64, SPK_COMM_SUM));
    SPK_TRY(spk_comm_reduce(comm, seconds, 1, SPK_COMM_F64, SPK_COMM_MAX));
    c->n_batches = n;
    return SPK_OK;
}

static spk_status read_all(spk_training *t, const char *what, spk_status (*next)(void *self, const spk_batch **batch),
                           void *self, int64_t n_batches)
{
    const spk_trainer_options *o = &t->setup->options;
    spk_comm *comm = t->setup->distributed_option.comm;
    const double rate = o->sample_rate > 0 ? (double)o->sample_rate : 16000, start = spk_now();
    tally c = {0};
    spk_comm_where(comm, "epoch %" PRId64 ", reading", t->epoch);
    SPK_TRY(spk_comm_agree(comm, read_share(t, what, next, self, n_batches, &c)));
    double seconds = spk_now() - start;
    SPK_TRY(add_up(t, strcmp(what, "train") == 0, &c, &seconds));
    spk_text span = {0};
    spk_report_timespan(&span, seconds);
    spk_info("trainer",
             "%" PRId64 "epoch:%s: %" PRId64 " batches, %" PRId64
             " utterances in %s: %.1f utterances/s, %.0f times as fast "
             "as they sound",
             t->epoch, what, c.n_batches, c.n_items, spk_text_str(&span), (double)c.n_items / seconds,
             c.samples / rate / seconds);
    spk_text_clear(&span);
    return SPK_OK;
}

static spk_status read_train(spk_training *t, spk_iterator *it)
{
    return read_all(t, "train", it->next, it->self, it->n_batches);
}

static spk_status read_valid(spk_training *t, spk_iterator *it)
{
    spk_comm *comm = t->setup->distributed_option.comm;
    spk_trial_source *source = it->split;
    if (!source) return read_all(t, "valid", it->next, it->self, it->n_batches);
    if (spk_comm_size(comm) > 1 && source->share) source->share(source->self, spk_comm_rank(comm), spk_comm_size(comm));
    return read_all(t, "valid", source->next, source->self, -1);
}

spk_status spk_read_only(spk_training *t)
{
    spk_info("trainer", "no_forward_run: data are read, nothing is trained or written");
    for (t->epoch = 1; t->epoch <= t->setup->max_epoch; t->epoch++) {
        SPK_TRY(spk_with_iterator(t, "train", read_train));
        if (t->hooks->validate_one_epoch) SPK_TRY(spk_with_iterator(t, "valid", read_valid));
    }
    return SPK_OK;
}
