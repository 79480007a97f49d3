/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a set of trials: ESPnet's three lists keyed by "uttA*uttB", Kaldi's trials and wav.scp, or for
 * extraction a plain list of utterances.
 */
#include "data/trial_set_impl.h"

#include <string.h>
#include <sys/stat.h>

void spk_trial_set_options_init(spk_trial_set_options *o)
{
    *o = (spk_trial_set_options){.audio = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE},
                                 .target_duration = 3.0,
                                 .num_eval = 10,
                                 .batch_size = 20,
                                 .num_workers = 1};
}

/* ---- utterances ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* The index of utterance `id` (n bytes), which `list` says at `line` lies at `path`. */
static spk_status take_utterance(spk_trial_set *s, const char *id, const char *path, const spk_list *list, int64_t line,
                                 int64_t *at)
{
    if (spk_map_get(&s->index, id, at)) {
        if (s->path[*at] == path || s->arrays || same_file(s->path[*at], path)) return SPK_OK;
        return spk_fail(SPK_E_VALUE, "%s:%lld: utterance '%s' is %s here and %s before; one id must be one file",
                        list->path, (long long)line, id, path, s->path[*at]);
    }
    int64_t n_paths = s->n_utterances;
    *at = s->n_utterances;
    SPK_PUSH(s->path, n_paths) = path;
    SPK_PUSH(s->id, s->n_utterances) = spk_strdup(id);
    spk_map_put(&s->index, s->id[*at], *at);
    return SPK_OK;
}

/* ---- labels ---- */

static spk_status parse_label(const spk_list *labels, const spk_list_entry *e, int64_t *label)
{
    const bool integer = spk_parse_int(e->value, label);
    if (integer && (*label == 0 || *label == 1)) return SPK_OK;
    if (e->value[0] == '\0')
        return spk_fail(SPK_E_VALUE, "%s:%lld: trial '%s' has no label; give 1 (same speaker) or 0", labels->path,
                        (long long)e->line, e->key);
    return spk_fail(SPK_E_VALUE, "%s:%lld: the label of trial '%s' is '%s'; it must be 1 (same speaker) or 0",
                    labels->path, (long long)e->line, e->key, e->value);
}

static spk_status check_classes(const spk_trial_set *s, const char *path)
{
    int64_t count[2] = {0, 0};
    for (int64_t i = 0; i < s->n_trials; i++)
        count[s->trial[i].label == 1]++;
    if (s->n_trials == 0) return spk_fail(SPK_E_VALUE, "%s: holds no trial", path);
    if (s->o.utterances_only || (count[0] > 0 && count[1] > 0)) return SPK_OK;
    return spk_fail(SPK_E_VALUE, "%s: none of the %lld trials is %s; an error rate needs trials of both kinds", path,
                    (long long)s->n_trials, count[1] > 0 ? "a nontarget (label 0)" : "a target (label 1)");
}

/* ---- ESPnet's three lists ---- */

/* Split "uttA*uttB" in place; false unless there is exactly one star with something on both sides. */
static bool split_id(char *id, const char **a, const char **b)
{
    char *star = strchr(id, '*');
    if (!star || star == id || star[1] == '\0' || strchr(star + 1, '*')) return false;
    *star = '\0';
    *a = id;
    *b = star + 1;
    return true;
}

static spk_status take_trial(spk_trial_set *s, int64_t i)
{
    spk_status status;
    const spk_list_entry *e = &s->speech.entry[i];
    const int64_t i2 = spk_list_find(&s->speech2, e->key);
    spk_trial *t = &s->trial[i];
    const char *a, *b, *path = NULL, *path2 = NULL;
    char *id = spk_strdup(e->key);
    *t = (spk_trial){.label = -1, .id = e->key};
    if (!split_id(id, &a, &b))
        SPK_GO(spk_fail(SPK_E_VALUE, "%s:%lld: the id '%s' is not two utterance ids joined by one '*' (uttA*uttB)",
                        s->speech.path, (long long)e->line, e->key));
    SPK_GO(spk__paths_get(&s->paths, &s->speech, i, &path));
    SPK_GO(spk__paths_get(&s->paths2, &s->speech2, i2, &path2));
    SPK_GO(take_utterance(s, a, path, &s->speech, e->line, &t->enroll));
    SPK_GO(take_utterance(s, b, path2, &s->speech2, s->speech2.entry[i2].line, &t->test));
    if (s->labels.n > 0)
        SPK_GO(parse_label(&s->labels, &s->labels.entry[spk_list_find(&s->labels, e->key)], &t->label));
done:
    spk_free(id);
    return status;
}

/* The two lists of ESPnet's trials. */
struct sides {
    const char *speech, *speech2;
    bool hdf5, hdf5_2;
};

static spk_status both_ways(const spk_list *a, const spk_list *b)
{
    SPK_TRY(spk__keys_within(a, b));
    return a->n == b->n ? SPK_OK : spk__keys_within(b, a);
}

static spk_status read_espnet(spk_trial_set *s, const struct sides *sides, const char *labels)
{
    const char *speech = sides->speech;
    s->arrays = sides->hdf5 || sides->hdf5_2;
    SPK_TRY(spk__speech_read(speech, sides->hdf5, &s->speech));
    SPK_TRY(spk__speech_read(sides->speech2, sides->hdf5_2, &s->speech2));
    SPK_TRY(both_ways(&s->speech, &s->speech2));
    if (labels) {
        SPK_TRY(spk_list_read(labels, SPK_LIST_NO_VALUE_OK, &s->labels));
        SPK_TRY(both_ways(&s->speech, &s->labels));
    }
    s->trial = spk_new(sizeof *s->trial * (size_t)s->speech.n);
    for (int64_t i = 0; i < s->speech.n; i++) {
        SPK_TRY(take_trial(s, i));
        s->n_trials++;
    }
    return check_classes(s, labels ? labels : speech);
}

/* ---- Kaldi's trials ---- */

static spk_status kaldi_utterance(spk_trial_set *s, const char *id, const spk_list *trials, int64_t line, int64_t *at)
{
    const char *path = NULL;
    if (spk_map_get(&s->index, id, at)) return SPK_OK;
    const int64_t i = spk_list_find(&s->speech, id);
    if (i < 0)
        return spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' has no audio in %s", trials->path, (long long)line, id,
                        s->speech.path);
    SPK_TRY(spk__paths_get(&s->paths, &s->speech, i, &path));
    return take_utterance(s, id, path, &s->speech, s->speech.entry[i].line, at);
}

static spk_status take_kaldi(spk_trial_set *s, const spk_list_entry *e, spk_map *seen)
{
    spk_status status;
    char *line = spk_strdup(e->value), *rest = NULL, *id = NULL;
    const char *test = strtok_r(line, " \t", &rest), *kind = strtok_r(NULL, " \t", &rest);
    const bool target = kind && (strcmp(kind, "target") == 0 || strcmp(kind, "1") == 0);
    spk_trial t = {.label = target ? 1 : 0};
    if (test && !kind)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s:%lld: trial '%s*%s' has no label; give target or nontarget", s->labels.path,
                        (long long)e->line, e->key, test));
    if (!test || !kind || strtok_r(NULL, " \t", &rest))
        SPK_GO(spk_fail(SPK_E_FORMAT, "%s:%lld: a trial is 'utt1 utt2 target' or 'utt1 utt2 nontarget'", s->labels.path,
                        (long long)e->line));
    id = spk_strf("%s*%s", e->key, test);
    if (!target && strcmp(kind, "nontarget") != 0 && strcmp(kind, "0") != 0)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s:%lld: the label of trial '%s' is '%s'; it must be target or nontarget",
                        s->labels.path, (long long)e->line, id, kind));
    if (!spk_map_put(seen, id, e->line)) {
        int64_t before = 0;
        spk_map_get(seen, id, &before);
        SPK_GO(spk_fail(SPK_E_FORMAT, "%s:%lld: trial '%s' stands on line %lld already", s->labels.path,
                        (long long)e->line, id, (long long)before));
    }
    int64_t n_ids = s->n_trials;
    t.id = id;
    SPK_PUSH(s->made_id, n_ids) = id;
    SPK_PUSH(s->trial, s->n_trials) = t;
    id = NULL;
    spk_trial *kept = &s->trial[s->n_trials - 1];
    SPK_GO(kaldi_utterance(s, e->key, &s->labels, e->line, &kept->enroll));
    SPK_GO(kaldi_utterance(s, test, &s->labels, e->line, &kept->test));
done:
    spk_free(id);
    spk_free(line);
    return status;
}

/* Recordings of a folder, or the parts of them that its `segments` name. */
static spk_status read_wav(spk_trial_set *s, const char *dir, const char *wav)
{
    SPK_TRY(spk_list_read(wav, SPK_LIST_NO_VALUE_OK, &s->speech));
    return dir && s->o.audio.feature_size == 0 ? spk__segments_apply(dir, &s->speech) : SPK_OK;
}

static spk_status read_kaldi(spk_trial_set *s, const char *dir, const char *wav, const char *trials)
{
    spk_status status;
    spk_map seen = {0};
    SPK_GO(read_wav(s, dir, wav));
    SPK_GO(spk_list_read(trials, SPK_LIST_NO_VALUE_OK | SPK_LIST_DUPLICATES_OK, &s->labels));
    for (int64_t i = 0; i < s->labels.n; i++)
        SPK_GO(take_kaldi(s, &s->labels.entry[i], &seen));
    SPK_GO(check_classes(s, trials));
done:
    spk_map_clear(&seen);
    return status;
}

/* ---- plain utterances ---- */

static spk_status take_plain(spk_trial_set *s, const char *wav)
{
    for (int64_t i = 0, at; i < s->speech.n; i++) {
        const char *path = NULL;
        SPK_TRY(spk__paths_get(&s->paths, &s->speech, i, &path));
        SPK_TRY(take_utterance(s, s->speech.entry[i].key, path, &s->speech, s->speech.entry[i].line, &at));
    }
    return s->n_utterances > 0 ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: names no utterance", wav);
}

static spk_status read_plain(spk_trial_set *s, const char *dir, const char *wav)
{
    SPK_TRY(read_wav(s, dir, wav));
    return take_plain(s, wav);
}

/* ---- the set ---- */

static spk_status read_dir(spk_trial_set *s, const char *dir)
{
    spk_status status;
    char *scp = spk_path_join(dir, "trial.scp"), *scp2 = spk_path_join(dir, "trial2.scp"),
         *label = spk_path_join(dir, "trial_label"), *trials = spk_path_join(dir, "trials"),
         *wav = spk_path_join(dir, s->o.audio.feature_size > 0 ? "feats.scp" : "wav.scp");
    if (!spk_is_folder(dir)) SPK_GO(spk_fail(SPK_E_IO, "%s: there is no such folder of trials", dir));
    if (spk_exists(scp))
        SPK_GO(read_espnet(s, &(struct sides){scp, scp2, false, false},
                           s->o.utterances_only && !spk_exists(label) ? NULL : label));
    else if (spk_exists(trials))
        SPK_GO(read_kaldi(s, dir, wav, trials));
    else if (s->o.utterances_only)
        SPK_GO(read_plain(s, dir, wav));
    else
        SPK_GO(spk_fail(SPK_E_IO,
                        "%s: holds neither trial.scp (with trial2.scp and trial_label) nor trials (with "
                        "wav.scp)",
                        dir));
done:
    spk_free(scp);
    spk_free(scp2);
    spk_free(label);
    spk_free(trials);
    spk_free(wav);
    return status;
}

static spk_status read_lists(spk_trial_set *s, const spk_trial_set_options *o)
{
    static const char *const names[] = {"speech", "speech2", "spk_labels"};
    SPK_TRY(spk__triples_check(o->lists, o->n_lists, names, 3, o->audio.feature_size > 0));
    const spk_data_list *speech = spk__triple_find(o->lists, o->n_lists, "speech"),
                        *speech2 = spk__triple_find(o->lists, o->n_lists, "speech2"),
                        *labels = spk__triple_find(o->lists, o->n_lists, "spk_labels");
    if (o->n_lists == 0 && o->dir) return read_dir(s, o->dir);
    if (speech && speech2 && (labels || o->utterances_only))
        return read_espnet(s, &(struct sides){speech->path, speech2->path, spk__is_hdf5(speech), spk__is_hdf5(speech2)},
                           labels ? labels->path : NULL);
    if (speech && !speech2 && o->utterances_only) {
        SPK_TRY(spk__speech_read(speech->path, spk__is_hdf5(speech), &s->speech));
        return take_plain(s, speech->path);
    }
    if (o->n_lists == 0)
        return spk_fail(SPK_E_CONFIG, "no %s: give a folder, or lists as PATH,NAME,TYPE",
                        o->utterances_only ? "utterances" : "trials");
    return spk_fail(SPK_E_CONFIG,
                    "%s: %s is missing: trials need PATH,speech,sound, PATH,speech2,sound and "
                    "PATH,spk_labels,text",
                    o->lists[0].path,
                    !speech    ? "'speech'"
                    : !speech2 ? "'speech2'"
                               : "'spk_labels'");
}

spk_status spk_trial_set_open(const spk_trial_set_options *options, spk_trial_set **out)
{
    spk_status status;
    spk_trial_set *s = spk_new(sizeof *s);
    *out = NULL;
    s->o = *options;
    s->o.lists = NULL;
    s->o.dir = NULL;
    s->paths.allow_pipes = s->paths2.allow_pipes = options->audio.allow_pipes;
    if (options->audio.sample_rate < 1 || !(options->target_duration > 0) || !(options->target_duration < 1e6) ||
        options->num_eval < 1 || options->batch_size < 1 || options->num_workers < 0)
        SPK_GO(spk_fail(SPK_E_VALUE, "sample_rate, target_duration, num_eval and valid_batch_size must be above 0, "
                                     "num_workers not below"));
    s->T = (int64_t)(options->target_duration * (double)options->audio.sample_rate);
    s->width = options->audio.feature_size > 0 ? options->audio.feature_size : 1;
    if (s->T < 1)
        SPK_GO(spk_fail(SPK_E_VALUE, "target_duration %g is less than one %s", options->target_duration,
                        options->audio.feature_size > 0 ? "frame" : "sample"));
    if (s->o.whole) s->o.num_eval = s->o.batch_size = 1;
    SPK_GO(read_lists(s, options));
    SPK_GO(spk__tokens_check(options->lists, options->n_lists, &s->speech));
    *out = s;
    s = NULL;
done:
    spk_trial_set_close(s);
    return status;
}

void spk_trial_set_close(spk_trial_set *s)
{
    if (!s) return;
    for (int64_t i = 0; i < s->n_utterances; i++)
        spk_free(s->id[i]);
    for (int64_t i = 0; s->made_id && i < s->n_trials; i++)
        spk_free(s->made_id[i]);
    spk_free(s->id);
    spk_free(s->path);
    spk_free(s->made_id);
    spk_free(s->length);
    spk_free(s->trial);
    spk_map_clear(&s->index);
    spk_list_clear(&s->speech);
    spk_list_clear(&s->speech2);
    spk_list_clear(&s->labels);
    spk__paths_clear(&s->paths);
    spk__paths_clear(&s->paths2);
    spk_free(s);
}

int64_t spk_trial_set_n_trials(const spk_trial_set *s)
{
    return s->n_trials;
}

int64_t spk_trial_set_n_utterances(const spk_trial_set *s)
{
    return s->n_utterances;
}

const spk_trial *spk_trial_set_trials(const spk_trial_set *s)
{
    return s->trial;
}

const char *spk_trial_set_utterance(const spk_trial_set *s, int64_t i)
{
    return s->id[i];
}

const char *spk_trial_set_path(const spk_trial_set *s, int64_t i)
{
    return s->path[i];
}
