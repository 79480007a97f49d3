/* SPDX-License-Identifier: Apache-2.0 */
/* glu (backend_impl.h): the first half of the channels times the sigmoid of the second. */
#include "backend/cuda/each_impl.h"

template <typename X, typename Y> struct glu_forward {
    const X *x;
    Y *y;
    int64_t x_ld, y_ld, n_c; /* n_c: of y */
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        float value[V], gate[V];
        spk_take<V>(x + row * x_ld + c, value);
        spk_take<V>(x + row * x_ld + n_c + c, gate);
        for (int i = 0; i < V; i++)
            value[i] /= 1 + expf(-gate[i]);
        spk_give<V>(y + row * y_ld + c, value, false);
    }
};

template <typename X, typename Y> struct glu_backward {
    const X *x;
    const Y *dy;
    X *dx;
    int64_t x_ld, dy_ld, dx_ld, n_c;
    bool add;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        float value[V], gate[V], d[V];
        spk_take<V>(x + row * x_ld + c, value);
        spk_take<V>(x + row * x_ld + n_c + c, gate);
        spk_take<V>(dy + row * dy_ld + c, d);
        for (int i = 0; i < V; i++) {
            const float s = 1 / (1 + expf(-gate[i]));
            d[i] *= s;
            gate[i] = d[i] * value[i] * (1 - s);
        }
        spk_give<V>(dx + row * dx_ld + c, d, add);
        spk_give<V>(dx + row * dx_ld + n_c + c, gate, add);
    }
};

/* The halves of x begin at multiples of 4 elements where y's width is one. */
static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(y->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const glu_forward<X, Y> f = {static_cast<X *>(x->p), static_cast<Y *>(y->p), x->ld, y->ld, y->c};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(x) && spk_is_wide(y), f, spk_rows(y), y->c);
        });
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *dy = &a->dout[0], *dx = &a->din[0];
    if (!dx->p) return;
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(dy->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const glu_backward<X, Y> f = {static_cast<X *>(x->p),
                                          static_cast<Y *>(dy->p),
                                          static_cast<X *>(dx->p),
                                          x->ld,
                                          dy->ld,
                                          dx->ld,
                                          dy->c,
                                          a->add[0]};
            const bool wide = spk_is_wide(x) && spk_is_wide(dy) && spk_is_wide(dx);
            spk_each_launch(spk_cuda_of(a), wide, f, spk_rows(dy), dy->c);
        });
    });
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_glu = {.name = "cuda", .supports = supports, .fwd = fwd, .bwd = bwd};
