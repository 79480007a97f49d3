/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: 8 bytes with the header's length (little-endian), a JSON header {"NAME": {"dtype",
 * "shape", "data_offsets"}, "__metadata__": {...}}, then the data. The header is padded with spaces to a
 * multiple of 64 bytes and tensors are laid down by the size of their elements, largest first, so that
 * all are aligned; the header keeps the order in which they were given.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_impl.h"
#include "spk/state.h"

enum { LENGTH_BYTES = 8, ALIGNMENT = 64 };
static const uint64_t LONGEST_HEADER = 100u << 20;
static const char metadata_key[] = "__metadata__";

static const char *const dtype_names[] = {
    [SPK_F32] = "F32", [SPK_F64] = "F64", [SPK_BF16] = "BF16", [SPK_F16] = "F16", [SPK_I64] = "I64",
    [SPK_I32] = "I32", [SPK_I16] = "I16", [SPK_I8] = "I8",     [SPK_U8] = "U8",   [SPK_BOOL] = "BOOL"};
enum { N_DTYPES = sizeof dtype_names / sizeof *dtype_names };

/* ---- metadata ---- */

void spk_meta_set(spk_meta *meta, const char *key, const char *value)
{
    char *copy = spk_strdup(value);
    for (int64_t i = 0; i < meta->n; i++)
        if (strcmp(meta->entry[i].key, key) == 0) {
            spk_free(meta->entry[i].value);
            meta->entry[i].value = copy;
            return;
        }
    char *name = spk_strdup(key);
    SPK_PUSH(meta->entry, meta->n) = (struct spk_meta_entry){name, copy};
}

const char *spk_meta_get(const spk_meta *meta, const char *key)
{
    for (int64_t i = 0; i < meta->n; i++)
        if (strcmp(meta->entry[i].key, key) == 0) return meta->entry[i].value;
    return NULL;
}

void spk_meta_clear(spk_meta *meta)
{
    for (int64_t i = 0; i < meta->n; i++) {
        spk_free(meta->entry[i].key);
        spk_free(meta->entry[i].value);
    }
    spk_free(meta->entry);
    memset(meta, 0, sizeof *meta);
}

/* ---- reading ---- */

typedef struct piece { /* one tensor's place */
    const char *name;
    spk_dtype dtype;
    int n_dims;
    int64_t dim[SPK_MAX_DIMS];
    int64_t begin, end; /* bytes of the data */
} piece;

typedef struct source {
    const char *path;
    FILE *stream;
    int64_t data_start, data_bytes;
    json_t *header;
    int64_t n;
    piece *piece;
} source;

static spk_status truncated(const source *f)
{
    return spk_fail(SPK_E_FORMAT, "%s: not a safetensors file, or it is truncated", f->path);
}

static spk_status read_bytes(source *f, void *data, size_t n)
{
    errno = 0;
    if (n == 0 || fread(data, 1, n, f->stream) == n) return SPK_OK;
    return ferror(f->stream) ? spk_fail_errno(f->path, "read") : truncated(f);
}

static spk_status read_header(source *f)
{
    struct stat s;
    unsigned char length[LENGTH_BYTES];
    uint64_t n = 0;
    json_error_t error;
    f->stream = fopen(f->path, "rb");
    if (!f->stream || fstat(fileno(f->stream), &s) != 0) return spk_fail_errno(f->path, "open");
    if (S_ISDIR(s.st_mode)) return spk_fail(SPK_E_IO, "%s: cannot open: is a folder", f->path);
    if (s.st_size < LENGTH_BYTES) return truncated(f);
    SPK_TRY(read_bytes(f, length, sizeof length));
    for (int i = 0; i < LENGTH_BYTES; i++)
        n |= (uint64_t)length[i] << (8 * i);
    if (n > LONGEST_HEADER || n > (uint64_t)s.st_size - LENGTH_BYTES) return truncated(f);
    char *text = spk_alloc((size_t)n + 1);
    if (!text) return spk_fail(SPK_E_NOMEM, "%s: out of memory", f->path);
    const spk_status status = read_bytes(f, text, (size_t)n);
    if (status == SPK_OK) f->header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    spk_free(text);
    SPK_TRY(status);
    if (!json_is_object(f->header))
        return spk_fail(SPK_E_FORMAT, "%s: the safetensors header is damaged: %s", f->path,
                        f->header ? "no JSON object" : error.text);
    f->data_start = LENGTH_BYTES + (int64_t)n;
    f->data_bytes = (int64_t)s.st_size - LENGTH_BYTES - (int64_t)n;
    return SPK_OK;
}

static spk_status bad_piece(const source *f, const char *name, const char *why)
{
    return spk_fail(SPK_E_FORMAT, "%s: tensor '%s' %s; the file is damaged", f->path, name, why);
}

static spk_status parse_piece(const source *f, const char *name, const json_t *value, piece *p)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    const json_t *shape = json_object_get(value, "shape"), *offsets = json_object_get(value, "data_offsets");
    bool overflow = false;
    memset(p, 0, sizeof *p);
    p->name = name;
    if (!dtype || !json_is_array(shape) || !json_is_array(offsets) || json_array_size(offsets) != 2)
        return bad_piece(f, name, "lacks dtype, shape or data_offsets");
    int which = 0;
    while (which < N_DTYPES && strcmp(dtype_names[which], dtype) != 0)
        which++;
    if (which == N_DTYPES)
        return spk_fail(SPK_E_FORMAT, "%s: tensor '%s' has the element type '%s', which is not read", f->path, name,
                        dtype);
    p->dtype = (spk_dtype)which;
    if (json_array_size(shape) > SPK_MAX_DIMS) return bad_piece(f, name, "has too many dimensions");
    p->n_dims = (int)json_array_size(shape);
    size_t bytes = spk_dtype_size(p->dtype);
    bool is_empty = false;
    for (int d = 0; d < p->n_dims; d++) {
        const json_t *extent = json_array_get(shape, (size_t)d);
        p->dim[d] = json_integer_value(extent);
        if (!json_is_integer(extent) || p->dim[d] < 0) return bad_piece(f, name, "has an impossible shape");
        is_empty = is_empty || p->dim[d] == 0;
        if (p->dim[d] > 0) bytes = spk_mul(bytes, (size_t)p->dim[d], &overflow);
    }
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    p->begin = json_integer_value(begin);
    p->end = json_integer_value(end);
    if (!json_is_integer(begin) || !json_is_integer(end) || p->begin < 0 || p->end < p->begin || p->end > f->data_bytes)
        return bad_piece(f, name, "lies beyond the end of the file");
    if (overflow || (is_empty ? 0 : bytes) != (size_t)(p->end - p->begin))
        return bad_piece(f, name, "has another size than its shape says");
    return SPK_OK;
}

static int by_place(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end) return x->end < y->end ? -1 : 1;
    return strcmp(x->name, y->name);
}

static spk_status check_rest(const source *f, int64_t at)
{
    if (at == f->data_bytes) return SPK_OK;
    return spk_fail(SPK_E_FORMAT, "%s: %lld bytes after the last tensor; the file is damaged", f->path,
                    (long long)(f->data_bytes - at));
}

/* All tensors in the header's order; their data must fill the file without gap or overlap. */
static spk_status list_pieces(source *f)
{
    const char *name;
    json_t *value;
    json_object_foreach(f->header, name, value)
    {
        piece p;
        if (strcmp(name, metadata_key) == 0) continue;
        SPK_TRY(parse_piece(f, name, value, &p));
        SPK_PUSH(f->piece, f->n) = p;
    }
    if (f->n == 0) return check_rest(f, 0);
    piece *placed = spk_new((size_t)f->n * sizeof *placed);
    memcpy(placed, f->piece, (size_t)f->n * sizeof *placed);
    qsort(placed, (size_t)f->n, sizeof *placed, by_place);
    spk_status status = SPK_OK;
    int64_t at = 0;
    for (int64_t i = 0; i < f->n && status == SPK_OK; i++) {
        if (placed[i].begin != at) status = bad_piece(f, placed[i].name, "does not follow the one before it");
        at = placed[i].end;
    }
    spk_free(placed);
    return status != SPK_OK ? status : check_rest(f, at);
}

static spk_status read_meta(const source *f, spk_meta *meta)
{
    const char *key;
    json_t *value, *map = json_object_get(f->header, metadata_key);
    if (map && !json_is_object(map)) return spk_fail(SPK_E_FORMAT, "%s: __metadata__ is no object", f->path);
    json_object_foreach(map, key, value)
    {
        if (!json_is_string(value)) return spk_fail(SPK_E_FORMAT, "%s: metadata '%s' is no string", f->path, key);
        spk_meta_set(meta, key, json_string_value(value));
    }
    return SPK_OK;
}

static spk_status read_pieces(source *f, spk_tensors *out)
{
    SPK_TRY(list_pieces(f));
    for (int64_t i = 0; i < f->n; i++) {
        const piece *p = &f->piece[i];
        spk_ndarray *a;
        if (spk_tensors_add(out, p->name, p->dtype, p->n_dims, p->dim, &a) != SPK_OK)
            return spk_fail_in(SPK_E_NOMEM, "%s: tensor '%s'", f->path, p->name);
        if (fseeko(f->stream, (off_t)(f->data_start + p->begin), SEEK_SET) != 0) return spk_fail_errno(f->path, "read");
        SPK_TRY(read_bytes(f, a->data, (size_t)(p->end - p->begin)));
    }
    return SPK_OK;
}

static void close_source(source *f)
{
    if (f->stream) fclose(f->stream);
    json_decref(f->header);
    spk_free(f->piece);
}

spk_status spk_safetensors_read(const char *path, spk_tensors *out, spk_meta *meta)
{
    source f = {.path = path};
    memset(out, 0, sizeof *out);
    if (meta) memset(meta, 0, sizeof *meta);
    spk_status status = read_header(&f);
    if (status == SPK_OK && meta) status = read_meta(&f, meta);
    if (status == SPK_OK) status = read_pieces(&f, out);
    close_source(&f);
    if (status != SPK_OK) {
        spk_tensors_clear(out);
        if (meta) spk_meta_clear(meta);
    }
    return status;
}

spk_status spk_safetensors_read_meta(const char *path, spk_meta *meta)
{
    source f = {.path = path};
    memset(meta, 0, sizeof *meta);
    spk_status status = read_header(&f);
    if (status == SPK_OK) status = list_pieces(&f);
    if (status == SPK_OK) status = read_meta(&f, meta);
    close_source(&f);
    if (status != SPK_OK) spk_meta_clear(meta);
    return status;
}

/* ---- writing ---- */

static size_t bytes_of(const spk_ndarray *a)
{
    return (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype);
}

static spk_status add_piece(json_t *header, const char *path, const struct spk_named *t, int64_t begin)
{
    json_t *shape = json_array();
    for (int d = 0; d < t->a.n_dims; d++)
        json_array_append_new(shape, json_integer(t->a.dim[d]));
    const int64_t end = begin + (int64_t)bytes_of(&t->a);
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_names[t->a.dtype], "shape", shape, "data_offsets",
                              (json_int_t)begin, (json_int_t)end);
    if (json_object_get(header, t->name) || strcmp(t->name, metadata_key) == 0) {
        json_decref(entry);
        return spk_fail(SPK_E_VALUE, "%s: tensor '%s' stands twice", path, t->name);
    }
    if (!entry || json_object_set_new(header, t->name, entry) != 0)
        return spk_fail(SPK_E_VALUE, "%s: the tensor name '%s' is not UTF-8 text", path, t->name);
    return SPK_OK;
}

static spk_status make_header(const char *path, const spk_tensors *tensors, const int64_t *begin, const spk_meta *meta,
                              spk_text *out)
{
    json_t *header = json_object(), *map = meta && meta->n > 0 ? json_object() : NULL;
    spk_status status = SPK_OK;
    for (int64_t i = 0; map && i < meta->n && status == SPK_OK; i++)
        if (json_object_set_new(map, meta->entry[i].key, json_string(meta->entry[i].value)) != 0)
            status = spk_fail(SPK_E_VALUE, "%s: metadata '%s' is not UTF-8 text", path, meta->entry[i].key);
    if (map) json_object_set_new(header, metadata_key, map);
    for (int64_t i = 0; i < tensors->n && status == SPK_OK; i++)
        status = add_piece(header, path, &tensors->item[i], begin[i]);
    if (status == SPK_OK) {
        char *text = json_dumps(header, JSON_COMPACT);
        if (!text) status = spk_fail(SPK_E_NOMEM, "%s: out of memory", path);
        if (text) spk_text_add(out, text);
        free(text); /* jansson's malloc */
        while ((LENGTH_BYTES + out->n) % ALIGNMENT != 0)
            spk_text_add(out, " ");
    }
    json_decref(header);
    return status;
}

/* Where each tensor's data begins, and the order in which they are written: elements of 8 bytes first. */
static void lay_out(const spk_tensors *tensors, int64_t *begin, int64_t *order)
{
    int64_t at = 0, n = 0;
    for (size_t size = 8; size > 0; size /= 2)
        for (int64_t i = 0; i < tensors->n; i++)
            if (spk_dtype_size(tensors->item[i].a.dtype) == size) {
                order[n++] = i;
                begin[i] = at;
                at += (int64_t)bytes_of(&tensors->item[i].a);
            }
}

spk_status spk_safetensors_write(const char *path, const spk_tensors *tensors, const spk_meta *meta)
{
    spk_text header = {0};
    spk_outfile *f = NULL;
    unsigned char length[LENGTH_BYTES];
    spk_status status;
    int64_t *begin = spk_new((size_t)tensors->n * sizeof *begin), *order = spk_new((size_t)tensors->n * sizeof *order);
    lay_out(tensors, begin, order);
    SPK_GO(make_header(path, tensors, begin, meta, &header));
    SPK_GO(spk_outfile_open(path, &f));
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)header.n >> (8 * i) & 0xff);
    spk_outfile_write(f, length, sizeof length);
    spk_outfile_write(f, header.s, header.n);
    for (int64_t k = 0; k < tensors->n; k++) {
        const spk_ndarray *a = &tensors->item[order[k]].a;
        spk_outfile_write(f, a->data, bytes_of(a));
    }
    status = spk_outfile_commit(f);
done:
    spk_text_clear(&header);
    spk_free(begin);
    spk_free(order);
    return status;
}
