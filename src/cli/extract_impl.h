/* SPDX-License-Identifier: Apache-2.0 */
/* What spk extract does with a list of recordings, apart from ESPnet's way. */
#ifndef SPK_CLI_EXTRACT_IMPL_H
#define SPK_CLI_EXTRACT_IMPL_H

#include "cli/eval_impl.h"

/* Recordings to FOLDER/STEM.*, as a whole or as segments (extract_list.c), or windows of them, with Kaldi's segments beside
 * (extract_windows.c). *n_failed items could not be embedded; the call fails where that holds for all of them. */
spk_status extract_list(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                        const char *stem, int64_t *n_failed) SPK_NODISCARD;
spk_status extract_windows(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                           const char *stem, int64_t *n_failed) SPK_NODISCARD;

/* The folder that is written; NULL: standard output. */
const char *extract_folder(const eval_options *o);

#endif
