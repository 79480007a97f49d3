/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training on whole utterances, as raw data are passed in ESPnet with use_preprocessor false: what is read is the file from
 * end to end, and labels are numbers of classes.
 */
#include "data/train_set_impl.h"

#include <inttypes.h>
#include <string.h>

/* ---- labels ---- */

/* Without names the classes are called by their numbers. */
static void number_classes(spk_train_set *s)
{
    for (int64_t c = 0; c < s->o.spk_num; c++) {
        char *name = spk_strf("%" PRId64, c);
        SPK_PUSH(s->own_name, s->n_own_names) = name;
        SPK_PUSH(s->speaker, s->n_speakers) = name;
    }
}

static spk_status take_index(spk_train_set *s, const spk_list *list, int64_t i)
{
    const spk_list_entry *e = &list->entry[spk_list_find(list, s->id[i])];
    int64_t label;
    if (!spk_parse_int(e->value, &label))
        return spk_fail(SPK_E_VALUE,
                        "%s:%" PRId64 ": the label of '%s' is '%s'; with use_preprocessor false labels are numbers "
                        "of classes from 0 on, not names",
                        list->path, e->line, e->key, e->value);
    if (label < 0 || label >= s->n_speakers)
        return spk_fail(SPK_E_VALUE,
                        "%s:%" PRId64 ": the label of '%s' is %" PRId64 "; with %" PRId64
                        " classes (spk_num) they are 0 to %" PRId64,
                        list->path, e->line, e->key, label, s->n_speakers, s->n_speakers - 1);
    s->label[i] = label;
    return SPK_OK;
}

spk_status spk__train_set_indices(spk_train_set *s)
{
    if (s->n_speakers == 0) number_classes(s);
    for (int64_t k = 0; k < s->n_splits; k++)
        for (int64_t i = s->split_first[k]; i < s->split_first[k + 1]; i++)
            SPK_TRY(take_index(s, &s->utt2spk[k], i));
    return SPK_OK;
}

/* ---- lengths ---- */

spk_status spk__train_set_measure(spk_train_set *s)
{
    spk_status status = SPK_OK;
    s->length = spk_new(sizeof *s->length * (size_t)s->n);
    spk_audio_lengths(s->path, s->n, &s->o.audio, spk_cpu_count(), s->length);
    spk_audio_reader *r = spk_audio_reader_new(&s->o.audio);
    for (int64_t i = 0; i < s->n; i++) {
        if (s->length[i] > 0) continue;
        status = spk_audio_open(r, s->path[i], &s->length[i]); /* for the reason */
        if (status == SPK_OK) continue;
        if (s->o.max_bad_files == 0) SPK_GO(spk_fail_in(status, "utterance '%s'", s->id[i]));
        status = SPK_OK;
        s->length[i] = s->T; /* training will meet it */
    }
done:
    spk_audio_reader_free(r);
    return status;
}

/* A little more than the longest, from few values: an eighth of a power of two apart, and a quarter of a second at least. */
static int64_t round_up(const spk_train_set *s, int64_t longest)
{
    int64_t step = 1;
    const int64_t least = s->o.audio.sample_rate / 4;
    if (longest < least) longest = least;
    while (step * 16 <= longest)
        step *= 2;
    return (longest + step - 1) / step * step;
}

int64_t spk__whole_room(const spk_train_set *s, const int64_t *items, int64_t n)
{
    int64_t longest = 0;
    bool equal = true;
    for (int64_t i = 0; i < n; i++) {
        equal = equal && s->length[items[i]] == s->length[items[0]];
        longest = s->length[items[i]] > longest ? s->length[items[i]] : longest;
    }
    return equal ? longest : round_up(s, longest);
}

/* ---- reading ---- */

spk_status spk__whole_read(const spk_train_set *s, spk_audio_reader *reader, int64_t u, const spk__whole_part *part)
{
    int64_t L = 0, from = part->from, n;
    spk_status status;
    SPK_GO(spk_audio_open(reader, s->path[u], &L));
    if (L != s->length[u] && !part->stands_in)
        SPK_GO(spk_fail(SPK_E_FORMAT,
                        "%s: has %" PRId64 " samples and had %" PRId64 " when the training data were opened",
                        s->path[u], L, s->length[u]));
    if (from + part->T > L && part->stands_in) from = 0;
    n = L - from < part->T ? L - from : part->T;
    SPK_GO(spk_audio_part(reader, from, n, part->dst));
    memset(part->dst + n * s->width, 0, sizeof *part->dst * (size_t)((part->T - n) * s->width));
    *part->length = n;
done:
    spk_audio_shut(reader);
    return status == SPK_OK ? SPK_OK : spk_fail_in(status, "utterance '%s'", s->id[u]);
}
