/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of one list in another, by their two names. */
#include <stdlib.h>
#include <string.h>

#include "score/trial_list_impl.h"

typedef struct pair_at {
    uint64_t pair;
    int64_t at;
} pair_at;

static int by_pair(const void *a, const void *b)
{
    const pair_at *x = a, *y = b;
    if (x->pair != y->pair) return x->pair < y->pair ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static spk_status sort_pairs(const spk_trial_list *t, pair_at **out)
{
    pair_at *p = spk_alloc(sizeof *p * (size_t)(t->n + 1));
    if (!p) return spk_fail(SPK_E_NOMEM, "not enough memory for the %lld trials of %s", (long long)t->n, t->path);
    for (int64_t i = 0; i < t->n; i++)
        p[i] = (pair_at){(uint64_t)t->enroll[i] << 32 | (uint64_t)t->test[i], i};
    qsort(p, (size_t)t->n, sizeof *p, by_pair);
    *out = p;
    return SPK_OK;
}

spk_status spk__trial_list_check_repeated(spk_trial_list *t)
{
    spk_status status = SPK_OK;
    pair_at *p = NULL;
    SPK_TRY(sort_pairs(t, &p));
    for (int64_t i = 1; i < t->n; i++) {
        const int64_t a = p[i - 1].at, b = p[i].at;
        if (p[i].pair != p[i - 1].pair) continue;
        t->n_repeated++;
        if (t->label[a] != t->label[b])
            SPK_GO(spk_fail(SPK_E_VALUE, "%s:%lld: trial '%s*%s' stands on line %lld with the other label", t->path,
                            (long long)t->line[b], t->name[t->enroll[b]], t->name[t->test[b]], (long long)t->line[a]));
    }
done:
    spk_free(p);
    return status;
}

static int64_t find_pair(const pair_at *p, int64_t n, uint64_t pair)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (p[middle].pair < pair)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && p[low].pair == pair ? p[low].at : -1;
}

spk_status spk_trial_list_match(const spk_trial_list *of, const spk_trial_list *in, int64_t *place)
{
    spk_status status = SPK_OK;
    pair_at *p = NULL;
    int64_t *name = spk_new(sizeof *name * (size_t)(of->n_names + 1));
    for (int64_t i = 0; i < of->n_names; i++)
        if (!spk_map_get(&in->index, of->name[i], &name[i])) name[i] = -1;
    SPK_GO(sort_pairs(in, &p));
    for (int64_t i = 0; i < of->n; i++) {
        const int64_t a = name[of->enroll[i]], b = name[of->test[i]];
        place[i] = a < 0 || b < 0 ? -1 : find_pair(p, in->n, (uint64_t)a << 32 | (uint64_t)b);
        if (place[i] < 0)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: trial '%s*%s' is not in %s", of->path, (long long)of->line[i],
                            of->name[of->enroll[i]], of->name[of->test[i]], in->path));
    }
done:
    spk_free(p);
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
