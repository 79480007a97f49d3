/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for Kaldi text lists. */
#include "fuzz.h"

#include "formats/list_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_list list;
    char *text = spk_new(n + 1);
    if (n > 0) memcpy(text, data, n);
    if (spk_list_parse(text, n, "fuzz", 0, &list) != SPK_OK) return 0;
    for (int64_t i = 0; i < list.n; i++)
        SPK_ASSERT(spk_list_find(&list, list.entry[i].key) == i && list.entry[i].value[0]);
    spk_list_clear(&list);
    return 0;
}
