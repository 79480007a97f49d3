/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials by duration, to train a calibration with quality measures on. Where a condition has few pairs they are all counted
 * up and shuffled; where it has many, speakers and then utterances are drawn, and what was drawn before is drawn again.
 */
#include <stdlib.h>
#include <string.h>

#include "data/prep_lists_impl.h"

enum { SHORT, LONG, N_CLASSES };
enum { COUNT_UP_BELOW = 4, MOST_TRIES = 100 }; /* times the trials that are asked for */

typedef struct pair {
    int64_t a, b;
} pair;

/* Utterances of one class by speaker: of speaker s, utterance[begin[s]] to utterance[begin[s + 1] - 1]. */
typedef struct lot {
    int64_t *begin, *utterance;
    int64_t n_able, *able; /* speakers with an utterance */
} lot;

typedef struct draw {
    const spk_quality_options *o;
    const spk_folder *f;
    lot lots[N_CLASSES], used[N_CLASSES];
    int64_t n;
    pair *pair;
    size_t room; /* of `seen`, open addressing over the pairs of one condition */
    uint64_t *seen;
} draw;

static bool is_new(draw *d, int64_t a, int64_t b)
{
    const uint64_t low = (uint64_t)(a < b ? a : b), high = (uint64_t)(a < b ? b : a), key = low << 32 | (high + 1);
    size_t at = (size_t)(spk_hash(&key, sizeof key) & (d->room - 1));
    for (; d->seen[at]; at = (at + 1) & (d->room - 1))
        if (d->seen[at] == key) return false;
    d->seen[at] = key;
    return true;
}

static void make_lot(const spk_folder *f, const bool *in, lot *out)
{
    int64_t n = 0;
    out->begin = spk_new(sizeof *out->begin * (size_t)(f->n_speakers + 2));
    out->utterance = spk_new(sizeof *out->utterance * (size_t)(f->n + 1));
    for (int64_t i = 0; i < f->n; i++)
        if (in[i]) out->begin[f->speaker[i] + 2]++;
    for (int64_t s = 0; s < f->n_speakers; s++)
        out->begin[s + 2] += out->begin[s + 1];
    for (int64_t i = 0; i < f->n; i++)
        if (in[i]) out->utterance[out->begin[f->speaker[i] + 1]++] = i;
    for (int64_t s = 0; s < f->n_speakers; s++)
        if (out->begin[s + 1] > out->begin[s]) SPK_PUSH(out->able, n) = s;
    out->n_able = n;
}

static int64_t size_of(const lot *l, int64_t s)
{
    return l->begin[s + 1] - l->begin[s];
}

static void clear_lot(lot *l)
{
    spk_free(l->begin);
    spk_free(l->utterance);
    spk_free(l->able);
}

/* ---- one condition ---- */

/* Pairs of an utterance of `first` and one of `second` (the same lot: each pair once), of one speaker or of two. */
typedef struct condition {
    const lot *first, *second;
    bool target;
} condition;

static bool fits(const draw *d, const condition *c, int64_t a, int64_t b)
{
    const bool one = d->f->speaker[a] == d->f->speaker[b];
    return one == c->target && a != b;
}

/* How many pairs there are. */
static double count_pairs(const draw *d, const condition *c)
{
    double of_one = 0, first = 0, second = 0;
    const bool twice = c->first == c->second;
    for (int64_t s = 0; s < d->f->n_speakers; s++) {
        const double n = (double)size_of(c->first, s), m = (double)size_of(c->second, s);
        of_one += twice ? n * (n - 1) / 2 : n * m;
        first += n;
        second += m;
    }
    return c->target ? of_one : (twice ? first * (first - 1) / 2 : first * second) - of_one;
}

/* Append all pairs of first[i0..i1) and second[j0..j1) to *all. */
static void append_pairs(const draw *d, const condition *c, const int64_t first[2], const int64_t second[2], pair **all,
                         int64_t *n)
{
    for (int64_t i = first[0]; i < first[1]; i++)
        for (int64_t j = c->first == c->second ? i + 1 : second[0]; j < second[1]; j++) {
            const pair p = {c->first->utterance[i], c->second->utterance[j]};
            if (fits(d, c, p.a, p.b)) SPK_PUSH(*all, *n) = p;
        }
}

/* All pairs that were not taken yet, in a drawn order, up to `want` in all. */
static void count_up(draw *d, const condition *c, spk_rng *r, int64_t begin, int64_t want)
{
    const int64_t S = d->f->n_speakers, *b1 = c->first->begin, *b2 = c->second->begin;
    int64_t n = 0;
    pair *all = NULL;
    for (int64_t s = 0; s < S && c->target; s++)
        append_pairs(d, c, (int64_t[]){b1[s], b1[s + 1]}, (int64_t[]){b2[s], b2[s + 1]}, &all, &n);
    if (!c->target) append_pairs(d, c, (int64_t[]){0, b1[S]}, (int64_t[]){0, b2[S]}, &all, &n);
    int64_t *place = spk_new(sizeof *place * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        place[i] = i;
    spk_rng_shuffle(r, place, n);
    for (int64_t i = 0; i < n && d->n - begin < want; i++) {
        const pair p = all[place[i]];
        if (is_new(d, p.a, p.b)) SPK_PUSH(d->pair, d->n) = p;
    }
    spk_free(place);
    spk_free(all);
}

static int64_t any_of(const lot *l, int64_t s, spk_rng *r)
{
    return l->utterance[l->begin[s] + spk_rng_below(r, size_of(l, s))];
}

static int64_t draw_condition(draw *d, const condition *c, int number)
{
    const int64_t begin = d->n, want = d->o->n_trials;
    const double there = count_pairs(d, c);
    spk_rng r = spk_rng_make(d->o->seed, SPK_PURPOSE_TRIALS, 2, (uint64_t)number, 0);
    memset(d->seen, 0, sizeof *d->seen * d->room);
    if (!c->first->able || !c->second->able) return 0;
    for (int64_t tries = 0; there > (double)(COUNT_UP_BELOW * want) && d->n - begin < want && tries < MOST_TRIES * want;
         tries++) {
        const int64_t s = c->first->able[spk_rng_below(&r, c->first->n_able)];
        const int64_t t = c->target ? s : c->second->able[spk_rng_below(&r, c->second->n_able)];
        if (size_of(c->second, t) == 0) continue;
        const pair p = {any_of(c->first, s, &r), any_of(c->second, t, &r)};
        if (fits(d, c, p.a, p.b) && is_new(d, p.a, p.b)) SPK_PUSH(d->pair, d->n) = p;
    }
    if (d->n - begin < want && there >= 1) count_up(d, c, &r, begin, want);
    return d->n - begin;
}

static void draw_all(draw *d, int64_t trials[SPK_N_QUALITY])
{
    const spk_folder *f = d->f;
    const lot *s = &d->lots[SHORT], *l = &d->lots[LONG], *us = &d->used[SHORT], *ul = &d->used[LONG];
    const condition conditions[SPK_N_QUALITY] = {{s, s, true},    {l, l, true},    {l, s, true},
                                                 {us, us, false}, {ul, ul, false}, {us, ul, false}};
    for (int k = 0; k < SPK_N_QUALITY; k++) {
        if (k == SPK_QUALITY_NON_SHORT) { /* other speakers' pairs are made of what the target trials use */
            bool *in = spk_new(sizeof *in * (size_t)(2 * f->n));
            for (int64_t i = 0; i < 2 * d->n; i++) {
                const int64_t u = i % 2 ? d->pair[i / 2].b : d->pair[i / 2].a;
                in[(f->seconds[u] >= d->o->long_s ? f->n : 0) + u] = true;
            }
            make_lot(f, in, &d->used[SHORT]);
            make_lot(f, in + f->n, &d->used[LONG]);
            spk_free(in);
        }
        trials[k] = draw_condition(d, &conditions[k], k);
    }
}

/* ---- files ---- */

static spk_status write_lists(const draw *d, spk_quality_summary *out)
{
    spk_status status;
    const spk_folder *f = d->f;
    spk_text label = {0}, first = {0}, second = {0}, wav = {0}, utt2spk = {0}, utt2dur = {0};
    bool *in = spk_new(sizeof *in * (size_t)f->n);
    for (int64_t i = 0; i < d->n; i++) {
        const pair p = d->pair[i];
        char *key = spk_strf("%s*%s", f->utt2spk.entry[p.a].key, f->utt2spk.entry[p.b].key);
        spk_text_addf(&label, "%s %d\n", key, f->speaker[p.a] == f->speaker[p.b]);
        spk_lists_add_path(f, key, p.a, &first);
        spk_lists_add_path(f, key, p.b, &second);
        spk_free(key);
        in[p.a] = in[p.b] = true;
    }
    for (int64_t i = 0; i < f->n; i++) {
        if (!in[i]) continue;
        out->utterances++;
        spk_lists_add_path(f, f->utt2spk.entry[i].key, i, &wav);
        spk_text_addf(&utt2spk, "%s %s\n", f->utt2spk.entry[i].key, f->utt2spk.entry[i].value);
        spk_text_addf(&utt2dur, "%s %.6g\n", f->utt2spk.entry[i].key, f->seconds[i]);
    }
    SPK_GO(spk_lists_write(d->o->output, "wav.scp", &wav));
    SPK_GO(spk_lists_write(d->o->output, "utt2spk", &utt2spk));
    SPK_GO(spk_lists_write(d->o->output, "utt2dur", &utt2dur));
    SPK_GO(spk_lists_write(d->o->output, "trial.scp", &first));
    SPK_GO(spk_lists_write(d->o->output, "trial2.scp", &second));
    SPK_GO(spk_lists_write(d->o->output, "trial_label", &label));
done:
    spk_free(in);
    spk_text_clear(&label);
    spk_text_clear(&first);
    spk_text_clear(&second);
    spk_text_clear(&wav);
    spk_text_clear(&utt2spk);
    spk_text_clear(&utt2dur);
    return status;
}

/* Short and long utterances of the speakers that are kept. */
static spk_status sort_utterances(draw *d)
{
    const spk_folder *f = d->f;
    spk_list exclude = {0};
    if (d->o->exclude) SPK_TRY(spk_list_read(d->o->exclude, SPK_LIST_NO_VALUE_OK, &exclude));
    bool *in = spk_new(sizeof *in * (size_t)(2 * f->n));
    for (int64_t i = 0; i < f->n; i++) {
        if (!f->kept[f->speaker[i]] || f->seconds[i] < d->o->least_s) continue;
        if (d->o->exclude && spk_list_find(&exclude, f->utt2spk.entry[i].key) >= 0) continue;
        in[(f->seconds[i] >= d->o->long_s ? f->n : 0) + i] = true;
    }
    make_lot(f, in, &d->lots[SHORT]);
    make_lot(f, in + f->n, &d->lots[LONG]);
    spk_free(in);
    spk_list_clear(&exclude);
    return SPK_OK;
}

static spk_status make_trials(draw *d, spk_quality_summary *out)
{
    int64_t *n = out->trials;
    d->room = 64;
    while (d->room < (size_t)d->o->n_trials * 2)
        d->room *= 2;
    d->seen = spk_alloc(sizeof *d->seen * d->room);
    if (!d->seen) return spk_fail(SPK_E_NOMEM, "not enough memory for %lld trials", (long long)d->o->n_trials);
    SPK_TRY(sort_utterances(d));
    draw_all(d, n);
    if (n[0] + n[1] + n[2] == 0 || n[3] + n[4] + n[5] == 0)
        return spk_fail(SPK_E_VALUE,
                        "%s: there are no %s trials: it takes two speakers with two utterances of %g s or more each",
                        d->f->path, n[0] + n[1] + n[2] == 0 ? "target" : "nontarget", d->o->least_s);
    return write_lists(d, out);
}

spk_status spk_prep_quality(const spk_quality_options *o, spk_quality_summary *out)
{
    spk_status status;
    spk_folder f = {0};
    draw d = {.o = o, .f = &f};
    char *manifest = NULL;
    *out = (spk_quality_summary){0};
    SPK_GO(spk_folder_open(o->input, o->n_speakers, o->seed, &f));
    const spk_list_option options[] = {{"num_cohort_spk", (double)o->n_speakers},
                                       {"qmf_num_trial_per_condition", (double)o->n_trials},
                                       {"qmf_dur_thresh", o->long_s},
                                       {"min_duration", o->least_s},
                                       {"seed", (double)o->seed}};
    const char *const lists[] = {f.wav.path, f.utt2spk.path, f.durations, o->exclude};
    SPK_GO(spk_lists_manifest("qmf", options, 5, lists, (int)(sizeof lists / sizeof *lists), &manifest));
    SPK_GO(spk_lists_begin(o->output, manifest, o->overwrite, &out->was_there));
    if (out->was_there) goto done;
    SPK_GO(spk_folder_measure(&f));
    SPK_GO(make_trials(&d, out));
    const spk_text text = {manifest, strlen(manifest), 0};
    SPK_GO(spk_lists_write(o->output, "lists.json", &text));
done:
    for (int k = 0; k < N_CLASSES; k++) {
        clear_lot(&d.lots[k]);
        clear_lot(&d.used[k]);
    }
    spk_free(d.pair);
    spk_free(d.seen);
    spk_free(manifest);
    spk_folder_close(&f);
    return status;
}
