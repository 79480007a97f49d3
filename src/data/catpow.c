/* SPDX-License-Identifier: Apache-2.0 */
/* Power-law draws (catpow_impl.h). A group is what is of one data set and one category. */
#include "data/catpow_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    int64_t dataset, category, at;
} member;

struct spk_catpow {
    spk_rule_options o;
    bool drop_last;
    int64_t n, iters, draws;
    uint64_t seed;
    int64_t *length;
    int64_t n_groups;
    struct group {
        int64_t dataset, category, first, n; /* in order */
        double length, probability, up_to;   /* up_to: sum of the probabilities up to this one */
        int64_t next;
    } * group;
    int64_t *in_list, *order; /* n: utterances, group after group; in the list's order, and shuffled */
};

/* ---- opening ---- */

static int compare_members(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->dataset != y->dataset) return x->dataset < y->dataset ? -1 : 1;
    if (x->category != y->category) return x->category < y->category ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void make_groups(spk_catpow *c, const spk_catpow_source *s)
{
    member *m = spk_new(sizeof *m * (size_t)s->n);
    for (int64_t i = 0; i < s->n; i++)
        m[i] = (member){s->dataset ? s->dataset[i] : 0, s->category[i], i};
    qsort(m, (size_t)s->n, sizeof *m, compare_members);
    for (int64_t i = 0; i < s->n; i++) {
        if (i == 0 || m[i].dataset != m[i - 1].dataset || m[i].category != m[i - 1].category)
            SPK_PUSH(c->group, c->n_groups) =
                (struct group){.dataset = m[i].dataset, .category = m[i].category, .first = i};
        struct group *g = &c->group[c->n_groups - 1];
        g->n++;
        g->length += (double)s->length[m[i].at];
        c->in_list[i] = m[i].at;
    }
    spk_free(m);
}

/* Groups of a data set follow each other. */
static void find_probabilities(spk_catpow *c, double total)
{
    double sum_datasets = 0, up_to = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t a = 0, b; a < c->n_groups; a = b) {
            double length = 0, sum = 0;
            for (b = a; b < c->n_groups && c->group[b].dataset == c->group[a].dataset; b++)
                length += c->group[b].length;
            for (int64_t i = a; i < b; i++)
                sum += pow(c->group[i].length / length, c->o.category_power);
            const double weight = pow(length / total, c->o.dataset_power);
            if (pass == 0) sum_datasets += weight;
            for (int64_t i = a; pass == 1 && i < b; i++) {
                struct group *g = &c->group[i];
                g->probability = weight / sum_datasets * pow(g->length / length, c->o.category_power) / sum;
                g->up_to = up_to += g->probability;
            }
        }
}

spk_status spk_catpow_open(const spk_catpow_source *s, const spk_rule_options *o, bool drop_last,
                           int64_t iters_per_epoch, uint64_t seed, spk_catpow **out)
{
    double total = 0;
    *out = NULL;
    for (int64_t i = 0; i < s->n; i++)
        total += (double)s->length[i];
    if (!(total > 0)) return spk_fail(SPK_E_VALUE, "catpow: the utterances have no length to draw by");
    spk_catpow *c = spk_new(sizeof *c);
    *c = (spk_catpow){.o = *o, .drop_last = drop_last, .n = s->n, .iters = iters_per_epoch, .seed = seed};
    c->draws = (int64_t)(floor(total * o->scale) / (total / (double)s->n));
    c->length = spk_new(sizeof *c->length * (size_t)s->n);
    memcpy(c->length, s->length, sizeof *c->length * (size_t)s->n);
    c->order = spk_new(sizeof *c->order * (size_t)s->n);
    c->in_list = spk_new(sizeof *c->in_list * (size_t)s->n);
    make_groups(c, s);
    find_probabilities(c, total);
    *out = c;
    return SPK_OK;
}

void spk_catpow_close(spk_catpow *c)
{
    if (!c) return;
    spk_free(c->length);
    spk_free(c->group);
    spk_free(c->order);
    spk_free(c->in_list);
    spk_free(c);
}

double spk_catpow_probability(const spk_catpow *c, int64_t dataset, int64_t category)
{
    for (int64_t i = 0; i < c->n_groups; i++)
        if (c->group[i].dataset == dataset && c->group[i].category == category) return c->group[i].probability;
    return 0;
}

int64_t spk_catpow_draws(const spk_catpow *c)
{
    return c->draws;
}

/* ---- an epoch ---- */

static void shuffle_groups(spk_catpow *c, spk_rng *r)
{
    memcpy(c->order, c->in_list, sizeof *c->order * (size_t)c->n); /* whichever epoch was asked for before */
    for (int64_t i = 0; i < c->n_groups; i++) {
        spk_rng_shuffle(r, c->order + c->group[i].first, c->group[i].n);
        c->group[i].next = 0;
    }
}

static int64_t draw_one(spk_catpow *c, spk_rng *r)
{
    const double u = spk_rng_uniform(r);
    int64_t lo = 0, hi = c->n_groups - 1;
    while (lo < hi) {
        const int64_t middle = (lo + hi) / 2;
        if (c->group[middle].up_to > u)
            hi = middle;
        else
            lo = middle + 1;
    }
    struct group *g = &c->group[lo];
    return c->order[g->first + g->next++ % g->n];
}

static bool is_full(const spk_catpow *c, int64_t n, double bins)
{
    return (bins > (double)c->o.batch_bins && n >= c->o.min_batch_size) ||
           (c->o.max_batch_size > 0 && n >= c->o.max_batch_size);
}

/* A batch that grows. */
typedef struct growing {
    int64_t *item, n;
    double bins, longest;
} growing;

static void give(growing *b, spk_epoch_plan *out)
{
    spk_epoch_plan_add(out, b->item, b->n);
    spk_free(b->item);
    *b = (growing){0};
}

/* Where it is padding that counts: one more of that length would be too much. */
static bool would_exceed(const spk_catpow *c, const growing *b, double length)
{
    return c->o.padded && b->n >= c->o.min_batch_size &&
           (double)(b->n + 1) * fmax(b->longest, length) > (double)c->o.batch_bins;
}

spk_status spk_catpow_plan(spk_catpow *c, int64_t epoch, spk_epoch_plan *out)
{
    spk_rng r = spk_rng_make(c->seed, SPK_PURPOSE_ORDER, (uint64_t)epoch, 0, 0);
    growing b = {0};
    *out = (spk_epoch_plan){0};
    shuffle_groups(c, &r);
    for (int64_t i = 0; c->iters > 0 ? out->n_batches < c->iters : i < c->draws; i++) {
        const int64_t u = draw_one(c, &r);
        const double length = (double)c->length[u];
        if (would_exceed(c, &b, length)) give(&b, out);
        SPK_PUSH(b.item, b.n) = u;
        b.longest = fmax(b.longest, length);
        if (!c->o.padded) b.bins += length;
        if (is_full(c, b.n, b.bins)) give(&b, out);
    }
    if (b.n >= c->o.min_batch_size && !c->drop_last) spk_epoch_plan_add(out, b.item, b.n);
    spk_free(b.item);
    spk_epoch_plan_count(out, c->n);
    if (out->n_batches > 0) return SPK_OK;
    spk_epoch_plan_clear(out);
    return spk_fail(SPK_E_VALUE,
                    "epoch %lld would have no batch: %lld draws do not fill batch_bins %lld; lower batch_bins",
                    (long long)epoch, (long long)c->draws, (long long)c->o.batch_bins);
}
