/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the fuzz targets. Built with clang -fsanitize=fuzzer they search; with -DSPK_FUZZ_REPLAY and any
 * compiler they run the files that are given as arguments, once each.
 */
#ifndef SPK_FUZZ_H
#define SPK_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The bytes as a file, for readers that take a path; the same path in one process, removed at its end. */
static char fuzz_path[64];

static inline void fuzz_remove_file(void)
{
    unlink(fuzz_path);
}

static inline const char *fuzz_file(const uint8_t *data, size_t n)
{
    if (!fuzz_path[0]) {
        snprintf(fuzz_path, sizeof fuzz_path, "/tmp/spk_fuzz_%ld", (long)getpid());
        atexit(fuzz_remove_file);
    }
    FILE *f = fopen(fuzz_path, "wb");
    SPK_ASSERT(f);
    const size_t done = n ? fwrite(data, 1, n, f) : 0;
    SPK_ASSERT(done == n && fclose(f) == 0);
    return fuzz_path;
}

#ifdef SPK_FUZZ_REPLAY
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *data = NULL;
        size_t n = 0;
        if (spk_read_file(argv[i], &data, &n) != SPK_OK) {
            fprintf(stderr, "%s\n", spk_errmsg());
            return 1;
        }
        LLVMFuzzerTestOneInput((const uint8_t *)data, n);
        spk_free(data);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
#endif

#endif
