/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of chunks (chunks_impl.h). */
#include "data/chunks_impl.h"

#include <stdlib.h>
#include <string.h>

struct spk_chunks {
    spk_chunk_source source;
    int64_t B, cache;
    double ratio;
    uint64_t seed;
    bool keep_short;
    int64_t n, *length; /* candidates below the longest sample */
    int64_t *least;     /* n: what a sample must be longer than for each */
    int64_t first_cut;  /* candidates from here on have been made shorter and are one length; n: none */
};

typedef struct chunk {
    int64_t utterance, offset;
    uint32_t crop;
} chunk;

typedef struct store {
    int64_t n;
    chunk *v;
} store;

static int64_t length_of(const spk_chunks *c, int64_t u)
{
    return c->source.length ? c->source.length[u] : c->source.T;
}

static int64_t longest_sample(const spk_chunks *c)
{
    int64_t longest = c->source.length ? 0 : c->source.T;
    for (int64_t u = 0; c->source.length && u < c->source.n; u++)
        longest = c->source.length[u] > longest ? c->source.length[u] : longest;
    return longest;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Candidates in the data's rate, in their order: those that are made shorter come last. */
static spk_status take_candidates(spk_chunks *c, const spk_rule_options *o)
{
    const int64_t fs = c->source.rate, from = o->chunk_default_fs, most = o->chunk_max_abs_length;
    const int64_t longest = longest_sample(c);
    if (from > 0 && fs % from != 0 && from % fs != 0)
        return spk_fail(SPK_E_VALUE, "chunk_default_fs: %lld is no multiple and no part of the data's rate, %lld",
                        (long long)from, (long long)fs);
    for (int64_t i = 0; i < o->n_chunk_lengths; i++) {
        const int64_t given = o->chunk_length[i],
                      W = from > 0 ? (int64_t)((double)given * (double)fs / (double)from) : given;
        if (W > 0 && W < longest) SPK_PUSH(c->least, c->n) = W;
    }
    if (c->n > 0) qsort(c->least, (size_t)c->n, sizeof *c->least, compare);
    c->length = spk_new(sizeof *c->length * (size_t)(c->n + 1));
    c->first_cut = c->n;
    for (int64_t i = c->n - 1; i >= 0; i--) {
        c->length[i] = most > 0 && c->least[i] > most ? most : c->least[i];
        if (c->length[i] < c->least[i]) c->first_cut = i;
    }
    return SPK_OK;
}

/* Utterances that give no chunk. */
static int64_t count_short(const spk_chunks *c)
{
    const int64_t shortest = c->n > 0 ? c->least[0] : INT64_MAX;
    int64_t n = 0;
    for (int64_t u = 0; u < c->source.n; u++)
        n += length_of(c, u) <= shortest;
    return n;
}

static spk_status check_candidates(const spk_chunks *c, const spk_rule_options *o)
{
    const long long n_short = count_short(c), n = c->source.n;
    if (c->n == 0 && !c->keep_short)
        return spk_fail(SPK_E_VALUE,
                        "chunk_length: no chunk is shorter than %s (%lld samples%s), so there would be none",
                        c->source.length ? "the longest utterance" : "a crop", (long long)longest_sample(c),
                        c->source.length ? "" : ", by target_duration");
    if (c->source.length && n_short > 0)
        spk_warn("data", "%lld of %lld utterances are not longer than any chunk_length and %s", n_short, n,
                 c->keep_short ? "come as they are" : "are left out (chunk_discard_short_samples)");
    else if (c->n < o->n_chunk_lengths)
        spk_warn("data", "%lld of %lld values of chunk_length are not below %s %lld samples and are left out",
                 (long long)(o->n_chunk_lengths - c->n), (long long)o->n_chunk_lengths,
                 c->source.length ? "the longest utterance's" : "a crop's", (long long)longest_sample(c));
    return SPK_OK;
}

spk_status spk_chunks_open(const spk_rule_options *o, const spk_chunk_source *source, int64_t batch_size, uint64_t seed,
                           spk_chunks **out)
{
    *out = NULL;
    if (batch_size < 1 || !(o->chunk_shift_ratio > 0) || o->num_cache_chunks < 0)
        return spk_fail(SPK_E_VALUE,
                        "chunks: batch_size (%lld) and chunk_shift_ratio (%g) must be above 0, and "
                        "num_cache_chunks (%lld) not below",
                        (long long)batch_size, o->chunk_shift_ratio, (long long)o->num_cache_chunks);
    spk_chunks *c = spk_new(sizeof *c);
    *c = (spk_chunks){.source = *source,
                      .B = batch_size,
                      .cache = o->num_cache_chunks < batch_size ? batch_size : o->num_cache_chunks,
                      .ratio = o->chunk_shift_ratio,
                      .seed = seed,
                      .keep_short = o->chunk_keep_short};
    spk_status status = take_candidates(c, o);
    if (status == SPK_OK) status = check_candidates(c, o);
    if (status != SPK_OK)
        spk_chunks_close(c);
    else
        *out = c;
    return status;
}

void spk_chunks_close(spk_chunks *c)
{
    if (!c) return;
    spk_free(c->length);
    spk_free(c->least);
    spk_free(c);
}

int64_t spk_chunks_longest(const spk_chunks *c)
{
    int64_t longest = c->n == 0 ? c->source.T : 0; /* crops as they are */
    for (int64_t i = 0; i < c->n; i++)
        longest = c->length[i] > longest ? c->length[i] : longest;
    return longest;
}

/* A sample of L into chunks of W. */
static void cut_sample(const spk_chunks *c, int64_t u, uint32_t crop, spk_rng *r, int64_t W, store *s)
{
    const int64_t L = length_of(c, u);
    int64_t shift = (int64_t)((double)W * c->ratio);
    shift = shift < 1 ? 1 : shift;
    const int64_t n = (L - W) / shift + 1, from = spk_rng_below(r, (L - W) % shift + 1);
    for (int64_t k = 0; k < n; k++)
        SPK_PUSH(s->v, s->n) = (chunk){u, from + k * shift, crop};
}

/* One of the candidates below L; -1: there is none. */
static int64_t choose(const spk_chunks *c, spk_rng *r, int64_t L)
{
    int64_t below = 0, end = c->n;
    while (below < end) {
        const int64_t middle = (below + end) / 2;
        if (c->least[middle] < L)
            below = middle + 1;
        else
            end = middle;
    }
    return below > 0 ? spk_rng_below(r, below) : -1;
}

/* Full batches of what is there, in random order; the rest stays. */
static void give_batches(const spk_chunks *c, spk_rng *r, int64_t W, store *s, spk_epoch_plan *out)
{
    int64_t *item = spk_new(sizeof *item * (size_t)c->B), used = 0, n_all;
    for (int64_t i = s->n - 1; i > 0; i--) {
        const int64_t j = spk_rng_below(r, i + 1);
        const chunk keep = s->v[i];
        s->v[i] = s->v[j];
        s->v[j] = keep;
    }
    for (; used + c->B <= s->n; used += c->B) {
        for (int64_t i = 0; i < c->B; i++) {
            const chunk *one = &s->v[used + i];
            item[i] = one->utterance;
            n_all = out->n_items + i;
            SPK_PUSH(out->offset, n_all) = one->offset;
            n_all = out->n_items + i;
            SPK_PUSH(out->crop, n_all) = one->crop;
        }
        n_all = out->n_batches;
        SPK_PUSH(out->chunk_length, n_all) = W;
        spk_epoch_plan_add(out, item, c->B);
    }
    spk_free(item);
    memmove(s->v, s->v + used, sizeof *s->v * (size_t)(s->n - used));
    s->n -= used;
}

spk_status spk_chunks_expand(const spk_chunks *c, int64_t epoch, int64_t n_utterances, spk_epoch_plan *plan)
{
    spk_rng r = spk_rng_make(c->seed, SPK_PURPOSE_ORDER, (uint64_t)epoch, UINT64_MAX, 0);
    const int64_t whole = c->source.length ? 0 : c->source.T; /* of samples that are not cut, in the last store */
    store *s = spk_new(sizeof *s * (size_t)(c->n + 1));
    spk_epoch_plan out = {0};
    for (int64_t i = 0; i < plan->n_items; i++) {
        const int64_t u = plan->item[i], which = choose(c, &r, length_of(c, u));
        const int64_t k = which < 0 ? c->n : which > c->first_cut ? c->first_cut : which;
        if (which >= 0)
            cut_sample(c, u, plan->nth[i], &r, c->length[which], &s[k]);
        else if (c->keep_short)
            SPK_PUSH(s[k].v, s[k].n) = (chunk){u, 0, plan->nth[i]};
        if (s[k].n > c->cache) give_batches(c, &r, k < c->n ? c->length[k] : whole, &s[k], &out);
    }
    for (int64_t k = 0; k <= c->n; k++) {
        if (s[k].n > 0) give_batches(c, &r, k < c->n ? c->length[k] : whole, &s[k], &out);
        out.n_left_out += s[k].n;
        spk_free(s[k].v);
    }
    spk_free(s);
    spk_epoch_plan_count(&out, n_utterances);
    spk_epoch_plan_clear(plan);
    *plan = out;
    if (out.n_batches > 0) return SPK_OK;
    const long long left = (long long)out.n_left_out;
    spk_epoch_plan_clear(plan);
    return spk_fail(SPK_E_VALUE,
                    "epoch %lld would have no batch: %lld chunks of %lld lengths make no batch of %lld; "
                    "lower batch_size",
                    (long long)epoch, left, (long long)c->n, (long long)c->B);
}
