/* SPDX-License-Identifier: Apache-2.0 */
/* Reading embeddings: each kind of file gives named arrays, which become one block of rows. */
#include "score/embeddings_impl.h"

#include <dirent.h>
#include <math.h>
#include <string.h>

#include "formats/list_impl.h"
#include "spk/arrays.h"

/* ---- named arrays ---- */

static spk_status add_npy(const char *id, const char *path, spk_tensors *out)
{
    spk_ndarray a;
    SPK_TRY(spk_npy_read(path, &a));
    SPK_PUSH(out->item, out->n) = (struct spk_named){spk_strdup(id), a};
    return SPK_OK;
}

/* The .npy files below a folder; `prefix` is the path from the first folder, "" or ending in a slash. */
static spk_status read_folder(const char *folder, const char *prefix, spk_tensors *out)
{
    spk_status status = SPK_OK;
    DIR *dir = opendir(folder);
    if (!dir) return spk_fail_errno(folder, "open");
    for (const struct dirent *e; status == SPK_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        char *path = spk_path_join(folder, e->d_name), *id = spk_strf("%s%s", prefix, e->d_name);
        if (spk_is_folder(path)) {
            char *deeper = spk_strf("%s/", id);
            status = read_folder(path, deeper, out);
            spk_free(deeper);
        } else if (spk_ends_with(id, ".npy")) {
            id[strlen(id) - 4] = '\0';
            status = add_npy(id, path, out);
        }
        spk_free(id);
        spk_free(path);
    }
    closedir(dir);
    return status;
}

static spk_status read_npy_list(const spk_list *list, spk_tensors *out)
{
    for (int64_t i = 0; i < list->n; i++) {
        char *path = spk_list_resolve_path(list->path, list->entry[i].value);
        const spk_status status = add_npy(list->entry[i].key, path, out);
        spk_free(path);
        if (status != SPK_OK) return spk_fail_in(status, "%s:%lld", list->path, (long long)list->entry[i].line);
    }
    return SPK_OK;
}

static spk_status read_scp(const char *path, spk_tensors *out)
{
    spk_list list;
    SPK_TRY(spk_list_read(path, 0, &list));
    const bool npy = list.n > 0 && spk_ends_with(list.entry[0].value, ".npy");
    const spk_status status = npy ? read_npy_list(&list, out) : spk_scp_read(path, out);
    spk_list_clear(&list);
    return status;
}

static spk_status read_arrays(const char *path, spk_tensors *out)
{
    memset(out, 0, sizeof *out);
    if (spk_is_folder(path)) return read_folder(path, "", out);
    if (spk_ends_with(path, ".npz")) return spk_npz_read(path, out);
    if (spk_ends_with(path, ".ark")) return spk_ark_read(path, out);
    if (spk_ends_with(path, ".scp")) return read_scp(path, out);
    if (!spk_exists(path)) return spk_fail(SPK_E_IO, "%s: cannot open: no such file or folder", path);
    return spk_fail(SPK_E_FORMAT, "%s: embeddings are read from .npz, .ark, .scp, or a folder of .npy files", path);
}

/* ---- one block ---- */

static spk_status check_array(const char *path, const struct spk_named *t, int64_t D)
{
    const spk_ndarray *a = &t->a;
    const int64_t last = a->n_dims > 0 ? a->dim[a->n_dims - 1] : 0;
    if (a->dtype != SPK_F32 && a->dtype != SPK_F64)
        return spk_fail(SPK_E_FORMAT, "%s: '%s' is of type %s; embeddings are float32 or float64", path, t->name,
                        spk_dtype_name(a->dtype));
    if (a->n_dims < 1 || a->n_dims > 2 || spk_ndarray_count(a) == 0)
        return spk_fail(SPK_E_SHAPE, "%s: '%s' has %d dimensions and %lld values; an embedding is (D) or (segments, D)",
                        path, t->name, a->n_dims, (long long)spk_ndarray_count(a));
    if (D > 0 && last != D)
        return spk_fail(SPK_E_SHAPE, "%s: '%s' has %lld values in a row, the ones before it have %lld", path, t->name,
                        (long long)last, (long long)D);
    return SPK_OK;
}

static spk_status copy_rows(const char *path, const struct spk_named *t, float *row)
{
    const int64_t n = spk_ndarray_count(&t->a);
    for (int64_t i = 0; i < n; i++) {
        row[i] = t->a.dtype == SPK_F64 ? (float)((const double *)t->a.data)[i] : ((const float *)t->a.data)[i];
        if (!isfinite(row[i]))
            return spk_fail(SPK_E_VALUE, "%s: the embedding of '%s' has a value that is not finite", path, t->name);
    }
    return SPK_OK;
}

static spk_status fill(spk_embeddings *e, const spk_tensors *t)
{
    e->id = spk_new(sizeof *e->id * (size_t)(t->n + 1));
    e->first = spk_new(sizeof *e->first * (size_t)(t->n + 1));
    if (t->n == 0) return spk_fail(SPK_E_VALUE, "%s: holds no embeddings", e->path);
    for (int64_t i = 0; i < t->n; i++) {
        SPK_TRY(check_array(e->path, &t->item[i], e->D));
        e->D = t->item[i].a.dim[t->item[i].a.n_dims - 1];
        e->first[i + 1] = e->first[i] + spk_ndarray_count(&t->item[i].a) / e->D;
    }
    e->row = spk_alloc(sizeof *e->row * (size_t)(e->first[t->n] * e->D));
    if (!e->row) return spk_fail(SPK_E_NOMEM, "not enough memory for the embeddings of %s", e->path);
    for (int64_t i = 0; i < t->n; i++) {
        SPK_TRY(copy_rows(e->path, &t->item[i], e->row + e->first[i] * e->D));
        e->id[i] = spk_strdup(t->item[i].name);
        e->n++;
        if (!spk_map_put(&e->index, e->id[i], i))
            return spk_fail(SPK_E_VALUE, "%s: the id '%s' stands twice", e->path, e->id[i]);
    }
    return SPK_OK;
}

spk_status spk_embeddings_read(const char *path, spk_embeddings *out)
{
    spk_tensors t;
    memset(out, 0, sizeof *out);
    out->path = spk_strdup(path);
    spk_status status = read_arrays(path, &t);
    if (status == SPK_OK) status = fill(out, &t);
    spk_tensors_clear(&t);
    if (status != SPK_OK) spk_embeddings_clear(out);
    return status;
}

void spk_embeddings_clear(spk_embeddings *e)
{
    for (int64_t i = 0; i < e->n; i++)
        spk_free(e->id[i]);
    spk_free(e->id);
    spk_free(e->first);
    spk_free(e->row);
    spk_free(e->path);
    spk_map_clear(&e->index);
    memset(e, 0, sizeof *e);
}

/* NeMo calls a/b/c.wav a@b@c.wav. */
static int64_t find_as_nemo(const spk_embeddings *e, const char *id)
{
    int64_t at = -1;
    if (!strchr(id, '/')) return at;
    char *name = spk_strdup(id);
    for (char *c = name; (c = strchr(c, '/')) != NULL;)
        *c = '@';
    if (!spk_map_get(&e->index, name, &at)) at = -1;
    spk_free(name);
    return at;
}

int64_t spk_embeddings_find(const spk_embeddings *e, const char *id)
{
    static const char *const endings[] = {".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a"};
    int64_t at = -1;
    if (spk_map_get(&e->index, id, &at)) return at;
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
        if (!spk_ends_with(id, endings[k])) continue;
        char *bare = spk_strndup(id, strlen(id) - strlen(endings[k]));
        if (!spk_map_get(&e->index, bare, &at)) at = -1;
        spk_free(bare);
        return at >= 0 ? at : find_as_nemo(e, id);
    }
    return find_as_nemo(e, id);
}
