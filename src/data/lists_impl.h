/* SPDX-License-Identifier: Apache-2.0 */
/* What training lists and trial lists have in common: the triples path,name,type and the paths of audio. */
#ifndef SPK_DATA_LISTS_IMPL_H
#define SPK_DATA_LISTS_IMPL_H

#include "base/base_impl.h"
#include "formats/list_impl.h"
#include "spk/data.h"

/* The list of that name among n triples, or NULL. */
const spk_data_list *spk__triple_find(const spk_data_list *lists, int64_t n, const char *name);
/* Each triple has one of the n_names names or task_tokens, once, and a type that this name can have; others are refused by name.
 * `features`: speech comes as npy or kaldi_ark, not as sound. */
spk_status spk__triples_check(const spk_data_list *lists, int64_t n, const char *const *names, int n_names,
                              bool features);
/* Where there is a list of task_tokens, each of the items has one, and all are whole numbers. They go no further: ESPnet's
 * models check that a batch has as many as utterances and read none (specification D31). */
spk_status spk__tokens_check(const spk_data_list *lists, int64_t n, const spk_list *items);

/* The type is hdf5 (NULL: no). */
bool spk__is_hdf5(const spk_data_list *t);
/* A list of recordings or features; of the type hdf5 one of the file's arrays, "NAME hdf5:FILE::NAME". */
spk_status spk__speech_read(const char *path, bool hdf5, spk_list *out) SPK_NODISCARD;

/* The audio files of a list, each distinct value looked for once. */
typedef struct spk__paths {
    bool allow_pipes; /* commands are taken as they stand */
    spk_map seen;     /* value -> index of path */
    char **path;
    int64_t n;
} spk__paths;
/* The file that entry i of a list of sounds or features names, with the offset of "FILE.ark:OFFSET"; the result belongs
 * to p. Refused: no path, a command unless they are allowed, a file that is not there or not readable. */
spk_status spk__paths_get(spk__paths *p, const spk_list *list, int64_t i, const char **path);
void spk__paths_clear(spk__paths *p);

/* Where `folder` holds Kaldi's `segments` ("UTT RECORDING BEGIN END", seconds), the list of recordings becomes one of
 * utterances, with the part behind each recording's name ("a.wav[1.5:4.25]"). SPK_E_FORMAT, SPK_E_MISMATCH. */
spk_status spk__segments_apply(const char *folder, spk_list *wav) SPK_NODISCARD;

/* One line of `segments`: adds "UTT a.wav[1.5:4.25]" and a line's end to `out`. */
spk_status spk__segment_take(const spk_list *segments, const spk_list_entry *e, const spk_list *wav,
                             spk_text *out) SPK_NODISCARD;

/* Every key of `a` is in `b`: otherwise SPK_E_MISMATCH, with file, line and key. */
spk_status spk__keys_within(const spk_list *a, const spk_list *b);

#endif
