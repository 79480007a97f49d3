/* SPDX-License-Identifier: Apache-2.0 */
/* A data folder's lists for themselves and against each other: order, keys, speakers, segments, lengths (check_impl.h). */
#include "data/check_impl.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "data/datadir_impl.h"
#include "data/prep_impl.h"
#include "data/tree_scan_impl.h"

/* ---- one list ---- */

static void check_sorted(spk__check *c, const spk_list *list)
{
    int64_t n = 0, first = -1;
    for (int64_t i = 1; i < list->n; i++)
        if (strcmp(list->entry[i - 1].key, list->entry[i].key) > 0) {
            if (first < 0) first = i;
            n++;
        }
    if (n > 0)
        spk__check_say(c, true,
                       "%s:%lld: '%s' stands behind '%s': the list is not sorted in byte order (LC_ALL=C sort)%s",
                       list->path, (long long)list->entry[first].line, list->entry[first].key,
                       list->entry[first - 1].key, n > 1 ? ", here first" : "");
    if (list->n == 0) spk__check_say(c, true, "%s: is empty", list->path);
}

static bool is_one_word(const char *s)
{
    return s[0] && s[strcspn(s, " \t")] == '\0';
}

/* ---- utterances ---- */

static void add_item(spk__check *c, const spk_list_entry *e, const spk_list *from, int64_t line)
{
    const spk__check_item it = {e->key, e->value, from, line, false};
    if (spk_map_put(&c->index, e->key, c->n)) SPK_PUSH(c->item, c->n) = it;
}

/* Utterances are the lines of wav.scp, or parts of them. */
static spk_status take_utterances(spk__check *c)
{
    if (!c->has_segments) {
        for (int64_t i = 0; i < c->wav.n; i++)
            add_item(c, &c->wav.entry[i], &c->wav, c->wav.entry[i].line);
        return SPK_OK;
    }
    int64_t n_good = 0;
    int64_t *line = spk_new(sizeof *line * (size_t)(c->segments.n + 1));
    for (int64_t i = 0; i < c->segments.n; i++) {
        if (spk__segment_take(&c->segments, &c->segments.entry[i], &c->wav, &c->parts) == SPK_OK)
            line[n_good++] = c->segments.entry[i].line;
        else
            spk__check_say(c, true, "%s", spk_errmsg());
    }
    const spk_text whole = c->parts;
    c->parts = (spk_text){0};
    const spk_status status =
        whole.n > 0 ? spk_list_parse(whole.s, whole.n, c->segments.path, 0, &c->made) : SPK_OK; /* takes the text */
    for (int64_t i = 0; status == SPK_OK && i < c->made.n; i++)
        add_item(c, &c->made.entry[i], &c->segments, line[i]);
    spk_free(line);
    return status;
}

/* ---- speakers ---- */

static void check_speaker_order(spk__check *c)
{
    const spk_list *list = &c->utt2spk;
    for (int64_t i = 1; i < list->n; i++) {
        const spk_list_entry *a = &list->entry[i - 1], *b = &list->entry[i];
        if (strcmp(a->key, b->key) >= 0 || strcmp(a->value, b->value) <= 0) continue;
        spk__check_say(
            c, false,
            "%s:%lld: sorted by utterance, the speakers are not sorted ('%s' behind '%s'); Kaldi wants each id to "
            "begin with its speaker",
            list->path, (long long)b->line, b->value, a->value);
        return;
    }
}

static void check_utt2spk(spk__check *c)
{
    spk_map speakers = {0};
    if (!c->has_utt2spk) {
        if (c->has_wav && !c->has_espnet)
            spk__check_say(c, true, "%s: has no utt2spk ('UTTERANCE SPEAKER' a line)", c->o->dir);
        return;
    }
    check_sorted(c, &c->utt2spk);
    for (int64_t i = 0; i < c->utt2spk.n; i++) {
        const spk_list_entry *e = &c->utt2spk.entry[i];
        int64_t at;
        spk_map_put(&speakers, e->value, i);
        if (!is_one_word(e->value))
            spk__check_say(c, true, "%s:%lld: the speaker of '%s' is '%s'; a name is one word", c->utt2spk.path,
                           (long long)e->line, e->key, e->value);
        if (c->has_wav && !spk_map_get(&c->index, e->key, &at))
            spk__check_say(c, true, "%s:%lld: '%s' is not in %s", c->utt2spk.path, (long long)e->line, e->key,
                           c->has_segments ? c->segments.path : c->wav.path);
    }
    for (int64_t i = 0; i < c->n; i++) {
        spk__check_item *it = &c->item[i];
        const char *speaker = spk__check_speaker(c, it->key);
        it->bad = it->bad || !speaker || !is_one_word(speaker);
        if (!speaker)
            spk__check_say(c, true, "%s:%lld: '%s' is not in %s", it->from->path, (long long)it->line, it->key,
                           c->utt2spk.path);
    }
    c->r->n_speakers = (int64_t)speakers.n;
    spk_map_clear(&speakers);
    check_speaker_order(c);
}

/* A line of spk2utt: each utterance is that speaker's, and stands once. */
static void check_spk2utt_line(spk__check *c, const spk_list_entry *e, spk_map *seen)
{
    char *line = spk_strdup(e->value), *rest = NULL;
    int64_t before;
    for (const char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        const int64_t at = spk_list_find(&c->utt2spk, word);
        const char *speaker = at >= 0 ? c->utt2spk.entry[at].value : NULL;
        if (!speaker)
            spk__check_say(c, true, "%s:%lld: utterance '%s' of speaker '%s' is not in %s", c->spk2utt.path,
                           (long long)e->line, word, e->key, c->utt2spk.path);
        else if (strcmp(speaker, e->key) != 0)
            spk__check_say(c, true, "%s:%lld: utterance '%s' of speaker '%s' is of '%s' in %s:%lld", c->spk2utt.path,
                           (long long)e->line, word, e->key, speaker, c->utt2spk.path,
                           (long long)c->utt2spk.entry[at].line);
        if (speaker && spk_map_get(seen, word, &before))
            spk__check_say(c, true, "%s:%lld: utterance '%s' stands on line %lld too", c->spk2utt.path,
                           (long long)e->line, word, (long long)before);
        else if (speaker)
            spk_map_put(seen, c->utt2spk.entry[at].key, e->line);
    }
    spk_free(line);
}

static void check_spk2utt(spk__check *c)
{
    spk_map seen = {0};
    int64_t line;
    if (!c->has_spk2utt) {
        if (c->has_utt2spk)
            spk__check_say(c, false, "%s: has no spk2utt; classes are then the speakers in byte order", c->o->dir);
        return;
    }
    check_sorted(c, &c->spk2utt);
    if (!c->has_utt2spk) return;
    for (int64_t i = 0; i < c->spk2utt.n; i++)
        check_spk2utt_line(c, &c->spk2utt.entry[i], &seen);
    for (int64_t i = 0; i < c->utt2spk.n; i++)
        if (!spk_map_get(&seen, c->utt2spk.entry[i].key, &line))
            spk__check_say(c, true, "%s:%lld: '%s' of '%s' is not in %s", c->utt2spk.path,
                           (long long)c->utt2spk.entry[i].line, c->utt2spk.entry[i].key, c->utt2spk.entry[i].value,
                           c->spk2utt.path);
    spk_map_clear(&seen);
}

/* ---- other lists ---- */

static void check_value(spk__check *c, const char *name, const spk_list *list, const spk_list_entry *e)
{
    double seconds;
    int64_t count;
    const char *wants = NULL;
    const int letter = tolower((unsigned char)e->value[0]);
    if (strcmp(name, "utt2dur") == 0 && (!spk_parse_double(e->value, &seconds) || !(seconds > 0) || isinf(seconds)))
        wants = "seconds above 0";
    else if ((strcmp(name, "utt2num_samples") == 0 || strcmp(name, "utt2num_frames") == 0) &&
             (!spk_parse_int(e->value, &count) || count < 1))
        wants = "a whole number above 0";
    else if (strcmp(name, "spk2gender") == 0 && letter != 'f' && letter != 'm')
        wants = "f or m";
    if (wants)
        spk__check_say(c, true, "%s:%lld: '%s' of '%s' is not %s", list->path, (long long)e->line, e->value, e->key,
                       wants);
}

static spk_status check_other(spk__check *c, const char *name, bool speakers)
{
    spk_list list = {0};
    spk_map names = {0};
    bool there;
    int64_t at;
    SPK_TRY(spk__check_read(c, name, SPK_LIST_NO_VALUE_OK, &list, &there));
    check_sorted(c, &list);
    for (int64_t i = 0; i < c->utt2spk.n; i++)
        spk_map_put(&names, speakers ? c->utt2spk.entry[i].value : c->utt2spk.entry[i].key, i);
    for (int64_t i = 0; i < list.n; i++) {
        if (c->has_utt2spk && !spk_map_get(&names, list.entry[i].key, &at))
            spk__check_say(c, true, "%s:%lld: %s '%s' is not in %s", list.path, (long long)list.entry[i].line,
                           speakers ? "speaker" : "utterance", list.entry[i].key, c->utt2spk.path);
        check_value(c, name, &list, &list.entry[i]);
    }
    spk_map told = {0};
    for (int64_t i = 0; i < c->utt2spk.n; i++) {
        const spk_list_entry *e = &c->utt2spk.entry[i];
        const char *key = speakers ? e->value : e->key;
        if (spk_list_find(&list, key) < 0 && spk_map_put(&told, key, 1))
            spk__check_say(c, true, "%s:%lld: %s '%s' is not in %s", c->utt2spk.path, (long long)e->line,
                           speakers ? "speaker" : "utterance", key, list.path);
    }
    spk_map_clear(&told);
    spk_map_clear(&names);
    spk_list_clear(&list);
    return SPK_OK;
}

static spk_status check_others(spk__check *c)
{
    char **names = NULL;
    int64_t n = 0;
    bool speakers = false;
    spk_status status = spk__folder_names(c->o->dir, &names, &n);
    for (int64_t i = 0; i < n && status == SPK_OK; i++)
        if (spk_datadir_is_other(names[i], &speakers)) status = check_other(c, names[i], speakers);
    spk__prep_free_names(names, n);
    return status;
}

spk_status spk__check_lists(spk__check *c)
{
    SPK_TRY(spk__check_read(c, "wav.scp", 0, &c->wav, &c->has_wav));
    if (!c->has_wav) {
        SPK_TRY(spk__check_read(c, "feats.scp", 0, &c->wav, &c->features));
        c->has_wav = c->features;
    }
    if (c->has_wav) check_sorted(c, &c->wav);
    if (!c->features) SPK_TRY(spk__check_read(c, "segments", 0, &c->segments, &c->has_segments));
    if (c->has_segments) check_sorted(c, &c->segments);
    SPK_TRY(take_utterances(c));
    c->r->n_utterances = c->n;
    SPK_TRY(spk__check_read(c, "utt2spk", 0, &c->utt2spk, &c->has_utt2spk));
    SPK_TRY(spk__check_read(c, "spk2utt", 0, &c->spk2utt, &c->has_spk2utt));
    check_utt2spk(c);
    check_spk2utt(c);
    return check_others(c);
}
