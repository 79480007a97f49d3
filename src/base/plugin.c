/* SPDX-License-Identifier: Apache-2.0 */
/* Where the program's plugins may lie. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <stdlib.h>

#include "base/plugin_impl.h"

void spk_plugin_folders(const char *given, spk_text *out)
{
    Dl_info info;
    if (given && *given) spk_text_addf(out, "%s\n", given);
    if (dladdr((void *)(uintptr_t)spk_plugin_folders, &info) && info.dli_fname) {
        char path[4096], *real = realpath(info.dli_fname, path);
        char *folder = spk_path_folder(real ? real : info.dli_fname);
        spk_text_addf(out, "%s\n%s/spk\n%s/../lib/spk\n", folder, folder, folder);
        spk_free(folder);
    }
#ifdef SPK_PLUGIN_DIR
    spk_text_addf(out, "%s\n", SPK_PLUGIN_DIR);
#endif
}
