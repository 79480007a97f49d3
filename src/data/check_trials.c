/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of a data folder: ESPnet's three lists, Kaldi's one, against each other and the speakers (check_impl.h). */
#include "data/check_impl.h"

#include <string.h>

/* ---- reading ---- */

static void add_pair(spk__check *c, const char *a, size_t n_a, const char *b, int label, int64_t line)
{
    const spk__check_trial t = {spk_strndup(a, n_a), spk_strdup(b), label, line};
    SPK_PUSH(c->pair, c->n_pairs) = t;
}

static int parse_label(spk__check *c, const spk_list *list, int64_t line, const char *id, const char *word,
                       const char *target, const char *nontarget)
{
    if (strcmp(word, "1") == 0 || strcmp(word, target) == 0) return 1;
    if (strcmp(word, "0") == 0 || strcmp(word, nontarget) == 0) return 0;
    spk__check_say(c, true, "%s:%lld: the label of trial '%s' is '%s'; it must be %s or %s", list->path,
                   (long long)line, id, word, target, nontarget);
    return -1;
}

/* The same ids in the same order: otherwise where it first differs. */
static void check_same_order(spk__check *c, const spk_list *a, const spk_list *b)
{
    for (int64_t i = 0; i < a->n && i < b->n; i++) {
        if (strcmp(a->entry[i].key, b->entry[i].key) == 0) continue;
        spk__check_say(c, true, "%s:%lld: the trial is '%s', and in %s:%lld '%s': the lists must have the same order",
                       b->path, (long long)b->entry[i].line, b->entry[i].key, a->path, (long long)a->entry[i].line,
                       a->entry[i].key);
        return;
    }
    if (a->n != b->n)
        spk__check_say(c, true, "%s: has %lld trials, and %s has %lld", b->path, (long long)b->n, a->path,
                       (long long)a->n);
}

static spk_status read_espnet(spk__check *c)
{
    bool there[3];
    static const char *const names[] = {"trial.scp", "trial2.scp", "trial_label"};
    spk_list *const lists[] = {&c->trial, &c->trial2, &c->trial_label};
    for (int i = 0; i < 3; i++) {
        SPK_TRY(spk__check_read(c, names[i], 0, lists[i], &there[i]));
        c->has_espnet = c->has_espnet || there[i];
    }
    for (int i = 0; i < 3 && c->has_espnet; i++)
        if (!there[i])
            spk__check_say(c, true, "%s: has no %s; trials are trial.scp, trial2.scp and trial_label", c->o->dir,
                           names[i]);
    if (there[0] && there[1]) check_same_order(c, &c->trial, &c->trial2);
    if (there[0] && there[2]) check_same_order(c, &c->trial, &c->trial_label);
    const spk_list *ids = there[0] ? &c->trial : &c->trial_label;
    for (int64_t i = 0; i < ids->n; i++) {
        const char *id = ids->entry[i].key, *star = strchr(id, '*'), *word = spk_list_get(&c->trial_label, id);
        if (!star || star == id || !star[1] || strchr(star + 1, '*')) {
            spk__check_say(c, true, "%s:%lld: the id '%s' is not two utterances joined by one '*'", ids->path,
                           (long long)ids->entry[i].line, id);
            continue;
        }
        const int64_t at = spk_list_find(&c->trial_label, id);
        const int label =
            word ? parse_label(c, &c->trial_label, c->trial_label.entry[at].line, id, word, "1", "0") : -1;
        add_pair(c, id, (size_t)(star - id), star + 1, label, ids->entry[i].line);
    }
    return SPK_OK;
}

static void take_kaldi(spk__check *c)
{
    for (int64_t i = 0; i < c->trials.n; i++) {
        const spk_list_entry *e = &c->trials.entry[i];
        char *line = spk_strdup(e->value), *rest = NULL;
        const char *b = strtok_r(line, " \t", &rest), *word = strtok_r(NULL, " \t", &rest);
        if (!word || strtok_r(NULL, " \t", &rest)) {
            spk__check_say(c, true, "%s:%lld: a trial is 'utt1 utt2 target' or 'utt1 utt2 nontarget'", c->trials.path,
                           (long long)e->line);
        } else {
            char *id = spk_strf("%s*%s", e->key, b);
            add_pair(c, e->key, strlen(e->key), b, parse_label(c, &c->trials, e->line, id, word, "target", "nontarget"),
                     e->line);
            spk_free(id);
        }
        spk_free(line);
    }
}

/* ---- checking ---- */

static void check_speakers(spk__check *c, const char *path, const spk__check_trial *t)
{
    const char *a = spk__check_speaker(c, t->a), *b = spk__check_speaker(c, t->b);
    if (t->label < 0 || !a || !b || (strcmp(a, b) == 0) == (t->label == 1)) return;
    spk__check_say(c, true, "%s:%lld: trial '%s*%s' is labelled as of %s, and in %s they are of '%s' and '%s'", path,
                   (long long)t->line, t->a, t->b, t->label ? "one speaker" : "two speakers", c->utt2spk.path, a, b);
}

static void check_pair(spk__check *c, const char *path, const spk__check_trial *t, spk_map *seen, char *both, int64_t i)
{
    int64_t at;
    if (strcmp(t->a, t->b) == 0)
        spk__check_say(c, true, "%s:%lld: the trial is of '%s' with itself", path, (long long)t->line, t->a);
    for (int k = 0; k < 2 && c->has_wav; k++) {
        const char *id = k ? t->b : t->a;
        if (!spk_map_get(&c->index, id, &at))
            spk__check_say(c, true, "%s:%lld: utterance '%s' of the trial is not in %s", path, (long long)t->line, id,
                           c->has_segments ? c->segments.path : c->wav.path);
    }
    check_speakers(c, path, t);
    if (spk_map_put(seen, both, i)) return;
    spk_map_get(seen, both, &at);
    const spk__check_trial *before = &c->pair[at];
    const bool same = strcmp(before->a, t->a) == 0;
    spk__check_say(c, same || before->label != t->label, "%s:%lld: the trial '%s*%s' stands on line %lld too%s%s", path,
                   (long long)t->line, t->a, t->b, (long long)before->line, same ? "" : ", the other way round",
                   before->label == t->label ? "" : ", with another label");
}

static void check_pairs(spk__check *c, const char *path)
{
    spk_map seen = {0};
    int64_t count[2] = {0, 0};
    char **both = spk_new(sizeof *both * (size_t)(c->n_pairs + 1));
    for (int64_t i = 0; i < c->n_pairs; i++) {
        const spk__check_trial *t = &c->pair[i];
        const bool other_way = strcmp(t->a, t->b) > 0;
        both[i] = spk_strf("%s*%s", other_way ? t->b : t->a, other_way ? t->a : t->b);
        check_pair(c, path, t, &seen, both[i], i);
        if (t->label >= 0) count[t->label]++;
    }
    if (count[0] == 0 || count[1] == 0)
        spk__check_say(c, true, "%s: has no %s trial; an error rate needs both kinds", path,
                       count[1] ? "nontarget" : "target");
    c->r->n_trials = c->n_pairs;
    c->r->n_targets = count[1];
    for (int64_t i = 0; i < c->n_pairs; i++)
        spk_free(both[i]);
    spk_free(both);
    spk_map_clear(&seen);
}

/* An utterance's file in trial.scp is that of wav.scp. */
static void check_files(spk__check *c, const spk_list *list, bool second)
{
    for (int64_t i = 0; i < list->n && c->has_wav; i++) {
        const spk_list_entry *e = &list->entry[i];
        const char *star = strchr(e->key, '*');
        int64_t at;
        if (!star) continue;
        char *id = second ? spk_strdup(star + 1) : spk_strndup(e->key, (size_t)(star - e->key));
        if (spk_map_get(&c->index, id, &at) && strcmp(c->item[at].value, e->value) != 0) {
            char *here = spk_list_resolve_path(list->path, e->value),
                 *there = spk_list_resolve_path(c->wav.path, c->item[at].value);
            if (strcmp(here, there) != 0)
                spk__check_say(c, true, "%s:%lld: utterance '%s' is %s here and %s in %s:%lld", list->path,
                               (long long)e->line, id, e->value, c->item[at].value, c->item[at].from->path,
                               (long long)c->item[at].line);
            spk_free(here);
            spk_free(there);
        }
        spk_free(id);
    }
}

/* Where both forms are there, they must say the same; ESPnet's is what is used. */
static void check_both_forms(spk__check *c)
{
    const spk_list *k = &c->trials, *e = &c->trial_label;
    for (int64_t i = 0; i < k->n && i < e->n; i++) {
        const size_t n = strlen(k->entry[i].key), m = strcspn(k->entry[i].value, " \t");
        const char *id = e->entry[i].key;
        const char *word = k->entry[i].value + m + strspn(k->entry[i].value + m, " \t");
        const bool target = strcmp(word, "target") == 0 || strcmp(word, "1") == 0;
        if (strncmp(id, k->entry[i].key, n) == 0 && id[n] == '*' && strncmp(id + n + 1, k->entry[i].value, m) == 0 &&
            id[n + 1 + m] == '\0' && target == (strcmp(e->entry[i].value, "1") == 0))
            continue;
        spk__check_say(c, true, "%s:%lld: is another trial than %s:%lld, '%s %s'", k->path, (long long)k->entry[i].line,
                       e->path, (long long)e->entry[i].line, id, e->entry[i].value);
        return;
    }
    if (k->n != e->n)
        spk__check_say(c, true, "%s: has %lld trials, and %s has %lld", k->path, (long long)k->n, e->path,
                       (long long)e->n);
}

spk_status spk__check_trials(spk__check *c)
{
    SPK_TRY(spk__check_read(c, "trials", SPK_LIST_DUPLICATES_OK, &c->trials, &c->has_kaldi));
    SPK_TRY(read_espnet(c));
    if (c->has_espnet) {
        check_pairs(c, c->trial.path ? c->trial.path : c->trial_label.path ? c->trial_label.path : c->o->dir);
        check_files(c, &c->trial, false);
        check_files(c, &c->trial2, true);
        if (c->has_kaldi) check_both_forms(c);
    } else if (c->has_kaldi) {
        take_kaldi(c);
        check_pairs(c, c->trials.path);
    }
    return SPK_OK;
}
