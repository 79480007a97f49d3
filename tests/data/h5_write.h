/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays into an HDF5 file, for tests; only where libhdf5's headers are. */
#ifndef SPK_TESTS_DATA_H5_WRITE_H
#define SPK_TESTS_DATA_H5_WRITE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

/* An array of floats, which the file holds as `type`; groups on the way of its name are made. `packed`: in compressed blocks
 * of 8 rows. */
static inline bool h5_put(hid_t file, const char *name, hid_t type, int n_dims, const int64_t *dim, const float *data,
                          bool packed)
{
    hsize_t size[3] = {1, 1, 1}, block[3] = {1, 1, 1};
    for (int i = 0; i < n_dims; i++) {
        size[i] = (hsize_t)dim[i];
        block[i] = i == 0 && size[0] > 8 ? 8 : size[i];
    }
    const hid_t link = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_create_intermediate_group(link, 1);
    if (packed) {
        H5Pset_chunk(layout, n_dims, block);
        H5Pset_shuffle(layout);
        H5Pset_deflate(layout, 4);
        H5Pset_fletcher32(layout);
    }
    const hid_t space = H5Screate_simple(n_dims, size, NULL);
    const hid_t array = H5Dcreate2(file, name, type, space, link, layout, H5P_DEFAULT);
    const bool good = array >= 0 && H5Dwrite(array, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (array >= 0) H5Dclose(array);
    H5Sclose(space);
    H5Pclose(layout);
    H5Pclose(link);
    return good;
}

#endif
