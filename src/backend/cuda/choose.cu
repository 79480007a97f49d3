/* SPDX-License-Identifier: Apache-2.0 */
/* choose (backend_impl.h): one of two tensors for the whole batch, by one draw, made again by every block. */
#include "backend/cuda/draw_cuda_impl.h"
#include "backend/cuda/each_impl.h"

enum { ROWS = 8 }; /* that a thread goes through, so that the key is cheap beside them */

/* 0 or 1; all threads of a block must come here. */
__device__ static inline int which(const spk_draws *draws, uint64_t stream, uint32_t bound)
{
    return spk_cuda_draw(spk_cuda_block_key(draws, stream), 0) < bound ? 0 : 1;
}

template <int V, typename A, typename B, typename Y>
static __global__ void take(const A *a, int64_t a_ld, const B *b, int64_t b_ld, Y *y, int64_t y_ld, int64_t rows,
                            int64_t n_c, const spk_draws *draws, uint64_t stream, uint32_t bound)
{
    const bool first = which(draws, stream, bound) == 0;
    const int64_t row0 = static_cast<int64_t>(blockIdx.x) * blockDim.y * ROWS + threadIdx.y;
    for (int64_t row = row0; row < rows && row < row0 + blockDim.y * ROWS; row += blockDim.y) {
        for (int64_t c = static_cast<int64_t>(threadIdx.x) * V; c < n_c; c += static_cast<int64_t>(blockDim.x) * V) {
            float x[V];
            if (first)
                spk_take<V>(a + row * a_ld + c, x);
            else
                spk_take<V>(b + row * b_ld + c, x);
            spk_give<V>(y + row * y_ld + c, x, false);
        }
    }
}

/* dy, or zeros, to the gradient of input `mine`. */
template <int V, typename X, typename Y>
static __global__ void give(const Y *dy, int64_t dy_ld, X *dx, int64_t dx_ld, int64_t rows, int64_t n_c, int mine,
                            bool add, const spk_draws *draws, uint64_t stream, uint32_t bound)
{
    const bool chosen = which(draws, stream, bound) == mine;
    const int64_t row0 = static_cast<int64_t>(blockIdx.x) * blockDim.y * ROWS + threadIdx.y;
    if (!chosen && add) return;
    for (int64_t row = row0; row < rows && row < row0 + blockDim.y * ROWS; row += blockDim.y) {
        for (int64_t c = static_cast<int64_t>(threadIdx.x) * V; c < n_c; c += static_cast<int64_t>(blockDim.x) * V) {
            float x[V] = {};
            if (chosen) spk_take<V>(dy + row * dy_ld + c, x);
            spk_give<V>(dx + row * dx_ld + c, x, add);
        }
    }
}

/* f(V as a constant, the block's shape). */
template <typename F> static void by_width(bool wide, int64_t n_c, F f)
{
    if (wide)
        f(std::integral_constant<int, SPK_EACH_WIDE>(), spk_each_block(n_c, SPK_EACH_WIDE));
    else
        f(std::integral_constant<int, 1>(), spk_each_block(n_c, 1));
}

static void fwd(const spk_kargs *k)
{
    const spk_choose_attr *attr = static_cast<const spk_choose_attr *>(k->attr);
    const spk_view *a = &k->in[0], *b = &k->in[1], *y = &k->out[0];
    const int64_t rows = spk_rows(y);
    spk_by_type(a->dtype, [&](auto *pa) {
        spk_by_type(b->dtype, [&](auto *pb) {
            spk_by_type(y->dtype, [&](auto *py) {
                by_width(spk_is_wide(a) && spk_is_wide(b) && spk_is_wide(y), y->c, [&](auto v, dim3 block) {
                    using A = std::remove_pointer_t<decltype(pa)>;
                    using B = std::remove_pointer_t<decltype(pb)>;
                    using Y = std::remove_pointer_t<decltype(py)>;
                    spk_launch(spk_cuda_of(k), take<decltype(v)::value, A, B, Y>, spk_blocks(rows, block.y * ROWS),
                               block, 0, static_cast<A *>(a->p), a->ld, static_cast<B *>(b->p), b->ld,
                               static_cast<Y *>(y->p), y->ld, rows, y->c, k->ctx->device_draws, attr->stream,
                               spk__drop_below(attr->p));
                });
            });
        });
    });
}

static void bwd(const spk_kargs *k)
{
    const spk_choose_attr *attr = static_cast<const spk_choose_attr *>(k->attr);
    const spk_view *dy = &k->dout[0];
    const int64_t rows = spk_rows(dy);
    for (int i = 0; i < 2; i++) {
        const spk_view *dx = &k->din[i];
        if (!dx->p) continue;
        spk_by_type(dx->dtype, [&](auto *px) {
            spk_by_type(dy->dtype, [&](auto *py) {
                by_width(spk_is_wide(dy) && spk_is_wide(dx), dy->c, [&](auto v, dim3 block) {
                    using X = std::remove_pointer_t<decltype(px)>;
                    using Y = std::remove_pointer_t<decltype(py)>;
                    spk_launch(spk_cuda_of(k), give<decltype(v)::value, X, Y>, spk_blocks(rows, block.y * ROWS), block,
                               0, static_cast<Y *>(dy->p), dy->ld, static_cast<X *>(dx->p), dx->ld, rows, dy->c, i,
                               k->add[i], k->ctx->device_draws, attr->stream, spk__drop_below(attr->p));
                });
            });
        });
    }
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->in[1]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_choose = {.name = "cuda", .supports = supports, .fwd = fwd, .bwd = bwd};
