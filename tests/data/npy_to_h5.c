/* SPDX-License-Identifier: Apache-2.0 */
/* npy_to_h5 OUT.h5 < lines "ID FILE.npy": float32 arrays into an HDF5 file, for tests/cli/hdf5.sh. */
#include <stdio.h>
#include <string.h>

#include "base/base_impl.h"
#include "data/h5_write.h"
#include "spk/arrays.h"

static bool put(hid_t file, const char *id, const char *path, bool packed)
{
    spk_ndarray a;
    if (spk_npy_read(path, &a) != SPK_OK) return false;
    const bool good = h5_put(file, id, H5T_IEEE_F32LE, a.n_dims, a.dim, a.data, packed);
    spk_ndarray_clear(&a);
    return good;
}

int main(int argc, char **argv)
{
    char line[4096], id[1024], path[2048];
    if (argc != 2) return 2;
    const hid_t file = H5Fcreate(argv[1], H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (file < 0) return 1;
    for (int n = 0; fgets(line, sizeof line, stdin); n++) {
        const size_t blank = strcspn(line, " "), end = strcspn(line, "\n");
        if (blank >= end || blank >= sizeof id || end - blank >= sizeof path) return 2;
        snprintf(id, sizeof id, "%.*s", (int)blank, line);
        snprintf(path, sizeof path, "%.*s", (int)(end - blank - 1), line + blank + 1);
        if (!put(file, id, path, n % 2 == 1)) {
            fprintf(stderr, "npy_to_h5: %s: %s\n", path, spk_errmsg());
            return 1;
        }
    }
    return H5Fclose(file) < 0;
}
