/* SPDX-License-Identifier: Apache-2.0 */
/* Files that say in seconds where somebody speaks: RTTM, Kaldi's segments, lab files. */
#include <string.h>

#include "data/speech_impl.h"

enum { LONGEST = 10 }; /* words of a line that are looked at */

void spk__speech_parts_clear(spk_speech_parts *p)
{
    spk_list_clear(&p->list);
    spk_map_clear(&p->first);
    spk_free(p->v);
    *p = (spk_speech_parts){0};
}

/* `id` must live as long as p. Parts of an utterance are chained behind its first one; their order does not matter. */
static void add(spk_speech_parts *p, const char *id, double begin, double end, int64_t line)
{
    int64_t first = -1;
    const int64_t i = p->n;
    SPK_PUSH(p->v, p->n) = (spk_speech_part){begin, end, line, -1};
    if (!spk_map_get(&p->first, id, &first)) {
        spk_map_put(&p->first, id, i);
        return;
    }
    p->v[i].next = p->v[first].next;
    p->v[first].next = i;
}

/* Cut the text in place at white space: the number of words, of which at most LONGEST are told. */
static int split(char *text, char *word[LONGEST])
{
    int n = 0;
    char *rest = NULL;
    for (char *w = strtok_r(text, " \t", &rest); w && n < LONGEST; w = strtok_r(NULL, " \t", &rest))
        word[n++] = w;
    return n;
}

static bool seconds(const char *begin, const char *end, double *b, double *e)
{
    return spk_parse_double(begin, b) && spk_parse_double(end, e) && *b >= 0 && *b < 1e9 && *e < 1e9;
}

/* The value of an entry, which lies in the list's own buffer, so that names cut out of it live on. */
static char *value_of(const spk_list_entry *e)
{
    return (char *)(uintptr_t)e->value;
}

/* "SPEAKER UTT 1 BEGIN SECONDS ..."; lines of other kinds tell of speakers, not of speech. */
static spk_status take_rttm(spk_speech_parts *p, const spk_list_entry *e)
{
    char *word[LONGEST];
    double begin, length;
    if (strcmp(e->key, "SPEAKER") != 0) return SPK_OK;
    if (split(value_of(e), word) < 4 || !seconds(word[2], word[3], &begin, &length) || !(length >= 0))
        return spk_fail(SPK_E_FORMAT, "%s:%lld: a line of RTTM is 'SPEAKER utterance channel begin seconds ...'",
                        p->list.path, (long long)e->line);
    add(p, word[0], begin, begin + length, e->line);
    return SPK_OK;
}

static spk_status take_segment(spk_speech_parts *p, const spk_list_entry *e)
{
    char *word[LONGEST];
    double begin, end;
    if (split(value_of(e), word) != 3 || !seconds(word[1], word[2], &begin, &end) || !(end == -1 || end > begin))
        return spk_fail(
            SPK_E_FORMAT,
            "%s:%lld: a line is neither of RTTM ('SPEAKER ...') nor a segment 'segment utterance begin end', in "
            "seconds with begin before end",
            p->list.path, (long long)e->line);
    add(p, word[0], begin, end, e->line);
    return SPK_OK;
}

static bool is_silence(const char *label)
{
    static const char *const none[] = {"sil", "silence", "nonspeech", "non-speech", "nsp", "noise", "music"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strcmp(label, none[i]) == 0) return true;
    return false;
}

static spk_status take_lab(spk_speech_parts *p, const spk_list_entry *e)
{
    char *word[LONGEST];
    double begin, end;
    const int n = split(value_of(e), word);
    if (n < 1 || !seconds(e->key, word[0], &begin, &end) || !(end > begin))
        return spk_fail(SPK_E_FORMAT, "%s:%lld: a line is 'begin end [label]', in seconds with begin before end",
                        p->list.path, (long long)e->line);
    if (n < 2 || !is_silence(word[1])) add(p, "", begin, end, e->line);
    return SPK_OK;
}

static spk_status read_lines(const char *path, int flags,
                             spk_status (*take)(spk_speech_parts *, const spk_list_entry *), spk_speech_parts *out)
{
    spk_status status = spk_list_read(path, flags, &out->list);
    for (int64_t i = 0; status == SPK_OK && i < out->list.n; i++)
        status = take(out, &out->list.entry[i]);
    if (status != SPK_OK) spk__speech_parts_clear(out);
    return status;
}

spk_status spk__speech_parts_read(const char *path, spk_speech_parts *out)
{
    enum { ANY = SPK_LIST_DUPLICATES_OK | SPK_LIST_NO_VALUE_OK };
    spk_list look = {0};
    *out = (spk_speech_parts){0};
    SPK_TRY(spk_list_read(path, ANY, &look));
    bool rttm = spk_ends_with(path, ".rttm");
    for (int64_t i = 0; i < look.n && !rttm; i++) {
        if (spk_starts_with(look.entry[i].key, ";;")) continue; /* a comment of RTTM */
        rttm = strcmp(look.entry[i].key, "SPEAKER") == 0 || strcmp(look.entry[i].key, "SPKR-INFO") == 0;
        break;
    }
    const bool is_empty = look.n == 0;
    spk_list_clear(&look);
    if (is_empty) return spk_fail(SPK_E_FORMAT, "%s: is empty; it says nowhere that somebody speaks", path);
    return rttm ? read_lines(path, ANY, take_rttm, out) : read_lines(path, 0, take_segment, out);
}

spk_status spk__speech_lab_read(const char *path, spk_speech_parts *out)
{
    *out = (spk_speech_parts){0};
    return read_lines(path, SPK_LIST_DUPLICATES_OK, take_lab, out);
}
