/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dropout (backend_impl.h). Both passes draw the same, so nothing is saved. A block of Philox is four words, those of the
 * elements e, e + 16, e + 32 and e + 48 of a chunk of 64. A thread that makes one tells the others of its warp which stay, by
 * ballots; so each gets those of V neighbours, which it moves at once.
 */
#include "backend/cuda/draw_cuda_impl.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8, WORDS = SPK_DRAW_CHUNK / SPK_DRAW_LANES };

/* n elements in rows of n_c; V divides n_c. A single row of all where rows lie without gaps. */
template <typename X, typename Y> struct drops {
    const X *x;
    Y *y;
    int64_t x_ld, y_ld, n;
    uint32_t n_c; /* of a row; 0: there is but one */
    const spk_draws *draws;
    uint64_t stream;
    uint32_t bound;
    float scale;
    bool add;
};

/* V elements from e on: those stay whose bit is set. */
template <int V, typename X, typename Y>
__device__ static inline void drop_some(const drops<X, Y> &d, int64_t e, uint32_t stays)
{
    int64_t row = 0, c = e;
    if (d.n_c) {
        row = e < UINT32_MAX ? static_cast<uint32_t>(e) / d.n_c : e / d.n_c;
        c = e - row * d.n_c;
    }
    const spk_pack<X, V> from = *reinterpret_cast<const spk_pack<X, V> *>(d.x + row * d.x_ld + c);
    spk_pack<Y, V> *there = reinterpret_cast<spk_pack<Y, V> *>(d.y + row * d.y_ld + c), to;
    if (d.add) to = *there;
    for (int i = 0; i < V; i++) {
        const float v = stays >> i & 1 ? spk_load(&from.v[i]) * d.scale : 0;
        spk_store(&to.v[i], d.add ? spk_load(&to.v[i]) + v : v);
    }
    *there = to;
}

/* A warp has 32 V elements at a time: V / 4 blocks of Philox for each thread, of two chunks for all. */
template <int V, typename X, typename Y> static __global__ void drop_wide(drops<X, Y> d)
{
    constexpr int BLOCKS = V / WORDS;
    const spk_draw_key key = spk_cuda_block_key(d.draws, d.stream);
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int64_t warps = static_cast<int64_t>(gridDim.x) * (THREADS / 32);
    for (int64_t at = static_cast<int64_t>(blockIdx.x) * (THREADS / 32) + threadIdx.x / 32; at * 32 * V < d.n;
         at += warps) {
        const int first = lane * V % SPK_DRAW_CHUNK, chunk = lane * V / SPK_DRAW_CHUNK;
        uint32_t stays = 0;
#pragma unroll
        for (int b = 0; b < BLOCKS; b++) {
            uint32_t word[WORDS];
            spk__draw_block(key, static_cast<uint64_t>((at * BLOCKS + b) * 32 + lane), word);
#pragma unroll
            for (int w = 0; w < WORDS; w++) {
                const uint32_t all = __ballot_sync(0xffffffffu, word[w] >= d.bound);
                if (chunk / 2 == b && first / SPK_DRAW_LANES == w)
                    stays = all >> (chunk % 2 * SPK_DRAW_LANES + first % SPK_DRAW_LANES);
            }
        }
        const int64_t e = at * 32 * V + lane * V;
        if (e < d.n) drop_some<V>(d, e, stays);
    }
}

/* Any rows. */
template <typename X, typename Y> static __global__ void drop_each(drops<X, Y> d)
{
    const spk_draw_key key = spk_cuda_block_key(d.draws, d.stream);
    const int64_t blocks = (d.n + SPK_DRAW_CHUNK - 1) / SPK_DRAW_CHUNK * SPK_DRAW_LANES; /* of Philox */
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x; i < blocks;
         i += static_cast<int64_t>(gridDim.x) * THREADS) {
        uint32_t word[WORDS];
        spk__draw_block(key, static_cast<uint64_t>(i), word);
        const int64_t e = i / SPK_DRAW_LANES * SPK_DRAW_CHUNK + i % SPK_DRAW_LANES;
#pragma unroll
        for (int w = 0; w < WORDS; w++)
            if (e + w * SPK_DRAW_LANES < d.n) drop_some<1>(d, e + w * SPK_DRAW_LANES, word[w] >= d.bound);
    }
}

template <int V> static bool is_wide(const spk_view *v, int64_t n_c)
{
    const uintptr_t bytes = V * (v->dtype == SPK_BF16 ? sizeof(spk_b16) : sizeof(float));
    return reinterpret_cast<uintptr_t>(v->p) % bytes == 0 && v->ld % V == 0 && n_c % V == 0;
}

template <typename X, typename Y>
static void launch(const spk_kargs *a, const spk_view *from, const spk_view *to, const drops<X, Y> &d)
{
    constexpr int V = sizeof(X) == 2 && sizeof(Y) == 2 ? 8 : 4; /* no more than 16 bytes of either */
    spk_cuda *device = spk_cuda_of(a);
    const unsigned most = static_cast<unsigned>(device->n_sm) * BLOCKS_PER_SM;
    const bool wide = is_wide<V>(from, from->c) && is_wide<V>(to, from->c);
    const unsigned all = spk_blocks(d.n, THREADS * (wide ? V : 4));
    spk_launch(device, wide ? drop_wide<V, X, Y> : drop_each<X, Y>, all < most ? all : most, THREADS, 0, d);
}

static void run(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    const spk_dropout_attr *attr = static_cast<const spk_dropout_attr *>(a->attr);
    const bool one = from->ld == from->c && to->ld == from->c;
    spk_by_type(from->dtype, [&](auto *x) {
        spk_by_type(to->dtype, [&](auto *y) {
            using X = std::remove_pointer_t<decltype(x)>;
            using Y = std::remove_pointer_t<decltype(y)>;
            drops<X, Y> d = {};
            d.x = static_cast<X *>(from->p);
            d.y = static_cast<Y *>(to->p);
            d.x_ld = from->ld;
            d.y_ld = to->ld;
            d.n = spk_rows(from) * from->c;
            d.n_c = one ? 0 : static_cast<uint32_t>(from->c);
            d.draws = a->ctx->device_draws;
            d.stream = attr->stream;
            d.bound = spk__drop_below(attr->p);
            d.scale = static_cast<float>(spk__drop_scale(attr->p));
            d.add = add;
            launch(a, from, to, d);
        });
    });
}

static void fwd(const spk_kargs *a)
{
    run(a, &a->in[0], &a->out[0], false);
}

static void bwd(const spk_kargs *a)
{
    if (a->din[0].p) run(a, &a->dout[0], &a->din[0], a->add[0]);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_dropout = {.name = "cuda", .supports = supports, .fwd = fwd, .bwd = bwd};
