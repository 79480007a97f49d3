/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for what a list says of a recording, and for the head of an archive's entry. */
#include "fuzz.h"

#include "data/source_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_locator l;
    char *text = spk_strndup((const char *)data, n);
    spk_locator_parse(text, &l);
    SPK_ASSERT(l.n_file <= strlen(text) && l.offset >= -1);
    SPK_ASSERT(!l.part || (l.begin >= 0 && (l.end == -1 || l.end > l.begin)));
    spk_free(text);

    int64_t start = 0, length = 0;
    const int64_t room = n > 0 ? (int64_t)data[0] * 1000 + (int64_t)n : 0;
    if (spk_source_span(data, n < 16 ? n : 16, room, &start, &length))
        SPK_ASSERT(start >= 0 && length > 0 && length <= room - start);
    return 0;
}
