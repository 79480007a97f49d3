/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention: scores to probabilities and back, a warp a row; where positions meet scores. (attention_impl.h)
 *
 * A row of at most MOST_STEPS steps is held in registers. In a step a warp has two chunks of draws: a lane has the elements e,
 * e + 16, e + 32 and e + 48 of one of them, whose draws are one block of Philox (draw_impl.h). Longer rows are read anew
 * for each thing that is asked of them.
 */
#include "backend/cuda/attention_impl.h"
#include "backend/cuda/draw_cuda_impl.h"

#include <type_traits>

enum { WARPS = 8, STEP = 2 * SPK_DRAW_CHUNK, WORDS = SPK_DRAW_CHUNK / SPK_DRAW_LANES, MOST_STEPS = 4 };
static const int64_t MOST_BLOCKS_PER_SM = 32;

/* A saved probability where frames are bfloat16: 11 bits, because gradients cancel in a row. IEEE's half precision of 0 to 1. */
struct saved_half {
    uint16_t bits;
};
template <typename F> using saved = std::conditional_t<sizeof(F) == sizeof(float), float, saved_half>;

__device__ static inline void spk_store(saved_half *to, float x)
{
#ifdef SPK_EMULATE_CUDA
    union {
        float f;
        uint32_t u;
    } v = {x};
    if (x < 0x1p-14f) /* not normal: so many of the smallest */
        to->bits = static_cast<uint16_t>(lrintf(x * 0x1p24f));
    else
        to->bits = static_cast<uint16_t>(((v.u + 0xfff + (v.u >> 13 & 1)) >> 13) - (112 << 10));
    if (x != x) to->bits = 0x7fff;
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(x));
#endif
}

__device__ static inline float spk_load(const saved_half *from)
{
#ifdef SPK_EMULATE_CUDA
    union {
        uint32_t u;
        float f;
    } v = {(static_cast<uint32_t>(from->bits) << 13) + (112u << 23)};
    if (from->bits > 0x7c00) return NAN;
    return from->bits < 1 << 10 ? static_cast<float>(from->bits) * 0x1p-24f : v.f;
#else
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(from->bits));
    return x;
#endif
}

/* What a kernel knows of a pass: plain values. */
struct rows_of {
    const int64_t *len;
    const spk_draws *draws;
    spk_attention_kind kind;
    bool zero_triu;
    int64_t table_len, heads, t, s_ld, scored; /* scored: rows of all heads and items */
    float scale;
    uint64_t stream;
    uint32_t bound;
    float keep;
    spk_attention_pass s;
};

static rows_of rows_for(const spk_attention *w, const spk_attention_pass *s)
{
    rows_of r = {};
    r.len = w->len;
    r.draws = w->draws;
    r.kind = w->attr->kind;
    r.zero_triu = w->attr->zero_triu;
    r.table_len = w->attr->table_len;
    r.heads = w->heads;
    r.t = w->t;
    r.s_ld = w->s_ld;
    r.scored = w->heads * s->m * s->rows;
    r.scale = w->scale;
    r.stream = w->attr->stream;
    r.bound = spk__drop_below(w->attr->dropout);
    r.keep = static_cast<float>(spk__drop_scale(w->attr->dropout));
    r.s = *s;
    return r;
}

/* A row of scores: of head and item `block` (head m + item), query i. */
struct score_row {
    int64_t block, i, len, first; /* first: element of the row's first draw */
};

__device__ static inline score_row row_at(const rows_of &w, int64_t row)
{
    score_row r;
    const uint32_t all = static_cast<uint32_t>(row), rows = static_cast<uint32_t>(w.s.rows),
                   m = static_cast<uint32_t>(w.s.m), block = all / rows; /* a pass has less than 2^32 rows */
    const int64_t item = w.s.item0 + block % m, head = block / m;
    r.block = block;
    r.i = w.s.i0 + all % rows;
    r.len = !w.len || w.len[item] > w.t ? w.t : w.len[item] < 0 ? 0 : w.len[item];
    r.first = ((item * w.heads + head) * w.t + r.i) * w.t;
    return r;
}

/* Legacy: rows of the batch's table before those of an item's own. */
__device__ static inline int64_t skipped(const rows_of &w, int64_t len)
{
    return w.t <= w.table_len ? 0 : w.t - (len > w.table_len ? len : w.table_len);
}

/* Where a row's scores find their products with positions: key j at left + j up to its own frame, at right + j from `next`
 * on. */
struct score_places {
    int64_t left, right, next;
};

__device__ static inline score_places places_of(const rows_of &w, const score_row &r)
{
    const int64_t row = (r.block * w.s.q_rows + r.i - w.s.i0) * w.s.p_ld, skip = skipped(w, r.len);
    if (w.kind == SPK_ATTN_LEGACY) return {row + skip + r.len - 1 - r.i, row + w.s.p_ld + skip - r.i - 2, r.i + 2};
    const int64_t left = row + w.t - 1 - r.i - w.s.p0;
    return {left, left, w.zero_triu ? w.t : r.i + 1};
}

__device__ static inline float score(const rows_of &w, const score_row &r, const score_places &at, const float *s,
                                     const float *pos, int64_t j)
{
    float x = s[j];
    if (pos && j <= r.i) x += pos[at.left + j];
    if (pos && j >= at.next) x += pos[at.right + j];
    return w.scale * x;
}

/* What dropout makes of x, the probability of key j or its gradient. */
__device__ static inline float drop(const rows_of &w, const score_row &r, spk_draw_key key, int64_t j, float x)
{
    return spk_cuda_draw(key, static_cast<uint64_t>(r.first + j)) >= w.bound ? x * w.keep : 0;
}

/* All threads of a block must come here. Without dropout there need not be draws. */
__device__ static inline spk_draw_key key_of(const rows_of &w)
{
    return w.bound > 0 ? spk_cuda_block_key(w.draws, w.stream) : spk_draw_key();
}

/* Rows go round the warps of the grid; a warp's lanes stay together. */
static unsigned blocks_for(const spk_attention *w, int64_t rows)
{
    const int64_t all = (rows + WARPS - 1) / WARPS, most = w->d->n_sm * MOST_BLOCKS_PER_SM;
    return static_cast<unsigned>(all < most ? all : most);
}

/* Rows that fit into registers, and how many steps they take at most, wherever their first draw lies. */
static int steps_of(int64_t t)
{
    const int64_t steps = (t + SPK_DRAW_CHUNK - 1 + STEP - 1) / STEP;
    return steps > MOST_STEPS ? 0 : steps < 2 ? 2 : static_cast<int>(steps);
}

/* Key of a lane's first element in a step; its others follow by SPK_DRAW_LANES. Negative: before the row. */
__device__ static inline int key_at(const score_row &r, int step, int lane)
{
    return step * STEP + lane / SPK_DRAW_LANES * SPK_DRAW_CHUNK + lane % SPK_DRAW_LANES -
           static_cast<int>(r.first % SPK_DRAW_CHUNK);
}

/* What dropout multiplies a lane's elements of a step by. */
__device__ static inline void factors_at(const rows_of &w, const score_row &r, spk_draw_key key, int step, int lane,
                                         float *factor)
{
    uint32_t word[WORDS];
    const int64_t chunk = r.first / SPK_DRAW_CHUNK + 2 * step + lane / SPK_DRAW_LANES;
    spk__draw_block(key, static_cast<uint64_t>(chunk * SPK_DRAW_LANES + lane % SPK_DRAW_LANES), word);
#pragma unroll
    for (int k = 0; k < WORDS; k++)
        factor[k] = word[k] >= w.bound ? w.keep : 0;
}

/* f(kernel's number of steps), 0 for long rows. */
template <typename F> static void by_steps(int64_t t, F f)
{
    switch (steps_of(t)) {
    case 2:
        return f(std::integral_constant<int, 2>());
    case 3:
        return f(std::integral_constant<int, 3>());
    case 4:
        return f(std::integral_constant<int, 4>());
    default:
        return f(std::integral_constant<int, 0>());
    }
}

/* ---- forward ---- */

template <typename F>
__device__ static inline void softmax_long(const rows_of &w, int64_t row, const score_row &r, spk_draw_key key,
                                           const float *scores, const float *pos, saved<F> *save, F *kept)
{
    const int lane = threadIdx.x % 32;
    const int64_t n = r.i < r.len ? r.len : 0;
    const score_places at = places_of(w, r);
    const float *s = scores + row * w.s_ld;
    float max = -INFINITY, sum = 0;
    for (int64_t j = lane; j < n; j += 32) {
        const float x = score(w, r, at, s, pos, j);
        max = x > max ? x : max;
    }
    max = spk_warp_max(max);
    for (int64_t j = lane; j < n; j += 32)
        sum += __expf(score(w, r, at, s, pos, j) - max);
    sum = spk_warp_sum(sum);
    for (int64_t j = lane; j < w.t; j += 32) {
        const float p = j < n ? __expf(score(w, r, at, s, pos, j) - max) / sum : 0;
        if (save) spk_store(save + (r.block * w.t + r.i) * w.s_ld + j, p);
        if (kept) spk_store(kept + row * w.s_ld + j, w.bound > 0 && j < n ? drop(w, r, key, j, p) : p);
    }
}

template <int STEPS, typename F>
__device__ static inline void softmax_short(const rows_of &w, int64_t row, const score_row &r, spk_draw_key key,
                                            const float *scores, const float *pos, saved<F> *save, F *kept)
{
    const int lane = threadIdx.x % 32, t = static_cast<int>(w.t), n = r.i < r.len ? static_cast<int>(r.len) : 0;
    const score_places at = places_of(w, r);
    const float *s = scores + row * w.s_ld;
    float x[STEPS][WORDS], max = -INFINITY, sum = 0;
#pragma unroll
    for (int i = 0; i < STEPS; i++)
#pragma unroll
        for (int k = 0; k < WORDS; k++) {
            const int j = key_at(r, i, lane) + k * SPK_DRAW_LANES;
            x[i][k] = j >= 0 && j < n ? score(w, r, at, s, pos, j) : -INFINITY;
            max = x[i][k] > max ? x[i][k] : max;
        }
    max = n > 0 ? spk_warp_max(max) : 0; /* of the whole warp */
#pragma unroll
    for (int i = 0; i < STEPS; i++)
#pragma unroll
        for (int k = 0; k < WORDS; k++)
            sum += x[i][k] = __expf(x[i][k] - max);
    sum = spk_warp_sum(sum);
    const float scale = n > 0 ? 1 / sum : 0;
    save += save ? (r.block * w.t + r.i) * w.s_ld : 0;
    kept += kept ? row * w.s_ld : 0;
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
        float factor[WORDS] = {1, 1, 1, 1};
        if (kept && w.bound > 0) factors_at(w, r, key, i, lane, factor);
#pragma unroll
        for (int k = 0; k < WORDS; k++) {
            const int j = key_at(r, i, lane) + k * SPK_DRAW_LANES;
            if (j < 0 || j >= t) continue;
            if (save) spk_store(save + j, x[i][k] * scale);
            if (kept) spk_store(kept + j, x[i][k] * scale * factor[k]);
        }
    }
}

template <int STEPS, typename F>
static __global__ void __launch_bounds__(WARPS * 32)
    softmax_rows(rows_of w, const float *scores, const float *pos, saved<F> *save, F *kept)
{
    const spk_draw_key key = key_of(w);
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32; row < w.scored;
         row += static_cast<int64_t>(gridDim.x) * WARPS) {
        const score_row r = row_at(w, row);
        if constexpr (STEPS == 0)
            softmax_long(w, row, r, key, scores, pos, save, kept);
        else
            softmax_short<STEPS>(w, row, r, key, scores, pos, save, kept);
    }
}

void spk_attention_softmax(const spk_attention *w, const spk_attention_pass *s, const float *scores, const float *pos,
                           void *save, void *kept)
{
    const rows_of r = rows_for(w, s);
    spk_by_type(w->weights, [&](auto *type) {
        using F = std::remove_pointer_t<decltype(type)>;
        by_steps(w->t, [&](auto steps) {
            spk_launch(w->d, softmax_rows<decltype(steps)::value, F>, blocks_for(w, r.scored), WARPS * 32, 0, r, scores,
                       pos, static_cast<saved<F> *>(save), static_cast<F *>(kept));
        });
    });
}

/* ---- backward ---- */

/* A lane reads only what it wrote itself. */
template <typename F>
__device__ static inline void backward_long(const rows_of &w, int64_t row, const score_row &r, spk_draw_key key,
                                            const saved<F> *save, float *grad, F *kept)
{
    const int lane = threadIdx.x % 32;
    const int64_t n = r.i < r.len ? r.len : 0, first = row * w.s_ld;
    float dot = 0;
    for (int64_t j = lane; j < n; j += 32) {
        const float p = spk_load(save + first + j);
        float g = grad[first + j];
        if (kept) { /* one draw for both */
            const float factor = w.bound > 0 ? drop(w, r, key, j, 1) : 1;
            spk_store(kept + first + j, p * factor);
            grad[first + j] = g *= factor;
        }
        dot += p * g;
    }
    dot = spk_warp_sum(dot);
    for (int64_t j = lane; j < w.t; j += 32) {
        grad[first + j] = j < n ? w.scale * spk_load(save + first + j) * (grad[first + j] - dot) : 0;
        if (kept && j >= n) spk_store(kept + first + j, 0);
    }
}

template <int STEPS, typename F>
__device__ static inline void backward_short(const rows_of &w, int64_t row, const score_row &r, spk_draw_key key,
                                             const saved<F> *save, float *grad, F *kept)
{
    const int lane = threadIdx.x % 32, t = static_cast<int>(w.t), n = r.i < r.len ? static_cast<int>(r.len) : 0;
    const int64_t first = row * w.s_ld;
    float p[STEPS][WORDS], g[STEPS][WORDS], dot = 0;
#pragma unroll
    for (int i = 0; i < STEPS; i++)
#pragma unroll
        for (int k = 0; k < WORDS; k++) {
            const int j = key_at(r, i, lane) + k * SPK_DRAW_LANES;
            const bool there = j >= 0 && j < n;
            p[i][k] = there ? spk_load(save + first + j) : 0;
            g[i][k] = there ? grad[first + j] : 0;
        }
#pragma unroll
    for (int i = 0; i < STEPS; i++) {
        float factor[WORDS] = {1, 1, 1, 1};
        if (kept && w.bound > 0) factors_at(w, r, key, i, lane, factor);
#pragma unroll
        for (int k = 0; k < WORDS; k++) {
            const int j = key_at(r, i, lane) + k * SPK_DRAW_LANES;
            g[i][k] *= factor[k];
            dot += p[i][k] * g[i][k];
            if (kept && j >= 0 && j < t) spk_store(kept + first + j, p[i][k] * factor[k]);
        }
    }
    dot = spk_warp_sum(dot);
#pragma unroll
    for (int i = 0; i < STEPS; i++)
#pragma unroll
        for (int k = 0; k < WORDS; k++) {
            const int j = key_at(r, i, lane) + k * SPK_DRAW_LANES;
            if (j >= 0 && j < t) grad[first + j] = w.scale * p[i][k] * (g[i][k] - dot);
        }
}

/* Does the score of query i and key j look at a product with positions? At which place: places_of. */
__device__ static inline bool looks(const score_row &r, const score_places &at, int64_t j)
{
    return r.i < r.len && j >= 0 && j < r.len && (j <= r.i || j >= at.next);
}

/* What the row of scores gives to products with positions: those of its query, up to its own frame, and behind it those of the
 * next query with LEGACY. All others of its query's row become zero, and so each is written once, by one warp: what a
 * query's row has for the query before it begins at `skip` and ends before its own. */
__device__ static inline void skew_back(const rows_of &w, int64_t row, const score_row &r, const float *ds, float *dpos)
{
    const score_places at = places_of(w, r);
    const int64_t mine = row * w.s.p_ld, first = row * w.s_ld;
    const int lane = threadIdx.x % 32;
    __syncwarp();
    for (int64_t m = lane; m < w.s.p_n; m += 32) {
        const int64_t j = mine + m - at.left;
        const bool before = w.kind == SPK_ATTN_LEGACY && r.i > 0 && r.i < r.len && j < 0 && m >= skipped(w, r.len);
        if (looks(r, at, j) && (w.kind != SPK_ATTN_LEGACY || j <= r.i))
            dpos[mine + m] = ds[first + j];
        else if (!before)
            dpos[mine + m] = 0;
    }
    if (w.kind != SPK_ATTN_LEGACY || r.i >= r.len) return;
    for (int64_t j = at.next + lane; j < r.len; j += 32)
        dpos[at.right + j] = ds[first + j];
}

template <int STEPS, typename F>
static __global__ void __launch_bounds__(WARPS * 32)
    softmax_rows_backward(rows_of w, const saved<F> *save, float *grad, F *kept, float *dpos)
{
    const spk_draw_key key = key_of(w);
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32; row < w.scored;
         row += static_cast<int64_t>(gridDim.x) * WARPS) {
        const score_row r = row_at(w, row);
        if constexpr (STEPS == 0)
            backward_long(w, row, r, key, save, grad, kept);
        else
            backward_short<STEPS>(w, row, r, key, save, grad, kept);
        if (dpos) skew_back(w, row, r, grad, dpos);
    }
}

void spk_attention_softmax_backward(const spk_attention *w, const spk_attention_pass *s, const void *save, float *grad,
                                    void *kept, float *dpos)
{
    const rows_of r = rows_for(w, s);
    spk_by_type(w->weights, [&](auto *type) {
        using F = std::remove_pointer_t<decltype(type)>;
        by_steps(w->t, [&](auto steps) {
            spk_launch(w->d, softmax_rows_backward<decltype(steps)::value, F>, blocks_for(w, r.scored), WARPS * 32, 0,
                       r, static_cast<const saved<F> *>(save), grad, static_cast<F *>(kept), dpos);
        });
    });
}
