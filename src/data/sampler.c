/* SPDX-License-Identifier: Apache-2.0 */
/* Batches from permutations of the utterances; sampler_impl.h states the rules. */
#include "data/sampler_pk_impl.h"

#include <string.h>

struct spk_sampler {
    spk_sampler_options o;
    int64_t n, n_categories, quota;
    const int64_t *category;
    spk_pk *pk; /* what is dealt out are its groups; NULL: utterances */

    /* the running pass */
    int64_t pass, at; /* at: next position of order */
    int64_t *order;   /* n */

    /* those who wait: a first-in first-out chain of each category; categories with a chain in order of arrival */
    int64_t *next;        /* n: next in the chain, or -1 */
    int64_t *head, *tail; /* n_categories; head -1: nobody waits */
    int64_t *queue;       /* categories with a chain */
    int64_t n_queue, n_waiting;
    bool *waits; /* n */

    /* the batch being filled */
    int64_t *batch, n_batch;
    int64_t *taken;    /* n_categories: of each, in this batch */
    int64_t *in_batch; /* n: serial number of the batch that an utterance was last in */
    int64_t serial;
    int64_t next_epoch; /* endless sequence: the epoch that comes next */
};

/* ---- opening ---- */

static int64_t *new_ints(int64_t n)
{
    return spk_new(sizeof(int64_t) * (size_t)n);
}

static void start_again(spk_sampler *s)
{
    s->pass = -1;
    s->at = s->n;
    s->n_queue = s->n_waiting = s->n_batch = 0;
    s->serial = 1;
    s->next_epoch = 1;
    for (int64_t c = 0; c < s->n_categories; c++)
        s->head[c] = s->tail[c] = -1;
    memset(s->waits, 0, sizeof *s->waits * (size_t)s->n);
    memset(s->taken, 0, sizeof *s->taken * (size_t)s->n_categories);
    memset(s->in_batch, 0, sizeof *s->in_batch * (size_t)s->n);
}

/* The quota by the number of categories that have utterances; *room: utterances that one batch can hold. */
static int64_t find_quota(const spk_sampler *s, int64_t *room)
{
    int64_t *count = new_ints(s->n_categories), used = 0;
    for (int64_t i = 0; i < s->n; i++)
        used += count[s->category[i]]++ == 0;
    SPK_ASSERT(used > 0);
    const int64_t B = s->o.batch_size, q = !s->o.balanced ? s->n : used >= B ? 1 : B / used + 1;
    *room = 0;
    for (int64_t c = 0; c < s->n_categories; c++)
        *room += count[c] < q ? count[c] : q;
    spk_free(count);
    return q;
}

/* A sampler of groups: the same rules, for batches of B / K of them. */
static spk_status open_pk(const int64_t *category, int64_t n, int64_t n_categories, const spk_sampler_options *options,
                          spk_sampler **out)
{
    const int64_t B = options->batch_size, K = options->per_speaker;
    *out = NULL;
    if (B % K != 0 || B < 2 * K)
        return spk_fail(SPK_E_VALUE, "batch_size is %lld and must be a multiple of per_speaker (%lld), at least %lld",
                        (long long)B, (long long)K, (long long)(2 * K));
    spk_pk *pk = spk_pk_new(category, n, n_categories, K);
    const int64_t used = spk_pk_used(pk);
    spk_sampler_options inner = *options;
    inner.batch_size = B / K;
    inner.balanced = true;
    inner.per_speaker = 0;
    const spk_status status =
        used < B / K
            ? spk_fail(SPK_E_VALUE,
                       "a batch of %lld with %lld utterances of each speaker takes %lld speakers, and there are "
                       "%lld; lower batch_size",
                       (long long)B, (long long)K, (long long)(B / K), (long long)used)
            : spk_sampler_open(pk->speaker, pk->n_groups, n_categories, &inner, out);
    if (status == SPK_OK)
        (*out)->pk = pk;
    else
        spk_pk_free(pk);
    return status;
}

spk_status spk_sampler_open(const int64_t *category, int64_t n, int64_t n_categories,
                            const spk_sampler_options *options, spk_sampler **out)
{
    if (options->per_speaker > 1) return open_pk(category, n, n_categories, options, out);
    const int64_t B = options->batch_size;
    *out = NULL;
    if (B < 1) return spk_fail(SPK_E_VALUE, "batch_size is %lld and must be at least 1", (long long)B);
    if (B > n)
        return spk_fail(SPK_E_VALUE, "batch_size is %lld and there are only %lld utterances; lower batch_size",
                        (long long)B, (long long)n);
    spk_sampler *s = spk_new(sizeof *s);
    *s = (spk_sampler){.o = *options, .n = n, .n_categories = n_categories, .category = category};
    int64_t room = 0;
    s->quota = find_quota(s, &room);
    if (room < B && (options->drop_last || options->iters_per_epoch > 0)) {
        const long long q = (long long)s->quota;
        spk_free(s);
        return spk_fail(SPK_E_VALUE,
                        "no batch of %lld can be filled: at most %lld utterances of a speaker go into a batch, which "
                        "makes %lld here; lower batch_size",
                        (long long)B, q, (long long)room);
    }
    s->order = new_ints(n);
    s->next = new_ints(n);
    s->in_batch = new_ints(n);
    s->head = new_ints(n_categories);
    s->tail = new_ints(n_categories);
    s->queue = new_ints(n_categories);
    s->taken = new_ints(n_categories);
    s->batch = new_ints(2 * B);
    s->waits = spk_new(sizeof *s->waits * (size_t)n);
    start_again(s);
    *out = s;
    return SPK_OK;
}

void spk_sampler_close(spk_sampler *s)
{
    if (!s) return;
    spk_free(s->order);
    spk_free(s->next);
    spk_free(s->in_batch);
    spk_free(s->head);
    spk_free(s->tail);
    spk_free(s->queue);
    spk_free(s->taken);
    spk_free(s->batch);
    spk_free(s->waits);
    spk_pk_free(s->pk);
    spk_free(s);
}

int64_t spk_sampler_quota(const spk_sampler *s)
{
    return s->quota;
}

/* ---- dealing ---- */

static void start_pass(spk_sampler *s, int64_t pass)
{
    spk_rng r = spk_rng_make(s->o.seed, SPK_PURPOSE_ORDER, (uint64_t)pass, 0, 0);
    for (int64_t i = 0; i < s->n; i++)
        s->order[i] = i;
    spk_rng_shuffle(&r, s->order, s->n);
    s->pass = pass;
    s->at = 0;
}

static bool fits(const spk_sampler *s, int64_t u)
{
    return s->taken[s->category[u]] < s->quota && s->in_batch[u] != s->serial;
}

static void take(spk_sampler *s, int64_t u)
{
    s->batch[s->n_batch++] = u;
    s->taken[s->category[u]]++;
    s->in_batch[u] = s->serial;
}

static void wait_for_next(spk_sampler *s, int64_t u)
{
    const int64_t c = s->category[u];
    if (s->waits[u]) return;
    s->waits[u] = true;
    s->n_waiting++;
    s->next[u] = -1;
    if (s->head[c] < 0) {
        s->head[c] = u;
        s->queue[s->n_queue++] = c;
    } else {
        s->next[s->tail[c]] = u;
    }
    s->tail[c] = u;
}

/* Those who wait, the category that has waited longest first. */
static void take_waiting(spk_sampler *s)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n_queue; i++) {
        const int64_t c = s->queue[i];
        while (s->n_batch < s->o.batch_size && s->head[c] >= 0 && fits(s, s->head[c])) {
            const int64_t u = s->head[c];
            s->head[c] = s->next[u];
            s->waits[u] = false;
            s->n_waiting--;
            take(s, u);
        }
        if (s->head[c] >= 0) s->queue[kept++] = c;
    }
    s->n_queue = kept;
}

/* Fill the batch from those who wait and from the running pass; true: it is full. */
static bool fill(spk_sampler *s)
{
    if (s->n_batch == 0) take_waiting(s);
    while (s->n_batch < s->o.batch_size && s->at < s->n) {
        const int64_t u = s->order[s->at++];
        if (fits(s, u) && !s->waits[u])
            take(s, u);
        else
            wait_for_next(s, u);
    }
    return s->n_batch == s->o.batch_size;
}

static void empty_batch(spk_sampler *s)
{
    for (int64_t i = 0; i < s->n_batch; i++)
        s->taken[s->category[s->batch[i]]] = 0;
    s->n_batch = 0;
    s->serial++;
}

/* ---- plans ---- */

static void emit(spk_epoch_plan *p, const int64_t *items, int64_t n)
{
    if (p) spk_epoch_plan_add(p, items, n);
}

/* Batches of exactly B; p NULL: only go on in the sequence. */
static void next_endless(spk_sampler *s, int64_t n_batches, spk_epoch_plan *p)
{
    for (int64_t b = 0; b < n_batches; b++) {
        while (!fill(s))
            start_pass(s, s->pass + 1);
        emit(p, s->batch, s->n_batch);
        empty_batch(s);
    }
}

static void whole_pass_plain(spk_sampler *s, spk_epoch_plan *p)
{
    const int64_t B = s->o.batch_size, N = s->n / B > 0 ? s->n / B : 1;
    for (int64_t k = 0; k < N; k++) {
        const int64_t from = s->o.drop_last ? k * B : k * s->n / N, to = s->o.drop_last ? from + B : (k + 1) * s->n / N;
        emit(p, s->order + from, to - from);
    }
}

static void whole_pass_balanced(spk_sampler *s, spk_epoch_plan *p)
{
    while (fill(s)) {
        emit(p, s->batch, s->n_batch);
        empty_batch(s);
    }
    const bool all = s->o.all_of_rest;
    int64_t least = all ? 1 : 2;
    while (!s->o.drop_last && s->n_batch >= least) {
        emit(p, s->batch, s->n_batch);
        empty_batch(s);
        fill(s);
        if (!all) least = s->o.batch_size / 4 > 2 ? s->o.batch_size / 4 : 2;
    }
}

spk_status spk_sampler_plan(spk_sampler *s, int64_t epoch, spk_epoch_plan *out)
{
    *out = (spk_epoch_plan){0};
    if (epoch < 1) return spk_fail(SPK_E_VALUE, "epochs count from 1, and epoch %lld was asked for", (long long)epoch);
    const int64_t m = s->o.iters_per_epoch;
    if (m == 0 || epoch < s->next_epoch) start_again(s);
    if (m > 0) {
        next_endless(s, (epoch - s->next_epoch) * m, NULL);
        next_endless(s, m, out);
        s->next_epoch = epoch + 1;
    } else {
        start_pass(s, epoch - 1);
        if (s->o.balanced)
            whole_pass_balanced(s, out);
        else
            whole_pass_plain(s, out);
    }
    spk_epoch_plan_count(out, s->n);
    if (s->pk && out->n_batches > 0) spk_pk_expand(s->pk, s->o.seed, epoch, out);
    if (out->n_batches > 0) return SPK_OK;
    spk_epoch_plan_clear(out);
    return spk_fail(SPK_E_VALUE, "epoch %lld would have no batch: %lld utterances, batch_size %lld; lower batch_size",
                    (long long)epoch, (long long)s->n, (long long)s->o.batch_size);
}
