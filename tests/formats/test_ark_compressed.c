/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kaldi's three kinds of compressed matrices, as bytes that another program wrote of one (9, 2) matrix of normal noise,
 * and what it reads from them.
 */
#include "formats_test.h"

#include "formats/ark_impl.h"
#include "spk/arrays.h"

enum { ROWS = 9, COLUMNS = 2, N = ROWS * COLUMNS };

static const unsigned char cm[] = {117, 116, 116, 32, 0,   66,  67, 77,  32,  6,   88,  245, 192, 132, 22,
                                   141, 65,  9,   0,  0,   0,   2,  0,   0,   0,   84,  23,  157, 73,  127,
                                   129, 42,  200, 0,  0,   145, 86, 49,  101, 255, 255, 255, 192, 105, 0,
                                   64,  173, 122, 53, 194, 0,   64, 192, 192, 255, 146, 61,  131, 189};
static const float cm_values[N] = {6.122639f,  -7.666995f,  1.254205f,  -1.703292f, -1.362496f, -0.6957517f,
                                   -6.059882f, -0.6957517f, -2.595654f, 9.969f,     0.6827412f, -1.057837f,
                                   -0.851187f, -1.982841f,  -3.191069f, -1.175908f, 1.408758f,  -0.7193659f};

static const unsigned char cm2[] = {117, 116, 116, 32, 0,   66,  67, 77, 50, 32,  6,   88,  245, 192, 132, 22,
                                    141, 65,  9,   0,  0,   0,   2,  0,  0,  0,   42,  200, 0,   0,   127, 129,
                                    145, 86,  148, 91, 231, 101, 84, 23, 49, 101, 157, 73,  255, 255, 31,  121,
                                    239, 95,  11,  99, 51,  82,  88, 65, 70, 94,  71,  132, 231, 100};
static const float cm2_values[N] = {6.122639f,   -7.666995f,  1.254205f,  -1.703292f, -1.358027f, -0.6467738f,
                                    -6.059882f,  -0.6957517f, -2.595654f, 9.968999f,  0.6772375f, -1.057971f,
                                    -0.8437614f, -2.004155f,  -3.165356f, -1.172342f, 1.44581f,   -0.7156658f};

static const unsigned char cm3[] = {117, 116, 116, 32,  0,  66,  67,  77, 51, 32, 6,  88,  245, 192, 132,
                                    22,  141, 65,  9,   0,  0,   0,   2,  0,  0,  0,  199, 0,   129, 86,
                                    91,  102, 23,  101, 73, 255, 121, 96, 99, 82, 65, 94,  132, 101};
static const float cm3_values[N] = {6.095996f,   -7.666995f,  1.254743f,  -1.71917f,  -1.373366f, -0.6125975f,
                                    -6.076298f,  -0.6817584f, -2.618259f, 9.968999f,  0.701457f,  -1.027562f,
                                    -0.8200798f, -1.995813f,  -3.171546f, -1.165884f, 1.462225f,  -0.6817584f};

static const struct {
    const unsigned char *bytes;
    size_t n;
    const float *values;
} files[] = {{cm, sizeof cm, cm_values}, {cm2, sizeof cm2, cm2_values}, {cm3, sizeof cm3, cm3_values}};

static char path[64];

static void write_bytes(const unsigned char *bytes, size_t n)
{
    assert_int_equal(spk_write_file(path, (const char *)bytes, n), SPK_OK);
}

static void test_values(void **state)
{
    (void)state;
    for (int f = 0; f < 3; f++) {
        spk_tensors t;
        write_bytes(files[f].bytes, files[f].n);
        assert_int_equal(spk_ark_read(path, &t), SPK_OK);
        assert_int_equal(t.n, 1);
        const spk_ndarray *a = &t.item[0].a;
        assert_true(a->n_dims == 2 && a->dim[0] == ROWS && a->dim[1] == COLUMNS && a->dtype == SPK_F32);
        for (int i = 0; i < N; i++) {
            const double got = (double)((const float *)a->data)[i], want = (double)files[f].values[i];
            if (!(got - want < 2e-6 * 10 && want - got < 2e-6 * 10))
                fail_msg("kind %d, %d: %.8g, should be %.8g", f + 1, i, got, want);
        }
        spk_tensors_clear(&t);
    }
}

/* Cut at any place, and with other bytes in the header: refused or read, but never more than there is. */
static void test_damaged(void **state)
{
    (void)state;
    for (int f = 0; f < 3; f++) {
        spk_tensors t;
        for (size_t n = 1; n < files[f].n; n++) {
            write_bytes(files[f].bytes, n);
            assert_int_equal(spk_ark_read(path, &t), SPK_E_FORMAT);
        }
        unsigned char other[64];
        memcpy(other, files[f].bytes, files[f].n);
        for (size_t i = 4; i < 27; i++) {
            other[i] ^= 0x55;
            write_bytes(other, files[f].n);
            if (spk_ark_read(path, &t) == SPK_OK) spk_tensors_clear(&t);
            other[i] ^= 0x55;
        }
    }
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/spk-ark-XXXXXX");
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
