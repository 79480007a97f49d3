/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists that a preparation writes. They are collected in memory, held against what is there, and written when all is
 * known: a failure on the way leaves everything as it was, a second run with the same result changes nothing, and another
 * result is refused unless it may be written over. Each file appears whole or not at all.
 */
#ifndef SPK_DATA_PREP_OUT_IMPL_H
#define SPK_DATA_PREP_OUT_IMPL_H

#include "base/base_impl.h"

typedef struct spk_prep_out {
    bool overwrite; /* write over files of other content */
    int64_t n;
    struct spk_prep_file {
        char *path;
        spk_text text;
    } * *file;
} spk_prep_out;

/* A new file FOLDER/NAME, empty; the text is valid until _clear. */
spk_text *spk_prep_out_file(spk_prep_out *o, const char *folder, const char *name);
/* Make the folders and write the files that differ. SPK_E_IO: one is there with another content, or cannot be written. */
spk_status spk_prep_out_commit(spk_prep_out *o) SPK_NODISCARD;
void spk_prep_out_clear(spk_prep_out *o);

#endif
