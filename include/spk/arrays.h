/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of arrays: NumPy's .npy and .npz, Kaldi's ark/scp, and JSON lines of embeddings.
 *
 * Readers check every size against the file before they allocate, and give C-ordered arrays in the
 * machine's byte order. Writers make their file whole or not at all: it is written beside its name
 * (NAME.tmp), synced and renamed by _finish; a full disk is SPK_E_IO and leaves nothing behind. No
 * time stamps: equal content gives equal bytes.
 *
 * Thread rule: one thread at a time for an object. Failures of readers leave *out empty.
 */
#ifndef SPK_ARRAYS_H
#define SPK_ARRAYS_H

#include <stdbool.h>

#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- .npy: format versions 1 to 3; f2 f4 f8 i1 i2 i4 i8 u1 b1, either byte order, C and Fortran order ---- */

SPK_API spk_status spk_npy_read(const char *path, spk_ndarray *out) SPK_NODISCARD;
SPK_API spk_status spk_npy_write(const char *path, const spk_ndarray *a) SPK_NODISCARD;

/* ---- .npz: members stored or deflated; zip64. FILE.zip/MEMBER.npz is one that lies in a zip file, as a packed model ---- */

/* All members, in the file's order; names without ".npy". SPK_E_FORMAT for a member that is no array of the above. */
SPK_API spk_status spk_npz_read(const char *path, spk_tensors *out) SPK_NODISCARD;

/* One by one: the list of members is read by _open, an array by _get (SPK_E_VALUE when there is no such key). */
typedef struct spk_npz spk_npz;
SPK_API spk_status spk_npz_open(const char *path, spk_npz **out) SPK_NODISCARD;
SPK_API int64_t spk_npz_count(const spk_npz *z);
SPK_API const char *spk_npz_key(const spk_npz *z, int64_t i); /* valid until close */
SPK_API bool spk_npz_has(const spk_npz *z, const char *key);
SPK_API spk_status spk_npz_get(spk_npz *z, const char *key, spk_ndarray *out) SPK_NODISCARD;
SPK_API void spk_npz_close(spk_npz *z); /* NULL is allowed */
/* Open, get one, close. */
SPK_API spk_status spk_npz_read_member(const char *path, const char *key, spk_ndarray *out) SPK_NODISCARD;

/* Compressed writer, one array after the other; what numpy.savez_compressed gives. Keys are UTF-8 text of 1 to 1000
 * bytes and may hold slashes; a key that stands there already is SPK_E_VALUE. bfloat16 is SPK_E_UNSUPPORTED, as
 * NumPy does not know it. After a failed _add only _abort (or _finish, which then fails the same way) makes sense. */
typedef struct spk_npz_writer spk_npz_writer;
SPK_API spk_status spk_npz_create(const char *path, spk_npz_writer **out) SPK_NODISCARD;
SPK_API spk_status spk_npz_add(spk_npz_writer *w, const char *key, spk_dtype dtype, int n_dims, const int64_t *dim,
                               const void *data) SPK_NODISCARD;
SPK_API spk_status spk_npz_finish(spk_npz_writer *w) SPK_NODISCARD; /* frees w, also when it fails */
SPK_API void spk_npz_abort(spk_npz_writer *w);                      /* frees w; NULL is allowed */
/* All tensors at once. */
SPK_API spk_status spk_npz_write(const char *path, const spk_tensors *tensors) SPK_NODISCARD;

/* ---- Kaldi: binary float vectors ("FV ") and matrices ("FM ") in an .ark, found through an .scp ---- */

typedef struct spk_ark_writer spk_ark_writer;
/* scp_path: NULL for none. Its lines are "KEY ARK_PATH:OFFSET" with ark_path as it is given here. */
SPK_API spk_status spk_ark_create(const char *ark_path, const char *scp_path, spk_ark_writer **out) SPK_NODISCARD;
/* n_dims 1: a vector of dim[0]; 2: a matrix (dim[0], dim[1]). Keys have no white space. */
SPK_API spk_status spk_ark_add(spk_ark_writer *w, const char *key, int n_dims, const int64_t *dim,
                               const float *data) SPK_NODISCARD;
SPK_API spk_status spk_ark_finish(spk_ark_writer *w) SPK_NODISCARD; /* frees w; the scp appears after the ark */
SPK_API void spk_ark_abort(spk_ark_writer *w);
/* Everything in an ark (also doubles, "DV " and "DM ", and compressed matrices), or what an scp lists. Relative ark paths in an scp are taken
 * from the current folder, and where that file is not there, from the scp's folder. */
SPK_API spk_status spk_ark_read(const char *ark_path, spk_tensors *out) SPK_NODISCARD;
SPK_API spk_status spk_scp_read(const char *scp_path, spk_tensors *out) SPK_NODISCARD;

/* ---- JSON lines: {"id": "utt", "embedding": [0.1, -2.5]}, shortest numbers that read back as the same float32 ---- */

typedef struct spk_jsonl_writer spk_jsonl_writer;
SPK_API spk_status spk_jsonl_create(const char *path, spk_jsonl_writer **out) SPK_NODISCARD;
/* Two dimensions give a list of lists. Values that are not finite are written as null. */
SPK_API spk_status spk_jsonl_add(spk_jsonl_writer *w, const char *id, int n_dims, const int64_t *dim,
                                 const float *data) SPK_NODISCARD;
SPK_API spk_status spk_jsonl_finish(spk_jsonl_writer *w) SPK_NODISCARD; /* frees w, also when it fails */
SPK_API void spk_jsonl_abort(spk_jsonl_writer *w);
/* One such line, without the newline; a new string (free it with free()). */
SPK_API char *spk_jsonl_line(const char *id, int n_dims, const int64_t *dim, const float *data);

#ifdef __cplusplus
}
#endif
#endif
