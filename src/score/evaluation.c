/* SPDX-License-Identifier: Apache-2.0 */
/* All figures of a list of scores, and what is known of its trials. */
#include "score/evaluation_impl.h"

#include <stdlib.h>
#include <string.h>

#include "formats/list_impl.h"
#include "score/roc_impl.h"

static int64_t count_tied(const spk_roc *roc)
{
    int64_t tied = 0;
    for (int64_t i = 0; i < roc->n_points; i++) {
        const int64_t before = i ? roc->tps[i - 1] + roc->fps[i - 1] : 0, here = roc->tps[i] + roc->fps[i] - before;
        tied += here > 1 ? here : 0;
    }
    return tied;
}

spk_status spk_evaluate(const float *scores, const uint8_t *labels, int64_t n, const spk_dcf *dcf, int n_dcf,
                        spk_evaluation *out)
{
    spk_roc roc;
    spk_evaluation e = {.n_dcf = n_dcf};
    SPK_ASSERT(n_dcf <= SPK_MOST_DCF);
    SPK_TRY(spk_metrics_compute(scores, labels, n, &e.m));
    SPK_TRY(spk_metrics_cllr(scores, labels, n, &e.cllr));
    for (int w = 0; w < n_dcf; w++) {
        e.dcf[w] = dcf[w];
        SPK_TRY(spk_metrics_min_dcf(scores, labels, n, &dcf[w], &e.min[w]));
        SPK_TRY(spk_metrics_actual_dcf(scores, labels, n, &dcf[w], &e.actual[w]));
    }
    const spk_status status = spk_roc_make(&roc, scores, labels, n);
    if (status == SPK_OK) {
        e.n_tied = count_tied(&roc);
        *out = e;
    }
    spk_roc_clear(&roc);
    return status;
}

spk_status spk_evaluation_curve(const float *scores, const uint8_t *labels, int64_t n, double **fpr, double **fnr,
                                int64_t *n_points)
{
    spk_roc roc;
    const spk_status status = spk_roc_make(&roc, scores, labels, n);
    *fpr = *fnr = NULL;
    if (status == SPK_OK) {
        *n_points = roc.n_points;
        *fpr = spk_new(sizeof **fpr * (size_t)roc.n_points);
        *fnr = spk_new(sizeof **fnr * (size_t)roc.n_points);
        for (int64_t i = 0; i < roc.n_points; i++) {
            (*fpr)[i] = (double)roc.fps[i] / (double)roc.n_nontargets;
            (*fnr)[i] = 1 - (double)roc.tps[i] / (double)roc.n_targets;
        }
    }
    spk_roc_clear(&roc);
    return status;
}

/* ---- words of the names ---- */

/* The value that `list` has for a name of trial i. */
static spk_status word_of(const spk_trial_list *t, int64_t i, int64_t name, const spk_list *list, const char **word)
{
    *word = spk_list_get(list, t->name[name]);
    if (*word) return SPK_OK;
    return spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' is not in %s", t->path, (long long)t->line[i], t->name[name],
                    list->path);
}

spk_status spk_trial_speakers(const spk_trial_list *t, const char *utt2spk, int64_t *enroll, int64_t *test,
                              int64_t *n_speakers)
{
    spk_status status = SPK_OK;
    spk_list list;
    spk_map seen = {0};
    *n_speakers = 0;
    SPK_TRY(spk_list_read(utt2spk, 0, &list));
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t name[2] = {t->enroll[i], t->test[i]};
        int64_t *const at[2] = {&enroll[i], &test[i]};
        const char *word = NULL;
        for (int side = 0; side < 2; side++) {
            SPK_GO(word_of(t, i, name[side], &list, &word));
            if (spk_map_put(&seen, word, *n_speakers)) ++*n_speakers;
            spk_map_get(&seen, word, at[side]);
        }
        if ((enroll[i] == test[i]) != (t->label[i] == 1))
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' and '%s' are of %s in %s, but the trial is a %s", t->path,
                            (long long)t->line[i], t->name[name[0]], t->name[name[1]],
                            enroll[i] == test[i] ? "one speaker" : "two speakers", utt2spk,
                            t->label[i] ? "target" : "nontarget"));
    }
done:
    spk_map_clear(&seen);
    spk_list_clear(&list);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Groups in the order of their names. */
static void sort_groups(const spk_trial_list *t, spk_condition *c)
{
    char **sorted = spk_new(sizeof *sorted * (size_t)(c->n + 1));
    bool *alike = spk_new(sizeof *alike * (size_t)(c->n + 1));
    int64_t *place = spk_new(sizeof *place * (size_t)(c->n + 1));
    spk_map at = {0};
    memcpy(sorted, c->name, sizeof *sorted * (size_t)c->n);
    qsort(sorted, (size_t)c->n, sizeof *sorted, by_name);
    for (int64_t g = 0; g < c->n; g++)
        spk_map_put(&at, sorted[g], g);
    for (int64_t g = 0; g < c->n; g++) {
        spk_map_get(&at, c->name[g], &place[g]);
        alike[place[g]] = c->alike[g];
    }
    for (int64_t i = 0; i < t->n; i++)
        c->group[i] = place[c->group[i]];
    spk_map_clear(&at);
    spk_free(place);
    spk_free(c->name);
    spk_free(c->alike);
    c->name = sorted;
    c->alike = alike;
}

/* The word of a name, or of its speaker. */
static spk_status word_or_speakers(const spk_trial_list *t, int64_t i, int64_t name, const spk_list *list,
                                   const spk_list *speakers, const char **word)
{
    const char *speaker = speakers ? spk_list_get(speakers, t->name[name]) : NULL;
    *word = spk_list_get(list, t->name[name]);
    if (!*word && speaker) *word = spk_list_get(list, speaker);
    return *word ? SPK_OK : word_of(t, i, name, list, word);
}

static void put_in_group(spk_condition *c, int64_t trial, const char *name, bool alike, spk_map *seen)
{
    if (spk_map_get(seen, name, &c->group[trial])) return;
    int64_t n = c->n;
    SPK_PUSH(c->alike, n) = alike;
    c->group[trial] = c->n;
    SPK_PUSH(c->name, c->n) = spk_strdup(name);
    spk_map_put(seen, c->name[c->n - 1], c->n - 1);
}

spk_status spk_condition_read(const spk_trial_list *t, const char *utt2word, const char *utt2spk, spk_condition *out)
{
    spk_status status = SPK_OK;
    spk_list list = {0}, speakers = {0};
    spk_map seen = {0};
    spk_text both = {0};
    memset(out, 0, sizeof *out);
    SPK_GO(spk_list_read(utt2word, 0, &list));
    if (utt2spk) SPK_GO(spk_list_read(utt2spk, 0, &speakers));
    out->group = spk_new(sizeof *out->group * (size_t)(t->n + 1));
    for (int64_t i = 0; i < t->n; i++) {
        const char *a = NULL, *b = NULL;
        SPK_GO(word_or_speakers(t, i, t->enroll[i], &list, utt2spk ? &speakers : NULL, &a));
        SPK_GO(word_or_speakers(t, i, t->test[i], &list, utt2spk ? &speakers : NULL, &b));
        const int order = strcmp(a, b);
        both.n = 0;
        if (order == 0)
            spk_text_add(&both, a);
        else
            spk_text_addf(&both, "%s-%s", order < 0 ? a : b, order < 0 ? b : a);
        put_in_group(out, i, spk_text_str(&both), order == 0, &seen);
    }
    sort_groups(t, out);
done:
    spk_text_clear(&both);
    spk_map_clear(&seen);
    spk_list_clear(&list);
    spk_list_clear(&speakers);
    if (status != SPK_OK) spk_condition_clear(out);
    return status;
}

void spk_condition_clear(spk_condition *c)
{
    for (int64_t g = 0; g < c->n; g++)
        spk_free(c->name[g]);
    spk_free(c->name);
    spk_free(c->alike);
    spk_free(c->group);
    memset(c, 0, sizeof *c);
}
