/* SPDX-License-Identifier: Apache-2.0 */
/* Trials of a data folder, and folds of its speakers for cross-validation (prep_impl.h). */
#define _XOPEN_SOURCE 700 /* realpath */
#include "data/prep_impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "data/trial_draw_impl.h"
#include "formats/list_impl.h"

enum { DRAW_SPEAKERS = 0 }; /* a stream of SPK_PURPOSE_TRIALS; trial_draw.c has the others */

struct split {
    const spk_split_options *o;
    spk_datadir in;
    int64_t *sex; /* of each speaker of `in`: 0 or 1; NULL: not known */
    bool *chosen; /* of each speaker: takes part in the trials */
    spk_datadir valid;
    int64_t *valid_sex, *session; /* of valid's speakers, of its utterances */
    spk_trial_draw trials;
};

/* ---- what is known of speakers and utterances ---- */

/* f or m, by the first letter in any case. */
static spk_status read_sexes(struct split *s)
{
    spk_status status = SPK_OK;
    spk_list list = {0};
    char *path = spk_path_join(s->o->input, "spk2gender");
    if (!spk_exists(path)) {
        if (s->o->same_sex)
            status = spk_fail(SPK_E_IO, "%s: is not there, and --same_sex needs it ('SPEAKER f' or 'SPEAKER m' a line)",
                              path);
        goto done;
    }
    SPK_GO(spk_list_read(path, 0, &list));
    s->sex = spk_new(sizeof *s->sex * (size_t)(s->in.n_speakers + 1));
    for (int64_t i = 0; i < s->in.n_speakers; i++) {
        const int64_t at = spk_list_find(&list, s->in.speaker[i]);
        if (at < 0) SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: speaker '%s' is not in it", path, s->in.speaker[i]));
        const int letter = tolower((unsigned char)list.entry[at].value[0]);
        if (letter != 'f' && letter != 'm')
            SPK_GO(spk_fail(SPK_E_FORMAT, "%s:%lld: '%s' of speaker '%s' is neither f nor m", path,
                            (long long)list.entry[at].line, list.entry[at].value, s->in.speaker[i]));
        s->sex[i] = letter == 'm';
    }
done:
    spk_list_clear(&list);
    spk_free(path);
    return status;
}

/* The first n parts of an id, between slashes or, where it has none, between dashes: their length. */
static size_t first_parts(const char *id, int64_t n)
{
    const char between = strchr(id, '/') ? '/' : '-';
    const char *p = id;
    for (; *p; p++)
        if (*p == between && --n == 0) break;
    return (size_t)(p - id);
}

static spk_status find_sessions(struct split *s)
{
    spk_status status = SPK_OK;
    spk_list list = {0};
    spk_map seen = {0};
    char *path = spk_path_join(s->o->input, "utt2sess"), **word = NULL;
    int64_t n = 0;
    if (!s->o->utt2sess && s->o->session_parts == 0) goto done;
    if (s->o->utt2sess) SPK_GO(spk_list_read(path, 0, &list));
    s->session = spk_new(sizeof *s->session * (size_t)(s->valid.n + 1));
    for (int64_t i = 0; i < s->valid.n; i++) {
        const char *id = s->valid.item[i].id, *named = s->o->utt2sess ? spk_list_get(&list, id) : id;
        if (!named) SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: utterance '%s' is not in it", path, id));
        char *own = s->o->utt2sess ? spk_strdup(named) : spk_strndup(id, first_parts(id, s->o->session_parts));
        SPK_PUSH(word, n) = own;
        if (!spk_map_get(&seen, own, &s->session[i])) {
            s->session[i] = (int64_t)seen.n;
            spk_map_put(&seen, own, s->session[i]);
        }
    }
done:
    spk_map_clear(&seen);
    spk__prep_free_names(word, n);
    spk_list_clear(&list);
    spk_free(path);
    return status;
}

/* ---- who takes part ---- */

/* All speakers in random order; with sexes, one behind the other. */
static int64_t *deal(const struct split *s)
{
    const int64_t n = s->in.n_speakers;
    int64_t *order = spk_new(sizeof *order * (size_t)(n + 1)), *sorted = spk_new(sizeof *sorted * (size_t)(n + 1)),
            k = 0;
    spk_rng r = spk_rng_make(s->o->seed, SPK_PURPOSE_TRIALS, DRAW_SPEAKERS, 0, 0);
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    spk_rng_shuffle(&r, order, n);
    for (int64_t sex = 0; sex < 2; sex++)
        for (int64_t i = 0; i < n; i++)
            if ((s->sex ? s->sex[order[i]] : 0) == sex) sorted[k++] = order[i];
    spk_free(order);
    return sorted;
}

static spk_status choose_listed(struct split *s)
{
    spk_status status;
    spk_list list = {0};
    spk_map index = {0};
    int64_t at;
    SPK_GO(spk_list_read(s->o->speakers, SPK_LIST_NO_VALUE_OK, &list));
    for (int64_t i = 0; i < s->in.n_speakers; i++)
        spk_map_put(&index, s->in.speaker[i], i);
    for (int64_t i = 0; i < list.n; i++) {
        if (!spk_map_get(&index, list.entry[i].key, &at))
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: speaker '%s' is not in %s/utt2spk", s->o->speakers,
                            (long long)list.entry[i].line, list.entry[i].key, s->o->input));
        s->chosen[at] = true;
    }
done:
    spk_map_clear(&index);
    spk_list_clear(&list);
    return status;
}

static spk_status choose(struct split *s)
{
    const spk_split_options *o = s->o;
    const int64_t n = s->in.n_speakers;
    s->chosen = spk_new(sizeof *s->chosen * (size_t)(n + 1));
    if (o->speakers) return choose_listed(s);
    if (o->n_folds > 0 && (o->fold < 1 || o->fold > o->n_folds || o->n_folds < 2 || n < 2 * o->n_folds))
        return spk_fail(
            SPK_E_VALUE,
            "fold %lld of %lld: K/N needs 1 <= K <= N, at least 2 folds, and at least 2 speakers a fold (%s has "
            "%lld)",
            (long long)o->fold, (long long)o->n_folds, o->input, (long long)n);
    if (o->n_speakers > n)
        return spk_fail(SPK_E_VALUE, "%s: has %lld speakers, and %lld are wanted", o->input, (long long)n,
                        (long long)o->n_speakers);
    int64_t *order = deal(s);
    /* So many of N speakers are a fold too: every N / n_speakers-th of both sexes. */
    for (int64_t i = 0; i < n; i++)
        s->chosen[order[i]] = o->n_folds > 0      ? i % o->n_folds == o->fold - 1
                              : o->n_speakers > 0 ? (i + 1) * o->n_speakers / n > i * o->n_speakers / n
                                                  : true;
    spk_free(order);
    return SPK_OK;
}

/* ---- trials ---- */

static void take_sexes(struct split *s)
{
    int64_t k = 0;
    if (!s->o->same_sex) return;
    s->valid_sex = spk_new(sizeof *s->valid_sex * (size_t)(s->valid.n_speakers + 1));
    for (int64_t i = 0; i < s->in.n_speakers; i++) /* both in byte order */
        if (s->chosen[i]) s->valid_sex[k++] = s->sex[i];
}

static spk_status draw_trials(struct split *s)
{
    const spk_split_options *o = s->o;
    spk_datadir_select(&s->in, s->chosen, &s->valid);
    take_sexes(s);
    SPK_TRY(find_sessions(s));
    const spk_trial_pool pool = {s->valid.n, s->valid.n_speakers, s->valid.speaker_of, s->valid_sex, s->session};
    const spk_trial_rules rules = {o->targets, o->max_targets, o->nontarget_ratio, o->balanced, o->seed};
    spk_trials_draw(&pool, &rules, &s->trials);
    if (s->trials.n_targets == 0 || s->trials.n == s->trials.n_targets)
        return spk_fail(
            SPK_E_VALUE,
            "%s: among %lld speakers with %lld utterances there is no %starget trial by these rules; an error "
            "rate needs both kinds",
            o->input, (long long)s->valid.n_speakers, (long long)s->valid.n, s->trials.n_targets == 0 ? "" : "non");
    if (s->trials.n_lacking > 0)
        spk_warn("prep", "%lld of %lld speakers have fewer than %lld target trials", (long long)s->trials.n_lacking,
                 (long long)s->valid.n_speakers, (long long)o->targets);
    const double got = (double)(s->trials.n - s->trials.n_targets),
                 wanted = (double)s->trials.n_targets * o->nontarget_ratio;
    if (got + 1 < wanted)
        spk_warn("prep", "there are only %.0f nontarget trials by these rules, not %.0f", got, wanted);
    return SPK_OK;
}

/* ---- folders ---- */

static bool is_same_folder(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    const bool same = x && y && strcmp(x, y) == 0;
    spk_free(x);
    spk_free(y);
    return same;
}

static spk_status write_set(const struct split *s, const spk_datadir *set, const char *folder, spk_prep_out *out,
                            spk_prep_report *report)
{
    spk__prep_write(set, "", folder, out, report);
    return spk_datadir_write_others(set, s->o->input, false, out, folder);
}

static spk_status write_all(const struct split *s, spk_prep_report *report)
{
    const spk_split_options *o = s->o;
    spk_status status;
    spk_prep_out out = {.overwrite = o->overwrite};
    spk_datadir train = {0};
    bool *rest = spk_new(sizeof *rest * (size_t)(s->in.n_speakers + 1));
    char *train_dir = spk_path_join(o->output, "train"),
         *valid_dir = o->n_folds > 0 ? spk_path_join(o->output, "valid") : spk_strdup(o->output);
    for (int64_t i = 0; i < s->in.n_speakers; i++)
        rest[i] = !s->chosen[i];
    if (o->n_folds > 0) {
        spk_datadir_select(&s->in, rest, &train);
        SPK_GO(write_set(s, &train, train_dir, &out, report));
    }
    if (is_same_folder(o->input, valid_dir)) /* trials beside the lists, which stay */
        spk__prep_row(report, &s->valid, "", valid_dir);
    else
        SPK_GO(write_set(s, &s->valid, valid_dir, &out, report));
    spk_datadir_write_trials(&s->valid, s->trials.pair, s->trials.n, &out, valid_dir);
    report->row[report->n - 1].n_trials = s->trials.n;
    report->row[report->n - 1].n_targets = s->trials.n_targets;
    SPK_GO(spk_prep_out_commit(&out));
done:
    spk_prep_out_clear(&out);
    spk_datadir_clear(&train);
    spk_free(rest);
    spk_free(train_dir);
    spk_free(valid_dir);
    return status;
}

spk_status spk_prep_split(const spk_split_options *o, spk_prep_report *report)
{
    spk_status status;
    struct split s = {.o = o};
    *report = (spk_prep_report){0};
    SPK_GO(spk_datadir_read(o->input, &s.in));
    SPK_GO(read_sexes(&s));
    SPK_GO(choose(&s));
    SPK_GO(draw_trials(&s));
    SPK_GO(write_all(&s, report));
done:
    spk_datadir_clear(&s.in);
    spk_datadir_clear(&s.valid);
    spk_free(s.sex);
    spk_free(s.chosen);
    spk_free(s.valid_sex);
    spk_free(s.session);
    spk_free(s.trials.pair);
    if (status != SPK_OK) spk_prep_report_clear(report);
    return status;
}
