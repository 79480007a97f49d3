/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_sum: softmax-weighted sum of layers, each normalised over its channels where that is asked for. A warp has a layer of a row;
 * moments and sums of all (row, layer) lie in scratch, behind the weights and the layers' sums.
 */
#include "backend/cuda/items_impl.h"

enum { THREADS = 256, WARPS = THREADS / 32 };

struct layer_moment {
    float mean, scale;
};

struct layer_plan {
    int64_t items, frames, rows, layers, c;
    const int64_t *len;
    bool normalize;
    float eps;
    const float *w;
    double *weight, *along; /* (L): softmax of w, sums of dy v */
    layer_moment *moments;  /* (rows, L) */
    float *row_along;       /* (rows, L) */
};

__device__ static inline bool is_valid(const layer_plan &p, int64_t row)
{
    const int64_t n = row / p.frames;
    return row - n * p.frames < spk_valid(p.len, n, p.frames);
}

/* One warp. */
static __global__ void softmax(layer_plan p)
{
    const int64_t lane = threadIdx.x;
    double most = static_cast<double>(p.w[0]), sum = 0;
    for (int64_t l = lane; l < p.layers; l += 32)
        most = fmax(most, static_cast<double>(p.w[l]));
    most = spk_warp_max(most);
    for (int64_t l = lane; l < p.layers; l += 32)
        sum += exp(static_cast<double>(p.w[l]) - most);
    sum = spk_warp_sum(sum);
    for (int64_t l = lane; l < p.layers; l += 32)
        p.weight[l] = exp(static_cast<double>(p.w[l]) - most) / sum;
}

/* By a warp: mean and 1 / sqrt(var + eps) of a layer of a row. */
template <typename X> __device__ static inline layer_moment moment_of(const layer_plan &p, const X *x, int lane)
{
    double sum = 0, square = 0;
    for (int64_t c = lane; c < p.c; c += 32)
        sum += static_cast<double>(spk_load(x + c));
    const double mean = spk_warp_sum(sum) / static_cast<double>(p.c);
    for (int64_t c = lane; c < p.c; c += 32) {
        const double d = static_cast<double>(spk_load(x + c)) - mean;
        square += d * d;
    }
    const double var = spk_warp_sum(square) / static_cast<double>(p.c);
    return {static_cast<float>(mean), static_cast<float>(1 / sqrt(var + static_cast<double>(p.eps)))};
}

/* Where a warp is; false, of all its threads, behind the last. */
__device__ static inline bool place_of(const layer_plan &p, int64_t *row, int64_t *layer)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    *row = i / p.layers;
    *layer = i - *row * p.layers;
    return i < p.rows * p.layers;
}

template <typename X> static __global__ void find_moments(layer_plan p, spk_elements<X> x)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    int64_t row, l;
    if (!place_of(p, &row, &l) || !is_valid(p, row)) return;
    const layer_moment m = moment_of(p, x.at(row, l * p.c), lane);
    if (lane == 0) p.moments[row * p.layers + l] = m;
}

template <typename X> struct weigh {
    spk_elements<X> x, y;
    layer_plan p;
    __device__ void operator()(int64_t n, int64_t t, int64_t c) const
    {
        const int64_t row = n * p.frames + t;
        float sum = 0;
        for (int64_t l = 0; l < p.layers && t < spk_valid(p.len, n, p.frames); l++) {
            const layer_moment m = p.normalize ? p.moments[row * p.layers + l] : layer_moment{0, 1};
            sum += static_cast<float>(p.weight[l]) * ((x.get(row, l * p.c + c) - m.mean) * m.scale);
        }
        spk_store(y.at(row, c), sum);
    }
};

/* dv = s dy, and from there to x as in a layer normalisation; sums of dy v for the weights. */
template <typename X>
static __global__ void layers_bwd(layer_plan p, spk_elements<X> x, spk_elements<X> dy, spk_elements<X> dx, bool add)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    int64_t row, l;
    if (!place_of(p, &row, &l)) return;
    const bool valid = is_valid(p, row);
    const float s = static_cast<float>(p.weight[l]);
    const layer_moment m = valid && p.normalize ? moment_of(p, x.at(row, l * p.c), lane) : layer_moment{0, 1};
    double along = 0, all = 0;
    for (int64_t c = lane; valid && c < p.c; c += 32) {
        const float d = dy.get(row, c);
        along += static_cast<double>(d * ((x.get(row, l * p.c + c) - m.mean) * m.scale));
        all += static_cast<double>(d);
    }
    along = spk_warp_sum(along);
    all = spk_warp_sum(all);
    if (lane == 0) p.row_along[row * p.layers + l] = static_cast<float>(along);
    if (!dx.p) return;
    const float mean = p.normalize ? static_cast<float>(all / static_cast<double>(p.c)) : 0;
    const float bend = p.normalize ? static_cast<float>(along / static_cast<double>(p.c)) : 0;
    for (int64_t c = lane; c < p.c; c += 32) {
        float value = 0;
        if (valid) {
            const float v = (x.get(row, l * p.c + c) - m.mean) * m.scale;
            value = s * m.scale * (dy.get(row, c) - mean - v * bend);
        }
        spk_put(dx.at(row, l * p.c + c), value, add);
    }
}

/* A block a layer. */
static __global__ void add_rows(layer_plan p)
{
    __shared__ double room[32];
    double sum = 0;
    for (int64_t r = threadIdx.x; r < p.rows; r += blockDim.x)
        sum += static_cast<double>(p.row_along[r * p.layers + blockIdx.x]);
    sum = spk_block_sum(sum, room);
    if (threadIdx.x == 0) p.along[blockIdx.x] = sum;
}

/* dw = s (along - sum s along): one warp. */
static __global__ void weights_bwd(layer_plan p, float *dw)
{
    double all = 0;
    for (int64_t l = threadIdx.x; l < p.layers; l += 32)
        all += p.weight[l] * p.along[l];
    all = spk_warp_sum(all);
    for (int64_t l = threadIdx.x; l < p.layers; l += 32)
        dw[l] += static_cast<float>(p.weight[l] * (p.along[l] - all));
}

static bool supports(const spk_geom *g)
{
    return spk_is_real(&g->in[0]) && g->out[0].dtype == g->in[0].dtype;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const size_t layers = static_cast<size_t>(g->in[0].c / g->out[0].c);
    return 2 * layers * sizeof(double) + static_cast<size_t>(spk_rows(&g->in[0])) * layers * sizeof(layer_moment);
}

/* Forward and backward have their own content in scratch: moments, or sums of the rows. */
static layer_plan plan_of(const spk_kargs *a, const spk_view *y)
{
    const spk_layer_sum_attr *attr = static_cast<const spk_layer_sum_attr *>(a->attr);
    const spk_view *x = &a->in[0];
    layer_plan p = {};
    p.items = x->n;
    p.frames = x->h * x->w;
    p.rows = spk_rows(x);
    p.c = y->c;
    p.layers = x->c / y->c;
    p.len = spk_lengths_of(a);
    p.normalize = attr->normalize;
    p.eps = static_cast<float>(attr->eps);
    p.w = static_cast<const float *>(a->in[1].p);
    p.weight = static_cast<double *>(a->scratch);
    p.along = p.weight + p.layers;
    p.moments = reinterpret_cast<layer_moment *>(p.along + p.layers);
    p.row_along = reinterpret_cast<float *>(p.along + p.layers);
    return p;
}

static void fwd(const spk_kargs *a)
{
    const spk_view *y = &a->out[0];
    const layer_plan p = plan_of(a, y);
    spk_cuda *d = spk_cuda_of(a);
    spk_launch(d, softmax, 1, 32, 0, p);
    spk_by_type(y->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        const spk_elements<X> x(a->in[0]);
        if (p.normalize) spk_launch(d, find_moments<X>, spk_blocks(p.rows * p.layers, WARPS), THREADS, 0, p, x);
        spk_each(d, p.items, p.frames, p.c, weigh<X>{x, spk_elements<X>(*y), p});
    });
}

static void bwd(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0];
    const layer_plan p = plan_of(a, dy);
    spk_cuda *d = spk_cuda_of(a);
    spk_launch(d, softmax, 1, 32, 0, p);
    spk_by_type(dy->dtype, [&](auto *t) {
        using X = std::remove_pointer_t<decltype(t)>;
        spk_launch(d, layers_bwd<X>, spk_blocks(p.rows * p.layers, WARPS), THREADS, 0, p, spk_elements<X>(a->in[0]),
                   spk_elements<X>(*dy), spk_elements<X>(a->din[0]), a->add[0]);
    });
    if (!a->din[1].p) return;
    spk_launch(d, add_rows, spk_blocks(p.layers, 1), 1024, 0, p);
    spk_launch(d, weights_bwd, 1, 32, 0, p, static_cast<float *>(a->din[1].p));
}

const spk_kernel spk__cuda_layer_sum = {.name = "cuda",
                                        .supports = supports,
                                        .create = spk_lengths_create,
                                        .destroy = spk_lengths_destroy,
                                        .scratch_bytes = scratch_bytes,
                                        .fwd = fwd,
                                        .bwd = bwd};
