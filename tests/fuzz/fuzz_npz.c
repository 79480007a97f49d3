/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for .npz files: the zip directory, .npy headers, deflated data. */
#include "fuzz.h"

#include "spk/arrays.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_tensors t;
    const char *path = fuzz_file(data, n);
    if (spk_npz_read(path, &t) == SPK_OK) spk_tensors_clear(&t);
    return 0;
}
