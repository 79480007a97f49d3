/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back-end as an .npz (mean, transform, offset, plda_mean, plda_transform, plda_psi in float64; options: version,
 * unit_segments, length_norm, plda length), and as Kaldi's files in a folder.
 */
#include <math.h>
#include <string.h>

#include "formats/kaldi_object_impl.h"
#include "score/backend_impl.h"
#include "spk/arrays.h"

enum { VERSION = 1, N_OPTIONS = 4 };
enum { LARGEST_SIZE = 1 << 20 };

static spk_status check(const spk_backend *b)
{
    if (b->D < 1 || b->R < 1 || b->D > LARGEST_SIZE || b->R > LARGEST_SIZE || (!b->transform && b->R != b->D))
        return spk_fail(SPK_E_SHAPE, "%s: a map from %lld to %lld values is no back-end", b->path, (long long)b->D,
                        (long long)b->R);
    if (b->plda.R && b->plda.R != b->R)
        return spk_fail(SPK_E_SHAPE, "%s: the PLDA is of %lld values, but what comes before it gives %lld", b->path,
                        (long long)b->plda.R, (long long)b->R);
    for (int64_t r = 0; r < b->plda.R; r++)
        if (!(b->plda.psi[r] >= 0))
            return spk_fail(SPK_E_VALUE, "%s: the PLDA's variance %lld between speakers is below 0", b->path,
                            (long long)r + 1);
    return SPK_OK;
}

/* ---- .npz ---- */

/* A float64 array of that shape (n_dims 1 or 2) as a new block; extents of 0 are set. Not there: *out stays NULL. */
static spk_status get(spk_npz *z, const char *path, const char *key, int n_dims, int64_t *rows, int64_t *columns,
                      double **out)
{
    spk_ndarray a;
    if (!spk_npz_has(z, key)) return SPK_OK;
    SPK_TRY(spk_npz_get(z, key, &a));
    const int64_t n = spk_ndarray_count(&a);
    bool good = a.dtype == SPK_F64 && a.n_dims == n_dims && n > 0;
    if (good && *rows == 0) *rows = a.dim[0];
    if (good && n_dims == 2 && *columns == 0) *columns = a.dim[1];
    good = good && a.dim[0] == *rows && (n_dims == 1 || a.dim[1] == *columns);
    for (int64_t i = 0; i < n && good; i++)
        good = isfinite(((const double *)a.data)[i]);
    if (good) {
        *out = a.data;
        return SPK_OK;
    }
    spk_ndarray_clear(&a);
    return spk_fail(SPK_E_FORMAT, "%s: '%s' is not of a back-end: another type, another shape, or not finite", path,
                    key);
}

static spk_status get_options(spk_npz *z, const char *path, spk_backend *b)
{
    spk_ndarray a;
    if (!spk_npz_has(z, "options") || !spk_npz_has(z, "mean"))
        return spk_fail(SPK_E_FORMAT, "%s: is no back-end: no arrays 'options' and 'mean'", path);
    SPK_TRY(spk_npz_get(z, "options", &a));
    const int64_t *v = a.data;
    const bool good = a.dtype == SPK_I64 && a.n_dims == 1 && a.dim[0] == N_OPTIONS && v[0] == VERSION && v[3] >= 0 &&
                      v[3] <= SPK_PLDA_LENGTH_SIMPLE;
    if (good) {
        b->unit_segments = v[1] != 0;
        b->length_norm = v[2] != 0;
        b->plda.length = (spk_plda_length)v[3];
    }
    spk_ndarray_clear(&a);
    return good ? SPK_OK
                : spk_fail(SPK_E_FORMAT, "%s: the back-end's options are of another version of this program", path);
}

static spk_status read_npz(const char *path, spk_backend *b)
{
    spk_status status;
    spk_npz *z = NULL;
    int64_t one = 1, R = 0;
    SPK_TRY(spk_npz_open(path, &z));
    SPK_GO(get_options(z, path, b));
    SPK_GO(get(z, path, "mean", 1, &b->D, &one, &b->mean));
    SPK_GO(get(z, path, "transform", 2, &b->R, &b->D, &b->transform));
    if (!b->transform) b->R = b->D;
    SPK_GO(get(z, path, "offset", 1, &b->R, &one, &b->offset));
    SPK_GO(get(z, path, "plda_psi", 1, &R, &one, &b->plda.psi));
    if (!b->plda.psi) goto done;
    b->plda.R = R;
    SPK_GO(get(z, path, "plda_mean", 1, &R, &one, &b->plda.mean));
    SPK_GO(get(z, path, "plda_transform", 2, &R, &R, &b->plda.transform));
    if (!b->plda.mean || !b->plda.transform) status = spk_fail(SPK_E_FORMAT, "%s: a part of the PLDA is missing", path);
done:
    spk_npz_close(z);
    return status;
}

static spk_status write_npz(const spk_backend *b, const char *path)
{
    spk_npz_writer *w;
    const int64_t options[N_OPTIONS] = {VERSION, b->unit_segments, b->length_norm, (int64_t)b->plda.length},
                  n = N_OPTIONS;
    const int64_t D = b->D, R = b->R, map[] = {R, D}, square[] = {R, R};
    const struct {
        const char *key;
        int n_dims;
        const int64_t *dim;
        const double *data;
    } arrays[] = {{"mean", 1, &D, b->mean},
                  {"transform", 2, map, b->transform},
                  {"offset", 1, &R, b->offset},
                  {"plda_mean", 1, &R, b->plda.mean},
                  {"plda_transform", 2, square, b->plda.transform},
                  {"plda_psi", 1, &R, b->plda.psi}};
    SPK_TRY(spk_npz_create(path, &w));
    spk_status status = spk_npz_add(w, "options", SPK_I64, 1, &n, options);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && status == SPK_OK; i++)
        if (arrays[i].data)
            status = spk_npz_add(w, arrays[i].key, SPK_F64, arrays[i].n_dims, arrays[i].dim, arrays[i].data);
    if (status == SPK_OK) return spk_npz_finish(w);
    spk_npz_abort(w);
    return status;
}

/* ---- Kaldi ---- */

/* FOLDER/NAME opened, or FOLDER/OTHER; *there tells whether one is. */
static spk_status open_part(const char *folder, const char *name, const char *other, char **path, spk_kaldi_reader *r,
                            bool *there)
{
    *path = spk_path_join(folder, name);
    if (other && !spk_exists(*path)) {
        spk_free(*path);
        *path = spk_path_join(folder, other);
    }
    *there = spk_exists(*path);
    return *there ? spk_kaldi_open(*path, r) : SPK_OK;
}

static spk_status kaldi_mean(const char *folder, spk_backend *b)
{
    spk_kaldi_reader r = {0};
    char *path;
    bool there;
    spk_status status = open_part(folder, "mean.vec", NULL, &path, &r, &there);
    if (status == SPK_OK && there) status = spk_kaldi_vector(&r, &b->mean, &b->D);
    if (status == SPK_OK && there) status = spk_kaldi_end(&r);
    spk_kaldi_close(&r);
    spk_free(path);
    return status;
}

/* (R, D), or (R, D + 1) with the offset as its last column. Without a mean the matrix decides: Kaldi's LDA is affine. */
static spk_status kaldi_transform(const char *folder, spk_backend *b)
{
    spk_kaldi_reader r = {0};
    char *path;
    bool there;
    double *m = NULL;
    int64_t columns = 0;
    spk_status status;
    SPK_GO(open_part(folder, "transform.mat", "lda.mat", &path, &r, &there));
    if (!there) goto done;
    SPK_GO(spk_kaldi_matrix(&r, &m, &b->R, &columns));
    SPK_GO(spk_kaldi_end(&r));
    if (!b->mean) b->D = columns - 1;
    const int64_t D = b->D, R = b->R;
    if (R < 1 || D < 1 || (columns != D && columns != D + 1))
        SPK_GO(spk_fail(SPK_E_SHAPE, "%s: a matrix of %lld x %lld does not fit embeddings of %lld values", path,
                        (long long)R, (long long)columns, (long long)D));
    b->transform = spk_new(sizeof(double) * (size_t)(R * D));
    if (columns > D) b->offset = spk_new(sizeof(double) * (size_t)R);
    for (int64_t i = 0; i < R; i++) {
        memcpy(b->transform + i * D, m + i * columns, sizeof *m * (size_t)D);
        if (columns > D) b->offset[i] = m[i * columns + D];
    }
done:
    spk_free(m);
    spk_kaldi_close(&r);
    spk_free(path);
    return status;
}

static spk_status kaldi_plda(const char *folder, spk_plda *p)
{
    spk_kaldi_reader r = {0};
    char *path;
    bool there;
    int64_t n = 0, rows = 0, columns = 0;
    spk_status status;
    SPK_GO(open_part(folder, "plda", NULL, &path, &r, &there));
    if (!there) goto done;
    SPK_GO(spk_kaldi_expect(&r, "<Plda>"));
    SPK_GO(spk_kaldi_vector(&r, &p->mean, &p->R));
    SPK_GO(spk_kaldi_matrix(&r, &p->transform, &rows, &columns));
    SPK_GO(spk_kaldi_vector(&r, &p->psi, &n));
    SPK_GO(spk_kaldi_expect(&r, "</Plda>"));
    SPK_GO(spk_kaldi_end(&r));
    if (p->R < 1 || n != p->R || rows != n || columns != n)
        SPK_GO(spk_fail(SPK_E_SHAPE,
                        "%s: a mean of %lld, a matrix of %lld x %lld and %lld variances do not fit together", path,
                        (long long)p->R, (long long)rows, (long long)columns, (long long)n));
done:
    spk_kaldi_close(&r);
    spk_free(path);
    return status;
}

static spk_status read_kaldi(const char *folder, spk_backend *b)
{
    b->length_norm = true;
    b->plda.length = SPK_PLDA_LENGTH_KALDI;
    SPK_TRY(kaldi_mean(folder, b));
    SPK_TRY(kaldi_transform(folder, b));
    SPK_TRY(kaldi_plda(folder, &b->plda));
    if (!b->mean && !b->transform && !b->plda.R)
        return spk_fail(SPK_E_IO, "%s: holds none of Kaldi's files mean.vec, transform.mat, lda.mat and plda", folder);
    if (b->D == 0) b->D = b->plda.R;
    if (!b->transform) b->R = b->D;
    if (!b->mean) b->mean = spk_new(sizeof(double) * (size_t)(b->D + 1));
    return SPK_OK;
}

static spk_status write_part(const char *folder, const char *name, const spk_backend *b)
{
    spk_outfile *f;
    char *path = spk_path_join(folder, name);
    spk_status status = spk_outfile_open(path, &f);
    spk_free(path);
    if (status != SPK_OK) return status;
    spk_kaldi_begin(f);
    if (strcmp(name, "mean.vec") == 0) {
        spk_kaldi_put_vector(f, b->mean, b->D);
    } else if (strcmp(name, "plda") == 0) {
        spk_kaldi_put_token(f, "<Plda>");
        spk_kaldi_put_vector(f, b->plda.mean, b->R);
        spk_kaldi_put_matrix(f, b->plda.transform, b->R, b->R);
        spk_kaldi_put_vector(f, b->plda.psi, b->R);
        spk_kaldi_put_token(f, "</Plda>");
    } else {
        const int64_t D = b->D, columns = D + (b->offset != NULL);
        double *m = spk_new(sizeof *m * (size_t)(b->R * columns));
        for (int64_t i = 0; i < b->R; i++) {
            memcpy(m + i * columns, b->transform + i * D, sizeof *m * (size_t)D);
            if (b->offset) m[i * columns + D] = b->offset[i];
        }
        spk_kaldi_put_matrix(f, m, b->R, columns);
        spk_free(m);
    }
    return spk_outfile_commit(f);
}

/* What lies there from another back-end would be read as a part of this one. */
static spk_status check_folder(const spk_backend *b, const char *folder)
{
    static const char *const parts[] = {"transform.mat", "lda.mat", "plda"};
    const bool writes[] = {b->transform != NULL, b->transform != NULL, spk_backend_is_plda(b)};
    spk_status status = SPK_OK;
    for (int k = 0; k < 3 && status == SPK_OK; k++) {
        char *path = spk_path_join(folder, parts[k]);
        if (!writes[k] && spk_exists(path))
            status = spk_fail(SPK_E_VALUE,
                              "%s: is there already, and this back-end has no such part; name another folder", path);
        spk_free(path);
    }
    return status;
}

static spk_status write_kaldi(const spk_backend *b, const char *folder)
{
    if (b->unit_segments)
        return spk_fail(
            SPK_E_UNSUPPORTED,
            "%s: Kaldi's files cannot say that segments are brought to norm 1 first; write an .npz, or fit without "
            "--unit_segments",
            folder);
    if (spk_backend_is_plda(b) && (!b->length_norm || b->plda.length != SPK_PLDA_LENGTH_KALDI))
        spk_warn("backend",
                 "%s: Kaldi's files do not say how lengths are normalised; give its programs the same options", folder);
    SPK_TRY(spk_make_folders(folder));
    SPK_TRY(check_folder(b, folder));
    SPK_TRY(write_part(folder, "mean.vec", b));
    if (b->transform) SPK_TRY(write_part(folder, "transform.mat", b));
    return spk_backend_is_plda(b) ? write_part(folder, "plda", b) : SPK_OK;
}

/* ---- either ---- */

spk_status spk_backend_read(const char *path, spk_backend *out)
{
    *out = (spk_backend){.path = spk_strdup(path)};
    spk_status status = spk_is_folder(path)           ? read_kaldi(path, out)
                        : spk_ends_with(path, ".npz") ? read_npz(path, out)
                        : spk_exists(path)
                            ? spk_fail(SPK_E_FORMAT, "%s: a back-end is an .npz, or a folder of Kaldi's files", path)
                            : spk_fail(SPK_E_IO, "%s: cannot open: no such file or folder", path);
    if (status == SPK_OK) status = check(out);
    if (status != SPK_OK) spk_backend_clear(out);
    return status;
}

spk_status spk_backend_write(const spk_backend *b, const char *path)
{
    if (!spk_ends_with(path, ".npz")) return write_kaldi(b, path);
    char *folder = spk_path_folder(path);
    const spk_status status = spk_make_folders(folder);
    spk_free(folder);
    return status == SPK_OK ? write_npz(b, path) : status;
}
