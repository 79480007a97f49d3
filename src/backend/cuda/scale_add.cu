/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scale_add and row_bias (backend_impl.h): frames and a vector of each item. The vector's gradient is a sum over time, taken
 * in the pass that writes the frames' gradients; where an item's frames are divided among blocks, partial sums go through
 * scratch.
 */
#include "backend/cuda/frames_impl.h"

namespace
{

/* A float vector of each item. */
struct item_vector {
    float *p; /* NULL: absent */
    int64_t ld;
    static item_vector of(const spk_view *v)
    {
        return {static_cast<float *>(v->p), v->ld};
    }
    template <int V> __device__ void load(const spk_tile &t, float *v) const
    {
        spk_floats<V>(p + t.item * ld, t.lane, v);
    }
    __device__ void put(int64_t item, int64_t c, double sum, bool add) const
    {
        if (p) spk_put(p + item * ld + c, static_cast<float>(sum), add);
    }
};

/* y = x s + r */
template <typename L> struct scale_forward {
    L x, r, y;
    item_vector s;
    int64_t frames;

    __device__ void run(const spk_tile &t) const
    {
        const int64_t row0 = t.item * frames;
        float k[L::width];
        s.load<L::width>(t, k);
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw p[SPK_GROUP], q[SPK_GROUP] = {};
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(x, row0, t, at, p);
            if (r.p) spk_load_group(r, row0, t, at, q);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++)
                    v[i] = fmaf(L::get(p[u], i), k[i], L::get(q[u], i));
                spk_store_row(y, row0, t, at, u, v);
            }
        }
    }
};

/* dx = dy s, dr = dy, ds = sum dy x */
template <typename L> struct scale_backward {
    enum { width = L::width };
    typedef spk_sums<1> state;
    L x, dy, dx, dr;
    item_vector s, ds;
    int64_t frames;
    bool add_x, add_s, add_r;

    __device__ void run(const spk_tile &t, state *m) const
    {
        enum { V = L::width, GROUP = 2 }; /* rows of up to four views at once */
        const int64_t row0 = t.item * frames;
        float k[V], sum[V] = {};
        s.load<V>(t, k);
        for (int64_t at = t.first; at < t.end; at += GROUP * t.step) {
            typename L::raw p[GROUP] = {}, q[GROUP], old_x[GROUP] = {}, old_r[GROUP] = {};
            const int left = spk_left<GROUP>(t, at, t.end), step = static_cast<int>(t.step);
            if (ds.p) spk_load_group(x, row0, t, at, p);
            spk_load_group(dy, row0, t, at, q);
            if (add_x) spk_load_group(dx, row0, t, at, old_x);
            if (add_r) spk_load_group(dr, row0, t, at, old_r);
#pragma unroll
            for (int u = 0; u < GROUP; u++) {
                float g[V], d[V];
                if (u * step >= left) break;
                for (int i = 0; i < V; i++) {
                    d[i] = L::get(q[u], i);
                    g[i] = d[i] * k[i];
                    sum[i] = fmaf(d[i], L::get(p[u], i), sum[i]);
                }
                if (dx.p) spk_store_row(dx, row0, t, at, u, g, add_x, old_x[u]);
                if (dr.p) spk_store_row(dr, row0, t, at, u, d, add_r, old_r[u]);
            }
        }
        for (int i = 0; i < V; i++)
            m[i].s[0] = static_cast<double>(sum[i]);
    }
    __device__ void finish(int64_t item, int64_t c, const state &m) const
    {
        ds.put(item, c, m.s[0], add_s);
    }
};

/* y = act(x + v) */
template <typename L> struct bias_forward {
    L x, y;
    item_vector v;
    int64_t frames;
    spk_act act;

    __device__ void run(const spk_tile &t) const
    {
        const int64_t row0 = t.item * frames;
        float k[L::width];
        v.load<L::width>(t, k);
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw p[SPK_GROUP];
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(x, row0, t, at, p);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float z[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++) {
                    z[i] = L::get(p[u], i) + k[i];
                    z[i] = act == SPK_TANH ? tanhf(z[i]) : act == SPK_LINEAR ? z[i] : z[i] < 0 ? 0 : z[i];
                }
                spk_store_row(y, row0, t, at, u, z);
            }
        }
    }
};

/* dx = dy slope, dv = sum dx */
template <typename L> struct bias_backward {
    enum { width = L::width };
    typedef spk_sums<1> state;
    L y, dy, dx;
    item_vector dv;
    int64_t frames;
    spk_act act;
    bool add_x, add_v;

    __device__ float slope(float z) const
    {
        return act == SPK_LINEAR ? 1 : act == SPK_TANH ? (1 - z) * (1 + z) : z > 0 ? 1 : 0;
    }
    __device__ void run(const spk_tile &t, state *m) const
    {
        enum { V = L::width };
        const int64_t row0 = t.item * frames;
        float sum[V] = {};
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw p[SPK_GROUP] = {}, q[SPK_GROUP], old[SPK_GROUP] = {};
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            if (act != SPK_LINEAR) spk_load_group(y, row0, t, at, p);
            spk_load_group(dy, row0, t, at, q);
            if (add_x) spk_load_group(dx, row0, t, at, old);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float g[V];
                if (u * step >= left) break;
                for (int i = 0; i < V; i++) {
                    g[i] = slope(L::get(p[u], i)) * L::get(q[u], i);
                    sum[i] += g[i];
                }
                if (dx.p) spk_store_row(dx, row0, t, at, u, g, add_x, old[u]);
            }
        }
        for (int i = 0; i < V; i++)
            m[i].s[0] = static_cast<double>(sum[i]);
    }
    __device__ void finish(int64_t item, int64_t c, const state &m) const
    {
        dv.put(item, c, m.s[0], add_v);
    }
};

} // namespace

static int64_t frames_of(const spk_view *v)
{
    return v->h * v->w;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const spk_view *x = &g->in[0];
    return g->train ? spk_reduce_bytes(spk_cuda_of(g), x->n, frames_of(x), x->c, sizeof(spk_sums<1>)) : 0;
}

/* ---- scale_add ---- */

static void scale_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *s = &a->in[1], *r = &a->in[2], *y = &a->out[0];
    spk_by_lanes(x->c, {x, r, y}, {s}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const scale_forward<L> op = {L::of(x), L::of(r), L::of(y), item_vector::of(s), frames_of(x)};
        spk_map_frames(spk_cuda_of(a), op, spk_map_tiles(spk_cuda_of(a), x->n, frames_of(x), x->c, L::width));
    });
}

static void scale_grad(const spk_kargs *a, const spk_view *dx, const spk_view *ds, const spk_view *dr)
{
    const spk_view *x = &a->in[0], *s = &a->in[1], *dy = &a->dout[0];
    if (!dx->p && !dr->p && !ds->p) return;
    spk_by_lanes<4>(x->c, {x, dy, dx, dr}, {s}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const scale_backward<L> op = {L::of(x),           L::of(dy),           L::of(dx),    L::of(dr),
                                      item_vector::of(s), item_vector::of(ds), frames_of(x), a->add[0] && dx->p,
                                      a->add[1],          a->add[2] && dr->p};
        const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), x->n, frames_of(x), x->c, L::width);
        spk_reduce_frames(spk_cuda_of(a), op, g, false, a->scratch);
    });
}

static void scale_bwd(const spk_kargs *a)
{
    const spk_view none = {};
    const bool apart = spk_may_meet(&a->din[0], &a->din[2]);
    scale_grad(a, &a->din[0], &a->din[1], apart ? &none : &a->din[2]);
    if (apart) scale_grad(a, &none, &none, &a->din[2]);
}

/* Vectors of an item are float. */
static bool scale_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->in[1].dtype == SPK_F32 && (!g->has_in[2] || spk_is_real(&g->in[2])) &&
           spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_scale_add = {
    .name = "cuda", .supports = scale_supports, .scratch_bytes = scratch_bytes, .fwd = scale_fwd, .bwd = scale_bwd};

/* ---- row_bias ---- */

static void bias_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *v = &a->in[1], *y = &a->out[0];
    const spk_act act = static_cast<const spk_row_bias_attr *>(a->attr)->act;
    spk_by_lanes(x->c, {x, y}, {v}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const bias_forward<L> op = {L::of(x), L::of(y), item_vector::of(v), frames_of(x), act};
        spk_map_frames(spk_cuda_of(a), op, spk_map_tiles(spk_cuda_of(a), x->n, frames_of(x), x->c, L::width));
    });
}

static void bias_bwd(const spk_kargs *a)
{
    const spk_view *y = &a->out[0], *dy = &a->dout[0], *dx = &a->din[0];
    const spk_act act = static_cast<const spk_row_bias_attr *>(a->attr)->act;
    if (!dx->p && !a->din[1].p) return;
    spk_by_lanes<4>(y->c, {y, dy, dx}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const bias_backward<L> op = {L::of(y),     L::of(dy), L::of(dx),          item_vector::of(&a->din[1]),
                                     frames_of(y), act,       a->add[0] && dx->p, a->add[1]};
        const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), y->n, frames_of(y), y->c, L::width);
        spk_reduce_frames(spk_cuda_of(a), op, g, false, a->scratch);
    });
}

static bool bias_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->in[1].dtype == SPK_F32 && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_row_bias = {
    .name = "cuda", .supports = bias_supports, .scratch_bytes = scratch_bytes, .fwd = bias_fwd, .bwd = bias_bwd};
