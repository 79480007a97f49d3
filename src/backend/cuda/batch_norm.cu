/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch_norm (backend_impl.h) in two passes over the rows each way: sums of each channel, then the rows. The second pass
 * walks backwards, as what the first one read last may still be in the cache. With ReLU the backward pass finds the sign of
 * the result again from x, which it reads anyway.
 * In training with lengths an item's rows go as far as its frames are valid; else all rows are those of one item.
 * Saves mean, 1 / sqrt(var + eps), slope and beta (4C floats) where gradients follow. Scratch: partial sums, then those
 * floats where nothing is saved, or 2C coefficients of the backward pass.
 */
#include "backend/cuda/frames_impl.h"

namespace
{

/* Coefficients of C channels: y = (x - mean) slope + beta; dx = slope dy + d (x - mean) + e. */
struct coefs {
    float *mean, *inv, *slope, *beta, *d, *e;
};

/* Rows as one item, or as the items they are. */
struct extent {
    int64_t items, rows; /* rows of one */
    spk_valid valid;
    __device__ double count() const
    {
        if (!valid.len) return static_cast<double>(items * rows);
        int64_t n = 0;
        for (int64_t i = 0; i < items; i++)
            n += valid.rows(i);
        return static_cast<double>(n);
    }
};

} // namespace

static const spk_batch_norm_attr *attr_of(const void *attr)
{
    return static_cast<const spk_batch_norm_attr *>(attr);
}

static extent extent_of(const spk_view *x, const spk_batch_norm_attr *attr, const int64_t *len)
{
    if (attr->train && x->len) return {x->n, x->h * x->w, spk_valid_of(x, len)};
    return {1, spk_rows(x), {nullptr, spk_rows(x), 1}};
}

/* ---- forward ---- */

namespace
{

struct finish_forward {
    const float *gamma, *beta; /* NULL: 1 and 0 */
    float *running_mean, *running_var;
    int64_t *seen;          /* or NULL */
    const double *momentum; /* of each step its own */
    double eps;
    coefs k;

    __device__ void write(int64_t c, double mean, double var) const
    {
        const double inv = 1 / sqrt(var + eps);
        k.mean[c] = static_cast<float>(mean);
        k.inv[c] = static_cast<float>(inv);
        k.slope[c] = static_cast<float>((gamma ? static_cast<double>(gamma[c]) : 1) * inv);
        k.beta[c] = beta ? beta[c] : 0;
    }
    /* From the running statistics, for one who only looks. */
    __device__ void read(int64_t c, float *mean, float *slope, float *shift) const
    {
        *mean = running_mean[c];
        *slope = (gamma ? gamma[c] : 1) / sqrtf(running_var[c] + static_cast<float>(eps));
        *shift = beta ? beta[c] : 0;
    }
    /* A batch that is not finite leaves the running statistics as they were. */
    __device__ void update(int64_t c, double mean, double var, double rows) const
    {
        const double m = *momentum;
        if (c == 0 && seen) ++*seen;
        if (!isfinite(mean) || !isfinite(var)) return;
        running_mean[c] = static_cast<float>((1 - m) * static_cast<double>(running_mean[c]) + m * mean);
        running_var[c] =
            static_cast<float>((1 - m) * static_cast<double>(running_var[c]) + m * var * rows / (rows - 1));
    }
};

template <typename L> struct moments {
    enum { width = L::width };
    typedef spk_sums<2> state;
    L x;
    extent rows;
    finish_forward to;

    __device__ void run(spk_tile t, state *m) const
    {
        t.end = min(t.end, rows.valid.rows(t.item));
        spk_sum_moments(x, t.item * rows.rows, t, m);
    }
    __device__ void finish(int64_t, int64_t c, const state &m) const
    {
        const double n = rows.count(), mean = m.s[0] / n, square = m.s[1] / n - mean * mean;
        const double var = square < 0 ? 0 : square;
        to.update(c, mean, var, n);
        to.write(c, mean, var);
    }
};

} // namespace

/* By the running statistics. */
static __global__ void write_running(finish_forward to, int64_t n_c)
{
    const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (c < n_c) to.write(c, static_cast<double>(to.running_mean[c]), static_cast<double>(to.running_var[c]));
}

namespace
{

template <typename L> struct normalise {
    L x, y;
    extent rows;
    coefs k; /* nothing: of the running statistics */
    finish_forward running;
    bool relu;

    __device__ void run(const spk_tile &t) const
    {
        enum { V = L::width };
        float mean[V], slope[V], beta[V];
        if (k.mean) {
            spk_floats<V>(k.mean, t.lane, mean);
            spk_floats<V>(k.slope, t.lane, slope);
            spk_floats<V>(k.beta, t.lane, beta);
        } else
            for (int i = 0; i < V; i++)
                running.read(t.lane * V + i, &mean[i], &slope[i], &beta[i]);
        const int64_t valid = rows.valid.rows(t.item), row0 = t.item * rows.rows;
        const int step = static_cast<int>(t.step);
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP];
            const int left = spk_left(t, at, t.end), on = spk_left(t, at, valid);
            spk_load_group(x, row0, t, at, r);
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[V];
                for (int i = 0; i < V; i++)
                    v[i] = fmaf(L::get(r[u], i) - mean[i], slope[i], beta[i]);
                if (relu)
                    for (int i = 0; i < V; i++)
                        v[i] = v[i] < 0 ? 0 : v[i];
                if (u * step >= on)
                    for (int i = 0; i < V; i++)
                        v[i] = 0;
                if (u * step < left) spk_store_row(y, row0, t, at, u, v);
            }
        }
    }
};

} // namespace

static size_t partial_bytes(const spk_cuda *d, const spk_view *x, const void *attr)
{
    const extent rows = extent_of(x, attr_of(attr), nullptr);
    return spk_reduce_bytes(d, rows.items, rows.rows, x->c, sizeof(spk_sums<2>));
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    return partial_bytes(spk_cuda_of(g), &g->in[0], g->attr) + static_cast<size_t>(g->in[0].c) * 4 * sizeof(float);
}

static size_t save_bytes(const spk_geom *g)
{
    if (!g->train) return 0; /* by the running statistics then, in one pass */
    return static_cast<size_t>(g->in[0].c) * 4 * sizeof(float);
}

static coefs coefs_of(const spk_kargs *a)
{
    const int64_t n_c = a->in[0].c;
    float *more =
        reinterpret_cast<float *>(static_cast<char *>(a->scratch) + partial_bytes(spk_cuda_of(a), &a->in[0], a->attr));
    float *p = a->save ? static_cast<float *>(a->save) : more;
    return {p, p + n_c, p + 2 * n_c, p + 3 * n_c, more, more + n_c};
}

static finish_forward finish_of(const spk_kargs *a)
{
    return {static_cast<const float *>(a->in[1].p),
            static_cast<const float *>(a->in[2].p),
            static_cast<float *>(a->in[3].p),
            static_cast<float *>(a->in[4].p),
            static_cast<int64_t *>(a->in[5].p),
            spk_followed_as<double>(a, 1),
            attr_of(a->attr)->eps,
            coefs_of(a)};
}

static void write_by(const spk_kargs *a, const coefs &k)
{
    const spk_batch_norm_attr *attr = attr_of(a->attr);
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const extent rows = extent_of(x, attr, spk_followed_as<int64_t>(a, 0));
    spk_by_lanes<4>(x->c, {x, y}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        spk_tiles g = spk_map_tiles(spk_cuda_of(a), rows.items, rows.rows, x->c, L::width);
        g.backwards = true;
        const normalise<L> op = {L::of(x), L::of(y), rows, k, finish_of(a), attr->relu};
        spk_map_frames(spk_cuda_of(a), op, g);
    });
}

static void write_rows(const spk_kargs *a)
{
    write_by(a, coefs_of(a));
}

static void fwd(const spk_kargs *a)
{
    enum { THREADS = 256 };
    const spk_batch_norm_attr *attr = attr_of(a->attr);
    const spk_view *x = &a->in[0];
    const extent rows = extent_of(x, attr, spk_followed_as<int64_t>(a, 0));
    const finish_forward to = finish_of(a);
    if (!attr->train && !a->save) return write_by(a, coefs());
    if (attr->train)
        spk_by_lanes<4>(x->c, {x}, {}, [&](auto *lanes) {
            using L = std::remove_pointer_t<decltype(lanes)>;
            const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), rows.items, rows.rows, x->c, L::width);
            spk_reduce_frames(spk_cuda_of(a), moments<L>{L::of(x), rows, to}, g, true, a->scratch);
        });
    else
        spk_launch(spk_cuda_of(a), write_running, spk_blocks(x->c, THREADS), THREADS, 0, to, x->c);
    write_rows(a);
}

/* ---- backward ---- */

namespace
{

/* Sums of dy, zero where the ReLU was, and of its product with x - mean. */
template <typename L> struct slopes {
    enum { width = L::width };
    typedef spk_sums<2> state;
    L x, dy;
    extent rows;
    coefs k;
    float *dgamma, *dbeta; /* NULL: not wanted */
    bool relu;

    __device__ void run(spk_tile t, state *m) const
    {
        enum { V = L::width };
        float mean[V], slope[V], beta[V];
        spk_floats<V>(k.mean, t.lane, mean);
        spk_floats<V>(k.slope, t.lane, slope);
        spk_floats<V>(k.beta, t.lane, beta);
        t.end = min(t.end, rows.valid.rows(t.item));
        const int64_t row0 = t.item * rows.rows;
        float sum[V] = {}, product[V] = {};
        for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
            typename L::raw r[SPK_GROUP], q[SPK_GROUP];
            spk_load_group(x, row0, t, at, r);
            spk_load_group(dy, row0, t, at, q); /* zeros behind the end */
#pragma unroll
            for (int u = 0; u < SPK_GROUP; u++) {
                float v[V], d[V];
                for (int i = 0; i < V; i++) {
                    v[i] = L::get(r[u], i) - mean[i];
                    d[i] = L::get(q[u], i);
                }
                if (relu)
                    for (int i = 0; i < V; i++)
                        d[i] = fmaf(v[i], slope[i], beta[i]) > 0 ? d[i] : 0;
                for (int i = 0; i < V; i++) {
                    sum[i] += d[i];
                    product[i] = fmaf(d[i], v[i], product[i]);
                }
            }
        }
        for (int i = 0; i < V; i++) { /* of some hundred rows, as in spk_sum_moments */
            m[i].s[0] += static_cast<double>(sum[i]);
            m[i].s[1] += static_cast<double>(product[i]);
        }
    }
    __device__ void finish(int64_t, int64_t c, const state &m) const
    {
        const double inv = static_cast<double>(k.inv[c]), scale = static_cast<double>(k.slope[c]);
        const double product = m.s[1] * inv, n = rows.count();
        if (dbeta) dbeta[c] = static_cast<float>(static_cast<double>(dbeta[c]) + m.s[0]);
        if (dgamma) dgamma[c] = static_cast<float>(static_cast<double>(dgamma[c]) + product);
        k.d[c] = static_cast<float>(-scale * inv * product / n);
        k.e[c] = static_cast<float>(-scale * m.s[0] / n);
    }
};

template <typename L> struct write_dx {
    L x, dy, dx;
    extent rows;
    coefs k;
    bool train, relu, mask, add;

    __device__ void run(const spk_tile &t) const
    {
        enum { V = L::width, GROUP = 2 };
        float mean[V], slope[V], beta[V], d[V] = {}, e[V] = {};
        spk_floats<V>(k.mean, t.lane, mean);
        spk_floats<V>(k.slope, t.lane, slope);
        spk_floats<V>(k.beta, t.lane, beta);
        if (train) {
            spk_floats<V>(k.d, t.lane, d);
            spk_floats<V>(k.e, t.lane, e);
        }
        const int64_t valid = rows.valid.rows(t.item), row0 = t.item * rows.rows;
        const int step = static_cast<int>(t.step);
        for (int64_t at = t.first; at < t.end; at += GROUP * t.step) {
            typename L::raw r[GROUP], q[GROUP], old[GROUP] = {};
            const int left = spk_left<GROUP>(t, at, t.end), on = spk_left<GROUP>(t, at, valid);
            spk_load_group(x, row0, t, at, r);
            spk_load_group(dy, row0, t, at, q);
            if (add) spk_load_group(dx, row0, t, at, old);
#pragma unroll
            for (int u = 0; u < GROUP; u++) {
                float v[V], g[V];
                for (int i = 0; i < V; i++) {
                    v[i] = L::get(r[u], i) - mean[i];
                    g[i] = L::get(q[u], i);
                }
                if (relu)
                    for (int i = 0; i < V; i++)
                        g[i] = fmaf(v[i], slope[i], beta[i]) > 0 ? g[i] : 0;
                for (int i = 0; i < V; i++)
                    g[i] = slope[i] * g[i] + (d[i] * v[i] + e[i]);
                if (mask)
                    for (int i = 0; i < V; i++)
                        g[i] = L::get(r[u], i) > 0 ? g[i] : 0;
                if (u * step >= on)
                    for (int i = 0; i < V; i++)
                        g[i] = 0;
                if (u * step < left) spk_store_row(dx, row0, t, at, u, g, add, old[u]);
            }
        }
    }
};

} // namespace

static void bwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = attr_of(a->attr);
    const spk_view *x = &a->in[0], *dy = &a->dout[0], *dx = &a->din[0];
    const extent rows = extent_of(x, attr, spk_followed_as<int64_t>(a, 0));
    const coefs k = coefs_of(a);
    float *dgamma = static_cast<float *>(a->din[1].p), *dbeta = static_cast<float *>(a->din[2].p);
    if (dgamma || dbeta || (attr->train && dx->p))
        spk_by_lanes<4>(x->c, {x, dy}, {}, [&](auto *lanes) {
            using L = std::remove_pointer_t<decltype(lanes)>;
            const spk_tiles g = spk_reduce_tiles(spk_cuda_of(a), rows.items, rows.rows, x->c, L::width);
            const slopes<L> op = {L::of(x), L::of(dy), rows, k, dgamma, dbeta, attr->relu};
            spk_reduce_frames(spk_cuda_of(a), op, g, true, a->scratch);
        });
    if (!dx->p) return;
    spk_by_lanes<4>(x->c, {x, dy, dx}, {}, [&](auto *lanes) {
        using L = std::remove_pointer_t<decltype(lanes)>;
        spk_tiles g = spk_map_tiles(spk_cuda_of(a), rows.items, rows.rows, x->c, L::width);
        g.backwards = true;
        const write_dx<L> op = {L::of(x),    L::of(dy),  L::of(dx),     rows,     k,
                                attr->train, attr->relu, attr->mask_dx, a->add[0]};
        spk_map_frames(spk_cuda_of(a), op, g);
    });
}

/* ---- */

static spk_status create(const spk_geom *g, void **state)
{
    const spk_view *x = &g->in[0];
    return spk_follow_all(g, x->len, static_cast<size_t>(x->n) * sizeof(int64_t), &attr_of(g->attr)->momentum,
                          sizeof(double), state);
}

const spk_kernel spk__cuda_batch_norm = {.name = "cuda",
                                         .create = create,
                                         .destroy = spk_unfollow_all,
                                         .save_bytes = save_bytes,
                                         .scratch_bytes = scratch_bytes,
                                         .fwd = fwd,
                                         .bwd = bwd,
                                         .again = write_rows};
