/* SPDX-License-Identifier: Apache-2.0 */
/* The utterances of a cohort: so many of each speaker, drawn for each speaker apart. */
#include <stdlib.h>
#include <string.h>

#include "data/prep_lists_impl.h"

/* Utterances of one speaker in the order of their ids, so that the order of the lists does not count. */
typedef struct candidate {
    const char *id;
    int64_t at;
} candidate;

static int by_id(const void *a, const void *b)
{
    return strcmp(((const candidate *)a)->id, ((const candidate *)b)->id);
}

/* Mark those that are chosen of the n candidates; how many. */
static int64_t choose(const spk_cohort_options *o, const spk_folder *f, const char *speaker, candidate *c, int64_t n,
                      bool *chosen)
{
    int64_t taken = 0, *order = spk_new(sizeof *order * (size_t)(n + 1));
    qsort(c, (size_t)n, sizeof *c, by_id);
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    spk_rng r = spk_rng_make(o->seed, SPK_PURPOSE_TRIALS, 1, spk_hash_str(speaker), 0);
    spk_rng_shuffle(&r, order, n);
    for (int64_t i = 0; i < n && (o->n_utterances == 0 || taken < o->n_utterances); i++) {
        const int64_t at = c[order[i]].at;
        if (o->least_s > 0 && f->seconds[at] < o->least_s) continue;
        chosen[at] = true;
        taken++;
    }
    spk_free(order);
    return taken;
}

static void choose_all(const spk_cohort_options *o, const spk_folder *f, bool *chosen, spk_cohort_summary *out)
{
    candidate *c = spk_new(sizeof *c * (size_t)(f->n + 1));
    int64_t *begin = spk_new(sizeof *begin * (size_t)(f->n_speakers + 2));
    for (int64_t i = 0; i < f->n; i++)
        begin[f->speaker[i] + 2]++;
    for (int64_t s = 0; s < f->n_speakers; s++)
        begin[s + 2] += begin[s + 1];
    for (int64_t i = 0; i < f->n; i++)
        c[begin[f->speaker[i] + 1]++] = (candidate){f->utt2spk.entry[i].key, i};
    for (int64_t s = 0; s < f->n_speakers; s++) {
        if (!f->kept[s]) continue;
        const int64_t taken = choose(o, f, f->speaker_name[s], c + begin[s], begin[s + 1] - begin[s], chosen);
        out->utterances += taken;
        out->speakers += taken > 0;
        out->short_speakers += taken == 0;
    }
    spk_free(c);
    spk_free(begin);
}

static spk_status write_lists(const spk_cohort_options *o, const spk_folder *f, const bool *chosen)
{
    spk_status status;
    spk_text wav = {0}, utt2spk = {0}, spk2utt = {0}, *of = spk_new(sizeof *of * (size_t)f->n_speakers);
    for (int64_t i = 0; i < f->n; i++) {
        if (!chosen[i]) continue;
        spk_lists_add_path(f, f->utt2spk.entry[i].key, i, &wav);
        spk_text_addf(&utt2spk, "%s %s\n", f->utt2spk.entry[i].key, f->utt2spk.entry[i].value);
        spk_text_addf(&of[f->speaker[i]], " %s", f->utt2spk.entry[i].key);
    }
    for (int64_t s = 0; s < f->n_speakers; s++)
        if (of[s].n > 0) spk_text_addf(&spk2utt, "%s%s\n", f->speaker_name[s], spk_text_str(&of[s]));
    SPK_GO(spk_lists_write(o->output, "wav.scp", &wav));
    SPK_GO(spk_lists_write(o->output, "utt2spk", &utt2spk));
    SPK_GO(spk_lists_write(o->output, "spk2utt", &spk2utt));
done:
    for (int64_t s = 0; s < f->n_speakers; s++)
        spk_text_clear(&of[s]);
    spk_free(of);
    spk_text_clear(&wav);
    spk_text_clear(&utt2spk);
    spk_text_clear(&spk2utt);
    return status;
}

spk_status spk_prep_cohort(const spk_cohort_options *o, spk_cohort_summary *out)
{
    spk_status status;
    spk_folder f = {0};
    bool *chosen = NULL;
    char *manifest = NULL;
    *out = (spk_cohort_summary){0};
    SPK_GO(spk_folder_open(o->input, o->n_speakers, o->seed, &f));
    const spk_list_option options[] = {{"num_cohort_spk", (double)o->n_speakers},
                                       {"num_utt_per_spk", (double)o->n_utterances},
                                       {"utt_select_sec", o->least_s},
                                       {"seed", (double)o->seed}};
    const char *const lists[] = {f.wav.path, f.utt2spk.path, f.durations};
    SPK_GO(spk_lists_manifest("cohort", options, 4, lists, (int)(sizeof lists / sizeof *lists), &manifest));
    SPK_GO(spk_lists_begin(o->output, manifest, o->overwrite, &out->was_there));
    if (out->was_there) goto done;
    if (o->least_s > 0) SPK_GO(spk_folder_measure(&f));
    chosen = spk_new(sizeof *chosen * (size_t)f.n);
    choose_all(o, &f, chosen, out);
    if (out->utterances == 0)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: none of the utterances is %g s long or longer", f.path, o->least_s));
    SPK_GO(write_lists(o, &f, chosen));
    const spk_text text = {manifest, strlen(manifest), 0};
    SPK_GO(spk_lists_write(o->output, "lists.json", &text));
done:
    spk_free(chosen);
    spk_free(manifest);
    spk_folder_close(&f);
    return status;
}
