/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a training set: reading its lists and holding them against each other. */
#include "data/train_set_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void spk_train_set_options_init(spk_train_set_options *o)
{
    *o = (spk_train_set_options){.audio = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE},
                                 .target_duration = 3.0,
                                 .batch_size = 20,
                                 .num_workers = 1};
}

/* ---- where the lists are ---- */

struct files {
    char *wav, *utt2spk, *spk2utt, *category2utt; /* category2utt NULL: none */
    char *folder;                                 /* of the data */
    bool hdf5;                                    /* the recordings are an HDF5 file */
    bool segments;                                /* of the folder apply: it was named, and holds sound */
    bool make_speakers;                           /* there is no spk2utt, and none was asked for */
    bool numbers;                                 /* classes have no names */
};

static void files_clear(struct files *f)
{
    spk_free(f->wav);
    spk_free(f->utt2spk);
    spk_free(f->spk2utt);
    spk_free(f->category2utt);
    spk_free(f->folder);
}

static spk_status find_files(const spk_train_set_options *o, struct files *f)
{
    static const char *const names[] = {"speech", "spk_labels"};
    SPK_TRY(spk__triples_check(o->lists, o->n_lists, names, 2, o->audio.feature_size > 0));
    const spk_data_list *speech = spk__triple_find(o->lists, o->n_lists, "speech"),
                        *labels = spk__triple_find(o->lists, o->n_lists, "spk_labels");
    if (!speech && !o->dir)
        return spk_fail(SPK_E_CONFIG, "no training data: give --train_dir DIR, or --train_data_path_and_name_and_type "
                                      "with PATH,speech,sound and PATH,spk_labels,text");
    if (o->dir && !spk_is_folder(o->dir))
        return spk_fail(SPK_E_IO, "%s: there is no such folder of training data", o->dir);
    if (!labels && !o->dir)
        return spk_fail(SPK_E_CONFIG,
                        "%s: no list of its speakers: give --train_data_path_and_name_and_type with "
                        "PATH,spk_labels,text too",
                        speech->path);
    f->wav =
        speech ? spk_strdup(speech->path) : spk_path_join(o->dir, o->audio.feature_size > 0 ? "feats.scp" : "wav.scp");
    f->utt2spk = labels ? spk_strdup(labels->path) : spk_path_join(o->dir, "utt2spk");
    f->hdf5 = spk__is_hdf5(speech);
    /* Of splits ESPnet looks in the folder that they lie in. */
    char *folder = o->dir ? spk_strdup(o->dir) : o->multiple ? spk_strdup(f->wav) : spk_path_folder(f->wav);
    f->spk2utt = o->spk2utt ? spk_strdup(o->spk2utt) : spk_path_join(folder, "spk2utt");
    f->numbers = o->whole && !o->spk2utt;
    f->make_speakers = !o->spk2utt && !spk_exists(f->spk2utt);
    f->category2utt = spk_path_join(folder, "category2utt");
    if (!o->category || !spk_exists(f->category2utt)) {
        spk_free(f->category2utt);
        f->category2utt = NULL;
    }
    f->folder = folder;
    f->segments = !speech && o->audio.feature_size == 0 && !o->multiple;
    return SPK_OK;
}

/* ---- classes ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Without a spk2utt: the speakers of utt2spk in byte order. */
static void make_speakers(spk_train_set *s)
{
    spk_map seen = {0};
    for (int64_t k = 0; k < s->n_splits; k++)
        for (int64_t i = 0; i < s->utt2spk[k].n; i++)
            if (spk_map_put(&seen, s->utt2spk[k].entry[i].value, i))
                SPK_PUSH(s->speaker, s->n_speakers) = s->utt2spk[k].entry[i].value;
    spk_map_clear(&seen);
    if (s->n_speakers > 0) qsort(s->speaker, (size_t)s->n_speakers, sizeof *s->speaker, compare_names);
}

static spk_status read_speakers(spk_train_set *s, const struct files *f)
{
    if (f->numbers) return SPK_OK;
    if (f->make_speakers) {
        make_speakers(s);
        spk_info("data", "%s is not there: the %lld speakers of %s in byte order are the classes", f->spk2utt,
                 (long long)s->n_speakers, f->utt2spk);
    } else {
        SPK_TRY(spk_list_read(f->spk2utt, SPK_LIST_NO_VALUE_OK, &s->spk2utt));
        s->speaker = spk_new(sizeof *s->speaker * (size_t)s->spk2utt.n);
        for (int64_t i = 0; i < s->spk2utt.n; i++)
            s->speaker[s->n_speakers++] = s->spk2utt.entry[i].key;
    }
    if (s->n_speakers == 0)
        return spk_fail(SPK_E_FORMAT, "%s: names no speaker", f->make_speakers ? f->utt2spk : f->spk2utt);
    return SPK_OK;
}

static spk_status check_speakers(const spk_train_set *s, const struct files *f)
{
    if (s->o.spk_num == 0 || s->o.spk_num == s->n_speakers) return SPK_OK;
    return spk_fail(
        SPK_E_MISMATCH,
        "spk_num is %lld, and %s has %lld speakers%s; set spk_num to %lld or give the list that belongs to it",
        (long long)s->o.spk_num, f->make_speakers ? f->utt2spk : f->spk2utt, (long long)s->n_speakers,
        s->n > s->n_base ? " (with those of the speeds)" : "", (long long)s->n_speakers);
}

static spk_status label_split(spk_train_set *s, int64_t k, const spk_map *index, const char *spk2utt)
{
    const spk_list *list = &s->utt2spk[k];
    for (int64_t i = s->split_first[k]; i < s->split_first[k + 1]; i++) {
        const spk_list_entry *e = &list->entry[spk_list_find(list, s->id[i])];
        if (e->value[0] == '\0')
            return spk_fail(SPK_E_FORMAT, "%s:%lld: no speaker after '%s'", list->path, (long long)e->line, e->key);
        if (!spk_map_get(index, e->value, &s->label[i]))
            return spk_fail(SPK_E_MISMATCH, "%s:%lld: speaker '%s' of utterance '%s' is not in %s", list->path,
                            (long long)e->line, e->value, e->key, spk2utt);
    }
    return SPK_OK;
}

static spk_status label_utterances(spk_train_set *s, const struct files *f)
{
    spk_status status = SPK_OK;
    spk_map index = {0};
    for (int64_t c = 0; c < s->n_speakers; c++)
        spk_map_put(&index, s->speaker[c], c);
    for (int64_t k = 0; k < s->n_splits && status == SPK_OK; k++)
        status = label_split(s, k, &index, f->spk2utt);
    spk_map_clear(&index);
    return status;
}

/* ---- categories ---- */

static spk_status take_category(spk_train_set *s, const spk_list_entry *e, int64_t c)
{
    spk_status status = SPK_OK;
    char *line = spk_strdup(e->value), *rest = NULL;
    for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        const int64_t u = spk__train_set_find(s, word);
        if (u < 0)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' is not in %s%s", s->category2utt.path,
                            (long long)e->line, word, s->wav[0].path, s->n_splits > 1 ? " nor in the others" : ""));
        if (s->category[u] >= 0)
            SPK_GO(spk_fail(SPK_E_FORMAT, "%s:%lld: utterance '%s' was named before", s->category2utt.path,
                            (long long)e->line, word));
        s->category[u] = c;
    }
done:
    spk_free(line);
    return status;
}

static spk_status read_categories(spk_train_set *s, const struct files *f)
{
    if (!f->category2utt) {
        memcpy(s->category, s->label, sizeof *s->label * (size_t)s->n);
        s->n_categories = s->n_speakers;
        return SPK_OK;
    }
    SPK_TRY(spk_list_read(f->category2utt, SPK_LIST_NO_VALUE_OK, &s->category2utt));
    s->n_categories = s->category2utt.n;
    for (int64_t i = 0; i < s->n; i++)
        s->category[i] = -1;
    for (int64_t c = 0; c < s->n_categories; c++)
        SPK_TRY(take_category(s, &s->category2utt.entry[c], c));
    for (int64_t i = 0; i < s->n; i++) {
        if (s->category[i] >= 0) continue;
        const spk_list_entry *e;
        const spk_list *list = spk__train_set_list(s, i, &e);
        return spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' is not in %s", list->path, (long long)e->line,
                        s->id[i], f->category2utt);
    }
    return SPK_OK;
}

/* ---- the set ---- */

static void chain_speakers(spk_train_set *s)
{
    s->next_alike = spk_new(sizeof *s->next_alike * (size_t)s->n);
    int64_t *first = spk_new(sizeof *first * (size_t)s->n_speakers),
            *last = spk_new(sizeof *last * (size_t)s->n_speakers);
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t c = s->label[i];
        if (first[c] == 0)
            first[c] = i + 1;
        else
            s->next_alike[last[c]] = i;
        last[c] = i;
        s->next_alike[i] = first[c] - 1;
    }
    spk_free(first);
    spk_free(last);
}

static spk_status read_lists(spk_train_set *s, const spk_train_set_options *o, const struct files *f)
{
    const spk__train_files lists = {f->wav, f->utt2spk, f->segments ? f->folder : NULL, f->hdf5};
    SPK_TRY(spk__train_set_lists(s, o, &lists));
    SPK_TRY(read_speakers(s, f));
    SPK_TRY(s->o.whole ? spk__train_set_indices(s) : label_utterances(s, f));
    SPK_TRY(read_categories(s, f));
    SPK_TRY(spk__train_set_paths(s));
    if (s->o.whole) SPK_TRY(spk__train_set_measure(s));
    SPK_TRY(spk__train_set_speeds(s));
    SPK_TRY(check_speakers(s, f));
    chain_speakers(s);
    return SPK_OK;
}

static spk_status open_augment(spk_train_set *s)
{
    const spk_augment_options *o = &s->o.augment;
    const spk_babble_source babble = {s->path, s->label, s->n_base, s->o.max_bad_files > 0};
    SPK_TRY(spk_augment_open(o, &babble, s->o.audio.sample_rate, s->T, s->o.seed, &s->augment));
    if (s->augment && s->o.whole)
        return spk_fail(SPK_E_UNSUPPORTED, "whole utterances are not augmented; leave noise, reverberation and volume "
                                           "out");
    if (s->augment && s->o.audio.feature_size > 0)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "noise, reverberation and volume change sound, and the training data are features; set "
                        "noise_apply_prob, rir_apply_prob and volume_apply_prob to 0");
    return SPK_OK;
}

static spk_status check_options(const spk_train_set_options *o)
{
    if (o->audio.sample_rate < 1 || !(o->target_duration > 0) || !(o->target_duration < 1e6))
        return spk_fail(SPK_E_VALUE, "sample_rate (%lld) and target_duration (%g) must be above 0",
                        (long long)o->audio.sample_rate, o->target_duration);
    if (o->num_iters_per_epoch < 0 || o->num_workers < 0 || o->max_bad_files < 0 || o->spk_num < 0)
        return spk_fail(SPK_E_VALUE, "num_iters_per_epoch, num_workers, max_bad_files and spk_num must not be below 0");
    if (o->whole && o->spk_num == 0 && !o->spk2utt)
        return spk_fail(SPK_E_CONFIG, "spk_num: must be given where utterances are whole (use_preprocessor false), as "
                                      "labels are numbers of classes then");
    if (o->whole && o->augment.n_speed > 0)
        return spk_fail(SPK_E_UNSUPPORTED, "whole utterances are not augmented; leave noise, reverberation, volume and "
                                           "speeds out");
    return SPK_OK;
}

spk_status spk_train_set_open(const spk_train_set_options *options, spk_train_set **out)
{
    spk_status status;
    struct files f = {0};
    spk_train_set *s = spk_new(sizeof *s);
    *out = NULL;
    s->o = *options;
    s->o.lists = NULL;
    s->o.dir = s->o.spk2utt = NULL;
    s->paths.allow_pipes = options->audio.allow_pipes;
    s->o.rule = (spk_rule_options){.n_chunk_lengths = 0}; /* its lists are the caller's */
    SPK_GO(check_options(options));
    s->T = (int64_t)(options->target_duration * (double)options->audio.sample_rate);
    s->width = options->audio.feature_size > 0 ? options->audio.feature_size : 1;
    if (s->T < 1)
        SPK_GO(spk_fail(SPK_E_VALUE, "target_duration %g is less than one %s", options->target_duration,
                        options->audio.feature_size > 0 ? "frame" : "sample"));
    SPK_GO(find_files(options, &f));
    SPK_GO(read_lists(s, options, &f));
    SPK_GO(open_augment(s));
    s->o.augment = (spk_augment_options){0}; /* its lists are the caller's */
    SPK_GO(spk__train_set_batches(s, &options->rule, f.folder));
    *out = s;
    s = NULL;
done:
    files_clear(&f);
    spk_train_set_close(s);
    return status;
}

void spk_train_set_close(spk_train_set *s)
{
    if (!s) return;
    spk__train_set_batches_close(s);
    spk_augment_close(s->augment);
    for (int64_t i = 0; i < s->n_own_names; i++)
        spk_free(s->own_name[i]);
    spk_free(s->own_name);
    spk_free(s->speed);
    spk_free(s->base);
    spk__train_set_lists_close(s);
    spk_list_clear(&s->spk2utt);
    spk_list_clear(&s->category2utt);
    spk__paths_clear(&s->paths);
    spk_free(s->id);
    spk_free(s->path);
    spk_free(s->label);
    spk_free(s->category);
    spk_free(s->length);
    spk_free(s->hash);
    spk_free(s->next_alike);
    spk_free(s->speaker);
    spk_free(s->bad);
    spk_free(s);
}

int64_t spk_train_set_n_utterances(const spk_train_set *s)
{
    return s->n;
}

int64_t spk_train_set_n_speakers(const spk_train_set *s)
{
    return s->n_speakers;
}

const char *spk_train_set_speaker(const spk_train_set *s, int64_t label)
{
    return s->speaker[label];
}

const char *const *spk_train_set_speakers(const spk_train_set *s)
{
    return s->speaker;
}

int64_t spk_train_set_samples(const spk_train_set *s)
{
    return s->T;
}

int64_t spk_train_set_rate(const spk_train_set *s)
{
    return s->o.audio.sample_rate;
}

const char *spk_train_set_utterance(const spk_train_set *s, int64_t i)
{
    return s->id[i];
}

const char *spk_train_set_path(const spk_train_set *s, int64_t i)
{
    return s->path[i];
}

int64_t spk_train_set_length(const spk_train_set *s, int64_t i)
{
    return s->length ? s->length[i] : 0;
}
