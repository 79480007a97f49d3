/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PyTorch's .pth: a zip file PREFIX/data.pkl (the pickle), PREFIX/data/N (one storage each, stored as
 * it lies in memory), PREFIX/byteorder. A tensor is a window on a storage.
 */
#include <string.h>

#include "formats/pickle_impl.h"
#include "formats/zip_impl.h"
#include "spk/state.h"

enum { LARGEST_PICKLE = 16 << 20 };
static const char kind[] = "a PyTorch file (of version 1.6 or newer)";

typedef struct pth {
    const char *path;
    spk_zip *zip;
    char *prefix; /* "model/" */
    spk_pickle pickle;
    unsigned char *text; /* of the pickle */
    int64_t loaded;      /* zip member that `storage` holds, or -1 */
    char *storage;
    double bytes_left; /* of tensors: many views of one storage could otherwise ask for any amount of memory */
} pth;

/* ---- records ---- */

static spk_status read_pickle(pth *f)
{
    int64_t at = -1;
    for (int64_t i = 0; i < f->zip->n && at < 0; i++) {
        const char *name = f->zip->entry[i].name;
        if (strcmp(name, "data.pkl") == 0 || spk_ends_with(name, "/data.pkl")) at = i;
    }
    if (at < 0)
        return spk_fail(SPK_E_FORMAT, "%s: a zip file without data.pkl; a file from torch.save is expected", f->path);
    const spk_zip_entry *entry = &f->zip->entry[at];
    f->prefix = spk_strndup(entry->name, strlen(entry->name) - strlen("data.pkl"));
    if (entry->bytes > LARGEST_PICKLE)
        return spk_fail(SPK_E_FORMAT, "%s: its data.pkl has %lld bytes; only state_dicts are read", f->path,
                        (long long)entry->bytes);
    f->text = spk_alloc((size_t)entry->bytes);
    if (!f->text) return spk_fail(SPK_E_NOMEM, "%s: out of memory", f->path);
    SPK_TRY(spk_zip_read(f->zip, at, f->text));
    return spk_pickle_read(f->text, (size_t)entry->bytes, f->path, &f->pickle);
}

static spk_status check_byteorder(pth *f)
{
    char order[7] = "";
    char *name = spk_strf("%sbyteorder", f->prefix);
    const int64_t i = spk_zip_find(f->zip, name);
    spk_free(name);
    if (i < 0) return SPK_OK; /* files before PyTorch 2.1 */
    if (f->zip->entry[i].bytes == 6) SPK_TRY(spk_zip_read(f->zip, i, order));
    return strcmp(order, "little") == 0
               ? SPK_OK
               : spk_fail(SPK_E_FORMAT, "%s: only files of little-endian machines are read", f->path);
}

/* Make f->storage the content of that storage. */
static spk_status load_storage(pth *f, const spk_pickle_node *s)
{
    bool overflow = false;
    char *name = spk_strf("%sdata/%.*s", f->prefix, (int)(s->i < 100 ? s->i : 100), s->s);
    const int64_t i = spk_zip_find(f->zip, name);
    spk_status status = SPK_OK;
    const size_t bytes = spk_mul((size_t)s->n, spk_dtype_size(s->dtype), &overflow);
    if (i < 0)
        status = spk_fail(SPK_E_FORMAT, "%s: the record '%s' is missing; the file is damaged", f->path, name);
    else if (overflow || bytes != (size_t)f->zip->entry[i].bytes)
        status = spk_fail(SPK_E_FORMAT,
                          "%s: the record '%s' has %lld bytes, not those of %lld elements; the file is damaged",
                          f->path, name, (long long)f->zip->entry[i].bytes, (long long)s->n);
    spk_free(name);
    if (status != SPK_OK || i == f->loaded) return status;
    spk_free(f->storage);
    f->loaded = -1;
    f->storage = spk_alloc(bytes);
    if (!f->storage) return spk_fail(SPK_E_NOMEM, "%s: out of memory for %zu bytes", f->path, bytes);
    SPK_TRY(spk_zip_read(f->zip, i, f->storage));
    f->loaded = i;
    return SPK_OK;
}

/* ---- tensors ---- */

static spk_status bad_tensor(const pth *f, const char *name)
{
    return spk_fail(SPK_E_FORMAT, "%s: tensor '%s' reaches beyond its storage; the file is damaged", f->path, name);
}

/* That the window lies within the storage, and its number of elements. */
static spk_status check_window(pth *f, const char *name, const spk_pickle_node *t, const spk_pickle_node *s,
                               int64_t *count)
{
    bool overflow = false, is_empty = false;
    size_t n = 1, last = (size_t)t->i;
    for (int64_t d = 0; d < t->n; d++)
        is_empty = is_empty || t->dim[d] == 0;
    for (int64_t d = 0; d < t->n && !is_empty; d++) {
        const size_t step = spk_mul((size_t)t->dim[d] - 1, (size_t)t->stride[d], &overflow);
        if (last > SIZE_MAX / 2 || step > SIZE_MAX / 2) return bad_tensor(f, name);
        n = spk_mul(n, (size_t)t->dim[d], &overflow);
        last += step;
    }
    if (is_empty) n = 0;
    if (overflow || n > (size_t)INT64_MAX / 16 || (n > 0 && last >= (size_t)s->n)) return bad_tensor(f, name);
    f->bytes_left -= (double)n * (double)spk_dtype_size(s->dtype);
    if (f->bytes_left < 0)
        return spk_fail(SPK_E_FORMAT, "%s: tensor '%s' and those before it repeat the file's bytes too often", f->path,
                        name);
    *count = (int64_t)n;
    return SPK_OK;
}

static bool is_contiguous(const spk_pickle_node *t)
{
    int64_t expected = 1;
    for (int64_t d = t->n - 1; d >= 0; d--) {
        if (t->dim[d] != 1 && t->stride[d] != expected) return false;
        expected *= t->dim[d];
    }
    return true;
}

static void gather(const pth *f, const spk_pickle_node *t, size_t size, int64_t count, char *to)
{
    int64_t index[SPK_MAX_DIMS] = {0}, at = t->i;
    for (int64_t k = 0; k < count; k++, to += size) {
        memcpy(to, f->storage + (size_t)at * size, size);
        for (int64_t d = t->n - 1; d >= 0; d--) {
            at += t->stride[d];
            if (++index[d] < t->dim[d]) break;
            at -= t->stride[d] * t->dim[d];
            index[d] = 0;
        }
    }
}

static spk_status add_tensor(pth *f, const char *name, const spk_pickle_node *t, spk_tensors *out)
{
    const spk_pickle_node *s = &f->pickle.node[t->storage];
    const size_t size = spk_dtype_size(s->dtype);
    int64_t count;
    spk_ndarray *a;
    SPK_TRY(check_window(f, name, t, s, &count));
    SPK_TRY(load_storage(f, s));
    if (spk_tensors_add(out, name, s->dtype, (int)t->n, t->dim, &a) != SPK_OK)
        return spk_fail_in(SPK_E_NOMEM, "%s: tensor '%s'", f->path, name);
    if (count > 0 && is_contiguous(t))
        memcpy(a->data, f->storage + (size_t)t->i * size, (size_t)count * size);
    else
        gather(f, t, size, count, a->data);
    if (s->dtype == SPK_BOOL)
        for (int64_t i = 0; i < count; i++)
            ((unsigned char *)a->data)[i] = ((unsigned char *)a->data)[i] != 0;
    return SPK_OK;
}

/* ---- the state_dict ---- */

static bool is_key(const spk_pickle_node *node, const char *text)
{
    return node->kind == SPK_PICKLE_STR && (size_t)node->n == strlen(text) && memcmp(node->s, text, strlen(text)) == 0;
}

/* A checkpoint holds the state_dict under one of these names, perhaps one within the other. */
static const spk_pickle_node *unwrap(const spk_pickle *p)
{
    static const char *const wrappers[] = {"state_dict", "model", "module"};
    const spk_pickle_node *dict = &p->node[p->root];
    for (int level = 0; level < 3 && dict->kind == SPK_PICKLE_DICT; level++) {
        const spk_pickle_node *inner = NULL;
        for (int w = 0; w < 3 && !inner; w++)
            for (int64_t i = 0; i + 1 < dict->n && !inner; i += 2) {
                const spk_pickle_node *value = &p->node[dict->item[i + 1]];
                if (is_key(&p->node[dict->item[i]], wrappers[w]) && value->kind == SPK_PICKLE_DICT) inner = value;
            }
        if (!inner) break;
        dict = inner;
    }
    return dict;
}

static spk_status read_tensors(pth *f, spk_tensors *out)
{
    const spk_pickle_node *dict = unwrap(&f->pickle);
    spk_map seen = {0};
    spk_status status = SPK_OK;
    char **names = NULL;
    int64_t n_names = 0;
    if (dict->kind != SPK_PICKLE_DICT)
        return spk_fail(SPK_E_FORMAT, "%s: holds no state_dict (a dict of tensors)", f->path);
    for (int64_t i = 0; i + 1 < dict->n; i += 2) {
        const spk_pickle_node *key = &f->pickle.node[dict->item[i]], *value = &f->pickle.node[dict->item[i + 1]];
        if (key->kind != SPK_PICKLE_STR || memchr(key->s, 0, (size_t)key->n))
            SPK_GO(spk_fail(SPK_E_FORMAT, "%s: an entry of the state_dict has no proper name", f->path));
        char *name = SPK_PUSH(names, n_names) = spk_strndup(key->s, (size_t)key->n);
        if (value->kind != SPK_PICKLE_TENSOR)
            SPK_GO(spk_fail(SPK_E_FORMAT, "%s: entry '%s' is no tensor; only state_dicts are read", f->path, name));
        if (!spk_map_put(&seen, name, i)) SPK_GO(spk_fail(SPK_E_FORMAT, "%s: tensor '%s' stands twice", f->path, name));
        SPK_GO(add_tensor(f, name, value, out));
    }
done:
    for (int64_t i = 0; i < n_names; i++)
        spk_free(names[i]);
    spk_free(names);
    spk_map_clear(&seen);
    return status;
}

static spk_status read_all(pth *f, spk_tensors *out)
{
    f->bytes_left = 64.0 * (double)f->zip->file_bytes + (1 << 24);
    SPK_TRY(read_pickle(f));
    SPK_TRY(check_byteorder(f));
    return read_tensors(f, out);
}

static void clear(pth *f)
{
    spk_pickle_clear(&f->pickle);
    spk_free(f->text);
    spk_free(f->storage);
    spk_free(f->prefix);
    spk_zip_close(f->zip);
}

spk_status spk_pth_read(const char *path, spk_tensors *out)
{
    pth f = {.path = path, .loaded = -1};
    memset(out, 0, sizeof *out);
    spk_status status = spk_zip_open(path, kind, &f.zip);
    if (status == SPK_OK) status = read_all(&f, out);
    if (status != SPK_OK) spk_tensors_clear(out);
    clear(&f);
    return status;
}

spk_status spk_pth_read_memory(const void *data, size_t n, const char *name, spk_tensors *out)
{
    pth f = {.path = name, .loaded = -1};
    memset(out, 0, sizeof *out);
    spk_status status = spk_zip_open_memory(data, n, name, kind, &f.zip);
    if (status == SPK_OK) status = read_all(&f, out);
    if (status != SPK_OK) spk_tensors_clear(out);
    clear(&f);
    return status;
}
