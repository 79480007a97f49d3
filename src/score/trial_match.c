/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of one list in another, by their two names. */
#include <string.h>

#include "score/trial_list_impl.h"

/* The first trial of each pair of names, by open addressing. */
typedef struct pair_table {
    size_t mask;
    struct slot {
        uint64_t pair;
        int64_t at; /* from 1; 0: nothing */
    } * slot;
} pair_table;

static struct slot *slot_of(const pair_table *p, uint64_t pair)
{
    uint64_t hash = (pair ^ pair >> 29) * 0x9e3779b97f4a7c15U;
    size_t i = (size_t)(hash ^ hash >> 32) & p->mask;
    while (p->slot[i].at && p->slot[i].pair != pair)
        i = (i + 1) & p->mask;
    return &p->slot[i];
}

static spk_status table_for(const spk_trial_list *t, pair_table *out)
{
    size_t room = 64;
    while (room < 2 * (size_t)t->n)
        room *= 2;
    *out = (pair_table){room - 1, spk_alloc_zero(sizeof *out->slot * room)};
    return out->slot ? SPK_OK
                     : spk_fail(SPK_E_NOMEM, "not enough memory for the %lld trials of %s", (long long)t->n, t->path);
}

/* The first trial of the pair; where there is none, and `at` is from 0 on, that one from now on. -1: none. */
static int64_t first_of(const pair_table *p, int64_t enroll, int64_t test, int64_t at)
{
    const uint64_t pair = (uint64_t)enroll << 32 | (uint64_t)test;
    struct slot *s = slot_of(p, pair);
    const int64_t first = s->at - 1;
    if (first < 0 && at >= 0) *s = (struct slot){pair, at + 1};
    return first;
}

spk_status spk__trial_list_check_repeated(spk_trial_list *t)
{
    spk_status status;
    pair_table p;
    SPK_TRY(table_for(t, &p));
    status = SPK_OK;
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t first = first_of(&p, t->enroll[i], t->test[i], i);
        if (first < 0) continue;
        t->n_repeated++;
        if (t->label[first] != t->label[i])
            SPK_GO(spk_fail(SPK_E_VALUE, "%s:%lld: trial '%s*%s' stands on line %lld with the other label", t->path,
                            (long long)t->line[i], t->name[t->enroll[i]], t->name[t->test[i]],
                            (long long)t->line[first]));
    }
done:
    spk_free(p.slot);
    return status;
}

spk_status spk_trial_list_match(const spk_trial_list *of, const spk_trial_list *in, int64_t *place)
{
    spk_status status;
    pair_table p = {0};
    int64_t *name = spk_new(sizeof *name * (size_t)(of->n_names + 1));
    for (int64_t i = 0; i < of->n_names; i++)
        if (!spk_map_get(&in->index, of->name[i], &name[i])) name[i] = -1;
    SPK_GO(table_for(in, &p));
    for (int64_t i = 0; i < in->n; i++)
        first_of(&p, in->enroll[i], in->test[i], i);
    for (int64_t i = 0; i < of->n; i++) {
        const int64_t a = name[of->enroll[i]], b = name[of->test[i]];
        place[i] = a < 0 || b < 0 ? -1 : first_of(&p, a, b, -1);
        if (place[i] < 0)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: trial '%s*%s' is not in %s", of->path, (long long)of->line[i],
                            of->name[of->enroll[i]], of->name[of->test[i]], in->path));
    }
done:
    spk_free(p.slot);
    spk_free(name);
    return status;
}

/* Scores that have no names take those of the trials in their order. */
static spk_status take_names(spk_trial_list *scores, const spk_trial_list *trials)
{
    if (scores->n != trials->n)
        return spk_fail(SPK_E_MISMATCH, "%s has %lld scores without names and %s %lld trials; they go by their order",
                        scores->path, (long long)scores->n, trials->path, (long long)trials->n);
    for (int64_t i = 0; i < scores->n; i++)
        if (scores->label[i] != trials->label[i])
            return spk_fail(SPK_E_MISMATCH,
                            "%s:%lld: the label is %d, but that of the trial in its place (%s:%lld) is %d",
                            scores->path, (long long)scores->line[i], scores->label[i], trials->path,
                            (long long)trials->line[i], trials->label[i]);
    spk__trial_list_clear_names(scores);
    for (int64_t k = 0; k < trials->n_names; k++)
        spk__trial_list_intern(scores, trials->name[k], strlen(trials->name[k]));
    memcpy(scores->enroll, trials->enroll, sizeof *scores->enroll * (size_t)scores->n);
    memcpy(scores->test, trials->test, sizeof *scores->test * (size_t)scores->n);
    return SPK_OK;
}

spk_status spk_trial_list_label(spk_trial_list *scores, const spk_trial_list *trials, bool all)
{
    spk_status status;
    int64_t *place = spk_new(sizeof *place * (size_t)(scores->n + trials->n + 1));
    if (!trials->has_labels)
        SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: the trials have no labels; lines are '%s'", trials->path,
                        spk_form_line(trials->form, false)));
    if (scores->form == SPK_FORM_NEMO) {
        SPK_GO(take_names(scores, trials));
        goto done;
    }
    if (all) SPK_GO(spk_trial_list_match(trials, scores, place));
    SPK_GO(spk_trial_list_match(scores, trials, place));
    for (int64_t i = 0; i < scores->n; i++)
        scores->label[i] = trials->label[place[i]];
    scores->has_labels = true;
done:
    spk_free(place);
    return status;
}
