/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary: "\0B", then tokens that end in a space, "DV " or "FV " with an int32 behind a byte that tells its size, "DM " or
 * "FM " with two of them, and values in the machine's order (little-endian). Text: numbers in brackets, a line for each row of a
 * matrix.
 */
#include "formats/kaldi_object_impl.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

spk_status spk_kaldi_open(const char *path, spk_kaldi_reader *out)
{
    *out = (spk_kaldi_reader){.path = path};
    SPK_TRY(spk_read_file(path, &out->data, &out->n));
    out->binary = out->n >= 2 && out->data[0] == '\0' && out->data[1] == 'B';
    out->at = out->binary ? 2 : 0;
    return SPK_OK;
}

void spk_kaldi_close(spk_kaldi_reader *r)
{
    spk_free(r->data);
    memset(r, 0, sizeof *r);
}

static spk_status wrong(const spk_kaldi_reader *r, const char *what)
{
    return spk_fail(SPK_E_FORMAT, "%s: no %s of Kaldi at byte %zu, or the file is truncated", r->path, what, r->at);
}

/* ---- words ---- */

/* The next word, whose length is returned; 0 at the end. A closing or opening bracket and the end of a line are words. */
static size_t next_word(spk_kaldi_reader *r, const char **word)
{
    while (r->at < r->n && (r->data[r->at] == ' ' || r->data[r->at] == '\t' || r->data[r->at] == '\r'))
        r->at++;
    *word = r->data + r->at;
    size_t n = 0;
    if (r->at < r->n && strchr("[]\n", r->data[r->at]) && r->data[r->at])
        n = 1;
    else
        while (r->at + n < r->n && !isspace((unsigned char)r->data[r->at + n]) && !strchr("[]", r->data[r->at + n]))
            n++;
    r->at += n;
    return n;
}

static size_t next_word_of_any_line(spk_kaldi_reader *r, const char **word)
{
    size_t n;
    do
        n = next_word(r, word);
    while (n == 1 && **word == '\n');
    return n;
}

spk_status spk_kaldi_expect(spk_kaldi_reader *r, const char *token)
{
    const char *word;
    const size_t n = r->binary ? strlen(token) : next_word_of_any_line(r, &word);
    if (!r->binary) return n == strlen(token) && memcmp(word, token, n) == 0 ? SPK_OK : wrong(r, token);
    if (r->n - r->at < n + 1 || memcmp(r->data + r->at, token, n) != 0 || r->data[r->at + n] != ' ')
        return wrong(r, token);
    r->at += n + 1;
    return SPK_OK;
}

/* ---- values ---- */

static spk_status check_finite(const spk_kaldi_reader *r, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return spk_fail(SPK_E_VALUE, "%s: value %lld is not finite", r->path, (long long)i + 1);
    return SPK_OK;
}

static bool take_extent(spk_kaldi_reader *r, int64_t *extent)
{
    int32_t x;
    if (r->n - r->at < 1 + sizeof x || r->data[r->at] != (char)sizeof x) return false;
    memcpy(&x, r->data + r->at + 1, sizeof x);
    r->at += 1 + sizeof x;
    *extent = x;
    return x >= 0;
}

static spk_status binary_values(spk_kaldi_reader *r, char kind, double **out, int64_t extent[2])
{
    bool overflow = false;
    const char *head = r->data + r->at;
    if (r->n - r->at < 3 || (head[0] != 'D' && head[0] != 'F') || head[1] != kind || head[2] != ' ')
        return wrong(r, kind == 'V' ? "vector" : "matrix");
    const size_t each = head[0] == 'D' ? sizeof(double) : sizeof(float);
    r->at += 3;
    if (!take_extent(r, &extent[0]) || (kind == 'M' && !take_extent(r, &extent[1]))) return wrong(r, "extent");
    const size_t n = spk_mul((size_t)extent[0], (size_t)extent[1], &overflow), bytes = spk_mul(n, each, &overflow);
    if (overflow || bytes > r->n - r->at) return wrong(r, "array of that extent");
    *out = spk_alloc(sizeof **out * (n + 1));
    if (!*out) return spk_fail(SPK_E_NOMEM, "%s: no memory for %zu values", r->path, n);
    for (size_t i = 0; i < n; i++) {
        float f;
        if (each == sizeof f) {
            memcpy(&f, r->data + r->at + i * each, sizeof f);
            (*out)[i] = (double)f;
        } else {
            memcpy(*out + i, r->data + r->at + i * each, sizeof **out);
        }
    }
    r->at += bytes;
    return SPK_OK;
}

/* "[ 1 2 3 ]"; of a matrix the lines count: extent becomes rows and columns. */
static spk_status text_values(spk_kaldi_reader *r, bool matrix, double **out, int64_t extent[2])
{
    const char *word;
    int64_t n = 0, in_row = 0;
    double *x = NULL;
    size_t length = next_word_of_any_line(r, &word);
    if (length != 1 || *word != '[') return wrong(r, matrix ? "matrix" : "vector");
    extent[0] = 0;
    extent[1] = matrix ? 0 : 1;
    for (;;) {
        length = next_word(r, &word);
        const bool closed = length == 1 && *word == ']', line = length == 1 && *word == '\n';
        if (matrix && (closed || line) && in_row > 0) {
            if (extent[0] > 0 && extent[1] != in_row) break;
            extent[1] = in_row;
            extent[0]++;
            in_row = 0;
        }
        if (closed) {
            if (!matrix) extent[0] = n;
            if (!x) x = spk_new(sizeof *x);
            *out = x;
            return SPK_OK;
        }
        if (line) continue;
        if (length == 0 || length > 60) break;
        char *copy = spk_strndup(word, length);
        double value;
        const bool good = spk_parse_double(copy, &value);
        spk_free(copy);
        if (!good) break;
        SPK_PUSH(x, n) = value;
        in_row++;
    }
    spk_free(x);
    return wrong(r, matrix ? "matrix" : "vector");
}

static spk_status values(spk_kaldi_reader *r, bool matrix, double **out, int64_t extent[2])
{
    *out = NULL;
    extent[0] = 0;
    extent[1] = 1;
    SPK_TRY(r->binary ? binary_values(r, matrix ? 'M' : 'V', out, extent) : text_values(r, matrix, out, extent));
    const spk_status status = check_finite(r, *out, extent[0] * extent[1]);
    if (status == SPK_OK) return SPK_OK;
    spk_free(*out);
    *out = NULL;
    return status;
}

spk_status spk_kaldi_vector(spk_kaldi_reader *r, double **out, int64_t *n)
{
    int64_t extent[2];
    SPK_TRY(values(r, false, out, extent));
    *n = extent[0];
    return SPK_OK;
}

spk_status spk_kaldi_matrix(spk_kaldi_reader *r, double **out, int64_t *rows, int64_t *columns)
{
    int64_t extent[2];
    SPK_TRY(values(r, true, out, extent));
    *rows = extent[0];
    *columns = extent[1];
    return SPK_OK;
}

spk_status spk_kaldi_end(const spk_kaldi_reader *r)
{
    size_t at = r->at;
    while (!r->binary && at < r->n && isspace((unsigned char)r->data[at]))
        at++;
    return at == r->n ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: %zu bytes follow what should be all", r->path, r->n - at);
}

/* ---- writing ---- */

void spk_kaldi_begin(spk_outfile *f)
{
    spk_outfile_write(f, "\0B", 2);
}

void spk_kaldi_put_token(spk_outfile *f, const char *token)
{
    spk_outfile_printf(f, "%s ", token);
}

static void put_extent(spk_outfile *f, int64_t extent)
{
    const int32_t x = (int32_t)extent;
    spk_outfile_write(f, "\4", 1);
    spk_outfile_write(f, &x, sizeof x);
}

void spk_kaldi_put_vector(spk_outfile *f, const double *v, int64_t n)
{
    spk_outfile_write(f, "DV ", 3);
    put_extent(f, n);
    spk_outfile_write(f, v, sizeof *v * (size_t)n);
}

void spk_kaldi_put_matrix(spk_outfile *f, const double *m, int64_t rows, int64_t columns)
{
    spk_outfile_write(f, "DM ", 3);
    put_extent(f, rows);
    put_extent(f, columns);
    spk_outfile_write(f, m, sizeof *m * (size_t)(rows * columns));
}
