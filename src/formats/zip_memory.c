/* SPDX-License-Identifier: Apache-2.0 */
/* A zip file that lies in memory: a packed model holds its weights as a zip within a zip. */
#include <minizip/unzip.h>
#include <string.h>

#include "formats/zip_impl.h"

typedef struct memory_file {
    const unsigned char *data;
    int64_t bytes, at;
} memory_file;

static voidpf open_it(voidpf opaque, const void *name, int mode)
{
    (void)name;
    (void)mode;
    return opaque;
}

static uLong read_it(voidpf opaque, voidpf stream, void *to, uLong n)
{
    memory_file *f = stream;
    const int64_t left = f->bytes - f->at, take = (int64_t)n < left ? (int64_t)n : left;
    (void)opaque;
    memcpy(to, f->data + f->at, (size_t)take);
    f->at += take;
    return (uLong)take;
}

static uLong write_nothing(voidpf opaque, voidpf stream, const void *from, uLong n)
{
    (void)opaque;
    (void)stream;
    (void)from;
    (void)n;
    return 0;
}

static ZPOS64_T tell(voidpf opaque, voidpf stream)
{
    (void)opaque;
    return (ZPOS64_T)((memory_file *)stream)->at;
}

static long seek(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin)
{
    memory_file *f = stream;
    const int64_t from = origin == ZLIB_FILEFUNC_SEEK_CUR ? f->at : origin == ZLIB_FILEFUNC_SEEK_END ? f->bytes : 0;
    (void)opaque;
    if (offset > (ZPOS64_T)(f->bytes - from)) return -1;
    f->at = from + (int64_t)offset;
    return 0;
}

static int close_it(voidpf opaque, voidpf stream)
{
    (void)opaque;
    spk_free(stream);
    return 0;
}

static int no_error(voidpf opaque, voidpf stream)
{
    (void)opaque;
    (void)stream;
    return 0;
}

void *spk__zip_open_memory(const void *data, int64_t bytes)
{
    memory_file *f = spk_new(sizeof *f);
    *f = (memory_file){data, bytes, 0};
    zlib_filefunc64_def functions = {open_it, read_it, write_nothing, tell, seek, close_it, no_error, f};
    return unzOpen2_64("memory", &functions); /* closes f when it fails, too */
}
