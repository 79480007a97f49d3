/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for PyTorch weight files: the zip directory, the pickle, windows on storages. */
#include "fuzz.h"

#include "spk/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_tensors t;
    const char *path = fuzz_file(data, n);
    if (spk_pth_read(path, &t) == SPK_OK) spk_tensors_clear(&t);
    return 0;
}
