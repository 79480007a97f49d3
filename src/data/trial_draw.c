/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing trials; trial_draw_impl.h states the rules. */
#include "data/trial_draw_impl.h"

#include <math.h>
#include <stdlib.h>

/* Streams of SPK_PURPOSE_TRIALS, one for each thing that is drawn (0 is the choice of speakers). */
enum { DRAW_TARGETS = 1, DRAW_NONTARGETS, DRAW_ORDER, DRAW_SIDES };

struct job {
    const spk_trial_pool *pool;
    const spk_trial_rules *rules;
    int64_t *order, *begin; /* utterances speaker by speaker; speaker s has order[begin[s]] to order[begin[s+1]-1] */
    spk_pair *pair;         /* places in `order` until the end */
    int64_t n, n_targets, n_lacking;
    uint64_t *table; /* seen nontarget pairs */
    size_t room;
};

static spk_rng draw(const struct job *j, int what, int64_t item)
{
    return spk_rng_make(j->rules->seed, SPK_PURPOSE_TRIALS, (uint64_t)what, (uint64_t)item, 0);
}

static void group(struct job *j)
{
    const spk_trial_pool *p = j->pool;
    j->order = spk_new(sizeof *j->order * (size_t)(p->n + 1));
    j->begin = spk_new(sizeof *j->begin * (size_t)(p->n_speakers + 2));
    for (int64_t i = 0; i < p->n; i++)
        j->begin[p->speaker[i] + 2]++;
    for (int64_t s = 0; s < p->n_speakers; s++)
        j->begin[s + 2] += j->begin[s + 1];
    for (int64_t i = 0; i < p->n; i++) /* begin[s + 1] runs from the start of s to its end */
        j->order[j->begin[p->speaker[i] + 1]++] = i;
}

static int64_t speaker_at(const struct job *j, int64_t place)
{
    return j->pool->speaker[j->order[place]];
}

/* ---- targets ---- */

/* Each of the pairs that were offered since `base` is kept with the same probability: Vitter's algorithm R. */
static void offer(struct job *j, int64_t base, int64_t most, int64_t *seen, spk_rng *r, spk_pair found)
{
    if (j->n - base < most) {
        SPK_PUSH(j->pair, j->n) = found;
        ++*seen;
        return;
    }
    const int64_t at = spk_rng_below(r, ++*seen);
    if (at < most) j->pair[base + at] = found;
}

static bool target_allowed(const struct job *j, int64_t a, int64_t b)
{
    const int64_t *session = j->pool->session;
    return !session || session[j->order[a]] != session[j->order[b]];
}

static void swap(spk_pair *x, spk_pair *y)
{
    const spk_pair keep = *x;
    *x = *y;
    *y = keep;
}

/* A uniform choice of `most` of the pairs from base on goes to their beginning. */
static void choose(struct job *j, int64_t base, int64_t most, spk_rng *r)
{
    for (int64_t i = j->n - 1; i > base; i--)
        swap(&j->pair[i], &j->pair[base + spk_rng_below(r, i - base + 1)]);
    j->n = base + most;
}

static void draw_targets(struct job *j)
{
    const spk_trial_rules *o = j->rules;
    const bool each = o->targets > 0;
    const int64_t most = each ? o->targets : o->max_targets > 0 ? o->max_targets : INT64_MAX;
    int64_t seen = 0, base = 0;
    spk_rng r = draw(j, DRAW_TARGETS, 0);
    for (int64_t s = 0; s < j->pool->n_speakers; s++) {
        if (each) {
            base = j->n;
            seen = 0;
            r = draw(j, DRAW_TARGETS, s + 1);
        }
        for (int64_t a = j->begin[s]; a < j->begin[s + 1]; a++)
            for (int64_t b = a + 1; b < j->begin[s + 1]; b++)
                if (target_allowed(j, a, b)) offer(j, base, most, &seen, &r, (spk_pair){a, b, true});
        j->n_lacking += each && seen < most;
    }
    if (each && o->max_targets > 0 && j->n > o->max_targets) {
        r = draw(j, DRAW_TARGETS, 0);
        choose(j, 0, o->max_targets, &r);
    }
    j->n_targets = j->n;
}

/* ---- nontargets ---- */

static int64_t sex_of(const struct job *j, int64_t s)
{
    return j->pool->sex ? j->pool->sex[s] : 0;
}

static bool nontarget_allowed(const struct job *j, int64_t a, int64_t b)
{
    const int64_t s = speaker_at(j, a), t = speaker_at(j, b);
    return s != t && sex_of(j, s) == sex_of(j, t);
}

static int64_t count_nontargets(const struct job *j)
{
    int64_t utterances[2] = {0, 0}, same = 0;
    for (int64_t s = 0; s < j->pool->n_speakers; s++) {
        const int64_t n = j->begin[s + 1] - j->begin[s];
        utterances[sex_of(j, s)] += n;
        same += n * (n - 1) / 2;
    }
    return utterances[0] * (utterances[0] - 1) / 2 + utterances[1] * (utterances[1] - 1) / 2 - same;
}

/* Where a pair stands or belongs in a set: open addressing over a * n + b + 1 of places a < b. */
static uint64_t *find_pair(const struct job *j, int64_t a, int64_t b, uint64_t *pair)
{
    *pair = (uint64_t)((a < b ? a : b) * j->pool->n + (a < b ? b : a) + 1);
    size_t at = (size_t)(spk_hash(pair, sizeof *pair) & (j->room - 1));
    while (j->table[at] && j->table[at] != *pair)
        at = (at + 1) & (j->room - 1);
    return &j->table[at];
}

static bool is_known(const struct job *j, int64_t a, int64_t b)
{
    uint64_t pair;
    return j->table && *find_pair(j, a, b, &pair) != 0;
}

static bool take(struct job *j, int64_t a, int64_t b)
{
    uint64_t pair;
    if (!nontarget_allowed(j, a, b)) return false;
    uint64_t *at = find_pair(j, a, b, &pair);
    if (*at) return false;
    *at = pair;
    const spk_pair found = {a < b ? a : b, a < b ? b : a, false};
    SPK_PUSH(j->pair, j->n) = found;
    return true;
}

static void sample_uniform(struct job *j, int64_t wanted, spk_rng *r)
{
    for (int64_t made = 0; made < wanted;) {
        const int64_t a = spk_rng_below(r, j->pool->n), b = spk_rng_below(r, j->pool->n);
        made += take(j, a, b);
    }
}

/* One trial with speaker s in the first place, after at most so many tries. */
static bool one_of(struct job *j, int64_t s, spk_rng *r)
{
    enum { TRIES = 64 };
    const int64_t n = j->begin[s + 1] - j->begin[s], S = j->pool->n_speakers;
    for (int i = 0; n > 0 && i < TRIES; i++) {
        const int64_t a = j->begin[s] + spk_rng_below(r, n), t = spk_rng_below(r, S), m = j->begin[t + 1] - j->begin[t];
        if (m == 0 || t == s || !take(j, a, j->begin[t] + spk_rng_below(r, m))) continue;
        spk_pair *made = &j->pair[j->n - 1];
        if (made->a != a) *made = (spk_pair){made->b, made->a, false};
        return true;
    }
    return false;
}

/* All that are allowed and not in the set, in order. */
static void all_new(struct job *j)
{
    for (int64_t a = 0; a < j->pool->n; a++)
        for (int64_t b = a + 1; b < j->pool->n; b++)
            if (nontarget_allowed(j, a, b) && !is_known(j, a, b)) {
                const spk_pair found = {a, b, false};
                SPK_PUSH(j->pair, j->n) = found;
            }
}

static void sample_balanced(struct job *j, int64_t wanted, spk_rng *r)
{
    const int64_t end = j->n + wanted;
    int64_t *turn = spk_new(sizeof *turn * (size_t)(j->pool->n_speakers + 1)), before = -1;
    for (int64_t s = 0; s < j->pool->n_speakers; s++)
        turn[s] = s;
    while (j->n < end && j->n > before) { /* a round of all speakers, those of the last one in random order */
        before = j->n;
        spk_rng_shuffle(r, turn, j->pool->n_speakers);
        for (int64_t i = 0; i < j->pool->n_speakers && j->n < end; i++)
            one_of(j, turn[i], r);
    }
    spk_free(turn);
    if (j->n >= end) return;
    const int64_t base = j->n; /* what is left is so rare that nobody met it in a whole round */
    all_new(j);
    choose(j, base, end - base, r);
}

static void draw_nontargets(struct job *j)
{
    const int64_t all = count_nontargets(j);
    const double wish = floor((double)j->n_targets * j->rules->nontarget_ratio);
    const int64_t wanted = wish < (double)all ? (int64_t)wish : all;
    spk_rng r = draw(j, DRAW_NONTARGETS, 0);
    if (wanted >= all / 2) { /* by shuffling them: drawing until enough are new would be long */
        const int64_t base = j->n;
        all_new(j);
        choose(j, base, wanted, &r);
        return;
    }
    for (j->room = 16; j->room < 2 * (size_t)wanted;)
        j->room *= 2;
    j->table = spk_new(sizeof *j->table * j->room);
    if (j->rules->balanced)
        sample_balanced(j, wanted, &r);
    else
        sample_uniform(j, wanted, &r);
}

/* ---- all together ---- */

static void mix(struct job *j)
{
    spk_rng order = draw(j, DRAW_ORDER, 0), sides = draw(j, DRAW_SIDES, 0);
    if (!j->pair) return; /* no trial at all */
    for (int64_t i = j->n - 1; i >= 0; i--) {
        const int64_t k = spk_rng_below(&order, i + 1);
        spk_pair keep = j->pair[k];
        j->pair[k] = j->pair[i];
        const bool other_way = (spk_rng_u32(&sides) & 1) && (keep.target || !j->rules->balanced);
        if (other_way) keep = (spk_pair){keep.b, keep.a, keep.target};
        j->pair[i] = keep;
    }
    for (int64_t i = 0; i < j->n; i++) {
        j->pair[i].a = j->order[j->pair[i].a];
        j->pair[i].b = j->order[j->pair[i].b];
    }
}

void spk_trials_draw(const spk_trial_pool *pool, const spk_trial_rules *rules, spk_trial_draw *out)
{
    struct job j = {.pool = pool, .rules = rules};
    group(&j);
    draw_targets(&j);
    draw_nontargets(&j);
    mix(&j);
    *out = (spk_trial_draw){j.pair, j.n, j.n_targets, j.n_lacking};
    spk_free(j.order);
    spk_free(j.begin);
    spk_free(j.table);
}
