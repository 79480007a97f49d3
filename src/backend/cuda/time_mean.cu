/* SPDX-License-Identifier: Apache-2.0 */
/* time_mean and mask (backend_impl.h): what lies behind an item's end counts for nothing. */
#include "backend/cuda/frames_impl.h"

namespace
{

template <typename L> struct mean_forward {
    enum { width = L::width };
    typedef spk_sums<1> state;
    L x;
    spk_valid valid;
    float *mean;
    int64_t mean_ld;

    __device__ void run(spk_tile t, state *m) const
    {
        const int64_t row0 = t.item * valid.frames * valid.bins;
        float sum[L::width] = {};
        t.end = min(t.end, valid.rows(t.item));
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP];
            spk_load_group(x, row0, t, at, r);
            for (int i = 0; i < L::width; i++)
                sum[i] += (L::get(r[0], i) + L::get(r[1], i)) + (L::get(r[2], i) + L::get(r[3], i));
        }
        for (int i = 0; i < L::width; i++)
            m[i].s[0] = static_cast<double>(sum[i]);
    }
    __device__ void finish(int64_t item, int64_t c, const state &m) const
    {
        const int64_t n = valid.rows(item);
        mean[item * mean_ld + c] = static_cast<float>(m.s[0] / static_cast<double>(n > 0 ? n : 1));
    }
};

/* dx = dy / frames where they are valid */
template <typename L> struct mean_backward {
    L dx;
    spk_valid valid;
    const float *dy;
    int64_t dy_ld;
    bool add;

    __device__ void run(const spk_tile &t) const
    {
        const int64_t row0 = t.item * valid.frames * valid.bins, n = valid.rows(t.item);
        float g[L::width], none[L::width] = {};
        spk_floats<L::width>(dy + t.item * dy_ld, t.lane, g);
        for (int i = 0; i < L::width; i++)
            g[i] = g[i] / static_cast<float>(n > 0 ? n : 1);
        for (int64_t at = t.first; at < t.end; at += t.step)
            dx.store(row0 + at, t.lane, at < n ? g : none, add);
    }
};

/* y = x where it is valid, 0 elsewhere; or added to y. */
template <typename L> struct mask_rows {
    L x, y;
    spk_valid valid;
    bool add;

    __device__ void run(const spk_tile &t) const
    {
        const int64_t row0 = t.item * valid.frames * valid.bins, n = valid.rows(t.item);
        spk_tile kept = t;
        kept.end = min(t.end, n);
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], old[SPK_GROUP] = {};
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(x, row0, kept, at, r);
            if (add) spk_load_group(y, row0, t, at, old);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++)
                    v[i] = L::get(r[u], i);
                spk_store_row(y, row0, t, at, u, v, add, old[u]);
            }
        }
    }
};

} // namespace

/* ---- time_mean: sound, whose frames are rows ---- */

static spk_valid frames_of(const spk_kargs *a)
{
    return {spk_followed_as<int64_t>(a, 0), a->in[0].h * a->in[0].w, 1};
}

static void mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const spk_valid valid = frames_of(a);
    spk_by_lanes(x->c, {x}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const mean_forward<L> op = {L::of(x), valid, static_cast<float *>(y->p), y->ld};
        const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), x->n, valid.frames, x->c, L::width);
        spk_reduce_frames(spk_cuda_of(a), op, g, false, a->scratch);
    });
}

static void mean_bwd(const spk_kargs *a)
{
    const spk_view *dx = &a->din[0], *dy = &a->dout[0];
    const spk_valid valid = frames_of(a);
    if (!dx->p) return;
    spk_by_lanes(dx->c, {dx}, {dy}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const mean_backward<L> op = {L::of(dx), valid, static_cast<const float *>(dy->p), dy->ld, a->add[0]};
        spk_map_frames(spk_cuda_of(a), op, spk_map_tiles(spk_cuda_of(a), dx->n, valid.frames, dx->c, L::width));
    });
}

static size_t mean_scratch(const spk_geom *g, const void *)
{
    const spk_view *x = &g->in[0];
    return spk_reduce_bytes(spk_cuda_of(g), x->n, x->h * x->w, x->c, sizeof(spk_sums<1>));
}

static bool mean_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->out[0].dtype == SPK_F32;
}

const spk_kernel spk__cuda_time_mean = {.name = "cuda",
                                        .supports = mean_supports,
                                        .create = spk_follow_lengths,
                                        .destroy = spk_unfollow_all,
                                        .scratch_bytes = mean_scratch,
                                        .fwd = mean_fwd,
                                        .bwd = mean_bwd};

/* ---- mask ---- */

static void mask(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    const spk_valid valid = spk_valid_of(&a->in[0], spk_followed_as<int64_t>(a, 0));
    spk_by_lanes(to->c, {from, to}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const mask_rows<L> op = {L::of(from), L::of(to), valid, add};
        spk_map_frames(spk_cuda_of(a), op,
                       spk_map_tiles(spk_cuda_of(a), to->n, valid.frames * valid.bins, to->c, L::width));
    });
}

static void mask_fwd(const spk_kargs *a)
{
    mask(a, &a->in[0], &a->out[0], false);
}

static void mask_bwd(const spk_kargs *a)
{
    if (a->din[0].p) mask(a, &a->dout[0], &a->din[0], a->add[0]);
}

static bool mask_supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_mask = {.name = "cuda",
                                   .supports = mask_supports,
                                   .create = spk_follow_lengths,
                                   .destroy = spk_unfollow_all,
                                   .fwd = mask_fwd,
                                   .bwd = mask_bwd};
