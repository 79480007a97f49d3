/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for .npz files: the zip directory, deflated data; input that begins as an .npy goes to its reader. */
#include "fuzz.h"

#include "formats/npy_impl.h"
#include "spk/arrays.h"

typedef struct bytes {
    const uint8_t *p, *end;
} bytes;

static spk_status next_bytes(void *user, void *data, int64_t n)
{
    bytes *b = user;
    SPK_ASSERT(n <= b->end - b->p); /* sizes were checked before */
    if (n > 0) memcpy(data, b->p, (size_t)n);
    b->p += n;
    return SPK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_tensors t;
    if (n > 0 && data[0] == 0x93) {
        bytes b = {data, data + n};
        spk_ndarray a;
        if (spk_npy_from(next_bytes, &b, (int64_t)n, "fuzz", &a) == SPK_OK) spk_ndarray_clear(&a);
        return 0;
    }
    const char *path = fuzz_file(data, n);
    if (spk_npz_read(path, &t) == SPK_OK) spk_tensors_clear(&t);
    return 0;
}
