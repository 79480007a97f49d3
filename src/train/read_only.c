/* SPDX-License-Identifier: Apache-2.0 */
/* Reading without computing (read_only_impl.h). */
#include "train/read_only_impl.h"

#include <inttypes.h>

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
    c->n_items += batch->n;
    if (!speech) return;
    double n = (double)batch->n;
    for (int i = 1; i < speech->n_dims; i++)
        n *= (double)speech->dim[i];
    c->samples += n;
}

static spk_status read_all(spk_training *t, const char *what, spk_status (*next)(void *self, const spk_batch **batch),
                           void *self, int64_t n_batches)
{
    const spk_trainer_options *o = &t->setup->options;
    const double rate = o->sample_rate > 0 ? (double)o->sample_rate : 16000, start = spk_now();
    const spk_batch *batch = NULL;
    tally c = {0};
    for (;;) {
        SPK_TRY(next(self, &batch));
        if (!batch) break;
        count(&c, batch);
        if (o->progress) o->progress(o->user, what, c.n_batches, n_batches);
        if (spk_interrupted()) return spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal while reading the data");
    }
    const double seconds = spk_now() - start;
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
    if (it->split) return read_all(t, "valid", it->split->next, it->split->self, -1);
    return read_all(t, "valid", it->next, it->self, it->n_batches);
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
