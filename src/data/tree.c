/* SPDX-License-Identifier: Apache-2.0 */
/* Training and validation folders from a folder of recordings: draws and files. tree_impl.h states the rules. */
#include "data/tree_impl.h"
#include "data/tree_scan_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Streams of SPK_PURPOSE_TRIALS, one for each thing that is drawn. */
enum { DRAW_SPEAKERS, DRAW_TARGETS, DRAW_NONTARGETS, DRAW_ORDER, DRAW_SIDES };

struct pair {
    int64_t a, b; /* recordings, counted over the held-back speakers in order */
    bool target;
};

struct plan {
    const spk_tree_options *o;
    const spk__tree *tree;
    bool *held; /* of each speaker */
    int64_t n_held, n_utts;
    const struct spk__recording **utt; /* n_utts of the held-back speakers */
    int64_t *speaker_of;               /* n_utts */
    struct pair *pair;
    int64_t n_pairs, n_targets;
};

static spk_rng draw(const struct plan *p, int what)
{
    return spk_rng_make(p->o->seed, SPK_PURPOSE_TRIALS, (uint64_t)what, 0, 0);
}

/* ---- who is held back ---- */

static spk_status hold_back(struct plan *p)
{
    const spk__tree *t = p->tree;
    int64_t wanted = p->o->valid_speakers, n = 0;
    if (wanted == 0) wanted = t->n_speakers / 5 > 2 ? t->n_speakers / 5 : 2;
    int64_t *able = spk_new(sizeof *able * (size_t)(t->n_speakers + 1));
    for (int64_t i = 0; i < t->n_speakers; i++)
        if (t->speaker[i].n >= 2) able[n++] = i;
    spk_rng r = draw(p, DRAW_SPEAKERS);
    spk_rng_shuffle(&r, able, n);
    spk_status status = SPK_OK;
    if (t->n_speakers < 4)
        status = spk_fail(SPK_E_VALUE,
                          "%s: recordings of %lld speakers are there, and at least 4 are needed; expected is one "
                          "sub-folder of recordings (wav, flac, ogg, mp3, opus) for each speaker",
                          p->o->input, (long long)t->n_speakers);
    else if (wanted < 2 || wanted > n || wanted > t->n_speakers - 2)
        status = spk_fail(SPK_E_VALUE,
                          "%s: %lld speakers cannot be held back for validation: it takes at least 2, leaves at least "
                          "2, and only the %lld with two recordings or more can be",
                          p->o->input, (long long)wanted, (long long)n);
    for (int64_t i = 0; status == SPK_OK && i < wanted; i++)
        p->held[able[i]] = true;
    p->n_held = wanted;
    spk_free(able);
    return status;
}

static void list_held(struct plan *p)
{
    int64_t n_speaker_of = 0;
    for (int64_t i = 0; i < p->tree->n_speakers; i++)
        for (int64_t k = 0; p->held[i] && k < p->tree->speaker[i].n; k++) {
            SPK_PUSH(p->speaker_of, n_speaker_of) = i;
            SPK_PUSH(p->utt, p->n_utts) = &p->tree->speaker[i].recording[k];
        }
}

/* ---- trials ---- */

/* All pairs of one speaker; more than `most` of them: a sample without repetition, each pair alike. */
static void draw_targets(struct plan *p, int64_t most)
{
    spk_rng r = draw(p, DRAW_TARGETS);
    int64_t seen = 0;
    for (int64_t a = 0; a < p->n_utts; a++)
        for (int64_t b = a + 1; b < p->n_utts && p->speaker_of[b] == p->speaker_of[a]; b++, seen++) {
            const struct pair found = {a, b, true};
            if (p->n_pairs < most) {
                SPK_PUSH(p->pair, p->n_pairs) = found;
                continue;
            }
            const int64_t at = spk_rng_below(&r, seen + 1); /* reservoir: Vitter's algorithm R */
            if (at < most) p->pair[at] = found;
        }
    p->n_targets = p->n_pairs;
}

static int64_t count_nontargets(const struct plan *p)
{
    int64_t same = 0;
    for (int64_t i = 0; i < p->tree->n_speakers; i++)
        if (p->held[i]) same += p->tree->speaker[i].n * (p->tree->speaker[i].n - 1) / 2;
    return p->n_utts * (p->n_utts - 1) / 2 - same;
}

static void all_nontargets(struct plan *p)
{
    for (int64_t a = 0; a < p->n_utts; a++)
        for (int64_t b = a + 1; b < p->n_utts; b++)
            if (p->speaker_of[a] != p->speaker_of[b]) {
                const struct pair found = {a, b, false};
                SPK_PUSH(p->pair, p->n_pairs) = found;
            }
}

/* A seen-set of pairs (a, b) as open addressing over a * n + b + 1. */
static bool is_new(uint64_t *table, size_t room, uint64_t pair)
{
    size_t at = (size_t)(spk_hash(&pair, sizeof pair) & (room - 1));
    for (; table[at]; at = (at + 1) & (room - 1))
        if (table[at] == pair) return false;
    table[at] = pair;
    return true;
}

static void sample_nontargets(struct plan *p, int64_t wanted)
{
    spk_rng r = draw(p, DRAW_NONTARGETS);
    size_t room = 16;
    while (room < 2 * (size_t)wanted)
        room *= 2;
    uint64_t *table = spk_new(sizeof *table * room);
    for (int64_t made = 0; made < wanted;) {
        int64_t a = spk_rng_below(&r, p->n_utts), b = spk_rng_below(&r, p->n_utts);
        if (a > b) {
            const int64_t keep = a;
            a = b;
            b = keep;
        }
        if (p->speaker_of[a] == p->speaker_of[b] || !is_new(table, room, (uint64_t)(a * p->n_utts + b + 1))) continue;
        const struct pair found = {a, b, false};
        SPK_PUSH(p->pair, p->n_pairs) = found;
        made++;
    }
    spk_free(table);
}

/* A large share of all pairs is drawn by shuffling them, a small one by drawing until enough are new. */
static void draw_nontargets(struct plan *p, double ratio)
{
    const int64_t all = count_nontargets(p);
    const double wish = floor((double)p->n_targets * ratio);
    const int64_t wanted = wish < (double)all ? (int64_t)wish : all;
    if (wanted < all / 2) {
        sample_nontargets(p, wanted);
        return;
    }
    const int64_t before = p->n_pairs;
    all_nontargets(p);
    spk_rng r = draw(p, DRAW_NONTARGETS);
    for (int64_t i = p->n_pairs - 1; i > before; i--) {
        const int64_t j = before + spk_rng_below(&r, i - before + 1);
        const struct pair keep = p->pair[i];
        p->pair[i] = p->pair[j];
        p->pair[j] = keep;
    }
    p->n_pairs = before + wanted;
}

static void mix_trials(struct plan *p)
{
    spk_rng order = draw(p, DRAW_ORDER), sides = draw(p, DRAW_SIDES);
    for (int64_t i = p->n_pairs - 1; i >= 0; i--) {
        const int64_t j = spk_rng_below(&order, i + 1);
        struct pair keep = p->pair[j];
        p->pair[j] = p->pair[i];
        if (spk_rng_u32(&sides) & 1) keep = (struct pair){keep.b, keep.a, keep.target};
        p->pair[i] = keep;
    }
}

/* ---- files ---- */

static spk_status write_list(const char *folder, const char *name, const spk_text *t)
{
    char *path = spk_path_join(folder, name);
    const spk_status status = spk_write_file(path, spk_text_str(t), t->n);
    spk_free(path);
    return status;
}

static spk_status write_lists(const struct plan *p, const char *folder, bool held)
{
    spk_status status;
    spk_text wav = {0}, utt2spk = {0}, spk2utt = {0};
    for (int64_t i = 0; i < p->tree->n_speakers; i++) {
        const spk__tree_speaker *s = &p->tree->speaker[i];
        if (p->held[i] != held) continue;
        spk_text_add(&spk2utt, s->name);
        for (int64_t k = 0; k < s->n; k++) {
            spk_text_addf(&wav, "%s %s\n", s->recording[k].id, s->recording[k].path);
            spk_text_addf(&utt2spk, "%s %s\n", s->recording[k].id, s->name);
            spk_text_addf(&spk2utt, " %s", s->recording[k].id);
        }
        spk_text_add(&spk2utt, "\n");
    }
    SPK_GO(write_list(folder, "wav.scp", &wav));
    SPK_GO(write_list(folder, "utt2spk", &utt2spk));
    SPK_GO(write_list(folder, "spk2utt", &spk2utt));
done:
    spk_text_clear(&wav);
    spk_text_clear(&utt2spk);
    spk_text_clear(&spk2utt);
    return status;
}

static spk_status write_trials(const struct plan *p, const char *folder)
{
    spk_status status;
    spk_text trials = {0}, scp = {0}, scp2 = {0}, label = {0};
    for (int64_t i = 0; i < p->n_pairs; i++) {
        const struct pair *x = &p->pair[i];
        const struct spk__recording *a = p->utt[x->a], *b = p->utt[x->b];
        spk_text_addf(&trials, "%s %s %s\n", a->id, b->id, x->target ? "target" : "nontarget");
        spk_text_addf(&scp, "%s*%s %s\n", a->id, b->id, a->path);
        spk_text_addf(&scp2, "%s*%s %s\n", a->id, b->id, b->path);
        spk_text_addf(&label, "%s*%s %d\n", a->id, b->id, x->target);
    }
    SPK_GO(write_list(folder, "trials", &trials));
    SPK_GO(write_list(folder, "trial.scp", &scp));
    SPK_GO(write_list(folder, "trial2.scp", &scp2));
    SPK_GO(write_list(folder, "trial_label", &label));
done:
    spk_text_clear(&trials);
    spk_text_clear(&scp);
    spk_text_clear(&scp2);
    spk_text_clear(&label);
    return status;
}

static spk_status write_folders(const struct plan *p)
{
    spk_status status;
    char *train = spk_path_join(p->o->output, "train"), *valid = spk_path_join(p->o->output, "valid"),
         *wav = spk_path_join(train, "wav.scp");
    if (!p->o->overwrite && spk_exists(wav))
        SPK_GO(spk_fail(SPK_E_IO, "%s: is there already; give another output folder or --overwrite true", wav));
    SPK_GO(spk_make_folders(train));
    SPK_GO(spk_make_folders(valid));
    SPK_GO(write_trials(p, valid));
    SPK_GO(write_lists(p, valid, true));
    SPK_GO(write_lists(p, train, false));
done:
    spk_free(train);
    spk_free(valid);
    spk_free(wav);
    return status;
}

/* ---- all together ---- */

static spk_status check_options(const spk_tree_options *o)
{
    if (o->valid_speakers < 0 || o->max_targets < 0 || !(o->nontarget_ratio >= 0) || o->nontarget_ratio > 1e6)
        return spk_fail(SPK_E_VALUE, "valid_speakers, max_targets and nontarget_ratio must not be below 0");
    if (!spk_is_folder(o->input)) return spk_fail(SPK_E_IO, "%s: there is no such folder of recordings", o->input);
    return SPK_OK;
}

static void summarise(const struct plan *p, spk_tree_summary *out)
{
    *out = (spk_tree_summary){.valid_speakers = p->n_held,
                              .train_speakers = p->tree->n_speakers - p->n_held,
                              .valid_utterances = p->n_utts,
                              .n_targets = p->n_targets,
                              .n_nontargets = p->n_pairs - p->n_targets,
                              .ignored_files = p->tree->n_ignored};
    for (int64_t i = 0; i < p->tree->n_speakers; i++)
        out->train_utterances += p->held[i] ? 0 : p->tree->speaker[i].n;
}

spk_status spk_prep_tree(const spk_tree_options *options, spk_tree_summary *summary)
{
    spk_status status;
    spk__tree tree = {0};
    struct plan p = {.o = options, .tree = &tree};
    *summary = (spk_tree_summary){0};
    SPK_GO(check_options(options));
    SPK_GO(spk__tree_scan(options->input, &tree));
    p.held = spk_new(sizeof *p.held * (size_t)(tree.n_speakers + 1));
    SPK_GO(hold_back(&p));
    list_held(&p);
    draw_targets(&p, options->max_targets > 0 ? options->max_targets : 10000);
    draw_nontargets(&p, options->nontarget_ratio > 0 ? options->nontarget_ratio : 5);
    mix_trials(&p);
    SPK_GO(write_folders(&p));
    summarise(&p, summary);
done:
    spk_free(p.held);
    spk_free(p.utt);
    spk_free(p.speaker_of);
    spk_free(p.pair);
    spk__tree_clear(&tree);
    return status;
}
