/* SPDX-License-Identifier: Apache-2.0 */
/* Where embeddings go: one file of arrays, a file for each, Kaldi's ark, or JSON lines. */
#ifndef SPK_CLI_SINK_IMPL_H
#define SPK_CLI_SINK_IMPL_H

#include "cli/cli_impl.h"

typedef struct sink sink;

/*
 * format   files
 * npz      FOLDER/STEM.npz
 * npy      FOLDER/ID.npy and FOLDER/STEM.scp, which lists them
 * ark      FOLDER/STEM.ark and FOLDER/STEM.scp
 * jsonl    FOLDER/STEM.jsonl, or standard output where folder is NULL
 * The folder is made. SPK_E_IO: it cannot be written.
 */
spk_status sink_open(const char *format, const char *folder, const char *stem, sink **out) SPK_NODISCARD;
spk_status sink_add(sink *s, const char *id, int n_dims, const int64_t *dim, const float *data) SPK_NODISCARD;
/* Everything is in place afterwards; frees s, also when it fails. */
spk_status sink_finish(sink *s) SPK_NODISCARD;
void sink_abort(sink *s);             /* NULL is allowed */
const char *sink_path(const sink *s); /* the file that holds or lists the embeddings; NULL: standard output */

#endif
