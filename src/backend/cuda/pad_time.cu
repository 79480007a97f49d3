/* SPDX-License-Identifier: Apache-2.0 */
/* pad_time (backend_impl.h): both ends of each item mirrored. Lengths follow the host's. */
#include "backend/cuda/each_impl.h"

/* Valid frames of item n; len may be NULL. */
__device__ static inline int64_t valid(const int64_t *len, int64_t n, int64_t n_t)
{
    return !len || len[n] > n_t ? n_t : len[n] < 0 ? 0 : len[n];
}

/* Frame i of a sound of `len`, mirrored without repeating the edges. */
__device__ static inline int64_t mirrored(int64_t i, int64_t len)
{
    if (len < 2) return 0;
    const int64_t period = 2 * (len - 1), m = (i % period + period) % period;
    return m < len ? m : period - m;
}

template <typename X, typename Y> struct pad_forward {
    const X *x;
    Y *y;
    const int64_t *len;
    int64_t x_ld, y_ld, n_t, pad;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const int64_t n = row / (n_t + 2 * pad), u = row % (n_t + 2 * pad), l = valid(len, n, n_t);
        float v[V] = {};
        if (l > 0 && u < l + 2 * pad) spk_take<V>(x + (n * n_t + mirrored(u - pad, l)) * x_ld + c, v);
        spk_give<V>(y + row * y_ld + c, v, false);
    }
};

/* Rows are those of dx: frame t is where all places i = t and i = -t modulo 2 (len - 1) come from. */
template <typename X, typename Y> struct pad_backward {
    const Y *dy;
    X *dx;
    const int64_t *len;
    int64_t dy_ld, dx_ld, n_t, pad;
    bool add;

    /* sum += dy at the places first + m step, m any integer, that are there */
    template <int V>
    __device__ void gather(int64_t n, int64_t c, int64_t l, int64_t first, int64_t step, float *sum) const
    {
        const Y *from = dy + (n * (n_t + 2 * pad) + pad) * dy_ld + c;
        float v[V];
        for (int64_t i = -pad + ((first + pad) % step + step) % step; i < l + pad; i += step) {
            spk_take<V>(from + i * dy_ld, v);
            for (int j = 0; j < V; j++)
                sum[j] += v[j];
        }
    }
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        const int64_t n = row / n_t, t = row % n_t, l = valid(len, n, n_t), period = l > 1 ? 2 * (l - 1) : 1;
        float sum[V] = {};
        if (t < l) gather<V>(n, c, l, t, period, sum);
        if (t < l && 2 * t % period != 0) gather<V>(n, c, l, -t, period, sum);
        spk_give<V>(dx + row * dx_ld + c, sum, add);
    }
};

struct pad_state {
    const spk_device *device;
    const int64_t *host_len, *len;
};

static spk_status create(const spk_geom *g, void **state)
{
    *state = new pad_state{g->device, g->in[0].len, spk_cuda_follow(g, g->in[0].len, g->in[0].n)};
    return SPK_OK;
}

static void destroy(void *state)
{
    pad_state *s = static_cast<pad_state *>(state);
    if (s) spk_cuda_unfollow(s->device, s->host_len);
    delete s;
}

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t *len = static_cast<const pad_state *>(a->state)->len;
    const int64_t pad = static_cast<const spk_pad_time_attr *>(a->attr)->pad;
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(y->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const pad_forward<X, Y> f = {
                static_cast<X *>(x->p), static_cast<Y *>(y->p), len, x->ld, y->ld, x->h * x->w, pad};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(x) && spk_is_wide(y), f, spk_rows(y), y->c);
        });
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0], *dx = &a->din[0];
    const int64_t *len = static_cast<const pad_state *>(a->state)->len;
    const int64_t pad = static_cast<const spk_pad_time_attr *>(a->attr)->pad;
    if (!dx->p) return;
    spk_by_type(dx->dtype, [&](auto *px) {
        spk_by_type(dy->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const pad_backward<X, Y> f = {
                static_cast<Y *>(dy->p), static_cast<X *>(dx->p), len, dy->ld, dx->ld, dx->h * dx->w, pad, a->add[0]};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(dy) && spk_is_wide(dx), f, spk_rows(dx), dx->c);
        });
    });
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_pad_time = {
    .name = "cuda", .supports = supports, .create = create, .destroy = destroy, .fwd = fwd, .bwd = bwd};
