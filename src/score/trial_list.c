/* SPDX-License-Identifier: Apache-2.0 */
/* Reading lists of trials and scores: what form a file has, and its lines. */
#include "score/trial_list_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/list_impl.h"

static const struct {
    const char *name, *trial, *scored;
} forms[] = {
    [SPK_FORM_ESPNET] = {"espnet", "utt1*utt2 1", "utt1*utt2 score 1"},
    [SPK_FORM_KALDI] = {"kaldi", "utt1 utt2 target", "utt1 utt2 score"},
    [SPK_FORM_VOXCELEB] = {"voxceleb", "1 utt1 utt2", NULL},
    [SPK_FORM_WESPEAKER] = {"wespeaker", "utt1 utt2 target", "utt1 utt2 score target"},
    [SPK_FORM_SPEECHBRAIN] = {"speechbrain", "utt1 utt2 1", "utt1 utt2 1 score"},
    [SPK_FORM_NEMO] = {"nemo", "1 utt1 utt2", "score 1"},
};
enum { N_FORMS = (int)(sizeof forms / sizeof *forms), MOST_WORDS = 5 };

const char *spk_form_name(spk_form form)
{
    return form < 0 ? "auto" : forms[form].name;
}

const char *spk_form_line(spk_form form, bool with_score)
{
    return with_score ? forms[form].scored : forms[form].trial;
}

spk_form spk_form_of(const char *name)
{
    for (int f = 0; name && f < N_FORMS; f++)
        if (strcmp(forms[f].name, name) == 0) return (spk_form)f;
    return SPK_FORM_AUTO;
}

/* ---- words ---- */

typedef struct words {
    const char *w[MOST_WORDS];
    int n;      /* MOST_WORDS: so many or more */
    char *text; /* a copy of the values that is cut up */
    size_t room;
} words;

static void split(const spk_list_entry *e, words *out)
{
    const size_t need = strlen(e->value) + 1;
    char *rest = NULL;
    if (need > out->room) {
        out->room = 2 * need;
        out->text = spk_renew(out->text, out->room);
    }
    memcpy(out->text, e->value, need);
    out->w[0] = e->key;
    out->n = 1;
    for (char *w = strtok_r(out->text, " \t\r\v\f", &rest); w && out->n < MOST_WORDS;
         w = strtok_r(NULL, " \t\r\v\f", &rest))
        out->w[out->n++] = w;
}

static bool is_label_word(const char *w)
{
    return strcmp(w, "target") == 0 || strcmp(w, "nontarget") == 0;
}

static bool read_label(const char *w, uint8_t *label)
{
    *label = strcmp(w, "1") == 0 || strcmp(w, "target") == 0;
    return *label || strcmp(w, "0") == 0 || strcmp(w, "nontarget") == 0;
}

/* The star of "A*B": the only one, with something on both sides. */
static const char *star_of(const char *w)
{
    const char *star = strchr(w, '*');
    return star && star != w && star[1] && !strchr(star + 1, '*') ? star : NULL;
}

/* Decide where two words could be the label: the one that is written out, or the only one that can be. */
static spk_form either(const char *first, spk_form if_first, const char *second, spk_form if_second)
{
    uint8_t label;
    const bool a = read_label(first, &label), b = read_label(second, &label);
    if (is_label_word(second) && !is_label_word(first)) return if_second;
    if (is_label_word(first) && !is_label_word(second)) return if_first;
    return a == b ? SPK_FORM_AUTO : a ? if_first : if_second;
}

static spk_form detect(const words *w, bool with_scores)
{
    double score;
    uint8_t label;
    if (star_of(w->w[0]) && w->n <= 2 + with_scores) return SPK_FORM_ESPNET;
    if (w->n == 2 && with_scores && spk_parse_double(w->w[0], &score) && read_label(w->w[1], &label))
        return SPK_FORM_NEMO;
    if (w->n == 2 + with_scores) return SPK_FORM_KALDI;
    if (w->n == 3 && !with_scores) return either(w->w[0], SPK_FORM_VOXCELEB, w->w[2], SPK_FORM_KALDI);
    if (w->n == 4 && with_scores) return either(w->w[2], SPK_FORM_SPEECHBRAIN, w->w[3], SPK_FORM_WESPEAKER);
    return SPK_FORM_AUTO;
}

/* ---- lines ---- */

/* What stands where in a line of a form. */
typedef struct layout {
    const char *a, *b, *label, *score; /* label, score NULL: not there. Where pair is set, a is "A*B" */
    bool pair, good;
} layout;

static layout lay_out(const words *w, spk_form form, bool with_scores)
{
    layout l = {.a = w->w[0], .b = ""};
    const int n = w->n;
    if (form == SPK_FORM_ESPNET) {
        l.pair = true;
        l.good = star_of(w->w[0]) && n >= 1 + with_scores && n <= 2 + with_scores;
        l.score = with_scores && n > 1 ? w->w[1] : NULL;
        l.label = n == 2 + with_scores ? w->w[n - 1] : NULL;
        return l;
    }
    if (form == SPK_FORM_NEMO && with_scores) {
        l.good = n == 2;
        l.score = w->w[0];
        l.label = n == 2 ? w->w[1] : NULL;
        return l;
    }
    if (form == SPK_FORM_VOXCELEB || form == SPK_FORM_NEMO) {
        l.good = n == 3 && !with_scores;
        l.label = w->w[0];
        l.a = w->w[1];
        l.b = w->w[2];
        return l;
    }
    if (n > 1) l.b = w->w[1];
    if (!with_scores) {
        l.good = n == 2 || n == 3;
        l.label = n == 3 ? w->w[2] : NULL;
    } else if (form == SPK_FORM_KALDI) {
        l.good = n == 3;
        l.score = w->w[2];
    } else {
        l.good = n == 4;
        l.score = w->w[form == SPK_FORM_WESPEAKER ? 2 : 3];
        l.label = w->w[form == SPK_FORM_WESPEAKER ? 3 : 2];
    }
    return l;
}

int64_t spk__trial_list_intern(spk_trial_list *t, const char *s, size_t n)
{
    char room[256], *name = n < sizeof room ? room : spk_new(n + 1);
    int64_t at;
    memcpy(name, s, n);
    name[n] = '\0';
    if (!spk_map_get(&t->index, name, &at)) {
        at = t->n_names;
        char *kept = spk_strndup(s, n);
        SPK_PUSH(t->name, t->n_names) = kept;
        spk_map_put(&t->index, kept, at);
    }
    if (name != room) spk_free(name);
    return at;
}

static spk_status take_line(spk_trial_list *t, const words *w, int64_t line)
{
    const layout l = lay_out(w, t->form, t->score != NULL);
    const int64_t i = t->n;
    double score = 0;
    if (!l.good)
        return spk_fail(SPK_E_FORMAT, "%s:%lld: the line is not of the form '%s' (%s) that is expected here", t->path,
                        (long long)line, spk_form_line(t->form, t->score != NULL), spk_form_name(t->form));
    if (l.label && !read_label(l.label, &t->label[i]))
        return spk_fail(SPK_E_FORMAT, "%s:%lld: the label '%s' is none of 1, 0, target, nontarget", t->path,
                        (long long)line, l.label);
    if (i > 0 && t->has_labels != (l.label != NULL))
        return spk_fail(SPK_E_FORMAT, "%s:%lld: the line has %s label, unlike the lines before it", t->path,
                        (long long)line, l.label ? "a" : "no");
    t->has_labels = l.label != NULL;
    if (l.score && (!spk_parse_double(l.score, &score) || !isfinite((float)score)))
        return spk_fail(SPK_E_FORMAT, "%s:%lld: the score '%s' is no finite number", t->path, (long long)line, l.score);
    if (t->score) t->score[i] = (float)score;
    char place[32];
    if (t->form == SPK_FORM_NEMO && t->score) { /* no names there */
        snprintf(place, sizeof place, "trial%lld", (long long)i + 1);
        t->enroll[i] = spk__trial_list_intern(t, place, strlen(place));
        t->test[i] = spk__trial_list_intern(t, "nemo", 4);
        t->line[i] = line;
        t->n++;
        return SPK_OK;
    }
    const char *star = l.pair ? star_of(l.a) : NULL;
    t->enroll[i] = spk__trial_list_intern(t, l.a, star ? (size_t)(star - l.a) : strlen(l.a));
    const char *test = star ? star + 1 : l.b;
    t->test[i] = spk__trial_list_intern(t, test, strlen(test));
    t->line[i] = line;
    t->n++;
    return SPK_OK;
}

static spk_status settle_form(spk_trial_list *t, const words *first, spk_form form)
{
    const bool with_scores = t->score != NULL;
    t->form = form == SPK_FORM_AUTO ? detect(first, with_scores) : form;
    if (t->form == SPK_FORM_AUTO)
        return spk_fail(SPK_E_FORMAT,
                        "%s:1: cannot tell what the line holds; %s are '%s', '%s' or '%s' (or say the form by option)",
                        t->path, with_scores ? "scores" : "trials", spk_form_line(SPK_FORM_ESPNET, with_scores),
                        spk_form_line(SPK_FORM_KALDI, with_scores),
                        with_scores ? spk_form_line(SPK_FORM_WESPEAKER, true)
                                    : spk_form_line(SPK_FORM_VOXCELEB, false));
    if (with_scores && t->form == SPK_FORM_VOXCELEB)
        return spk_fail(SPK_E_CONFIG, "%s: VoxCeleb's lists have no form for scores", t->path);
    return SPK_OK;
}

/* ---- the whole list ---- */

void spk__trial_list_clear_names(spk_trial_list *t)
{
    for (int64_t i = 0; i < t->n_names; i++)
        spk_free(t->name[i]);
    spk_free(t->name);
    spk_map_clear(&t->index);
    t->name = NULL;
    t->n_names = 0;
}

spk_status spk_trial_list_read(const char *path, spk_form form, bool with_scores, spk_trial_list *out)
{
    spk_status status;
    spk_list list;
    words w = {0};
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_list_read(path, SPK_LIST_NO_VALUE_OK | SPK_LIST_NO_INDEX, &list));
    const size_t n = (size_t)list.n + 1;
    out->path = spk_strdup(path);
    out->enroll = spk_new(sizeof *out->enroll * n);
    out->test = spk_new(sizeof *out->test * n);
    out->line = spk_new(sizeof *out->line * n);
    out->label = spk_new(n);
    if (with_scores) out->score = spk_new(sizeof *out->score * n);
    if (list.n == 0) SPK_GO(spk_fail(SPK_E_VALUE, "%s: the list is empty", path));
    for (int64_t i = 0; i < list.n; i++) {
        split(&list.entry[i], &w);
        if (i == 0) SPK_GO(settle_form(out, &w, form));
        SPK_GO(take_line(out, &w, list.entry[i].line));
    }
    SPK_GO(spk__trial_list_check_repeated(out));
done:
    spk_free(w.text);
    spk_list_clear(&list);
    if (status != SPK_OK) spk_trial_list_clear(out);
    return status;
}

void spk_trial_list_clear(spk_trial_list *t)
{
    spk__trial_list_clear_names(t);
    spk_free(t->path);
    spk_free(t->enroll);
    spk_free(t->test);
    spk_free(t->line);
    spk_free(t->label);
    spk_free(t->score);
    memset(t, 0, sizeof *t);
}
