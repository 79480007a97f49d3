/* SPDX-License-Identifier: Apache-2.0 */
/* base/random.c's streams on the device: the same words of the same names. */
#ifndef SPK_BACKEND_CUDA_RNG_IMPL_H
#define SPK_BACKEND_CUDA_RNG_IMPL_H

#include "backend/cuda/cuda_impl.h"

struct spk_device_rng {
    uint32_t key[2], counter[4], block[4];
    int used;
};

/* spk_hash of a few words, byte by byte. */
__device__ static inline uint64_t spk_device_hash(const uint64_t *word, int n)
{
    uint64_t h = 14695981039346656037u;
    for (int i = 0; i < n; i++)
        for (int b = 0; b < 64; b += 8)
            h = (h ^ (word[i] >> b & 0xff)) * 1099511628211u;
    return h;
}

__device__ static inline spk_device_rng spk_device_rng_make(uint64_t seed, int purpose, uint64_t epoch, uint64_t item,
                                                            uint32_t nth)
{
    const uint64_t name[4] = {seed, static_cast<uint64_t>(purpose), epoch, nth};
    const uint64_t key = spk_device_hash(name, 4);
    spk_device_rng r = {};
    r.key[0] = static_cast<uint32_t>(key);
    r.key[1] = static_cast<uint32_t>(key >> 32);
    r.counter[1] = static_cast<uint32_t>(epoch);
    r.counter[2] = static_cast<uint32_t>(item);
    r.counter[3] = static_cast<uint32_t>(item >> 32);
    r.used = 4;
    return r;
}

/* Philox 4x32 with 10 rounds. */
__device__ static inline void spk_device_rng_block(const spk_device_rng *r, uint32_t *out)
{
    uint32_t c0 = r->counter[0], c1 = r->counter[1], c2 = r->counter[2], c3 = r->counter[3];
    uint32_t k0 = r->key[0], k1 = r->key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0, p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
        c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
        c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c1 = static_cast<uint32_t>(p1);
        c3 = static_cast<uint32_t>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

__device__ static inline uint32_t spk_device_rng_u32(spk_device_rng *r)
{
    if (r->used == 4) {
        spk_device_rng_block(r, r->block);
        r->counter[0]++;
        r->used = 0;
    }
    return r->block[r->used++];
}

__device__ static inline int64_t spk_device_rng_below(spk_device_rng *r, int64_t n)
{
    const uint64_t bound = static_cast<uint64_t>(n), reject = (0 - bound) % bound; /* 2^64 mod n */
    uint64_t x;
    do {
        const uint64_t high = spk_device_rng_u32(r);
        x = high << 32 | spk_device_rng_u32(r);
    } while (x < reject);
    return static_cast<int64_t>(x % bound);
}

#endif
