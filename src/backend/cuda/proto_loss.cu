/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_loss (backend_impl.h): P speakers with K rows each. Three kinds of unit rows are made: queries (Q), centroids (P)
 * and, of GE2E, the centroids of a query's own speaker without it (Q). Only directions matter, so sums stand for means.
 * The cosines of queries and centroids are a matrix product; GE2E's own ones are put in their places.
 */
#include "backend/cuda/classes_impl.h"

namespace
{

/* Kernels get it by value. */
struct proto_loss {
    int64_t p, k, q, d, ld; /* ld: of the cosines */
    bool ge2e;
    const float *e;
    int64_t e_ld;
    const float *factor;          /* w; NULL: 1 */
    float *unit, *du;             /* (ROWS,D): queries, centroids, without; gradients alike */
    double *norm;                 /* ROWS */
    float *cosine;                /* (Q,P); their gradients in the backward pass */
    double *log_sum, *d_own, *dw; /* Q; d_own: with respect to GE2E's own cosines */
    double *row;                  /* (Q,2): loss, and whether it is right */
};

} // namespace

__host__ __device__ static inline int64_t rows_of(const proto_loss &t)
{
    return t.q + t.p + (t.ge2e ? t.q : 0);
}

/* ---- memory ---- */

static proto_loss lay(const spk_proto_attr *attr, const spk_view *e, spk_places *at)
{
    proto_loss t = {};
    t.k = attr->per_speaker;
    t.d = e->c;
    t.ge2e = attr->kind == SPK_PROTO_GE2E;
    t.p = e->n / t.k;
    t.q = t.ge2e ? e->n : t.p;
    t.ld = (t.p + 7) / 8 * 8;
    t.unit = at->take<float>(rows_of(t) * t.d);
    t.du = at->take<float>(rows_of(t) * t.d);
    t.norm = at->take<double>(rows_of(t));
    t.cosine = at->take<float>(t.q * t.ld);
    t.log_sum = at->take<double>(t.q);
    t.d_own = at->take<double>(t.q);
    t.dw = at->take<double>(t.q);
    t.row = at->take<double>(2 * t.q);
    return t;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    spk_places at = {};
    lay(static_cast<const spk_proto_attr *>(g->attr), &g->in[0], &at);
    return at.bytes;
}

static proto_loss loss_of(const spk_kargs *a)
{
    spk_places at = {static_cast<char *>(a->scratch), 0};
    proto_loss t = lay(static_cast<const spk_proto_attr *>(a->attr), &a->in[0], &at);
    t.e = static_cast<const float *>(a->in[0].p);
    t.e_ld = a->in[0].ld;
    t.factor = static_cast<const float *>(a->in[1].p);
    return t;
}

static bool supports(const spk_geom *g)
{
    return g->in[0].dtype == SPK_F32;
}

/* ---- forward ---- */

__device__ static inline int64_t speaker_of(const proto_loss &t, int64_t q)
{
    return t.ge2e ? q / t.k : q;
}

/* Element d of row i of the three kinds, before it is divided by its norm. */
__device__ static double element(const proto_loss &t, int64_t i, int64_t d)
{
    if (i < t.q) return static_cast<double>(t.e[(t.ge2e ? i : i * t.k) * t.e_ld + d]);
    const int64_t q = i < t.q + t.p ? -1 : i - t.q - t.p; /* the row that is left out */
    const int64_t first = (q < 0 ? i - t.q : q / t.k) * t.k;
    double sum = 0;
    for (int64_t n = first + (t.ge2e ? 0 : 1); n < first + t.k; n++)
        if (n != q) sum += static_cast<double>(t.e[n * t.e_ld + d]);
    return sum;
}

static __global__ void make_units(proto_loss t)
{
    __shared__ double room[32];
    const int64_t i = blockIdx.x;
    double square = 0;
    for (int64_t d = threadIdx.x; d < t.d; d += blockDim.x)
        square += element(t, i, d) * element(t, i, d);
    const double norm = sqrt(spk_block_sum(square, room));
    for (int64_t d = threadIdx.x; d < t.d; d += blockDim.x)
        t.unit[i * t.d + d] = static_cast<float>(element(t, i, d) / fmax(norm, 1e-12));
    if (threadIdx.x == 0) t.norm[i] = norm;
}

__device__ static inline double factor_of(const proto_loss &t)
{
    return t.factor ? fmax(static_cast<double>(*t.factor), 1e-6) : 1;
}

/* Query q: GE2E's own cosine, the floor; log-sum, loss. b falls out of the softmax. */
static __global__ void join(proto_loss t)
{
    __shared__ double room[32];
    __shared__ spk_near firsts[32];
    const int64_t q = blockIdx.x, speaker = speaker_of(t, q);
    const float *query = t.unit + q * t.d, *without = t.unit + (t.q + t.p + q) * t.d;
    float *cosine = t.cosine + q * t.ld;
    double dot = 0, max = -INFINITY, sum = 0;
    for (int64_t d = threadIdx.x; t.ge2e && d < t.d; d += blockDim.x)
        dot += static_cast<double>(query[d]) * static_cast<double>(without[d]);
    dot = spk_block_sum(dot, room);
    const double w = factor_of(t);
    spk_near best = {-INFINITY, -1};
    for (int64_t p = threadIdx.x; p < t.p; p += blockDim.x) {
        spk_near x = {t.ge2e && p == speaker ? static_cast<float>(dot) : cosine[p], static_cast<int32_t>(p)};
        if (t.ge2e && x.cosine < 1e-6f) x.cosine = 1e-6f;
        cosine[p] = x.cosine;
        max = fmax(max, w * static_cast<double>(x.cosine));
        if (spk_before(x, best)) best = x;
    }
    max = spk_block_max(max, room);
    best = spk_block_first(best, firsts);
    for (int64_t p = threadIdx.x; p < t.p; p += blockDim.x)
        sum += exp(w * static_cast<double>(cosine[p]) - max);
    sum = spk_block_sum(sum, room); /* and all cosines are there */
    if (threadIdx.x > 0) return;
    t.log_sum[q] = max + log(sum);
    t.row[2 * q] = t.log_sum[q] - w * static_cast<double>(cosine[speaker]);
    t.row[2 * q + 1] = (best.row < 0 ? 0 : best.row) == speaker;
}

static void compare(const spk_kargs *a, const proto_loss *t)
{
    const spk_matrix query = {t->unit, SPK_F32, t->q, t->d, t->d, 0};
    const spk_matrix centroid = {t->unit + t->q * t->d, SPK_F32, t->p, t->d, t->d, 0};
    const spk_matrix cosine = {t->cosine, SPK_F32, t->q, t->p, t->ld, 0};
    spk_product how = {};
    how.transpose_b = true;
    how.batch = 1;
    spk_launch(spk_cuda_of(a), make_units, static_cast<unsigned>(rows_of(*t)), SPK_ROW_THREADS, 0, *t);
    spk_cuda_product(spk_cuda_of(a), &query, &centroid, &cosine, &how);
    spk_launch(spk_cuda_of(a), join, static_cast<unsigned>(t->q), SPK_ROW_THREADS, 0, *t);
}

static void fwd(const spk_kargs *a)
{
    const proto_loss t = loss_of(a);
    compare(a, &t);
    spk_loss_total(a, t.row, t.q, static_cast<const spk_proto_attr *>(a->attr)->no_accuracy);
}

/* ---- backward ---- */

/* The cosines of query q become the gradients with respect to them; GE2E's own one goes to its place. */
static __global__ void put_gradients(proto_loss t, const float *dout)
{
    __shared__ double room[32];
    const int64_t q = blockIdx.x, speaker = speaker_of(t, q);
    const double w = factor_of(t), factor = static_cast<double>(*dout) / static_cast<double>(t.q);
    float *cosine = t.cosine + q * t.ld;
    double dw = 0;
    for (int64_t p = threadIdx.x; p < t.p; p += blockDim.x) {
        const double c = static_cast<double>(cosine[p]), z = w * c - t.log_sum[q];
        const double dz = factor * (p == speaker ? expm1(z) : exp(z));
        const double dc = t.ge2e && !(cosine[p] > 1e-6f) ? 0 : w * dz;
        dw += dz * c;
        if (t.ge2e && p == speaker) t.d_own[q] = dc;
        cosine[p] = t.ge2e && p == speaker ? 0 : static_cast<float>(dc);
    }
    dw = spk_block_sum(dw, room);
    if (threadIdx.x == 0) t.dw[q] = dw;
}

static __global__ void add_factor(proto_loss t, float *dw)
{
    __shared__ double room[32];
    double sum = 0;
    for (int64_t q = threadIdx.x; q < t.q; q += blockDim.x)
        sum += t.dw[q];
    sum = spk_block_sum(sum, room);
    if (threadIdx.x == 0 && static_cast<double>(*t.factor) >= 1e-6) *dw += static_cast<float>(sum);
}

/* Element d of the gradient of unit row i: what the products made of it, and GE2E's own cosine. */
__device__ static double unit_gradient(const proto_loss &t, int64_t i, int64_t d)
{
    const int64_t others = t.q + t.p;
    if (i >= others) return t.d_own[i - others] * static_cast<double>(t.unit[(i - others) * t.d + d]);
    double du = static_cast<double>(t.du[i * t.d + d]);
    if (t.ge2e && i < t.q) du += t.d_own[i] * static_cast<double>(t.unit[(others + i) * t.d + d]);
    return du;
}

/* The gradient of a unit row becomes that of the row before it was divided by its norm. */
static __global__ void through_norms(proto_loss t)
{
    __shared__ double room[32];
    const int64_t i = blockIdx.x;
    const float *u = t.unit + i * t.d;
    double along = 0;
    for (int64_t d = threadIdx.x; d < t.d; d += blockDim.x)
        along += static_cast<double>(u[d]) * unit_gradient(t, i, d);
    along = spk_block_sum(along, room);
    for (int64_t d = threadIdx.x; d < t.d; d += blockDim.x) {
        const double du = unit_gradient(t, i, d) - static_cast<double>(u[d]) * along;
        t.du[i * t.d + d] = static_cast<float>(t.norm[i] < 1e-12 ? 0 : du / t.norm[i]);
    }
}

/* Row n: as a query, as part of its centroid, and of the centroids without another row. */
static __global__ void put_rows(proto_loss t, float *de, int64_t ld, bool add)
{
    const int64_t n = blockIdx.x, p = n / t.k;
    const float *centroid = t.du + (t.q + p) * t.d, *without = t.du + (t.q + t.p) * t.d;
    for (int64_t d = threadIdx.x; d < t.d; d += blockDim.x) {
        double g = 0;
        if (t.ge2e || n % t.k > 0) g = static_cast<double>(centroid[d]);
        if (t.ge2e || n % t.k == 0) g += static_cast<double>(t.du[(t.ge2e ? n : p) * t.d + d]);
        for (int64_t other = p * t.k; t.ge2e && other < (p + 1) * t.k; other++)
            if (other != n) g += static_cast<double>(without[other * t.d + d]);
        spk_put(de + n * ld + d, static_cast<float>(g), add);
    }
}

static void bwd(const spk_kargs *a)
{
    const proto_loss t = loss_of(a);
    spk_cuda *d = spk_cuda_of(a);
    compare(a, &t);
    spk_launch(d, put_gradients, static_cast<unsigned>(t.q), SPK_ROW_THREADS, 0, t,
               static_cast<const float *>(a->dout[0].p));
    if (a->din[1].p) spk_launch(d, add_factor, 1, SPK_CLASS_THREADS, 0, t, static_cast<float *>(a->din[1].p));
    if (!a->din[0].p) return;
    const spk_matrix cosine = {t.cosine, SPK_F32, t.q, t.p, t.ld, 0};
    const spk_matrix query = {t.unit, SPK_F32, t.q, t.d, t.d, 0};
    const spk_matrix centroid = {t.unit + t.q * t.d, SPK_F32, t.p, t.d, t.d, 0};
    const spk_matrix dquery = {t.du, SPK_F32, t.q, t.d, t.d, 0};
    const spk_matrix dcentroid = {t.du + t.q * t.d, SPK_F32, t.p, t.d, t.d, 0};
    spk_product to_query = {}, to_centroid = {};
    to_query.batch = to_centroid.batch = 1;
    to_centroid.transpose_a = true;
    spk_cuda_product(d, &cosine, &centroid, &dquery, &to_query);
    spk_cuda_product(d, &cosine, &query, &dcentroid, &to_centroid);
    spk_launch(d, through_norms, static_cast<unsigned>(rows_of(t)), SPK_ROW_THREADS, 0, t);
    spk_launch(d, put_rows, static_cast<unsigned>(a->in[0].n), SPK_ROW_THREADS, 0, t, static_cast<float *>(a->din[0].p),
               a->din[0].ld, a->add[0]);
}

const spk_kernel spk__cuda_proto_loss = {
    .name = "cuda", .supports = supports, .scratch_bytes = scratch_bytes, .fwd = fwd, .bwd = bwd};
