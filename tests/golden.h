/* SPDX-License-Identifier: Apache-2.0 */
/* Where the reference arrays lie: the folder of the environment variable SPK_SHARED, else ../shared beside the tree. */
#ifndef SPK_TESTS_GOLDEN_H
#define SPK_TESTS_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>

#include "base/base_impl.h"

/* A new string: PATH inside the shared folder, or NULL (and a printed reason) where it is not there. */
static inline char *golden_path(const char *path)
{
    const char *folder = getenv("SPK_SHARED");
    char *whole = spk_path_join(folder && *folder ? folder : "../shared", path);
    if (spk_exists(whole)) return whole;
    printf("skipped: there is no %s (set SPK_SHARED to the folder that holds golden/)\n", whole);
    spk_free(whole);
    return NULL;
}

#endif
