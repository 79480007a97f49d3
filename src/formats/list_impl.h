/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kaldi's text lists: one "key value..." a line (wav.scp, utt2spk, spk2utt, trial_label, ...). The
 * file is kept in one buffer that keys and values point into.
 */
#ifndef SPK_FORMATS_LIST_IMPL_H
#define SPK_FORMATS_LIST_IMPL_H

#include "base/base_impl.h"

typedef struct spk_list_entry {
    const char *key;
    const char *value; /* the rest of the line without white space at both ends; "" when there is none */
    int64_t line;      /* from 1 */
} spk_list_entry;

typedef struct spk_list {
    char *path; /* as given; for messages */
    int64_t n;
    spk_list_entry *entry; /* in the file's order */
    spk_map index;         /* key -> index of its (first) entry */
    char *buffer;
} spk_list;

enum {
    SPK_LIST_NO_VALUE_OK = 1,   /* lines of a key alone are allowed */
    SPK_LIST_DUPLICATES_OK = 2, /* a key may stand on several lines */
    SPK_LIST_NO_INDEX = 4       /* keys are not looked at nor looked up: any may stand on several lines */
};

/* Read a list. SPK_E_IO when the file cannot be read; SPK_E_FORMAT with FILE:LINE for a blank line, a line without a
 * value, a key that stands twice (both lines are named), a NUL byte, text that is not UTF-8. Line ends may be CRLF. An
 * empty file gives an empty list. On failure *out is empty. */
spk_status spk_list_read(const char *path, int flags, spk_list *out);
/* The same, but lines that would be refused are left out, each told to `wrong` (NULL: nobody) with its sentence. Of a key
 * that stands twice the first line counts. Only a file that cannot be read fails. */
typedef void (*spk_list_wrong)(void *user, const char *message);
spk_status spk_list_read_leniently(const char *path, int flags, spk_list_wrong wrong, void *user, spk_list *out);
/* The same as spk_list_read for text that is called `name` in messages; takes `text` (from spk_new or spk_read_file, n bytes and a NUL),
 * also when it fails. */
spk_status spk_list_parse(char *text, size_t n, const char *name, int flags, spk_list *out);
void spk_list_clear(spk_list *list);

/* Index of the entry of that key, or -1. */
int64_t spk_list_find(const spk_list *list, const char *key);
/* The value under that key, or NULL. */
const char *spk_list_get(const spk_list *list, const char *key);

/* A path from a list file, as a new string: relative ones are taken from the current folder and, where no file is
 * there, from the folder of the list. Where neither is there: the value as it stands. Of "FILE.ark:OFFSET" and
 * "hdf5:FILE::NAME" the file is looked for and the rest kept. */
char *spk_list_resolve_path(const char *list_path, const char *value);

#endif
