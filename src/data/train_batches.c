/* SPDX-License-Identifier: Apache-2.0 */
/* Which sampler a training set has, and its plan of an epoch. */
#include "data/train_set_impl.h"

#include <string.h>

/* A last batch of one utterance would have no variance. */
enum { LEAST = 2 };

static spk_status open_plain(spk_train_set *s, bool chunks)
{
    const spk_sampler_options so = {.batch_size = chunks ? 1 : s->o.batch_size, /* chunks are made of samples */
                                    .iters_per_epoch = s->o.num_iters_per_epoch,
                                    .balanced = s->o.category && !chunks,
                                    .drop_last = s->o.drop_last_iter,
                                    .per_speaker = chunks ? 0 : s->o.per_speaker,
                                    .seed = s->o.seed};
    return spk_sampler_open(s->category, s->n, s->n_categories, &so, &s->sampler);
}

/* The data set of each utterance, by utt2dataset. */
static spk_status read_datasets(const spk_train_set *s, const char *folder, int64_t **out)
{
    spk_list list = {0};
    spk_map known = {0};
    spk_status status;
    int64_t n = 0, *dataset = spk_new(sizeof *dataset * (size_t)s->n);
    char *path = spk_path_join(folder, "utt2dataset");
    if (!spk_exists(path))
        SPK_GO(spk_fail(SPK_E_IO,
                        "%s: is not there; batch_type catpow_balance_dataset needs it, with a line UTT DATASET "
                        "for each utterance",
                        path));
    SPK_GO(spk_list_read(path, 0, &list));
    for (int64_t u = 0; u < s->n; u++) {
        const char *name = spk_list_get(&list, s->id[s->base[u]]);
        if (!name) SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: has no line for utterance '%s'", path, s->id[s->base[u]]));
        if (!spk_map_get(&known, name, &dataset[u])) {
            dataset[u] = n++;
            spk_map_put(&known, name, dataset[u]);
        }
    }
    *out = dataset;
    dataset = NULL;
done:
    spk_free(dataset);
    spk_free(path);
    spk_map_clear(&known);
    spk_list_clear(&list);
    return status;
}

static spk_status open_catpow(spk_train_set *s, const spk_rule_options *o, const spk_shapes *shapes, const char *folder)
{
    int64_t *dataset = NULL;
    if (shapes->n_files != 1)
        return spk_fail(SPK_E_VALUE, "batch_type catpow takes one shape file, not %lld", (long long)shapes->n_files);
    if (o->rule == SPK_RULE_CATPOW_DATASET) SPK_TRY(read_datasets(s, folder, &dataset));
    const spk_catpow_source source = {s->n, shapes->length[0], s->category, dataset};
    const spk_status status =
        spk_catpow_open(&source, o, s->o.drop_last_iter, s->o.num_iters_per_epoch, s->o.seed, &s->catpow);
    spk_free(dataset);
    return status;
}

static spk_status open_rule(spk_train_set *s, const spk_rule_options *rule, const char *folder)
{
    spk_rule_options o = *rule;
    spk_shapes shapes;
    spk_epoch_plan batches = {0};
    if (o.min_batch_size < LEAST) o.min_batch_size = LEAST;
    o.padded = s->length != NULL;
    if (o.max_batch_size > 0 && o.max_batch_size < o.min_batch_size)
        return spk_fail(SPK_E_VALUE, "max_batch_size is %lld and below min_batch_size, %lld",
                        (long long)o.max_batch_size, (long long)o.min_batch_size);
    SPK_TRY(spk__train_set_shapes(s, &o, &shapes));
    spk_status status;
    if (o.rule == SPK_RULE_CATPOW || o.rule == SPK_RULE_CATPOW_DATASET) {
        status = open_catpow(s, &o, &shapes, folder);
    } else {
        status = spk_batches_make(&shapes, &o, s->o.batch_size, s->o.drop_last_iter, &batches);
        if (status == SPK_OK)
            s->fixed = spk_fixed_new(&batches, o.shuffle_within_batch, s->o.num_iters_per_epoch, s->o.seed);
    }
    spk_shapes_clear(&shapes);
    return status;
}

spk_status spk__train_set_batches(spk_train_set *s, const spk_rule_options *rule, const char *folder)
{
    if (rule->n_chunk_lengths > 0) {
        const spk_chunk_source source = {s->n, s->T, s->o.audio.sample_rate, s->length};
        SPK_TRY(spk_chunks_open(rule, &source, s->o.batch_size, s->o.seed, &s->chunks));
        return open_plain(s, true);
    }
    return rule->rule == SPK_RULE_NONE ? open_plain(s, false) : open_rule(s, rule, folder);
}

void spk__train_set_batches_close(spk_train_set *s)
{
    spk_sampler_close(s->sampler);
    spk_fixed_free(s->fixed);
    spk_catpow_close(s->catpow);
    spk_chunks_close(s->chunks);
}

spk_status spk__train_set_plan(spk_train_set *s, int64_t epoch, spk_epoch_plan *out)
{
    *out = (spk_epoch_plan){0};
    if (epoch < 1) return spk_fail(SPK_E_VALUE, "epochs count from 1, and epoch %lld was asked for", (long long)epoch);
    if (s->catpow) return spk_catpow_plan(s->catpow, epoch, out);
    if (s->fixed) {
        spk_fixed_plan(s->fixed, epoch, out);
        return SPK_OK;
    }
    SPK_TRY(spk_sampler_plan(s->sampler, epoch, out));
    return s->chunks ? spk_chunks_expand(s->chunks, epoch, s->n, out) : SPK_OK;
}
