/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floats in two bytes. All of them become the float that arithmetic makes of their bits; back again they are what they were;
 * between two neighbours the middle goes to the even one and its neighbours to the nearer one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "comm/narrow_impl.h"

/* IEEE 754's definition: `e` bits of exponent, then `f` of fraction. */
static float value_of(unsigned x, int e, int f)
{
    const int bias = (1 << (e - 1)) - 1, exponent = (int)(x >> f) & ((1 << e) - 1), fraction = (int)x & ((1 << f) - 1);
    const double sign = x >> 15 ? -1 : 1;
    if (exponent == (1 << e) - 1) return fraction ? NAN : (float)(sign * HUGE_VAL);
    if (exponent == 0) return (float)(sign * ldexp(fraction, 1 - bias - f));
    return (float)(sign * ldexp((1 << f) + fraction, exponent - bias - f));
}

static void both_ways(float (*widen)(uint16_t), uint16_t (*narrow)(float), int e, int f)
{
    for (unsigned x = 0; x < 65536; x++) {
        const float want = value_of(x, e, f), got = widen((uint16_t)x);
        const uint16_t back = narrow(got);
        if (isnan(want)) {
            assert_true(isnan(got) && isnan(widen(back)));
            continue;
        }
        assert_true(spk_bits_of(got) == spk_bits_of(want));
        assert_int_equal(back, x);
    }
}

/* Up to the largest finite one; beyond it the next step counts as infinite. */
static void nearest(float (*widen)(uint16_t), uint16_t (*narrow)(float), int e, int f)
{
    const unsigned largest = ((1u << e) - 1) << f;
    for (unsigned x = 0; x < largest; x++) {
        const double a = widen((uint16_t)x),
                     step = x + 1 < largest ? widen((uint16_t)(x + 1)) - a : ldexp(1, e == 5 ? 5 : 120);
        const double middle = a + step / 2;
        if ((double)(float)middle != middle) continue; /* bfloat16's smallest: no float lies between */
        const float m = (float)middle;
        assert_int_equal(narrow(m), x % 2 ? x + 1 : x);
        assert_int_equal(narrow(nextafterf(m, 0)), x);
        assert_int_equal(narrow(nextafterf(m, INFINITY)), x + 1);
        assert_int_equal(narrow(-m), 0x8000 | (x % 2 ? x + 1 : x));
    }
    assert_int_equal(narrow(3e38F), e == 5 ? largest : 0x7f62);
    assert_int_equal(narrow(-INFINITY), 0x8000 | largest);
}

static void float16(void **state)
{
    (void)state;
    both_ways(spk_widen_f16, spk_narrow_f16, 5, 10);
    nearest(spk_widen_f16, spk_narrow_f16, 5, 10);
}

static void bfloat16(void **state)
{
    (void)state;
    both_ways(spk_widen_bf16, spk_narrow_bf16, 8, 7);
    nearest(spk_widen_bf16, spk_narrow_bf16, 8, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(float16), cmocka_unit_test(bfloat16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
