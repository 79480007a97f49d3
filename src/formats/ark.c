/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kaldi's binary archives of vectors and matrices. An entry is "KEY " and then "\0B", the type ("FV ",
 * "FM ", "DV ", "DM "), each extent as "\4" and a 32-bit number, and the values; all little-endian. An scp
 * names the byte at which an entry's "\0B" stands.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/ark_impl.h"
#include "formats/list_impl.h"
#include "spk/arrays.h"

/* ---- writing ---- */

struct spk_ark_writer {
    char *path, *scp_path;
    spk_outfile *ark, *scp;
    int64_t offset; /* bytes written to the ark */
    spk_map keys;   /* borrows from `key` */
    int64_t n;
    char **key;
};

static void free_writer(spk_ark_writer *w)
{
    spk_outfile_abort(w->ark);
    spk_outfile_abort(w->scp);
    for (int64_t i = 0; i < w->n; i++)
        spk_free(w->key[i]);
    spk_free(w->key);
    spk_map_clear(&w->keys);
    spk_free(w->path);
    spk_free(w->scp_path);
    spk_free(w);
}

spk_status spk_ark_create(const char *ark_path, const char *scp_path, spk_ark_writer **out)
{
    spk_ark_writer *w = spk_new(sizeof *w);
    *out = NULL;
    w->path = spk_strdup(ark_path);
    if (scp_path) w->scp_path = spk_strdup(scp_path);
    spk_status status = spk_outfile_open(ark_path, &w->ark);
    if (status == SPK_OK && scp_path) status = spk_outfile_open(scp_path, &w->scp);
    if (status != SPK_OK)
        free_writer(w);
    else
        *out = w;
    return status;
}

static void put_extent(unsigned char *to, int64_t n)
{
    to[0] = 4;
    for (int i = 0; i < 4; i++)
        to[1 + i] = (unsigned char)(n >> (8 * i) & 0xff);
}

spk_status spk_ark_add(spk_ark_writer *w, const char *key, int n_dims, const int64_t *dim, const float *data)
{
    unsigned char head[15] = {0, 'B', 'F', n_dims == 1 ? 'V' : 'M', ' '};
    const size_t n_head = 5 + 5 * (size_t)n_dims, n_key = strlen(key);
    int64_t there, count = 1;
    SPK_ASSERT(n_dims == 1 || n_dims == 2);
    if (n_key == 0 || strpbrk(key, " \t\r\n\v\f"))
        return spk_fail(SPK_E_VALUE, "%s: the key '%s' is empty or has white space, which an ark cannot hold", w->path,
                        key);
    if (spk_map_get(&w->keys, key, &there))
        return spk_fail(SPK_E_VALUE, "%s: key '%s' was written already", w->path, key);
    for (int d = 0; d < n_dims; d++) {
        if (dim[d] < 0 || dim[d] > INT32_MAX)
            return spk_fail(SPK_E_SHAPE, "%s: key '%s': an extent of %lld does not fit an ark", w->path, key,
                            (long long)dim[d]);
        put_extent(head + 5 + 5 * d, dim[d]);
        count *= dim[d];
    }
    char *copy = spk_strdup(key);
    SPK_PUSH(w->key, w->n) = copy;
    spk_map_put(&w->keys, copy, w->n - 1);
    if (w->scp) spk_outfile_printf(w->scp, "%s %s:%lld\n", key, w->path, (long long)(w->offset + (int64_t)n_key + 1));
    spk_outfile_write(w->ark, key, n_key);
    spk_outfile_write(w->ark, " ", 1);
    spk_outfile_write(w->ark, head, n_head);
    spk_outfile_write(w->ark, data, (size_t)count * sizeof *data);
    w->offset += (int64_t)(n_key + 1 + n_head + (size_t)count * sizeof *data);
    return SPK_OK;
}

spk_status spk_ark_finish(spk_ark_writer *w)
{
    spk_status status = spk_outfile_commit(w->ark);
    w->ark = NULL;
    if (status == SPK_OK && w->scp) {
        status = spk_outfile_commit(w->scp);
        w->scp = NULL;
    }
    free_writer(w);
    return status;
}

void spk_ark_abort(spk_ark_writer *w)
{
    if (w) free_writer(w);
}

/* ---- reading ---- */

typedef struct ark {
    FILE *stream;
    const char *path;
    int64_t bytes; /* of the file */
} ark;

static spk_status open_ark(const char *path, ark *f)
{
    struct stat s;
    *f = (ark){.stream = fopen(path, "rb"), .path = path};
    if (!f->stream) return spk_fail_errno(path, "open");
    if (fstat(fileno(f->stream), &s) == 0 && S_ISREG(s.st_mode)) {
        f->bytes = (int64_t)s.st_size;
        return SPK_OK;
    }
    fclose(f->stream);
    return spk_fail(SPK_E_IO, "%s: cannot open: no regular file", path);
}

static spk_status bad_entry(const ark *f, const char *key)
{
    return spk_fail(SPK_E_FORMAT, "%s: entry '%s' is no binary float vector or matrix, or it is truncated", f->path,
                    key);
}

static spk_status take(ark *f, const char *key, void *data, size_t n)
{
    errno = 0;
    if (n == 0 || fread(data, 1, n, f->stream) == n) return SPK_OK;
    return ferror(f->stream) ? spk_fail_errno(f->path, "read") : bad_entry(f, key);
}

static int64_t number_at(const unsigned char *p)
{
    return (int64_t)p[0] | (int64_t)p[1] << 8 | (int64_t)p[2] << 16 | (int64_t)p[3] << 24;
}

/* Behind "CM ", "CM2 " or "CM3 ": smallest value, range, rows, columns. */
static spk_status read_packed_head(ark *f, const char *key, spk_ark_head *h)
{
    unsigned char head[16];
    bool overflow = false;
    SPK_TRY(take(f, key, head, sizeof head));
    const uint32_t least = (uint32_t)number_at(head), range = (uint32_t)number_at(head + 4);
    memcpy(&h->least, &least, sizeof least);
    memcpy(&h->range, &range, sizeof range);
    h->n_dims = 2;
    h->dtype = SPK_F32;
    for (int d = 0; d < 2; d++) {
        h->dim[d] = number_at(head + 8 + 4 * d);
        if (h->dim[d] > INT32_MAX) return bad_entry(f, key);
    }
    h->bytes = spk_ark_packed_bytes(h->packed, h->dim[0], h->dim[1], &overflow);
    return overflow ? bad_entry(f, key) : SPK_OK;
}

static spk_status read_plain_head(ark *f, const char *key, spk_ark_head *h)
{
    unsigned char extent[5];
    bool overflow = false;
    h->bytes = spk_dtype_size(h->dtype);
    for (int d = 0; d < h->n_dims; d++) {
        SPK_TRY(take(f, key, extent, sizeof extent));
        h->dim[d] = number_at(extent + 1);
        if (extent[0] != 4 || h->dim[d] > INT32_MAX) return bad_entry(f, key);
        h->bytes = spk_mul(h->bytes, (size_t)h->dim[d], &overflow);
    }
    return overflow ? bad_entry(f, key) : SPK_OK;
}

/* What begins here, at its "\0B": type and extents, checked against the file; the values follow. */
static spk_status read_head(ark *f, const char *key, spk_ark_head *h)
{
    unsigned char head[5], space = 0;
    *h = (spk_ark_head){.n_dims = 1};
    SPK_TRY(take(f, key, head, sizeof head));
    const bool packed = head[2] == 'C' && head[3] == 'M';
    if (head[0] != 0 || head[1] != 'B' || (!packed && head[4] != ' ')) return bad_entry(f, key);
    if (packed) {
        h->packed = head[4] == ' ' ? 1 : head[4] == '2' ? 2 : head[4] == '3' ? 3 : 0;
        if (h->packed > 1) SPK_TRY(take(f, key, &space, 1));
        if (h->packed == 0 || (h->packed > 1 && space != ' ')) return bad_entry(f, key);
        SPK_TRY(read_packed_head(f, key, h));
    } else {
        if ((head[2] != 'F' && head[2] != 'D') || (head[3] != 'V' && head[3] != 'M')) return bad_entry(f, key);
        h->n_dims = head[3] == 'V' ? 1 : 2;
        h->dtype = head[2] == 'F' ? SPK_F32 : SPK_F64;
        SPK_TRY(read_plain_head(f, key, h));
    }
    h->at = (int64_t)ftello(f->stream);
    return (int64_t)h->bytes > f->bytes - h->at ? bad_entry(f, key) : SPK_OK;
}

/* The values of a compressed matrix. */
static spk_status read_packed(ark *f, const char *key, const spk_ark_head *h, float *values)
{
    void *packed = spk_alloc(h->bytes ? h->bytes : 1);
    if (!packed) return spk_fail(SPK_E_NOMEM, "%s: no memory for %zu bytes", f->path, h->bytes);
    const spk_status status = take(f, key, packed, h->bytes);
    if (status == SPK_OK) spk_ark_expand(h, packed, values);
    spk_free(packed);
    return status;
}

/* The array that begins here, to be known as `key`. */
static spk_status read_array(ark *f, const char *key, spk_tensors *out)
{
    spk_ark_head h;
    spk_ndarray *a;
    SPK_TRY(read_head(f, key, &h));
    if (spk_tensors_add(out, key, h.dtype, h.n_dims, h.dim, &a) != SPK_OK)
        return spk_fail_in(SPK_E_NOMEM, "%s", f->path);
    return h.packed ? read_packed(f, key, &h, a->data) : take(f, key, a->data, h.bytes);
}

/* Up to a space; false at the end of the file. */
static spk_status read_key(ark *f, spk_text *key, bool *more)
{
    enum { LONGEST_KEY = 4096 };
    int c = getc(f->stream);
    key->n = 0;
    *more = c != EOF;
    for (; *more && c != ' '; c = getc(f->stream)) {
        const char byte = (char)c;
        if (c == EOF || c == 0 || c == '\n' || key->n >= LONGEST_KEY)
            return spk_fail(SPK_E_FORMAT, "%s: not a Kaldi ark of vectors or matrices, or it is truncated", f->path);
        spk_text_addn(key, &byte, 1);
    }
    return SPK_OK;
}

spk_status spk_ark_read(const char *ark_path, spk_tensors *out)
{
    ark f;
    spk_text key = {0};
    spk_status status;
    bool more;
    memset(out, 0, sizeof *out);
    SPK_TRY(open_ark(ark_path, &f));
    for (;;) {
        SPK_GO(read_key(&f, &key, &more));
        if (!more) break;
        SPK_GO(read_array(&f, spk_text_str(&key), out));
    }
done:
    fclose(f.stream);
    spk_text_clear(&key);
    if (status != SPK_OK) spk_tensors_clear(out);
    return status;
}

/* One line of an scp: "KEY PATH:OFFSET". The ark stays open for the next line. */
static spk_status read_listed(const spk_list *list, const spk_list_entry *entry, char **path, ark *f, spk_tensors *out)
{
    const char *colon = strrchr(entry->value, ':');
    int64_t offset;
    if (!colon || !spk_parse_int(colon + 1, &offset) || offset < 0)
        return spk_fail(SPK_E_FORMAT, "%s:%lld: '%s' is not PATH:OFFSET", list->path, (long long)entry->line,
                        entry->value);
    char *given = spk_strndup(entry->value, (size_t)(colon - entry->value));
    char *wanted = spk_list_resolve_path(list->path, given);
    spk_free(given);
    if (!*path || strcmp(*path, wanted) != 0) {
        if (f->stream) fclose(f->stream);
        spk_free(*path);
        *path = wanted;
        const spk_status status = open_ark(wanted, f);
        if (status != SPK_OK) {
            f->stream = NULL;
            return spk_fail_in(status, "%s:%lld", list->path, (long long)entry->line);
        }
    } else {
        spk_free(wanted);
    }
    if (fseeko(f->stream, (off_t)offset, SEEK_SET) != 0) return spk_fail_errno(f->path, "read");
    return read_array(f, entry->key, out);
}

spk_status spk_scp_read(const char *scp_path, spk_tensors *out)
{
    spk_list list;
    ark f = {0};
    char *path = NULL;
    spk_status status = SPK_OK;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_list_read(scp_path, 0, &list));
    for (int64_t i = 0; i < list.n && status == SPK_OK; i++)
        status = read_listed(&list, &list.entry[i], &path, &f, out);
    if (f.stream) fclose(f.stream);
    spk_free(path);
    spk_list_clear(&list);
    if (status != SPK_OK) spk_tensors_clear(out);
    return status;
}

/* ---- one entry ---- */

spk_status spk_ark_open(const char *path, int64_t offset, spk_ark_head *h, FILE **stream)
{
    ark f;
    spk_text key = {0};
    spk_status status = SPK_OK;
    bool more = true;
    *stream = NULL;
    SPK_TRY(open_ark(path, &f));
    if (offset < 0)
        SPK_GO(read_key(&f, &key, &more));
    else if (fseeko(f.stream, (off_t)offset, SEEK_SET) != 0)
        SPK_GO(spk_fail_errno(path, "read"));
    SPK_GO(read_head(&f, spk_text_str(&key), h));
    *stream = f.stream;
done:
    spk_text_clear(&key);
    if (status != SPK_OK) fclose(f.stream);
    return status;
}
