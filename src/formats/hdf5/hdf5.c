/* SPDX-License-Identifier: Apache-2.0 */
/* libspk_hdf5.so: the only file that knows libhdf5 (1.8 and later). */
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

#include "formats/h5_table_impl.h"

enum { DEEPEST = 32 };

/* ---- why a call failed ---- */

/* The innermost of libhdf5's reasons. */
static herr_t take_reason(unsigned n, const H5E_error2_t *e, void *user)
{
    spk_h5_why *why = user;
    if (n == 0 && e->desc) snprintf(why->text, sizeof why->text, "%s", e->desc);
    return 0;
}

static void tell(spk_h5_why *why)
{
    snprintf(why->text, sizeof why->text, "libhdf5 does not say why");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, why);
    H5Eclear2(H5E_DEFAULT);
}

/* Nothing is printed: messages are told by their caller. The stack may be one of each thread, so at each way in. */
static void be_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* ---- files ---- */

static int64_t open_file(const char *path, spk_h5_why *why)
{
    be_quiet();
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) tell(why);
    return file;
}

static void close_file(int64_t file)
{
    be_quiet();
    H5Fclose(file);
}

/* ---- what is in one ---- */

typedef struct walk {
    bool (*take)(void *user, const char *name);
    void *user;
    spk_h5_why *why;
    char name[4096]; /* path of the group, with a slash behind it */
    int depth;
} walk;

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *user);

static herr_t visit_group(hid_t group, walk *w)
{
    if (w->depth == DEEPEST) {
        snprintf(w->why->text, sizeof w->why->text, "groups lie in each other more than %d deep", DEEPEST);
        return -1;
    }
    w->depth++;
    const herr_t end = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_link, w);
    w->depth--;
    return end;
}

static herr_t visit_object(hid_t object, size_t before, walk *w)
{
    const H5I_type_t type = H5Iget_type(object);
    if (type == H5I_DATASET) return w->take(w->user, w->name) ? 0 : 1;
    if (type != H5I_GROUP) return 0; /* a named type */
    const size_t n = strlen(w->name);
    if (n + 2 > sizeof w->name) return -1;
    memcpy(w->name + n, "/", 2);
    const herr_t end = visit_group(object, w);
    w->name[before] = '\0';
    return end;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    (void)info;
    walk *w = user;
    const size_t before = strlen(w->name), n = strlen(name);
    if (before + n + 1 > sizeof w->name) {
        snprintf(w->why->text, sizeof w->why->text, "a name is longer than %zu bytes", sizeof w->name);
        return -1;
    }
    memcpy(w->name + before, name, n + 1);
    const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0) {
        char reason[sizeof w->why->text - 200];
        tell(w->why);
        snprintf(reason, sizeof reason, "%s", w->why->text);
        snprintf(w->why->text, sizeof w->why->text, "'%.150s' cannot be opened: %s", w->name, reason);
        return -1;
    }
    const herr_t end = visit_object(object, before, w);
    H5Oclose(object);
    w->name[before] = '\0';
    return end;
}

static bool each_array(int64_t file, bool (*take)(void *user, const char *name), void *user, spk_h5_why *why)
{
    walk w = {.take = take, .user = user, .why = why};
    be_quiet();
    why->text[0] = '\0';
    const bool good = visit_group(file, &w) >= 0;
    if (!good && !why->text[0]) tell(why);
    return good;
}

/* H5Lexists wants each group on the way to be there. */
static bool has(int64_t file, const char *name)
{
    char way[4096];
    const size_t n = strlen(name);
    be_quiet();
    if (n == 0 || n >= sizeof way) return false;
    for (size_t i = 1; i <= n; i++) {
        if (name[i] != '/' && name[i] != '\0') continue;
        memcpy(way, name, i);
        way[i] = '\0';
        if (H5Lexists(file, way, H5P_DEFAULT) <= 0) return false;
    }
    return true;
}

/* ---- arrays ---- */

static const char *other_type(H5T_class_t c)
{
    return c == H5T_FLOAT      ? NULL
           : c == H5T_INTEGER  ? "whole numbers"
           : c == H5T_STRING   ? "text"
           : c == H5T_COMPOUND ? "records"
                               : "values of another kind";
}

static bool find_shape(hid_t array, spk_h5_shape *shape)
{
    hsize_t dim[H5S_MAX_RANK];
    const hid_t type = H5Dget_type(array), space = H5Dget_space(array);
    bool good = type >= 0 && space >= 0;
    if (good) {
        shape->type = other_type(H5Tget_class(type));
        shape->n_dims = H5Sget_simple_extent_ndims(space);
        good = shape->n_dims >= 0 && H5Sget_simple_extent_dims(space, dim, NULL) >= 0;
    }
    for (int i = 0; good && i < shape->n_dims && i < SPK_H5_DIMS; i++)
        shape->dim[i] = (int64_t)dim[i];
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return good;
}

static int64_t open_array(int64_t file, const char *name, spk_h5_shape *shape, spk_h5_why *why)
{
    be_quiet();
    hid_t array = H5Dopen2(file, name, H5P_DEFAULT);
    *shape = (spk_h5_shape){0};
    if (array >= 0 && find_shape(array, shape)) return array;
    tell(why);
    if (array >= 0) H5Dclose(array);
    return -1;
}

static bool read_block(int64_t array, const int64_t *start, const int64_t *count, float *dst, spk_h5_why *why)
{
    hsize_t from[H5S_MAX_RANK], size[H5S_MAX_RANK];
    be_quiet();
    const hid_t space = H5Dget_space(array);
    const int n_dims = space >= 0 ? H5Sget_simple_extent_ndims(space) : 0;
    for (int i = 0; i < n_dims; i++) {
        from[i] = (hsize_t)start[i];
        size[i] = (hsize_t)count[i];
    }
    const hid_t memory = n_dims > 0 ? H5Screate_simple(n_dims, size, NULL) : -1;
    const bool good = memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, size, NULL) >= 0 &&
                      H5Dread(array, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, dst) >= 0;
    if (!good) tell(why);
    if (memory >= 0) H5Sclose(memory);
    if (space >= 0) H5Sclose(space);
    return good;
}

static void close_array(int64_t array)
{
    be_quiet();
    H5Dclose(array);
}

__attribute__((visibility("default"))) const spk_h5_table *spk_h5_plugin(void);

const spk_h5_table *spk_h5_plugin(void)
{
    static const spk_h5_table table = {SPK_H5_TABLE_VERSION, open_file,  close_file, each_array, has,
                                       open_array,           read_block, close_array};
    return &table;
}
