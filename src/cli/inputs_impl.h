/* SPDX-License-Identifier: Apache-2.0 */
/* What the words behind `spk extract` stand for: recordings with ids. */
#ifndef SPK_CLI_INPUTS_IMPL_H
#define SPK_CLI_INPUTS_IMPL_H

#include "cli/cli_impl.h"
#include "spk/embedder.h"

typedef struct inputs {
    spk_embed_item *item; /* ids and paths are owned */
    int64_t n;
} inputs;

/*
 * Each word is
 *  - "-": a list on stdin, a line for each recording: a path, or an id and a path;
 *  - a folder: all recordings (.wav .flac .ogg .mp3 .opus) at any depth, id = path below it without the extension;
 *  - a file named *.scp: Kaldi's list "id path";
 *  - anything else: a recording, id = its name without the extension, or, where two such ids were equal, its path
 *    without the extension.
 * Ids are unique afterwards, or SPK_E_VALUE names both; folders and lists that cannot be read are SPK_E_IO. Whether a
 * recording is there is seen when it is read.
 */
spk_status inputs_read(char *const *words, int64_t n, inputs *out) SPK_NODISCARD;
/* The same where there may be several processes: rank 0 reads (standard input is only its), all get the list. */
spk_status inputs_read_together(char *const *words, int64_t n, inputs *out) SPK_NODISCARD;
void inputs_clear(inputs *in);
/* The id of a recording that is named alone: its name without the extension; a new string. */
char *inputs_id(const char *path);

#endif
