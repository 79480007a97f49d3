/* SPDX-License-Identifier: Apache-2.0 */
/* segment_mean and segment_scale: means over segments of time, and factors of them. */
#include "backend/cuda/items_impl.h"

/* ---- segment_mean: sums of the segments (N, segments, C) in scratch, as chunks of `length` rows ---- */

template <typename X> struct row_add {
    spk_elements<X> x;
    int64_t rows;
    __device__ void operator()(int64_t n, int64_t t, int64_t c, double *sum) const
    {
        sum[0] += static_cast<double>(x.get(n * rows + t, c));
    }
};

/* Valid frames of segment s of an item with `valid` of them. */
__device__ static inline int64_t segment_frames(int64_t s, int64_t length, int64_t valid)
{
    const int64_t left = valid - s * length;
    return left < 0 ? 0 : left < length ? left : length;
}

/* Over all segments: (N, C). */
struct all_add {
    const double *part;
    double *total;
    int64_t segments, c;
    __device__ void operator()(int64_t n, int64_t, int64_t j) const
    {
        double sum = 0;
        for (int64_t s = 0; s < segments; s++)
            sum += part[(n * segments + s) * c + j];
        total[n * c + j] = sum;
    }
};

template <typename Y> struct means_put {
    const double *part, *total;
    spk_elements<Y> y;
    const int64_t *len;
    int64_t frames, length, segments, c;
    __device__ void operator()(int64_t n, int64_t s, int64_t j) const
    {
        const int64_t valid = spk_valid(len, n, frames), n_t = segment_frames(s, length, valid);
        const double mean = part[(n * segments + s) * c + j] / static_cast<double>(n_t > 0 ? n_t : 1);
        const double all = total[n * c + j] / static_cast<double>(valid > 0 ? valid : 1);
        spk_store(y.at(n * segments + s, j), static_cast<float>(mean + all));
    }
};

template <typename Y> struct means_add {
    spk_elements<Y> dy;
    double *total;
    int64_t segments, c;
    __device__ void operator()(int64_t n, int64_t, int64_t j) const
    {
        double sum = 0;
        for (int64_t s = 0; s < segments; s++)
            sum += static_cast<double>(dy.get(n * segments + s, j));
        total[n * c + j] = sum;
    }
};

template <typename X, typename Y> struct means_spread {
    spk_elements<Y> dy;
    spk_elements<X> dx;
    const double *total;
    const int64_t *len;
    int64_t frames, length, segments, c;
    bool add;
    __device__ void operator()(int64_t n, int64_t t, int64_t j) const
    {
        const int64_t valid = spk_valid(len, n, frames), s = t / length;
        float d = 0;
        if (t < valid)
            d = dy.get(n * segments + s, j) / static_cast<float>(segment_frames(s, length, valid)) +
                static_cast<float>(total[n * c + j] / static_cast<double>(valid));
        spk_put(dx.at(n * frames + t, j), d, add);
    }
};

static int64_t length_of(const void *attr)
{
    return static_cast<const spk_segment_attr *>(attr)->length;
}

static spk_chunks chunks_of(const spk_view *x, int64_t length)
{
    return {x->n, x->h * x->w, 1, x->c, length, (x->h * x->w + length - 1) / length};
}

static size_t mean_scratch(const spk_geom *g, const void *)
{
    const spk_chunks k = chunks_of(&g->in[0], length_of(g->attr));
    return spk_chunks_bytes(&k, 1) + static_cast<size_t>(k.items * k.c) * sizeof(double);
}

static bool mean_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

static void mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const spk_chunks k = chunks_of(x, length_of(a->attr));
    double *part = static_cast<double *>(a->scratch), *total = part + k.items * k.n * k.c;
    const int64_t *len = spk_lengths_of(a);
    spk_cuda *d = spk_cuda_of(a);
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        spk_sum_columns<1>(d, &k, len, part, row_add<X>{spk_elements<X>(*x), k.frames});
    });
    spk_each(d, k.items, 1, k.c, all_add{part, total, k.n, k.c});
    spk_by_type(y->dtype, [&](auto *t) {
        using Y = std::remove_pointer_t<decltype(t)>;
        spk_each(d, k.items, k.n, k.c, means_put<Y>{part, total, spk_elements<Y>(*y), len, k.frames, k.each, k.n, k.c});
    });
}

static void mean_bwd(const spk_kargs *a)
{
    const spk_view *dx = &a->din[0], *dy = &a->dout[0];
    const spk_chunks k = chunks_of(&a->in[0], length_of(a->attr));
    double *total = static_cast<double *>(a->scratch);
    spk_cuda *d = spk_cuda_of(a);
    if (!dx->p) return;
    spk_by_types(dx->dtype, dy->dtype, [&](auto *s, auto *t) {
        using X = std::remove_pointer_t<decltype(s)>;
        using Y = std::remove_pointer_t<decltype(t)>;
        const spk_elements<Y> from(*dy);
        spk_each(d, k.items, 1, k.c, means_add<Y>{from, total, k.n, k.c});
        spk_each(d, k.items, k.frames, k.c,
                 means_spread<X, Y>{from, spk_elements<X>(*dx), total, spk_lengths_of(a), k.frames, k.each, k.n, k.c,
                                    a->add[0]});
    });
}

const spk_kernel spk__cuda_segment_mean = {.name = "cuda",
                                           .supports = mean_supports,
                                           .create = spk_lengths_create,
                                           .destroy = spk_lengths_destroy,
                                           .scratch_bytes = mean_scratch,
                                           .fwd = mean_fwd,
                                           .bwd = mean_bwd};

/* ---- segment_scale ---- */

/* y = x s, or backward dx from dy. */
template <typename X, typename S, int V> struct scale {
    spk_elements<X> x, y;
    spk_elements<S> s;
    int64_t frames, length, segments;
    bool add;
    __device__ void operator()(int64_t n, int64_t t, int64_t c) const
    {
        float v[V], by[V];
        spk_get_all(x.at(n * frames + t, c), v);
        spk_get_all(s.at(n * segments + t / length, c), by);
        for (int i = 0; i < V; i++)
            v[i] *= by[i];
        spk_put_all(y.at(n * frames + t, c), v, add);
    }
};

template <typename X> struct scale_add {
    spk_elements<X> dy, x;
    int64_t frames;
    __device__ void operator()(int64_t n, int64_t t, int64_t c, double *sum) const
    {
        sum[0] += static_cast<double>(dy.get(n * frames + t, c) * x.get(n * frames + t, c));
    }
};

template <typename S> struct factors_put {
    const double *part;
    spk_elements<S> ds;
    int64_t segments, c;
    bool add;
    __device__ void operator()(int64_t n, int64_t s, int64_t j) const
    {
        const int64_t r = n * segments + s;
        spk_put(ds.at(r, j), static_cast<float>(part[r * c + j]), add);
    }
};

static bool scale_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->in[1]) && g->out[0].dtype == g->in[0].dtype;
}

static size_t scale_scratch(const spk_geom *g, const void *)
{
    const spk_chunks k = chunks_of(&g->in[0], length_of(g->attr));
    return g->train ? spk_chunks_bytes(&k, 1) : 0;
}

static void run_scale(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    const spk_chunks k = chunks_of(from, length_of(a->attr));
    spk_by_types(from->dtype, a->in[1].dtype, [&](auto *s, auto *t) {
        using X = std::remove_pointer_t<decltype(s)>;
        using S = std::remove_pointer_t<decltype(t)>;
        const auto go = [&](auto width) {
            constexpr int V = decltype(width)::value;
            spk_each<V>(spk_cuda_of(a), k.items, k.frames, k.c,
                        scale<X, S, V>{spk_elements<X>(*from), spk_elements<X>(*to), spk_elements<S>(a->in[1]),
                                       k.frames, k.each, k.n, add});
        };
        if constexpr (sizeof(X) == sizeof(S))
            spk_by_width<X>({from, to, &a->in[1]}, go);
        else
            go(std::integral_constant<int, 1>());
    });
}

static void scale_fwd(const spk_kargs *a)
{
    run_scale(a, &a->in[0], &a->out[0], false);
}

static void scale_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const spk_chunks k = chunks_of(x, length_of(a->attr));
    double *part = static_cast<double *>(a->scratch);
    spk_cuda *d = spk_cuda_of(a);
    if (a->din[0].p) run_scale(a, &a->dout[0], &a->din[0], a->add[0]);
    if (!a->din[1].p) return;
    spk_by_types(x->dtype, a->din[1].dtype, [&](auto *s, auto *t) {
        using X = std::remove_pointer_t<decltype(s)>;
        using S = std::remove_pointer_t<decltype(t)>;
        spk_sum_columns<1>(d, &k, nullptr, part,
                           scale_add<X>{spk_elements<X>(a->dout[0]), spk_elements<X>(*x), k.frames});
        spk_each(d, k.items, k.n, k.c, factors_put<S>{part, spk_elements<S>(a->din[1]), k.n, k.c, a->add[1]});
    });
}

const spk_kernel spk__cuda_segment_scale = {
    .name = "cuda", .supports = scale_supports, .scratch_bytes = scale_scratch, .fwd = scale_fwd, .bwd = scale_bwd};
