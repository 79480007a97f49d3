/* SPDX-License-Identifier: Apache-2.0 */
/* act and add (backend_impl.h): element by element. */
#include "backend/cuda/frames_impl.h"

namespace
{

/* Of the self-normalising unit, as in the reference. */
constexpr float SELU_ALPHA = 1.6732632423543772848170429916717f, SELU_SCALE = 1.0507009873554804934193349852946f;

/* 1 / (1 + exp(-x)) by the fast instructions: an error of some 1e-7. */
__device__ inline float sigmoid(float x)
{
    return __fdividef(1, 1 + __expf(-x));
}

__device__ inline float act_value(spk_act act, float x)
{
    switch (act) {
    case SPK_SIGMOID:
        return sigmoid(x);
    case SPK_TANH:
        return tanhf(x);
    case SPK_SWISH:
        return x * sigmoid(x);
    case SPK_HARDTANH:
        return x < -1 ? -1 : x > 1 ? 1 : x;
    case SPK_SELU:
        return SELU_SCALE * (x < 0 ? SELU_ALPHA * expm1f(x) : x);
    case SPK_LINEAR:
        return x;
    case SPK_RELU:
    default:
        return x < 0 ? 0 : x;
    }
}

/* The slope at the result y; for swish at the argument y. */
__device__ inline float act_slope(spk_act act, float y)
{
    float s;
    switch (act) {
    case SPK_SIGMOID:
        return y * (1 - y);
    case SPK_TANH:
        return (1 - y) * (1 + y);
    case SPK_SWISH:
        s = sigmoid(y);
        return s * (1 + y * (1 - s));
    case SPK_HARDTANH:
        return y > -1 && y < 1 ? 1 : 0;
    case SPK_SELU:
        return y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA;
    case SPK_LINEAR:
        return 1;
    case SPK_RELU:
    default:
        return y > 0 ? 1 : 0;
    }
}

/* SWISH: known when compiled, without a choice at each element. */
template <typename L, bool SWISH> struct act_forward {
    L x, y;
    spk_act act;

    __device__ void run(const spk_tile &t) const
    {
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP];
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(x, 0, t, at, r);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++)
                    v[i] = act_value(SWISH ? SPK_SWISH : act, L::get(r[u], i));
                spk_store_row(y, 0, t, at, u, v);
            }
        }
    }
};

/* dx = dy slope, and 0 where the slope is, whatever dy is. */
template <typename L, bool SWISH> struct act_backward {
    L at_value, dy, dx; /* of the result, or of the argument */
    spk_act act;
    bool add;

    __device__ void run(const spk_tile &t) const
    {
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], q[SPK_GROUP];
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(at_value, 0, t, at, r);
            spk_load_group(dy, 0, t, at, q);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float g[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++) {
                    const float slope = act_slope(SWISH ? SPK_SWISH : act, L::get(r[u], i));
                    g[i] = slope != 0 ? L::get(q[u], i) * slope : 0;
                }
                dx.store(at + u * t.step, t.lane, g, add);
            }
        }
    }
};

/* y = [relu](a + factor b) */
template <typename L> struct add_forward {
    L a, b, y;
    float factor;
    bool relu;

    __device__ void run(const spk_tile &t) const
    {
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], q[SPK_GROUP];
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(a, 0, t, at, r);
            spk_load_group(b, 0, t, at, q);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++)
                    v[i] = fmaf(factor, L::get(q[u], i), L::get(r[u], i));
                if (relu)
                    for (int i = 0; i < L::width; i++)
                        v[i] = v[i] < 0 ? 0 : v[i];
                spk_store_row(y, 0, t, at, u, v);
            }
        }
    }
};

/* Both gradients in one pass; those without a pointer are not wanted. */
template <typename L> struct add_backward {
    L y, dy, da, db;
    float factor;
    bool relu, add_a, add_b;

    __device__ void run(const spk_tile &t) const
    {
        enum { GROUP = 2 }; /* rows of up to four views at once */
        for (int64_t at = t.first; at < t.end; at += GROUP * t.step) {
            typename L::raw r[GROUP] = {}, q[GROUP], old_a[GROUP] = {}, old_b[GROUP] = {};
            const int left = spk_left<GROUP>(t, at, t.end), step = static_cast<int>(t.step);
            if (relu) spk_load_group(y, 0, t, at, r);
            spk_load_group(dy, 0, t, at, q);
            if (add_a) spk_load_group(da, 0, t, at, old_a);
            if (add_b) spk_load_group(db, 0, t, at, old_b);
#pragma unroll
            for (int u = 0; u < GROUP; u++) {
                float g[L::width], h[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++)
                    g[i] = L::get(q[u], i);
                if (relu)
                    for (int i = 0; i < L::width; i++)
                        g[i] = L::get(r[u], i) <= 0 ? 0 : g[i];
                for (int i = 0; i < L::width; i++)
                    h[i] = factor * g[i];
                if (da.p) spk_store_row(da, 0, t, at, u, g, add_a, old_a[u]);
                if (db.p) spk_store_row(db, 0, t, at, u, h, add_b, old_b[u]);
            }
        }
    }
};

} // namespace

/* op<L>'s pass over all rows; make(lanes) gives the op. */
template <typename F> static void over_rows(const spk_kargs *a, std::initializer_list<const spk_view *> views, F make)
{
    const spk_view *x = *views.begin();
    spk_by_lanes(x->c, views, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        spk_map_frames(spk_cuda_of(a), make(lanes), spk_map_tiles(spk_cuda_of(a), 1, spk_rows(x), x->c, L::width));
    });
}
#define LANES(pointer) std::remove_pointer_t<decltype(pointer)>

/* ---- act ---- */

template <bool SWISH> static void forward(const spk_kargs *a)
{
    const spk_act act = static_cast<const spk_act_attr *>(a->attr)->act;
    over_rows(a, {&a->in[0], &a->out[0]}, [&](auto *l) {
        using L = LANES(l);
        return act_forward<L, SWISH>{L::of(&a->in[0]), L::of(&a->out[0]), act};
    });
}

template <bool SWISH> static void backward(const spk_kargs *a)
{
    const spk_act act = static_cast<const spk_act_attr *>(a->attr)->act;
    const spk_view *at = SWISH ? &a->in[0] : &a->out[0];
    over_rows(a, {at, &a->dout[0], &a->din[0]}, [&](auto *l) {
        using L = LANES(l);
        return act_backward<L, SWISH>{L::of(at), L::of(&a->dout[0]), L::of(&a->din[0]), act, a->add[0]};
    });
}

static bool is_swish(const spk_kargs *a)
{
    return static_cast<const spk_act_attr *>(a->attr)->act == SPK_SWISH;
}

static void act_fwd(const spk_kargs *a)
{
    is_swish(a) ? forward<true>(a) : forward<false>(a);
}

static void act_bwd(const spk_kargs *a)
{
    if (a->din[0].p) is_swish(a) ? backward<true>(a) : backward<false>(a);
}

static bool act_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_act = {.name = "cuda", .supports = act_supports, .fwd = act_fwd, .bwd = act_bwd};

/* ---- add ---- */

static void add_fwd(const spk_kargs *a)
{
    const spk_add_attr *attr = static_cast<const spk_add_attr *>(a->attr);
    over_rows(a, {&a->in[0], &a->in[1], &a->out[0]}, [&](auto *l) {
        using L = LANES(l);
        return add_forward<L>{L::of(&a->in[0]), L::of(&a->in[1]), L::of(&a->out[0]), static_cast<float>(attr->factor),
                              attr->relu};
    });
}

static void add_grad(const spk_kargs *a, const spk_view *da, const spk_view *db)
{
    const spk_add_attr *attr = static_cast<const spk_add_attr *>(a->attr);
    if (!da->p && !db->p) return;
    over_rows(a, {&a->dout[0], &a->out[0], da, db}, [&](auto *l) {
        using L = LANES(l);
        return add_backward<L>{
            L::of(&a->out[0]), L::of(&a->dout[0]), L::of(da),         L::of(db), static_cast<float>(attr->factor),
            attr->relu,        da->p && a->add[0], db->p && a->add[1]};
    });
}

static void add_bwd(const spk_kargs *a)
{
    const spk_view none = {};
    const bool apart = spk_may_meet(&a->din[0], &a->din[1]);
    add_grad(a, &a->din[0], apart ? &none : &a->din[1]);
    if (apart) add_grad(a, &none, &a->din[1]);
}

static bool add_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->in[1]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_add = {
    .name = "cuda", .supports = add_supports, .fwd = add_fwd, .bwd = add_bwd, .again = add_fwd};
