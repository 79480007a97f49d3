/* SPDX-License-Identifier: Apache-2.0 */
/* copy (backend_impl.h): rows from one view to another. */
#include "backend/cuda/cuda_impl.h"

enum { THREADS = 256 };

template <typename X, typename Y>
static __global__ void copy_rows(const X *x, int64_t x_ld, Y *y, int64_t y_ld, int64_t rows, int64_t c, bool add)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= rows * c) return;
    spk_put(y + i / c * y_ld + i % c, spk_load(x + i / c * x_ld + i % c), add);
}

static void run(const spk_kargs *a, const spk_view *from, const spk_view *to, bool add)
{
    const int64_t n = spk_rows(from) * from->c;
    spk_by_type(from->dtype, [&](auto *x) {
        spk_by_type(to->dtype, [&](auto *y) {
            using X = std::remove_pointer_t<decltype(x)>;
            using Y = std::remove_pointer_t<decltype(y)>;
            spk_launch(spk_cuda_of(a), copy_rows<X, Y>, spk_blocks(n, THREADS), THREADS, 0, static_cast<X *>(from->p),
                       from->ld, static_cast<Y *>(to->p), to->ld, spk_rows(from), from->c, add);
        });
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
