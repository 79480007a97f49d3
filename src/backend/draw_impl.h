/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws of ops that are random, element by element: Philox 4x32 with 7 rounds (Salmon, Moraes, Dror, Shaw, SC 2011;
 * the fewest that pass its tests). A draw is a function of the run's seed, the step, the op's stream and the element's
 * index; the backward pass draws again. Lanes lie next to each other, so that a chunk of 64 vectorises: element e is
 * word e / 16 % 4 of block e / 64 * 16 + e % 16.
 */
#ifndef SPK_BACKEND_DRAW_IMPL_H
#define SPK_BACKEND_DRAW_IMPL_H

#include "backend/backend_impl.h"

#ifdef __CUDACC__ /* kernels of a GPU draw too (cuda/draw_cuda_impl.h) */
#define SPK_DRAW_ANYWHERE __host__ __device__
#else
#define SPK_DRAW_ANYWHERE
#endif

enum { SPK_DRAW_CHUNK = 64, SPK_DRAW_LANES = 16, SPK_DRAW_ROUNDS = 7 };

typedef struct spk_draw_key {
    uint32_t k0, k1;
} spk_draw_key;

static inline spk_draw_key spk__draw_key(const spk_draws *d, uint64_t stream)
{
    const uint64_t name[3] = {d->seed, d->step, stream};
    const uint64_t key = spk_hash(name, sizeof name);
    return (spk_draw_key){(uint32_t)key, (uint32_t)(key >> 32)};
}

/* One block: four words. */
SPK_DRAW_ANYWHERE static inline void spk__draw_block(spk_draw_key key, uint64_t block, uint32_t word[4])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0;
    for (int round = 0; round < SPK_DRAW_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ (key.k0 + (uint32_t)round * 0x9E3779B9u);
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ (key.k1 + (uint32_t)round * 0xBB67AE85u);
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/* Element e's 32 bits. */
static inline uint32_t spk__draw(spk_draw_key key, uint64_t e)
{
    uint32_t word[4];
    spk__draw_block(key, e / SPK_DRAW_CHUNK * SPK_DRAW_LANES + e % SPK_DRAW_LANES, word);
    return word[e / SPK_DRAW_LANES % 4];
}

/* An element is dropped where its 32 bits are below this. */
static inline uint32_t spk__drop_below(double p)
{
    const double bound = p * 0x1p32;
    return bound >= 0x1p32 - 1 ? UINT32_MAX : bound <= 0 ? 0 : (uint32_t)bound;
}

/* What the elements that stay are multiplied by. */
static inline double spk__drop_scale(double p)
{
    return p < 1 ? 1 / (1 - p) : 0;
}

#endif
