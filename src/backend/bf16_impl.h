/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16: the upper half of a float. Conversions round to the nearest, ties to even; NaN stays NaN. */
#ifndef SPK_BACKEND_BF16_IMPL_H
#define SPK_BACKEND_BF16_IMPL_H

#include <stdint.h>

typedef uint16_t spk_bf16;

static inline float spk_from_bf16(spk_bf16 x)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)x << 16};
    return v.f;
}

static inline spk_bf16 spk_to_bf16(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {x};
    const uint32_t rounded = (v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16;
    return (spk_bf16)(x != x ? 0x7fc0u : rounded);
}

#endif
