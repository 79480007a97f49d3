/* SPDX-License-Identifier: Apache-2.0 */
/* pos_add (backend_impl.h): scale x + alpha table[t]. Scratch: each block's part of the gradient of alpha. */
#include "backend/cuda/each_impl.h"
#include "backend/cuda/parts_impl.h"

enum { THREADS = 256 };
static const int64_t MOST_BLOCKS = 1024;

template <typename X, typename Y> struct pos_add_forward {
    const X *x;
    Y *y;
    const float *table, *alpha; /* NULL: none, 1 */
    int64_t x_ld, y_ld, table_ld, n_t;
    float scale;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        float value[V], place[V] = {};
        const float a = alpha ? *alpha : 1;
        spk_take<V>(x + row * x_ld + c, value);
        if (table) spk_take<V>(table + row % n_t * table_ld + c, place);
        for (int i = 0; i < V; i++)
            value[i] = scale * value[i] + a * place[i];
        spk_give<V>(y + row * y_ld + c, value, false);
    }
};

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *table = &a->in[1], *y = &a->out[0];
    const float scale = static_cast<float>(static_cast<const spk_pos_add_attr *>(a->attr)->scale);
    const bool wide = spk_is_wide(x) && spk_is_wide(table) && spk_is_wide(y);
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(y->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const pos_add_forward<X, Y> f = {static_cast<X *>(x->p),
                                             static_cast<Y *>(y->p),
                                             static_cast<float *>(table->p),
                                             static_cast<float *>(a->in[2].p),
                                             x->ld,
                                             y->ld,
                                             table->ld,
                                             y->w,
                                             scale};
            spk_each_launch(spk_cuda_of(a), wide, f, spk_rows(y), y->c);
        });
    });
}

/* ---- backward ---- */

/* sum[block] = that of dy table over the rows block, block + blocks, ... */
template <typename Y>
static __global__ void pos_add_alpha(const Y *dy, int64_t dy_ld, const float *table, int64_t table_ld, int64_t rows,
                                     int64_t n_t, int64_t n_c, float *sum)
{
    __shared__ double room[32];
    double mine = 0;
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        float of_row = 0;
        for (int64_t c = threadIdx.x; c < n_c; c += blockDim.x)
            of_row += spk_load(dy + r * dy_ld + c) * table[r % n_t * table_ld + c];
        mine += static_cast<double>(of_row);
    }
    mine = spk_block_sum(mine, room);
    if (threadIdx.x == 0) sum[blockIdx.x] = static_cast<float>(mine);
}

static int64_t parts_of(int64_t rows)
{
    return rows < MOST_BLOCKS ? rows : MOST_BLOCKS;
}

static void bwd_alpha(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0], *table = &a->in[1];
    const int64_t rows = spk_rows(dy), parts = parts_of(rows);
    float *sum = static_cast<float *>(a->scratch);
    spk_by_type(dy->dtype, [&](auto *py) {
        using Y = std::remove_pointer_t<decltype(py)>;
        spk_launch(spk_cuda_of(a), pos_add_alpha<Y>, static_cast<unsigned>(parts), THREADS, 0, static_cast<Y *>(dy->p),
                   dy->ld, static_cast<float *>(table->p), table->ld, rows, dy->w, dy->c, sum);
    });
    spk_cuda_add_parts(spk_cuda_of(a), sum, 1, parts, 1, static_cast<float *>(a->din[2].p), true);
}

template <typename X, typename Y> struct pos_add_backward {
    const Y *dy;
    X *dx;
    int64_t dy_ld, dx_ld;
    float scale;
    bool add;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        float d[V];
        spk_take<V>(dy + row * dy_ld + c, d);
        for (int i = 0; i < V; i++)
            d[i] *= scale;
        spk_give<V>(dx + row * dx_ld + c, d, add);
    }
};

static void bwd(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0], *dx = &a->din[0];
    const float scale = static_cast<float>(static_cast<const spk_pos_add_attr *>(a->attr)->scale);
    if (a->din[2].p && a->in[1].p) bwd_alpha(a);
    if (!dx->p) return;
    spk_by_type(dx->dtype, [&](auto *px) {
        spk_by_type(dy->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const pos_add_backward<X, Y> f = {
                static_cast<Y *>(dy->p), static_cast<X *>(dx->p), dy->ld, dx->ld, scale, a->add[0]};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(dy) && spk_is_wide(dx), f, spk_rows(dy), dy->c);
        });
    });
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && (!g->has_in[1] || g->in[1].dtype == SPK_F32);
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    return g->want_din[2] ? static_cast<size_t>(parts_of(spk_rows(&g->out[0]))) * sizeof(float) : 0;
}

const spk_kernel spk__cuda_pos_add = {
    .name = "cuda", .supports = supports, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
