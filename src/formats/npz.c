/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's .npz: a zip file whose members are .npy files. */
#include <string.h>

#include "formats/npy_impl.h"
#include "formats/zip_impl.h"
#include "spk/arrays.h"

enum { LONGEST_KEY = 1000 };
static const char kind[] = "an .npz file";

/* ---- reading ---- */

struct spk_npz {
    spk_zip *zip;
    void *inside;  /* the file's bytes where it lies in another zip file */
    char **key;    /* of each member */
    spk_map index; /* key -> member */
};

static spk_status index_keys(spk_npz *z)
{
    z->key = spk_new((size_t)z->zip->n * sizeof *z->key);
    for (int64_t i = 0; i < z->zip->n; i++) {
        const char *name = z->zip->entry[i].name;
        z->key[i] = spk_strndup(name, strlen(name) - (spk_ends_with(name, ".npy") ? 4 : 0));
    }
    for (int64_t i = 0; i < z->zip->n; i++)
        if (!spk_map_put(&z->index, z->key[i], i))
            return spk_fail(SPK_E_FORMAT, "%s: key '%s' stands twice", z->zip->path, z->key[i]);
    return SPK_OK;
}

/* The length of FILE.zip in "FILE.zip/MEMBER", where there is such a file; else 0. */
static size_t outer_length(const char *path)
{
    for (const char *s = path; (s = strstr(s, ".zip/")) != NULL; s++) {
        const size_t n = (size_t)(s - path) + 4;
        char *outer = spk_strndup(path, n);
        const bool there = spk_is_file(outer);
        spk_free(outer);
        if (there) return n;
    }
    return 0;
}

/* A packed model carries back-ends and cohorts: read such a member as a whole. */
static spk_status open_inside(const char *path, size_t n, spk_npz *z)
{
    spk_zip *outer = NULL;
    spk_status status;
    char *name = spk_strndup(path, n);
    const char *member = path + n + 1;
    SPK_GO(spk_zip_open(name, "a packed model", &outer));
    const int64_t i = spk_zip_find(outer, member);
    if (i < 0) SPK_GO(spk_fail(SPK_E_IO, "%s: there is no '%s' in it", name, member));
    const int64_t bytes = outer->entry[i].bytes;
    z->inside = spk_alloc((size_t)bytes);
    if (!z->inside) SPK_GO(spk_fail(SPK_E_NOMEM, "%s: not enough memory for %lld bytes", path, (long long)bytes));
    SPK_GO(spk_zip_read(outer, i, z->inside));
    SPK_GO(spk_zip_open_memory(z->inside, (size_t)bytes, path, kind, &z->zip));
done:
    spk_zip_close(outer);
    spk_free(name);
    return status;
}

spk_status spk_npz_open(const char *path, spk_npz **out)
{
    spk_npz *z = spk_new(sizeof *z);
    const size_t outer = outer_length(path);
    *out = NULL;
    spk_status status = outer ? open_inside(path, outer, z) : spk_zip_open(path, kind, &z->zip);
    if (status == SPK_OK) status = index_keys(z);
    if (status != SPK_OK)
        spk_npz_close(z);
    else
        *out = z;
    return status;
}

void spk_npz_close(spk_npz *z)
{
    if (!z) return;
    for (int64_t i = 0; z->key && i < z->zip->n; i++)
        spk_free(z->key[i]);
    spk_free(z->key);
    spk_map_clear(&z->index);
    spk_zip_close(z->zip);
    spk_free(z->inside);
    spk_free(z);
}

int64_t spk_npz_count(const spk_npz *z)
{
    return z->zip->n;
}

const char *spk_npz_key(const spk_npz *z, int64_t i)
{
    SPK_ASSERT(i >= 0 && i < z->zip->n);
    return z->key[i];
}

bool spk_npz_has(const spk_npz *z, const char *key)
{
    int64_t i;
    return spk_map_get(&z->index, key, &i);
}

typedef struct member {
    spk_zip *zip;
    int64_t i;
} member;

static spk_status next_of_member(void *user, void *data, int64_t n)
{
    const member *m = user;
    return spk_zip_next(m->zip, m->i, data, n);
}

static spk_status read_member(spk_npz *z, int64_t i, spk_ndarray *out)
{
    member m = {z->zip, i};
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_zip_begin(z->zip, i));
    char *what = spk_strf("%s: '%s'", z->zip->path, z->key[i]);
    spk_status status = spk_npy_from(next_of_member, &m, z->zip->entry[i].bytes, what, out);
    spk_free(what);
    if (status != SPK_OK) { /* closing may complain about the checksum: the first failure is the one to tell */
        char *first = spk_strdup(spk_errmsg());
        (void)spk_zip_end(z->zip, i);
        spk_fail(status, "%s", first);
        spk_free(first);
        return status;
    }
    status = spk_zip_end(z->zip, i);
    if (status != SPK_OK) spk_ndarray_clear(out);
    return status;
}

spk_status spk_npz_get(spk_npz *z, const char *key, spk_ndarray *out)
{
    int64_t i;
    memset(out, 0, sizeof *out);
    if (!spk_map_get(&z->index, key, &i))
        return spk_fail(SPK_E_VALUE, "%s: there is no array '%s' in the file", z->zip->path, key);
    return read_member(z, i, out);
}

spk_status spk_npz_read_member(const char *path, const char *key, spk_ndarray *out)
{
    spk_npz *z = NULL;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_npz_open(path, &z));
    const spk_status status = spk_npz_get(z, key, out);
    spk_npz_close(z);
    return status;
}

spk_status spk_npz_read(const char *path, spk_tensors *out)
{
    spk_npz *z = NULL;
    spk_status status = SPK_OK;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_npz_open(path, &z));
    for (int64_t i = 0; i < z->zip->n && status == SPK_OK; i++) {
        spk_ndarray a;
        status = read_member(z, i, &a);
        if (status == SPK_OK) SPK_PUSH(out->item, out->n) = (struct spk_named){spk_strdup(z->key[i]), a};
    }
    spk_npz_close(z);
    if (status != SPK_OK) spk_tensors_clear(out);
    return status;
}

/* ---- writing ---- */

struct spk_npz_writer {
    spk_zip_writer *zip;
    char *path;
    spk_map keys; /* borrows from `key` */
    int64_t n;
    char **key;
};

static void free_writer(spk_npz_writer *w)
{
    for (int64_t i = 0; i < w->n; i++)
        spk_free(w->key[i]);
    spk_free(w->key);
    spk_map_clear(&w->keys);
    spk_free(w->path);
    spk_free(w);
}

spk_status spk_npz_create(const char *path, spk_npz_writer **out)
{
    spk_npz_writer *w = spk_new(sizeof *w);
    *out = NULL;
    w->path = spk_strdup(path);
    const spk_status status = spk_zip_create(path, &w->zip);
    if (status != SPK_OK)
        free_writer(w);
    else
        *out = w;
    return status;
}

static spk_status add_key(spk_npz_writer *w, const char *key)
{
    const size_t n = strlen(key);
    if (n == 0 || n > LONGEST_KEY)
        return spk_fail(SPK_E_VALUE, "%s: the key '%.40s' has %zu bytes; 1 to 1000 are allowed", w->path, key, n);
    int64_t there;
    if (spk_map_get(&w->keys, key, &there))
        return spk_fail(SPK_E_VALUE, "%s: key '%s' was written already", w->path, key);
    char *copy = spk_strdup(key);
    SPK_PUSH(w->key, w->n) = copy;
    spk_map_put(&w->keys, copy, w->n - 1);
    return SPK_OK;
}

spk_status spk_npz_add(spk_npz_writer *w, const char *key, spk_dtype dtype, int n_dims, const int64_t *dim,
                       const void *data)
{
    spk_text header = {0};
    spk_status status;
    spk_ndarray shape = {.n_dims = n_dims};
    SPK_ASSERT(n_dims >= 0 && n_dims <= SPK_MAX_DIMS);
    for (int d = 0; d < n_dims; d++)
        shape.dim[d] = dim[d];
    const int64_t bytes = spk_ndarray_count(&shape) * (int64_t)spk_dtype_size(dtype);
    SPK_TRY(add_key(w, key));
    char *name = spk_strf("%s.npy", key);
    status = spk_npy_print_header(&header, dtype, n_dims, dim);
    if (status != SPK_OK) {
        spk_fail_in(status, "%s: '%s'", w->path, key);
        goto done;
    }
    SPK_GO(spk_zip_add(w->zip, name, bytes + (int64_t)header.n, 0));
    SPK_GO(spk_zip_write(w->zip, header.s, (int64_t)header.n));
    SPK_GO(spk_zip_write(w->zip, data, bytes));
    status = spk_zip_add_end(w->zip);
done:
    spk_text_clear(&header);
    spk_free(name);
    return status;
}

spk_status spk_npz_finish(spk_npz_writer *w)
{
    const spk_status status = spk_zip_finish(w->zip);
    free_writer(w);
    return status;
}

void spk_npz_abort(spk_npz_writer *w)
{
    if (!w) return;
    spk_zip_abort(w->zip);
    free_writer(w);
}

spk_status spk_npz_write(const char *path, const spk_tensors *tensors)
{
    spk_npz_writer *w = NULL;
    spk_status status = SPK_OK;
    SPK_TRY(spk_npz_create(path, &w));
    for (int64_t i = 0; i < tensors->n && status == SPK_OK; i++) {
        const spk_ndarray *a = &tensors->item[i].a;
        status = spk_npz_add(w, tensors->item[i].name, a->dtype, a->n_dims, a->dim, a->data);
    }
    if (status == SPK_OK) return spk_npz_finish(w);
    spk_npz_abort(w);
    return status;
}
