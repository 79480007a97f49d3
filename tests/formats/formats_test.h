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

typedef spk_status (*tensor_reader)(const char *path, spk_tensors *out);

/* The file cut at every length must be refused by a message that names it; with any one byte changed it may be read
 * or not, but nothing may crash or leak. The file is destroyed. */
static inline void damage(const char *path, tensor_reader read)
{
    char *data;
    size_t n;
    spk_tensors t;
    assert_ok(spk_read_file(path, &data, &n));
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    for (size_t at = 0; at < n; at++) {
        const char changed = (char)(data[at] ^ 0x2a);
        assert_int_equal(pwrite(fileno(f), &changed, 1, (off_t)at), 1);
        if (read(path, &t) == SPK_OK) spk_tensors_clear(&t);
        assert_int_equal(pwrite(fileno(f), &data[at], 1, (off_t)at), 1);
    }
    assert_ok(read(path, &t)); /* as it was */
    spk_tensors_clear(&t);
    for (size_t cut = n; cut-- > 0;) {
        assert_int_equal(ftruncate(fileno(f), (off_t)cut), 0);
        if (read(path, &t) == SPK_OK) fail_msg("cut at %zu of %zu is read", cut, n);
        assert_non_null(strstr(spk_errmsg(), path));
        assert_null(t.item);
    }
    fclose(f);
    spk_free(data);
}

#endif
