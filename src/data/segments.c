/* SPDX-License-Identifier: Apache-2.0 */
/* Kaldi's `segments`: utterances that are parts of recordings. */
#include "data/lists_impl.h"

#include <string.h>

spk_status spk__segment_take(const spk_list *segments, const spk_list_entry *e, const spk_list *wav, spk_text *out)
{
    spk_status status = SPK_OK;
    char *line = spk_strdup(e->value), *rest = NULL;
    const char *recording = strtok_r(line, " \t", &rest), *begin = strtok_r(NULL, " \t", &rest),
               *end = strtok_r(NULL, " \t", &rest);
    double from, to;
    if (!end || strtok_r(NULL, " \t", &rest) || !spk_parse_double(begin, &from) || !spk_parse_double(end, &to) ||
        !(from >= 0) || !(to == -1 || to > from) || !(to < 1e9))
        SPK_GO(spk_fail(SPK_E_FORMAT,
                        "%s:%lld: a segment is 'utterance recording begin end', in seconds with begin before end",
                        segments->path, (long long)e->line));
    const char *value = spk_list_get(wav, recording);
    if (!value)
        SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: recording '%s' of '%s' is not in %s", segments->path,
                        (long long)e->line, recording, e->key, wav->path));
    spk_text_addf(out, "%s %s[%s:%s]\n", e->key, value, begin, end);
done:
    spk_free(line);
    return status;
}

spk_status spk__segments_apply(const char *folder, spk_list *wav)
{
    spk_status status = SPK_OK;
    spk_list segments = {0}, made = {0};
    spk_text text = {0};
    char *path = spk_path_join(folder, "segments");
    if (!spk_exists(path)) goto done;
    SPK_GO(spk_list_read(path, 0, &segments));
    for (int64_t i = 0; i < segments.n; i++)
        SPK_GO(spk__segment_take(&segments, &segments.entry[i], wav, &text));
    if (segments.n == 0) SPK_GO(spk_fail(SPK_E_FORMAT, "%s: names no utterance", path));
    const spk_text whole = text;
    text = (spk_text){0};
    SPK_GO(spk_list_parse(whole.s, whole.n, path, 0, &made)); /* takes the text; lines are those of `segments` */
    spk_list_clear(wav);
    *wav = made;
    made = (spk_list){0};
done:
    spk_text_clear(&text);
    spk_list_clear(&segments);
    spk_list_clear(&made);
    spk_free(path);
    return status;
}
