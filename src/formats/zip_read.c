/* SPDX-License-Identifier: Apache-2.0 */
/* Reading zip files: an index of the directory, sizes checked against the file, members read whole or in pieces. */
#include "formats/zip_impl.h"

#include <errno.h>
#include <minizip/unzip.h>
#include <string.h>
#include <sys/stat.h>

enum { LONGEST_NAME = 1024, DEFLATE_AT_MOST = 1032 /* bytes that one compressed byte can stand for */ };

static spk_status add_entry(spk_zip *z)
{
    unz_file_info64 info;
    unz64_file_pos position;
    char name[LONGEST_NAME + 1];
    if (unzGetCurrentFileInfo64(z->file, &info, name, LONGEST_NAME, NULL, 0, NULL, 0) != UNZ_OK ||
        unzGetFilePos64(z->file, &position) != UNZ_OK || info.size_filename >= LONGEST_NAME ||
        strlen(name) != info.size_filename)
        return spk_fail(SPK_E_FORMAT, "%s: the zip directory is damaged; the file must be written again", z->path);
    if (info.flag & 1)
        return spk_fail(SPK_E_FORMAT, "%s: member '%s' is encrypted; encrypted files are not read", z->path, name);
    if (info.compression_method != 0 && info.compression_method != Z_DEFLATED)
        return spk_fail(SPK_E_FORMAT, "%s: member '%s' has compression method %lu; only stored and deflated are read",
                        z->path, name, info.compression_method);
    const uint64_t packed = info.compressed_size, bytes = info.uncompressed_size;
    const bool stored = info.compression_method == 0;
    if (packed > (uint64_t)z->file_bytes || (stored ? bytes != packed : bytes / DEFLATE_AT_MOST > packed))
        return spk_fail(SPK_E_FORMAT, "%s: member '%s' claims more bytes than the file can hold; it is damaged",
                        z->path, name);
    SPK_PUSH(z->entry, z->n) =
        (spk_zip_entry){spk_strdup(name), (int64_t)bytes, position.pos_in_zip_directory, position.num_of_file};
    if (!spk_map_put(&z->index, z->entry[z->n - 1].name, z->n - 1))
        return spk_fail(SPK_E_FORMAT, "%s: member '%s' stands twice", z->path, name);
    return SPK_OK;
}

static spk_status read_directory(spk_zip *z)
{
    unz_global_info64 info;
    if (unzGetGlobalInfo64(z->file, &info) != UNZ_OK)
        return spk_fail(SPK_E_FORMAT, "%s: the zip directory is damaged; the file must be written again", z->path);
    if (info.number_entry == 0) return SPK_OK;
    int found = unzGoToFirstFile(z->file);
    while (found == UNZ_OK) {
        SPK_TRY(add_entry(z));
        found = unzGoToNextFile(z->file);
    }
    if (found != UNZ_END_OF_LIST_OF_FILE || (uint64_t)z->n != info.number_entry)
        return spk_fail(SPK_E_FORMAT, "%s: the zip directory is damaged; the file must be written again", z->path);
    return SPK_OK;
}

enum { RECORD = 22, TAIL = RECORD + 65535 };

/* Whether n bytes end in a whole end-of-directory record; minizip takes bytes beyond the end for zeros. */
static bool is_end(const unsigned char *p, int64_t n)
{
    for (int64_t i = n - RECORD; i >= 0; i--)
        if (memcmp(p + i, "PK\5\6", 4) == 0 && p[i + 20] + 256 * p[i + 21] == n - RECORD - i) return true;
    return false;
}

static bool has_end(FILE *f, int64_t file_bytes)
{
    const int64_t n = file_bytes < TAIL ? file_bytes : TAIL;
    if (n < RECORD || fseeko(f, (off_t)(file_bytes - n), SEEK_SET) != 0) return false;
    unsigned char *p = spk_new((size_t)n);
    const bool found = fread(p, 1, (size_t)n, f) == (size_t)n && is_end(p, n);
    spk_free(p);
    return found;
}

/* The index of an open zip file, which it takes. */
static spk_status index_it(void *file, const char *path, int64_t bytes, spk_zip **out)
{
    spk_zip *z = spk_new(sizeof *z);
    z->path = spk_strdup(path);
    z->file = file;
    z->file_bytes = bytes;
    const spk_status status = read_directory(z);
    if (status != SPK_OK)
        spk_zip_close(z);
    else
        *out = z;
    return status;
}

spk_status spk_zip_open_memory(const void *data, size_t n, const char *name, const char *kind, spk_zip **out)
{
    const unsigned char *p = data;
    const int64_t bytes = (int64_t)n, tail = bytes < TAIL ? bytes : TAIL;
    *out = NULL;
    void *file = is_end(p + bytes - tail, tail) ? spk__zip_open_memory(data, bytes) : NULL;
    if (!file) return spk_fail(SPK_E_FORMAT, "%s: not %s, or it is truncated", name, kind);
    return index_it(file, name, bytes, out);
}

spk_status spk_zip_open(const char *path, const char *kind, spk_zip **out)
{
    struct stat s;
    *out = NULL;
    FILE *probe = fopen(path, "rb");
    if (!probe) return spk_fail_errno(path, "open");
    const bool ok = fstat(fileno(probe), &s) == 0;
    const bool is_whole = ok && S_ISREG(s.st_mode) && has_end(probe, (int64_t)s.st_size);
    fclose(probe);
    if (!ok) return spk_fail_errno(path, "open");
    if (S_ISDIR(s.st_mode)) return spk_fail(SPK_E_IO, "%s: cannot open: is a folder", path);
    void *file = is_whole ? unzOpen64(path) : NULL;
    if (!file) return spk_fail(SPK_E_FORMAT, "%s: not %s, or it is truncated", path, kind);
    return index_it(file, path, (int64_t)s.st_size, out);
}

void spk_zip_close(spk_zip *z)
{
    if (!z) return;
    unzClose(z->file);
    for (int64_t i = 0; i < z->n; i++)
        spk_free(z->entry[i].name);
    spk_free(z->entry);
    spk_map_clear(&z->index);
    spk_free(z->path);
    spk_free(z);
}

int64_t spk_zip_find(const spk_zip *z, const char *name)
{
    int64_t i = -1;
    return spk_map_get(&z->index, name, &i) ? i : -1;
}

static spk_status damaged(const spk_zip *z, int64_t i)
{
    return spk_fail(SPK_E_FORMAT, "%s: member '%s' is damaged or truncated; the file must be written again", z->path,
                    z->entry[i].name);
}

spk_status spk_zip_begin(spk_zip *z, int64_t i)
{
    const unz64_file_pos position = {z->entry[i].position, z->entry[i].number};
    if (unzGoToFilePos64(z->file, &position) != UNZ_OK || unzOpenCurrentFile(z->file) != UNZ_OK) return damaged(z, i);
    return SPK_OK;
}

spk_status spk_zip_next(spk_zip *z, int64_t i, void *data, int64_t n)
{
    enum { PIECE = 1 << 28 };
    char *p = data;
    while (n > 0) {
        const int got = unzReadCurrentFile(z->file, p, n > PIECE ? PIECE : (unsigned)n);
        if (got <= 0) return damaged(z, i);
        p += got;
        n -= got;
    }
    return SPK_OK;
}

spk_status spk_zip_end(spk_zip *z, int64_t i)
{
    return unzCloseCurrentFile(z->file) == UNZ_OK ? SPK_OK : damaged(z, i);
}

spk_status spk_zip_read(spk_zip *z, int64_t i, void *data)
{
    SPK_TRY(spk_zip_begin(z, i));
    const spk_status status = spk_zip_next(z, i, data, z->entry[i].bytes);
    const spk_status end = spk_zip_end(z, i);
    return status != SPK_OK ? damaged(z, i) : end;
}
