/* SPDX-License-Identifier: Apache-2.0 */
/* copy (backend_impl.h): rows from one view to another. */
#include "backend/cuda/frames_impl.h"

namespace
{

template <typename L> struct copy_rows {
    L x, y;
    bool add;

    __device__ void run(const spk_tile &t) const
    {
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], old[SPK_GROUP] = {};
            const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
            spk_load_group(x, 0, t, at, r);
            if (add) spk_load_group(y, 0, t, at, old);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[L::width];
                if (u * step >= left) break;
                for (int i = 0; i < L::width; i++)
                    v[i] = L::get(r[u], i);
                spk_store_row(y, 0, t, at, u, v, add, old[u]);
            }
        }
    }
};

} // namespace

static void run(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    spk_by_lanes(from->c, {from, to}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        const copy_rows<L> op = {L::of(from), L::of(to), add};
        spk_map_frames(spk_cuda_of(a), op, spk_map_tiles(spk_cuda_of(a), 1, spk_rows(from), from->c, L::width));
    });
}

static void fwd(const spk_kargs *a)
{
    run(a, &a->in[0], &a->out[0], false);
}

static void bwd(const spk_kargs *a)
{
    if (a->din[0].p) run(a, &a->dout[0], &a->din[0], a->add[0]);
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]);
}

const spk_kernel spk__cuda_copy = {.name = "cuda", .supports = supports, .fwd = fwd, .bwd = bwd, .again = fwd};
