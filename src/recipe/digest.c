/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a file or the lists of a data folder are what they were. A file whose size and time have not changed is not read
 * again; one that was written anew with the same content counts as the same.
 */
#include "recipe/recipe_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint64_t mix(uint64_t h, uint64_t x)
{
    const uint64_t both[2] = {h, x};
    return spk_hash(both, sizeof both);
}

static spk_status file_content(const char *path, uint64_t *h)
{
    char *piece = spk_new(1 << 20);
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) {
        spk_free(piece);
        return spk_fail_errno(path, "open");
    }
    while ((n = fread(piece, 1, 1 << 20, f)) > 0)
        *h = mix(*h, spk_hash(piece, n));
    const spk_status status = ferror(f) ? spk_fail_errno(path, "read") : SPK_OK;
    fclose(f);
    spk_free(piece);
    return status;
}

static uint64_t quick_of(const struct stat *s)
{
    return mix(mix((uint64_t)s->st_size, (uint64_t)s->st_mtim.tv_sec), (uint64_t)s->st_mtim.tv_nsec);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_one_of(const char *path, const spk_str_list *list)
{
    for (int64_t i = 0; list && i < list->n; i++)
        if (strcmp(list->v[i], path) == 0) return true;
    return false;
}

/* Paths of the files in a folder by name, without hidden ones and those of `but`. */
static spk_status files_in(const char *folder, const spk_str_list *but, spk_str_list *out)
{
    DIR *dir = opendir(folder);
    if (!dir) return spk_fail_errno(folder, "open");
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        char *path = spk_path_join(folder, e->d_name);
        if (spk_is_file(path) && !is_one_of(path, but))
            SPK_PUSH(out->v, out->n) = path;
        else
            spk_free(path);
    }
    closedir(dir);
    if (out->n) qsort(out->v, (size_t)out->n, sizeof *out->v, by_name);
    return SPK_OK;
}

static spk_status folder_digest(const char *path, const spk_str_list *but, const spk_digest *known, spk_digest *out)
{
    spk_str_list files = {0};
    struct stat s;
    spk_status status;
    SPK_GO(files_in(path, but, &files));
    for (int64_t i = 0; i < files.n; i++) {
        if (stat(files.v[i], &s) != 0) SPK_GO(spk_fail_errno(files.v[i], "open"));
        out->quick = mix(mix(out->quick, spk_hash_str(files.v[i])), quick_of(&s));
    }
    if (known && known->there && known->quick == out->quick) {
        out->content = known->content;
        goto done;
    }
    for (int64_t i = 0; i < files.n; i++) {
        out->content = mix(out->content, spk_hash_str(spk_path_name(files.v[i])));
        SPK_GO(file_content(files.v[i], &out->content));
    }
done:
    spk_words_clear(&files);
    return status;
}

spk_status spk_digest_take(const char *path, const spk_str_list *but, const spk_digest *known, spk_digest *out)
{
    struct stat s;
    *out = (spk_digest){0};
    if (stat(path, &s) != 0) return SPK_OK;
    out->there = true;
    if (S_ISDIR(s.st_mode)) return folder_digest(path, but, known, out);
    out->quick = quick_of(&s);
    if (!known || !known->there || known->quick != out->quick) return file_content(path, &out->content);
    out->content = known->content;
    return SPK_OK;
}
