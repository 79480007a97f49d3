/* SPDX-License-Identifier: Apache-2.0 */
/*
 * margin_softmax (backend_impl.h) over blocks of classes (classes_impl.h). Of a row and a part of the classes these are
 * kept: the sum of exponentials, the best class and, for the inter-top-k penalty, the part's nearest classes, which its
 * sum leaves out. Joining the parts takes the nearest of all from these lists; what is left of the lists joins the sum.
 * The cosines of a row with its own class and its nearest ones are made apart, in double; they and the log-sum are what
 * the backward pass is given.
 */
#include "backend/cuda/classes_impl.h"

enum { MOST_NEAR = 64 }; /* classes with penalty: each costs a search of the part */

namespace
{

struct part {
    double sum;      /* of exp(z - max), without the own class and the list */
    float max, best; /* the largest logit of the sum; the largest cosine of all */
    int64_t best_class;
};

/* A logit that is no plain scaled cosine; row < 0: none. */
struct special {
    double z, slope;
    int64_t row; /* of the weights */
};

/* Kernels get it by value. */
struct margin_loss {
    spk_classes c;
    spk_margin_attr attr; /* its margins are on the device */
    int64_t list_n;       /* room of a list */
    part *parts;          /* (N, n_parts) */
    spk_near *lists;      /* (N, n_parts, list_n) */
    double *log_sum;      /* N */
    special *specials;    /* (N, 1 + k_top): the own class, the nearest ones */
};

} // namespace

/* ---- memory ---- */

static void lay_records(margin_loss *m, spk_places *at)
{
    m->log_sum = at->take<double>(m->c.n);
    m->specials = at->take<special>(m->c.n * (1 + m->attr.k_top));
}

static void lay_parts(margin_loss *m, spk_places *at)
{
    const int64_t part_n = SPK_CLASS_PART, most = m->c.block < part_n ? m->c.block : part_n;
    m->list_n = m->attr.k_top < most ? m->attr.k_top : most;
    m->parts = at->take<part>(m->c.n * m->c.n_parts);
    m->lists = at->take<spk_near>(m->c.n * m->c.n_parts * m->list_n);
}

static margin_loss loss_of(const spk_kargs *a)
{
    margin_loss m = {};
    spk_places scratch = {static_cast<char *>(a->scratch), 0}, save = {static_cast<char *>(a->save), 0};
    m.attr = *static_cast<const spk_margin_attr *>(a->attr);
    m.attr.margin = static_cast<const spk_margins *>(a->state)->there;
    m.c = spk_classes_of(a, m.attr.k, &scratch);
    lay_parts(&m, &scratch);
    lay_records(&m, a->save ? &save : &scratch);
    return m;
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    margin_loss m = {};
    spk_places at = {};
    m.attr = *static_cast<const spk_margin_attr *>(g->attr);
    spk_classes_lay(&m.c, &g->in[0], &g->in[1], m.attr.k, &at);
    lay_parts(&m, &at);
    lay_records(&m, &at);
    return at.bytes;
}

static size_t save_bytes(const spk_geom *g)
{
    margin_loss m = {};
    spk_places at = {};
    m.attr = *static_cast<const spk_margin_attr *>(g->attr);
    m.c.n = g->in[0].n;
    lay_records(&m, &at);
    return at.bytes;
}

static bool supports(const spk_geom *g)
{
    return spk_classes_fit(g) && static_cast<const spk_margin_attr *>(g->attr)->k_top <= MOST_NEAR;
}

static spk_status create(const spk_geom *g, void **state)
{
    return spk_margins_create(g, static_cast<const spk_margin_attr *>(g->attr)->margin, 2, state);
}

/* ---- forward ---- */

/* Was it taken, when `last` was the last one taken in the order of spk_before? `last` starts as START. */
__device__ static inline bool is_taken(spk_near x, spk_near last)
{
    return x.cosine > last.cosine || (x.cosine == last.cosine && x.row <= last.row);
}
#define START                                                                                                          \
    {                                                                                                                  \
        INFINITY, -1                                                                                                   \
    }

/* The part's list of nearest classes, without the own one; gives the last of them. */
__device__ static spk_near gather_near(const margin_loss &m, const spk_near *mine, const bool *counts, spk_near *list)
{
    __shared__ spk_near room[32];
    const int64_t n_top = spk__margin_n_top(&m.attr);
    spk_near last = START;
    for (int64_t i = 0; i < m.list_n && i < n_top; i++) {
        spk_near next = {-INFINITY, -1};
        for (int j = 0; j < SPK_CLASS_ITEMS; j++)
            if (counts[j] && !is_taken(mine[j], last) && spk_before(mine[j], next)) next = mine[j];
        next = spk_block_first(next, room);
        if (threadIdx.x == 0) list[i] = next;
        if (next.row >= 0) last = next;
    }
    return last;
}

/* A part of block b, row n. */
static __global__ void __launch_bounds__(SPK_CLASS_THREADS) gather(margin_loss m, spk_class_block b)
{
    __shared__ spk_near firsts[32];
    __shared__ float maxima[32];
    __shared__ double sums[32];
    const spk_classes &c = m.c;
    const int64_t n = blockIdx.x / c.parts, p = blockIdx.x % c.parts, place = n * c.n_parts + b.i * c.parts + p;
    spk_near mine[SPK_CLASS_ITEMS], best = {-INFINITY, -1};
    bool counts[SPK_CLASS_ITEMS]; /* not the own class */
    for (int i = 0; i < SPK_CLASS_ITEMS; i++) {
        const int64_t j = p * SPK_CLASS_PART + i * SPK_CLASS_THREADS + threadIdx.x;
        mine[i] = spk_class_cosine(c, b, n, j);
        counts[i] = mine[i].row >= 0 && b.c0 + j != c.label[n];
        if (spk_before(mine[i], best)) best = mine[i];
    }
    best = spk_block_first(best, firsts);
    const spk_near last = gather_near(m, mine, counts, m.lists + place * m.list_n);
    const float scale = static_cast<float>(m.attr.scale);
    float max = -INFINITY, sum = 0;
    for (int i = 0; i < SPK_CLASS_ITEMS; i++) {
        counts[i] = counts[i] && !is_taken(mine[i], last);
        if (counts[i] && scale * mine[i].cosine > max) max = scale * mine[i].cosine;
    }
    max = spk_block_max(max, maxima);
    for (int i = 0; i < SPK_CLASS_ITEMS; i++)
        if (counts[i]) sum += expf(scale * mine[i].cosine - max);
    const double whole = spk_block_sum(static_cast<double>(sum), sums);
    if (threadIdx.x == 0) m.parts[place] = {whole, max, best.cosine, best.row < 0 ? -1 : best.row / c.k};
}

/* The nearest classes of row n over all parts become specials; *max grows with their logits. Gives the last of them. */
__device__ static spk_near join_near(const margin_loss &m, int64_t n, int64_t n_top, double *room, double *max)
{
    __shared__ spk_near firsts[32];
    const spk_near *lists = m.lists + n * m.c.n_parts * m.list_n;
    const int64_t each = n_top < m.list_n ? n_top : m.list_n;
    spk_near last = START;
    for (int64_t i = 0; i < m.attr.k_top; i++) {
        spk_near next = {-INFINITY, -1};
        for (int64_t j = threadIdx.x; i < n_top && j < m.c.n_parts * each; j += blockDim.x) {
            const spk_near x = lists[j / each * m.list_n + j % each];
            if (!is_taken(x, last) && spk_before(x, next)) next = x;
        }
        if (i < n_top) next = spk_block_first(next, firsts);
        special s = {-INFINITY, 0, next.row};
        if (next.row >= 0) {
            last = next;
            s.z = m.attr.scale * spk__margin_other(&m.attr, spk_exact_cosine(m.c, n, next.row, room), &s.slope);
            s.slope *= m.attr.scale;
        }
        if (threadIdx.x == 0) m.specials[n * (1 + m.attr.k_top) + 1 + i] = s;
        *max = fmax(*max, s.z);
    }
    return last;
}

/* What the lists still have behind `last`: this thread's share. */
__device__ static double sum_left(const margin_loss &m, int64_t n, int64_t n_top, spk_near last, double max)
{
    const spk_near *lists = m.lists + n * m.c.n_parts * m.list_n;
    const int64_t each = n_top < m.list_n ? n_top : m.list_n;
    double sum = 0;
    for (int64_t j = threadIdx.x; j < m.c.n_parts * each; j += blockDim.x) {
        const spk_near x = lists[j / each * m.list_n + j % each];
        if (x.row >= 0 && !is_taken(x, last)) sum += exp(m.attr.scale * static_cast<double>(x.cosine) - max);
    }
    return sum;
}

/* Row n over all parts. */
static __global__ void join(margin_loss m)
{
    __shared__ double room[32];
    __shared__ spk_near firsts[32];
    const int64_t n = blockIdx.x, n_top = spk__margin_n_top(&m.attr);
    const part *parts = m.parts + n * m.c.n_parts;
    special own = {0, 0, m.c.own_row[n]};
    own.z = m.attr.scale * spk__margin_own(&m.attr, m.c.own[n], &own.slope);
    own.slope *= m.attr.scale;
    double max = own.z, sum = 0;
    spk_near best = {-INFINITY, -1};
    for (int64_t i = threadIdx.x; i < m.c.n_parts; i += blockDim.x) {
        const spk_near x = {parts[i].best, static_cast<int32_t>(parts[i].best_class)};
        max = fmax(max, static_cast<double>(parts[i].max));
        if (spk_before(x, best)) best = x;
    }
    max = spk_block_max(max, room);
    best = spk_block_first(best, firsts);
    const spk_near last = join_near(m, n, n_top, room, &max);
    if (n_top > 0) sum = sum_left(m, n, n_top, last, max);
    for (int64_t i = threadIdx.x; i < m.c.n_parts; i += blockDim.x)
        if (parts[i].sum != 0) sum += parts[i].sum * exp(static_cast<double>(parts[i].max) - max);
    sum = spk_block_sum(sum, room);
    if (threadIdx.x > 0) return;
    special *list = m.specials + n * (1 + m.attr.k_top);
    list[0] = own;
    for (int64_t i = 0; i <= m.attr.k_top; i++)
        sum += exp(list[i].z - max);
    m.log_sum[n] = max + log(sum);
    m.c.row[2 * n] = m.log_sum[n] - own.z;
    m.c.row[2 * n + 1] = (best.row < 0 ? 0 : best.row) == m.c.label[n];
}

static void fwd(const spk_kargs *a)
{
    const margin_loss m = loss_of(a);
    spk_classes_prepare(a, &m.c);
    for (int64_t i = 0; i < m.c.n_blocks; i++) {
        const spk_class_block b = spk_classes_load(a, &m.c, i);
        spk_launch(spk_cuda_of(a), gather, spk_class_grid(&m.c), SPK_CLASS_THREADS, 0, m, b);
    }
    spk_launch(spk_cuda_of(a), join, static_cast<unsigned>(m.c.n), SPK_ROW_THREADS, 0, m);
    spk_loss_total(a, m.c.row, m.c.n, false);
}

/* ---- backward ---- */

/* The block's dots become the gradients with respect to them, as if there were no specials. */
static __global__ void __launch_bounds__(SPK_CLASS_THREADS)
    put_gradients(margin_loss m, spk_class_block b, const float *dout)
{
    const spk_classes &c = m.c;
    const int64_t n = blockIdx.x / c.parts, p = blockIdx.x % c.parts;
    const float scale = static_cast<float>(m.attr.scale), log_sum = static_cast<float>(m.log_sum[n]);
    const float f = static_cast<float>(static_cast<double>(*dout) / static_cast<double>(c.n) * m.attr.scale);
    for (int i = 0; i < SPK_CLASS_ITEMS; i++) {
        const int64_t j = p * SPK_CLASS_PART + i * SPK_CLASS_THREADS + threadIdx.x;
        const spk_near x = spk_class_cosine(c, b, n, j);
        if (x.row < 0) continue;
        float *dots = c.dots + n * c.ld;
        for (int64_t r = j * c.k; r < (j + 1) * c.k; r++)
            dots[r] = 0;
        dots[x.row - b.r0] = f * expf(scale * x.cosine - log_sum) * c.scale[x.row - b.r0];
    }
}

/* A thread for each special of each row: those whose class lies in the block. */
static __global__ void put_specials(margin_loss m, spk_class_block b, const float *dout)
{
    const spk_classes &c = m.c;
    const int64_t each = 1 + m.attr.k_top, i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= c.n * each) return;
    const special s = m.specials[i];
    const int64_t n = i / each, at = s.row - b.r0;
    if (s.row < 0 || at < 0 || at >= b.rows) return;
    const double factor = static_cast<double>(*dout) / static_cast<double>(c.n), z = s.z - m.log_sum[n];
    float *dots = c.dots + n * c.ld;
    for (int64_t r = at / c.k * c.k; r < (at / c.k + 1) * c.k; r++)
        dots[r] = 0;
    dots[at] = static_cast<float>(factor * s.slope * (i % each == 0 ? expm1(z) : exp(z))) * c.scale[at];
}

static void bwd(const spk_kargs *a)
{
    const margin_loss m = loss_of(a);
    const float *dout = static_cast<const float *>(a->dout[0].p);
    spk_classes_prepare(a, &m.c);
    for (int64_t i = 0; i < m.c.n_blocks; i++) {
        const spk_class_block b = spk_classes_load(a, &m.c, i);
        spk_launch(spk_cuda_of(a), put_gradients, spk_class_grid(&m.c), SPK_CLASS_THREADS, 0, m, b, dout);
        spk_launch(spk_cuda_of(a), put_specials, spk_blocks(m.c.n * (1 + m.attr.k_top), SPK_CLASS_THREADS),
                   SPK_CLASS_THREADS, 0, m, b, dout);
        spk_classes_back(a, &m.c, &b);
    }
    spk_classes_finish(a, &m.c);
}

const spk_kernel spk__cuda_margin_softmax = {.name = "cuda",
                                             .supports = supports,
                                             .create = create,
                                             .destroy = spk_margins_destroy,
                                             .save_bytes = save_bytes,
                                             .scratch_bytes = scratch_bytes,
                                             .fwd = fwd,
                                             .bwd = bwd};
