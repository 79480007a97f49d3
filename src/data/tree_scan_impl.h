/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in a folder of one sub-folder for each speaker. */
#ifndef SPK_DATA_TREE_SCAN_IMPL_H
#define SPK_DATA_TREE_SCAN_IMPL_H

#include "base/base_impl.h"

typedef struct spk__tree_speaker {
    char *name; /* blanks and stars replaced */
    int64_t n;
    struct spk__recording {
        char *id, *path; /* path is absolute */
    } * recording;       /* sorted by id */
} spk__tree_speaker;

typedef struct spk__tree {
    int64_t n_speakers, n_ignored;
    spk__tree_speaker *speaker; /* sorted by name; each has at least one recording */
} spk__tree;

spk_status spk__tree_scan(const char *input, spk__tree *out) SPK_NODISCARD; /* on failure *out is empty */
void spk__tree_clear(spk__tree *t);

/* By its name: .wav .flac .ogg .mp3 .opus, in any case. */
bool spk__is_recording(const char *name);
/* The names in a folder that do not begin with a dot, sorted: a new list of new strings. */
spk_status spk__folder_names(const char *folder, char ***names, int64_t *n) SPK_NODISCARD;

#endif
