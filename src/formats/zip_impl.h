/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zip containers for .npz and .pth, over minizip. Reading indexes the directory once and checks every
 * size against the file before anything is allocated. Writing goes to an atomic file, with one fixed
 * time stamp for all members, so that equal content gives equal bytes.
 */
#ifndef SPK_FORMATS_ZIP_IMPL_H
#define SPK_FORMATS_ZIP_IMPL_H

#include "base/base_impl.h"

/* ---- reading ---- */

typedef struct spk_zip_entry {
    char *name;
    int64_t bytes;             /* of the content; plausible for the file's size, so it may be allocated */
    uint64_t position, number; /* minizip's handle of the directory record */
} spk_zip_entry;

typedef struct spk_zip {
    char *path;
    void *file; /* unzFile */
    int64_t file_bytes;
    int64_t n;
    spk_zip_entry *entry;
    spk_map index; /* name -> entry */
} spk_zip;

/* `kind` ends the sentence for a file that is no zip: "PATH: not KIND, or it is truncated". SPK_E_FORMAT also for
 * members that are encrypted, compressed in another way than deflate, or stand twice. */
spk_status spk_zip_open(const char *path, const char *kind, spk_zip **out);
/* The same of n bytes in memory, which must live as long; `name` stands for the path in messages. */
spk_status spk_zip_open_memory(const void *data, size_t n, const char *name, const char *kind, spk_zip **out);
void *spk__zip_open_memory(const void *data, int64_t bytes); /* unzFile, or NULL */
void spk_zip_close(spk_zip *z);                              /* NULL is allowed */
int64_t spk_zip_find(const spk_zip *z, const char *name);    /* -1: not there */
/* The whole content of member i: entry[i].bytes bytes to `data`; the checksum is verified. */
spk_status spk_zip_read(spk_zip *z, int64_t i, void *data);
/* The same in pieces: begin, read exactly n bytes as often as wanted, end (verifies the checksum when all was read). */
spk_status spk_zip_begin(spk_zip *z, int64_t i);
spk_status spk_zip_next(spk_zip *z, int64_t i, void *data, int64_t n);
spk_status spk_zip_end(spk_zip *z, int64_t i);

/* ---- writing ---- */

typedef struct spk_zip_writer spk_zip_writer;
spk_status spk_zip_create(const char *path, spk_zip_writer **out);
/* Begin a member of n bytes in all (write that many). alignment > 0: its content is stored and begins at a multiple of
 * `alignment` in the file; 0: it is deflated. Names may not be longer than 1010 bytes. */
spk_status spk_zip_add(spk_zip_writer *w, const char *name, int64_t n, int alignment);
spk_status spk_zip_write(spk_zip_writer *w, const void *data, int64_t n);
spk_status spk_zip_add_end(spk_zip_writer *w);
spk_status spk_zip_finish(spk_zip_writer *w); /* frees w, also when it fails; then no file is left */
void spk_zip_abort(spk_zip_writer *w);        /* NULL is allowed */

#endif
