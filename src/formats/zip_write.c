/* SPDX-License-Identifier: Apache-2.0 */
/* Writing zip files: minizip writes to the stream of an atomic file through the functions below, which keep errno. */
#include "formats/zip_impl.h"

#include <errno.h>
#include <minizip/zip.h>
#include <string.h>

enum { LEVEL = 6, LOCAL_HEADER = 30, ZIP64_EXTRA = 20, MOST_ALIGNMENT = 4096, UTF8_NAME = 1 << 11 };
/* 1980-01-01 00:00, the earliest time that zip knows. */
static const uLong FIXED_TIME = (1u << 21) | (1u << 16);

struct spk_zip_writer {
    char *path;
    spk_outfile *out;
    zipFile zip;
    int error;    /* errno of the first write that failed */
    bool is_open; /* a member is */
};

/* ---- minizip's way to the file ---- */

static voidpf open_stream(voidpf opaque, const void *name, int mode)
{
    (void)name;
    (void)mode;
    return opaque;
}

static uLong read_stream(voidpf opaque, voidpf stream, void *data, uLong n)
{
    (void)opaque;
    (void)stream;
    (void)data;
    (void)n;
    return 0; /* a new archive is never read */
}

static void keep_error(spk_zip_writer *w)
{
    if (!w->error) w->error = errno ? errno : EIO;
}

static uLong write_stream(voidpf opaque, voidpf stream, const void *data, uLong n)
{
    spk_zip_writer *w = opaque;
    (void)stream;
    if (w->error) return 0;
    errno = 0;
    const size_t done = fwrite(data, 1, n, spk_outfile_stream(w->out));
    if (done != n) keep_error(w);
    return (uLong)done;
}

static ZPOS64_T tell_stream(voidpf opaque, voidpf stream)
{
    spk_zip_writer *w = opaque;
    (void)stream;
    return (ZPOS64_T)ftello(spk_outfile_stream(w->out));
}

static long seek_stream(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin)
{
    static const int origins[] = {SEEK_SET, SEEK_CUR, SEEK_END}; /* ZLIB_FILEFUNC_SEEK_SET, _CUR, _END */
    spk_zip_writer *w = opaque;
    (void)stream;
    errno = 0;
    if (w->error) return -1;
    if (fseeko(spk_outfile_stream(w->out), (off_t)offset, origins[origin]) == 0) return 0;
    keep_error(w); /* a seek writes out what was buffered */
    return -1;
}

static int close_stream(voidpf opaque, voidpf stream)
{
    (void)opaque;
    (void)stream;
    return 0; /* the atomic file closes it */
}

static int error_of_stream(voidpf opaque, voidpf stream)
{
    const spk_zip_writer *w = opaque;
    (void)stream;
    return w->error != 0;
}

/* ---- the writer ---- */

static spk_status failed(const spk_zip_writer *w)
{
    errno = w->error ? w->error : EIO;
    return spk_fail_errno(w->path, "write");
}

static void free_writer(spk_zip_writer *w)
{
    spk_outfile_abort(w->out);
    spk_free(w->path);
    spk_free(w);
}

spk_status spk_zip_create(const char *path, spk_zip_writer **out)
{
    zlib_filefunc64_def functions = {open_stream, read_stream,  write_stream,    tell_stream,
                                     seek_stream, close_stream, error_of_stream, NULL};
    spk_zip_writer *w = spk_new(sizeof *w);
    *out = NULL;
    w->path = spk_strdup(path);
    const spk_status status = spk_outfile_open(path, &w->out);
    if (status != SPK_OK) {
        free_writer(w);
        return status;
    }
    functions.opaque = w;
    w->zip = zipOpen2_64(path, APPEND_STATUS_CREATE, NULL, &functions);
    if (!w->zip) {
        free_writer(w);
        return spk_fail(SPK_E_NOMEM, "%s: out of memory", path);
    }
    *out = w;
    return SPK_OK;
}

static bool is_ascii(const char *s)
{
    while (*s)
        if ((unsigned char)*s++ >= 0x80) return false;
    return true;
}

spk_status spk_zip_add(spk_zip_writer *w, const char *name, int64_t n, int alignment)
{
    const zip_fileinfo info = {.dosDate = FIXED_TIME};
    const bool large = n >= 0xf0000000; /* leave room for what deflate may add */
    unsigned char extra[4 + MOST_ALIGNMENT];
    unsigned extra_bytes = 0;
    SPK_ASSERT(!w->is_open && alignment >= 0 && alignment <= MOST_ALIGNMENT && strlen(name) <= 1010);
    if (w->error) return failed(w);
    if (alignment > 0) { /* a padding field "FB", as PyTorch has it */
        const int64_t start = (int64_t)ftello(spk_outfile_stream(w->out)) + LOCAL_HEADER + (int64_t)strlen(name) +
                              (large ? ZIP64_EXTRA : 0) + 4;
        const unsigned padding = (unsigned)((alignment - start % alignment) % alignment);
        memset(extra, 'Z', sizeof extra);
        extra[0] = 'F';
        extra[1] = 'B';
        extra[2] = (unsigned char)(padding & 0xff);
        extra[3] = (unsigned char)(padding >> 8);
        extra_bytes = 4 + padding;
    }
    const int method = alignment > 0 ? 0 : Z_DEFLATED;
    errno = 0;
    if (zipOpenNewFileInZip4_64(w->zip, name, &info, extra, extra_bytes, NULL, 0, NULL, method, LEVEL, 0, -MAX_WBITS,
                                DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY, NULL, 0, 0, is_ascii(name) ? 0 : UTF8_NAME,
                                large) != ZIP_OK) {
        keep_error(w);
        return failed(w);
    }
    w->is_open = true;
    return SPK_OK;
}

spk_status spk_zip_write(spk_zip_writer *w, const void *data, int64_t n)
{
    enum { PIECE = 1 << 28 };
    const char *p = data;
    SPK_ASSERT(w->is_open || w->error);
    while (n > 0 && !w->error) {
        const unsigned piece = n > PIECE ? PIECE : (unsigned)n;
        if (zipWriteInFileInZip(w->zip, p, piece) != ZIP_OK) {
            keep_error(w);
            break;
        }
        p += piece;
        n -= piece;
    }
    return w->error ? failed(w) : SPK_OK;
}

spk_status spk_zip_add_end(spk_zip_writer *w)
{
    w->is_open = false;
    errno = 0;
    if (zipCloseFileInZip(w->zip) != ZIP_OK) keep_error(w);
    return w->error ? failed(w) : SPK_OK;
}

spk_status spk_zip_finish(spk_zip_writer *w)
{
    spk_status status;
    errno = 0;
    SPK_ASSERT(!w->is_open || w->error);
    if (zipClose(w->zip, NULL) != ZIP_OK) keep_error(w);
    if (w->error) {
        status = failed(w);
    } else {
        status = spk_outfile_commit(w->out);
        w->out = NULL;
    }
    free_writer(w);
    return status;
}

void spk_zip_abort(spk_zip_writer *w)
{
    if (!w) return;
    if (!w->error) w->error = ECANCELED; /* nothing more is written */
    (void)zipClose(w->zip, NULL);
    free_writer(w);
}
