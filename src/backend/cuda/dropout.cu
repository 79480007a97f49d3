/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dropout (backend_impl.h). Both passes draw the same, so nothing is saved. A block of Philox is four words, those of the
 * elements e, e + 16, e + 32 and e + 48 of a chunk of 64: a thread does these four.
 */
#include "backend/cuda/draw_cuda_impl.h"

enum { THREADS = 256, BLOCKS_PER_SM = 16, WORDS = SPK_DRAW_CHUNK / SPK_DRAW_LANES };

template <typename X, typename Y>
static __global__ void drop_rows(const X *x, int64_t x_ld, Y *y, int64_t y_ld, int64_t n, int64_t n_c,
                                 const spk_draws *draws, uint64_t stream, uint32_t bound, float scale, bool add)
{
    const spk_draw_key key = spk_cuda_block_key(draws, stream);
    const int64_t blocks = (n + SPK_DRAW_CHUNK - 1) / SPK_DRAW_CHUNK * SPK_DRAW_LANES; /* of Philox */
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x; i < blocks;
         i += static_cast<int64_t>(gridDim.x) * THREADS) {
        uint32_t word[WORDS];
        spk__draw_block(key, static_cast<uint64_t>(i), word);
        int64_t e = i / SPK_DRAW_LANES * SPK_DRAW_CHUNK + i % SPK_DRAW_LANES, row = e / n_c, c = e % n_c;
        for (int w = 0; w < WORDS; w++) {
            if (e < n) spk_put(y + row * y_ld + c, word[w] >= bound ? spk_load(x + row * x_ld + c) * scale : 0, add);
            e += SPK_DRAW_LANES;
            for (c += SPK_DRAW_LANES; c >= n_c; c -= n_c)
                row++;
        }
    }
}

static void run(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    const spk_dropout_attr *attr = static_cast<const spk_dropout_attr *>(a->attr);
    spk_cuda *d = spk_cuda_of(a);
    const int64_t n = spk_rows(from) * from->c;
    const unsigned all = spk_blocks(n, THREADS * WORDS), most = static_cast<unsigned>(d->n_sm) * BLOCKS_PER_SM;
    spk_by_type(from->dtype, [&](auto *x) {
        spk_by_type(to->dtype, [&](auto *y) {
            using X = std::remove_pointer_t<decltype(x)>;
            using Y = std::remove_pointer_t<decltype(y)>;
            spk_launch(d, drop_rows<X, Y>, all < most ? all : most, THREADS, 0, static_cast<X *>(from->p), from->ld,
                       static_cast<Y *>(to->p), to->ld, n, from->c, a->ctx->device_draws, attr->stream,
                       spk__drop_below(attr->p), static_cast<float>(spk__drop_scale(attr->p)), add);
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
