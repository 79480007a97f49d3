/* SPDX-License-Identifier: Apache-2.0 */
/* Data folders in memory: gathering, sorting, reading, writing (datadir_impl.h). */
#define _XOPEN_SOURCE 700 /* getcwd that allocates, as of 2008 */
#include "data/datadir_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/lists_impl.h"
#include "data/source_impl.h"
#include "data/tree_scan_impl.h"

void spk_datadir_add(spk_datadir *f, const char *id, const char *speaker, const char *source)
{
    const spk_datadir_item it = {spk_strdup(id), spk_strdup(speaker), spk_strdup(source)};
    SPK_PUSH(f->item, f->n) = it;
}

void spk_datadir_clear(spk_datadir *f)
{
    for (int64_t i = 0; i < f->n; i++) {
        spk_free(f->item[i].id);
        spk_free(f->item[i].speaker);
        spk_free(f->item[i].source);
    }
    spk_free(f->item);
    spk_map_clear(&f->index);
    spk_free(f->speaker);
    spk_free(f->speaker_of);
    *f = (spk_datadir){0};
}

/* ---- order ---- */

static int by_id(const void *a, const void *b)
{
    const spk_datadir_item *x = a, *y = b;
    const int order = strcmp(x->id, y->id);
    return order ? order : strcmp(x->source, y->source);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_word(const char *s)
{
    const char *p = s;
    for (; *p; p++)
        if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p) || *p == '*') return false;
    return p != s;
}

static spk_status check_names(const spk_datadir *f)
{
    for (int64_t i = 0; i < f->n; i++) {
        const spk_datadir_item *it = &f->item[i];
        if (!is_word(it->id) || !is_word(it->speaker))
            return spk_fail(SPK_E_VALUE,
                            "%s: '%s' of speaker '%s' cannot stand in a list: no blanks, no '*'; rename it", it->source,
                            it->id, it->speaker);
        if (strchr(it->source, '\n'))
            return spk_fail(SPK_E_VALUE, "%s: a line break in a name cannot stand in a list; rename it", it->source);
        if (i > 0 && strcmp(it->id, it[-1].id) == 0)
            return spk_fail(SPK_E_VALUE, "%s: its utterance id '%s' is that of %s too; rename one or take it away",
                            it->source, it->id, it[-1].source);
    }
    return SPK_OK;
}

static void find_speakers(spk_datadir *f)
{
    spk_map seen = {0};
    for (int64_t i = 0; i < f->n; i++)
        if (spk_map_put(&seen, f->item[i].speaker, 0)) SPK_PUSH(f->speaker, f->n_speakers) = f->item[i].speaker;
    if (f->n_speakers > 0) qsort(f->speaker, (size_t)f->n_speakers, sizeof *f->speaker, by_name);
    spk_map_clear(&seen);
    for (int64_t s = 0; s < f->n_speakers; s++)
        spk_map_put(&seen, f->speaker[s], s);
    f->speaker_of = spk_new(sizeof *f->speaker_of * (size_t)(f->n + 1));
    for (int64_t i = 0; i < f->n; i++) {
        spk_map_get(&seen, f->item[i].speaker, &f->speaker_of[i]);
        spk_map_put(&f->index, f->item[i].id, i);
    }
    spk_map_clear(&seen);
}

spk_status spk_datadir_sort(spk_datadir *f)
{
    if (f->n > 0) qsort(f->item, (size_t)f->n, sizeof *f->item, by_id);
    SPK_TRY(check_names(f));
    find_speakers(f);
    return SPK_OK;
}

void spk_datadir_select(const spk_datadir *f, const bool *keep, spk_datadir *out)
{
    *out = (spk_datadir){0};
    for (int64_t i = 0; i < f->n; i++)
        if (keep[f->speaker_of[i]]) spk_datadir_add(out, f->item[i].id, f->item[i].speaker, f->item[i].source);
    find_speakers(out); /* in order already */
}

/* ---- reading ---- */

char *spk_datadir_absolute(const char *source)
{
    spk_locator l;
    spk_locator_find(source, &l);
    if (source[0] == '/' || l.command) return spk_strdup(source);
    char *here = getcwd(NULL, 0);
    char *path = spk_strf("%s/%s", here ? here : ".", spk_starts_with(source, "./") ? source + 2 : source);
    spk_free(here); /* from malloc, as all of ours */
    return path;
}

spk_status spk_datadir_read(const char *dir, spk_datadir *out)
{
    spk_status status;
    spk_list wav = {0}, utt2spk = {0};
    spk__paths paths = {.allow_pipes = true};
    char *wav_path = spk_path_join(dir, "wav.scp"), *spk_path = spk_path_join(dir, "utt2spk");
    *out = (spk_datadir){0};
    if (!spk_is_folder(dir)) SPK_GO(spk_fail(SPK_E_IO, "%s: there is no such data folder", dir));
    SPK_GO(spk_list_read(wav_path, 0, &wav));
    SPK_GO(spk__segments_apply(dir, &wav));
    SPK_GO(spk_list_read(spk_path, 0, &utt2spk));
    if (wav.n == 0) SPK_GO(spk_fail(SPK_E_FORMAT, "%s: names no utterance", wav_path));
    SPK_GO(spk__keys_within(&wav, &utt2spk));
    SPK_GO(spk__keys_within(&utt2spk, &wav));
    for (int64_t i = 0; i < wav.n; i++) {
        const char *found = NULL;
        SPK_GO(spk__paths_get(&paths, &wav, i, &found));
        char *source = spk_datadir_absolute(found);
        spk_datadir_add(out, wav.entry[i].key, spk_list_get(&utt2spk, wav.entry[i].key), source);
        spk_free(source);
    }
    SPK_GO(spk_datadir_sort(out));
done:
    if (status != SPK_OK) spk_datadir_clear(out);
    spk__paths_clear(&paths);
    spk_list_clear(&wav);
    spk_list_clear(&utt2spk);
    spk_free(wav_path);
    spk_free(spk_path);
    return status;
}

/* ---- writing ---- */

void spk_datadir_write(const spk_datadir *f, spk_prep_out *out, const char *folder)
{
    spk_text *wav = spk_prep_out_file(out, folder, "wav.scp"), *utt2spk = spk_prep_out_file(out, folder, "utt2spk"),
             *spk2utt = spk_prep_out_file(out, folder, "spk2utt"),
             *of = spk_new(sizeof *of * (size_t)(f->n_speakers + 1));
    for (int64_t i = 0; i < f->n; i++) {
        const spk_datadir_item *it = &f->item[i];
        spk_text_addf(wav, "%s %s\n", it->id, it->source);
        spk_text_addf(utt2spk, "%s %s\n", it->id, it->speaker);
        spk_text_addf(&of[f->speaker_of[i]], " %s", it->id);
    }
    for (int64_t s = 0; s < f->n_speakers; s++) {
        spk_text_addf(spk2utt, "%s%s\n", f->speaker[s], spk_text_str(&of[s]));
        spk_text_clear(&of[s]);
    }
    spk_free(of);
}

void spk_datadir_write_trials(const spk_datadir *f, const spk_pair *pair, int64_t n, spk_prep_out *out,
                              const char *folder)
{
    spk_text *trials = spk_prep_out_file(out, folder, "trials"), *scp = spk_prep_out_file(out, folder, "trial.scp"),
             *scp2 = spk_prep_out_file(out, folder, "trial2.scp"),
             *label = spk_prep_out_file(out, folder, "trial_label");
    for (int64_t i = 0; i < n; i++) {
        const spk_datadir_item *a = &f->item[pair[i].a], *b = &f->item[pair[i].b];
        spk_text_addf(trials, "%s %s %s\n", a->id, b->id, pair[i].target ? "target" : "nontarget");
        spk_text_addf(scp, "%s*%s %s\n", a->id, b->id, a->source);
        spk_text_addf(scp2, "%s*%s %s\n", a->id, b->id, b->source);
        spk_text_addf(label, "%s*%s %d\n", a->id, b->id, pair[i].target);
    }
}

bool spk_datadir_is_other(const char *name, bool *speakers)
{
    *speakers = spk_starts_with(name, "spk2") && strcmp(name, "spk2utt") != 0;
    return *speakers || (spk_starts_with(name, "utt2") && strcmp(name, "utt2spk") != 0) || strcmp(name, "text") == 0 ||
           strcmp(name, "vad.scp") == 0;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const spk_list_entry *)a)->key, ((const spk_list_entry *)b)->key);
}

static spk_status write_other(const spk_datadir *f, const char *path, const char *name, bool leniently, bool speakers,
                              spk_text *to)
{
    spk_list list = {0};
    int64_t at;
    spk_map names = {0};
    SPK_TRY(leniently ? spk_list_read_leniently(path, SPK_LIST_NO_VALUE_OK, NULL, NULL, &list)
                      : spk_list_read(path, SPK_LIST_NO_VALUE_OK, &list));
    if (list.n > 0) qsort(list.entry, (size_t)list.n, sizeof *list.entry, by_key); /* the index is not used here */
    for (int64_t s = 0; speakers && s < f->n_speakers; s++)
        spk_map_put(&names, f->speaker[s], s);
    for (int64_t i = 0; i < list.n; i++) {
        const spk_list_entry *e = &list.entry[i];
        if (!spk_map_get(speakers ? &names : &f->index, e->key, &at)) continue;
        char *found = spk_ends_with(name, ".scp") ? spk_list_resolve_path(path, e->value) : NULL,
             *value = found ? spk_datadir_absolute(found) : spk_strdup(e->value);
        spk_text_addf(to, "%s%s%s\n", e->key, value[0] ? " " : "", value);
        spk_free(found);
        spk_free(value);
    }
    spk_map_clear(&names);
    spk_list_clear(&list);
    return SPK_OK;
}

spk_status spk_datadir_write_others(const spk_datadir *f, const char *dir, bool leniently, spk_prep_out *out,
                                    const char *folder)
{
    char **names = NULL;
    int64_t n = 0;
    spk_status status = spk__folder_names(dir, &names, &n);
    for (int64_t i = 0; i < n; i++) {
        bool speakers;
        char *path = spk_path_join(dir, names[i]);
        if (status == SPK_OK && spk_datadir_is_other(names[i], &speakers) && spk_is_file(path))
            status = write_other(f, path, names[i], leniently, speakers, spk_prep_out_file(out, folder, names[i]));
        spk_free(path);
        spk_free(names[i]);
    }
    spk_free(names);
    return status;
}
