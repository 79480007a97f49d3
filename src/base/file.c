/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, whole files, and files that appear under their name whole or not at all. */
#include "base/base_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---- */

bool spk_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

bool spk_is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

bool spk_is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

char *spk_path_join(const char *folder, const char *name)
{
    if (name[0] == '/' || folder[0] == 0 || strcmp(folder, ".") == 0) return spk_strdup(name);
    return spk_strf("%s%s%s", folder, spk_ends_with(folder, "/") ? "" : "/", name);
}

char *spk_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return spk_strdup(".");
    return spk_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *spk_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

spk_status spk_make_folders(const char *path)
{
    spk_status status = SPK_OK;
    char *part = spk_strdup(path);
    for (char *p = part + 1; status == SPK_OK; p++) {
        if (*p != '/' && *p != 0) continue;
        const char end = *p;
        *p = 0;
        if (mkdir(part, 0777) != 0 && !(errno == EEXIST && spk_is_folder(part)))
            status = spk_fail_errno(part, "make the folder");
        *p = end;
        if (!end) break;
    }
    spk_free(part);
    return status;
}

/* ---- whole files ---- */

spk_status spk_read_file(const char *path, char **data, size_t *n)
{
    spk_text text = {0};
    char piece[65536];
    size_t got;
    if (spk_is_folder(path)) return spk_fail(SPK_E_IO, "%s: cannot open: is a folder", path);
    FILE *f = fopen(path, "rb");
    if (!f) return spk_fail_errno(path, "open");
    while ((got = fread(piece, 1, sizeof piece, f)) > 0)
        spk_text_addn(&text, piece, got);
    const bool bad = ferror(f) != 0;
    if (bad) spk_fail_errno(path, "read");
    fclose(f);
    if (bad) {
        spk_text_clear(&text);
        return SPK_E_IO;
    }
    if (!text.s) spk_text_add(&text, "");
    *data = text.s;
    *n = text.n;
    return SPK_OK;
}

spk_status spk_write_file(const char *path, const char *data, size_t n)
{
    spk_outfile *f = NULL;
    SPK_TRY(spk_outfile_open(path, &f));
    spk_outfile_write(f, data, n);
    return spk_outfile_commit(f);
}

/* ---- atomic files ---- */

struct spk_outfile {
    FILE *stream;
    char *path, *tmp;
    int error; /* errno of the first write that failed */
};

spk_status spk_outfile_open(const char *path, spk_outfile **out)
{
    spk_outfile *f = spk_new(sizeof *f);
    f->path = spk_strdup(path);
    f->tmp = spk_strf("%s.tmp", path);
    f->stream = fopen(f->tmp, "wb");
    if (!f->stream) {
        const spk_status status = spk_fail_errno(f->tmp, "write");
        spk_free(f->path);
        spk_free(f->tmp);
        spk_free(f);
        return status;
    }
    *out = f;
    return SPK_OK;
}

void spk_outfile_write(spk_outfile *f, const void *data, size_t n)
{
    if (!f->error && n && fwrite(data, 1, n, f->stream) != n) f->error = errno ? errno : EIO;
}

void spk_outfile_printf(spk_outfile *f, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!f->error && vfprintf(f->stream, fmt, args) < 0) f->error = errno ? errno : EIO;
    va_end(args);
}

FILE *spk_outfile_stream(spk_outfile *f)
{
    return f->stream;
}

void spk_outfile_abort(spk_outfile *f)
{
    if (!f) return;
    if (f->stream) fclose(f->stream);
    unlink(f->tmp);
    spk_free(f->path);
    spk_free(f->tmp);
    spk_free(f);
}

/* A rename is only durable once its folder is. Some file systems refuse to sync folders: no error. */
static void sync_folder(const char *path)
{
    char *folder = spk_path_folder(path);
    const int fd = open(folder, O_RDONLY);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    spk_free(folder);
}

spk_status spk_outfile_commit(spk_outfile *f)
{
    spk_status status = SPK_OK;
    if (!f->error && (fflush(f->stream) != 0 || ferror(f->stream) || fsync(fileno(f->stream)) != 0))
        f->error = errno ? errno : EIO;
    if (fclose(f->stream) != 0 && !f->error) f->error = errno;
    f->stream = NULL;
    errno = f->error;
    if (f->error || rename(f->tmp, f->path) != 0)
        status = spk_fail_errno(f->path, "write");
    else
        sync_folder(f->path);
    spk_outfile_abort(f);
    return status;
}
