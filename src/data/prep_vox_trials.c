/* SPDX-License-Identifier: Apache-2.0 */
/* VoxCeleb's lists of trials, held against the utterances that are there (prep_impl.h). */
#include "data/prep_vox_impl.h"

#include <string.h>

#include "formats/list_impl.h"

/* What a list of trials says, over one folder of the utterances that it names. */
struct trials {
    const spk_list *list;
    spk_datadir used;
    spk_map seen_utt, seen_pair;
    int64_t n, n_ids, n_repeated, n_targets;
    struct named {
        char *a, *b, *pair;
        bool target;
    } * trial;
    bool all_test;
    spk__missing missing;
};

static const spk_datadir_item *find_utterance(const struct vox *v, const char *id, bool *test)
{
    int64_t at;
    for (int s = VOX_DEV1; s <= VOX_TEST1; s++)
        if (spk_map_get(&v->set[s].index, id, &at)) {
            *test = s == VOX_TEST1;
            return &v->set[s].item[at];
        }
    return NULL;
}

static void take_side(const struct vox *v, struct trials *t, const char *id, bool *there)
{
    int64_t at;
    bool test = false;
    const spk_datadir_item *it = find_utterance(v, id, &test);
    if (!it) {
        *there = false;
        if (spk_map_put(&t->seen_utt, id, -1)) spk__missing_add(&t->missing, id);
        return;
    }
    t->all_test = t->all_test && test;
    if (spk_map_get(&t->seen_utt, id, &at)) return;
    spk_map_put(&t->seen_utt, it->id, t->used.n);
    spk_datadir_add(&t->used, it->id, it->speaker, it->source);
}

/* "1 a.wav b.wav" */
static spk_status take_line(const struct vox *v, struct trials *t, const spk_list_entry *e)
{
    char *line = spk_strdup(e->value), *rest = NULL;
    const char *a = strtok_r(line, " \t", &rest), *b = strtok_r(NULL, " \t", &rest);
    const bool labelled = strcmp(e->key, "0") == 0 || strcmp(e->key, "1") == 0;
    if (!labelled || !a || !b || strtok_r(NULL, " \t", &rest)) {
        spk_free(line);
        return spk_fail(SPK_E_FORMAT,
                        "%s:%lld: a line of VoxCeleb's trials is '1 id10270/VIDEO/00001.wav id10270/VIDEO/00002.wav', "
                        "or 0 for two speakers",
                        t->list->path, (long long)e->line);
    }
    struct named x = {.a = spk__stem(a), .b = spk__stem(b), .target = e->key[0] == '1'};
    bool there = true;
    x.pair = spk_strf("%s*%s", x.a, x.b);
    spk_free(line);
    SPK_PUSH(t->trial, t->n_ids) = x; /* the maps borrow its names */
    if (strcmp(x.a, x.b) == 0)
        return spk_fail(SPK_E_VALUE, "%s:%lld: the trial is of '%s' with itself", t->list->path, (long long)e->line,
                        x.a);
    if (!spk_map_put(&t->seen_pair, x.pair, t->n_ids)) {
        t->n_repeated++;
        there = false;
    }
    take_side(v, t, x.a, &there);
    take_side(v, t, x.b, &there);
    if (there) {
        t->trial[t->n_ids - 1] = t->trial[t->n];
        t->trial[t->n++] = x; /* those that count come first, in order */
        t->n_targets += x.target;
    }
    return SPK_OK;
}

static spk_status write_trials(struct vox *v, const char *path, struct trials *t)
{
    const bool main_list = t->all_test && !v->has_trials && v->set[VOX_TEST1].n > 0;
    const spk_datadir *set = main_list ? &v->set[VOX_TEST1] : &t->used;
    char *stem = spk__stem(spk_path_name(path)),
         *name = main_list ? spk_strdup("voxceleb1_test") : spk_strf("voxceleb1_%s", stem),
         *folder = spk_path_join(v->o->output, name);
    spk_pair *pair = spk_new(sizeof *pair * (size_t)(t->n + 1));
    spk_status status;
    SPK_GO(spk_datadir_sort(&t->used));
    for (int64_t i = 0; i < t->n; i++) {
        pair[i].target = t->trial[i].target;
        spk_map_get(&set->index, t->trial[i].a, &pair[i].a);
        spk_map_get(&set->index, t->trial[i].b, &pair[i].b);
    }
    if (!main_list) spk__prep_write(set, v->o->output, name, &v->out, v->report);
    v->has_trials = v->has_trials || main_list;
    spk_datadir_write_trials(set, pair, t->n, &v->out, folder);
    for (int64_t i = 0; i < v->report->n; i++)
        if (strcmp(v->report->row[i].path, folder) == 0) {
            v->report->row[i].n_trials = t->n;
            v->report->row[i].n_targets = t->n_targets;
        }
done:
    spk_free(pair);
    spk_free(stem);
    spk_free(name);
    spk_free(folder);
    return status;
}

static void clear_trials(struct trials *t)
{
    for (int64_t i = 0; i < t->n_ids; i++) {
        spk_free(t->trial[i].a);
        spk_free(t->trial[i].b);
        spk_free(t->trial[i].pair);
    }
    spk_free(t->trial);
    spk_map_clear(&t->seen_utt);
    spk_map_clear(&t->seen_pair);
    spk_text_clear(&t->missing.first);
    spk_datadir_clear(&t->used);
}

spk_status spk__vox_trials(struct vox *v, const char *path)
{
    spk_status status;
    spk_list list = {0};
    struct trials t = {.list = &list, .all_test = true};
    SPK_GO(spk_list_read(path, SPK_LIST_DUPLICATES_OK, &list));
    for (int64_t i = 0; i < list.n; i++)
        SPK_GO(take_line(v, &t, &list.entry[i]));
    if (t.missing.n > 0 && !v->o->allow_missing)
        SPK_GO(
            spk_fail(SPK_E_MISMATCH,
                     "%s: %lld utterances of its trials are not there (%s); complete the corpus, or leave their trials "
                     "out with --allow_missing true, which changes the error rate",
                     path, (long long)t.missing.n, t.missing.first.s));
    if (t.missing.n > 0)
        spk_warn("prep", "%s: %lld utterances are not there (%s): %lld of %lld trials are left out", path,
                 (long long)t.missing.n, t.missing.first.s, (long long)(list.n - t.n - t.n_repeated),
                 (long long)list.n);
    if (t.n_repeated > 0)
        spk_warn("prep", "%s: %lld trials stand there twice and are taken once", path, (long long)t.n_repeated);
    if (t.n == 0) SPK_GO(spk_fail(SPK_E_VALUE, "%s: no trial is left", path));
    SPK_GO(write_trials(v, path, &t));
done:
    clear_trials(&t);
    spk_list_clear(&list);
    return status;
}
