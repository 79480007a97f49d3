/* SPDX-License-Identifier: Apache-2.0 */
/* Which sampler a training set has, or each of its splits, and the plan of an epoch. */
#include "data/train_set_impl.h"

/* A last batch of one utterance would have no variance. */
enum { LEAST = 2 };

/* Utterances of a batch that the sampler makes; chunks are cut out of these. */
static int64_t sampled_at_once(const spk_train_set *s, const spk_rule_options *rule)
{
    if (rule->n_chunk_lengths == 0) return s->o.batch_size;
    return rule->category_sample_size > 0 ? rule->category_sample_size : 1;
}

/* Chunks come in full batches only, so what they are cut of need not be full. */
static bool drops_last(const spk_train_set *s, const spk_rule_options *rule)
{
    return s->o.drop_last_iter && rule->n_chunk_lengths == 0;
}

static spk_status open_plain(const spk_train_set *s, const spk_rule_options *rule, spk_batcher *b)
{
    const int64_t B = sampled_at_once(s, rule);
    const bool singles = B == 1 && rule->n_chunk_lengths > 0;
    const spk_sampler_options so = {.batch_size = B,
                                    .iters_per_epoch = b->iters,
                                    .balanced = s->o.category && !singles,
                                    .drop_last = drops_last(s, rule),
                                    .all_of_rest = rule->n_chunk_lengths > 0,
                                    .per_speaker = rule->n_chunk_lengths > 0 ? 0 : s->o.per_speaker,
                                    .seed = b->seed};
    return spk_sampler_open(b->category, b->n, s->n_categories, &so, &b->sampler);
}

/* The data set of each of a batcher's utterances, by utt2dataset. */
static spk_status read_datasets(const spk_train_set *s, const char *folder, const spk_batcher *b, int64_t **out)
{
    spk_list list = {0};
    spk_map known = {0};
    spk_status status;
    int64_t n = 0, *dataset = spk_new(sizeof *dataset * (size_t)b->n);
    char *path = spk_path_join(folder, "utt2dataset");
    if (!spk_exists(path))
        SPK_GO(spk_fail(SPK_E_IO,
                        "%s: is not there; batch_type catpow_balance_dataset needs it, with a line UTT DATASET "
                        "for each utterance",
                        path));
    SPK_GO(spk_list_read(path, 0, &list));
    for (int64_t i = 0; i < b->n; i++) {
        const char *id = s->id[s->base[b->member[i]]], *name = spk_list_get(&list, id);
        if (!name) SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: has no line for utterance '%s'", path, id));
        if (!spk_map_get(&known, name, &dataset[i])) {
            dataset[i] = n++;
            spk_map_put(&known, name, dataset[i]);
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

static spk_status open_catpow(const spk_train_set *s, const spk_rule_options *o, const spk_shapes *shapes,
                              const char *folder, spk_batcher *b)
{
    int64_t *dataset = NULL;
    if (shapes->n_files != 1)
        return spk_fail(SPK_E_VALUE, "batch_type catpow takes one shape file, not %lld", (long long)shapes->n_files);
    if (o->rule == SPK_RULE_CATPOW_DATASET) SPK_TRY(read_datasets(s, folder, b, &dataset));
    const spk_catpow_source source = {b->n, shapes->length[0], b->category, dataset};
    const spk_status status = spk_catpow_open(&source, o, drops_last(s, o), b->iters, b->seed, &b->catpow);
    spk_free(dataset);
    return status;
}

static spk_status open_rule(const spk_train_set *s, const spk_rule_options *rule, const char *folder, spk_batcher *b)
{
    spk_rule_options o = *rule;
    spk_shapes shapes;
    spk_epoch_plan batches = {0};
    if (o.min_batch_size < LEAST) o.min_batch_size = LEAST;
    o.padded = s->length != NULL;
    if (o.max_batch_size > 0 && o.max_batch_size < o.min_batch_size)
        return spk_fail(SPK_E_VALUE, "max_batch_size is %lld and below min_batch_size, %lld",
                        (long long)o.max_batch_size, (long long)o.min_batch_size);
    SPK_TRY(spk__train_set_shapes(s, &o, b, &shapes));
    spk_status status;
    if (o.rule == SPK_RULE_CATPOW || o.rule == SPK_RULE_CATPOW_DATASET) {
        status = open_catpow(s, &o, &shapes, folder, b);
    } else {
        status = spk_batches_make(&shapes, &o, sampled_at_once(s, rule), drops_last(s, rule), &batches);
        if (status == SPK_OK) b->fixed = spk_fixed_new(&batches, o.shuffle_within_batch, b->iters, b->seed);
    }
    spk_shapes_clear(&shapes);
    return status;
}

/* ---- splits ---- */

/* Streams of SPK_PURPOSE_ORDER: the splits' order in an epoch (chunks have UINT64_MAX), and with nth 1 their seeds. */
static const uint64_t SPLIT_ORDER = UINT64_MAX - 1;
enum { SPLIT_SEED = 1 };

/* The first split, or the only one, is drawn as without splits. */
static uint64_t seed_of_split(uint64_t seed, int64_t k)
{
    spk_rng r = spk_rng_make(seed, SPK_PURPOSE_ORDER, 0, (uint64_t)k, SPLIT_SEED);
    const uint64_t high = spk_rng_u32(&r);
    return k == 0 ? seed : high << 32 | spk_rng_u32(&r);
}

/* The utterances of split k, then their copies at other speeds, which lie n_base, 2 n_base, ... behind them. */
static void take_members(const spk_train_set *s, int64_t k, spk_batcher *b)
{
    const int64_t first = s->split_first[k], end = s->split_first[k + 1];
    const size_t most = (size_t)((end - first) * (s->n / s->n_base));
    b->member = spk_new(sizeof *b->member * most);
    b->category = spk_new(sizeof *b->category * most);
    for (int64_t at = 0; at < s->n; at += s->n_base)
        for (int64_t u = at + first; u < at + end; u++) {
            b->category[b->n] = s->category[u];
            b->member[b->n++] = u;
        }
}

static spk_status open_batcher(const spk_train_set *s, const spk_rule_options *rule, const char *folder, int64_t k,
                               spk_batcher *b)
{
    const int64_t m = s->o.num_iters_per_epoch;
    *b = (spk_batcher){
        .split = k, .seed = seed_of_split(s->o.seed, k), .iters = m > 0 ? spk__split_iters(m, k, s->n_splits) : 0};
    take_members(s, k, b);
    spk_status status = rule->rule == SPK_RULE_NONE ? open_plain(s, rule, b) : open_rule(s, rule, folder, b);
    if (status != SPK_OK && rule->n_chunk_lengths > 0 && rule->category_sample_size > 0)
        status = spk_fail_in(status, "category_sample_size %lld, which is here meant by batch_size",
                             (long long)rule->category_sample_size);
    return status == SPK_OK || s->n_splits == 1 ? status : spk_fail_in(status, "split.%lld", (long long)k);
}

/* Each split comes into each epoch: what comes into none would be lost. */
static spk_status check_iters(const spk_train_set *s)
{
    const int64_t m = s->o.num_iters_per_epoch;
    if (m == 0 || m >= s->n_splits) return SPK_OK;
    return spk_fail(SPK_E_VALUE,
                    "num_iters_per_epoch is %lld and there are %lld splits: split.0 would never be used; give %lld or "
                    "more",
                    (long long)m, (long long)s->n_splits, (long long)s->n_splits);
}

spk_status spk__train_set_batches(spk_train_set *s, const spk_rule_options *rule, const char *folder)
{
    SPK_TRY(check_iters(s));
    if (rule->n_chunk_lengths > 0) {
        const spk_chunk_source source = {s->n, s->T, s->o.audio.sample_rate, s->length};
        SPK_TRY(spk_chunks_open(rule, &source, s->o.batch_size, s->o.seed, &s->chunks));
    }
    s->batcher = spk_new(sizeof *s->batcher * (size_t)s->n_splits);
    for (int64_t k = 0; k < s->n_splits; k++)
        SPK_TRY(open_batcher(s, rule, folder, k, &s->batcher[s->n_batchers++]));
    return SPK_OK;
}

void spk__train_set_batches_close(spk_train_set *s)
{
    for (int64_t k = 0; k < s->n_batchers; k++) {
        spk_batcher *b = &s->batcher[k];
        spk_sampler_close(b->sampler);
        spk_fixed_free(b->fixed);
        spk_catpow_close(b->catpow);
        spk_free(b->member);
        spk_free(b->category);
    }
    spk_free(s->batcher);
    spk_chunks_close(s->chunks);
}

/* ---- the plan of an epoch ---- */

static spk_status plan_batcher(const spk_batcher *b, int64_t epoch, spk_epoch_plan *out)
{
    if (b->catpow) return spk_catpow_plan(b->catpow, epoch, out);
    if (b->sampler) return spk_sampler_plan(b->sampler, epoch, out);
    spk_fixed_plan(b->fixed, epoch, out);
    return SPK_OK;
}

/* The batches of one split, behind those that are there. */
static spk_status add_split(const spk_train_set *s, int64_t k, int64_t epoch, spk_epoch_plan *out)
{
    const spk_batcher *b = &s->batcher[k];
    spk_epoch_plan part = {0};
    const spk_status status = plan_batcher(b, epoch, &part);
    if (status != SPK_OK) return s->n_splits == 1 ? status : spk_fail_in(status, "split.%lld", (long long)k);
    for (int64_t i = 0; i < part.n_items; i++)
        part.item[i] = b->member[part.item[i]];
    for (int64_t i = 0; i < part.n_batches; i++)
        spk_epoch_plan_add(out, part.item + part.first[i], part.first[i + 1] - part.first[i]);
    spk_epoch_plan_clear(&part);
    return SPK_OK;
}

/* One split after the other, in the epoch's order. */
static spk_status plan_splits(const spk_train_set *s, int64_t epoch, spk_epoch_plan *out)
{
    spk_text words = {0};
    spk_rng r = spk_rng_make(s->o.seed, SPK_PURPOSE_ORDER, (uint64_t)epoch, SPLIT_ORDER, 0);
    int64_t *order = spk_new(sizeof *order * (size_t)s->n_splits);
    for (int64_t k = 0; k < s->n_splits; k++)
        order[k] = k;
    spk_rng_shuffle(&r, order, s->n_splits);
    spk_status status = SPK_OK;
    for (int64_t k = 0; k < s->n_splits && status == SPK_OK; k++) {
        status = add_split(s, order[k], epoch, out);
        spk_text_addf(&words, " %lld", (long long)order[k]);
    }
    if (s->n_splits > 1 && status == SPK_OK)
        spk_info("data", "epoch %lld: splits in the order%s", (long long)epoch, spk_text_str(&words));
    spk_free(order);
    spk_text_clear(&words);
    return status;
}

spk_status spk__train_set_plan(spk_train_set *s, int64_t epoch, spk_epoch_plan *out)
{
    *out = (spk_epoch_plan){0};
    if (epoch < 1) return spk_fail(SPK_E_VALUE, "epochs count from 1, and epoch %lld was asked for", (long long)epoch);
    spk_status status = plan_splits(s, epoch, out);
    if (status == SPK_OK) {
        spk_epoch_plan_count(out, s->n);
        if (s->chunks) status = spk_chunks_expand(s->chunks, epoch, s->n, out);
    }
    if (status != SPK_OK) spk_epoch_plan_clear(out);
    return status;
}
