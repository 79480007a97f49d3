/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floats in two bytes, to nearest, ties to even: bfloat16 (a float's upper half) and float16 (IEEE 754 binary16: 5 bits of
 * exponent, 10 of fraction). What is not finite stays so; float16 becomes infinite from 65,520 on, has fewer bits below
 * 2^-14 and is 0 below 2^-25. Plain C: the plugins, which know nothing of the rest, sum with these too.
 */
#ifndef SPK_COMM_NARROW_IMPL_H
#define SPK_COMM_NARROW_IMPL_H

#include <stdint.h>
#include <string.h>

static inline uint32_t spk_bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float spk_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint16_t spk_narrow_bf16(float x)
{
    const uint32_t bits = spk_bits_of(x);
    return (uint16_t)(x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float spk_widen_bf16(uint16_t x)
{
    return spk_of_bits((uint32_t)x << 16);
}

static inline uint16_t spk_narrow_f16(float x)
{
    const uint32_t bits = spk_bits_of(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00); /* not a number */
    if (size >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
    if (size < 0x38800000) /* below 2^-14: in steps of 2^-24, which adding 1/2 leaves in the lowest bits */
        return (uint16_t)(sign | (spk_bits_of(spk_of_bits(size) + 0.5F) - 0x3f000000));
    return (uint16_t)(sign | ((size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13));
}

static inline float spk_widen_f16(uint16_t x)
{
    const uint32_t sign = (uint32_t)(x & 0x8000) << 16, size = (uint32_t)(x & 0x7fff);
    if (size >= 0x7c00) return spk_of_bits(sign | 0x7f800000 | ((size & 0x3ff) << 13));
    if (size < 0x400) return spk_of_bits(sign | spk_bits_of((float)size * 0x1p-24F));
    return spk_of_bits(sign | ((size << 13) + 0x38000000));
}

#endif
