/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_stats (backend_impl.h): mean and standard deviation over time in one pass; where an item's frames are divided among
 * blocks, partial sums go through scratch. Saves 1 / (2 std), or 0 where the variance was clamped (NC floats).
 */
#include <float.h>

#include "backend/cuda/frames_impl.h"

namespace
{

/* What the moments are divided by, as in the reference: a divisor of its own replaces both, `unbiased` is frames - 1. */
struct divisors {
    double len, by_mean, by_var;
};

struct stats {
    spk_valid valid;
    int64_t channels;
    const int64_t *divide_len; /* or NULL */
    int64_t divide_by;
    bool unbiased, centred, mean_only;
    double lo, hi, add_var;
    float *out; /* the mean, then the deviation */
    int64_t out_ld;
    float *save; /* or NULL */

    __device__ divisors of(int64_t item) const
    {
        const int64_t frames = valid.rows(item), other = divide_len ? divide_len[item] : divide_by;
        const double n = static_cast<double>(frames > 0 ? frames : 1);
        divisors d = {n, n, n};
        if (divide_len || divide_by > 0)
            d.by_mean = d.by_var = static_cast<double>(other > 0 ? other : 1);
        else if (unbiased)
            d.by_var = n > 1 ? n - 1 : 1;
        return d;
    }
    /* From the sums of x and of its square. */
    __device__ void write(int64_t item, int64_t c, double sum, double square) const
    {
        const divisors d = of(item);
        const double middle = sum / d.len, mean = sum / d.by_mean, around = square - middle * sum;
        const double spread = around < 0 ? 0 : around, off = middle - mean;
        const double rest = centred ? d.len * off * off / d.by_mean : d.len * middle * middle / d.by_mean - mean * mean;
        const double var = spread / d.by_var + rest + add_var;
        out[item * out_ld + c] = static_cast<float>(mean);
        if (mean_only) return;
        out[item * out_ld + channels + c] = static_cast<float>(sqrt(var < lo ? lo : var > hi ? hi : var));
        if (save)
            save[item * channels + c] = var >= lo && var <= hi && var > 0 ? static_cast<float>(0.5 / sqrt(var)) : 0.0f;
    }
};

template <typename L> struct stats_forward {
    enum { width = L::width };
    typedef spk_sums<2> state;
    L x;
    stats to;

    __device__ void run(spk_tile t, state *m) const
    {
        t.end = min(t.end, to.valid.rows(t.item));
        spk_sum_moments(x, t.item * to.valid.frames, t, m);
    }
    __device__ void finish(int64_t item, int64_t c, const state &m) const
    {
        to.write(item, c, m.s[0], m.s[1]);
    }
};

/* dx = level + slope (x - mean) at valid frames, where a variance counts; else level alone. */
template <typename L> struct stats_backward {
    L x, dx;
    stats of;
    const float *dy;
    int64_t dy_ld;
    bool add;

    /* Of one channel; with `centred` the mean moves the deviations. */
    __device__ void slope_of(const divisors &d, float dmean, float dstd, float half, float mean, float *slope,
                             float *level) const
    {
        const double excess = of.centred ? 2 * (d.by_mean - d.len) / d.by_mean : 0;
        const double dvar = static_cast<double>(dstd) * static_cast<double>(half);
        *slope = static_cast<float>(2 * dvar / d.by_var);
        *level =
            static_cast<float>((static_cast<double>(dmean) - dvar * static_cast<double>(mean) * excess) / d.by_mean);
    }
    __device__ void run(const spk_tile &t) const
    {
        enum { V = L::width };
        const int64_t row0 = t.item * of.valid.frames, n = of.valid.rows(t.item);
        const divisors d = of.of(t.item);
        float slope[V] = {}, level[V], mean[V], half[V] = {};
        spk_floats<V>(dy + t.item * dy_ld, t.lane, level);
        spk_floats<V>(of.out + t.item * of.out_ld, t.lane, mean);
        if (!of.mean_only) {
            spk_floats<V>(dy + t.item * dy_ld + of.channels, t.lane, slope);
            spk_floats<V>(of.save + t.item * of.channels, t.lane, half);
        }
        for (int i = 0; i < V; i++)
            slope_of(d, level[i], slope[i], half[i], mean[i], &slope[i], &level[i]);
        spk_tile valid = t;
        valid.end = of.mean_only ? 0 : min(t.end, n);
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], old[SPK_GROUP] = {};
            const int left = spk_left(t, at, t.end), on = spk_left(t, at, n), step = static_cast<int>(t.step);
            spk_load_group(x, row0, valid, at, r);
            if (add) spk_load_group(dx, row0, t, at, old);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float g[V];
                if (u * step >= left) break;
                for (int i = 0; i < V; i++)
                    g[i] = u * step >= on ? 0
                           : of.mean_only ? level[i]
                                          : fmaf(slope[i], L::get(r[u], i) - mean[i], level[i]);
                spk_store_row(dx, row0, t, at, u, g, add, old[u]);
            }
        }
    }
};

} // namespace

static stats stats_of(const spk_kargs *a)
{
    const spk_time_stats_attr *attr = static_cast<const spk_time_stats_attr *>(a->attr);
    const spk_view *x = &a->in[0], *y = &a->out[0];
    stats s = {};
    s.valid = {spk_followed_as<int64_t>(a, 0), x->h * x->w, 1};
    s.channels = x->c;
    s.divide_len = spk_followed_as<int64_t>(a, 1);
    s.divide_by = attr->divide_by;
    s.unbiased = attr->unbiased;
    s.centred = attr->centred;
    s.mean_only = attr->mean_only;
    s.lo = attr->lo < 0 ? static_cast<double>(FLT_EPSILON) : attr->lo;
    s.hi = attr->hi;
    s.add_var = attr->add_var;
    s.out = static_cast<float *>(y->p);
    s.out_ld = y->ld;
    s.save = static_cast<float *>(a->save);
    return s;
}

static void fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    spk_by_lanes<4>(x->c, {x}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), x->n, x->h * x->w, x->c, L::width);
        spk_reduce_frames(spk_cuda_of(a), stats_forward<L>{L::of(x), stats_of(a)}, g, false, a->scratch);
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *dx = &a->din[0], *y = &a->out[0], *dy = &a->dout[0];
    if (!dx->p) return;
    spk_by_lanes<4>(x->c, {x, dx}, {y, dy}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const stats_backward<L> op = {L::of(x), L::of(dx), stats_of(a), static_cast<const float *>(dy->p),
                                      dy->ld,   a->add[0]};
        spk_map_frames(spk_cuda_of(a), op, spk_map_tiles(spk_cuda_of(a), x->n, x->h * x->w, x->c, L::width));
    });
}

static size_t save_bytes(const spk_geom *g)
{
    if (static_cast<const spk_time_stats_attr *>(g->attr)->mean_only) return 0;
    return static_cast<size_t>(g->in[0].n * g->in[0].c) * sizeof(float);
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const spk_view *x = &g->in[0];
    return spk_reduce_bytes(spk_cuda_of(g), x->n, x->h * x->w, x->c, sizeof(spk_sums<2>));
}

static spk_status create(const spk_geom *g, void **state)
{
    const size_t bytes = static_cast<size_t>(g->in[0].n) * sizeof(int64_t);
    const int64_t *divide_len = static_cast<const spk_time_stats_attr *>(g->attr)->divide_len;
    return spk_follow_all(g, g->in[0].len, bytes, divide_len, bytes, state);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->out[0].dtype == SPK_F32;
}

const spk_kernel spk__cuda_time_stats = {.name = "cuda",
                                         .supports = supports,
                                         .create = create,
                                         .destroy = spk_unfollow_all,
                                         .save_bytes = save_bytes,
                                         .scratch_bytes = scratch_bytes,
                                         .fwd = fwd,
                                         .bwd = bwd};
