/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attn_stats (backend_impl.h) in one pass over time: each thread has the largest logit so far and the sums of the weights
 * exp(e - max), and rescales them when a larger one comes; states of threads and blocks are merged the same way. A thread's
 * own sums are float, around the value with the largest weight: where one frame has nearly all of it, little is left to round.
 * Saves maximum, 1 / sum of weights and variance (3NC floats); the backward pass makes the weights again from them.
 */
#include <float.h>

#include "backend/cuda/frames_impl.h"

namespace
{

/* exp(x) for x <= 0 as the hardware has it, less than the least normal float being 0. */
__device__ inline float weight_of(float x)
{
#ifdef __CUDA_ARCH__
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.44269504f));
    return y;
#else
    return expf(x);
#endif
}

/* Sums of w, w x and w x^2, w = exp(e - max). */
struct weighted {
    float max;
    double den, first, second;

    __host__ __device__ weighted() : max(-INFINITY), den(0), first(0), second(0)
    {
    }
    __device__ void scale(double by)
    {
        den *= by;
        first *= by;
        second *= by;
    }
    __device__ void raise(float to)
    {
        if (!(to > max)) return;
        scale(static_cast<double>(expf(max - to)));
        max = to;
    }
    __device__ void merge(weighted other)
    {
        raise(other.max);
        if (other.max < max) other.scale(static_cast<double>(expf(other.max - max)));
        den += other.den;
        first += other.first;
        second += other.second;
    }
};

/* The same of a channel's frames in one thread: of w, w (x - shift) and w (x - shift)^2. */
struct weighted_run {
    float max, shift, den, first, second;

    __device__ weighted_run() : max(-3e38f), shift(0), den(0), first(0), second(0)
    {
    }
    /* SPK_GROUP frames; those that do not count have e = -inf. */
    __device__ void add(const float *e, const float *x)
    {
        float to = max, centre = shift;
        for (int u = 0; u < SPK_GROUP; u++) {
            centre = e[u] > to ? x[u] : centre;
            to = e[u] > to ? e[u] : to;
        }
        const float by = weight_of(max - to), move = centre - shift;
        den *= by;
        first *= by;
        const float moved = fmaf(-move, den, first);
        second = fmaf(-move, first + moved, second * by);
        first = moved;
        max = to;
        shift = centre;
        for (int u = 0; u < SPK_GROUP; u++) {
            const float w = weight_of(e[u] - to), d = x[u] - centre;
            den += w;
            first = fmaf(w, d, first);
            second = fmaf(w * d, d, second);
        }
    }
    __device__ weighted whole() const
    {
        const double s = static_cast<double>(shift), n = static_cast<double>(den), f = static_cast<double>(first);
        weighted m;
        m.max = max;
        m.den = n;
        m.first = f + s * n;
        m.second = static_cast<double>(second) + s * (2 * f + s * n);
        return m;
    }
};

/* Frames that weigh: the valid ones; where there is none all of them, alike. */
struct weighing {
    spk_valid valid;
    __device__ int64_t frames(int64_t item, bool *uniform) const
    {
        const int64_t n = valid.rows(item);
        *uniform = n == 0;
        return n > 0 ? n : valid.frames;
    }
};

template <typename L> struct attn_forward {
    enum { width = L::width };
    typedef weighted state;
    L e, x;
    weighing who;
    int64_t channels;
    double lo, hi;
    float *out, *save; /* save: or NULL */
    int64_t out_ld;

    __device__ void run(spk_tile t, state *m) const
    {
        bool uniform;
        const int64_t row0 = t.item * who.valid.frames;
        t.end = min(t.end, who.frames(t.item, &uniform));
        weighted_run sums[L::width];
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], q[SPK_GROUP];
            spk_load_group(e, row0, t, at, r);
            spk_load_group(x, row0, t, at, q);
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            for (int i = 0; i < L::width; i++) {
                float w[SPK_GROUP], v[SPK_GROUP];
                for (int u = 0; u < SPK_GROUP; u++) {
                    w[u] = u * step >= left ? -INFINITY : uniform ? 0 : L::get(r[u], i);
                    v[u] = L::get(q[u], i);
                }
                sums[i].add(w, v);
            }
        }
        for (int i = 0; i < L::width; i++)
            m[i] = sums[i].whole();
    }
    __device__ void finish(int64_t item, int64_t c, const state &m) const
    {
        const double mu = m.first / m.den, var = m.second / m.den - mu * mu;
        out[item * out_ld + c] = static_cast<float>(mu);
        out[item * out_ld + channels + c] = static_cast<float>(sqrt(var < lo ? lo : var > hi ? hi : var));
        if (!save) return;
        float *s = save + item * 3 * channels + c;
        s[0] = m.max;
        s[channels] = static_cast<float>(1 / m.den);
        s[2 * channels] = static_cast<float>(var);
    }
};

template <typename L> struct attn_backward {
    L e, x, de, dx; /* de, dx without a pointer: not wanted */
    weighing who;
    int64_t channels;
    double lo, hi;
    const float *mu, *dy, *save;
    int64_t mu_ld, dy_ld;
    bool add_e, add_x;

    __device__ void run(const spk_tile &t) const
    {
        enum { V = L::width, GROUP = 2 };
        bool uniform;
        const int64_t row0 = t.item * who.valid.frames, len = who.frames(t.item, &uniform);
        const float *s = save + t.item * 3 * channels;
        float mean[V], max[V], inv[V], var[V], dmu[V], dvar[V], level[V];
        spk_floats<V>(mu + t.item * mu_ld, t.lane, mean);
        spk_floats<V>(s, t.lane, max);
        spk_floats<V>(s + channels, t.lane, inv);
        spk_floats<V>(s + 2 * channels, t.lane, var);
        spk_floats<V>(dy + t.item * dy_ld, t.lane, dmu);
        spk_floats<V>(dy + t.item * dy_ld + channels, t.lane, dvar);
        for (int i = 0; i < V; i++) {
            const double v = static_cast<double>(var[i]);
            dvar[i] = v >= lo && v <= hi ? 0.5f * dvar[i] * rsqrtf(var[i]) : 0;
            level[i] = dvar[i] * var[i];
        }
        spk_tile valid = t;
        valid.end = min(t.end, len);
        const int step = static_cast<int>(t.step);
        for (int64_t at = t.first; at < t.end; at += GROUP * t.step) {
            typename L::raw r[GROUP], q[GROUP];
            const int left = spk_left<GROUP>(t, at, t.end), on = spk_left<GROUP>(t, at, len);
            spk_load_group(e, row0, valid, at, r);
            spk_load_group(x, row0, valid, at, q);
#pragma unroll
            for (int u = 0; u < GROUP; u++) {
                float to_e[V], to_x[V];
                if (u * step >= left) break;
                for (int i = 0; i < V; i++) {
                    const float y = L::get(q[u], i) - mean[i];
                    const float w = u * step >= on ? 0 : weight_of(uniform ? 0 : L::get(r[u], i) - max[i]) * inv[i];
                    const float by_y = fmaf(dvar[i], y, dmu[i]);
                    to_e[i] = (u * step >= on) | uniform ? 0 : w * fmaf(by_y, y, -level[i]);
                    to_x[i] = u * step >= on ? 0 : w * fmaf(dvar[i], y, by_y);
                }
                if (de.p) de.store(row0 + at + u * t.step, t.lane, to_e, add_e);
                if (dx.p) dx.store(row0 + at + u * t.step, t.lane, to_x, add_x);
            }
        }
    }
};

} // namespace

static double floor_of(const spk_attn_stats_attr *attr)
{
    return attr->lo < 0 ? static_cast<double>(FLT_EPSILON) : attr->lo;
}

static weighing weighing_of(const spk_kargs *a)
{
    return {{spk_followed_as<int64_t>(a, 0), a->in[1].h * a->in[1].w, 1}};
}

static void fwd(const spk_kargs *a)
{
    const spk_attn_stats_attr *attr = static_cast<const spk_attn_stats_attr *>(a->attr);
    const spk_view *e = &a->in[0], *x = &a->in[1], *y = &a->out[0];
    spk_by_lanes<4>(x->c, {e, x}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const attn_forward<L> op = {L::of(e),
                                    L::of(x),
                                    weighing_of(a),
                                    x->c,
                                    floor_of(attr),
                                    attr->hi,
                                    static_cast<float *>(y->p),
                                    static_cast<float *>(a->save),
                                    y->ld};
        const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), x->n, x->h * x->w, x->c, L::width);
        spk_reduce_frames(spk_cuda_of(a), op, g, false, a->scratch);
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_attn_stats_attr *attr = static_cast<const spk_attn_stats_attr *>(a->attr);
    const spk_view *e = &a->in[0], *x = &a->in[1], *y = &a->out[0], *dy = &a->dout[0];
    if (!a->din[0].p && !a->din[1].p) return;
    spk_by_lanes<4>(x->c, {e, x, &a->din[0], &a->din[1]}, {y, dy}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const attn_backward<L> op = {L::of(e),
                                     L::of(x),
                                     L::of(&a->din[0]),
                                     L::of(&a->din[1]),
                                     weighing_of(a),
                                     x->c,
                                     floor_of(attr),
                                     attr->hi,
                                     static_cast<const float *>(y->p),
                                     static_cast<const float *>(dy->p),
                                     static_cast<const float *>(a->save),
                                     y->ld,
                                     dy->ld,
                                     a->add[0],
                                     a->add[1]};
        spk_map_frames(spk_cuda_of(a), op, spk_map_tiles(spk_cuda_of(a), x->n, x->h * x->w, x->c, L::width));
    });
}

static size_t save_bytes(const spk_geom *g)
{
    return static_cast<size_t>(g->in[1].n * g->in[1].c) * 3 * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const spk_view *x = &g->in[1];
    return spk_reduce_bytes(spk_cuda_of(g), x->n, x->h * x->w, x->c, sizeof(weighted));
}

/* Lengths are those of e, or of x where e has none. */
static spk_status create(const spk_geom *g, void **state)
{
    const int64_t *len = g->in[0].len ? g->in[0].len : g->in[1].len;
    return spk_follow_all(g, len, static_cast<size_t>(g->in[1].n) * sizeof(int64_t), nullptr, 0, state);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->in[1]) && g->out[0].dtype == SPK_F32;
}

const spk_kernel spk__cuda_attn_stats = {.name = "cuda",
                                         .supports = supports,
                                         .create = create,
                                         .destroy = spk_unfollow_all,
                                         .save_bytes = save_bytes,
                                         .scratch_bytes = scratch_bytes,
                                         .fwd = fwd,
                                         .bwd = bwd};
