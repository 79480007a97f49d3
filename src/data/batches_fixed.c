/* SPDX-License-Identifier: Apache-2.0 */
/* The same batches in a new order in each pass (batches_impl.h). */
#include "data/batches_impl.h"

struct spk_fixed {
    spk_epoch_plan batches;
    bool shuffle_within;
    int64_t iters, n_utterances, N; /* N: batches of a pass */
    uint64_t seed;
    int64_t pass;
    int64_t *order; /* of batches, or of items, in that pass */
};

spk_fixed *spk_fixed_new(spk_epoch_plan *batches, bool shuffle_within_batch, int64_t iters_per_epoch, uint64_t seed)
{
    spk_fixed *f = spk_new(sizeof *f);
    *f = (spk_fixed){.batches = *batches,
                     .shuffle_within = shuffle_within_batch,
                     .iters = iters_per_epoch,
                     .N = batches->n_batches,
                     .seed = seed,
                     .pass = -1};
    for (int64_t i = 0; i < batches->n_items; i++)
        if (batches->item[i] >= f->n_utterances) f->n_utterances = batches->item[i] + 1;
    const int64_t size = batches->first[1];
    if (shuffle_within_batch) f->N = (batches->n_items + size - 1) / size;
    f->order = spk_new(sizeof *f->order * (size_t)(batches->n_items + 1));
    *batches = (spk_epoch_plan){0};
    return f;
}

void spk_fixed_free(spk_fixed *f)
{
    if (!f) return;
    spk_epoch_plan_clear(&f->batches);
    spk_free(f->order);
    spk_free(f);
}

static void start_pass(spk_fixed *f, int64_t pass)
{
    const spk_epoch_plan *b = &f->batches;
    const int64_t n = f->shuffle_within ? b->n_items : b->n_batches;
    spk_rng r = spk_rng_make(f->seed, SPK_PURPOSE_ORDER, (uint64_t)pass, 0, 0);
    for (int64_t i = 0; i < n; i++)
        f->order[i] = f->shuffle_within ? b->item[i] : i;
    spk_rng_shuffle(&r, f->order, n);
    f->pass = pass;
}

void spk_fixed_plan(spk_fixed *f, int64_t epoch, spk_epoch_plan *out)
{
    const spk_epoch_plan *b = &f->batches;
    const int64_t m = f->iters > 0 ? f->iters : f->N, size = b->first[1];
    *out = (spk_epoch_plan){0};
    for (int64_t i = (epoch - 1) * m; i < epoch * m; i++) {
        const int64_t k = i % f->N;
        if (i / f->N != f->pass) start_pass(f, i / f->N);
        if (f->shuffle_within)
            spk_epoch_plan_add(out, f->order + k * size, k + 1 < f->N ? size : b->n_items - k * size);
        else
            spk_epoch_plan_add(out, b->item + b->first[f->order[k]], b->first[f->order[k] + 1] - b->first[f->order[k]]);
    }
    spk_epoch_plan_count(out, f->n_utterances);
}
