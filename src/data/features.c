/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of features from .npy files, Kaldi's matrices and HDF5 files (features_impl.h). */
#include "data/features_impl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/ark_impl.h"
#include "formats/h5_impl.h"
#include "formats/npy_impl.h"
#include "spk/arrays.h"

struct spk_feature_reader {
    int64_t size; /* of a frame; of waves 1 */
    bool wave;
    const char *path; /* of the open file; borrowed */
    FILE *stream;     /* NULL: `whole` holds it, or h5 reads */
    spk_h5 *h5;       /* NULL or the last HDF5 file, which stays open for the next array of it */
    bool h5_reads;
    int n_dims;                    /* of the array */
    spk_dtype dtype;               /* F32 or F64 */
    int64_t at;                    /* where the values begin */
    int64_t layers, frames, width; /* (layers, frames, width), layers * width = size */
    spk_ndarray whole;
    double *row; /* a read of one layer in the file's type; grows */
    size_t row_bytes;
};

spk_feature_reader *spk_feature_reader_new(int64_t size)
{
    spk_feature_reader *r = spk_new(sizeof *r);
    r->size = size > 0 ? size : 1;
    r->wave = size == 0;
    return r;
}

void spk_feature_shut(spk_feature_reader *r)
{
    if (r->stream) fclose(r->stream);
    r->stream = NULL;
    r->path = NULL;
    if (r->h5_reads) spk_h5_array_close(r->h5);
    r->h5_reads = false;
    spk_ndarray_clear(&r->whole);
}

void spk_feature_reader_free(spk_feature_reader *r)
{
    if (!r) return;
    spk_feature_shut(r);
    spk_h5_close(r->h5);
    spk_free(r->row);
    spk_free(r);
}

size_t spk_feature_path(const char *path, int64_t *offset)
{
    const char *colon = strrchr(path, ':');
    if (colon && spk_parse_int(colon + 1, offset) && *offset >= 0) return (size_t)(colon - path);
    *offset = -1;
    return strlen(path);
}

/* ---- opening ---- */

static spk_status have_row(spk_feature_reader *r, size_t bytes)
{
    if (bytes <= r->row_bytes) return SPK_OK;
    spk_free(r->row);
    r->row = spk_alloc(bytes);
    r->row_bytes = r->row ? bytes : 0;
    return r->row ? SPK_OK : spk_fail(SPK_E_NOMEM, "%s: no memory for %zu bytes of features", r->path, bytes);
}

static spk_status take_wave(spk_feature_reader *r, int n_dims, const int64_t *dim)
{
    if (n_dims != 1)
        return spk_fail(SPK_E_SHAPE,
                        "%s: a recording is one row of samples, and this has %d dimensions; features go with frontend: "
                        "none and input_size",
                        r->path, n_dims);
    r->n_dims = 1;
    r->layers = r->width = 1;
    r->frames = dim[0];
    return r->frames > 0 ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: holds no samples", r->path);
}

static spk_status take_shape(spk_feature_reader *r, int n_dims, const int64_t *dim)
{
    if (r->wave) return take_wave(r, n_dims, dim);
    if (n_dims != 2 && n_dims != 3)
        return spk_fail(SPK_E_SHAPE,
                        "%s: features are (frames, values) or (layers, frames, values), not %d-dimensional", r->path,
                        n_dims);
    r->n_dims = n_dims;
    r->layers = n_dims == 3 ? dim[0] : 1;
    r->frames = dim[n_dims - 2];
    r->width = dim[n_dims - 1];
    if (r->layers * r->width != r->size && n_dims == 3)
        return spk_fail(SPK_E_SHAPE, "%s: has %lld layers of %lld values a frame; the model takes %lld values in all",
                        r->path, (long long)r->layers, (long long)r->width, (long long)r->size);
    if (r->layers * r->width != r->size)
        return spk_fail(SPK_E_SHAPE, "%s: its frames have %lld values; the model takes %lld", r->path,
                        (long long)r->width, (long long)r->size);
    return r->frames > 0 ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: holds no frames", r->path);
}

/* Half precision to float. */
static float from_half(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const float magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                            : exponent == 0 ? ldexpf((float)fraction, -24)
                                            : ldexpf((float)(1024 + fraction), exponent - 25);
    return h >> 15 ? -magnitude : magnitude;
}

/* What cannot be read in parts is read as a whole, and becomes float. */
static spk_status read_whole(spk_feature_reader *r)
{
    spk_ndarray a, *w = &r->whole;
    SPK_TRY(spk_npy_read(r->path, &a));
    spk_status status = SPK_OK;
    if (a.dtype != SPK_F16 && a.dtype != SPK_F32 && a.dtype != SPK_F64)
        status = spk_fail(SPK_E_FORMAT, "%s: holds %s; features are float16, float32 or float64", r->path,
                          spk_dtype_name(a.dtype));
    if (status == SPK_OK) status = spk_ndarray_init(w, SPK_F32, a.n_dims, a.dim);
    for (int64_t i = 0; status == SPK_OK && i < spk_ndarray_count(&a); i++)
        ((float *)w->data)[i] = a.dtype == SPK_F16   ? from_half(((const uint16_t *)a.data)[i])
                                : a.dtype == SPK_F32 ? ((const float *)a.data)[i]
                                                     : (float)((const double *)a.data)[i];
    spk_ndarray_clear(&a);
    return status;
}

static spk_status open_npy(spk_feature_reader *r)
{
    spk_npy_header h;
    SPK_TRY(spk_npy_open(r->path, &h, &r->stream, &r->at));
    SPK_TRY(take_shape(r, h.n_dims, h.dim));
    r->dtype = h.dtype;
    if ((h.dtype == SPK_F32 || h.dtype == SPK_F64) && !h.swapped && !h.fortran) return SPK_OK;
    fclose(r->stream);
    r->stream = NULL;
    return read_whole(r);
}

/* A compressed matrix, all of it. */
static spk_status read_packed(spk_feature_reader *r, const spk_ark_head *h)
{
    SPK_TRY(have_row(r, h->bytes ? h->bytes : 1));
    errno = 0;
    if (fread(r->row, 1, h->bytes, r->stream) != h->bytes)
        return errno ? spk_fail_errno(r->path, "read") : spk_fail(SPK_E_FORMAT, "%s: the file is truncated", r->path);
    SPK_TRY(spk_ndarray_init(&r->whole, SPK_F32, 2, h->dim));
    spk_ark_expand(h, r->row, r->whole.data);
    fclose(r->stream);
    r->stream = NULL;
    return SPK_OK;
}

static spk_status open_ark(spk_feature_reader *r, int64_t offset, size_t n_path)
{
    spk_ark_head h;
    char *path = spk_strndup(r->path, n_path);
    const spk_status status = spk_ark_open(path, offset, &h, &r->stream);
    spk_free(path);
    SPK_TRY(status);
    r->dtype = h.dtype;
    r->at = h.at;
    SPK_TRY(take_shape(r, h.n_dims, h.dim));
    return h.packed ? read_packed(r, &h) : SPK_OK;
}

static spk_status open_h5(spk_feature_reader *r, const char *file, size_t n_file, const char *name)
{
    spk_h5_shape shape;
    char *copy = spk_strndup(file, n_file);
    spk_status status = SPK_OK;
    if (!r->h5 || strcmp(spk_h5_file(r->h5), copy) != 0) {
        spk_h5_close(r->h5);
        r->h5 = NULL;
        status = spk_h5_open(copy, &r->h5);
    }
    spk_free(copy);
    SPK_TRY(status);
    SPK_TRY(spk_h5_array(r->h5, name, &shape));
    r->h5_reads = true;
    r->dtype = SPK_F32; /* as it comes from there */
    if (shape.type)
        return spk_fail(SPK_E_FORMAT, "%s: holds %s; %s are float16, float32 or float64", r->path, shape.type,
                        r->wave ? "samples" : "features");
    return take_shape(r, shape.n_dims, shape.dim);
}

spk_status spk_feature_open(spk_feature_reader *r, const char *path, int64_t *frames)
{
    const char *file, *name;
    size_t n_file;
    int64_t offset;
    const size_t n_path = spk_feature_path(path, &offset);
    const bool ark = offset >= 0 || spk_ends_with(path, ".ark");
    spk_feature_shut(r);
    *frames = 0;
    r->path = path;
    const bool h5 = spk_h5_parse(path, &n_file, &file, &name);
    if (!h5 && !ark && !spk_ends_with(path, ".npy"))
        return spk_fail(SPK_E_FORMAT,
                        "%s: the model takes features, not sound: give .npy files, Kaldi matrices (FILE.ark:OFFSET) or "
                        "arrays of HDF5 (hdf5:FILE::NAME)",
                        path);
    const spk_status status = h5 ? open_h5(r, file, n_file, name) : ark ? open_ark(r, offset, n_path) : open_npy(r);
    if (status != SPK_OK) {
        spk_feature_shut(r);
        return status;
    }
    *frames = r->frames;
    return SPK_OK;
}

/* ---- parts ---- */

static spk_status read_h5(spk_feature_reader *r, int64_t layer, int64_t start, int64_t count)
{
    const int64_t from[3] = {layer, start, 0}, size[3] = {1, count, r->width};
    const int skip = r->n_dims == 3 ? 0 : 1; /* of those, an array (T) or (T, F) has no layers */
    SPK_TRY(have_row(r, sizeof(float) * (size_t)(count * r->width)));
    void *row = r->row;
    return spk_h5_read(r->h5, from + skip, size + skip, row);
}

/* Frames of one layer in the file's type: they stand in the file, or in `whole`. */
static spk_status read_layer(spk_feature_reader *r, int64_t layer, int64_t start, int64_t count, const void **values)
{
    const int64_t first = (layer * r->frames + start) * r->width;
    if (r->h5_reads) {
        SPK_TRY(read_h5(r, layer, start, count));
        *values = r->row;
        return SPK_OK;
    }
    if (!r->stream) {
        *values = (const float *)r->whole.data + first;
        return SPK_OK;
    }
    const size_t size = spk_dtype_size(r->dtype), n = (size_t)(count * r->width);
    SPK_TRY(have_row(r, n * size));
    errno = 0;
    if (fseeko(r->stream, (off_t)(r->at + first * (int64_t)size), SEEK_SET) != 0 ||
        fread(r->row, size, n, r->stream) != n)
        return errno ? spk_fail_errno(r->path, "read") : spk_fail(SPK_E_FORMAT, "%s: the file is truncated", r->path);
    *values = r->row;
    return SPK_OK;
}

spk_status spk_feature_part(spk_feature_reader *r, int64_t start, int64_t count, float *dst)
{
    SPK_ASSERT(r->path && start >= 0 && count > 0 && start + count <= r->frames);
    const bool wide = r->stream && r->dtype == SPK_F64;
    int64_t bad = -1;
    for (int64_t l = 0; l < r->layers; l++) {
        const void *values;
        SPK_TRY(read_layer(r, l, start, count, &values));
        for (int64_t t = 0; t < count; t++)
            for (int64_t c = 0; c < r->width; c++) {
                const int64_t i = t * r->width + c;
                const float v = wide ? (float)((const double *)values)[i] : ((const float *)values)[i];
                dst[t * r->size + l * r->width + c] = v;
                if (!isfinite(v)) bad = t;
            }
    }
    if (bad < 0) return SPK_OK;
    return spk_fail(SPK_E_FORMAT, "%s: %s %lld holds a value that is NaN or infinite", r->path,
                    r->wave ? "sample" : "frame", (long long)(start + bad));
}
