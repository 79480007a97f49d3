/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of chunks (chunks_impl.h). */
#include "data/chunks_impl.h"

#include <string.h>

struct spk_chunks {
    int64_t T, B, cache;
    double ratio;
    uint64_t seed;
    int64_t n, *length; /* candidates below T */
};

typedef struct chunk {
    int64_t utterance, offset;
    uint32_t crop;
} chunk;

typedef struct store {
    int64_t n;
    chunk *v;
} store;

spk_status spk_chunks_open(const spk_rule_options *o, int64_t T, int64_t batch_size, uint64_t seed, spk_chunks **out)
{
    *out = NULL;
    if (batch_size < 1 || !(o->chunk_shift_ratio > 0) || o->num_cache_chunks < 0)
        return spk_fail(SPK_E_VALUE,
                        "chunks: batch_size (%lld) and chunk_shift_ratio (%g) must be above 0, and "
                        "num_cache_chunks (%lld) not below",
                        (long long)batch_size, o->chunk_shift_ratio, (long long)o->num_cache_chunks);
    spk_chunks *c = spk_new(sizeof *c);
    *c = (spk_chunks){.T = T,
                      .B = batch_size,
                      .cache = o->num_cache_chunks < batch_size ? batch_size : o->num_cache_chunks,
                      .ratio = o->chunk_shift_ratio,
                      .seed = seed};
    for (int64_t i = 0; i < o->n_chunk_lengths; i++)
        if (o->chunk_length[i] > 0 && o->chunk_length[i] < T) SPK_PUSH(c->length, c->n) = o->chunk_length[i];
    if (c->n == 0) {
        spk_chunks_close(c);
        return spk_fail(
            SPK_E_VALUE,
            "chunk_length: no chunk is shorter than a crop (%lld samples, by target_duration), so there would "
            "be none",
            (long long)T);
    }
    if (c->n < o->n_chunk_lengths)
        spk_warn("data", "%lld of %lld values of chunk_length are not below a crop's %lld samples and are left out",
                 (long long)(o->n_chunk_lengths - c->n), (long long)o->n_chunk_lengths, (long long)T);
    *out = c;
    return SPK_OK;
}

void spk_chunks_close(spk_chunks *c)
{
    if (!c) return;
    spk_free(c->length);
    spk_free(c);
}

int64_t spk_chunks_longest(const spk_chunks *c)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < c->n; i++)
        longest = c->length[i] > longest ? c->length[i] : longest;
    return longest;
}

static void cut_sample(const spk_chunks *c, int64_t u, uint32_t crop, spk_rng *r, int64_t W, store *s)
{
    int64_t shift = (int64_t)((double)W * c->ratio);
    shift = shift < 1 ? 1 : shift;
    const int64_t n = (c->T - W) / shift + 1, from = spk_rng_below(r, (c->T - W) % shift + 1);
    for (int64_t k = 0; k < n; k++)
        SPK_PUSH(s->v, s->n) = (chunk){u, from + k * shift, crop};
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
    store *s = spk_new(sizeof *s * (size_t)c->n);
    spk_epoch_plan out = {0};
    for (int64_t i = 0; i < plan->n_items; i++) {
        const int64_t k = spk_rng_below(&r, c->n);
        cut_sample(c, plan->item[i], plan->nth[i], &r, c->length[k], &s[k]);
        if (s[k].n > c->cache) give_batches(c, &r, c->length[k], &s[k], &out);
    }
    for (int64_t k = 0; k < c->n; k++) {
        if (s[k].n > 0) give_batches(c, &r, c->length[k], &s[k], &out);
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
