/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NumPy's .npy. Its header is a Python dict literal: {'descr': '<f4', 'fortran_order': False,
 * 'shape': (2, 3), }. A small scanner reads just that.
 */
#include "formats/npy_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "spk/arrays.h"

enum { MAGIC = 6, LONGEST_HEADER = 1 << 20 };
static const char magic[] = "\x93NUMPY";

static const struct {
    char code[3];
    spk_dtype dtype;
} codes[] = {{"f4", SPK_F32}, {"f8", SPK_F64}, {"f2", SPK_F16}, {"i8", SPK_I64}, {"i4", SPK_I32},
             {"i2", SPK_I16}, {"i1", SPK_I8},  {"u1", SPK_U8},  {"b1", SPK_BOOL}};
enum { N_CODES = sizeof codes / sizeof *codes };

/* ---- the dict ---- */

typedef struct scanner {
    const char *s; /* NUL-terminated */
    const char *what;
} scanner;

static spk_status bad_header(const scanner *c)
{
    return spk_fail(SPK_E_FORMAT, "%s: the .npy header cannot be read; the file is damaged", c->what);
}

static void skip_space(scanner *c)
{
    while (*c->s == ' ' || *c->s == '\n' || *c->s == '\t')
        c->s++;
}

static bool take(scanner *c, char wanted)
{
    skip_space(c);
    if (*c->s != wanted) return false;
    c->s++;
    return true;
}

static bool take_word(scanner *c, const char *word)
{
    skip_space(c);
    if (!spk_starts_with(c->s, word)) return false;
    c->s += strlen(word);
    return true;
}

/* A quoted string without escapes, of at most room - 1 bytes. */
static bool take_string(scanner *c, char *out, size_t room)
{
    skip_space(c);
    const char quote = *c->s;
    if (quote != '\'' && quote != '"') return false;
    const char *end = strchr(c->s + 1, quote);
    const size_t n = end ? (size_t)(end - c->s - 1) : room;
    if (n >= room) return false;
    memcpy(out, c->s + 1, n);
    out[n] = 0;
    c->s = end + 1;
    return true;
}

static spk_status take_dtype(scanner *c, spk_npy_header *h)
{
    char text[64];
    skip_space(c);
    if (*c->s == '[') return spk_fail(SPK_E_FORMAT, "%s: a structured array; only plain numbers are read", c->what);
    if (!take_string(c, text, sizeof text)) return bad_header(c);
    const uint16_t one = 1;
    const bool little = *(const unsigned char *)&one == 1;
    const char order = strchr("<>|=", text[0]) && text[0] ? text[0] : '=';
    const char *code = text + (strchr("<>|=", text[0]) && text[0] ? 1 : 0);
    for (int i = 0; i < N_CODES; i++)
        if (strcmp(codes[i].code, code) == 0 || (strcmp(code, "?") == 0 && codes[i].dtype == SPK_BOOL)) {
            h->dtype = codes[i].dtype;
            h->swapped = (order == '<' && !little) || (order == '>' && little);
            return SPK_OK;
        }
    return spk_fail(SPK_E_FORMAT, "%s: element type '%s' is not read; convert to one of f2 f4 f8 i1 i2 i4 i8 u1 b1",
                    c->what, text);
}

static spk_status take_shape(scanner *c, spk_npy_header *h)
{
    if (!take(c, '(')) return bad_header(c);
    while (!take(c, ')')) {
        int64_t n = 0;
        skip_space(c);
        if (*c->s < '0' || *c->s > '9') return bad_header(c);
        for (; *c->s >= '0' && *c->s <= '9'; c->s++) {
            if (n > INT64_MAX / 16) return bad_header(c);
            n = 10 * n + (*c->s - '0');
        }
        if (*c->s == 'L') c->s++; /* Python 2 */
        if (h->n_dims == SPK_MAX_DIMS)
            return spk_fail(SPK_E_FORMAT, "%s: the array has more than %d dimensions", c->what, SPK_MAX_DIMS);
        h->dim[h->n_dims++] = n;
        skip_space(c);
        if (*c->s != ')' && !take(c, ',')) return bad_header(c);
    }
    return SPK_OK;
}

static spk_status parse_header(const char *text, const char *what, spk_npy_header *h)
{
    scanner c = {text, what};
    bool has_dtype = false, has_order = false, has_shape = false;
    memset(h, 0, sizeof *h);
    if (!take(&c, '{')) return bad_header(&c);
    while (!take(&c, '}')) {
        char key[32];
        if (!take_string(&c, key, sizeof key) || !take(&c, ':')) return bad_header(&c);
        if (strcmp(key, "descr") == 0 && !has_dtype) {
            has_dtype = true;
            SPK_TRY(take_dtype(&c, h));
        } else if (strcmp(key, "fortran_order") == 0 && !has_order) {
            has_order = true;
            h->fortran = take_word(&c, "True");
            if (!h->fortran && !take_word(&c, "False")) return bad_header(&c);
        } else if (strcmp(key, "shape") == 0 && !has_shape) {
            has_shape = true;
            SPK_TRY(take_shape(&c, h));
        } else {
            return bad_header(&c);
        }
        skip_space(&c);
        if (*c.s != '}' && !take(&c, ',')) return bad_header(&c);
    }
    skip_space(&c);
    return has_dtype && has_order && has_shape && *c.s == 0 ? SPK_OK : bad_header(&c);
}

/* ---- reading ---- */

static void swap_bytes(unsigned char *p, int64_t n, size_t size)
{
    for (; n > 0; n--, p += size)
        for (size_t i = 0; i < size / 2; i++) {
            const unsigned char first = p[i];
            p[i] = p[size - 1 - i];
            p[size - 1 - i] = first;
        }
}

/* Fortran order to C order. */
static spk_status reorder(spk_ndarray *a, const char *what)
{
    spk_ndarray b;
    int64_t index[SPK_MAX_DIMS] = {0};
    const int64_t n = spk_ndarray_count(a);
    const size_t size = spk_dtype_size(a->dtype);
    if (spk_ndarray_init(&b, a->dtype, a->n_dims, a->dim) != SPK_OK) return spk_fail_in(SPK_E_NOMEM, "%s", what);
    for (int64_t from = 0; from < n; from++) {
        int64_t to = 0;
        for (int d = 0; d < a->n_dims; d++)
            to = to * a->dim[d] + index[d];
        memcpy((char *)b.data + to * (int64_t)size, (char *)a->data + from * (int64_t)size, size);
        for (int d = 0; d < a->n_dims; d++) {
            if (++index[d] < a->dim[d]) break;
            index[d] = 0;
        }
    }
    spk_ndarray_clear(a);
    *a = b;
    return SPK_OK;
}

static spk_status read_header(spk_npy_source next, void *user, int64_t bytes, const char *what, spk_npy_header *h,
                              int64_t *used)
{
    unsigned char start[MAGIC + 2], length[4] = {0};
    if (bytes < MAGIC + 4) return spk_fail(SPK_E_FORMAT, "%s: not a NumPy array, or it is truncated", what);
    SPK_TRY(next(user, start, sizeof start));
    if (memcmp(start, magic, MAGIC) != 0) return spk_fail(SPK_E_FORMAT, "%s: not a NumPy array", what);
    const int version = start[MAGIC];
    if (version < 1 || version > 3)
        return spk_fail(SPK_E_FORMAT, "%s: .npy version %d is not known (1 to 3 are)", what, version);
    const int64_t length_bytes = version == 1 ? 2 : 4;
    if (bytes < MAGIC + 2 + length_bytes) return spk_fail(SPK_E_FORMAT, "%s: the array is truncated", what);
    SPK_TRY(next(user, length, length_bytes));
    const int64_t n =
        (int64_t)length[0] | (int64_t)length[1] << 8 | (int64_t)length[2] << 16 | (int64_t)length[3] << 24;
    *used = MAGIC + 2 + length_bytes + n;
    if (n > LONGEST_HEADER || *used > bytes) return spk_fail(SPK_E_FORMAT, "%s: the array is truncated", what);
    char *text = spk_new((size_t)n + 1);
    spk_status status = next(user, text, n);
    if (status == SPK_OK && strlen(text) != (size_t)n)
        status = spk_fail(SPK_E_FORMAT, "%s: the .npy header cannot be read; the file is damaged", what);
    if (status == SPK_OK) status = parse_header(text, what, h);
    spk_free(text);
    return status;
}

/* The header, and that the data behind it are all there: *need bytes from *used on. */
static spk_status read_checked(spk_npy_source next, void *user, int64_t bytes, const char *what, spk_npy_header *h,
                               int64_t *used, size_t *need)
{
    bool overflow = false;
    SPK_TRY(read_header(next, user, bytes, what, h, used));
    *need = spk_dtype_size(h->dtype);
    for (int d = 0; d < h->n_dims; d++)
        if (h->dim[d] > 0) *need = spk_mul(*need, (size_t)h->dim[d], &overflow); /* zeros must not hide an overflow */
    if (overflow) return spk_fail(SPK_E_FORMAT, "%s: the array's shape is impossible; the file is damaged", what);
    for (int d = 0; d < h->n_dims; d++)
        if (h->dim[d] == 0) *need = 0;
    if (*need != (size_t)(bytes - *used))
        return spk_fail(SPK_E_FORMAT, "%s: the array needs %zu bytes and has %lld; the file is truncated or damaged",
                        what, *need, (long long)(bytes - *used));
    return SPK_OK;
}

spk_status spk_npy_from(spk_npy_source next, void *user, int64_t bytes, const char *what, spk_ndarray *out)
{
    spk_npy_header h;
    int64_t used = 0;
    size_t need = 0;
    memset(out, 0, sizeof *out);
    SPK_TRY(read_checked(next, user, bytes, what, &h, &used, &need));
    if (spk_ndarray_init(out, h.dtype, h.n_dims, h.dim) != SPK_OK) return spk_fail_in(SPK_E_NOMEM, "%s", what);
    spk_status status = next(user, out->data, (int64_t)need);
    if (status == SPK_OK && h.swapped) swap_bytes(out->data, spk_ndarray_count(out), spk_dtype_size(h.dtype));
    if (status == SPK_OK && h.dtype == SPK_BOOL)
        for (size_t i = 0; i < need; i++)
            ((unsigned char *)out->data)[i] = ((unsigned char *)out->data)[i] != 0;
    if (status == SPK_OK && h.fortran && h.n_dims > 1) status = reorder(out, what);
    if (status != SPK_OK) spk_ndarray_clear(out);
    return status;
}

typedef struct file_source {
    FILE *stream;
    const char *path;
} file_source;

static spk_status next_of_file(void *user, void *data, int64_t n)
{
    const file_source *f = user;
    errno = 0;
    if (n == 0 || fread(data, 1, (size_t)n, f->stream) == (size_t)n) return SPK_OK;
    return ferror(f->stream) ? spk_fail_errno(f->path, "read")
                             : spk_fail(SPK_E_FORMAT, "%s: the file is truncated", f->path);
}

/* A file that may be an array, and its size. */
static spk_status open_file(const char *path, FILE **stream, int64_t *bytes)
{
    struct stat s;
    *stream = fopen(path, "rb");
    if (!*stream) return spk_fail_errno(path, "open");
    spk_status status = SPK_OK;
    if (fstat(fileno(*stream), &s) != 0)
        status = spk_fail_errno(path, "open");
    else if (S_ISDIR(s.st_mode))
        status = spk_fail(SPK_E_IO, "%s: cannot open: is a folder", path);
    if (status != SPK_OK) {
        fclose(*stream);
        *stream = NULL;
        return status;
    }
    *bytes = s.st_size;
    return SPK_OK;
}

spk_status spk_npy_read(const char *path, spk_ndarray *out)
{
    file_source f = {NULL, path};
    int64_t bytes;
    memset(out, 0, sizeof *out);
    SPK_TRY(open_file(path, &f.stream, &bytes));
    const spk_status status = spk_npy_from(next_of_file, &f, bytes, path, out);
    fclose(f.stream);
    return status;
}

spk_status spk_npy_open(const char *path, spk_npy_header *h, FILE **stream, int64_t *at)
{
    file_source f = {NULL, path};
    int64_t bytes;
    size_t need;
    *stream = NULL;
    SPK_TRY(open_file(path, &f.stream, &bytes));
    const spk_status status = read_checked(next_of_file, &f, bytes, path, h, at, &need);
    if (status == SPK_OK)
        *stream = f.stream;
    else
        fclose(f.stream);
    return status;
}

/* ---- writing ---- */

spk_status spk_npy_print_header(spk_text *out, spk_dtype dtype, int n_dims, const int64_t *dim)
{
    const char *code = NULL;
    spk_text dict = {0};
    for (int i = 0; i < N_CODES; i++)
        if (codes[i].dtype == dtype) code = codes[i].code;
    if (!code) return spk_fail(SPK_E_UNSUPPORTED, "NumPy has no %s; convert to float32 first", spk_dtype_name(dtype));
    spk_text_addf(&dict, "{'descr': '%s%s', 'fortran_order': False, 'shape': (", spk_dtype_size(dtype) > 1 ? "<" : "|",
                  code);
    for (int d = 0; d < n_dims; d++)
        spk_text_addf(&dict, "%s%lld", d ? ", " : "", (long long)dim[d]);
    spk_text_addf(&dict, "%s), }", n_dims == 1 ? "," : "");
    while ((MAGIC + 4 + dict.n + 1) % 64 != 0)
        spk_text_add(&dict, " ");
    spk_text_add(&dict, "\n");
    const char version[] = {1, 0, (char)(dict.n & 0xff), (char)(dict.n >> 8)};
    spk_text_addn(out, magic, MAGIC);
    spk_text_addn(out, version, sizeof version);
    spk_text_addn(out, dict.s, dict.n);
    spk_text_clear(&dict);
    return SPK_OK;
}

spk_status spk_npy_write(const char *path, const spk_ndarray *a)
{
    spk_text header = {0};
    spk_outfile *f = NULL;
    spk_status status = spk_npy_print_header(&header, a->dtype, a->n_dims, a->dim);
    if (status == SPK_OK)
        status = spk_outfile_open(path, &f);
    else
        spk_fail_in(status, "%s", path);
    if (status == SPK_OK) {
        spk_outfile_write(f, header.s, header.n);
        spk_outfile_write(f, a->data, (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype));
        status = spk_outfile_commit(f);
    }
    spk_text_clear(&header);
    return status;
}
