/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the plugin for HDF5 files gives to the program: a table of functions. Only one call at a time is made, as
 * libhdf5 may be built without a lock of its own. Handles are below 0 where a call failed, which then writes why.
 */
#ifndef SPK_FORMATS_H5_TABLE_IMPL_H
#define SPK_FORMATS_H5_TABLE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPK_H5_DIMS = 8, SPK_H5_TABLE_VERSION = 1 };

typedef struct spk_h5_shape {
    int n_dims; /* may be more than SPK_H5_DIMS; the first ones are kept */
    int64_t dim[SPK_H5_DIMS];
    const char *type; /* NULL: floating point, of any size and byte order; else what else it is */
} spk_h5_shape;

typedef struct spk_h5_why {
    char text[512];
} spk_h5_why;

typedef struct spk_h5_table {
    int version;
    int64_t (*open_file)(const char *path, spk_h5_why *why);
    void (*close_file)(int64_t file);
    /* Every array of the file by its path from the root, in byte order within a group; take returns false to end. */
    bool (*each_array)(int64_t file, bool (*take)(void *user, const char *name), void *user, spk_h5_why *why);
    bool (*has)(int64_t file, const char *name); /* anything of that path */
    int64_t (*open_array)(int64_t file, const char *name, spk_h5_shape *shape, spk_h5_why *why);
    /* The block of shape `count` at `start`, as float. */
    bool (*read)(int64_t array, const int64_t *start, const int64_t *count, float *dst, spk_h5_why *why);
    void (*close_array)(int64_t array);
} spk_h5_table;

typedef const spk_h5_table *(*spk_h5_plugin_fn)(void);
#define SPK_H5_PLUGIN_SYMBOL "spk_h5_plugin"

#endif
