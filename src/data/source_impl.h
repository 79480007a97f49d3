/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings that are no file of their own, by what a list says of them:
 *
 *   FILE.ark:123      sound in an archive: WAV as it stands there (Kaldi), or "AUDIO", a length and a file (kaldiio)
 *   COMMAND |         what a command writes to its standard output; run for each reading, where commands are allowed
 *   ...[1.5:4.25]     the part between two seconds of any of these or of a file, as `segments` names them; -1: the end
 *   ...[speed:0.9]    any of these or a file, at another speed; stands last
 *
 * A file whose name looks so and is there is that file.
 */
#ifndef SPK_DATA_SOURCE_IMPL_H
#define SPK_DATA_SOURCE_IMPL_H

#include "base/base_impl.h"

typedef struct spk_locator {
    size_t n_file;     /* length of the file's name or of the command in the text */
    int64_t offset;    /* -1: a whole file */
    double begin, end; /* seconds of the recording as it is; -1: to the end */
    int64_t speed;     /* in thousandths; 1000: as it is */
    bool command, part;
} spk_locator;
/* Take apart what a list says, by its form alone. */
void spk_locator_parse(const char *text, spk_locator *out);
/* The same, but a file that is there is that file. */
void spk_locator_find(const char *text, spk_locator *out);

/* The bytes of one recording: a stretch of a file, or memory. */
typedef struct spk_source {
    int fd; /* -1: memory */
    int64_t start, length, at;
    char *memory;
} spk_source;

/* Open an archive's entry, or run the command. SPK_E_IO, SPK_E_FORMAT, SPK_E_NOMEM name `text`. */
spk_status spk_source_open(const char *text, const spk_locator *l, spk_source *out) SPK_NODISCARD;
void spk_source_close(spk_source *s); /* with fd -1 and no memory it is closed already */

/* Where the sound of an archive's entry lies, by its first n bytes (16 are enough) and the `room` bytes that there are:
 * false where they are no sound. A length of a WAV that is not known is all that is left. */
bool spk_source_span(const unsigned char *head, size_t n, int64_t room, int64_t *start, int64_t *length);

/* For libsndfile. */
struct SF_VIRTUAL_IO;
extern const struct SF_VIRTUAL_IO spk_source_io;

#endif
