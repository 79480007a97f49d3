/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings into files of several formats. */
#include "cli/sink_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spk/arrays.h"

struct sink {
    char *folder, *path, *scp;
    spk_npz_writer *npz;
    spk_ark_writer *ark;
    spk_jsonl_writer *jsonl;
    spk_outfile *list; /* of npy files */
    bool to_stdout;
};

static void free_sink(sink *s)
{
    spk_free(s->folder);
    spk_free(s->path);
    spk_free(s->scp);
    spk_free(s);
}

void sink_abort(sink *s)
{
    if (!s) return;
    spk_npz_abort(s->npz);
    if (s->ark) spk_ark_abort(s->ark);
    if (s->jsonl) spk_jsonl_abort(s->jsonl);
    spk_outfile_abort(s->list);
    free_sink(s);
}

static char *file_in(const char *folder, const char *stem, const char *end)
{
    char *name = spk_strf("%s.%s", stem, end), *path = spk_path_join(folder, name);
    spk_free(name);
    return path;
}

static spk_status open_files(sink *s, const char *format, const char *stem)
{
    if (!s->folder) {
        s->to_stdout = true;
        return SPK_OK;
    }
    SPK_TRY(spk_make_folders(s->folder));
    s->path = file_in(s->folder, stem, strcmp(format, "npy") == 0 ? "scp" : format);
    if (strcmp(format, "npz") == 0) return spk_npz_create(s->path, &s->npz);
    if (strcmp(format, "npy") == 0) return spk_outfile_open(s->path, &s->list);
    if (strcmp(format, "jsonl") == 0) return spk_jsonl_create(s->path, &s->jsonl);
    s->scp = file_in(s->folder, stem, "scp");
    return spk_ark_create(s->path, s->scp, &s->ark);
}

spk_status sink_open(const char *format, const char *folder, const char *stem, sink **out)
{
    sink *s = spk_new(sizeof *s);
    s->folder = folder ? spk_strdup(folder) : NULL;
    const spk_status status = open_files(s, format, stem);
    if (status != SPK_OK) {
        sink_abort(s);
        s = NULL;
    }
    *out = s;
    return status;
}

static spk_status add_npy(sink *s, const char *id, int n_dims, const int64_t *dim, const float *data)
{
    char *path = file_in(s->folder, id[0] == '/' ? id + 1 : id, "npy"), *folder = spk_path_folder(path);
    spk_ndarray a = {.dtype = SPK_F32, .n_dims = n_dims};
    spk_status status = SPK_OK;
    for (int i = 0; i < n_dims; i++)
        a.dim[i] = dim[i];
    a.data = (void *)(uintptr_t)data; /* only read */
    if (strstr(path, "/../"))
        status = spk_fail(SPK_E_VALUE, "%s: an id with '..' makes no file name; use another --format", id);
    if (status == SPK_OK) status = spk_make_folders(folder);
    if (status == SPK_OK) status = spk_npy_write(path, &a);
    if (status == SPK_OK) spk_outfile_printf(s->list, "%s %s\n", id, path);
    spk_free(folder);
    spk_free(path);
    return status;
}

static spk_status add_stdout(const char *id, int n_dims, const int64_t *dim, const float *data)
{
    char *line = spk_jsonl_line(id, n_dims, dim, data);
    cli_lock();
    cli_progress_clear();
    const bool good = puts(line) >= 0 && !ferror(stdout);
    cli_unlock();
    spk_free(line);
    return good ? SPK_OK : spk_fail_errno("standard output", "write");
}

spk_status sink_add(sink *s, const char *id, int n_dims, const int64_t *dim, const float *data)
{
    if (s->npz) return spk_npz_add(s->npz, id, SPK_F32, n_dims, dim, data);
    if (s->ark) return spk_ark_add(s->ark, id, n_dims, dim, data);
    if (s->jsonl) return spk_jsonl_add(s->jsonl, id, n_dims, dim, data);
    if (s->list) return add_npy(s, id, n_dims, dim, data);
    return add_stdout(id, n_dims, dim, data);
}

spk_status sink_finish(sink *s)
{
    spk_status status = SPK_OK;
    if (s->npz) status = spk_npz_finish(s->npz);
    if (s->ark) status = spk_ark_finish(s->ark);
    if (s->jsonl) status = spk_jsonl_finish(s->jsonl);
    if (s->list) status = spk_outfile_commit(s->list);
    free_sink(s);
    return status;
}

const char *sink_path(const sink *s)
{
    return s->path;
}
