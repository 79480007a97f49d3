/* SPDX-License-Identifier: Apache-2.0 */
/* How batches are made: ESPnet's iterator_type and batch_type, with its rules for what does not go together. */
#include "config/config_impl.h"

#include <string.h>

enum { MOST_CHUNK_LENGTHS = 100000 };

static bool is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

static spk_batch_rule find_rule(const spk_config *c)
{
    static const struct {
        const char *name;
        spk_batch_rule rule;
    } rules[] = {{"sorted", SPK_RULE_SORTED}, {"folded", SPK_RULE_FOLDED},
                 {"length", SPK_RULE_LENGTH}, {"numel", SPK_RULE_NUMEL},
                 {"catpow", SPK_RULE_CATPOW}, {"catpow_balance_dataset", SPK_RULE_CATPOW_DATASET}};
    for (int i = 0; i < SPK_COUNT(rules); i++)
        if (is(c->batch_type, rules[i].name)) return rules[i].rule;
    return SPK_RULE_NONE;
}

static void fill_rule(const spk_config *c, spk_batch_rule rule, spk_rule_options *o)
{
    const bool balance = rule == SPK_RULE_CATPOW_DATASET;
    o->rule = rule;
    o->batch_bins = c->batch_bins;
    o->min_batch_size = c->min_batch_size;
    o->max_batch_size = c->max_batch_size == SPK_NONE ? 0 : c->max_batch_size;
    o->shape_file = (const char *const *)c->train_shape_file.v;
    o->n_shape_files = c->train_shape_file.n;
    o->fold_length = c->fold_length.v;
    o->n_fold_lengths = c->fold_length.n;
    o->ascending_in_batch = is(c->sort_in_batch, "ascending");
    o->ascending_batches = is(c->sort_batch, "ascending");
    o->shuffle_within_batch = c->shuffle_within_batch;
    o->category_power = balance ? c->category_upsampling_factor : c->upsampling_factor;
    o->dataset_power = balance ? c->dataset_upsampling_factor : 1;
    o->scale = c->dataset_scaling_factor;
}

static void batches_of_sequence(const spk_config *c, spk_batching *out)
{
    const spk_batch_rule rule = find_rule(c);
    out->kind = SPK_BATCH_SHUFFLED;
    if (rule == SPK_RULE_FOLDED && c->fold_length.n == 0) {
        out->note = "batch_type folded without fold_length: plain shuffled batches of batch_size utterances";
    } else if (rule != SPK_RULE_NONE) {
        out->kind = SPK_BATCH_BY_RULE;
        fill_rule(c, rule, &out->rule);
    }
}

static void batches_of_category(const spk_config *c, spk_batching *out)
{
    const spk_batch_rule rule = find_rule(c);
    out->kind = SPK_BATCH_CATBEL;
    if (is(c->batch_type, "unsorted")) {
        out->kind = SPK_BATCH_SHUFFLED;
    } else if (is(c->batch_type, "pk")) {
        out->kind = SPK_BATCH_PK;
    } else if (rule == SPK_RULE_FOLDED) {
        out->note = "batch_type folded with iterator_type category: batches are category-balanced (catbel)";
    } else if (rule == SPK_RULE_CATPOW || rule == SPK_RULE_CATPOW_DATASET) {
        out->kind = SPK_BATCH_BY_RULE;
        fill_rule(c, rule, &out->rule);
    } else if (rule != SPK_RULE_NONE) {
        batches_of_sequence(c, out);
        out->note = "this batch_type with iterator_type category: batches are made as by iterator_type sequence";
    }
}

static void fill_chunks(const spk_config *c, spk_rule_options *o)
{
    o->chunk_length = c->chunk_lengths.v;
    o->n_chunk_lengths = c->chunk_lengths.n;
    o->chunk_shift_ratio = c->chunk_shift_ratio;
    o->num_cache_chunks = c->num_cache_chunks;
    o->chunk_default_fs = c->chunk_default_fs == SPK_NONE ? 0 : c->chunk_default_fs;
    o->chunk_max_abs_length = c->chunk_max_abs_length == SPK_NONE ? 0 : c->chunk_max_abs_length;
    o->chunk_keep_short = !c->chunk_discard_short_samples;
}

void spk_config_batching(const spk_config *c, bool train, spk_batching *out)
{
    memset(out, 0, sizeof *out);
    if (!train) {
        out->kind = SPK_BATCH_IN_ORDER;
        out->batch_size = c->valid_batch_size == SPK_NONE ? c->batch_size : c->valid_batch_size;
        return;
    }
    out->batch_size = c->batch_size;
    out->drop_last = c->drop_last_iter;
    if (is(c->iterator_type, "category")) {
        batches_of_category(c, out);
    } else if (is(c->iterator_type, "chunk")) {
        out->kind = SPK_BATCH_SHUFFLED;
        fill_chunks(c, &out->rule);
    } else if (is(c->iterator_type, "category_chunk")) {
        batches_of_category(c, out);
        fill_chunks(c, &out->rule);
        out->rule.category_sample_size = c->category_sample_size;
    } else {
        batches_of_sequence(c, out);
    }
}

/* "500", "300,400", "300-400": all lengths of a range. */
spk_status spk__chunk_lengths(const spk_config *c, spk_int_list *out)
{
    char where[512], *copy = spk_strdup(c->chunk_length), *rest = NULL;
    bool good = true;
    for (char *word = strtok_r(copy, ",", &rest); word && good; word = strtok_r(NULL, ",", &rest)) {
        char *bar = strchr(word, '-');
        int64_t first = 0, last = 0;
        if (bar) *bar = '\0';
        good = spk_parse_int(word, &first) && spk_parse_int(bar ? bar + 1 : word, &last) && first > 0 &&
               first <= last && last - first < MOST_CHUNK_LENGTHS;
        for (int64_t w = first; good && w <= last; w++)
            SPK_PUSH(out->v, out->n) = w;
        good = good && out->n <= MOST_CHUNK_LENGTHS;
    }
    spk_free(copy);
    if (good && out->n > 0) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "%s: '%s' is no length such as 500, no list such as 300,400 and no range such as 300-400",
                    spk_option_where(c->source, "chunk_length", where, sizeof where), c->chunk_length);
}
