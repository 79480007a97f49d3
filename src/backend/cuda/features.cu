/* SPDX-License-Identifier: Apache-2.0 */
/* mvn and feature_norm: features less a mean, over a deviation. Frames behind an item's end become zero. */
#include "backend/cuda/items_impl.h"

/* ---- mvn: saves its moments. Sums count from the item's first frame on, so that features far from zero lose nothing. ---- */

struct mvn_moment {
    double mean, scale; /* scale: 1 / deviation */
    double curve;       /* 1 / (frames deviation^2); 0 where the deviation does not move with x */
};

template <typename X> struct mvn_add {
    spk_elements<X> x;
    int64_t frames;
    __device__ void operator()(int64_t n, int64_t t, int64_t c, double *sum) const
    {
        const double d = static_cast<double>(x.get(n * frames + t, c)) - static_cast<double>(x.get(n * frames, c));
        sum[0] += d;
        sum[1] += d * d;
    }
};

template <typename X> struct mvn_moments {
    spk_elements<X> x;
    spk_chunks chunks;
    const double *part;
    const int64_t *len;
    mvn_moment *to;
    bool vars;
    double eps;
    __device__ void operator()(int64_t n, int64_t, int64_t c) const
    {
        const double frames = static_cast<double>(spk_valid(len, n, chunks.frames));
        mvn_moment m = {0, 1, 0};
        double sum[2];
        spk_add_chunks<2>(chunks, part, n, c, sum);
        if (frames > 0) m.mean = static_cast<double>(x.get(n * chunks.frames, c)) + sum[0] / frames;
        if (vars && frames > 0) {
            const double square = sum[1] - sum[0] * sum[0] / frames, std = sqrt((square > 0 ? square : 0) / frames);
            m.scale = 1 / (std < eps ? eps : std);
            m.curve = std < eps ? 0 : 1 / (frames * std * std);
        }
        to[n * chunks.c + c] = m;
    }
};

template <typename X> struct mvn_apply {
    spk_elements<X> x, y;
    const mvn_moment *moments;
    const int64_t *len;
    int64_t frames, c;
    bool means;
    __device__ void operator()(int64_t n, int64_t t, int64_t j) const
    {
        const mvn_moment m = moments[n * c + j];
        const double v = static_cast<double>(x.get(n * frames + t, j)) - (means ? m.mean : 0);
        spk_store(y.at(n * frames + t, j), t < spk_valid(len, n, frames) ? static_cast<float>(v * m.scale) : 0);
    }
};

/* Sums of dy and dy y. */
template <typename X> struct mvn_add_bwd {
    spk_elements<X> dy, y;
    int64_t frames;
    __device__ void operator()(int64_t n, int64_t t, int64_t c, double *sum) const
    {
        const double d = static_cast<double>(dy.get(n * frames + t, c));
        sum[0] += d;
        sum[1] += d * static_cast<double>(y.get(n * frames + t, c));
    }
};

/* dx = (dy - mean(dy)) / s - v sum(dy y) / (frames s^2), v = x - mean. */
template <typename X> struct mvn_bwd_apply {
    spk_elements<X> x, dy, dx;
    const mvn_moment *moments;
    spk_chunks chunks;
    const double *part;
    const int64_t *len;
    bool means, add;
    __device__ void operator()(int64_t n, int64_t t, int64_t j) const
    {
        const int64_t r = n * chunks.frames + t, frames = spk_valid(len, n, chunks.frames);
        float value = 0;
        if (t < frames) {
            const mvn_moment m = moments[n * chunks.c + j];
            double sum[2];
            spk_add_chunks<2>(chunks, part, n, j, sum);
            const double level = means ? sum[0] / static_cast<double>(frames) : 0;
            const double v = static_cast<double>(x.get(r, j)) - m.mean, d = static_cast<double>(dy.get(r, j));
            value = static_cast<float>((d - level) * m.scale - v * sum[1] * m.curve);
        }
        spk_put(dx.at(r, j), value, add);
    }
};

static spk_chunks chunks_of(const spk_view *x)
{
    return spk_chunks_of(x->n, x->h * x->w, 1, x->c);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->out[0].dtype == g->in[0].dtype;
}

static size_t mvn_save(const spk_geom *g)
{
    return static_cast<size_t>(g->in[0].n * g->in[0].c) * sizeof(mvn_moment);
}

static size_t mvn_scratch(const spk_geom *g, const void *)
{
    const spk_chunks k = chunks_of(&g->in[0]);
    return spk_chunks_bytes(&k, 2) + mvn_save(g);
}

static void mvn_fwd(const spk_kargs *a)
{
    const spk_mvn_attr *attr = static_cast<const spk_mvn_attr *>(a->attr);
    const spk_view *x = &a->in[0];
    const spk_chunks k = chunks_of(x);
    const int64_t *len = spk_lengths_of(a);
    double *part = static_cast<double *>(a->scratch);
    mvn_moment *own = reinterpret_cast<mvn_moment *>(part + k.items * k.n * k.c * 2);
    mvn_moment *moments = a->save ? static_cast<mvn_moment *>(a->save) : own;
    spk_cuda *d = spk_cuda_of(a);
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        const spk_elements<X> from(*x);
        spk_sum_columns<2>(d, &k, len, part, mvn_add<X>{from, k.frames});
        spk_each(d, k.items, 1, k.c, mvn_moments<X>{from, k, part, len, moments, attr->vars, attr->eps});
        spk_each(d, k.items, k.frames, k.c,
                 mvn_apply<X>{from, spk_elements<X>(a->out[0]), moments, len, k.frames, k.c, attr->means});
    });
}

static void mvn_bwd(const spk_kargs *a)
{
    const spk_mvn_attr *attr = static_cast<const spk_mvn_attr *>(a->attr);
    const spk_view *x = &a->in[0];
    const spk_chunks k = chunks_of(x);
    const int64_t *len = spk_lengths_of(a);
    const mvn_moment *moments = static_cast<const mvn_moment *>(a->save);
    double *part = static_cast<double *>(a->scratch);
    spk_cuda *d = spk_cuda_of(a);
    if (!a->din[0].p) return;
    spk_by_type(x->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        const spk_elements<X> dy(a->dout[0]);
        spk_sum_columns<2>(d, &k, len, part, mvn_add_bwd<X>{dy, spk_elements<X>(a->out[0]), k.frames});
        spk_each(d, k.items, k.frames, k.c,
                 mvn_bwd_apply<X>{spk_elements<X>(*x), dy, spk_elements<X>(a->din[0]), moments, k, part, len,
                                  attr->means, a->add[0]});
    });
}

const spk_kernel spk__cuda_mvn = {.name = "cuda",
                                  .supports = supports,
                                  .create = spk_lengths_create,
                                  .destroy = spk_lengths_destroy,
                                  .save_bytes = mvn_save,
                                  .scratch_bytes = mvn_scratch,
                                  .fwd = mvn_fwd,
                                  .bwd = mvn_bwd};

/* ---- feature_norm ---- */

/* (x - mean) / std; backward without the mean, which is NULL then. */
template <typename X> struct feature_apply {
    spk_elements<X> x, y;
    const float *mean, *std;
    const int64_t *len;
    int64_t frames;
    bool add;
    __device__ void operator()(int64_t n, int64_t t, int64_t c) const
    {
        float v = 0;
        if (t < spk_valid(len, n, frames)) {
            v = x.get(n * frames + t, c) - (mean ? mean[c] : 0);
            if (std) v /= std[c];
        }
        spk_put(y.at(n * frames + t, c), v, add);
    }
};

static void run_norm(const spk_kargs *a, const spk_view *from, const spk_view *to, bool backward)
{
    const spk_feature_norm_attr *attr = static_cast<const spk_feature_norm_attr *>(a->attr);
    const int64_t frames = from->h * from->w;
    const float *mean = attr->means && !backward ? static_cast<const float *>(a->in[1].p) : nullptr;
    const float *std = attr->vars ? static_cast<const float *>(a->in[2].p) : nullptr;
    spk_by_type(from->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        spk_each(spk_cuda_of(a), from->n, frames, from->c,
                 feature_apply<X>{spk_elements<X>(*from), spk_elements<X>(*to), mean, std, spk_lengths_of(a), frames,
                                  backward && a->add[0]});
    });
}

static void norm_fwd(const spk_kargs *a)
{
    run_norm(a, &a->in[0], &a->out[0], false);
}

static void norm_bwd(const spk_kargs *a)
{
    if (a->din[0].p) run_norm(a, &a->dout[0], &a->din[0], true);
}

const spk_kernel spk__cuda_feature_norm = {.name = "cuda",
                                           .supports = supports,
                                           .create = spk_lengths_create,
                                           .destroy = spk_lengths_destroy,
                                           .fwd = norm_fwd,
                                           .bwd = norm_bwd};
