/* SPDX-License-Identifier: Apache-2.0 */
/* afms (backend_impl.h): (x + alpha) y. Scratch: what each item gives to the gradient of alpha (N,C). */
#include "backend/cuda/each_impl.h"
#include "backend/cuda/parts_impl.h"

enum { SLICES = 8 }; /* of an item's frames in a block */

template <typename X, typename Y> struct afms_forward {
    const X *x;
    Y *out;
    const float *alpha, *y;
    int64_t x_ld, out_ld, y_ld, n_t;
    template <int V> __device__ void at(int64_t row, int64_t c) const
    {
        float v[V];
        spk_take<V>(x + row * x_ld + c, v);
        for (int i = 0; i < V; i++)
            v[i] = (v[i] + alpha[c + i]) * y[row / n_t * y_ld + c + i];
        spk_give<V>(out + row * out_ld + c, v, false);
    }
};

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->in[2], *out = &a->out[0];
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(out->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const afms_forward<X, Y> f = {static_cast<X *>(x->p),
                                          static_cast<Y *>(out->p),
                                          static_cast<float *>(a->in[1].p),
                                          static_cast<float *>(y->p),
                                          x->ld,
                                          out->ld,
                                          y->ld,
                                          out->h * out->w};
            spk_each_launch(spk_cuda_of(a), spk_is_wide(x) && spk_is_wide(out), f, spk_rows(out), out->c);
        });
    });
}

/* ---- backward: a block is 32 channels of an item, each in 8 slices of the frames ---- */

template <typename X, typename Y> struct afms_backward {
    const X *x;
    const Y *d;
    X *dx; /* or NULL */
    const float *alpha, *y;
    float *dy, *parts; /* dy or NULL */
    int64_t x_ld, d_ld, dx_ld, y_ld, dy_ld, n_t, n_c;
    bool add, add_y;
};

template <typename X, typename Y> static __global__ void afms_sums(afms_backward<X, Y> b)
{
    __shared__ double room[2][SLICES][32];
    const int64_t tiles = (b.n_c + 31) / 32, n = blockIdx.x / tiles, c = blockIdx.x % tiles * 32 + threadIdx.x;
    const bool there = c < b.n_c;
    const float alpha = there ? b.alpha[c] : 0, y = there ? b.y[n * b.y_ld + c] : 0;
    double dy = 0, sum = 0;
    for (int64_t t = threadIdx.y; t < b.n_t && there; t += SLICES) {
        const int64_t row = n * b.n_t + t;
        const float d = spk_load(b.d + row * b.d_ld + c);
        dy += static_cast<double>(d * (spk_load(b.x + row * b.x_ld + c) + alpha));
        sum += static_cast<double>(d);
        if (b.dx) spk_put(b.dx + row * b.dx_ld + c, d * y, b.add);
    }
    room[0][threadIdx.y][threadIdx.x] = dy;
    room[1][threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0 || !there) return;
    dy = b.dy && b.add_y ? static_cast<double>(b.dy[n * b.dy_ld + c]) : 0;
    sum = 0;
    for (int i = 0; i < SLICES; i++) {
        dy += room[0][i][threadIdx.x];
        sum += room[1][i][threadIdx.x];
    }
    if (b.dy) b.dy[n * b.dy_ld + c] = static_cast<float>(dy);
    b.parts[n * b.n_c + c] = static_cast<float>(sum * static_cast<double>(y));
}

static void bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->in[2], *d = &a->dout[0], *dx = &a->din[0];
    float *parts = static_cast<float *>(a->scratch);
    spk_by_type(x->dtype, [&](auto *px) {
        spk_by_type(d->dtype, [&](auto *py) {
            using X = std::remove_pointer_t<decltype(px)>;
            using Y = std::remove_pointer_t<decltype(py)>;
            const afms_backward<X, Y> b = {static_cast<X *>(x->p),
                                           static_cast<Y *>(d->p),
                                           static_cast<X *>(dx->p),
                                           static_cast<float *>(a->in[1].p),
                                           static_cast<float *>(y->p),
                                           static_cast<float *>(a->din[2].p),
                                           parts,
                                           x->ld,
                                           d->ld,
                                           dx->ld,
                                           y->ld,
                                           a->din[2].ld,
                                           x->h * x->w,
                                           x->c,
                                           a->add[0],
                                           a->add[2]};
            spk_launch(spk_cuda_of(a), afms_sums<X, Y>, spk_blocks(x->c, 32) * static_cast<unsigned>(x->n),
                       dim3(32, SLICES), 0, b);
        });
    });
    if (a->din[1].p)
        spk_cuda_add_parts(spk_cuda_of(a), parts, x->c, x->n, x->c, static_cast<float *>(a->din[1].p), true);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && g->in[2].dtype == SPK_F32;
}

static size_t scratch_bytes(const spk_geom *g, const void *state)
{
    (void)state;
    return g->train ? static_cast<size_t>(g->in[0].n * g->in[0].c) * sizeof(float) : 0;
}

const spk_kernel spk__cuda_afms = {
    .name = "cuda", .supports = supports, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
