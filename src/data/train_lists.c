/* SPDX-License-Identifier: Apache-2.0 */
/* The two lists of a training set, recordings and their speakers; or those of its splits, which are one set. */
#include "data/train_set_impl.h"

/* ---- splits ---- */

/* All lists are in as many splits. */
static spk_status count_splits(const spk_train_set_options *o, const spk__train_files *f, int64_t *n)
{
    *n = 1;
    if (!o->multiple) return SPK_OK;
    const spk_data_list *tokens = spk__triple_find(o->lists, o->n_lists, "task_tokens");
    const int64_t n_folders = 3 + o->rule.n_shape_files;
    const char **folder = spk_new(sizeof *folder * (size_t)n_folders);
    folder[0] = f->wav;
    folder[1] = f->utt2spk;
    folder[2] = tokens ? tokens->path : NULL;
    for (int64_t i = 3; i < n_folders; i++)
        folder[i] = o->rule.shape_file[i - 3];
    const spk_status status = spk__splits_count(folder, n_folders, n);
    spk_free(folder);
    return status;
}

static spk_status check_tokens(const spk_train_set *s, const spk_train_set_options *o)
{
    const spk_data_list *tokens = spk__triple_find(o->lists, o->n_lists, "task_tokens");
    spk_status status = SPK_OK;
    for (int64_t k = 0; tokens && k < s->n_splits && status == SPK_OK; k++) {
        char *path = o->multiple ? spk__split_path(tokens->path, k) : spk_strdup(tokens->path);
        const spk_data_list one = {path, tokens->name, tokens->type};
        status = spk__tokens_check(&one, 1, &s->wav[k]);
        spk_free(path);
    }
    return status;
}

/* ---- one of them ---- */

static spk_status read_pair(spk_train_set *s, int64_t k, const spk__train_files *f, const char *wav,
                            const char *utt2spk)
{
    SPK_TRY(spk__speech_read(wav, f->hdf5, &s->wav[k]));
    if (f->segments) SPK_TRY(spk__segments_apply(f->segments, &s->wav[k]));
    SPK_TRY(spk_list_read(utt2spk, SPK_LIST_NO_VALUE_OK, &s->utt2spk[k]));
    if (s->wav[k].n == 0) return spk_fail(SPK_E_FORMAT, "%s: names no utterance", wav);
    SPK_TRY(spk__keys_within(&s->wav[k], &s->utt2spk[k]));
    SPK_TRY(spk__keys_within(&s->utt2spk[k], &s->wav[k]));
    s->split_first[k + 1] = s->split_first[k] + s->wav[k].n;
    return SPK_OK;
}

static spk_status read_split(spk_train_set *s, int64_t k, const spk__train_files *f)
{
    if (!s->o.multiple) return read_pair(s, k, f, f->wav, f->utt2spk);
    char *wav = spk__split_path(f->wav, k), *utt2spk = spk__split_path(f->utt2spk, k);
    const spk_status status = read_pair(s, k, f, wav, utt2spk);
    spk_free(wav);
    spk_free(utt2spk);
    return status;
}

/* ---- all of them ---- */

static void make_room(spk_train_set *s)
{
    const size_t n = (size_t)s->n;
    s->id = spk_new(sizeof *s->id * n);
    s->path = spk_new(sizeof *s->path * n);
    s->label = spk_new(sizeof *s->label * n);
    s->category = spk_new(sizeof *s->category * n);
    s->hash = spk_new(sizeof *s->hash * n);
    s->speed = spk_new(sizeof *s->speed * n);
    s->base = spk_new(sizeof *s->base * n);
    s->bad = spk_new(sizeof *s->bad * n);
}

static spk_status take_utterance(spk_train_set *s, int64_t u, const spk_list *list, const spk_list_entry *e)
{
    s->speed[u] = SPK_SPEED_ONE;
    s->base[u] = u;
    s->id[u] = e->key;
    s->hash[u] = spk_hash_str(e->key);
    if (s->n_splits == 1 || spk_map_put(&s->index, e->key, u)) return SPK_OK;
    const spk_list_entry *before;
    const spk_list *other = spk__train_set_list(s, spk__train_set_find(s, e->key), &before);
    return spk_fail(SPK_E_FORMAT, "%s:%lld: utterance '%s' is in %s:%lld already; an utterance is in one split",
                    list->path, (long long)e->line, e->key, other->path, (long long)before->line);
}

spk_status spk__train_set_lists(spk_train_set *s, const spk_train_set_options *o, const spk__train_files *f)
{
    SPK_TRY(count_splits(o, f, &s->n_splits));
    const size_t n = (size_t)s->n_splits;
    s->wav = spk_new(sizeof *s->wav * n);
    s->utt2spk = spk_new(sizeof *s->utt2spk * n);
    s->split_first = spk_new(sizeof *s->split_first * (n + 1));
    for (int64_t k = 0; k < s->n_splits; k++)
        SPK_TRY(read_split(s, k, f));
    s->n = s->n_base = s->split_first[n];
    make_room(s);
    for (int64_t k = 0; k < s->n_splits; k++)
        for (int64_t i = 0; i < s->wav[k].n; i++)
            SPK_TRY(take_utterance(s, s->split_first[k] + i, &s->wav[k], &s->wav[k].entry[i]));
    return check_tokens(s, o);
}

spk_status spk__train_set_paths(spk_train_set *s)
{
    for (int64_t k = 0; k < s->n_splits; k++)
        for (int64_t i = 0; i < s->wav[k].n; i++)
            SPK_TRY(spk__paths_get(&s->paths, &s->wav[k], i, &s->path[s->split_first[k] + i]));
    return SPK_OK;
}

int64_t spk__train_set_find(const spk_train_set *s, const char *id)
{
    int64_t u = -1;
    if (s->n_splits == 1) return spk_list_find(&s->wav[0], id);
    return spk_map_get(&s->index, id, &u) ? u : -1;
}

const spk_list *spk__train_set_list(const spk_train_set *s, int64_t u, const spk_list_entry **e)
{
    int64_t k = 0;
    while (u >= s->split_first[k + 1])
        k++;
    *e = &s->wav[k].entry[u - s->split_first[k]];
    return &s->wav[k];
}

void spk__train_set_lists_close(spk_train_set *s)
{
    for (int64_t k = 0; k < s->n_splits; k++) {
        if (s->wav) spk_list_clear(&s->wav[k]);
        if (s->utt2spk) spk_list_clear(&s->utt2spk[k]);
    }
    spk_free(s->wav);
    spk_free(s->utt2spk);
    spk_free(s->split_first);
    spk_map_clear(&s->index);
}
