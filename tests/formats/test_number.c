/* SPDX-License-Identifier: Apache-2.0 */
/* The shortest text of a float against printf and strtof, of many values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "formats/number_impl.h"

static void check(float x)
{
    char got[32], want[32];
    for (int digits = 5; digits <= 9; digits++) {
        snprintf(want, sizeof want, "%.*g", digits, (double)x);
        if (strtof(want, NULL) == x) break;
    }
    memset(got, '#', sizeof got);
    spk_format_float(x, got);
    if (strcmp(got, want) != 0) fail_msg("%.9g is printed as %s, not %s", (double)x, got, want);
}

static void test_float_is_shortest(void **state)
{
    (void)state;
    static const float some[] = {0,          1,          -1,        0.1F,  0.5F,  10,           100,       1000,
                                 9999,       10000,      99999,     1e-4F, 1e-5F, 0.25F,        -0.125F,   0.0625F,
                                 0.9999999F, 9.999999F,  99.99999F, 1.5F,  3.25F, 1e20F,        1e-20F,    16777216,
                                 123.456F,   -2.718282F, 0.3F,      0.7F,  1e-3F, 0.001953125F, 9999.999F, 1.0000001F};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check(some[i]);
    spk_rng r = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int i = 0; i < 100000; i++) {
        const double u = spk_rng_uniform(&r);
        check((float)(2 * u - 1));
        check((float)(pow(10, 12 * u - 6) * (i % 2 ? 1 : -1)));
        check((float)(spk_rng_below(&r, 20000000) - 10000000) / 1024);    /* exact decimals, half-way cases */
        check((float)spk_rng_below(&r, 100000) / (float)(1 << (i % 20))); /* short ones */
        const uint32_t bits = spk_rng_u32(&r);
        float any;
        memcpy(&any, &bits, sizeof any);
        if (isfinite(any)) check(any);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_float_is_shortest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
