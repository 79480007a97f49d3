/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of the synthetic corpus: who said what, and the trials. */
#include "recipe/synth_parts_impl.h"

/* One pair of validation utterances, by index. */
typedef struct pair {
    int a, b;
} pair;

static void utterance_name(const synth_speaker *who, int utterance, char out[32])
{
    (void)snprintf(out, 32, "%s-%02d", who->name, utterance + 1);
}

static spk_status write_text(const char *folder, const char *part, const char *name, spk_text *t)
{
    char *path = spk_strf("%s/%s/%s", folder, part, name);
    const spk_status status = spk_write_file(path, spk_text_str(t), t->n);
    spk_free(path);
    spk_text_clear(t);
    return status;
}

/* wav.scp, utt2spk and spk2utt of n speakers with m utterances each. wav.scp comes last. */
static spk_status write_part(const char *folder, const char *part, const synth_speaker *who, int n, int m)
{
    spk_text wav = {0}, utt = {0}, spk = {0};
    char *path = spk_path_join(folder, part), name[32];
    spk_status status = SPK_OK;
    for (int i = 0; i < n; i++) {
        spk_text_add(&spk, who[i].name);
        for (int u = 0; u < m; u++) {
            utterance_name(&who[i], u, name);
            spk_text_addf(&wav, "%s ../audio/%s/%s.flac\n", name, who[i].name, name);
            spk_text_addf(&utt, "%s %s\n", name, who[i].name);
            spk_text_addf(&spk, " %s", name);
        }
        spk_text_add(&spk, "\n");
    }
    SPK_GO(spk_make_folders(path));
    SPK_GO(write_text(folder, part, "utt2spk", &utt));
    SPK_GO(write_text(folder, part, "spk2utt", &spk));
    SPK_GO(write_text(folder, part, "wav.scp", &wav));
done:
    spk_free(path);
    spk_text_clear(&wav);
    spk_text_clear(&utt);
    spk_text_clear(&spk);
    return status;
}

/* ---- trials ---- */

/* Kinds of pairs: of one speaker, of two of one cluster, of two of different clusters. */
enum { TARGET, NEIGHBOURS, STRANGERS, N_KINDS };

static int kind_of(const synth_speaker *valid, int each, int a, int b)
{
    if (a / each == b / each) return TARGET;
    return valid[a / each].cluster == valid[b / each].cluster ? NEIGHBOURS : STRANGERS;
}

/* Every pair of each kind in a random order, the sides of a pair too. */
static void draw_pairs(const spk_synth_options *o, const synth_speaker *valid, pair *pairs[N_KINDS], int64_t n[N_KINDS])
{
    const int each = o->n_valid_utterances, total = o->n_valid_speakers * each;
    spk_rng r = spk_rng_make(o->seed, SPK_PURPOSE_TRIALS, 0, 0, 0);
    for (int a = 0; a < total; a++)
        for (int b = a + 1; b < total; b++) {
            const int kind = kind_of(valid, each, a, b);
            SPK_PUSH(pairs[kind], n[kind]) = spk_rng_u32(&r) & 1 ? (pair){a, b} : (pair){b, a};
        }
    for (int k = 0; k < N_KINDS; k++)
        for (int64_t i = n[k] - 1; i > 0; i--) {
            const int64_t j = spk_rng_below(&r, i + 1);
            const pair swap = pairs[k][i];
            pairs[k][i] = pairs[k][j];
            pairs[k][j] = swap;
        }
}

static spk_status write_trials(const spk_synth_options *o, const synth_speaker *valid, spk_synth_report *report)
{
    pair *pairs[N_KINDS] = {NULL};
    int64_t n[N_KINDS] = {0}, take[N_KINDS], used[N_KINDS] = {0};
    draw_pairs(o, valid, pairs, n);
    /* Half of the trials are targets, a quarter neighbours; strangers fill up. */
    take[TARGET] = n[TARGET] < o->n_trials / 2 ? n[TARGET] : o->n_trials / 2;
    take[NEIGHBOURS] = n[NEIGHBOURS] < take[TARGET] / 2 ? n[NEIGHBOURS] : take[TARGET] / 2;
    take[STRANGERS] = take[TARGET] - take[NEIGHBOURS];
    take[STRANGERS] = n[STRANGERS] < take[STRANGERS] ? n[STRANGERS] : take[STRANGERS];
    report->n_targets = take[TARGET];
    report->n_trials = take[TARGET] + take[NEIGHBOURS] + take[STRANGERS];

    spk_text both = {0}, one = {0}, two = {0}, label = {0};
    const int each = o->n_valid_utterances;
    spk_rng r = spk_rng_make(o->seed, SPK_PURPOSE_TRIALS, 1, 0, 0);
    for (int64_t left = report->n_trials; left > 0; left--) {
        int64_t at = spk_rng_below(&r, left);
        int kind = 0;
        while (kind < N_KINDS - 1 && at >= take[kind] - used[kind])
            at -= take[kind] - used[kind], kind++;
        SPK_ASSERT(pairs[kind] && used[kind] < n[kind]);
        const pair p = pairs[kind][used[kind]++];
        const char *sa = valid[p.a / each].name, *sb = valid[p.b / each].name;
        char a[32], b[32];
        utterance_name(&valid[p.a / each], p.a % each, a);
        utterance_name(&valid[p.b / each], p.b % each, b);
        spk_text_addf(&both, "%s %s %s\n", a, b, kind == TARGET ? "target" : "nontarget");
        spk_text_addf(&one, "%s*%s ../audio/%s/%s.flac\n", a, b, sa, a);
        spk_text_addf(&two, "%s*%s ../audio/%s/%s.flac\n", a, b, sb, b);
        spk_text_addf(&label, "%s*%s %d\n", a, b, kind == TARGET);
    }
    spk_status status = SPK_OK;
    SPK_GO(write_text(o->folder, "valid", "trials", &both));
    SPK_GO(write_text(o->folder, "valid", "trial.scp", &one));
    SPK_GO(write_text(o->folder, "valid", "trial2.scp", &two));
    SPK_GO(write_text(o->folder, "valid", "trial_label", &label));
done:
    for (int k = 0; k < N_KINDS; k++)
        spk_free(pairs[k]);
    spk_text_clear(&both);
    spk_text_clear(&one);
    spk_text_clear(&two);
    spk_text_clear(&label);
    return status;
}

spk_status spk__synth_lists(const spk_synth_options *o, const synth_speaker *train, const synth_speaker *valid,
                            spk_synth_report *report)
{
    SPK_TRY(write_part(o->folder, "valid", valid, o->n_valid_speakers, o->n_valid_utterances));
    SPK_TRY(write_trials(o, valid, report));
    return write_part(o->folder, "train", train, o->n_train_speakers, o->n_train_utterances);
}
