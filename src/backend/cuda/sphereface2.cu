/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sphereface2 (backend_impl.h) over blocks of classes (classes_impl.h): every class is a decision of its own, so a row's
 * loss is a sum over its logits and nothing needs to be known of the others. The curves are in double.
 */
#include "backend/cuda/classes_impl.h"

namespace
{

struct part {
    double sum; /* of the losses; in the backward pass of the derivatives with respect to the bias */
    spk_near best;
};

/* Kernels get it by value. */
struct sphere_loss {
    spk_classes c;
    spk_sphere_attr attr; /* its margin is on the device */
    const float *bias;
    part *parts; /* (N, n_parts) */
};

} // namespace

static sphere_loss loss_of(const spk_kargs *a)
{
    sphere_loss m = {};
    spk_places scratch = {static_cast<char *>(a->scratch), 0};
    m.attr = *static_cast<const spk_sphere_attr *>(a->attr);
    m.attr.margin = static_cast<const spk_margins *>(a->state)->there;
    m.c = spk_classes_of(a, 1, &scratch);
    m.bias = static_cast<const float *>(a->in[3].p);
    m.parts = scratch.take<part>(m.c.n * m.c.n_parts);
    return m;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    spk_classes c;
    spk_places at = {};
    spk_classes_lay(&c, &g->in[0], &g->in[1], 1, &at);
    at.take<part>(c.n * c.n_parts);
    return at.bytes;
}

static bool supports(const spk_geom *g)
{
    return spk_classes_fit(g);
}

static spk_status create(const spk_geom *g, void **state)
{
    return spk_margins_create(g, static_cast<const spk_sphere_attr *>(g->attr)->margin, 1, state);
}

/* The loss of one decision; its derivatives with respect to the cosine and the bias. */
__device__ static double decide(const sphere_loss &m, double cosine, bool own, double *slope, double *bias_slope)
{
    double turn;
    const double h = own ? spk__sphere_own(&m.attr, cosine, &turn) : spk__sphere_other(&m.attr, cosine, &turn);
    const double z = m.attr.scale * h + static_cast<double>(*m.bias), x = own ? -z : z, small = exp(-fabs(x));
    const double share = own ? m.attr.lambda : 1 - m.attr.lambda;
    const double steep = x > 0 ? 1 / (1 + small) : small / (1 + small);
    *bias_slope = own ? -share * steep : share * steep;
    *slope = *bias_slope * m.attr.scale * turn;
    return share * (fmax(x, 0.0) + log1p(small));
}

/* The cosine of class j of block b: of the own one in full precision. */
__device__ static double cosine_of(const sphere_loss &m, const spk_class_block &b, int64_t n, int64_t j, spk_near near)
{
    return b.c0 + j == m.c.label[n] ? m.c.own[n] : static_cast<double>(near.cosine);
}

static __global__ void __launch_bounds__(SPK_CLASS_THREADS) gather(sphere_loss m, spk_class_block b)
{
    __shared__ spk_near firsts[32];
    __shared__ double sums[32];
    const spk_classes &c = m.c;
    const int64_t n = blockIdx.x / c.parts, p = blockIdx.x % c.parts;
    spk_near best = {-INFINITY, -1};
    double sum = 0, slope, bias_slope;
    for (int i = 0; i < SPK_CLASS_ITEMS; i++) {
        const int64_t j = p * SPK_CLASS_PART + i * SPK_CLASS_THREADS + threadIdx.x;
        const spk_near x = spk_class_cosine(c, b, n, j);
        if (x.row < 0) continue;
        if (spk_before(x, best)) best = x;
        sum += decide(m, cosine_of(m, b, n, j, x), b.c0 + j == c.label[n], &slope, &bias_slope);
    }
    best = spk_block_first(best, firsts);
    sum = spk_block_sum(sum, sums);
    if (threadIdx.x == 0) m.parts[n * c.n_parts + b.i * c.parts + p] = {sum, best};
}

/* Row n over all parts. */
static __global__ void join(sphere_loss m)
{
    __shared__ spk_near firsts[32];
    __shared__ double sums[32];
    const int64_t n = blockIdx.x;
    spk_near best = {-INFINITY, -1};
    double sum = 0;
    for (int64_t i = threadIdx.x; i < m.c.n_parts; i += blockDim.x) {
        const part x = m.parts[n * m.c.n_parts + i];
        sum += x.sum;
        if (spk_before(x.best, best)) best = x.best;
    }
    sum = spk_block_sum(sum, sums);
    best = spk_block_first(best, firsts);
    if (threadIdx.x > 0) return;
    m.c.row[2 * n] = sum;
    m.c.row[2 * n + 1] = (best.row < 0 ? 0 : best.row) == m.c.label[n];
}

static void fwd(const spk_kargs *a)
{
    const sphere_loss m = loss_of(a);
    spk_classes_prepare(a, &m.c);
    for (int64_t i = 0; i < m.c.n_blocks; i++) {
        const spk_class_block b = spk_classes_load(a, &m.c, i);
        spk_launch(spk_cuda_of(a), gather, spk_class_grid(&m.c), SPK_CLASS_THREADS, 0, m, b);
    }
    spk_launch(spk_cuda_of(a), join, static_cast<unsigned>(m.c.n), SPK_ROW_THREADS, 0, m);
    spk_loss_total(a, m.c.row, m.c.n, false);
}

/* The block's dots become the gradients with respect to them. */
static __global__ void __launch_bounds__(SPK_CLASS_THREADS)
    put_gradients(sphere_loss m, spk_class_block b, const float *dout)
{
    __shared__ double sums[32];
    const spk_classes &c = m.c;
    const int64_t n = blockIdx.x / c.parts, p = blockIdx.x % c.parts;
    const double factor = static_cast<double>(*dout) / static_cast<double>(c.n);
    double bias = 0, slope, bias_slope;
    for (int i = 0; i < SPK_CLASS_ITEMS; i++) {
        const int64_t j = p * SPK_CLASS_PART + i * SPK_CLASS_THREADS + threadIdx.x;
        const spk_near x = spk_class_cosine(c, b, n, j);
        if (x.row < 0) continue;
        decide(m, cosine_of(m, b, n, j, x), b.c0 + j == c.label[n], &slope, &bias_slope);
        c.dots[n * c.ld + j] = static_cast<float>(factor * slope) * c.scale[j];
        bias += factor * bias_slope;
    }
    bias = spk_block_sum(bias, sums);
    if (threadIdx.x == 0) m.parts[n * c.n_parts + b.i * c.parts + p].sum = bias;
}

static __global__ void add_bias(const part *parts, int64_t n, float *bias)
{
    __shared__ double room[32];
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
        sum += parts[i].sum;
    sum = spk_block_sum(sum, room);
    if (threadIdx.x == 0) *bias += static_cast<float>(sum);
}

static void bwd(const spk_kargs *a)
{
    const sphere_loss m = loss_of(a);
    const float *dout = static_cast<const float *>(a->dout[0].p);
    spk_classes_prepare(a, &m.c);
    for (int64_t i = 0; i < m.c.n_blocks; i++) {
        const spk_class_block b = spk_classes_load(a, &m.c, i);
        spk_launch(spk_cuda_of(a), put_gradients, spk_class_grid(&m.c), SPK_CLASS_THREADS, 0, m, b, dout);
        spk_classes_back(a, &m.c, &b);
    }
    spk_classes_finish(a, &m.c);
    if (a->din[3].p)
        spk_launch(spk_cuda_of(a), add_bias, 1, 1024, 0, m.parts, m.c.n * m.c.n_parts,
                   static_cast<float *>(a->din[3].p));
}

const spk_kernel spk__cuda_sphereface2 = {.name = "cuda",
                                          .supports = supports,
                                          .create = create,
                                          .destroy = spk_margins_destroy,
                                          .scratch_bytes = scratch_bytes,
                                          .fwd = fwd,
                                          .bwd = bwd};
