/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays of HDF5 files, through the plugin libspk_hdf5.so (hdf5/hdf5.c), which is opened by the first call; where it is
 * not there, calls fail with SPK_E_UNSUPPORTED and say what to install. Any threads may call: a lock lets one in at a
 * time, whether libhdf5 has one of its own or not. A handle belongs to one thread.
 */
#ifndef SPK_FORMATS_H5_IMPL_H
#define SPK_FORMATS_H5_IMPL_H

#include "base/base_impl.h"
#include "formats/h5_table_impl.h"

/* How lists name an array: "hdf5:FILE::NAME". False: `text` is no such name. */
bool spk_h5_parse(const char *text, size_t *n_file, const char **file, const char **name);

typedef struct spk_h5 spk_h5;
/* SPK_E_IO: there is no such file; SPK_E_FORMAT: it is none of HDF5, or damaged. The path is copied. */
spk_status spk_h5_open(const char *path, spk_h5 **out) SPK_NODISCARD;
void spk_h5_close(spk_h5 *h); /* NULL is allowed */
const char *spk_h5_file(const spk_h5 *h);

/* Names of all arrays, a line each, in byte order within a group. SPK_E_FORMAT: a part cannot be read; a name that holds
 * white space. */
spk_status spk_h5_names(spk_h5 *h, spk_text *out) SPK_NODISCARD;
/* Open an array (the one before is closed). SPK_E_MISMATCH: there is none of that name; SPK_E_FORMAT. */
spk_status spk_h5_array(spk_h5 *h, const char *name, spk_h5_shape *shape) SPK_NODISCARD;
/* A block of the open array, as float. SPK_E_FORMAT: damaged. */
spk_status spk_h5_read(spk_h5 *h, const int64_t *start, const int64_t *count, float *dst) SPK_NODISCARD;
void spk_h5_array_close(spk_h5 *h);

#endif
