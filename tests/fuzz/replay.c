/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer's committed corpus as an ordinary test: every file of the folders named on the command line goes
 * through LLVMFuzzerTestOneInput, whole, and cut short at a few places. Any crash is the failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A copy of exactly n bytes, so that reading past the end is seen by a sanitizer. */
static void feed(const char *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) abort();
    memcpy(copy, data, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static int replay_file(const char *path)
{
    static char data[1 << 22];
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return 0;
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    const size_t n = fread(data, 1, sizeof data, f);
    (void)fclose(f);
    feed(data, n);
    for (size_t part = 1; part < 8; part++)
        feed(data, n * part / 8);
    if (n > 0) feed(data, n - 1);
    return 1;
}

int main(int argc, char **argv)
{
    int n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) continue;
        for (const struct dirent *e; (e = readdir(folder)) != NULL;) {
            char path[4096];
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            n += replay_file(path);
        }
        (void)closedir(folder);
    }
    printf("%d inputs replayed\n", n);
    if (n == 0) printf("skipped: no corpus\n");
    return n > 0 ? 0 : 77;
}
