/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool (backend_impl.h). Saves which of the k frames it was, one byte each (N,T/k,C). */
#include "backend/cuda/each_impl.h"

template <typename X, typename Y> struct max_pool_forward {
    const X *x;
    Y *y;
    uint8_t *save; /* or NULL */
    int64_t x_ld, y_ld, n_t, n_u, n_c, k;
    /* The first of equal values; NaN wins. */
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const X *from = x + (row / n_u * n_t + row % n_u * k) * x_ld + c;
        float best[V], v[V];
        int which[V] = {};
        spk_take<V>(from, best);
        for (int j = 1; j < k; j++) {
            spk_take<V>(from + j * x_ld, v);
            for (int i = 0; i < V; i++) {
                const bool stays = v[i] <= best[i] || best[i] != best[i];
                which[i] = stays ? which[i] : j;
                best[i] = stays ? best[i] : v[i];
            }
        }
        spk_give<V>(y + row * y_ld + c, best, false);
        for (int i = 0; i < V && save; i++)
            save[row * n_c + c + i] = static_cast<uint8_t>(which[i]);
    }
};

/* Rows are those of dx; the tail that was left out gets nothing. */
template <typename X, typename Y> struct max_pool_backward {
    const Y *dy;
    X *dx;
    const uint8_t *save;
    int64_t dy_ld, dx_ld, n_t, n_u, n_c, k;
    bool add;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const int64_t t = row % n_t, u = t / k, from = row / n_t * n_u + u;
        float d[V] = {};
        if (u < n_u) {
            spk_take<V>(dy + from * dy_ld + c, d);
            for (int i = 0; i < V; i++)
                d[i] = save[from * n_c + c + i] == t % k ? d[i] : 0;
        }
        spk_give<V>(dx + row * dx_ld + c, d, add);
    }
};

static int64_t k_of(const void *attr)
{
    return static_cast<const spk_max_pool_attr *>(attr)->k;
}

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(y->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const max_pool_forward<X, Y> f = {static_cast<X *>(x->p),
                                              static_cast<Y *>(y->p),
                                              static_cast<uint8_t *>(a->save),
                                              x->ld,
                                              y->ld,
                                              x->h * x->w,
                                              y->h * y->w,
                                              y->c,
                                              k_of(a->attr)};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(x) && spk_is_wide(y), f, spk_rows(y), y->c);
        });
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0], *dx = &a->din[0];
    if (!dx->p) return;
    spk_by_type(dx->dtype, [&](auto *px) {
        spk_by_type(dy->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const max_pool_backward<X, Y> f = {static_cast<Y *>(dy->p),
                                               static_cast<X *>(dx->p),
                                               static_cast<uint8_t *>(a->save),
                                               dy->ld,
                                               dx->ld,
                                               dx->h * dx->w,
                                               dy->h * dy->w,
                                               dy->c,
                                               k_of(a->attr),
                                               a->add[0]};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(dy) && spk_is_wide(dx), f, spk_rows(dx), dx->c);
        });
    });
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && k_of(g->attr) < 256;
}

static size_t save_bytes(const spk_geom *g)
{
    return static_cast<size_t>(spk_rows(&g->out[0]) * g->out[0].c);
}

const spk_kernel spk__cuda_max_pool = {
    .name = "cuda", .supports = supports, .save_bytes = save_bytes, .fwd = fwd, .bwd = bwd};
