/* SPDX-License-Identifier: Apache-2.0 */
/* The draws of backend/draw_impl.h, a chunk of 64 at once: the same numbers. */
#ifndef SPK_CPU_ISA_DRAW_CHUNK_H
#define SPK_CPU_ISA_DRAW_CHUNK_H

#include "backend/cpu/isa_impl.h"
#include "backend/draw_impl.h"

/* The draws from element e on, as many as its chunk has left: *n of them, in `room`. */
SPK_INLINE const uint32_t *spk__draw_from(spk_draw_key key, uint64_t e, uint32_t room[SPK_DRAW_CHUNK], int64_t *n)
{
    const uint64_t block = e / SPK_DRAW_CHUNK * SPK_DRAW_LANES;
    const uint32_t low = (uint32_t)block, high = (uint32_t)(block >> 32); /* no carry within a chunk */
#pragma omp simd
    for (uint32_t lane = 0; lane < SPK_DRAW_LANES; lane++) {
        uint32_t c0 = low + lane, c1 = high, c2 = 0, c3 = 0;
#pragma GCC unroll 7
        for (uint32_t round = 0; round < SPK_DRAW_ROUNDS; round++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ (key.k0 + round * 0x9E3779B9u);
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ (key.k1 + round * 0xBB67AE85u);
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
        }
        room[lane] = c0;
        room[lane + SPK_DRAW_LANES] = c1;
        room[lane + 2 * SPK_DRAW_LANES] = c2;
        room[lane + 3 * SPK_DRAW_LANES] = c3;
    }
    const uint64_t skip = e % SPK_DRAW_CHUNK;
    *n = (int64_t)(SPK_DRAW_CHUNK - skip);
    return room + skip;
}

#endif
