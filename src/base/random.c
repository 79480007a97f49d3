/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random streams from a counter: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A stream is named by what it is for, so any draw can be
 * made again alone, by any thread, after any restart.
 */
#include "base/base_impl.h"

#include <math.h>

static void philox_block(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

spk_rng spk_rng_make(uint64_t seed, int purpose, uint64_t epoch, uint64_t item, uint32_t nth)
{
    const uint64_t name[4] = {seed, (uint64_t)purpose, epoch, nth};
    const uint64_t key = spk_hash(name, sizeof name);
    return (spk_rng){.key = {(uint32_t)key, (uint32_t)(key >> 32)},
                     .counter = {0, (uint32_t)epoch, (uint32_t)item, (uint32_t)(item >> 32)},
                     .used = 4};
}

uint32_t spk_rng_u32(spk_rng *r)
{
    if (r->used == 4) {
        philox_block(r->counter, r->key, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

void spk_rng_skip(spk_rng *r, int64_t n)
{
    SPK_ASSERT(r->used == 4 && n >= 0);
    r->counter[0] += (uint32_t)(n / 4);
    for (int64_t i = 0; i < n % 4; i++)
        spk_rng_u32(r);
}

double spk_rng_uniform(spk_rng *r)
{
    const uint64_t high = spk_rng_u32(r) >> 5, low = spk_rng_u32(r) >> 6;
    return (double)((high << 26) | low) * 0x1p-53;
}

int64_t spk_rng_below(spk_rng *r, int64_t n)
{
    SPK_ASSERT(n > 0);
    const uint64_t bound = (uint64_t)n, reject = (0 - bound) % bound; /* 2^64 mod n */
    uint64_t x;
    do
        x = (uint64_t)spk_rng_u32(r) << 32 | spk_rng_u32(r);
    while (x < reject);
    return (int64_t)(x % bound);
}

double spk_rng_normal(spk_rng *r)
{
    const double u = 1.0 - spk_rng_uniform(r), v = spk_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v); /* Box and Muller */
}

void spk_rng_shuffle(spk_rng *r, int64_t *items, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = spk_rng_below(r, i + 1), keep = items[i];
        items[i] = items[j];
        items[j] = keep;
    }
}
