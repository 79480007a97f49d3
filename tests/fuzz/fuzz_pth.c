/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for PyTorch weight files: the zip directory, windows on storages; input that begins as a pickle goes to its machine. */
#include "fuzz.h"

#include "formats/pickle_impl.h"
#include "spk/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_tensors t;
    spk_pickle pickle;
    if (n > 0 && data[0] == 0x80) {
        if (spk_pickle_read(data, n, "fuzz", &pickle) == SPK_OK) spk_pickle_clear(&pickle);
        return 0;
    }
    const char *path = fuzz_file(data, n);
    if (spk_pth_read(path, &t) == SPK_OK) spk_tensors_clear(&t);
    return 0;
}
