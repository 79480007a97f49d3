/* SPDX-License-Identifier: Apache-2.0 */
/* Event files: the checksum's published figures, and every byte of a small file read back by its own rules. Whether
 * TensorBoard's package reads them is asked in tests/cli/tensorboard.sh. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/events_impl.h"

/* RFC 3720, B.4. */
static void test_checksum(void **state)
{
    (void)state;
    unsigned char data[32] = {0};
    assert_int_equal(spk_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(spk_crc32c(data, 32), 0x8a9136aa);
    memset(data, 0xff, 32);
    assert_int_equal(spk_crc32c(data, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    assert_int_equal(spk_crc32c(data, 32), 0x46dd794e);
}

static uint64_t little(const unsigned char *p, int n)
{
    uint64_t x = 0;
    for (int i = n - 1; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

static uint32_t masked(const void *p, size_t n)
{
    const uint32_t crc = spk_crc32c(p, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* The data of the record at *at, which moves on; its checksums must hold. */
static const unsigned char *record(const unsigned char *file, size_t size, size_t *at, size_t *n)
{
    assert_true(*at + 16 <= size);
    const unsigned char *p = file + *at;
    *n = (size_t)little(p, 8);
    assert_true(*at + 16 + *n <= size);
    assert_int_equal(little(p + 8, 4), masked(p, 8));
    assert_int_equal(little(p + 12 + *n, 4), masked(p + 12, *n));
    *at += 16 + *n;
    return p + 12;
}

static char *only_file(const char *folder)
{
    DIR *d = opendir(folder);
    char *path = NULL;
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        if (e->d_name[0] != '.') {
            assert_null(path);
            assert_true(spk_starts_with(e->d_name, "events.out.tfevents.")); /* by this TensorBoard finds it */
            path = spk_path_join(folder, e->d_name);
        }
    closedir(d);
    return path;
}

static void expect(const unsigned char *data, size_t n, const char *bytes, size_t n_bytes)
{
    /* 1: wall_time, nine bytes */
    assert_int_equal(data[0], 1 << 3 | 1);
    assert_int_equal(n - 9, n_bytes);
    assert_memory_equal(data + 9, bytes, n_bytes);
}

static void test_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/spk-events-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *deeper = spk_path_join(folder, "a/b"), *data;
    spk_events *e;
    size_t size, at = 0, n;
    assert_int_equal(spk_events_open(deeper, 7, &e), SPK_OK);
    spk_events_scalar(e, "eer", 1.5, 300);
    spk_events_scalar(e, "loss", NAN, 0);
    assert_int_equal(spk_events_flush(e), SPK_OK);
    spk_events_close(e);
    char *path = only_file(deeper);
    assert_int_equal(spk_read_file(path, &data, &size), SPK_OK);
    const unsigned char *file = (const unsigned char *)data, *event;
    event = record(file, size, &at, &n);
    expect(event, n,
           "\x1a\x0d"
           "brain.Event:2",
           15);
    event = record(file, size, &at, &n); /* 2: step 7; 7: session_log, 1: START */
    expect(event, n, "\x10\x07\x3a\x02\x08\x01", 6);
    event = record(file, size, &at, &n); /* step 300; 5: summary, 1: value, 1: tag, 2: 1.5 as float32 */
    expect(event, n,
           "\x10\xac\x02\x2a\x0c\x0a\x0a\x0a\x03"
           "eer"
           "\x15\x00\x00\xc0\x3f",
           17);
    event = record(file, size, &at, &n);
    assert_int_equal(event[9], 5 << 3 | 2); /* step 0 is not written */
    assert_int_equal(at, size);
    spk_free(data);
    spk_free(path);
    spk_free(deeper);
    char *command = spk_strf("rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    spk_free(command);
}

static void test_failures(void **state)
{
    (void)state;
    spk_events *e;
    assert_int_equal(spk_events_open("/dev/null/x", -1, &e), SPK_E_IO);
    assert_null(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
