/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of trials beside the first: further validation sets, and test sets that are only compared with the others. */
#define _DEFAULT_SOURCE /* realpath */
#include <stdlib.h>
#include <string.h>

#include "formats/list_impl.h"
#include "formats/yaml_impl.h"
#include "train/run_impl.h"

/* ---- further validation sets ---- */

static spk_status open_set(const spk_config *c, const char *dir, bool utterances_only, spk_trial_set **out)
{
    spk_trial_set_options o;
    spk_data_list *lists = spk_new((size_t)(c->valid_data_path_and_name_and_type.n + 1) * sizeof *lists);
    spk_run_trial_options(c, lists, &o);
    spk_free(lists);
    o.lists = NULL;
    o.n_lists = 0;
    o.dir = dir;
    o.utterances_only = utterances_only;
    return spk_trial_set_open(&o, out);
}

spk_status spk_run_open_valid_sets(spk_run *r)
{
    const spk_yaml *sets = r->config->valid_sets;
    if (!sets || sets->n == 0 || !r->valid) return SPK_OK;
    r->valid_sets = spk_new((size_t)sets->n * sizeof *r->valid_sets);
    r->valid_names = spk_new((size_t)sets->n * sizeof *r->valid_names);
    for (int64_t i = 0; i < sets->n; i++) {
        spk_status status = open_set(r->config, sets->item[i]->text, false, &r->valid_sets[i]);
        if (status != SPK_OK) return spk_fail_in(status, "valid_sets: %s", sets->key[i]);
        r->valid_names[r->n_valid_sets++] = sets->key[i];
    }
    return SPK_OK;
}

void spk_run_close_valid_sets(spk_run *r)
{
    for (int i = 0; i < r->n_valid_sets; i++)
        spk_trial_set_close(r->valid_sets[i]);
    spk_free(r->valid_sets);
    spk_free(r->valid_names);
}

/* ---- what sets have in common ---- */

/* Files and speakers of a set; both maps hold borrowed or owned names. */
typedef struct members {
    const char *name;
    spk_str_list files, speakers;
    spk_map file, speaker;
} members;

static void members_clear(members *m)
{
    for (int64_t i = 0; i < m->files.n; i++)
        spk_free(m->files.v[i]);
    for (int64_t i = 0; i < m->speakers.n; i++)
        spk_free(m->speakers.v[i]);
    spk_free(m->files.v);
    spk_free(m->speakers.v);
    spk_map_clear(&m->file);
    spk_map_clear(&m->speaker);
}

/* A file by where it really lies, so that links do not hide it. */
static void add_file(members *m, const char *path)
{
    char *real = realpath(path, NULL), *kept = spk_strdup(real ? real : path);
    free(real);
    if (spk_map_get(&m->file, kept, &(int64_t){0})) {
        spk_free(kept);
        return;
    }
    SPK_PUSH(m->files.v, m->files.n) = kept;
    spk_map_put(&m->file, kept, 1);
}

static void add_speaker(members *m, const char *name)
{
    if (spk_map_get(&m->speaker, name, &(int64_t){0})) return;
    char *kept = spk_strdup(name);
    SPK_PUSH(m->speakers.v, m->speakers.n) = kept;
    spk_map_put(&m->speaker, kept, 1);
}

/* The speakers that utt2spk names for the utterances of the set, where the folder has one. */
static spk_status add_speakers(members *m, const char *dir)
{
    spk_list list = {0};
    char *path = dir ? spk_path_join(dir, "utt2spk") : NULL;
    spk_status status = SPK_OK;
    if (path && spk_is_file(path)) {
        status = spk_list_read(path, 0, &list);
        for (int64_t i = 0; status == SPK_OK && i < list.n; i++)
            add_speaker(m, list.entry[i].value);
        spk_list_clear(&list);
    }
    spk_free(path);
    return status;
}

static spk_status of_trials(members *m, const char *name, const spk_trial_set *set, const char *dir)
{
    m->name = name;
    for (int64_t i = 0; i < spk_trial_set_n_utterances(set); i++)
        add_file(m, spk_trial_set_path(set, i));
    return add_speakers(m, dir);
}

static void of_train(members *m, const spk_train_set *set)
{
    m->name = "the training data";
    for (int64_t i = 0; i < spk_train_set_n_utterances(set); i++)
        add_file(m, spk_train_set_path(set, i));
    for (int64_t i = 0; i < spk_train_set_n_speakers(set); i++)
        add_speaker(m, spk_train_set_speaker(set, i));
}

static int64_t count_common(const spk_str_list *a, const spk_map *b, const char **example)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->n; i++)
        if (spk_map_get(b, a->v[i], &(int64_t){0}) && n++ == 0) *example = a->v[i];
    return n;
}

static void compare(const members *a, const members *b, const char *consequence)
{
    const char *file = "", *speaker = "";
    const int64_t files = count_common(&a->files, &b->file, &file);
    const int64_t speakers = count_common(&a->speakers, &b->speaker, &speaker);
    if (files > 0)
        spk_warn("data", "%s and %s share %lld files (%s): %s", a->name, b->name, (long long)files, file, consequence);
    if (speakers > 0)
        spk_warn("data", "%s and %s share %lld speakers (%s): %s", a->name, b->name, (long long)speakers, speaker,
                 consequence);
}

static spk_status compare_test(const spk_run *r, const char *dir, const members *train, const members *valid)
{
    members test = {0};
    spk_trial_set *set = NULL;
    spk_status status = open_set(r->config, dir, true, &set);
    if (status != SPK_OK) return spk_fail_in(status, "test_dir");
    char *name = spk_strf("the test set %s", dir);
    status = of_trials(&test, name, set, dir);
    if (status == SPK_OK) {
        compare(valid, &test, "the model is chosen by what it is tested on, so its test figures will be too good");
        compare(train, &test, "test figures of what was trained on mean nothing");
    }
    spk_trial_set_close(set);
    members_clear(&test);
    spk_free(name);
    return status;
}

spk_status spk_run_compare_sets(const spk_run *r)
{
    const spk_config *c = r->config;
    members train = {0}, valid = {0};
    spk_status status = SPK_OK;
    if (!r->valid) return SPK_OK;
    of_train(&train, r->train);
    SPK_GO(of_trials(&valid, "the validation set", r->valid, c->valid_dir));
    compare(&valid, &train, "validation is meant for speakers that were never heard");
    for (int64_t i = 0; i < c->test_dir.n; i++)
        SPK_GO(compare_test(r, c->test_dir.v[i], &train, &valid));
done:
    members_clear(&train);
    members_clear(&valid);
    return status;
}
