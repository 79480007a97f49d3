/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a data folder: findings, the order of the checks, and the copy without faults (check_impl.h). */
#include "data/check_impl.h"

#include <stdlib.h>
#include <string.h>

#include "data/prep_impl.h"

/* ---- findings ---- */

static void keep(spk__check *c, bool error, char *text)
{
    const struct spk_finding f = {text, error};
    SPK_PUSH(c->r->finding, c->r->n) = f;
    if (error)
        c->r->n_errors++;
    else
        c->r->n_warnings++;
}

void spk__check_say(spk__check *c, bool error, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    keep(c, error, spk_strdup(text));
}

static void say_wrong(void *user, const char *message)
{
    keep(user, true, spk_strdup(message));
}

spk_status spk__check_read(spk__check *c, const char *name, int flags, spk_list *list, bool *there)
{
    char *path = spk_path_join(c->o->dir, name);
    *there = spk_exists(path);
    const spk_status status = *there ? spk_list_read_leniently(path, flags, say_wrong, c, list) : SPK_OK;
    spk_free(path);
    return status;
}

void spk_check_report_clear(spk_check_report *r)
{
    for (int64_t i = 0; i < r->n; i++)
        spk_free(r->finding[i].text);
    spk_free(r->finding);
    spk_free(r->rate);
    *r = (spk_check_report){0};
}

const char *spk__check_speaker(const spk__check *c, const char *utterance)
{
    return spk_list_get(&c->utt2spk, utterance);
}

/* ---- speakers of another set ---- */

/* The speakers of a folder: first words of spk2utt, or the values of utt2spk. */
static spk_status check_against(spk__check *c, const char *other)
{
    spk_status status;
    spk_list list = {0};
    spk_map theirs = {0}, told = {0};
    int64_t line;
    char *path = spk_path_join(other, "utt2spk");
    SPK_GO(spk_list_read_leniently(path, 0, NULL, NULL, &list));
    for (int64_t i = 0; i < list.n; i++)
        spk_map_put(&theirs, list.entry[i].value, list.entry[i].line);
    for (int64_t i = 0; i < c->utt2spk.n; i++) {
        const spk_list_entry *e = &c->utt2spk.entry[i];
        if (spk_map_get(&theirs, e->value, &line) && spk_map_put(&told, e->value, 1))
            spk__check_say(c, true, "%s:%lld: speaker '%s' is in %s:%lld too", c->utt2spk.path, (long long)e->line,
                           e->value, path, (long long)line);
    }
done:
    spk_map_clear(&theirs);
    spk_map_clear(&told);
    spk_list_clear(&list);
    spk_free(path);
    return status;
}

/* ---- the whole ---- */

static spk_status run(spk__check *c)
{
    if (!spk_is_folder(c->o->dir)) return spk_fail(SPK_E_IO, "%s: there is no such data folder", c->o->dir);
    SPK_TRY(spk__check_lists(c));
    SPK_TRY(spk__check_trials(c));
    if (!c->has_wav && !c->has_espnet)
        spk__check_say(c, true, "%s: holds neither wav.scp, feats.scp nor trial.scp", c->o->dir);
    for (int64_t i = 0; i < c->o->n_against; i++)
        SPK_TRY(check_against(c, c->o->against[i]));
    return spk__check_sounds(c);
}

static void clear(spk__check *c)
{
    spk_list *const lists[] = {&c->wav,    &c->segments,    &c->utt2spk, &c->spk2utt, &c->trial,
                               &c->trial2, &c->trial_label, &c->trials,  &c->made};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        spk_list_clear(lists[i]);
    for (int64_t i = 0; i < c->n_pairs; i++) {
        spk_free(c->pair[i].a);
        spk_free(c->pair[i].b);
    }
    spk_free(c->pair);
    spk_free(c->item);
    spk_map_clear(&c->index);
    spk_text_clear(&c->parts);
    spk__paths_clear(&c->paths);
}

spk_status spk_check_folder(const spk_check_options *o, spk_check_report *report)
{
    spk__check c = {.o = o, .r = report, .paths = {.allow_pipes = true}};
    *report = (spk_check_report){0};
    const spk_status status = run(&c);
    clear(&c);
    if (status != SPK_OK) spk_check_report_clear(report);
    return status;
}

/* ---- the copy ---- */

static spk_status gather_good(spk__check *c, spk_datadir *set)
{
    for (int64_t i = 0; i < c->n; i++) {
        const spk__check_item *it = &c->item[i];
        const char *speaker = spk__check_speaker(c, it->key);
        if (it->bad || !speaker) continue;
        int64_t at;
        if (!spk_map_get(&c->paths.seen, it->value, &at)) continue; /* was not found: a finding */
        char *source = spk_datadir_absolute(c->paths.path[at]);
        spk_datadir_add(set, it->key, speaker, source);
        spk_free(source);
    }
    SPK_TRY(spk_datadir_sort(set));
    if (set->n > 0) return SPK_OK;
    return spk_fail(SPK_E_VALUE, "%s: no utterance is left", c->o->dir);
}

/* Trials of two good utterances with a label, each pair once. */
static void write_good_trials(const spk__check *c, const spk_datadir *set, spk_prep_out *out, const char *output)
{
    spk_pair *pair = spk_new(sizeof *pair * (size_t)(c->n_pairs + 1));
    char **key = NULL;
    spk_map seen = {0};
    int64_t n = 0, n_keys = 0;
    for (int64_t i = 0; i < c->n_pairs; i++) {
        const spk__check_trial *t = &c->pair[i];
        if (t->label < 0 || !spk_map_get(&set->index, t->a, &pair[n].a) ||
            !spk_map_get(&set->index, t->b, &pair[n].b) || pair[n].a == pair[n].b)
            continue;
        pair[n].target = t->label == 1;
        const bool other_way = pair[n].a > pair[n].b;
        char *both = spk_strf("%s*%s", other_way ? t->b : t->a, other_way ? t->a : t->b);
        SPK_PUSH(key, n_keys) = both;
        n += spk_map_put(&seen, both, i);
    }
    if (n > 0) spk_datadir_write_trials(set, pair, n, out, output);
    spk_map_clear(&seen);
    spk__prep_free_names(key, n_keys);
    spk_free(pair);
}

spk_status spk_check_fix(const spk_check_options *o, const char *output, bool overwrite, spk_check_report *report)
{
    spk_status status;
    spk__check c = {.o = o, .r = report, .paths = {.allow_pipes = true}};
    spk_datadir set = {0};
    spk_prep_out out = {.overwrite = overwrite};
    *report = (spk_check_report){0};
    SPK_GO(run(&c));
    if (!c.has_wav || c.features)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: has no wav.scp, so there is nothing to make a copy of", o->dir));
    if (!c.has_utt2spk) SPK_GO(spk_fail(SPK_E_VALUE, "%s: has no utt2spk; speakers cannot be guessed", o->dir));
    SPK_GO(gather_good(&c, &set));
    spk_datadir_write(&set, &out, output);
    SPK_GO(spk_datadir_write_others(&set, o->dir, true, &out, output));
    write_good_trials(&c, &set, &out, output);
    SPK_GO(spk_prep_out_commit(&out));
done:
    spk_datadir_clear(&set);
    spk_prep_out_clear(&out);
    clear(&c);
    if (status != SPK_OK) spk_check_report_clear(report);
    return status;
}
