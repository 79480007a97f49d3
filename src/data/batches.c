/* SPDX-License-Identifier: Apache-2.0 */
/* Batches by length (batches_impl.h). Sizes are found over the sorted utterances, which are then cut. */
#include "data/batches_impl.h"

#include <stdlib.h>
#include <string.h>

void spk_shapes_clear(spk_shapes *s)
{
    for (int64_t f = 0; f < s->n_files; f++)
        spk_free(s->length[f]);
    spk_free(s->length);
    spk_free(s->width);
    *s = (spk_shapes){0};
}

/* ---- order ---- */

typedef struct keyed {
    int64_t length, at;
} keyed;

static int compare_keyed(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at); /* stable */
}

/* Utterances by length; equal ones in the order of the list, both ways. */
static int64_t *sort_by_length(const spk_shapes *s, bool ascending)
{
    keyed *k = spk_new(sizeof *k * (size_t)(s->n + 1));
    int64_t *order = spk_new(sizeof *order * (size_t)(s->n + 1));
    for (int64_t i = 0; i < s->n; i++)
        k[i] = (keyed){ascending ? s->length[0][i] : -s->length[0][i], i};
    if (s->n > 0) qsort(k, (size_t)s->n, sizeof *k, compare_keyed);
    for (int64_t i = 0; i < s->n; i++)
        order[i] = k[i].at;
    spk_free(k);
    return order;
}

static void reverse(int64_t *x, int64_t n)
{
    for (int64_t i = 0; i < n / 2; i++) {
        const int64_t keep = x[i];
        x[i] = x[n - 1 - i];
        x[n - 1 - i] = keep;
    }
}

/* ---- sizes ---- */

typedef struct sizes {
    int64_t n, *v;
} sizes;

/* A last batch that is too small is dealt out over the ones before it, the last of them first. */
static void deal_back(sizes *s, int64_t least)
{
    if (s->n < 2 || s->v[s->n - 1] >= least) return;
    const int64_t rest = s->v[--s->n];
    for (int64_t i = 0; i < rest; i++)
        s->v[s->n - 1 - i % s->n]++;
}

static void even_sizes(int64_t n, int64_t B, bool drop_last, sizes *out)
{
    const int64_t N = n / B > 0 ? n / B : 1;
    for (int64_t k = 0; k < N; k++)
        SPK_PUSH(out->v, out->n) = drop_last ? (n < B ? n : B) : (k + 1) * n / N - k * n / N;
}

/* The shortest of a batch decides how many there are in it. */
static void folded_sizes(const spk_shapes *s, const int64_t *order, const spk_rule_options *o, int64_t B,
                         bool drop_last, sizes *out)
{
    for (int64_t at = 0; at < s->n;) {
        int64_t factor = 0;
        for (int64_t f = 0; f < s->n_files; f++) {
            const int64_t fold = o->fold_length[f < o->n_fold_lengths ? f : o->n_fold_lengths - 1];
            const int64_t times = s->length[f][order[at]] / fold;
            factor = times > factor ? times : factor;
        }
        int64_t size = B / (1 + factor);
        size = size < o->min_batch_size ? o->min_batch_size : size;
        if (at + size > s->n) {
            if (drop_last && out->n > 0) break;
            size = s->n - at;
        }
        SPK_PUSH(out->v, out->n) = size;
        at += size;
    }
    deal_back(out, o->min_batch_size);
}

/* Bins of utterance `at` and as many as the batch then has, padded to it. */
static double bins_of(const spk_shapes *s, const int64_t *order, const spk_rule_options *o, int64_t size, int64_t at)
{
    double bins = 0;
    for (int64_t f = 0; f < s->n_files; f++)
        bins += (double)size * (double)s->length[f][order[at]] * (o->rule == SPK_RULE_NUMEL ? (double)s->width[f] : 1);
    return bins;
}

/* ESPnet's batches end with the utterance that exceeds batch_bins; where it is padding that counts, before it. */
static void binned_sizes(const spk_shapes *s, const int64_t *order, const spk_rule_options *o, bool drop_last,
                         sizes *out)
{
    int64_t size = 0;
    for (int64_t at = 0; at < s->n; at++) {
        const bool before = o->padded && at + 1 < s->n;
        size++;
        const double bins = bins_of(s, order, o, before ? size + 1 : size, before ? at + 1 : at);
        if (bins <= (double)o->batch_bins || size < o->min_batch_size) continue;
        SPK_PUSH(out->v, out->n) = size;
        size = 0;
    }
    if (size > 0 && (!drop_last || out->n == 0)) SPK_PUSH(out->v, out->n) = size;
    deal_back(out, o->min_batch_size);
}

/* ---- all of it ---- */

static spk_status check(const spk_shapes *s, const spk_rule_options *o, int64_t B)
{
    if (o->rule == SPK_RULE_FOLDED && o->n_fold_lengths < 1)
        return spk_fail(SPK_E_VALUE, "batch_type folded needs fold_length");
    if (o->rule == SPK_RULE_FOLDED && o->n_fold_lengths != 1 && o->n_fold_lengths != s->n_files)
        return spk_fail(SPK_E_VALUE, "fold_length has %lld values for %lld shape files; give one for each",
                        (long long)o->n_fold_lengths, (long long)s->n_files);
    const bool by_size = o->rule == SPK_RULE_UNSORTED || o->rule == SPK_RULE_SORTED;
    if (by_size && B > s->n)
        return spk_fail(SPK_E_VALUE, "batch_size is %lld and there are only %lld utterances; lower batch_size",
                        (long long)B, (long long)s->n);
    return SPK_OK;
}

static void cut(const int64_t *order, const sizes *z, bool turn_items, bool turn_batches, spk_epoch_plan *out)
{
    int64_t *batch = NULL, at = 0, *begin = spk_new(sizeof *begin * (size_t)(z->n + 1)), largest = 0;
    for (int64_t b = 0; b < z->n; b++) {
        begin[b] = at;
        at += z->v[b];
        largest = z->v[b] > largest ? z->v[b] : largest;
    }
    batch = spk_new(sizeof *batch * (size_t)(largest + 1));
    for (int64_t i = 0; i < z->n; i++) {
        const int64_t b = turn_batches ? z->n - 1 - i : i;
        memcpy(batch, order + begin[b], sizeof *batch * (size_t)z->v[b]);
        if (turn_items) reverse(batch, z->v[b]);
        spk_epoch_plan_add(out, batch, z->v[b]);
    }
    spk_free(batch);
    spk_free(begin);
}

spk_status spk_batches_make(const spk_shapes *s, const spk_rule_options *o, int64_t B, bool drop_last,
                            spk_epoch_plan *out)
{
    *out = (spk_epoch_plan){0};
    SPK_TRY(check(s, o, B));
    const bool by_size = o->rule == SPK_RULE_UNSORTED || o->rule == SPK_RULE_SORTED;
    sizes z = {0};
    int64_t *order = sort_by_length(s, o->rule == SPK_RULE_SORTED ? o->ascending_in_batch : true);
    for (int64_t i = 0; o->rule == SPK_RULE_UNSORTED && i < s->n; i++)
        order[i] = i;
    if (by_size)
        even_sizes(s->n, B, drop_last, &z);
    else if (o->rule == SPK_RULE_FOLDED)
        folded_sizes(s, order, o, B, drop_last, &z);
    else
        binned_sizes(s, order, o, drop_last, &z);
    const bool turn =
        o->rule == SPK_RULE_SORTED ? o->ascending_batches != o->ascending_in_batch : !o->ascending_batches;
    cut(order, &z, !by_size && !o->ascending_in_batch, o->rule != SPK_RULE_UNSORTED && turn, out);
    spk_free(order);
    spk_free(z.v);
    return out->n_batches > 0 ? SPK_OK : spk_fail(SPK_E_VALUE, "there are no utterances to make batches of");
}
