/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share: cmocka, a scratch folder, files in it, and shared data. */
#ifndef FORMATS_TEST_H
#define FORMATS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_impl.h"

static char test_folder[] = "/tmp/spk_formats_XXXXXX";

/* cmocka's group setup and teardown: make the folder; remove its files and it (fails when a test left a folder). */
static inline int make_test_folder(void **state)
{
    (void)state;
    return mkdtemp(test_folder) ? 0 : -1;
}

static inline int remove_test_folder(void **state)
{
    (void)state;
    char *command = spk_strf("rm -r '%s'", test_folder);
    const int status = system(command);
    spk_free(command);
    return status;
}

/* A path in the folder; one of four buffers. */
static inline const char *in_folder(const char *name)
{
    static char path[4][512];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", test_folder, name);
    return path[i];
}

static inline void put_file(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* A path below the folder of shared data, or NULL when it is not there. */
static inline const char *in_shared(const char *name)
{
    static char path[512];
    const char *root = getenv("SPK_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", name);
    return spk_exists(path) ? path : NULL;
}

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        const spk_status got_ = (call);                                                                                \
        if (got_ != SPK_OK) fail_msg("%s: %s", #call, spk_errmsg());                                                   \
    } while (0)

/* The call fails with that code and a message that holds `text`. */
#define assert_fails(call, code, text)                                                                                 \
    do {                                                                                                               \
        const spk_status got_ = (call);                                                                                \
        if (got_ != (code) || !strstr(spk_errmsg(), (text)))                                                           \
            fail_msg("%s: got %s \"%s\", wanted \"%s\"", #call, spk_status_name(got_), spk_errmsg(), (text));          \
    } while (0)

#endif
