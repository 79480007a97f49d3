/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for YAML: whatever parses must print and read back. */
#include "fuzz.h"

#include "formats/yaml_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_yaml *tree = NULL, *again = NULL;
    if (spk_yaml_parse((const char *)data, n, "fuzz", &tree) != SPK_OK) return 0;
    spk_text out = {0};
    spk_yaml_print(tree, &out);
    const spk_status status = spk_yaml_parse(out.s, out.n, "again", &again);
    SPK_ASSERT(status == SPK_OK);
    spk_yaml_free(tree);
    spk_yaml_free(again);
    spk_text_clear(&out);
    return 0;
}
