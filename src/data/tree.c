/* SPDX-License-Identifier: Apache-2.0 */
/* Training and validation folders from a folder of recordings: who is held back, and files. tree_impl.h states the rules. */
#include "data/tree_impl.h"

#include "data/tree_scan_impl.h"
#include "data/trial_draw_impl.h"

struct plan {
    const spk_tree_options *o;
    const spk__tree *tree;
    bool *held; /* of each speaker */
    int64_t n_held;
    spk_datadir train, valid;
    spk_trial_draw trials;
};

/* ---- who is held back ---- */

static spk_status hold_back(struct plan *p)
{
    const spk__tree *t = p->tree;
    int64_t wanted = p->o->valid_speakers, n = 0;
    if (wanted == 0) wanted = t->n_speakers / 5 > 2 ? t->n_speakers / 5 : 2;
    int64_t *able = spk_new(sizeof *able * (size_t)(t->n_speakers + 1));
    for (int64_t i = 0; i < t->n_speakers; i++)
        if (t->speaker[i].n >= 2) able[n++] = i;
    spk_rng r = spk_rng_make(p->o->seed, SPK_PURPOSE_TRIALS, 0, 0, 0);
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

/* The same without anybody held back. */
static spk_status keep_all(const struct plan *p)
{
    if (p->tree->n_speakers >= 2) return SPK_OK;
    return spk_fail(
        SPK_E_VALUE,
        "%s: recordings of %lld speakers are there, and at least 2 are needed; expected is one sub-folder of "
        "recordings (wav, flac, ogg, mp3, opus) for each speaker",
        p->o->input, (long long)p->tree->n_speakers);
}

/* ---- folders ---- */

static spk_status fill_folders(struct plan *p)
{
    for (int64_t i = 0; i < p->tree->n_speakers; i++) {
        const spk__tree_speaker *s = &p->tree->speaker[i];
        for (int64_t k = 0; k < s->n; k++)
            spk_datadir_add(p->held[i] ? &p->valid : &p->train, s->recording[k].id, s->name, s->recording[k].path);
    }
    SPK_TRY(spk_datadir_sort(&p->train));
    return spk_datadir_sort(&p->valid);
}

static void draw_trials(struct plan *p)
{
    const spk_trial_pool pool = {.n = p->valid.n, .n_speakers = p->valid.n_speakers, .speaker = p->valid.speaker_of};
    const spk_trial_rules rules = {.max_targets = p->o->max_targets > 0 ? p->o->max_targets : 10000,
                                   .nontarget_ratio = p->o->nontarget_ratio > 0 ? p->o->nontarget_ratio : 5,
                                   .seed = p->o->seed};
    spk_trials_draw(&pool, &rules, &p->trials);
}

static spk_status write_folders(const struct plan *p)
{
    spk_prep_out out = {.overwrite = p->o->overwrite};
    char *train = spk_path_join(p->o->output, "train"), *valid = spk_path_join(p->o->output, "valid");
    spk_datadir_write(&p->train, &out, train);
    if (!p->o->train_only) {
        spk_datadir_write(&p->valid, &out, valid);
        spk_datadir_write_trials(&p->valid, p->trials.pair, p->trials.n, &out, valid);
    }
    const spk_status status = spk_prep_out_commit(&out);
    spk_prep_out_clear(&out);
    spk_free(train);
    spk_free(valid);
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

spk_status spk_prep_tree(const spk_tree_options *options, spk_tree_summary *summary)
{
    spk_status status;
    spk__tree tree = {0};
    struct plan p = {.o = options, .tree = &tree};
    *summary = (spk_tree_summary){0};
    SPK_GO(check_options(options));
    SPK_GO(spk__tree_scan(options->input, &tree));
    p.held = spk_new(sizeof *p.held * (size_t)(tree.n_speakers + 1));
    SPK_GO(options->train_only ? keep_all(&p) : hold_back(&p));
    SPK_GO(fill_folders(&p));
    if (!options->train_only) draw_trials(&p);
    SPK_GO(write_folders(&p));
    *summary = (spk_tree_summary){.valid_speakers = p.n_held,
                                  .train_speakers = tree.n_speakers - p.n_held,
                                  .train_utterances = p.train.n,
                                  .valid_utterances = p.valid.n,
                                  .n_targets = p.trials.n_targets,
                                  .n_nontargets = p.trials.n - p.trials.n_targets,
                                  .ignored_files = tree.n_ignored};
done:
    spk_free(p.held);
    spk_free(p.trials.pair);
    spk_datadir_clear(&p.train);
    spk_datadir_clear(&p.valid);
    spk__tree_clear(&tree);
    return status;
}
