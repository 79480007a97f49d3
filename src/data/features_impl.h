/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features from files instead of sound: a matrix (T, F) of an utterance, or layers (L, T, D) that are read as T frames
 * of L*D values, layer after layer. Files are NumPy's .npy (f2, f4, f8) or Kaldi's binary matrices, compressed ones too,
 * "FILE.ark:OFFSET" as an scp has it, or an .ark of one matrix; or arrays of HDF5 files, "hdf5:FILE::NAME". Where the file
 * lies as it is wanted (C order, f4 or f8) only the frames that are asked for are read, of HDF5 in any case.
 *
 * Of size 0 it reads waves, arrays of one dimension: a frame is a sample.
 */
#ifndef SPK_DATA_FEATURES_IMPL_H
#define SPK_DATA_FEATURES_IMPL_H

#include "base/base_impl.h"

typedef struct spk_feature_reader spk_feature_reader;

/* `size`: values of a frame; 0: waves. One thread at a time. */
spk_feature_reader *spk_feature_reader_new(int64_t size);
void spk_feature_reader_free(spk_feature_reader *r); /* NULL is allowed */

/* Open a file (the one before is closed): its frames, at least 1. SPK_E_IO, SPK_E_FORMAT, and SPK_E_SHAPE where frames
 * have another size; messages name the file. `path` is borrowed until the file is closed. */
spk_status spk_feature_open(spk_feature_reader *r, const char *path, int64_t *frames) SPK_NODISCARD;
/* `count` frames from `start` on: (count, size). SPK_E_FORMAT where one is not finite. */
spk_status spk_feature_part(spk_feature_reader *r, int64_t start, int64_t count, float *dst) SPK_NODISCARD;
void spk_feature_shut(spk_feature_reader *r);

/* Split "FILE.ark:123": the length of the file's name, and the offset; without one all of it, and -1. */
size_t spk_feature_path(const char *path, int64_t *offset);

#endif
