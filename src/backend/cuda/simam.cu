/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simam (ref_conv2d.inc.h has its formulas): sums over an item's places for each channel, then each place. Backward two
 * more sums. Saves mean and k = 1 / (4 (v + lambda)), 2 N C floats. Sums count from the item's first place on, so that a
 * channel far from zero loses nothing.
 */
#include "backend/cuda/items_impl.h"

struct simam_moment {
    float mean, k;
};

template <typename X> struct moments_add {
    spk_elements<X> x;
    int64_t places;
    __device__ void operator()(int64_t n, int64_t p, int64_t c, double *sum) const
    {
        const double d = static_cast<double>(x.get(n * places + p, c)) - static_cast<double>(x.get(n * places, c));
        sum[0] += d;
        sum[1] += d * d;
    }
};

template <typename X> struct moments_put {
    spk_elements<X> x;
    spk_chunks chunks;
    const double *part;
    const int64_t *len;
    simam_moment *to;
    double lambda;
    __device__ void operator()(int64_t n, int64_t, int64_t c) const
    {
        const double m = static_cast<double>(spk_valid(len, n, chunks.frames) * chunks.bins);
        double sum[2], square = 0, mean = 0;
        spk_add_chunks<2>(chunks, part, n, c, sum);
        if (m > 0) {
            mean = static_cast<double>(x.get(n * chunks.frames * chunks.bins, c)) + sum[0] / m;
            square = sum[1] - sum[0] * sum[0] / m;
        }
        const double v = m > 1 && square > 0 ? square / (m - 1) : 0;
        to[n * chunks.c + c] = {static_cast<float>(mean), static_cast<float>(1 / (4 * (v + lambda)))};
    }
};

__device__ static inline float gate_of(float d, float k)
{
    return 1 / (1 + expf(-(d * d * k + 0.5f)));
}

template <typename X, int V> struct gates {
    spk_elements<X> x, y;
    const simam_moment *moments;
    const int64_t *len;
    int64_t frames, bins, c;
    __device__ void operator()(int64_t n, int64_t p, int64_t j) const
    {
        const int64_t r = n * frames * bins + p;
        const bool valid = p < spk_valid(len, n, frames) * bins;
        float v[V];
        spk_get_all(x.at(r, j), v);
        for (int i = 0; i < V; i++) {
            const simam_moment m = moments[n * c + j + i];
            v[i] = valid ? v[i] * gate_of(v[i] - m.mean, m.k) : 0;
        }
        spk_put_all(y.at(r, j), v, false);
    }
};

/* Sums of g d^2 and d g, g = dy x s (1 - s). */
template <typename X> struct spread_add {
    spk_elements<X> x, dy;
    const simam_moment *moments;
    int64_t places, c;
    __device__ void operator()(int64_t n, int64_t p, int64_t j, double *sum) const
    {
        const simam_moment m = moments[n * c + j];
        const float v = x.get(n * places + p, j), d = v - m.mean, s = gate_of(d, m.k);
        const float g = dy.get(n * places + p, j) * v * s * (1 - s);
        sum[0] += static_cast<double>(g * d * d);
        sum[1] += static_cast<double>(g * d);
    }
};

/* What a channel's places share: dx = dy s + 2 k d g - slope - back d. */
struct spread_put {
    spk_chunks chunks;
    const double *part;
    const int64_t *len;
    const simam_moment *moments;
    simam_moment *to; /* slope, back */
    __device__ void operator()(int64_t n, int64_t, int64_t c) const
    {
        const double m = static_cast<double>(spk_valid(len, n, chunks.frames) * chunks.bins);
        const double k = static_cast<double>(moments[n * chunks.c + c].k);
        double sum[2];
        spk_add_chunks<2>(chunks, part, n, c, sum);
        const double slope = m > 0 ? 2 * k * sum[1] / m : 0, back = m > 1 ? 8 * k * k * sum[0] / (m - 1) : 0;
        to[n * chunks.c + c] = {static_cast<float>(slope), static_cast<float>(back)};
    }
};

template <typename X, int V> struct gates_bwd {
    spk_elements<X> x, dy, dx;
    const simam_moment *moments, *shared;
    const int64_t *len;
    int64_t frames, bins, c;
    bool add;
    __device__ void operator()(int64_t n, int64_t p, int64_t j) const
    {
        const int64_t r = n * frames * bins + p;
        const bool valid = p < spk_valid(len, n, frames) * bins;
        float v[V], dv[V], value[V];
        spk_get_all(x.at(r, j), v);
        spk_get_all(dy.at(r, j), dv);
        for (int i = 0; i < V; i++) {
            const simam_moment m = moments[n * c + j + i], b = shared[n * c + j + i];
            const float d = v[i] - m.mean, s = gate_of(d, m.k);
            value[i] = valid ? dv[i] * s + 2 * m.k * d * dv[i] * v[i] * s * (1 - s) - b.mean - b.k * d : 0;
        }
        spk_put_all(dx.at(r, j), value, add);
    }
};

static spk_chunks chunks_of(const spk_view *x)
{
    return spk_chunks_of(x->n, x->h, x->w, x->c);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->out[0].dtype == g->in[0].dtype;
}

static size_t save_bytes(const spk_geom *g)
{
    return static_cast<size_t>(g->in[0].n * g->in[0].c) * sizeof(simam_moment);
}

/* Sums, then moments where they are not saved, or backward what places share. */
static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const spk_chunks k = chunks_of(&g->in[0]);
    return spk_chunks_bytes(&k, 2) + save_bytes(g);
}

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const spk_chunks k = chunks_of(x);
    const int64_t *len = spk_lengths_of(a);
    double *part = static_cast<double *>(a->scratch);
    simam_moment *own = reinterpret_cast<simam_moment *>(part + k.items * k.n * k.c * 2);
    simam_moment *moments = a->save ? static_cast<simam_moment *>(a->save) : own;
    spk_cuda *d = spk_cuda_of(a);
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        const spk_elements<X> from(*x);
        spk_sum_columns<2>(d, &k, len, part, moments_add<X>{from, x->h * x->w});
        spk_each(d, x->n, 1, x->c,
                 moments_put<X>{from, k, part, len, moments, static_cast<const spk_simam_attr *>(a->attr)->lambda});
        spk_by_width<X>({x, &a->out[0]}, [&](auto width) {
            constexpr int V = decltype(width)::value;
            spk_each<V>(d, x->n, x->h * x->w, x->c,
                        gates<X, V>{from, spk_elements<X>(a->out[0]), moments, len, x->h, x->w, x->c});
        });
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const spk_chunks k = chunks_of(x);
    const int64_t *len = spk_lengths_of(a);
    const simam_moment *moments = static_cast<const simam_moment *>(a->save);
    double *part = static_cast<double *>(a->scratch);
    simam_moment *shared = reinterpret_cast<simam_moment *>(part + k.items * k.n * k.c * 2);
    spk_cuda *d = spk_cuda_of(a);
    if (!a->din[0].p) return;
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        const spk_elements<X> from(*x), dy(a->dout[0]), dx(a->din[0]);
        spk_sum_columns<2>(d, &k, len, part, spread_add<X>{from, dy, moments, x->h * x->w, x->c});
        spk_each(d, x->n, 1, x->c, spread_put{k, part, len, moments, shared});
        spk_by_width<X>({x, &a->dout[0], &a->din[0]}, [&](auto width) {
            constexpr int V = decltype(width)::value;
            spk_each<V>(d, x->n, x->h * x->w, x->c,
                        gates_bwd<X, V>{from, dy, dx, moments, shared, len, x->h, x->w, x->c, a->add[0]});
        });
    });
}

const spk_kernel spk__cuda_simam = {.name = "cuda",
                                    .supports = supports,
                                    .create = spk_lengths_create,
                                    .destroy = spk_lengths_destroy,
                                    .save_bytes = save_bytes,
                                    .scratch_bytes = scratch_bytes,
                                    .fwd = fwd,
                                    .bwd = bwd};
